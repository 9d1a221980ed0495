//! An authoritative DNS service on loopback: one zone, one or more name servers, dynamic update with TSIG, and faults.
//! Not pure. Messages and signatures are hickory's; what a server does with them is in the pure files below.
//!
//! The zone is committed once and each server shows a copy of it, at once or later, because that is what a failover
//! runs into: the change is accepted, and the world does not see it yet.

mod answer;
mod auth;
mod key;
mod net;
mod service;
#[cfg(test)]
mod tests;
mod update;
mod zone;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hickory_proto::rr::Name;
use tokio::task::JoinHandle;

pub use key::TsigKey;
use net::Sockets;
pub use service::Publication;
use service::Service;
use zone::{Zone, absolute};

/// More name servers than a drill can need.
const MAX_SERVERS: usize = 8;

/// What can go wrong at the start.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// Not a domain name.
    #[error("domain name {0:?}")]
    Name(String),
    /// The name is not in the zone.
    #[error("{name} is not in the zone {zone}")]
    NotInZone {
        /// The name.
        name: String,
        /// The zone.
        zone: String,
    },
    /// A number of servers that makes no sense.
    #[error("{0} name servers: want 1 to {MAX_SERVERS}")]
    Servers(usize),
    /// The key can't be used.
    #[error("TSIG key: {0}")]
    Key(String),
    /// The system gave no random bytes.
    #[error("draw random bytes for the TSIG key")]
    Random,
    /// No port.
    #[error("loopback port for DNS: {0}")]
    Port(#[from] io::Error),
}

/// What the service serves.
#[derive(Debug, Clone)]
pub struct DnsOptions {
    /// The zone's name.
    pub zone: String,
    /// The public name that a failover changes; in the zone.
    pub name: String,
    /// Its addresses at the start.
    pub addresses: Vec<IpAddr>,
    /// TTL of everything, seconds, also of "no".
    pub ttl: u32,
    /// Name of the TSIG key (HMAC-SHA256).
    pub key_name: String,
    /// Its secret; `None`: drawn.
    pub key_secret: Option<Vec<u8>>,
    /// How many name servers; the first is the primary.
    pub servers: usize,
}

impl Default for DnsOptions {
    fn default() -> Self {
        Self {
            zone: "example.com".to_owned(),
            name: "workflows.example.com".to_owned(),
            addresses: vec![IpAddr::from([192, 0, 2, 10])], // TEST-NET-1, as in the documentation
            ttl: 60,
            key_name: "leeward".to_owned(),
            key_secret: None,
            servers: 2,
        }
    }
}

/// The running service. Dropping it stops its servers.
pub struct DnsServer {
    service: Arc<Mutex<Service>>,
    addrs: Vec<SocketAddr>,
    zone: Name,
    name: Name,
    ttl: u32,
    key: TsigKey,
    tasks: Vec<JoinHandle<()>>,
}

impl DnsServer {
    /// Starts the name servers on free loopback ports, UDP and TCP on the same. Needs a tokio runtime.
    pub async fn start(options: DnsOptions) -> Result<Self, DnsError> {
        let (zone, name) = (absolute(&options.zone)?, absolute(&options.name)?);
        if !zone.zone_of(&name) {
            return Err(DnsError::NotInZone { name: options.name, zone: options.zone });
        }
        if !(1..=MAX_SERVERS).contains(&options.servers) {
            return Err(DnsError::Servers(options.servers));
        }
        let key = TsigKey::new(&options.key_name, options.key_secret)?;
        let mut records = Zone::new(zone.clone(), options.servers, options.ttl)?;
        records.set_addresses(&name, options.ttl, &options.addresses);
        let service = Arc::new(Mutex::new(Service::new(records, options.servers, key.signer()?)));
        let mut running = Self { service, addrs: Vec::new(), zone, name, ttl: options.ttl, key, tasks: Vec::new() };
        for server in 0..options.servers {
            let sockets = Sockets::bind().await?;
            running.addrs.push(sockets.addr()?);
            running.tasks.push(tokio::spawn(sockets.serve(server, Arc::clone(&running.service))));
        }
        Ok(running)
    }

    /// Where the name servers listen; the first takes updates. In the zone they are `ns1`, `ns2` … on 127.0.0.1.
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// The zone's name, with its final dot.
    pub fn zone(&self) -> String {
        self.zone.to_ascii()
    }

    /// The public name, with its final dot.
    pub fn name(&self) -> String {
        self.name.to_ascii()
    }

    /// The key for updates.
    pub fn key(&self) -> &TsigKey {
        &self.key
    }

    /// The public name's addresses as updates and their prerequisites see them, sorted.
    pub fn committed(&self) -> Vec<IpAddr> {
        self.service().committed().addresses(&self.name)
    }

    /// The public name's addresses as a server answers them now, sorted.
    pub fn shown(&self, server: usize) -> Vec<IpAddr> {
        let mut service = self.service();
        service.shown(server, Instant::now()).map(|zone| zone.addresses(&self.name)).unwrap_or_default()
    }

    /// The zone's serial as a server answers it now.
    pub fn serial(&self, server: usize) -> u32 {
        self.service().shown(server, Instant::now()).map_or(0, Zone::serial)
    }

    /// How many updates have changed something.
    pub fn updates(&self) -> u64 {
        self.service().updates()
    }

    /// Somebody else changes the public name: a health check that flips, a controller that puts its own record back.
    pub fn change_by_another(&self, addresses: &[IpAddr]) {
        let mut service = self.service();
        let mut zone = service.committed().clone();
        zone.set_addresses(&self.name, self.ttl, addresses);
        zone.bump();
        service.commit(zone, Instant::now());
    }

    /// A server drops everything that comes, or no longer.
    pub fn silence(&self, server: usize, silent: bool) {
        self.service().set_silent(server, silent);
    }

    /// The primary refuses updates, or no longer.
    pub fn refuse_updates(&self, refuse: bool) {
        self.service().set_refuse_updates(refuse);
    }

    /// When a server shows what is committed. What it does not show yet is published by the new rule.
    pub fn publish(&self, server: usize, publication: Publication) {
        self.service().set_publication(server, publication, Instant::now());
    }

    fn service(&self) -> MutexGuard<'_, Service> {
        self.service.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for DnsServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DnsServer").field("name", &self.name.to_ascii()).field("addrs", &self.addrs).finish()
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
