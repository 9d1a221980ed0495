//! One request to an API server and its answer, bounded in time and size, with an error that says what was tried, what
//! came back, and whether the server can have seen it.

use super::failure::CallError;
use super::wire::StatusBody;
use crate::domain::Timestamp;
use flate2::read::MultiGzDecoder;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde::de::DeserializeOwned;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

/// Largest answer taken, after decompression: a page of 500 objects at etcd's limit of 1.5 MB would be more, but Argo
/// keeps its objects under 1 MiB and lists are asked for as tables.
pub const ANSWER_BYTES_MAX: usize = 256 << 20;

/// Largest single event of a watch: one object, at most etcd's 1.5 MB, with room for its JSON form.
pub const EVENT_BYTES_MAX: usize = 16 << 20;

/// Plain JSON.
pub const JSON: &str = "application/json";

/// An API server over one set of connections.
#[derive(Clone)]
pub struct Server {
    client: kube::Client,
    url: Arc<str>,
    context: Arc<str>,
    timeout: Duration,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({} as {})", self.url, self.context)
    }
}

/// What is sent.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// Method.
    pub method: Method,
    /// Path and query, from the server's base.
    pub path: &'a str,
    /// Media types wanted.
    pub accept: &'a str,
    /// Media type and content.
    pub body: Option<(&'a str, Vec<u8>)>,
    /// Longest wait for the whole answer; None: the usual one.
    pub limit: Option<Duration>,
    /// Not to be sent after this moment, by the wall clock: a process that was stopped meanwhile, or a machine that
    /// slept, must not send what was right before. The monotonic clock does not count a machine's sleep.
    pub not_after: Option<Timestamp>,
}

impl<'a> Ask<'a> {
    /// A GET of plain JSON.
    #[must_use]
    pub fn get(path: &'a str) -> Ask<'a> {
        Ask { method: Method::GET, path, accept: JSON, body: None, limit: None, not_after: None }
    }

    /// A request with a JSON body; `media` is the body's type.
    #[must_use]
    pub fn with_body(method: Method, path: &'a str, media: &'a str, body: &serde_json::Value) -> Ask<'a> {
        Ask { method, body: Some((media, body.to_string().into_bytes())), ..Ask::get(path) }
    }

    /// With these media types wanted.
    #[must_use]
    pub fn accepting(self, accept: &'a str) -> Ask<'a> {
        Ask { accept, ..self }
    }

    /// Not to be sent after `moment`.
    #[must_use]
    pub fn not_after(self, moment: Timestamp) -> Ask<'a> {
        Ask { not_after: Some(moment), ..self }
    }

    /// With this limit.
    #[must_use]
    pub fn within(self, limit: Duration) -> Ask<'a> {
        Ask { limit: Some(limit), ..self }
    }
}

impl Server {
    /// A server reached by `client`; `url` and `context` are only for texts.
    #[must_use]
    pub fn new(client: kube::Client, url: &str, context: &str, timeout: Duration) -> Server {
        Server { client, url: url.into(), context: context.into(), timeout }
    }

    /// Its URL, for texts.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The kubeconfig's context, for texts.
    #[must_use]
    pub fn context(&self) -> &str {
        &self.context
    }

    /// The usual limit.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Namespace of the kubeconfig's context.
    #[must_use]
    pub fn default_namespace(&self) -> &str {
        self.client.default_namespace()
    }

