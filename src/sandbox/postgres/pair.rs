//! The pair: two servers, the lines between them, their URLs and their faults. Not pure. The sides are A and B, not
//! primary and replica: after a failover the names would lie.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::sleep;

use super::account::Account;
use super::error::PairError;
use super::locate::locate;
use super::pki::Pki;
use super::server::{Host, Server, ServerState, Stop};
use super::settings::{DATABASE, Role, is_setting_name, url_encode};
use super::setup::{Setup, password_file, run};
use crate::sandbox::reaper::{Process, Reaper};
use crate::sandbox::relay::Relay;

/// One of the two regions' databases. At the start A is the primary and B its replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The first region.
    A,
    /// The second region.
    B,
}

impl Side {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    fn of<T>(self, [a, b]: &[T; 2]) -> &T {
        match self {
            Self::A => a,
            Self::B => b,
        }
    }
}

/// What a pair is made of.
#[derive(Debug, Clone)]
pub struct PairOptions {
    /// Folder of the server programs; `None`: found.
    pub bin_dir: Option<PathBuf>,
    /// Names of the regions of A and B: cluster name, application name of its replication, and (with `_` for `-`)
    /// name of its slot.
    pub regions: [String; 2],
    /// More settings for both servers, as in `postgresql.conf`.
    pub settings: Vec<(String, String)>,
    /// The run that the servers belong to; `None`: one of their own below the temporary directory.
    pub reaper: Option<Arc<Reaper>>,
}

impl Default for PairOptions {
    fn default() -> Self {
        let regions = ["us-central1".to_owned(), "us-east1".to_owned()];
        Self { bin_dir: None, regions, settings: Vec::new(), reaper: None }
    }
}

/// A primary and its streaming replica. Dropping it ends both and removes their folder; that needs no async runtime
/// and works on frozen servers.
#[derive(Debug)]
pub struct Pair {
    // Declared before `setup`, so that servers end before their folder is removed.
    servers: [Mutex<Server>; 2],
    links: [Relay; 2],
    ports: [u16; 2],
    regions: [String; 2],
    setup: Setup,
}

impl Pair {
    /// Makes both servers and returns when B provably streams from A; a few seconds. Needs a tokio runtime.
    pub async fn start(options: PairOptions) -> Result<Self, PairError> {
        check(&options)?;
        let binaries = locate(options.bin_dir.as_deref())?;
        let account = Account::choose()?;
        let reaper = match options.reaper {
            Some(reaper) => reaper,
            None => Arc::new(Reaper::start()?),
        };
        let home = make_home(&reaper, &account)?;
        let pki = Pki::make(&home, &account)?;
        let passwords = Setup::passwords(&home)?;
        let host = Host { binaries, account, home };
        let setup = Setup { host, reaper, more: options.settings, pki, passwords };
        let [region_a, region_b] = &options.regions;
        let mut a = Server::new(&setup.host, region_a);
        let mut b = Server::new(&setup.host, region_b);
        setup.create_primary(&mut a).await?;
        let to_a = Relay::start(loopback(a.port)).await.map_err(PairError::Port)?;
        setup.create_replica(a.port, to_a.addr(), &mut b, region_b).await?;
        let to_b = Relay::start(loopback(b.port)).await.map_err(PairError::Port)?;
        Ok(Self {
            ports: [a.port, b.port],
            servers: [Mutex::new(a), Mutex::new(b)],
            links: [to_a, to_b],
            regions: options.regions,
            setup,
        })
    }

    /// Where a side listens.
    pub fn addr(&self, side: Side) -> SocketAddr {
        loopback(*side.of(&self.ports))
    }

    /// URL of the database of a side for a role, password included.
    pub fn url(&self, side: Side, role: Role) -> String {
        self.url_at(self.addr(side), role)
    }

