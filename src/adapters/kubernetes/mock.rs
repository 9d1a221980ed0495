//! A server for tests that says exactly what a test wants it to say, over real connections: so that the transport, its
//! time limits and its errors are under test too.

use super::client::Dialer;
use super::read_only::Access;
use crate::domain::endpoints::{DatabaseEndpoint, MetricsEndpoint, PasswordSource, RegionEndpoints};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers, in lower case.
    pub headers: String,
    pub body: Value,
}

impl Request {
    pub fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }
}

/// What the server does with a request.
pub enum Reply {
    /// A whole answer.
    Json(u16, Value),
    /// A whole answer, whatever it is.
    Raw(u16, &'static str, Vec<u8>),
    /// Lines, and then.
    Lines(Vec<Value>, Then),
    /// Nothing, for ever.
    Hang,
    /// The connection is closed without an answer.
    Break,
}

pub enum Then {
    Hang,
    End,
    Break,
}

pub struct Mock {
    pub dialer: Dialer,
    pub endpoints: RegionEndpoints,
    log: Arc<Mutex<Vec<Request>>>,
    accepting: tokio::task::JoinHandle<()>,
    folder: tempfile::TempDir,
    url: String,
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

pub fn endpoints(folder: &std::path::Path, url: &str) -> RegionEndpoints {
    let file = folder.join("config");
    let text = format!(
        "clusters: [{{name: c, cluster: {{server: '{url}'}}}}]\nusers: [{{name: u, user: {{token: t}}}}]\n\
         contexts: [{{name: test, context: {{cluster: c, user: u}}}}]\n"
    );
    std::fs::write(&file, text).unwrap();
    RegionEndpoints {
        name: "test".into(),
        kubeconfig: Some(file),
        context: "test".into(),
        namespaces: Vec::new(),
        controller_namespace: "argo".into(),
        metrics: MetricsEndpoint::Off,
        database: DatabaseEndpoint { url: String::new(), password: PasswordSource::None },
        operator: None,
    }
}

impl Mock {
    /// Starts one; each request is answered as `answer` says.
    pub async fn start(answer: impl FnMut(&Request) -> Reply + Send + 'static) -> Mock {
        Mock::start_within(Duration::from_secs(10), answer).await
    }

    /// With this limit on answers.
    pub async fn start_within(limit: Duration, answer: impl FnMut(&Request) -> Reply + Send + 'static) -> Mock {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(Mutex::new(answer));
        let logged = Arc::clone(&log);
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (log, answer) = (Arc::clone(&logged), Arc::clone(&answer));
                connections.spawn(async move {
                    let _ = serve(stream, |request| {
                        let reply = (*answer.lock().unwrap())(&request);
                        log.lock().unwrap().push(request);
                        reply
                    })
                    .await;
                });
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let endpoints = endpoints(folder.path(), &url);
        let dialer = Dialer::open(&endpoints, Access::MayWrite, limit).await.unwrap();
        Mock { dialer, endpoints, log, accepting, folder, url }
    }

    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Writes the kubeconfig again.
    pub fn write_kubeconfig(&self) {
        endpoints(self.folder.path(), &self.url);
    }

    pub fn requests(&self) -> Vec<Request> {
        self.log.lock().unwrap().clone()
    }

    /// Requests so far, as method and path without the part before the plural.
    pub fn count(&self, method: &str, part: &str) -> usize {
        self.requests().iter().filter(|request| request.is(method, part)).count()
    }
}

async fn serve(mut stream: TcpStream, mut answer: impl FnMut(Request) -> Reply) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let Some(request) = read(&mut stream, &mut buffer).await? else { return Ok(()) };
        match answer(request) {
            Reply::Json(code, body) => whole(&mut stream, code, "", body.to_string().as_bytes()).await?,
            Reply::Raw(code, headers, body) => whole(&mut stream, code, headers, &body).await?,
            Reply::Break => return Ok(()),
            Reply::Hang => std::future::pending().await,
            Reply::Lines(lines, then) => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
                for line in lines {
                    let line = match line {
                        // A text is sent as it stands, for what is no JSON.
                        Value::String(text) => text,
                        line => format!("{line}\n"),
                    };
                    stream.write_all(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes()).await?;
                }
                match then {
                    Then::Hang => std::future::pending().await,
                    Then::End => stream.write_all(b"0\r\n\r\n").await?,
                    Then::Break => return Ok(()),
                }
            }
        }
    }
}

async fn whole(stream: &mut TcpStream, code: u16, headers: &str, body: &[u8]) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 {code} X\r\n{headers}content-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<Option<Request>> {
    let mut chunk = [0; 4096];
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        match stream.read(&mut chunk).await? {
            0 => return Ok(None),
            n => buffer.extend_from_slice(&chunk[..n]),
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let (first, headers) = head.split_once("\r\n").unwrap();
    let headers = headers.to_lowercase();
    let length = headers.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
    let whole = end + length.unwrap_or(0);
    while buffer.len() < whole {
        match stream.read(&mut chunk).await? {
            0 => return Ok(None),
            n => buffer.extend_from_slice(&chunk[..n]),
        }
    }
    let body = serde_json::from_slice(&buffer[end..whole]).unwrap_or(Value::Null);
    buffer.drain(..whole);
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    Ok(Some(Request { method, path, headers, body }))
}
