//! The settings as the program uses them: checked, with defaults filled in, passwords kept apart. Plain data.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::endpoints::TsigAlgorithm;
use crate::domain::secret::Secret;

/// Everything that the configuration says, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The environment's name, `[a-z0-9-]{1,40}`; shown on every screen and part of the lock's name.
    pub environment: String,
    /// True: nothing may be written, below the console too.
    pub read_only: bool,
    /// How long a failover may take, from the outage to service.
    pub rto_target: Duration,
    /// How much work may be lost, as time.
    pub rpo_target: Duration,
    /// The two regions in the order of the file. Which one is primary is observed.
    pub regions: [RegionSettings; 2],
    /// The public name; absent: DNS is not watched and not switched.
    pub dns: Option<DnsSettings>,
    /// Where news is sent.
    pub webhooks: Vec<WebhookSettings>,
    /// The run that proves that the service works; absent: one small container that ends well at once.
    pub canary: Option<CanarySettings>,
    /// Who may approve what.
    pub approval: ApprovalSettings,
    /// Limits beyond which a person must decide.
    pub limits: LimitSettings,
    /// How often each source is asked.
    pub intervals: IntervalSettings,
    /// Where journals, samples and logs are kept.
    pub state_dir: PathBuf,
    /// Where the sandbox finds PostgreSQL's programs; absent: the usual places.
    pub postgres_bindir: Option<PathBuf>,
}

/// One region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionSettings {
    /// The region's name, `[a-z0-9-]{1,40}`.
    pub name: String,
    /// The kubeconfig context.
    pub context: String,
    /// The kubeconfig; absent: `KUBECONFIG` or `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// The namespaces looked at; empty: all.
    pub namespaces: Vec<String>,
    /// The namespace of the workflow controller.
    pub controller_namespace: String,
    /// Controllers to start where it is not known how many the other side had, at least 1.
    pub controller_replicas: u32,
    /// Where the controller's metrics are read.
    pub metrics: MetricsSource,
    /// The checkpoints' URL, `s3`, `gs`, `az` or `file`. Accepted and not looked at.
    pub checkpoints: Option<String>,
    /// The region's database server.
    pub database: DatabaseSettings,
}

/// Where the controller's metrics are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricsSource {
    /// Through the API server's proxy to the controller's pod.
    Auto,
    /// An `http` or `https` URL.
    Url(String),
    /// Nowhere.
    Off,
}

/// A region's database server. It is promoted by `pg_promote()`, as its operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseSettings {
    /// The login that watches.
    pub login: Login,
    /// The login that acts; absent: this database can't be fenced or promoted from here.
    pub operator: Option<Login>,
}

/// A PostgreSQL URL without its password, and where the password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// `postgres://user@host:port/database?sslmode=…`, never with a password in it.
    pub url: String,
    /// Where the password is.
    pub password: PasswordSource,
}

/// Where a password is. It is read when it is used, so that a rotated one is taken up and an absent one hurts nobody
/// who does not connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordSource {
    /// The server asks for none, or finds it elsewhere (`~/.pgpass`, a certificate).
    None,
    /// It stood in the URL.
    Inline(Secret),
    /// It stands in this file, alone.
    File(PathBuf),
}

/// The public name and how it is switched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsSettings {
    /// The fully qualified name, without the last dot, in lower case.
    pub name: String,
    /// How it is switched.
    pub provider: DnsProvider,
    /// The zone that holds the name, without the last dot; absent: what follows the first dot of the name.
    pub zone: Option<String>,
    /// The address that means each region: (region, address), in the order of the regions.
    pub targets: Vec<(String, IpAddr)>,
    /// The authoritative servers to ask, `host:port`; empty: the primary of [`DnsProvider::Rfc2136`] and those that the
    /// zone's NS records name there, or without one at the resolvers.
    pub servers: Vec<String>,
    /// Public resolvers to ask as well, `host:port`.
    pub resolvers: Vec<String>,
    /// The time to live given to a record that is switched.
    pub ttl: Duration,
}

/// How the name is switched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsProvider {
    /// Watched only; a person switches it.
    None,
    /// Dynamic update (RFC 2136), signed with TSIG (RFC 8945) where there is a key.
    Rfc2136 {
        /// The primary server, `host:port`.
        server: String,
        /// The key.
        tsig: Option<TsigSettings>,
    },
    /// A program and its arguments. Accepted and not run: the name is switched by hand.
    Command(Vec<String>),
}

/// A TSIG key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TsigSettings {
    /// The key's name.
    pub name: String,
    /// What is computed with it.
    pub algorithm: TsigAlgorithm,
    /// The file that holds the key, in base64.
    pub secret_file: PathBuf,
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSettings {
    /// What it is called: as configured, else the host of its URL.
    pub name: String,
    /// `http` or `https`.
    pub url: String,
    /// The file that holds the key of the signature (HMAC-SHA256).
    pub secret_file: Option<PathBuf>,
}

/// The run that proves the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanarySettings {
    /// Where it runs.
    pub namespace: String,
    /// What runs.
    pub run: CanaryRun,
}

/// What the canary runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CanaryRun {
    /// A WorkflowTemplate of the user.
    Template(String),
    /// One container.
    Container {
        /// Its image.
        image: String,
        /// Its command; empty: the image's own.
        command: Vec<String>,
        /// The service account; absent: the namespace's default.
        service_account: Option<String>,
    },
}

/// Who may approve what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalSettings {
    /// One person may override what asks for a second.
    pub break_glass: bool,
    /// User names as the API server knows them; empty: anyone but the driver. Accepted and not asked.
    pub approvers: Vec<String>,
}

/// Limits beyond which a person must decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitSettings {
    /// A promotion that may lose more needs an override, in bytes of write-ahead log.
    pub loss_bytes_max: u64,
    /// No second failover within this time without an override.
    pub anti_flap: Duration,
    /// Finished runs kept in memory for each region.
    pub finished_runs: u32,
}

/// How often each source is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntervalSettings {
    /// Heartbeat of an API server, sample of a database.
    pub probe: Duration,
    /// Scrape of a controller's metrics.
    pub metrics: Duration,
    /// Look at the name servers.
    pub dns: Duration,
    /// Archive counts, rights, identity, parity: what changes seldom and costs more.
    pub slow: Duration,
    /// Longest wait for an answer.
    pub timeout: Duration,
}