    /// GETs and reads JSON.
    ///
    /// # Errors
    /// No answer, an error status, or an answer of another shape.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CallError> {
        self.ask(Ask::get(path)).await
    }

    /// Sends and reads JSON.
    ///
    /// # Errors
    /// No answer, an error status, or an answer of another shape.
    pub async fn ask<T: DeserializeOwned>(&self, ask: Ask<'_>) -> Result<T, CallError> {
        let path = ask.path;
        let bytes = self.bytes(ask).await?;
        serde_json::from_slice(&bytes).map_err(|error| CallError::malformed(self, path, &error.to_string()))
    }

    /// Sends and reads the whole answer.
    ///
    /// # Errors
    /// No answer within the limit, an error status, or an answer that is too large.
    pub async fn bytes(&self, ask: Ask<'_>) -> Result<Vec<u8>, CallError> {
        let limit = ask.limit.unwrap_or(self.timeout);
        let path = ask.path.to_owned();
        let whole = async {
            let response = self.send(ask, true).await?;
            self.collect(response, &path).await
        };
        match tokio::time::timeout(limit, whole).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::timed_out(self, limit)),
        }
    }

    /// Opens a stream of lines: a watch or a followed log. The limit is for its beginning only.
    ///
    /// # Errors
    /// No answer within the limit, or an error status.
    pub async fn lines(&self, ask: Ask<'_>) -> Result<Lines, CallError> {
        let limit = ask.limit.unwrap_or(self.timeout);
        // Not compressed: from 1.37 on servers compress each event as a gzip member of its own, and older ones not at all.
        match tokio::time::timeout(limit, self.send(ask, false)).await {
            Ok(Ok(response)) => {
                Ok(Lines { server: self.clone(), body: response.into_body(), buffer: Vec::new(), scanned: 0 })
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(CallError::timed_out(self, limit)),
        }
    }

    async fn send(&self, ask: Ask<'_>, compressed: bool) -> Result<Response<Body>, CallError> {
        let mut request = Request::builder().method(ask.method).uri(ask.path).header(ACCEPT, ask.accept);
        request = request.header(ACCEPT_ENCODING, if compressed { "gzip" } else { "identity" });
        let body = match ask.body {
            Some((media, bytes)) => {
                request = request.header(CONTENT_TYPE, media);
                Body::from(bytes)
            }
            None => Body::empty(),
        };
        let request =
            request.body(body).map_err(|error| CallError::not_a_request(self, ask.path, &error.to_string()))?;
        if ask.not_after.is_some_and(|moment| crate::adapters::clock::now() > moment) {
            return Err(CallError::too_late(self, ask.path));
        }
        let response = self.client.send(request).await.map_err(|error| CallError::transport(self, &error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let bytes = self.collect(response, ask.path).await.unwrap_or_default();
        let said = serde_json::from_slice::<StatusBody>(&bytes).unwrap_or_default();
        Err(CallError::status(self, status.as_u16(), said, ask.path))
    }

    async fn collect(&self, response: Response<Body>, path: &str) -> Result<Vec<u8>, CallError> {
        let gzipped = response.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip");
        let mut body = response.into_body();
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| CallError::transport(self, &error))?;
            if let Some(data) = frame.data_ref() {
                if bytes.len() + data.len() > ANSWER_BYTES_MAX {
                    return Err(CallError::malformed(self, path, "the answer is too large"));
                }
                bytes.extend_from_slice(data);
            }
        }
        if gzipped {
            return gunzip(&bytes, ANSWER_BYTES_MAX).map_err(|why| CallError::malformed(self, path, &why));
        }
        Ok(bytes)
    }
}

/// Unpacks gzip of one or more members, to at most `bytes_max`.
///
/// # Errors
/// It is not gzip, is cut short, or would be larger.
pub(super) fn gunzip(packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let read = MultiGzDecoder::new(packed).take(limit).read_to_end(&mut bytes);
    match read {
        Ok(_) if bytes.len() > bytes_max => Err(format!("larger than {} MiB when unpacked", bytes_max >> 20)),
        Ok(_) => Ok(bytes),
        Err(error) => Err(format!("gzip: {error}")),
    }
}

/// Lines of an answer that does not end.
pub struct Lines {
    server: Server,
    body: Body,
    buffer: Vec<u8>,
    /// Bytes of the buffer known to hold no line end.
    scanned: usize,
}

impl Lines {
    /// The next line without its end; None when the server ended the stream. An unfinished last line is dropped: it is
    /// told again after resuming. Safe to cancel: nothing that was read is lost.
    ///
    /// # Errors
    /// The connection broke, or a line is too long.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, CallError> {
        loop {
            let unscanned = self.buffer.get(self.scanned..).unwrap_or_default();
            if let Some(at) = unscanned.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(self.scanned + at + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.pop();
                self.scanned = 0;
                if line.is_empty() {
                    continue;
                }
                return Ok(Some(line));
            }
            self.scanned = self.buffer.len();
            if self.buffer.len() > EVENT_BYTES_MAX {
                return Err(CallError::malformed(&self.server, "watch", "an event is too large"));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(CallError::transport(&self.server, &error)),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.buffer.extend_from_slice(data);
                    }
                }
            }
        }
    }
}
