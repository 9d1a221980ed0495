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

    /// SIGINT, SIGTERM, and SIGHUP unless whoever started this has it ignored, as `nohup` does.
    pub fn unless_ignored() -> Result<Signals> {
        let hang_up = (!hang_up_is_ignored()).then(SignalKind::hangup);
        let kinds: Vec<SignalKind> =
            [SignalKind::interrupt(), SignalKind::terminate()].into_iter().chain(hang_up).collect();
        Signals::of(&kinds)
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

/// As the kernel tells it: there is no call that asks without changing it. Elsewhere than on Linux it counts as not ignored.
fn hang_up_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    // SIGHUP is signal 1, the lowest bit.
    mask & 1 == 1
}
