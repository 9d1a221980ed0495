//! The notes file: what must outlive this process. Written whole beside the old one and renamed, so that a crash leaves
//! the old notes or the new ones.

use crate::domain::fleet::Fleet;
use crate::domain::memory::{Memory, SCHEMA};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What can go wrong with the notes. None of it stops the console.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The operating system refused.
    #[error("{operation} {}: {error}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What came back.
        error: std::io::Error,
    },
    /// The notes cannot be read.
    #[error("earlier notes can not be read ({why}); they are kept in {}", path.display())]
    Damaged {
        /// Where they are now.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// A file that only its owner may read: names of runs and servers are nobody else's.
fn private(path: &Path) -> std::io::Result<File> {
    File::options().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// The notes of one environment.
#[derive(Debug, Clone)]
pub struct Notes {
    path: PathBuf,
    /// Their folder has been there: one that vanished since is not made again.
    settled: Arc<AtomicBool>,
}

impl Notes {
    /// Notes of `environment` below the state folder `state`.
    #[must_use]
    pub fn new(state: &Path, environment: &str) -> Notes {
        let path = state.join(environment).join("last-known.json");
        let there = path.parent().is_some_and(Path::is_dir);
        Notes { path, settled: Arc::new(AtomicBool::new(there)) }
    }

    /// Puts what was noted into the picture.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn recall(&self, fleet: &mut Fleet) -> Result<(), MemoryError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.io("read", error)),
        };
        match serde_json::from_slice::<Memory>(&text) {
            Ok(memory) if memory.schema == SCHEMA && memory.environment == fleet.policy.environment => {
                fleet.recall(memory);
                Ok(())
            }
            // They may be all that is left of a region: kept beside, so that the next notes do not stand in their place.
            read => {
                let aside = self.path.with_extension(format!("json.unread-{}", fleet.now.as_second()));
                fs::rename(&self.path, &aside).map_err(|error| self.io("set aside", error))?;
                let why = read.err().map_or_else(|| "of another version or environment".to_owned(), |e| e.to_string());
                Err(MemoryError::Damaged { path: aside, why })
            }
        }
    }

    /// Writes down what is known now.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn write(&self, memory: &Memory) -> Result<(), MemoryError> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        if !self.settled.load(Ordering::Relaxed) {
            fs::create_dir_all(folder).map_err(|error| self.io("create folder for", error))?;
            self.settled.store(true, Ordering::Relaxed);
        }
        let text = serde_json::to_vec(memory).map_err(|error| self.io("put into words", error.into()))?;
        // Two consoles of one environment may write at the same time; each has its own file until the rename.
        let new = self.path.with_extension(format!("json.{}", std::process::id()));
        let written = private(&new).and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_data()));
        written.and_then(|()| fs::rename(&new, &self.path)).map_err(|error| self.io("write", error))
    }

    fn io(&self, operation: &'static str, error: std::io::Error) -> MemoryError {
        MemoryError::Io { operation, path: self.path.clone(), error }
    }
}
