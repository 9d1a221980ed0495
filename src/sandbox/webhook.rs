//! A receiver for incident messages: keeps what it got, and can be told to fail. Not pure: an HTTP server on loopback.
//! It stands in for PagerDuty, Opsgenie, Alertmanager and plain webhooks alike; it answers each as its own API does.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

/// Messages kept; the oldest go first. A drill sends some dozens.
const MAX_KEPT: usize = 512;
/// Bytes of bodies kept; the oldest messages go first.
const MAX_KEPT_BYTES: usize = 16 * 1024 * 1024;
/// Largest body: PagerDuty's own limit, 512 KB (Events API v2).
const MAX_BODY: usize = 512 * 1024;
/// Connections at once.
const MAX_CONNECTIONS: usize = 64;
/// How long a client may take to send its headers.
const HEADER_PATIENCE: Duration = Duration::from_secs(10);

/// What the receiver does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Keeps it and answers as the real service does.
    Accept,
    /// Keeps it and answers with this status and, for 429, `Retry-After` in seconds.
    Refuse {
        /// HTTP status.
        status: StatusCode,
        /// `Retry-After`, seconds.
        retry_after: Option<u32>,
    },
    /// Keeps it and never answers.
    Silent,
}

/// One message as it came. `Debug` shows no header values, which hold keys.
#[derive(Clone)]
pub struct Received {
    /// Counts up from 1.
    pub number: u64,
    /// HTTP method.
    pub method: http::Method,
    /// Path and query.
    pub path: String,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Received {
    /// The body as JSON, if it is.
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Received({} {} {}, {} bytes)", self.number, self.method, self.path, self.body.len())
    }
}

#[derive(Debug)]
struct Shared {
    kept: Mutex<VecDeque<Received>>,
    count: watch::Sender<u64>,
    reply: watch::Sender<Reply>,
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, VecDeque<Received>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The running receiver. Dropping it closes its connections.
#[derive(Debug)]
pub struct Webhook {
    addr: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Webhook {
    /// Listens on a free loopback port. Needs a tokio runtime.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let (count, reply) = (watch::Sender::new(0), watch::Sender::new(Reply::Accept));
        let shared = Arc::new(Shared { kept: Mutex::default(), count, reply });
        let server = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self { addr, shared, server })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// A URL of it; `path` begins with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// What it does from now on. Clients that wait for a silent receiver go on waiting.
    pub fn reply(&self, reply: Reply) {
        self.shared.reply.send_replace(reply);
    }

    /// What is kept, oldest first.
    pub fn received(&self) -> Vec<Received> {
        self.shared.kept().iter().cloned().collect()
    }

    /// How many messages have come, also those that are no longer kept.
    pub fn count(&self) -> u64 {
        *self.shared.count.borrow()
    }

    /// Waits until so many messages have come.
    pub async fn wait_for(&self, count: u64) {
        // The sender lives in `self`, so waiting can't fail.
        let _ = self.shared.count.subscribe().wait_for(|have| *have >= count).await;
    }

