//! What the API server asks of the kubelets behind it: logs of containers, and the ports of pods. The simulated region
//! implements it; a server without one answers as if no kubelet could be reached.

use http::Method;
use jiff::Timestamp;

/// One line of a container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// The line without its end.
    pub text: String,
}

/// A part of a container's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPage {
    /// The lines from the asked position on, as far as they are kept.
    pub lines: Vec<LogLine>,
    /// The position after the last of them.
    pub next: u64,
    /// Whether the container has ended, so that nothing will follow.
    pub ended: bool,
}

/// What a port of a pod answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyAnswer {
    /// 200 with a body.
    Body {
        /// Its `Content-Type`.
        content_type: String,
        /// The body.
        body: Vec<u8>,
    },
    /// 404 of the program in the pod.
    NotFound,
    /// Nothing listens there.
    Refused,
    /// The port speaks TLS and was asked in the clear: Go answers 400.
    WantsTls,
    /// The port speaks in the clear and was asked for TLS.
    NoTls,
}

/// A request to a port of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyRequest<'a> {
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// Name of the pod.
    pub pod: &'a str,
    /// Whether TLS is asked for.
    pub tls: bool,
    /// The port; 80 or 443 if none was named.
    pub port: u16,
    /// The method.
    pub method: &'a Method,
    /// The path with its leading slash.
    pub path: &'a str,
}

/// The kubelets of a region. Called from request tasks: must answer at once.
pub trait Kubelet: Send + Sync {
    /// The log of a container from a position on; `previous`: of its last terminated instance. `None`: there is none.
    fn log(&self, namespace: &str, pod: &str, container: &str, previous: bool, from: u64) -> Option<LogPage>;

    /// Asks a port of a pod.
    fn proxy(&self, request: &ProxyRequest<'_>) -> ProxyAnswer;
}
