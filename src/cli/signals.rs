//! Signals that end a command in good order where no console is there to take them.

use color_eyre::eyre::{Result, WrapErr};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that are waited for.
pub struct Signals(Vec<Signal>);

impl Signals {
    /// SIGINT, SIGTERM and SIGHUP, for what must be tidied up with its terminal.
    #[cfg(feature = "sandbox")]
    pub fn all() -> Result<Signals> {
        Signals::of(&[SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()])
    }

    /// SIGINT and SIGTERM, for what may outlive its terminal: a handler for SIGHUP would undo `nohup`.
    pub fn but_hang_up() -> Result<Signals> {
        Signals::of(&[SignalKind::interrupt(), SignalKind::terminate()])
    }

    fn of(kinds: &[SignalKind]) -> Result<Signals> {
        kinds.iter().map(|kind| signal(*kind).wrap_err("signals")).collect::<Result<_>>().map(Signals)
    }

    /// Returns when one comes.
    pub async fn any(&mut self) {
        futures_util::future::select_all(self.0.iter_mut().map(|signal| Box::pin(signal.recv()))).await;
    }

    /// What comes of `work`; None when a signal comes first.
    pub async fn or<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.any() => None,
        }
    }
}
