//! How everything is reached. Made by the settings or by the sandbox, used by the adapters: the console cannot tell
//! the two apart except by its banner.

use super::region::PerSide;
use super::secret::Secret;
use std::path::PathBuf;
use std::time::Duration;

/// Every way out of this process.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// The regions.
    pub regions: PerSide<RegionEndpoints>,
    /// The name servers.
    pub dns: Option<DnsEndpoints>,
    /// Receivers of notifications.
    pub notify: Vec<WebhookEndpoint>,
    /// How often each source is asked.
    pub intervals: Intervals,
}

/// How often sources are asked, and how long a write may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intervals {
    /// Heartbeat of an API server, sample of a database.
    pub probe: Duration,
    /// Scrape of a controller's metrics.
    pub metrics: Duration,
    /// Look at the name servers.
    pub dns: Duration,
    /// Archive counts, rights, identity: what changes seldom and costs more.
    pub slow: Duration,
    /// Longest wait for an answer.
    pub timeout: Duration,
}

impl Default for Intervals {
    fn default() -> Intervals {
        Intervals {
            probe: Duration::from_secs(2),
            metrics: Duration::from_secs(5),
            dns: Duration::from_secs(5),
            slow: Duration::from_secs(20),
            timeout: Duration::from_secs(3),
        }
    }
}

/// A region.
#[derive(Debug, Clone)]
pub struct RegionEndpoints {
    /// Name.
    pub name: String,
    /// Kubeconfig file. None: `KUBECONFIG` or the usual place.
    pub kubeconfig: Option<PathBuf>,
    /// Context in it; never the current one by default.
    pub context: String,
    /// Namespaces to watch; empty: all, or as far as permitted.
    pub namespaces: Vec<String>,
    /// Namespace of the workflow controller.
    pub controller_namespace: String,
    /// Where the controller's metrics are.
    pub metrics: MetricsEndpoint,
    /// Its database, as the monitoring user.
    pub database: DatabaseEndpoint,
    /// Its database, as the user that may promote and fence.
    pub operator: Option<DatabaseEndpoint>,
}

/// Where metrics are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricsEndpoint {
    /// Through the API server's proxy to the controller's pods.
    PodProxy,
    /// At a URL.
    Url(String),
    /// Not at all.
    Off,
}

/// A database user.
#[derive(Debug, Clone)]
pub struct DatabaseEndpoint {
    /// URL without a password.
    pub url: String,
    /// Its password, or where to read it when it is needed.
    pub password: PasswordSource,
}

/// Where a password comes from.
#[derive(Debug, Clone)]
pub enum PasswordSource {
    /// There is none: the URL or the server's rules do without.
    None,
    /// It stood in the configuration.
    Given(Secret),
    /// A file, read at each connect.
    File(PathBuf),
}

/// The name servers.
#[derive(Debug, Clone)]
pub struct DnsEndpoints {
    /// The name in front.
    pub name: String,
    /// Zone of the name.
    pub zone: String,
    /// Authoritative servers, `address:port`. Empty: those of the zone's NS records.
    pub authoritative: Vec<String>,
    /// The zone's primary, `address:port`, which is asked for the NS records. None: the resolvers are.
    pub primary: Option<String>,
    /// Resolvers, `address:port`.
    pub resolvers: Vec<String>,
    /// How it is changed. None: not from here.
    pub update: Option<DnsUpdateEndpoint>,
}

/// RFC 2136 with TSIG.
#[derive(Debug, Clone)]
pub struct DnsUpdateEndpoint {
    /// Server that takes updates, `address:port`.
    pub server: String,
    /// Name of the key.
    pub key_name: String,
    /// The key, base64 as in a BIND key file, or where it stands.
    pub key: PasswordSource,
    /// What is computed with it. The server knows the key for this one alone.
    pub algorithm: TsigAlgorithm,
}

/// The algorithms of TSIG that are not too weak (RFC 8945, section 6).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TsigAlgorithm {
    /// `hmac-sha256`, which every server has.
    #[default]
    Sha256,
    /// `hmac-sha384`.
    Sha384,
    /// `hmac-sha512`.
    Sha512,
}

impl TsigAlgorithm {
    /// All of them.
    pub const ALL: [TsigAlgorithm; 3] = [TsigAlgorithm::Sha256, TsigAlgorithm::Sha384, TsigAlgorithm::Sha512];

    /// Its name in configurations and in the protocol.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            TsigAlgorithm::Sha256 => "hmac-sha256",
            TsigAlgorithm::Sha384 => "hmac-sha384",
            TsigAlgorithm::Sha512 => "hmac-sha512",
        }
    }
}

/// A generic webhook.
#[derive(Debug, Clone)]
pub struct WebhookEndpoint {
    /// Its name in the configuration.
    pub name: String,
    /// URL.
    pub url: String,
    /// Key of the HMAC over the body.
    pub secret: PasswordSource,
}