    /// [`Pair::url`] by another way to the same server, such as a relay; on 127.0.0.1, or the certificate won't fit.
    pub fn url_at(&self, addr: SocketAddr, role: Role) -> String {
        self.make_url(addr, &format!("{}:{}", role.name(), self.password(role)))
    }

    /// [`Pair::url`] without the password, to be given with [`Pair::password_file`].
    pub fn bare_url(&self, side: Side, role: Role) -> String {
        self.bare_url_at(self.addr(side), role)
    }

    /// [`Pair::bare_url`] by another way to the same server.
    pub fn bare_url_at(&self, addr: SocketAddr, role: Role) -> String {
        self.make_url(addr, role.name())
    }

    fn make_url(&self, addr: SocketAddr, who: &str) -> String {
        let ca = url_encode(&self.ca_file().to_string_lossy());
        format!("postgres://{who}@{addr}/{DATABASE}?sslmode=verify-full&sslrootcert={ca}")
    }

    /// A role's password; the same on both sides.
    pub fn password(&self, role: Role) -> &str {
        self.setup.password(role)
    }

    /// The file with a role's password; only we may read it.
    pub fn password_file(&self, role: Role) -> PathBuf {
        password_file(&self.setup.host.home, role)
    }

    /// The certificate authority's certificate.
    pub fn ca_file(&self) -> &Path {
        &self.setup.pki.ca
    }

    /// A side's region.
    pub fn region(&self, side: Side) -> &str {
        side.of::<String>(&self.regions)
    }

    /// A side's replication slot as it is named on the other side.
    pub fn slot(&self, side: Side) -> String {
        self.region(side).replace('-', "_")
    }

    /// The line by which the *other* side replicates from this one. Cutting it stops replication while both servers
    /// are well.
    pub fn link(&self, side: Side) -> &Relay {
        side.of(&self.links)
    }

    /// A connection to the Argo database of a side.
    pub async fn connect(&self, side: Side, role: Role) -> Result<PgConnection, PairError> {
        self.setup.connect(self.addr(side).port(), role, DATABASE).await
    }

    /// First processes of the servers that run.
    pub fn processes(&self) -> Vec<Process> {
        self.setup.reaper.processes()
    }

    /// What a side's server is doing.
    pub async fn state(&self, side: Side) -> ServerState {
        self.server(side).await.state()
    }

    /// Stops a side. A side that is stopped already is no error.
    pub async fn stop(&self, side: Side, how: Stop) {
        self.server(side).await.stop(how).await;
    }

    /// Starts a side that was stopped, with the data it has. Its replay is not paused then, whatever it was before.
    pub async fn start_again(&self, side: Side) -> Result<(), PairError> {
        let mut server = self.server(side).await;
        match server.state() {
            ServerState::Stopped => self.setup.start(&mut server).await,
            ServerState::Running => Err(PairError::State { side, is: "running already" }),
            ServerState::Frozen => Err(PairError::State { side, is: "frozen; thaw it" }),
        }
    }

    /// Stops and starts a side.
    pub async fn restart(&self, side: Side, how: Stop) -> Result<(), PairError> {
        self.stop(side, how).await;
        self.start_again(side).await
    }

    /// SIGSTOP for every process of a side: connections are accepted, nothing answers.
    pub async fn freeze(&self, side: Side) {
        self.server(side).await.freeze();
    }

    /// SIGCONT for every process of a side.
    pub async fn thaw(&self, side: Side) {
        self.server(side).await.thaw();
    }

