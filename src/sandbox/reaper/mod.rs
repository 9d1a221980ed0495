//! Everything the sandbox started is gone when it is gone: after a return, a panic, a hang-up, and after `kill -9`.
//! Not pure: folders and processes.
//!
//! Three layers, each for the case that the one before could not run. `Drop` ends the registered processes and
//! removes the folder. A guard process does the same when the sandbox dies without its destructors. [`Reaper::sweep`]
//! at the next start does it for folders whose owner and guard both died.

mod guard;
mod process;
#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use guard::Guard;
pub use process::{Process, end};

/// Folders of the sandbox begin so; the owner's process number and a random part follow.
const PREFIX: &str = "leeward-sandbox-";
/// How long a process may take to end politely. A database's immediate shutdown takes a few hundredths of a second.
const PATIENCE: Duration = Duration::from_secs(3);

/// What can go wrong with the sandbox's folder.
#[derive(Debug, thiserror::Error)]
pub enum ReaperError {
    /// The folder could not be made or read.
    #[error("sandbox folder {path}: {source}")]
    Folder {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The guard process could not be started.
    #[error("sandbox guard (/bin/sh): {0}")]
    Guard(io::Error),
    /// This process is not in the process table.
    #[error("sandbox owner: this process can't be found in the process table")]
    Owner,
}

/// How a registered process is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopBy {
    /// SIGTERM, for tools.
    Term,
    /// SIGQUIT: PostgreSQL's immediate shutdown, which also takes its children and its shared memory along.
    Quit,
}

impl StopBy {
    fn name(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Quit => "QUIT",
        }
    }

    fn signal(self) -> Signal {
        match self {
            Self::Term => Signal::TERM,
            Self::Quit => Signal::QUIT,
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Term, Self::Quit].into_iter().find(|stop| stop.name() == name)
    }
}

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Folders whose owner was dead.
    pub folders: usize,
    /// Processes that still ran.
    pub processes: usize,
}

/// The folder of one sandbox run and the register of its processes. Dropping it ends and removes all of it, in
/// bounded time and without an async runtime.
#[derive(Debug)]
pub struct Reaper {
    dir: PathBuf,
    /// Locked as long as this process lives; the kernel lets go of it however the process ends.
    _owner: File,
    guard: Guard,
}

impl Reaper {
    /// Makes a new folder below the temporary directory and starts its guard.
    pub fn start() -> Result<Self, ReaperError> {
        Self::start_in(&std::env::temp_dir())
    }

    /// [`Reaper::start`] below another directory.
    pub fn start_in(base: &Path) -> Result<Self, ReaperError> {
        let prefix = format!("{PREFIX}{}-", std::process::id());
        // Others may pass through, not look: the database servers run as another user when we are root.
        let made = tempfile::Builder::new().prefix(&prefix).permissions(Permissions::from_mode(0o711)).tempdir_in(base);
        let dir = made.map_err(|source| ReaperError::Folder { path: base.to_owned(), source })?.keep();
        Self::furnish(&dir).inspect_err(|_| {
            let _ = fs::remove_dir_all(&dir);
        })
    }

    fn furnish(dir: &Path) -> Result<Self, ReaperError> {
        let me = Process::find(std::process::id().cast_signed()).ok_or(ReaperError::Owner)?;
        let path = dir.join("owner");
        let failed = |source| ReaperError::Folder { path: path.clone(), source };
        let mut owner = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        owner.lock().map_err(failed)?;
        writeln!(owner, "{} {}", me.pid, me.birth).map_err(failed)?;
        let path = dir.join("processes");
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|source| ReaperError::Folder { path, source })?;
        let guard = Guard::start(dir).map_err(ReaperError::Guard)?;
        Ok(Self { dir: dir.to_owned(), _owner: owner, guard })
    }

    /// The folder of this run.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A command whose process is in the register before it becomes `program`: arguments, user, folder and outputs
    /// are the caller's to set, standard input is taken (the program gets `/dev/null`).
    pub fn command(&self, stop: StopBy, program: &Path) -> Result<Command, ReaperError> {
        let path = self.dir.join("processes");
        let register = OpenOptions::new().append(true).open(&path);
        Ok(guard::registering(register.map_err(|source| ReaperError::Folder { path, source })?, stop.name(), program))
    }

    /// Registered processes that still live.
    pub fn processes(&self) -> Vec<Process> {
        registered(&self.dir).into_iter().map(|(process, _)| process).collect()
    }

    /// Ends and removes what sandboxes left behind that are dead. Call it before a sandbox starts.
    pub fn sweep() -> Result<Swept, ReaperError> {
        Self::sweep_in(&std::env::temp_dir())
    }

    /// [`Reaper::sweep`] below another directory.
    pub fn sweep_in(base: &Path) -> Result<Swept, ReaperError> {
        let mut swept = Swept::default();
        let entries = fs::read_dir(base).map_err(|source| ReaperError::Folder { path: base.to_owned(), source })?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
            let dir = entry.path();
            if !is_ours(&dir) {
                continue;
            }
            let Some(_lock) = abandoned(&dir, rest) else { continue };
            swept.processes += clear(&dir);
            swept.folders += 1;
        }
        Ok(swept)
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        clear(&self.dir);
        self.guard.dismiss();
    }
}

/// The temporary directory is everyone's: a folder of another user could name any process as one to be killed.
fn is_ours(dir: &Path) -> bool {
    fs::symlink_metadata(dir).is_ok_and(|meta| {
        meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o022 == 0
    })
}

/// The locked owner file (or nothing to lock) of a folder whose owner is dead; `None` while the owner may live.
fn abandoned(dir: &Path, rest: &str) -> Option<Option<File>> {
    let Ok(owner) = File::open(dir.join("owner")) else {
        // Just being made, or made by someone who died at once.
        let pid = rest.split('-').next()?.parse().ok()?;
        return Process::find(pid).is_none().then_some(None);
    };
    match owner.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return None,
        // A file system without locks: the process table alone decides.
        Err(TryLockError::Error(_)) => {}
    }
    let line = fs::read_to_string(dir.join("owner")).unwrap_or_default();
    let alive = line
        .trim()
        .split_once(' ')
        .and_then(|(pid, birth)| Some(Process { pid: pid.parse().ok()?, birth: birth.to_owned() }))
        .is_some_and(|process| process.alive());
    (!alive).then_some(Some(owner))
}

/// Living processes in a folder's register. A line that is not whole is one that was being written; it is skipped.
fn registered(dir: &Path) -> Vec<(Process, StopBy)> {
    let text = fs::read_to_string(dir.join("processes")).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut words = line.splitn(3, ' ');
            let pid = words.next()?.parse().ok()?;
            let stop = StopBy::parse(words.next()?)?;
            let process = Process { pid, birth: words.next()?.trim().to_owned() };
            process.alive().then_some((process, stop))
        })
        .collect()
}

/// Ends what is registered and removes the folder; how many processes there were.
fn clear(dir: &Path) -> usize {
    let left: Vec<(Process, Signal)> =
        registered(dir).into_iter().map(|(process, stop)| (process, stop.signal())).collect();
    end(&left, PATIENCE);
    // A server's last child may write one more file while the folder is being emptied.
    for _ in 0..20 {
        match fs::remove_dir_all(dir) {
            Ok(()) => break,
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
    left.len()
}
