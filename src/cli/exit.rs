//! What the exit code means. Documented in the README; scripts rely on it.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked; for `status`: a failover can be led.
    Fine,
    /// It could not do what was asked.
    Failed,
    /// The command line, the configuration or another file that was given is wrong. Nothing was done.
    BadInput,
    /// `status`: a failover is blocked, or there is no direction.
    Blocked,
    /// A run is open: it needs a person's consent or decision, and there was none in the file given.
    NeedsPerson,
    /// A run was given up.
    Aborted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Fine => 0,
            Exit::Failed => 1,
            Exit::BadInput => 2,
            Exit::Blocked => 3,
            Exit::NeedsPerson => 4,
            Exit::Aborted => 5,
        })
    }
}
