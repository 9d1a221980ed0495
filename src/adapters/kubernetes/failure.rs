//! A call that failed: what to say about it, and whether the server can have seen it. The second matters for writes: only
//! what was certainly not sent may be called so, anything else is unknown.

use super::call::Server;
use super::client::auth_text;
use super::read_only::ReadOnlyRefused;
use super::transport::ConnectTimedOut;
use super::wire::StatusBody;
use crate::domain::freshness::{ErrorKind, SourceError};
use std::error::Error as StdError;
use std::time::Duration;

/// How far the request got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// No byte of it left: no connection, no credentials, or refused by the read-only guard.
    Never,
    /// It may have been read: it was sent, or at least begun.
    Perhaps,
    /// The server answered.
    Answered,
}

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct CallError {
    /// In words.
    pub error: SourceError,
    /// HTTP status or the code of a Status object.
    pub code: Option<u16>,
    /// `reason` of the Status, such as `AlreadyExists`.
    pub reason: String,
    /// How far it got.
    pub reached: Reached,
}

impl CallError {
    fn new(kind: ErrorKind, text: &str, reached: Reached) -> CallError {
        CallError { error: SourceError::new(kind, text), code: None, reason: String::new(), reached }
    }

    /// No answer within `limit`.
    #[must_use]
    pub fn timed_out(server: &Server, limit: Duration) -> CallError {
        let text = format!("no answer from {} in {}", server.url(), seconds(limit));
        CallError::new(ErrorKind::Timeout, &text, Reached::Perhaps)
    }

    /// The server said something that cannot be understood.
    #[must_use]
    pub fn malformed(server: &Server, path: &str, why: &str) -> CallError {
        let text = format!("{} sent an answer for {} that cannot be read: {why}", server.url(), short(path));
        CallError::new(ErrorKind::Protocol, &text, Reached::Answered)
    }

    /// It was not sent in time, and must not be any more.
    #[must_use]
    pub fn too_late(server: &Server, path: &str) -> CallError {
        let text = format!("too late for {}{}: this process was held up", server.url(), short(path));
        CallError::new(ErrorKind::Timeout, &text, Reached::Never)
    }

    /// What was to be asked is not a request, for instance by a name with odd characters.
    #[must_use]
    pub fn not_a_request(server: &Server, path: &str, why: &str) -> CallError {
        let text = format!("{}{} cannot be asked: {why}", server.url(), short(path));
        CallError::new(ErrorKind::Protocol, &text, Reached::Never)
    }

    /// An error status.
    #[must_use]
    pub fn status(server: &Server, code: u16, said: StatusBody, path: &str) -> CallError {
        let code = if said.code == 0 { code } else { said.code };
        let kind = match code {
            401 => ErrorKind::Unauthorized,
            403 => ErrorKind::Forbidden,
            _ => ErrorKind::Protocol,
        };
        let text = match code {
            401 => format!("401: {} refused the credentials of context {}", server.url(), server.context()),
            _ if said.message.is_empty() => format!("{code}: {} on {}", server.url(), short(path)),
            _ => format!("{code}: {}", said.message),
        };
        let mut error = CallError::new(kind, &text, Reached::Answered);
        error.code = Some(code);
        error.reason = said.reason;
        error
    }

    /// The connection could not be made or broke.
    #[must_use]
    pub fn transport(server: &Server, error: &kube::Error) -> CallError {
        let reached = if never_sent(error) { Reached::Never } else { Reached::Perhaps };
        let (kind, text) = explain(server.url(), error, reached);
        CallError::new(kind, &text, reached)
    }

    /// The resource version asked for is no longer, or not yet, known to the server: only a new list helps. The second
    /// happens when the server's store was put back from a backup.
    #[must_use]
    pub fn needs_relist(&self) -> bool {
        self.code == Some(410) || self.reason == "Expired" || self.error.text.contains("Too large resource version")
    }

    /// Refused or not there: asking again soon is of no use.
    #[must_use]
    pub fn lasting(&self) -> bool {
        matches!(self.code, Some(401 | 403 | 404 | 405 | 406))
    }
}

/// Goes through an error and its causes, also those that the system's error type hides.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    // Bounded: a cause that names itself must not hold us up.
    std::iter::from_fn(move || {
        let error = next?;
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => error.source(),
        };
        Some(error)
    })
    .take(16)
}

fn never_sent(error: &kube::Error) -> bool {
    if matches!(error, kube::Error::Auth(_)) {
        return true;
    }
    causes(error).any(|cause| {
        cause.is::<ReadOnlyRefused>()
            || cause.is::<ConnectTimedOut>()
            || cause.is::<kube::client::AuthError>()
            || cause.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(|error| error.is_connect())
    })
}

fn explain(url: &str, error: &kube::Error, reached: Reached) -> (ErrorKind, String) {
    use std::io::ErrorKind as Io;
    for cause in causes(error) {
        if let Some(refused) = cause.downcast_ref::<ReadOnlyRefused>() {
            return (ErrorKind::Protocol, refused.to_string());
        }
        if let Some(ConnectTimedOut(limit)) = cause.downcast_ref() {
            return (ErrorKind::Timeout, format!("no connection to {url} in {}", seconds(*limit)));
        }
        if let Some(error) = cause.downcast_ref::<kube::client::AuthError>() {
            return (ErrorKind::Unauthorized, format!("credentials for {url}: {}", auth_text(error)));
        }
        if let Some(error) = cause.downcast_ref::<rustls::Error>() {
            return (ErrorKind::Tls, format!("TLS with {url} failed: {error}"));
        }
        // The connector's own error type is not public; this is the beginning of its text.
        if cause.to_string().starts_with("dns error") {
            return (ErrorKind::Name, format!("the name in {url} cannot be resolved"));
        }
        let Some(io) = cause.downcast_ref::<std::io::Error>() else { continue };
        let (kind, text) = match io.kind() {
            Io::ConnectionRefused => (ErrorKind::Unreachable, format!("connect to {url} refused")),
            Io::TimedOut => (ErrorKind::Timeout, format!("no answer from {url}")),
            Io::NetworkUnreachable => (ErrorKind::Unreachable, format!("no route to the network of {url}")),
            Io::HostUnreachable => (ErrorKind::Unreachable, format!("no route to the host of {url}")),
            Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe | Io::UnexpectedEof => {
                (ErrorKind::Unreachable, format!("the connection to {url} broke"))
            }
            _ => continue,
        };
        return (kind, text);
    }
    let tried = if reached == Reached::Never { "connect to" } else { "the connection to" };
    (
        ErrorKind::Unreachable,
        format!("{tried} {url} failed: {}", causes(error).last().map(ToString::to_string).unwrap_or_default()),
    )
}

fn seconds(limit: Duration) -> String {
    if limit.subsec_millis() == 0 { format!("{} s", limit.as_secs()) } else { format!("{:.1} s", limit.as_secs_f32()) }
}

/// A path without its query, which may be long and tells nobody anything.
fn short(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}
