//! Simulated regions that speak the real protocols on loopback: two Kubernetes API servers with an Argo controller each, a
//! real PostgreSQL primary and replica, a DNS server and a receiver of notifications. The console cannot tell it from
//! production but by its banner: both are [`Endpoints`].

pub mod argo;
pub mod dns;
pub mod fault;
pub mod kube;
pub mod postgres;
pub mod reaper;
pub mod relay;
pub mod scenario;
pub mod webhook;

mod places;

use crate::domain::endpoints::Endpoints;
use crate::domain::policy::Policy;
use crate::domain::region::{PerSide, Side};
use argo::{Archive, ArchiveRow, PostgresArchive, Region, RegionOptions, RegionSeed, Role, Runs, Timing, seed_region};
use dns::{DnsError, DnsOptions, DnsServer};
use kube::{ApiServer, ApiServerError, ApiServerOptions, Store};
use postgres::{Pair, PairError, PairOptions};
use reaper::{Reaper, ReaperError};
use relay::Relay;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use webhook::Webhook;

/// Names of the regions; the first one is the primary at the start.
pub const REGIONS: [&str; 2] = ["us-central1", "us-east1"];

/// Name of the environment.
pub const ENVIRONMENT: &str = "sandbox";

/// The name in front.
const NAME: &str = "workflows.sandbox.test";

/// How a sandbox is to be.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// Where PostgreSQL's programs are, when not in a usual place.
    pub postgres_bindir: Option<PathBuf>,
    /// Runs in flight at the start.
    pub runs: usize,
}

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A simulated API server.
    #[error("the simulated API server of {region}: {error}")]
    Api {
        /// Its region.
        region: &'static str,
        /// Why.
        error: ApiServerError,
    },
    /// The keeper of folder and processes.
    #[error(transparent)]
    Reaper(#[from] ReaperError),
    /// The databases.
    #[error(transparent)]
    Pair(#[from] PairError),
    /// The DNS server.
    #[error("the sandbox's DNS server: {0}")]
    Dns(#[from] DnsError),
    /// A simulated region.
    #[error("the simulated region {region}: {error}")]
    Region {
        /// Its name.
        region: &'static str,
        /// Why.
        error: String,
    },
    /// The operating system refused.
    #[error("{operation}: {error}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// What came back.
        error: std::io::Error,
    },
}

/// A running sandbox. Dropping it ends everything that it started.
pub struct Sandbox {
    pub(crate) apis: PerSide<ApiServer>,
    pub(crate) pair: Pair,
    pub(crate) lines: PerSide<Relay>,
    _regions: PerSide<Region>,
    dns: DnsServer,
    webhook: Webhook,
    folder: PathBuf,
    _reaper: Arc<Reaper>,
}

fn io(operation: &'static str) -> impl FnOnce(std::io::Error) -> SandboxError {
    move |error| SandboxError::Io { operation, error }
}

/// The same side in the databases' words.
pub(crate) fn pair_side(side: Side) -> postgres::Side {
    match side {
        Side::A => postgres::Side::A,
        Side::B => postgres::Side::B,
    }
}

impl Sandbox {
    /// Starts everything; what an earlier sandbox left behind is ended first.
    ///
    /// # Errors
    /// What could not be started.
    pub async fn start(options: SandboxOptions) -> Result<Sandbox, SandboxError> {
        let swept = Reaper::sweep();
        tracing::debug!(?swept, "what an earlier sandbox left behind");
        let reaper = Arc::new(Reaper::start()?);
        let folder = reaper.dir().to_path_buf();
        let pair_options = PairOptions {
            bin_dir: options.postgres_bindir.clone(),
            regions: REGIONS.map(str::to_owned),
            reaper: Some(Arc::clone(&reaper)),
            ..PairOptions::default()
        };
        let (pair, dns, webhook) =
            tokio::join!(Pair::start(pair_options), DnsServer::start(dns_options()), Webhook::start(),);
        let (pair, dns, webhook) = (pair?, dns?, webhook.map_err(io("start the receiver of notifications"))?);
        let (api_a, region_a) = region(&pair, Side::A, seed(&options, REGIONS[0], Role::Primary)).await?;
        let (api_b, region_b) = region(&pair, Side::B, seed(&options, REGIONS[1], Role::Standby)).await?;
        let (apis, regions) = (PerSide::new(api_a, api_b), PerSide::new(region_a, region_b));
        let lines = PerSide::new(line(&pair, Side::A).await?, line(&pair, Side::B).await?);
        let sandbox = Sandbox { apis, pair, lines, _regions: regions, dns, webhook, folder, _reaper: reaper };
        sandbox.write_files()?;
        Ok(sandbox)
    }

    /// How everything in it is reached.
    #[must_use]
    pub fn endpoints(&self) -> Endpoints {
        places::endpoints(self)
    }

    /// What its team decided.
    #[must_use]
    pub fn policy(&self) -> Policy {
        places::policy(self)
    }

    /// Its folder: kubeconfig, passwords, a configuration file for another console. Gone with the sandbox.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A region's API server: its objects, and how many requests it got.
    #[must_use]
    pub fn api(&self, side: Side) -> &ApiServer {
        self.apis.get(side)
    }

    /// The databases.
    #[must_use]
    pub fn databases(&self) -> &Pair {
        &self.pair
    }

    /// The name servers.
    #[must_use]
    pub fn dns(&self) -> &DnsServer {
        &self.dns
    }

    /// The receiver of notifications.
    #[must_use]
    pub fn webhook(&self) -> &Webhook {
        &self.webhook
    }

    /// The kubeconfig with both regions' contexts.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    fn write_files(&self) -> Result<(), SandboxError> {
        let text = kube::kubeconfig(&[self.apis.a.cluster(), self.apis.b.cluster()]);
        places::write_private(&self.kubeconfig(), &text).map_err(io("write the kubeconfig"))?;
        places::write_private(&self.folder.join("dns-key"), &self.dns.key().base64())
            .map_err(io("write the DNS key"))?;
        places::write_private(&self.folder.join("config.toml"), &places::config(self))
            .map_err(io("write the configuration"))
    }
}

