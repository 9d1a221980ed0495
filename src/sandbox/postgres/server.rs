//! One PostgreSQL server process: start, wait until it is ready, stop, freeze, thaw. Not pure. It is our direct child
//! (no `pg_ctl`, no daemon), so its end is seen at once and it can be ended without asking anybody.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::account::Account;
use super::error::PairError;
use super::locate::Binaries;
use crate::sandbox::reaper::{Process, Reaper, StopBy, end};

/// A start may include crash recovery on a busy machine.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// A clean stop waits for its checkpoint and for the replica to have got all of it.
const CLEAN_PATIENCE: Duration = Duration::from_secs(30);
/// An immediate stop takes a few hundredths of a second; after this the tree is killed.
const CRASH_PATIENCE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(10);
/// As much of a log as an error carries.
const TAIL: usize = 1500;

/// What every server of one pair shares.
#[derive(Debug)]
pub(super) struct Host {
    pub binaries: Binaries,
    pub account: Account,
    pub home: PathBuf,
}

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Immediate, like a crash: nothing is flushed, the next start recovers.
    Crash,
    /// Clean ("fast"): sessions end, a shutdown checkpoint is written and sent to the replica.
    Clean,
}

/// What a server is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerState {
    /// Runs.
    Running,
    /// Stopped by SIGSTOP: connections are accepted by the kernel and nothing answers.
    Frozen,
    /// Not there: connections are refused.
    Stopped,
}

/// One server, running or not.
#[derive(Debug)]
pub(super) struct Server {
    region: String,
    pub data: PathBuf,
    log: PathBuf,
    pub port: u16,
    child: Option<Child>,
    frozen: bool,
}

impl Server {
    pub fn new(host: &Host, region: &str) -> Self {
        let data = host.home.join(region);
        let log = host.home.join(format!("{region}.log"));
        Self { region: region.to_owned(), data, log, port: 0, child: None, frozen: false }
    }

    /// Starts the server and waits until it takes connections. A port that turns out to be taken is an error of its
    /// own, so that a new server can try another.
    pub async fn start(&mut self, host: &Host, reaper: &Reaper) -> Result<(), PairError> {
        let spawn = |source| PairError::Spawn { program: "postgres", source };
        let log = self.open_log()?;
        let begin = log.metadata().map_err(|source| self.log_error(source))?.len();
        // A pid file of a crashed server would read as ready.
        let _ = fs::remove_file(self.data.join("postmaster.pid"));
        let mut command = reaper.command(StopBy::Quit, &host.binaries.program("postgres"))?;
        command
            .arg("-D")
            .arg(&self.data)
            .arg("-c")
            .arg(format!("port={}", self.port))
            .arg("-c")
            .arg(format!("cluster_name={}", self.region))
            .stdout(Stdio::from(log.try_clone().map_err(spawn)?))
            .stderr(Stdio::from(log));
        self.child = Some(host.account.apply(&mut command, &self.data).spawn().map_err(spawn)?);
        self.frozen = false;
        let deadline = Instant::now() + START_PATIENCE;
        while !self.is_ready() {
            if self.state() == ServerState::Stopped || Instant::now() >= deadline {
                self.stop_now();
                let said = tail(&self.log, begin);
                if said.contains("could not bind") || said.contains("could not create any TCP/IP sockets") {
                    return Err(PairError::PortTaken(self.port));
                }
                return Err(PairError::NotReady { region: self.region.clone(), said });
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Line 8 of `postmaster.pid` (pidfile.h, LOCK_FILE_LINE_PM_STATUS), as `pg_ctl -w` reads it. On a standby `ready`
    /// means that queries are taken, `standby` that they are not yet.
    fn is_ready(&self) -> bool {
        let pid_file = fs::read_to_string(self.data.join("postmaster.pid")).unwrap_or_default();
        let ours = self.child.as_ref().map(|child| child.id().to_string());
        pid_file.lines().next().map(str::trim) == ours.as_deref()
            && pid_file.lines().nth(7).is_some_and(|status| status.trim() == "ready")
    }

    /// What the server is doing now.
    pub fn state(&mut self) -> ServerState {
        match self.child.as_mut().map(Child::try_wait) {
            Some(Ok(None)) if self.frozen => ServerState::Frozen,
            Some(Ok(None)) => ServerState::Running,
            _ => {
                self.child = None;
                ServerState::Stopped
            }
        }
    }

    /// Stops the server; a frozen one is thawed by it. A clean stop that takes too long becomes a crash.
    pub async fn stop(&mut self, how: Stop) {
        let (signal, patience) = match how {
            Stop::Crash => (Signal::QUIT, CRASH_PATIENCE),
            Stop::Clean => (Signal::INT, CLEAN_PATIENCE),
        };
        if let Some(process) = self.process() {
            process.signal(signal);
            process.thaw();
            let deadline = Instant::now() + patience;
            while self.state() != ServerState::Stopped && Instant::now() < deadline {
                sleep(POLL).await;
            }
        }
        self.stop_now();
    }

    /// Ends the server and its children at once, without an async runtime and in bounded time.
    pub fn stop_now(&mut self) {
        if let Some(process) = self.process() {
            let tree = process.tree();
            end(&[(process, Signal::QUIT)], CRASH_PATIENCE);
            // A child that outlives its parent for a moment would still hold the folder.
            end(&tree.into_iter().map(|child| (child, Signal::QUIT)).collect::<Vec<_>>(), CRASH_PATIENCE);
        }
        for _ in 0..100 {
            if self.state() == ServerState::Stopped {
                break;
            }
            thread::sleep(POLL);
        }
        self.frozen = false;
    }

    /// SIGSTOP for every process of the server.
    pub fn freeze(&mut self) {
        if let Some(process) = self.process() {
            process.freeze();
            self.frozen = true;
        }
    }

    /// SIGCONT for every process of the server.
    pub fn thaw(&mut self) {
        if let Some(process) = self.process() {
            process.thaw();
        }
        self.frozen = false;
    }

    /// The server's first process, while it lives.
    pub fn process(&mut self) -> Option<Process> {
        if self.state() == ServerState::Stopped {
            return None;
        }
        Process::find(self.child.as_ref()?.id().cast_signed())
    }

    fn open_log(&self) -> Result<File, PairError> {
        OpenOptions::new().create(true).append(true).open(&self.log).map_err(|source| self.log_error(source))
    }

    fn log_error(&self, source: std::io::Error) -> PairError {
        PairError::File { operation: "open", path: self.log.clone(), source }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop_now();
    }
}

/// The end of what a log says from byte `begin` on.
fn tail(log: &Path, begin: u64) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let new = bytes.get(usize::try_from(begin).unwrap_or(0)..).unwrap_or_default();
    last_words(new)
}

/// The last words of a program, as text of bounded length.
pub(super) fn last_words(said: &[u8]) -> String {
    let end = said.get(said.len().saturating_sub(TAIL)..).unwrap_or_default();
    String::from_utf8_lossy(end).trim().to_owned()
}
