//! One request to one server and its answer: UDP, and TCP when the answer was cut or the request is long.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

use crate::domain::freshness::ErrorKind;

/// Longest request sent by UDP (RFC 1035 section 2.3.4).
const UDP_REQUEST_BYTES_MAX: usize = 512;

/// Longest answer read from UDP: what the network may carry.
const UDP_ANSWER_BYTES_MAX: usize = 65_535;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The server's address is none, or its name has none.
    #[error("\"{0}\" is no address and port")]
    Address(String),
    /// It could not be sent at all.
    #[error("cannot send: {0}")]
    Send(io::Error),
    /// The machine said that nobody listens there, or the line broke.
    #[error("no answer: {0}")]
    Broken(io::Error),
    /// Nothing came in time.
    #[error("no answer in {} s", .0.as_secs())]
    Timeout(Duration),
    /// It came and was no answer to this request.
    #[error("an answer that is none: {0}")]
    Odd(String),
}

impl ExchangeError {
    /// What it means for the source.
    pub fn kind(&self) -> ErrorKind {
        match self {
            ExchangeError::Address(_) => ErrorKind::Name,
            ExchangeError::Send(_) | ExchangeError::Broken(_) => ErrorKind::Unreachable,
            ExchangeError::Timeout(_) => ErrorKind::Timeout,
            ExchangeError::Odd(_) => ErrorKind::Protocol,
        }
    }
}

/// An answer, as it came and as it reads.
#[derive(Debug)]
pub struct Answer {
    /// Its bytes, over which its signature goes.
    pub bytes: Vec<u8>,
    /// The same, read.
    pub message: Message,
}

/// The address of `server`, which is `address:port`, or a name with a port.
pub async fn address(server: &str, limit: Duration) -> Result<SocketAddr, ExchangeError> {
    if let Ok(address) = server.parse() {
        return Ok(address);
    }
    let none = || ExchangeError::Address(server.to_owned());
    match tokio::time::timeout(limit, tokio::net::lookup_host(server)).await {
        Ok(Ok(mut found)) => found.next().ok_or_else(none),
        Ok(Err(_)) | Err(_) => Err(none()),
    }
}

/// Sends `request` to `server` and waits for its answer, `limit` in all.
///
/// The socket is connected, so that the system passes on what comes from that address and port only; the id, and the
/// question where the answer repeats it, must be the request's.
pub async fn ask(
    server: SocketAddr,
    request: &Message,
    bytes: &[u8],
    limit: Duration,
) -> Result<Answer, ExchangeError> {
    let until = Instant::now() + limit;
    if bytes.len() <= UDP_REQUEST_BYTES_MAX {
        let answer = by_udp(server, request, bytes, until, limit).await?;
        // A change is not sent a second time, whatever its answer lacks.
        if !answer.message.truncation || request.op_code != OpCode::Query {
            return Ok(answer);
        }
    }
    match timeout_at(until, by_tcp(server, request, bytes)).await {
        Ok(answer) => answer,
        Err(_) => Err(ExchangeError::Timeout(limit)),
    }
}

async fn by_udp(
    server: SocketAddr,
    request: &Message,
    bytes: &[u8],
    until: Instant,
    limit: Duration,
) -> Result<Answer, ExchangeError> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await.map_err(ExchangeError::Send)?;
    socket.connect(server).await.map_err(ExchangeError::Send)?;
    socket.send(bytes).await.map_err(ExchangeError::Send)?;
    let mut buffer = vec![0; UDP_ANSWER_BYTES_MAX];
    // A packet may get lost. A question is asked once more; a change is not sent twice.
    let mut again = (request.op_code == OpCode::Query).then(|| until - limit / 2);
    loop {
        let received = timeout_at(again.unwrap_or(until), socket.recv(&mut buffer)).await;
        let length = match received {
            Err(_) if again.take().is_some() => {
                socket.send(bytes).await.map_err(ExchangeError::Broken)?;
                continue;
            }
            Err(_) => return Err(ExchangeError::Timeout(limit)),
            // Somebody else's port was here before and nobody listens now (ICMP port unreachable).
            Ok(Err(error)) => return Err(ExchangeError::Broken(error)),
            Ok(Ok(length)) => length,
        };
        // Strays are passed over; the real one may still come.
        if let Some(bytes) = buffer.get(..length)
            && let Ok(message) = read(request, bytes)
        {
            return Ok(Answer { bytes: bytes.to_vec(), message });
        }
    }
}

async fn by_tcp(server: SocketAddr, request: &Message, bytes: &[u8]) -> Result<Answer, ExchangeError> {
    let length = u16::try_from(bytes.len()).map_err(|_| ExchangeError::Odd("the request is too long".to_owned()))?;
    let mut stream = TcpStream::connect(server).await.map_err(ExchangeError::Send)?;
    let mut framed = Vec::with_capacity(bytes.len() + 2);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(bytes);
    stream.write_all(&framed).await.map_err(ExchangeError::Broken)?;
    let length = stream.read_u16().await.map_err(ExchangeError::Broken)?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await.map_err(ExchangeError::Broken)?;
    let message = read(request, &answer)?;
    Ok(Answer { bytes: answer, message })
}

/// Reads an answer and checks that it belongs to the request.
fn read(request: &Message, bytes: &[u8]) -> Result<Message, ExchangeError> {
    let odd = |text: &str| ExchangeError::Odd(text.to_owned());
    let message = Message::from_vec(bytes).map_err(|error| odd(&error.to_string()))?;
    if message.id != request.id || message.message_type != MessageType::Response || message.op_code != request.op_code {
        return Err(odd("it answers something else"));
    }
    // An error may leave the question out (RFC 1035 does not forbid it, and some servers do).
    let question_matches = message.queries == request.queries;
    let left_out = message.queries.is_empty() && message.response_code != ResponseCode::NoError;
    // An answer to an UPDATE may be a header alone (RFC 2136 section 3.8).
    let header_only = message.queries.is_empty() && request.op_code == OpCode::Update;
    if question_matches || left_out || header_only {
        return Ok(message);
    }
    Err(odd("it answers another question"))
}
