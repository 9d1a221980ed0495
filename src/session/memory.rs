//! The notes file: what must outlive this process. Written whole beside the old one and renamed, so that a crash leaves
//! the old notes or the new ones.

use crate::domain::fleet::Fleet;
use crate::domain::memory::Memory;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

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
    #[error("{}: these notes can not be read ({error}); they are left as they are", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        error: serde_json::Error,
    },
}

/// The notes of one environment.
#[derive(Debug, Clone)]
pub struct Notes {
    path: PathBuf,
}

impl Notes {
    /// Notes of `environment` below the state folder `state`.
    #[must_use]
    pub fn new(state: &Path, environment: &str) -> Notes {
        Notes { path: state.join(environment).join("last-known.json") }
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
        let memory: Memory =
            serde_json::from_slice(&text).map_err(|error| MemoryError::Damaged { path: self.path.clone(), error })?;
        fleet.recall(memory);
        Ok(())
    }

    /// Writes down what is known now.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn write(&self, memory: &Memory) -> Result<(), MemoryError> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|error| self.io("create folder for", error))?;
        let text =
            serde_json::to_vec(memory).map_err(|error| MemoryError::Damaged { path: self.path.clone(), error })?;
        // Two consoles of one environment may write at the same time; each has its own file until the rename.
        let new = self.path.with_extension(format!("json.{}", std::process::id()));
        let written = File::create(&new).and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_data()));
        written.and_then(|()| fs::rename(&new, &self.path)).map_err(|error| self.io("write", error))
    }

    fn io(&self, operation: &'static str, error: std::io::Error) -> MemoryError {
        MemoryError::Io { operation, path: self.path.clone(), error }
    }
}
