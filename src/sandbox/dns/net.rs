//! The sockets of one name server: UDP and TCP on the same loopback port. Not pure.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::service::{Service, Transport};

/// Connections at once.
const MAX_CONNECTIONS: usize = 64;
/// A connection without a question for so long is closed (RFC 7766 §6.2.3 leaves the time to the server).
const IDLE: Duration = Duration::from_secs(10);
/// Tries for a port that is free for both UDP and TCP.
const PORT_TRIES: usize = 20;

/// Both sockets of a server.
pub struct Sockets {
    udp: UdpSocket,
    tcp: TcpListener,
}

impl Sockets {
    /// Binds both on a free port.
    pub async fn bind() -> io::Result<Self> {
        let mut tries = 0;
        loop {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            match TcpListener::bind(udp.local_addr()?).await {
                Ok(tcp) => return Ok(Self { udp, tcp }),
                Err(error) if tries == PORT_TRIES => return Err(error),
                Err(_) => tries += 1,
            }
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }

    /// Answers for ever.
    pub async fn serve(self, server: usize, service: Arc<Mutex<Service>>) {
        let ask = move |bytes: &[u8], by| {
            let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            let mut service = service.lock().unwrap_or_else(PoisonError::into_inner);
            service.handle(server, bytes, by, Instant::now(), unix)
        };
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = JoinSet::new();
        let mut buffer = vec![0; usize::from(u16::MAX)];
        loop {
            tokio::select! {
                received = self.udp.recv_from(&mut buffer) => {
                    // An error is the echo of an earlier answer that nobody waited for.
                    let Ok((count, from)) = received else { continue };
                    if let Some(answer) = ask(buffer.get(..count).unwrap_or_default(), Transport::Udp) {
                        let _ = self.udp.send_to(&answer, from).await;
                    }
                }
                accepted = self.tcp.accept() => {
                    let (Ok((stream, _)), Ok(slot)) = (accepted, Arc::clone(&slots).try_acquire_owned()) else {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        continue;
                    };
                    let ask = ask.clone();
                    connections.spawn(async move {
                        let _ = converse(stream, ask).await;
                        drop(slot);
                    });
                }
                _ = connections.join_next(), if !connections.is_empty() => {}
            }
        }
    }
}

/// Answers the questions of one connection, each with its length in front (RFC 1035 §4.2.2).
async fn converse(mut stream: TcpStream, ask: impl Fn(&[u8], Transport) -> Option<Vec<u8>>) -> io::Result<()> {
    loop {
        let question = timeout(IDLE, async {
            let length = stream.read_u16().await?;
            let mut question = vec![0; usize::from(length)];
            stream.read_exact(&mut question).await?;
            io::Result::Ok(question)
        });
        let question = question.await.map_err(|_| io::ErrorKind::TimedOut)??;
        if let Some(answer) = ask(&question, Transport::Tcp) {
            let length = u16::try_from(answer.len()).map_err(|_| io::ErrorKind::InvalidData)?;
            let framed = [&length.to_be_bytes()[..], &answer].concat();
            stream.write_all(&framed).await?;
        }
    }
}
