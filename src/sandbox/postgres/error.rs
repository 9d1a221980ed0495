//! What can go wrong with the simulated database pair. Pure.

use std::io;
use std::path::PathBuf;

use super::locate::LocateError;
use super::pair::Side;
use crate::sandbox::reaper::ReaperError;

/// An operation of the pair that failed. No variant carries a password.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// There are no PostgreSQL server programs.
    #[error(transparent)]
    Locate(#[from] LocateError),
    /// The sandbox's folder failed.
    #[error(transparent)]
    Reaper(#[from] ReaperError),
    /// We are root, PostgreSQL refuses to be, and there is nobody else to run it as.
    #[error("PostgreSQL refuses to run as root, and there is neither a user `postgres` nor a user `nobody`")]
    NoAccount,
    /// The user that runs the servers cannot reach the folder.
    #[error("the user `{account}` can't reach {path}; set TMPDIR to a directory that everyone may enter")]
    Unreachable {
        /// Who would run the servers.
        account: String,
        /// The folder.
        path: PathBuf,
    },
    /// A region's name cannot be the name of a slot or an application.
    #[error("region name {0:?}: want 1 to 40 of a-z, 0-9 and -, and two different ones")]
    Region(String),
    /// A setting's name is not one.
    #[error("setting name {0:?}: want a-z, 0-9, _ and .")]
    Setting(String),
    /// A file of the servers could not be written, read or removed.
    #[error("{operation} {path}: {source}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A certificate could not be made.
    #[error("make certificates for PostgreSQL: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The system gave no random bytes.
    #[error("draw random bytes for passwords")]
    Random,
    /// A program could not be started.
    #[error("start {program}: {source}")]
    Spawn {
        /// Which.
        program: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A program failed or took too long.
    #[error("{program} failed: {said}")]
    Tool {
        /// Which.
        program: &'static str,
        /// The end of what it said.
        said: String,
    },
    /// Another process took the port between our choice and the server's start.
    #[error("port {0} of PostgreSQL was taken by another process")]
    PortTaken(u16),
    /// The server ended, or was not ready in time.
    #[error("PostgreSQL of {region} did not start: {said}")]
    NotReady {
        /// Whose.
        region: String,
        /// The end of its log.
        said: String,
    },
    /// The replica did not stream in time.
    #[error("PostgreSQL of {0} does not stream from the other region")]
    NotStreaming(String),
    /// The operation needs a running server, or a stopped one.
    #[error("PostgreSQL of side {side:?} is {is}")]
    State {
        /// Which side.
        side: Side,
        /// What it is.
        is: &'static str,
    },
    /// No port, or no relay.
    #[error("loopback port for PostgreSQL: {0}")]
    Port(io::Error),
    /// A statement of ours failed.
    #[error("{operation} in PostgreSQL: {source}")]
    Sql {
        /// What it was for.
        operation: &'static str,
        /// What the driver said.
        source: sqlx::Error,
    },
}
