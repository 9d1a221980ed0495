//! The controller's metrics through the API server's proxy to its pod: what `metrics = "auto"` means. It stands here since
//! it puts two adapters together: the one that knows API servers and the one that knows metrics.

use crate::adapters::kubernetes::{Access, Ask, CallError, Dialer, Server};
use crate::adapters::prometheus::PodProxy;
use crate::domain::endpoints::RegionEndpoints;
use crate::domain::freshness::SourceError;
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::time::Duration;
use tokio::sync::Mutex;

/// Where Argo's controller serves metrics unless its configuration says otherwise. Source: argo-workflows docs/metrics.md.
const PORT: u16 = 9090;

/// Way to the controller's pods of one region.
pub struct PodMetrics {
    endpoints: RegionEndpoints,
    timeout: Duration,
    kept: Mutex<Option<Kept>>,
}

/// What worked last time.
struct Kept {
    dialer: Dialer,
    server: Server,
    /// 3.6 and newer serve HTTPS, older ones HTTP, and either may be configured.
    scheme: &'static str,
}

impl PodMetrics {
    /// Nothing is connected yet.
    #[must_use]
    pub fn new(endpoints: RegionEndpoints, timeout: Duration) -> PodMetrics {
        PodMetrics { endpoints, timeout, kept: Mutex::new(None) }
    }

    async fn fetch(&self) -> Result<Option<String>, SourceError> {
        let mut kept = self.kept.lock().await;
        if kept.is_none() {
            let dialer = Dialer::open(&self.endpoints, Access::ReadOnly, self.timeout).await?;
            let server = dialer.dial()?;
            *kept = Some(Kept { dialer, server, scheme: "https:" });
        }
        let Some(now) = kept.as_mut() else { return Ok(None) };
        match now.fetch(&self.endpoints.controller_namespace).await {
            Ok(text) => Ok(text),
            Err(error) => {
                // A connection that failed is not asked again, and credentials may have been renewed on disk.
                match now.dialer.dial() {
                    Ok(server) if error.code.is_some_and(|code| code != 401) => now.server = server,
                    _ => *kept = None,
                }
                Err(error.error)
            }
        }
    }
}

impl PodProxy for PodMetrics {
    fn metrics(&self) -> BoxFuture<'_, Result<Option<String>, SourceError>> {
        Box::pin(self.fetch())
    }
}

impl Kept {
    async fn fetch(&mut self, namespace: &str) -> Result<Option<String>, CallError> {
        let pods = format!("/api/v1/namespaces/{namespace}/pods?labelSelector=app%3Dworkflow-controller&limit=20");
        let list: Value = self.server.get(&pods).await?;
        let Some(pod) = ready_pod(&list) else { return Ok(None) };
        let other = if self.scheme.is_empty() { "https:" } else { "" };
        match self.scrape(namespace, &pod, self.scheme).await {
            Ok(text) => Ok(Some(text)),
            // The proxy says 5xx, or 400 for plain HTTP sent to a TLS port, when the scheme is the other one.
            Err(error) if error.code.is_some_and(|code| code >= 500 || code == 400) => {
                let text = self.scrape(namespace, &pod, other).await?;
                self.scheme = other;
                Ok(Some(text))
            }
            Err(error) => Err(error),
        }
    }

    async fn scrape(&self, namespace: &str, pod: &str, scheme: &str) -> Result<String, CallError> {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{scheme}{pod}:{PORT}/proxy/metrics");
        let bytes = self.server.bytes(Ask::get(&path).accepting("text/plain")).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The pod to ask: a ready one, by name for steadiness; standbys of an election answer with an empty page.
fn ready_pod(list: &Value) -> Option<String> {
    let ready = |pod: &&Value| {
        let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
        conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
    };
    let names =
        list["items"].as_array()?.iter().filter(ready).filter_map(|pod| pod.pointer("/metadata/name")?.as_str());
    // A pod's name has only characters that a path takes as they are (RFC 1123); anything else is no pod of Kubernetes.
    let plain = |name: &&str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    names.filter(plain).min().map(str::to_owned)
}
