//! From a region's entry in the configuration to connections to its API server.
//!
//! The stack is put together here, not by the client library's default: so that the read-only guard is the lowest layer,
//! the time limit covers the TLS handshake, a write is never sent twice (the library retries on 429, 503 and 504), and
//! fresh connections can be had at once when the old ones turn out dead, without asking a credential plugin again.

use super::call::Server;
use super::exec_plugin::{self, PLUGIN_TIMEOUT};
use super::read_only::{Access, Guard};
use super::transport::{Patient, Route};
use crate::domain::endpoints::RegionEndpoints;
use crate::domain::freshness::{ErrorKind, SourceError};
use http::header::{HeaderValue, USER_AGENT};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;
use kube::Config;
use kube::client::{AuthError, Body, ConfigExt as _};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use std::sync::Arc;
use std::time::Duration;
use tower::Layer as _;

/// How leeward names itself to a server; it stands in audit logs.
pub const USER_AGENT_TEXT: &str = concat!("leeward/", env!("CARGO_PKG_VERSION"));

/// Connections kept for reuse, and how long; a heartbeat every few seconds uses one of them.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

type Make = dyn Fn() -> Result<kube::Client, kube::Error> + Send + Sync;

/// Makes connections to one region's server with one set of credentials.
#[derive(Clone)]
pub struct Dialer {
    make: Arc<Make>,
    url: Arc<str>,
    context: Arc<str>,
    timeout: Duration,
    /// When the credentials end; then the kubeconfig must be read again.
    pub valid_until: Option<Timestamp>,
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dialer({} as {})", self.url, self.context)
    }
}

impl Dialer {
    /// Reads the kubeconfig, runs the credential plugin if there is one, and prepares TLS. Nothing is sent yet.
    /// `timeout` is the limit of a connect and the usual limit of an answer.
    ///
    /// # Errors
    /// The kubeconfig or the context is missing or unreadable (`NotConfigured`), the plugin gave no credentials
    /// (`Unauthorized`), or the certificates cannot be used (`Tls`).
    pub async fn open(endpoints: &RegionEndpoints, access: Access, timeout: Duration) -> Result<Dialer, SourceError> {
        let not_configured = |text: &str| SourceError::new(ErrorKind::NotConfigured, text);
        let path = endpoints.kubeconfig.clone();
        let read = tokio::task::spawn_blocking(move || match path {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        });
        let file = match read.await {
            Ok(Ok(file)) => file,
            Ok(Err(error)) => return Err(not_configured(&format!("kubeconfig: {}", kubeconfig_text(&error)))),
            Err(_) => return Err(not_configured("kubeconfig: reading it ended unexpectedly")),
        };
        if !file.contexts.iter().any(|known| known.name == endpoints.context) {
            return Err(not_configured(&unknown_context(&endpoints.context, &file)));
        }
        let context = KubeConfigOptions { context: Some(endpoints.context.clone()), ..KubeConfigOptions::default() };
        let mut config = Config::from_custom_kubeconfig(file, &context)
            .await
            .map_err(|error| not_configured(&format!("context {}: {}", endpoints.context, kubeconfig_text(&error))))?;
        let valid_until = exec_plugin::resolve(&mut config.auth_info, PLUGIN_TIMEOUT)
            .await
            .map_err(|error| SourceError::new(ErrorKind::Unauthorized, &error.to_string()))?;
        let url: Arc<str> = config.cluster_url.to_string().trim_end_matches('/').into();
        let make =
            stack(config, access, timeout).map_err(|(kind, text)| SourceError::new(kind, &format!("{url}: {text}")))?;
        Ok(Dialer { make, url, context: endpoints.context.as_str().into(), timeout, valid_until })
    }

    /// The server, over connections of its own.
    ///
    /// # Errors
    /// The credentials cannot be put into a header, or their file is gone.
    pub fn dial(&self) -> Result<Server, SourceError> {
        let client = (self.make)().map_err(|error| {
            SourceError::new(ErrorKind::Unauthorized, &format!("context {}: {}", self.context, chain(&error)))
        })?;
        Ok(Server::new(client, &self.url, &self.context, self.timeout))
    }
}

fn unknown_context(wanted: &str, file: &Kubeconfig) -> String {
    let near = file
        .contexts
        .iter()
        .map(|context| (strsim::damerau_levenshtein(&context.name, wanted), context.name.as_str()))
        .min()
        .filter(|(distance, name)| *distance <= name.chars().count().max(wanted.chars().count()) / 2);
    match near {
        Some((_, name)) => format!("the kubeconfig has no context {wanted}; did you mean {name}?"),
        None => format!("the kubeconfig has no context {wanted} ({} others)", file.contexts.len()),
    }
}

/// Everything below [`Server`]: headers, credentials, base path, guard, pool, TLS, TCP.
fn stack(config: Config, access: Access, timeout: Duration) -> Result<Arc<Make>, (ErrorKind, String)> {
    // The process-wide TLS provider: two are linked by different crates, and rustls panics when it has to choose.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Losing the race means that somebody else has set one: as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
    let route = Route::to(&config.cluster_url, config.proxy_url_of_cluster(), timeout)
        .map_err(|error| (ErrorKind::NotConfigured, error.to_string()))?;
    let tls = config
        .rustls_https_connector_with_connector(route)
        .map_err(|error| (ErrorKind::Tls, format!("certificates of the kubeconfig: {}", chain(&error))))?;
    let connector = Patient::new(tls, timeout);
    let mut config = config;
    config.headers.push((USER_AGENT, HeaderValue::from_static(USER_AGENT_TEXT)));
    Ok(Arc::new(move || {
        let http = HttpClient::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .build::<_, Body>(connector.clone());
        let guarded = Guard::new(access, config.cluster_url.path(), http);
        let service = config.base_uri_layer().layer(guarded);
        let headers = config.extra_headers_layer()?;
        let namespace = config.default_namespace.clone();
        Ok(match config.auth_layer()? {
            Some(auth) => kube::Client::new(headers.layer(auth.layer(service)), namespace),
            None => kube::Client::new(headers.layer(service), namespace),
        })
    }))
}

