//! The durable file of a run's records. A record is on disk before what it announces is done; each line carries the
//! hash of the one before it, so that a line that was changed, lost or moved is found out.
//!
//! One file a run, `RUN.jsonl`, one JSON object a line. A line torn by a crash can only be the last one: it is set aside
//! and the file goes on after the last whole line. Any other damage is an error that names the line.

mod line;
mod store;
#[cfg(test)]
mod tests;

pub use line::{LineError, Link};
pub use store::{RunSummary, Store, history, last_promotion};

use crate::domain::units::many;
use crate::playbook::record::{Record, RunId};
use crate::playbook::run::{Illegal, Run};
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What can go wrong with a journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
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
    /// Another process drives this run.
    #[error("another process on this machine drives run {0} (it may be stopped): see the lock on its journal")]
    Driven(RunId),
    /// A line is not what was written.
    #[error("{} line {line}: {error}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        error: LineError,
    },
    /// A record does not follow from those before it.
    #[error("{} line {line}: {error}", path.display())]
    Illegal {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Why not.
        error: Illegal,
    },
    /// The file has no record.
    #[error("{}: there is no record in it", .0.display())]
    Empty(PathBuf),
    /// The file has only the beginning of a first record: the run was never declared.
    #[error("{}: there is no record in it, only {} that a crash has cut off: the run was never begun", .0.display(), many(*.1, "byte of one", "bytes of one"))]
    OnlyTorn(PathBuf, usize),
    /// An earlier append failed: what is on disk is not known, so nothing more is written.
    #[error("the journal failed before; nothing more is written to {}", .0.display())]
    Poisoned(PathBuf),
}

/// A run's journal, open for writing by this process alone.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    link: Link,
    poisoned: bool,
}

/// What was found when a journal was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// Bytes of the last line, which a crash had cut off.
    pub bytes: usize,
    /// Where they were put.
    pub kept_in: PathBuf,
}

fn io(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> JournalError {
    let path = path.to_owned();
    move |error| JournalError::Io { operation, path, error }
}

impl Journal {
    /// Makes the journal of a new run in `folder`. The file and its name are on disk when this returns.
    ///
    /// # Errors
    /// There is one of that run already, or the operating system refuses.
    pub fn create(folder: &Path, run: &RunId) -> Result<Journal, JournalError> {
        std::fs::create_dir_all(folder).map_err(io("create folder", folder))?;
        let path = folder.join(format!("{run}.jsonl"));
        let file =
            OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path).map_err(io("create", &path))?;
        claim(&file, run)?;
        sync_folder(folder)?;
        Ok(Journal { file, path, link: Link::first(), poisoned: false })
    }

    /// Opens the journal of a run that was begun before, sets a torn last line aside, and checks everything else.
    ///
    /// # Errors
    /// Another process has it, a line is damaged, or the operating system refuses.
    pub fn open(folder: &Path, run: &RunId) -> Result<(Journal, Vec<Record>, Option<Torn>), JournalError> {
        let path = folder.join(format!("{run}.jsonl"));
        let mut file = OpenOptions::new().read(true).append(true).open(&path).map_err(io("open", &path))?;
        claim(&file, run)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io("read", &path))?;
        let read = line::read_all(&bytes);
        if let Some((line, error)) = read.damaged {
            return Err(JournalError::Damaged { path, line, error });
        }
        let torn = set_torn_aside(&mut file, &path, &bytes, read.whole)?;
        if read.records.is_empty() {
            return Err(JournalError::Empty(path));
        }
        Ok((Journal { file, path, link: read.link, poisoned: false }, read.records, torn))
    }

    /// Writes one record. It is on disk when this returns.
    ///
    /// # Errors
    /// The operating system refuses, or did so before: then the caller performs nothing more.
    pub fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned(self.path.clone()));
        }
        let (text, next) = self.link.line(record);
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.link = next;
                Ok(())
            }
            Err(error) => {
                // Part of the line, or all of it, may be on disk: only a fresh read can tell.
                self.poisoned = true;
                Err(JournalError::Io { operation: "append to", path: self.path.clone(), error })
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// One driver per run on a machine: the kernel gives the lock up when the process dies, and not when it is stopped.
fn claim(file: &File, run: &RunId) -> Result<(), JournalError> {
    flock(file, FlockOperation::NonBlockingLockExclusive).map_err(|_| JournalError::Driven(run.clone()))
}

fn sync_folder(folder: &Path) -> Result<(), JournalError> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(io("sync folder", folder))
}

fn set_torn_aside(file: &mut File, path: &Path, bytes: &[u8], whole: usize) -> Result<Option<Torn>, JournalError> {
    let Some(rest) = bytes.get(whole..).filter(|rest| !rest.is_empty()) else { return Ok(None) };
    let kept_in = aside(path, whole);
    let mut aside = File::create(&kept_in).map_err(io("create", &kept_in))?;
    aside.write_all(rest).and_then(|()| aside.sync_all()).map_err(io("write", &kept_in))?;
    let length = u64::try_from(whole).unwrap_or(u64::MAX);
    file.set_len(length).and_then(|()| file.sync_all()).map_err(io("truncate", path))?;
    file.seek(SeekFrom::End(0)).map_err(io("seek in", path))?;
    Ok(Some(Torn { bytes: rest.len(), kept_in }))
}

/// A journal as it was found by somebody who does not write to it.
#[derive(Debug)]
pub struct Look {
    /// Its whole records.
    pub records: Vec<Record>,
    /// The run that they make.
    pub run: Run,
    /// Bytes after the last whole line: torn off by a crash, or a line that its driver is just writing. None of it is
    /// believed; whoever opens the journal to write sets it aside.
    pub torn: usize,
}

/// Reads a journal without touching it: for lists, reports and observers.
///
/// # Errors
/// A line is damaged, a record does not fit, or the file cannot be read.
pub fn read(path: &Path) -> Result<(Vec<Record>, Run), JournalError> {
    look(path).map(|look| (look.records, look.run))
}

/// The same, with what stands after the last whole line.
///
/// # Errors
/// As [`read`].
pub fn look(path: &Path) -> Result<Look, JournalError> {
    let bytes = std::fs::read(path).map_err(io("read", path))?;
    let read = line::read_all(&bytes);
    if let Some((line, error)) = read.damaged {
        return Err(JournalError::Damaged { path: path.to_owned(), line, error });
    }
    let torn = bytes.len().saturating_sub(read.whole);
    if read.records.is_empty() && torn > 0 {
        return Err(JournalError::OnlyTorn(path.to_owned(), torn));
    }
    let run = replay(path, &read.records)?;
    Ok(Look { records: read.records, run, torn })
}

/// Where what is torn off the end of this journal is put by whoever opens it to write; `whole` bytes stand before it.
fn aside(path: &Path, whole: usize) -> PathBuf {
    path.with_extension(format!("torn-at-{whole}"))
}

/// The run that these records make.
///
/// # Errors
/// The first record that does not fit, with its line.
pub fn replay(path: &Path, records: &[Record]) -> Result<Run, JournalError> {
    let illegal = |line: usize, error| JournalError::Illegal { path: path.to_owned(), line, error };
    let Some((first, rest)) = records.split_first() else { return Err(JournalError::Empty(path.to_owned())) };
    let mut run = Run::begin(first).map_err(|error| illegal(1, error))?;
    for (i, record) in rest.iter().enumerate() {
        run.apply(record).map_err(|error| illegal(i + 2, error))?;
    }
    Ok(run)
}