    /// Stops the replay of a replica: it goes on receiving. Returns when replay stands still.
    pub async fn pause_replay(&self, side: Side) -> Result<(), PairError> {
        let failed = |source| PairError::Sql { operation: "pause replay", source };
        let mut admin = self.connect(side, Role::Admin).await?;
        run(&mut admin, "pause replay", "SELECT pg_wal_replay_pause()".to_owned()).await?;
        for _ in 0..500 {
            let state: String = sqlx::query_scalar("SELECT pg_get_wal_replay_pause_state()")
                .fetch_one(&mut admin)
                .await
                .map_err(failed)?;
            if state == "paused" {
                return Ok(());
            }
            sleep(Duration::from_millis(10)).await;
        }
        Err(failed(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
    }

    /// Lets a replica replay again.
    pub async fn resume_replay(&self, side: Side) -> Result<(), PairError> {
        let mut admin = self.connect(side, Role::Admin).await?;
        run(&mut admin, "resume replay", "SELECT pg_wal_replay_resume()".to_owned()).await
    }

    /// Waits until a side streams from the other and has replayed what that had written.
    pub async fn wait_streaming(&self, replica: Side) -> Result<(), PairError> {
        let (from, to) = (self.addr(replica.other()).port(), self.addr(replica).port());
        self.setup.wait_streaming(from, to, self.region(replica)).await
    }

    /// Puts a checkpoint behind what was written so far, and returns when the replica has replayed all of it: from here on
    /// only what the regions do is in the log.
    pub async fn settle(&self, primary: Side) -> Result<(), PairError> {
        let mut admin = self.connect(primary, Role::Admin).await?;
        run(&mut admin, "checkpoint", "CHECKPOINT".to_owned()).await?;
        self.wait_streaming(primary.other()).await
    }

    /// Throws a side's data away and makes it a streaming replica of the other, which must be a running primary: what
    /// follows a failover once the old side is given up.
    pub async fn rebuild(&self, side: Side) -> Result<(), PairError> {
        let mut server = self.server(side).await;
        server.stop(Stop::Crash).await;
        let link = self.link(side.other());
        link.mend();
        self.setup.create_replica(self.addr(side.other()).port(), link.addr(), &mut server, self.region(side)).await
    }

    /// Makes the pair new: another system, A primary, B its replica, same ports, passwords and certificates.
    pub async fn reset(&self) -> Result<(), PairError> {
        let [mut a, mut b] = [self.server(Side::A).await, self.server(Side::B).await];
        a.stop(Stop::Crash).await;
        b.stop(Stop::Crash).await;
        self.links.iter().for_each(Relay::mend);
        self.setup.create_primary(&mut a).await?;
        self.setup.create_replica(a.port, self.link(Side::A).addr(), &mut b, self.region(Side::B)).await
    }

    async fn server(&self, side: Side) -> MutexGuard<'_, Server> {
        side.of(&self.servers).lock().await
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for server in &mut self.servers {
            server.get_mut().stop_now();
        }
        // The run's folder may live on when it is shared.
        let _ = fs::remove_dir_all(&self.setup.host.home);
    }
}

fn check(options: &PairOptions) -> Result<(), PairError> {
    let [a, b] = &options.regions;
    let fits = |name: &str| {
        (1..=40).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if let Some(bad) = [a, b].into_iter().find(|name| !fits(name)) {
        return Err(PairError::Region(bad.clone()));
    }
    if a == b {
        return Err(PairError::Region(b.clone()));
    }
    match options.settings.iter().find(|(name, _)| !is_setting_name(name)) {
        Some((bad, _)) => Err(PairError::Setting(bad.clone())),
        None => Ok(()),
    }
}

/// A folder for the pair in the run's folder, owned by the servers' user and proven to be within its reach.
fn make_home(reaper: &Reaper, account: &Account) -> Result<PathBuf, PairError> {
    let failed = |source| PairError::File { operation: "create folder in", path: reaper.dir().to_owned(), source };
    let mode = Permissions::from_mode(0o755);
    let made = tempfile::Builder::new().prefix("postgres-").permissions(mode).tempdir_in(reaper.dir());
    let home = made.map_err(failed)?.keep();
    account.own(&home)?;
    if account.reaches(&home) {
        return Ok(home);
    }
    let _ = fs::remove_dir_all(&home);
    Err(PairError::Unreachable { account: account.name.clone(), path: home })
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