/// What is wrong with a kubeconfig. The parser quotes the lines around its error, and a token may stand there: of those
/// errors only the place is told.
fn kubeconfig_text(error: &KubeconfigError) -> String {
    let text = chain(error);
    if !matches!(error, KubeconfigError::Parse(_)) {
        return text;
    }
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let mut number_after =
        |word: &str| words.by_ref().skip_while(|w| *w != word).nth(1).and_then(|w| w.parse::<u32>().ok());
    match (number_after("line"), number_after("column")) {
        (Some(line), Some(column)) => format!("it cannot be read as YAML, line {line} column {column}"),
        _ => "it cannot be read as YAML".to_owned(),
    }
}

/// Why credentials cannot be used. Some of the library's texts hold the output of a command, which may be a token.
pub(super) fn auth_text(error: &(dyn std::error::Error + 'static)) -> String {
    let auth = match error.downcast_ref::<kube::Error>() {
        Some(kube::Error::Auth(auth)) => Some(auth),
        _ => error.downcast_ref::<AuthError>(),
    };
    match auth {
        Some(AuthError::ReadTokenFile(io, path)) => format!("token file {}: {io}", path.display()),
        Some(AuthError::InvalidBearerToken(_) | AuthError::InvalidBasicAuth(_)) => {
            "the token or password has characters that cannot be sent".to_owned()
        }
        Some(AuthError::AuthExecRun { out, .. }) => format!("the credential command failed: {}", out.status),
        Some(AuthError::AuthExecStart(io)) => format!("the credential command cannot be started: {io}"),
        _ => "the credentials cannot be prepared".to_owned(),
    }
}

trait ClusterProxy {
    fn proxy_url_of_cluster(&self) -> Option<&http::Uri>;
}

impl ClusterProxy for Config {
    /// The library mixes the environment's proxy in without NO_PROXY; that one is looked up by [`Route::to`] instead.
    fn proxy_url_of_cluster(&self) -> Option<&http::Uri> {
        let environment = ["HTTPS_PROXY", "https_proxy"].iter().filter_map(|name| std::env::var(name).ok());
        let mut environment = environment.filter_map(|text| text.parse::<http::Uri>().ok());
        self.proxy_url.as_ref().filter(|proxy| !environment.any(|other| other == **proxy))
    }
}

/// An error with its causes in one line. The library's errors put the cause into a `source`.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    for _ in 0..8 {
        let Some(error) = cause else { break };
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::endpoints::{DatabaseEndpoint, MetricsEndpoint, PasswordSource};

    fn endpoints(kubeconfig: &std::path::Path, context: &str) -> RegionEndpoints {
        RegionEndpoints {
            name: "us-east1".into(),
            kubeconfig: Some(kubeconfig.to_owned()),
            context: context.into(),
            namespaces: Vec::new(),
            controller_namespace: "argo".into(),
            metrics: MetricsEndpoint::Off,
            database: DatabaseEndpoint { url: String::new(), password: PasswordSource::None },
            operator: None,
        }
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_kubeconfig_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        let good = "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n\
                    users: [{name: u, user: {token: t0ken}}]\ncontexts: [{name: us-east1, context: {cluster: c, user: u}}]\n\
                    current-context: us-east1\n";
        let cases = [
            (None, "us-east1", Some("kubeconfig: ")),
            (Some("]["), "us-east1", Some("kubeconfig: it cannot be read as YAML, line 1 column 1")),
            // The parser would quote the line with the token.
            (
                Some("users: [{name: u, user: {token: t0ken\n- x: {"),
                "us-east1",
                Some("it cannot be read as YAML, line 2"),
            ),
            (
                Some("users: [{name: u, user: {token: {t0ken: t0ken}}}]"),
                "us-east1",
                Some("it cannot be read as YAML, line 1"),
            ),
            (Some(good), "us-eats1", Some("did you mean us-east1?")),
            (Some(good), "something-else-entirely", Some("no context something-else-entirely (1 others)")),
            (Some(good), "", Some("no context")),
            (Some(good), "us-east1", None),
        ];
        for (content, context, expected) in cases {
            match content {
                Some(content) => std::fs::write(&file, content).unwrap(),
                None => drop(std::fs::remove_file(&file)),
            }
            let opened = Dialer::open(&endpoints(&file, context), Access::ReadOnly, Duration::from_secs(1)).await;
            match (opened, expected) {
                (Ok(dialer), None) => {
                    dialer.dial().unwrap();
                    assert!(!format!("{dialer:?}").contains("t0ken"));
                }
                (Err(error), Some(text)) => {
                    assert_eq!(error.kind, ErrorKind::NotConfigured);
                    assert!(error.text.contains(text) && !error.text.contains("t0ken"), "{}", error.text);
                }
                (opened, expected) => panic!("{opened:?} instead of {expected:?}"),
            }
        }
    }
}