fn dns_options() -> DnsOptions {
    DnsOptions {
        zone: "sandbox.test".to_owned(),
        name: NAME.to_owned(),
        addresses: vec![target(Side::A)],
        ttl: 30,
        ..DnsOptions::default()
    }
}

/// The address that means a region: of the blocks for documentation, since nobody connects there.
pub(crate) fn target(side: Side) -> IpAddr {
    IpAddr::V4(match side {
        Side::A => Ipv4Addr::new(192, 0, 2, 10),
        Side::B => Ipv4Addr::new(198, 51, 100, 10),
    })
}

/// What stands in a region at the start.
fn seed(options: &SandboxOptions, name: &'static str, role: Role) -> RegionSeed {
    let runs = match role {
        Role::Primary => Runs { finished: options.runs * 4, running: options.runs, pending: options.runs / 12 },
        Role::Standby => Runs::default(),
    };
    RegionSeed { runs, timing: Timing::drill(), ..RegionSeed::new(name, role) }
}

/// A region: its API server, and the simulation that lives in it and archives into the region's own database.
async fn region(pair: &Pair, side: Side, mut seed: RegionSeed) -> Result<(ApiServer, Region), SandboxError> {
    let database = pair.addr(pair_side(side));
    seed.database = Some((database.ip().to_string(), database.port()));
    let name = if side == Side::A { REGIONS[0] } else { REGIONS[1] };
    let failed = |error: String| SandboxError::Region { region: name, error };
    let store = Store::new(kube::HistoryLimit::default());
    seed_region(&store, &seed).map_err(|error| failed(error.to_string()))?;
    let api = ApiServer::start(ApiServerOptions::new(name, store.clone()))
        .await
        .map_err(|error| SandboxError::Api { region: name, error })?;
    let archive = PostgresArchive::connect(&pair.url(pair_side(side), postgres::Role::Argo));
    let archive = archive.map_err(|error| failed(error.to_string()))?;
    let primary = seed.role == Role::Primary;
    if primary {
        // Before anyone looks: what is seeded is no sign of how fast this database is written.
        archive.install(&archived(&store, name)).await.map_err(|error| failed(error.to_string()))?;
        pair.settle(pair_side(side)).await?;
    }
    let archive: Arc<dyn Archive> = Arc::new(archive);
    let options = RegionOptions {
        archive: Some(archive),
        timing: Timing::drill(),
        fault: Some(api.fault_watch()),
        ..RegionOptions::new(store)
    };
    let region = Region::start(options).await.map_err(|error| failed(error.to_string()))?;
    api.set_kubelet(region.kubelet());
    if primary {
        region.settle().await.map_err(|error| failed(error.to_string()))?;
    }
    Ok((api, region))
}

/// The rows of the seeded runs that say that they are archived.
fn archived(store: &Store, cluster: &str) -> Vec<ArchiveRow> {
    let runs = store.list(kube::Kind::Workflow, None).items;
    let archived = runs.iter().filter(|run| run.label(argo::ARCHIVING) == Some("Archived"));
    archived.map(|run| ArchiveRow::of(cluster, &run.value())).collect()
}

async fn line(pair: &Pair, side: Side) -> Result<Relay, SandboxError> {
    Relay::start(pair.addr(pair_side(side))).await.map_err(io("start the line to a database"))
}
