//! `leeward watch --plain`: the state once, then a line for each thing that changes. For screen readers, logs and lines that
//! are too slow for a screen; nothing in it moves a cursor.

use super::Exit;
use super::signals::Signals;
use super::status::{failover_takes, finished_runs, finished_runs_or_none};
use crate::domain::fleet::Fleet;
use crate::gates::RunFacts;
use crate::gates::alarms::{Alarm, alarms};
use crate::gates::readiness::{Readiness, readiness};
use crate::journal::last_promotion;
use crate::playbook::run::Run;
use crate::report::{follow::Follower, status};
use crate::session::picture::Picture;
use crate::session::setup::Setup;
use color_eyre::eyre::{Result, WrapErr};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// Longest wait for the sources: two tries of each.
const SETTLE: Duration = Duration::from_secs(8);

/// How often it looks for what has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often the journals here are read: a run that somebody else drives changes what readiness says.
const JOURNALS_EVERY: Duration = Duration::from_secs(10);

/// Lines that wait for a reader that is slow or stopped; what comes after is left out, and that is said.
const LINES_MAX: usize = 1024;

/// Longest wait for the last lines at the end.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// Watches until a signal comes or nobody reads any more. Both are a good end.
pub async fn run(setup: &Setup) -> Result<Exit> {
    let mut signals = Signals::unless_ignored()?;
    let mut known = Known::of(&finished_runs_or_none(setup));
    let mut picture = Picture::start(setup);
    let mut out = Out::start()?;
    if let Some(fleet) = signals.or(picture.settle(SETTLE)).await {
        let (readiness, alarms) = known.ask(&fleet);
        out.say(status::text(&fleet, &readiness, &alarms).trim_end().to_owned() + "\n");
        let mut follower = Follower::new(&fleet, &readiness, &alarms);
        while out.is_read() && signals.or(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            known.again(setup);
            let fleet = picture.fleet.borrow().clone();
            let (readiness, alarms) = known.ask(&fleet);
            follower.news(&fleet, &readiness, &alarms).into_iter().for_each(|line| out.say(line));
        }
    }
    picture.stop().await;
    out.end();
    Ok(Exit::Fine)
}

/// What the journals of this machine add to the picture.
struct Known {
    facts: RunFacts,
    takes: Duration,
    read: Instant,
}

impl Known {
    fn of(runs: &[Run]) -> Known {
        let facts = RunFacts { last_promotion: last_promotion(runs), ..RunFacts::default() };
        Known { facts, takes: failover_takes(runs), read: Instant::now() }
    }

    /// Reads them again when it is time. A folder that can not be listed now leaves what was known.
    fn again(&mut self, setup: &Setup) {
        if self.read.elapsed() >= JOURNALS_EVERY {
            match finished_runs(setup) {
                Ok(runs) => *self = Known::of(&runs),
                Err(_) => self.read = Instant::now(),
            }
        }
    }

    fn ask(&self, fleet: &Fleet) -> (Readiness, Vec<Alarm>) {
        (readiness(fleet, &self.facts, self.takes), alarms(fleet, &self.facts))
    }
}

/// Standard output in a thread of its own: a terminal that was stopped with ctrl-s must not keep a signal from being heard.
struct Out {
    lines: SyncSender<String>,
    ended: Receiver<()>,
    left_out: usize,
    open: bool,
}

impl Out {
    fn start() -> Result<Out> {
        let (lines, waiting) = sync_channel::<String>(LINES_MAX);
        let (end, ended) = sync_channel(1);
        let write = move || {
            // Standard output is flushed at each line's end.
            let done = waiting.iter().try_for_each(|line| writeln!(std::io::stdout().lock(), "{line}"));
            drop(done);
            let _ = end.try_send(());
        };
        std::thread::Builder::new().name("output".to_owned()).spawn(write).wrap_err("a thread for the output")?;
        Ok(Out { lines, ended, left_out: 0, open: true })
    }

    fn say(&mut self, line: String) {
        if self.left_out > 0 {
            let words = format!("({} lines were left out: standard output was not read)", self.left_out);
            if self.put(words) {
                self.left_out = 0;
            }
        }
        if !self.put(line) {
            self.left_out += 1;
        }
    }

    fn put(&mut self, line: String) -> bool {
        match self.lines.try_send(line) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => false,
            Err(TrySendError::Disconnected(_)) => {
                self.open = false;
                true
            }
        }
    }

    /// Whether somebody may still read. A pipe whose reader went away says so without being written to.
    fn is_read(&self) -> bool {
        let stdout = std::io::stdout();
        let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let gone = poll(&mut asked, Some(&at_once)).is_ok()
            && asked.iter().any(|fd| fd.revents().intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL));
        self.open && !gone
    }

    fn end(self) {
        drop(self.lines);
        let _ = self.ended.recv_timeout(FLUSH_MAX);
    }
}
