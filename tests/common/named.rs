//! BIND's `named` in a temporary folder, on ports of its own. Shared by the tests of the DNS adapter and the conformance
//! run, each of which uses a part of it.
#![allow(dead_code)]

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use leeward::adapters::dns;
use leeward::domain::endpoints::{DnsEndpoints, DnsUpdateEndpoint, PasswordSource, TsigAlgorithm};
use leeward::domain::secret::Secret;
use tempfile::TempDir;

pub const ZONE: &str = "example.test";
pub const NAME: &str = "workflows.example.test";
pub const KEY: &str = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0";

/// The program, or None where it is not installed: then the tests that need it say so and pass.
pub fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders.map(|folder| folder.join("named")).find(|file| file.is_file());
    if found.is_none() {
        eprintln!("skipped: BIND's named is not installed (Debian: apt-get install bind9)");
    }
    found
}

pub struct Named {
    pub addr: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free for UDP and TCP now. Bound again by named a moment later; a rare loser of that race shows as a
/// server that does not start.
fn free_port() -> SocketAddr {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = tcp.local_addr().unwrap();
        if UdpSocket::bind(addr).is_ok() {
            return addr;
        }
    }
}

impl Named {
    /// Starts one with more options and zones, and returns when it answers for `NAME`.
    pub async fn start(program: &Path, options: &str, zones: impl Fn(SocketAddr) -> String) -> Named {
        Named::start_at(free_port(), program, options, zones, "").await
    }

    async fn start_at(
        addr: SocketAddr,
        program: &Path,
        options: &str,
        zones: impl Fn(SocketAddr) -> String,
        more_records: &str,
    ) -> Named {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().display();
        let port = addr.port();
        let configuration = format!(
            "options {{ directory \"{dir}\"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
               pid-file none; session-keyfile none; dnssec-validation no; querylog no; {options} }};
             controls {{ }};
             key \"leeward-key\" {{ algorithm hmac-sha256; secret \"{KEY}\"; }};
             key \"stranger\" {{ algorithm hmac-sha256; secret \"{KEY}\"; }};
             key \"key-384\" {{ algorithm hmac-sha384; secret \"{KEY}\"; }};
             key \"key-512\" {{ algorithm hmac-sha512; secret \"{KEY}\"; }};
             {}",
            zones(addr)
        );
        fs::write(folder.path().join("named.conf"), configuration).unwrap();
        fs::write(folder.path().join("zone.db"), zone_file() + more_records).unwrap();
        let mut child = Command::new(program)
            .args(["-g", "-n", "1", "-c"])
            .arg(folder.path().join("named.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let alone = DnsEndpoints { resolvers: vec![addr.to_string()], ..endpoints(&[]) };
        // The resolver's answer is the last one.
        while dns::look(&alone).await.answers.last().is_none_or(|answer| answer.result.is_err()) {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("named ended, {status}: {}", fs::read_to_string(folder.path().join("log")).unwrap());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Named { addr, child, _folder: folder }
    }

    /// The zone's primary.
    pub async fn primary(program: &Path) -> Named {
        Named::primary_with(program, "").await
    }

    /// The same with more records in its zone.
    pub async fn primary_with(program: &Path, more_records: &str) -> Named {
        let zone = format!(
            "zone \"{ZONE}\" {{ type primary; file \"zone.db\"; notify no;
               allow-update {{ key \"leeward-key\"; key \"key-384\"; key \"key-512\"; }}; }};"
        );
        Named::start_at(free_port(), program, "recursion no;", |_| zone.clone(), more_records).await
    }

    /// A primary and a secondary that is told of each change.
    pub async fn pair(program: &Path) -> (Named, Named) {
        let second = free_port();
        let zone = format!(
            "zone \"{ZONE}\" {{ type primary; file \"zone.db\"; allow-update {{ key \"leeward-key\"; }};
               notify explicit; also-notify {{ 127.0.0.1 port {}; }}; }};",
            second.port()
        );
        // A change is told at once, not gathered for some seconds.
        let options = "recursion no; notify-delay 0; notify-rate 100;";
        let primary = Named::start(program, options, |_| zone.clone()).await;
        let copy = format!(
            "zone \"{ZONE}\" {{ type secondary; file \"copy.db\"; primaries {{ 127.0.0.1 port {}; }}; notify no; }};",
            primary.addr.port()
        );
        let secondary = Named::start_at(second, program, "recursion no;", |_| copy.clone(), "").await;
        (primary, secondary)
    }

    /// A secondary that fetches the zone once and is never told of changes: a change that is held.
    pub async fn held_secondary(program: &Path, primary: SocketAddr) -> Named {
        let zone = format!(
            "zone \"{ZONE}\" {{ type secondary; file \"copy.db\"; primaries {{ 127.0.0.1 port {}; }}; notify no; }};",
            primary.port()
        );
        Named::start(program, "recursion no;", |_| zone.clone()).await
    }

    /// A resolver that asks the primary and keeps what it heard.
    pub async fn resolver(program: &Path, primary: SocketAddr) -> Named {
        let options = format!(
            "recursion yes; forward only; forwarders {{ 127.0.0.1 port {}; }}; empty-zones-enable no;",
            primary.port()
        );
        Named::start(program, &options, |_| String::new()).await
    }
}

fn zone_file() -> String {
    let mut text = "$TTL 30\n@ IN SOA ns hostmaster 41 3600 600 86400 7\n@ IN NS ns\nns IN A 127.0.0.1\n\
        workflows IN A 192.0.2.10\nalias IN CNAME workflows\nboth IN A 192.0.2.10\nboth IN AAAA 2001:db8::10\n"
        .to_owned();
    // Too long for a UDP answer.
    for host in 1..=60 {
        text.push_str(&format!("many IN A 192.0.2.{host}\n"));
    }
    text
}

/// Endpoints with these authoritative servers; updates go to the first.
pub fn endpoints(servers: &[SocketAddr]) -> DnsEndpoints {
    DnsEndpoints {
        name: NAME.to_owned(),
        zone: ZONE.to_owned(),
        authoritative: servers.iter().map(ToString::to_string).collect(),
        primary: None,
        resolvers: Vec::new(),
        update: servers.first().map(|server| update(*server, "leeward-key", KEY)),
    }
}

pub fn update(server: SocketAddr, key_name: &str, key: &str) -> DnsUpdateEndpoint {
    let key = PasswordSource::Given(Secret::new(key));
    DnsUpdateEndpoint {
        server: server.to_string(),
        key_name: key_name.to_owned(),
        key,
        algorithm: TsigAlgorithm::Sha256,
    }
}
