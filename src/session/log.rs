//! The console's log: what the adapters tell and no frame has room for. Beside the journals, one file, bounded.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;
use tracing_subscriber::EnvFilter;

/// A log longer than this is put aside at the next start, over the one before: two such files are the most.
const LENGTH_MAX: u64 = 1024 * 1024;

/// What is told without `LEEWARD_LOG`, which takes the words of tracing's `EnvFilter`.
const LEVEL: &str = "leeward=warn";

/// Sends what is traced from now on to `log`. A second call changes nothing.
///
/// # Errors
/// The file cannot be opened.
pub fn begin(log: &Path) -> io::Result<()> {
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder)?;
    }
    if fs::metadata(log).is_ok_and(|meta| meta.len() > LENGTH_MAX) {
        fs::rename(log, log.with_extension("log.1"))?;
    }
    let file = open(log)?;
    let filter = EnvFilter::try_from_env("LEEWARD_LOG").unwrap_or_else(|_| EnvFilter::new(LEVEL));
    let writer = Mutex::new(file);
    let _ = tracing_subscriber::fmt().with_ansi(false).with_env_filter(filter).with_writer(writer).try_init();
    Ok(())
}

/// The log, for appending; names and addresses in it are nobody else's to read.
///
/// # Errors
/// The file cannot be opened.
pub fn open(log: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(log)
}