    /// Forgets what is kept; numbers go on.
    pub fn clear(&self) {
        self.shared.kept().clear();
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (Ok((stream, _)), Ok(slot)) = (accepted, Arc::clone(&slots).try_acquire_owned()) else {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    connection(stream, shared).await;
                    drop(slot);
                });
            }
            _ = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(receive(request, &shared).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_PATIENCE);
    // A client that breaks off is the client's business.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

async fn receive(request: Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return answer(StatusCode::PAYLOAD_TOO_LARGE, "{}".to_owned());
    };
    let path = head.uri.path_and_query().map_or_else(|| head.uri.path().to_owned(), ToString::to_string);
    let (method, headers) = (head.method, head.headers);
    let received = shared.keep(Received { number: 0, method, path, headers, body: body.to_bytes() });
    // Copied out: a borrow of a watch held over an await would block whoever changes it.
    let reply = *shared.reply.borrow();
    match reply {
        Reply::Accept => accepted(&received),
        Reply::Refuse { status, retry_after } => {
            let mut response = answer(status, r#"{"message":"refused by the sandbox"}"#.to_owned());
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            response
        }
        Reply::Silent => std::future::pending().await,
    }
}

impl Shared {
    /// Numbers the message and keeps it.
    fn keep(&self, mut received: Received) -> Received {
        let mut kept = self.kept();
        self.count.send_modify(|count| {
            *count = count.wrapping_add(1);
            received.number = *count;
        });
        kept.push_back(received.clone());
        let mut bytes: usize = kept.iter().map(|received| received.body.len()).sum();
        while kept.len() > MAX_KEPT || bytes > MAX_KEPT_BYTES {
            bytes -= kept.pop_front().map_or(bytes, |oldest| oldest.body.len());
        }
        received
    }
}

/// What the real service answers: PagerDuty's Events API 202 with the deduplication key, Opsgenie 202 with a request
/// number, Alertmanager and plain webhooks 200.
fn accepted(received: &Received) -> Response<Full<Bytes>> {
    let path = received.path.split('?').next().unwrap_or_default();
    if path.ends_with("/enqueue") {
        let key = received.json().and_then(|json| json.get("dedup_key")?.as_str().map(str::to_owned));
        let key = key.unwrap_or_else(|| format!("sandbox-{}", received.number));
        let body = serde_json::json!({"status": "success", "message": "Event processed", "dedup_key": key});
        return answer(StatusCode::ACCEPTED, body.to_string());
    }
    if path.starts_with("/v2/alerts") {
        let request = format!("sandbox-{}", received.number);
        let body = serde_json::json!({"result": "Request will be processed", "took": 0.0, "requestId": request});
        return answer(StatusCode::ACCEPTED, body.to_string());
    }
    answer(StatusCode::OK, "{}".to_owned())
}

fn answer(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> reqwest::Client {
        // The product installs a provider at its start; here several tests race to be first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        reqwest::Client::new()
    }

    async fn post(webhook: &Webhook, path: &str, body: impl Into<reqwest::Body>) -> reqwest::Response {
        client().post(webhook.url(path)).header("authorization", "GenieKey s3cret").body(body).send().await.unwrap()
    }

    #[tokio::test]
    async fn keeps_what_it_got_and_answers_as_the_services_do() {
        let webhook = Webhook::start().await.unwrap();
        let event = r#"{"event_action":"trigger","dedup_key":"run-1"}"#;
        let response = post(&webhook, "/v2/enqueue", event).await;
        assert_eq!(response.status().as_u16(), 202);
        assert_eq!(response.json::<serde_json::Value>().await.unwrap()["dedup_key"], "run-1");
        assert_eq!(post(&webhook, "/v2/alerts/x/close?identifierType=alias", "{}").await.status().as_u16(), 202);
        assert_eq!(post(&webhook, "/hook", "not json").await.status().as_u16(), 200);
        let all = webhook.received();
        let paths: Vec<&str> = all.iter().map(|received| received.path.as_str()).collect();
        assert_eq!(paths, ["/v2/enqueue", "/v2/alerts/x/close?identifierType=alias", "/hook"]);
        assert_eq!(all[0].json().unwrap()["event_action"], "trigger");
        assert_eq!(all[0].headers["authorization"], "GenieKey s3cret");
        assert!(all[2].json().is_none());
        assert!(!format!("{all:?}").contains("s3cret"));
    }

    #[tokio::test]
    async fn fails_as_told_and_keeps_the_message_all_the_same() {
        let webhook = Webhook::start().await.unwrap();
        webhook.reply(Reply::Refuse { status: StatusCode::INTERNAL_SERVER_ERROR, retry_after: None });
        assert_eq!(post(&webhook, "/", "1").await.status().as_u16(), 500);
        webhook.reply(Reply::Refuse { status: StatusCode::TOO_MANY_REQUESTS, retry_after: Some(7) });
        let response = post(&webhook, "/", "2").await;
        assert_eq!((response.status().as_u16(), response.headers()["retry-after"].as_bytes()), (429, &b"7"[..]));
        webhook.reply(Reply::Silent);
        let waits = client().post(webhook.url("/")).body("3").timeout(Duration::from_millis(300)).send().await;
        assert!(waits.unwrap_err().is_timeout());
        webhook.reply(Reply::Accept);
        assert_eq!(post(&webhook, "/", "4").await.status().as_u16(), 200);
        webhook.wait_for(4).await;
        let bodies: Vec<Bytes> = webhook.received().into_iter().map(|received| received.body).collect();
        assert_eq!(bodies, ["1", "2", "3", "4"]);
    }

    #[tokio::test]
    async fn bodies_and_memory_are_bounded() {
        let webhook = Webhook::start().await.unwrap();
        assert_eq!(post(&webhook, "/", vec![b'x'; MAX_BODY]).await.status().as_u16(), 200);
        // Over the limit the server may close before the client has sent all; either way nothing is kept.
        let over = client().post(webhook.url("/")).body(vec![b'x'; MAX_BODY + 1]).send().await;
        assert!(over.is_err() || over.unwrap().status().as_u16() == 413);
        assert_eq!(webhook.count(), 1);
        for _ in 0..MAX_KEPT {
            webhook.shared.keep(Received {
                number: 0,
                method: http::Method::POST,
                path: "/".into(),
                headers: HeaderMap::new(),
                body: Bytes::new(),
            });
        }
        let all = webhook.received();
        assert_eq!((all.len(), all[0].number, webhook.count()), (MAX_KEPT, 2, MAX_KEPT as u64 + 1));
        webhook.clear();
        let large = Received { body: Bytes::from(vec![0; MAX_KEPT_BYTES / 2]), ..all[0].clone() };
        (0..3).for_each(|_| drop(webhook.shared.keep(large.clone())));
        assert_eq!(webhook.received().len(), 2);
        webhook.clear();
        assert!(webhook.received().is_empty());
    }
}
