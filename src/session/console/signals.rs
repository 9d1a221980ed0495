//! Signals that matter to a session with a screen.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal means here.
pub(super) enum Told {
    /// The session ends in good order.
    Leave,
    /// The process was stopped and goes on.
    GoOn,
}

/// Signals that matter to the session. An interrupt from the keyboard is a key in raw mode; this is one that another
/// process sends.
pub(super) struct Signals {
    hang_up: Signal,
    terminate: Signal,
    interrupt: Signal,
    go_on: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Signals> {
        // SIGCONT has no name in `SignalKind`.
        let go_on = SignalKind::from_raw(rustix::process::Signal::CONT.as_raw());
        Ok(Signals {
            hang_up: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            go_on: signal(go_on)?,
        })
    }

    pub(super) async fn any(&mut self) -> Told {
        tokio::select! {
            _ = self.hang_up.recv() => Told::Leave,
            _ = self.terminate.recv() => Told::Leave,
            _ = self.interrupt.recv() => Told::Leave,
            _ = self.go_on.recv() => Told::GoOn,
        }
    }
}
