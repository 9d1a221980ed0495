//! A line that can be cut: a small TCP relay on loopback that forwards, refuses, falls silent or is slow. Not pure.
//!
//! A stopped server and a broken line look different to a client, and a failover hangs on the difference; so lines
//! have faults of their own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Connections at once. A console opens a handful per server; a scenario's load some dozens.
const MAX_CONNECTIONS: usize = 256;
/// Bytes held per direction of a connection; what does not fit waits in the sender's socket.
const BUFFER: usize = 16 * 1024;

/// What the line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// Everything passes.
    Forward,
    /// Connections are closed and new ones refused, as by a host whose process died.
    Cut,
    /// Half-open: connections are accepted and kept, and nothing passes, as behind a partition.
    Frozen,
    /// Everything passes, each piece of up to 16 KiB after this delay.
    Slow(Duration),
}

/// A relay in front of one server. Dropping it closes all of its connections.
#[derive(Debug)]
pub struct Relay {
    addr: SocketAddr,
    target: SocketAddr,
    line: watch::Sender<Line>,
    server: tokio::task::JoinHandle<()>,
}

impl Relay {
    /// Listens on a free loopback port and forwards to `target`. Needs a tokio runtime.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let reserved = reusable()?;
        reserved.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let addr = reserved.local_addr()?;
        let listener = listen(addr)?;
        let (line, state) = watch::channel(Line::Forward);
        let server = tokio::spawn(serve(reserved, addr, listener, target, state));
        Ok(Self { addr, target, line, server })
    }

    /// Where clients connect to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where connections are forwarded to.
    pub fn target(&self) -> SocketAddr {
        self.target
    }

    /// What the line does now.
    pub fn line(&self) -> Line {
        *self.line.borrow()
    }

    /// Closes every connection and refuses new ones.
    pub fn cut(&self) {
        self.set(Line::Cut);
    }

    /// Half-open: accepts, keeps what is open, forwards nothing.
    pub fn freeze(&self) {
        self.set(Line::Frozen);
    }

    /// Each piece is forwarded after this delay.
    pub fn slow(&self, delay: Duration) {
        self.set(Line::Slow(delay));
    }

    /// Forwards again. Connections that were frozen go on where they stopped.
    pub fn mend(&self) {
        self.set(Line::Forward);
    }

    /// Any of the above as a value.
    pub fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A socket that may share its port with others of this relay. One bound and never listening keeps the port ours while
/// the line is cut: the kernel refuses connections and gives the port to nobody else.
fn reusable() -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    Ok(socket)
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = reusable()?;
    socket.bind(addr)?;
    socket.listen(128)
}

async fn serve(
    _reserved: TcpSocket,
    addr: SocketAddr,
    listener: TcpListener,
    target: SocketAddr,
    mut line: watch::Receiver<Line>,
) {
    let mut listener = Some(listener);
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        if *line.borrow_and_update() == Line::Cut {
            listener = None;
            connections.abort_all();
        } else if listener.is_none() {
            listener = listen(addr).ok();
        }
        tokio::select! {
            changed = line.changed() => if changed.is_err() { return },
            accepted = accept(listener.as_ref()) => match accepted {
                Ok(client) => {
                    // Over the bound a connection is closed at once rather than kept waiting unseen.
                    if let Ok(slot) = Arc::clone(&slots).try_acquire_owned() {
                        let line = line.clone();
                        connections.spawn(async move {
                            let _ = carry(client, target, line).await;
                            drop(slot);
                        });
                    }
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            _ = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(stream, _)| stream),
        None => std::future::pending().await,
    }
}

async fn carry(client: TcpStream, target: SocketAddr, mut line: watch::Receiver<Line>) -> io::Result<()> {
    passable(&mut line).await?;
    let server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let there = pump(from_client, to_server, line.clone());
    let back = pump(from_server, to_client, line);
    tokio::try_join!(there, back).map(|_| ())
}

/// Copies until the end of the stream, then passes the end on. Looks at the line before each read and each write, so
/// that nothing slips through after a freeze.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut line: watch::Receiver<Line>) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        passable(&mut line).await?;
        let count = tokio::select! {
            read = from.read(&mut buffer) => read?,
            _ = line.changed() => continue,
        };
        if let Line::Slow(delay) = passable(&mut line).await? {
            tokio::time::sleep(delay).await;
            passable(&mut line).await?;
        }
        match buffer.get(..count) {
            Some([]) | None => return to.shutdown().await,
            Some(piece) => to.write_all(piece).await?,
        }
    }
}

/// Waits until the line lets something through.
async fn passable(line: &mut watch::Receiver<Line>) -> io::Result<Line> {
    let now = line.wait_for(|line| matches!(line, Line::Forward | Line::Slow(_))).await;
    now.map(|line| *line).map_err(|_| io::ErrorKind::ConnectionAborted.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends back what it gets.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        addr
    }

    async fn ask(stream: &mut TcpStream, text: &[u8]) -> Vec<u8> {
        stream.write_all(text).await.unwrap();
        let mut answer = vec![0; text.len()];
        stream.read_exact(&mut answer).await.unwrap();
        answer
    }

    /// Nothing arrives as long as we look. The length of the look cannot make the test fail, only less sharp.
    async fn silent(stream: &mut TcpStream) -> bool {
        let mut byte = [0];
        tokio::time::timeout(Duration::from_millis(200), stream.read(&mut byte)).await.is_err()
    }

    #[tokio::test]
    async fn forwards_and_passes_the_end_on() {
        let relay = Relay::start(echo().await).await.unwrap();
        let mut stream = TcpStream::connect(relay.addr()).await.unwrap();
        let long = vec![7; 3 * BUFFER + 5];
        stream.write_all(&long).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        assert!(all == long);
    }

    #[tokio::test]
    async fn cut_closes_refuses_and_mends_on_the_same_port() {
        let relay = Relay::start(echo().await).await.unwrap();
        let mut stream = TcpStream::connect(relay.addr()).await.unwrap();
        assert_eq!(ask(&mut stream, b"here").await, b"here");
        relay.cut();
        let mut byte = [0];
        assert!(matches!(stream.read(&mut byte).await, Ok(0) | Err(_)));
        let refused = TcpStream::connect(relay.addr()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        relay.mend();
        let mut stream = loop {
            match TcpStream::connect(relay.addr()).await {
                Ok(stream) => break stream,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        assert_eq!(ask(&mut stream, b"again").await, b"again");
    }

    #[tokio::test]
    async fn frozen_accepts_keeps_and_goes_on() {
        let relay = Relay::start(echo().await).await.unwrap();
        let mut old = TcpStream::connect(relay.addr()).await.unwrap();
        assert_eq!(ask(&mut old, b"a").await, b"a");
        relay.freeze();
        let mut new = TcpStream::connect(relay.addr()).await.unwrap();
        old.write_all(b"b").await.unwrap();
        new.write_all(b"c").await.unwrap();
        assert!(silent(&mut old).await && silent(&mut new).await);
        relay.mend();
        let (mut b, mut c) = ([0], [0]);
        old.read_exact(&mut b).await.unwrap();
        new.read_exact(&mut c).await.unwrap();
        assert_eq!((&b, &c), (b"b", b"c"));
    }

    #[tokio::test]
    async fn a_dead_target_closes_the_connection() {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = gone.local_addr().unwrap();
        drop(gone);
        let relay = Relay::start(target).await.unwrap();
        let mut stream = TcpStream::connect(relay.addr()).await.unwrap();
        let mut byte = [0];
        assert!(matches!(stream.read(&mut byte).await, Ok(0) | Err(_)));
    }
}
