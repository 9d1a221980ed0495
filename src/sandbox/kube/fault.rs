//! Faults of a simulated API server, and the stream that lives under them. Not pure: it wraps a socket.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::watch,
};

/// What is wrong with the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApiFault {
    /// Nothing.
    #[default]
    None,
    /// Connections are accepted and never answered, existing ones freeze: a half-open line, or a stopped process.
    Silent,
    /// The port is closed and existing connections are reset: a dead process. It comes back on the same port with the
    /// same data.
    Refused,
    /// Every answer waits this long first.
    Slow(Duration),
    /// Watches deliver nothing, neither events nor bookmarks, while everything else works.
    StuckWatch,
}

type Thaw = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection that freezes while the server is silent.
pub struct FaultStream {
    inner: TcpStream,
    fault: watch::Receiver<ApiFault>,
    thaw: Option<Thaw>,
}

impl FaultStream {
    /// Wraps a connection.
    pub fn new(inner: TcpStream, fault: watch::Receiver<ApiFault>) -> Self {
        Self { inner, fault, thaw: None }
    }

    fn poll_thaw(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if *self.fault.borrow() != ApiFault::Silent {
            self.thaw = None;
            return Poll::Ready(());
        }
        let mut fault = self.fault.clone();
        let thaw = self.thaw.get_or_insert_with(|| {
            Box::pin(async move {
                // An error means that the server is gone; then its tasks are ended anyway.
                let _ = fault.wait_for(|fault| *fault != ApiFault::Silent).await;
            })
        });
        let polled = thaw.as_mut().poll(context);
        if polled.is_ready() {
            self.thaw = None;
        }
        polled
    }
}

impl Drop for FaultStream {
    /// A dead process resets its connections instead of closing them.
    fn drop(&mut self) {
        if *self.fault.borrow() == ApiFault::Refused {
            let _ = self.inner.set_zero_linger();
        }
    }
}

macro_rules! thawed {
    ($self:ident, $context:ident) => {
        match $self.poll_thaw($context) {
            Poll::Ready(()) => Pin::new(&mut $self.inner),
            Poll::Pending => return Poll::Pending,
        }
    };
}

impl AsyncRead for FaultStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        thawed!(self, context).poll_read(context, buffer)
    }
}

impl AsyncWrite for FaultStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        thawed!(self, context).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        thawed!(self, context).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        thawed!(self, context).poll_shutdown(context)
    }
}
