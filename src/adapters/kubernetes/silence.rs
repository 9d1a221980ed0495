//! What is made of a watch that says nothing.
//!
//! Silence proves nothing, and that a server accepts a watch proves no more: behind a proxy that holds streams back, or a
//! server whose cache no longer follows its store, a new watch is accepted like the old one and is as silent. So silence
//! is looked into by other means, in the order of their cost:
//!
//! 1. The heartbeat says that nothing at all is newer than what the watch came to. In a cluster this is rare: Leases are
//!    renewed every few seconds, and all kinds share one version.
//! 2. The collection itself is listed, metadata only, and held against what was told: the same objects in the same
//!    versions, and the watch has kept nothing back. One small request where it is one page. Where it is more, only the
//!    count is asked for, which can find something and proves nothing; the proof are then the bookmarks that a server
//!    sends about once a minute, and the whole list only when those stay away.
//! 3. The list shows what was not told. A second watch from the same version has to deliver it at once, since it is
//!    there. It does not: the watch is stuck. The list is taken, and the kind fails until a watch delivers.

use super::call::{Ask, Lines, Server};
use super::cursor::Cursor;
use super::failure::CallError;
use super::inventory::Inventory;
use super::kind::{Form, Kind, PAGE, Told};
use super::watch::{Closed, Ended, Follow, PAGE_TIMEOUT};
use super::wire::Page;
use crate::domain::Timestamp;
use std::time::Duration;
use tokio::time::Instant;

/// How long what is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Silence after which a watch is looked into.
    pub silence: Duration,
    /// Time to the next look after one that found nothing wrong.
    pub again: Duration,
    /// Both of them while a run is driven.
    pub hurried: Duration,
    /// In which a watch delivers what is there: measured in milliseconds where all is well.
    pub patience: Duration,
    /// Age of the last proof after which a large collection is listed as a whole: a bookmark is overdue by then.
    pub overdue: Duration,
}

/// The usual pace: each kind costs one small request a minute while it is quiet.
pub const PACE: Pace = Pace {
    silence: Duration::from_secs(30),
    again: Duration::from_secs(60),
    hurried: Duration::from_secs(5),
    patience: Duration::from_secs(5),
    overdue: Duration::from_secs(75),
};

/// Time in which a server that forgot a watch's version says so, and in which the next heartbeat comes or is near.
const GRACE: Duration = Duration::from_secs(1);

/// When what is due.
#[derive(Debug)]
pub(super) struct Times {
    /// Up to when what was told is known to be all: when the watch last spoke, or was found to have kept nothing back.
    proven: Instant,
    /// When silence is looked into.
    pub(super) check_at: Instant,
    /// Looks that found it stuck since it last spoke. None: it is not.
    stuck: Option<u32>,
    /// A failure was told, and nothing yet that ends it.
    pub(super) failed: bool,
}

impl Times {
    pub(super) fn new() -> Times {
        let now = Instant::now();
        Times { proven: now, check_at: now, stuck: None, failed: false }
    }
}

/// What a look at a silent watch found.
pub(super) enum Check {
    /// Go on reading; the next look is set.
    ReadOn,
    /// It spoke meanwhile.
    Heard(Vec<u8>),
    /// It is over.
    Ended(Ended),
}

/// What a list said of what was told.
enum Survey {
    /// The same objects in the same versions, in a list of this version.
    Same(String),
    /// As many objects.
    AsMany,
    /// Something was not told.
    Differs,
}

impl<K: Kind> Follow<K> {
    pub(super) fn is_stuck(&self) -> bool {
        self.times.stuck.is_some()
    }

    /// Silence that is borne.
    fn silence(&self) -> Duration {
        let pace = &self.setup.pace;
        if *self.setup.hurry.borrow() { pace.hurried } else { pace.silence }
    }

    /// After a look.
    fn look_again(&mut self) {
        let pace = &self.setup.pace;
        let pause = match self.times.stuck {
            _ if *self.setup.hurry.borrow() => pace.hurried,
            // Each look may cost a list of everything: 30 s, a minute, two.
            Some(times) => pace.silence * (1 << times.min(2)),
            None => pace.again,
        };
        self.times.check_at = Instant::now() + pause;
    }

    /// A run is driven from now on, or new connections are there: what is silent is looked into soon.
    pub(super) fn look_soon(&mut self) {
        self.times.check_at = self.times.check_at.min(Instant::now() + self.setup.pace.patience);
    }

    /// A list was had.
    pub(super) fn listed(&mut self) {
        self.times.proven = Instant::now();
        self.times.failed = false;
        if self.is_stuck() {
            self.look_again();
        } else {
            self.times.check_at = Instant::now() + self.silence();
        }
    }

    /// A watch was accepted. That proves nothing: what was due before is due now.
    pub(super) fn accepted(&mut self) {
        let due = if self.times.failed { Instant::now() } else { self.times.check_at };
        self.times.check_at = due.max(Instant::now() + GRACE.min(self.setup.pace.silence));
    }

    /// The watch delivered something.
    pub(super) fn heard(&mut self) {
        self.times.stuck = None;
        self.times.failed = false;
        self.times.proven = Instant::now();
        self.times.check_at = Instant::now() + self.silence();
    }

    /// The watch says that it has told everything up to its version. Up to when that holds is the heartbeat's to say:
    /// bookmarks of a kind that nobody reads are of a version a minute old (measured on 1.36), and those of a server whose
    /// cache no longer follows its store are older.
    pub(super) async fn bookmark(&mut self, cursor: &Cursor) -> Result<(), Closed> {
        let now = crate::adapters::clock::now();
        let proven = match (self.setup.beats.borrow().as_ref(), cursor.version().parse().ok()) {
            (Some(beat), Some(ours)) if beat.version.is_some() => beat.proves(ours),
            _ => Some(now),
        };
        if let Some(at) = proven {
            self.tell(Told::Confirmed(at)).await?;
        }
        let ended = self.times.stuck.take().is_some() || std::mem::take(&mut self.times.failed);
        let age = proven.map(|at| crate::domain::since(at, now));
        if let Some(proven) = age.and_then(|age| Instant::now().checked_sub(age)) {
            self.times.proven = self.times.proven.max(proven);
            self.times.check_at = self.times.check_at.max(self.times.proven + self.silence());
        }
        if ended && age.is_none_or(|age| age > self.setup.pace.patience) {
            self.times.check_at = Instant::now();
        }
        Ok(())
    }

    /// Looks into a silent watch.
    pub(super) async fn check(&mut self, lines: &mut Lines, cursor: &mut Cursor) -> Result<Check, Closed> {
        let beat = self.setup.beats.borrow().clone();
        // Nothing but the heartbeat is asked while that is not answered.
        let Some(beat) = beat.filter(|beat| beat.asked > self.times.proven) else {
            self.times.check_at = Instant::now() + self.setup.pace.patience;
            return Ok(Check::ReadOn);
        };
        match (beat.version, cursor.version().parse::<u64>().ok()) {
            (Some(theirs), Some(ours)) if theirs == ours => return self.complete(beat.asked, beat.at).await,
            // The server's store went back in time: it was restored, and nothing we know of it holds. Once only: where
            // kinds are kept in different stores, their versions cannot be compared.
            (Some(theirs), Some(ours)) if theirs < ours && !self.went_back => {
                self.went_back = true;
                return Ok(Check::Ended(Ended::Relist));
            }
            _ => {}
        }
        let server = self.setup.servers.borrow_and_update().clone();
        let whole = cursor.inventory().len() <= PAGE || self.times.proven.elapsed() >= self.setup.pace.overdue;
        let (asked, at) = (Instant::now(), crate::adapters::clock::now());
        let survey = tokio::select! {
            biased;
            line = lines.next() => return Ok(spoken(line)),
            survey = self.survey(&server, cursor.inventory(), whole) => survey,
        };
        match survey {
            Ok(Survey::Same(version)) => {
                cursor.advance(&version);
                self.complete(asked, at).await
            }
            Ok(Survey::AsMany) => {
                self.look_again();
                let overdue = self.setup.pace.overdue.saturating_sub(self.times.proven.elapsed());
                self.times.check_at = self.times.check_at.min(Instant::now() + overdue);
                Ok(Check::ReadOn)
            }
            Ok(Survey::Differs) => self.second_watch(&server, lines, cursor).await,
            Err(error) => {
                tracing::debug!(path = %self.setup.collection.path, %error, "a silent watch cannot be looked into");
                self.look_again();
                Ok(Check::ReadOn)
            }
        }
    }

    /// Everything up to `at` has been told. That a stuck watch has kept back nothing since the last list frees it not.
    async fn complete(&mut self, asked: Instant, at: Timestamp) -> Result<Check, Closed> {
        if !self.is_stuck() {
            self.times.proven = asked;
            self.times.failed = false;
            self.tell(Told::Confirmed(at)).await?;
        }
        self.look_again();
        Ok(Check::ReadOn)
    }

    /// Holds a list against what was told.
    async fn survey(&self, server: &Server, told: &Inventory, whole: bool) -> Result<Survey, CallError> {
        let limit = if whole { PAGE } else { 1 };
        let mut seen = Inventory::default();
        let mut next = String::new();
        loop {
            let path = self.setup.collection.page(limit, &next);
            let ask = Ask::get(&path).accepting(Form::Metadata.list()).within(PAGE_TIMEOUT.max(server.timeout()));
            let page: Page = server.ask(ask).await?;
            if page.items.is_none() && !page.kind.ends_with("List") {
                return Err(CallError::malformed(server, &path, "it is no list"));
            }
            seen.page(&page);
            let meta = page.metadata;
            if meta.next.is_empty() && whole {
                return Ok(if seen == *told { Survey::Same(meta.resource_version) } else { Survey::Differs });
            }
            let count = if meta.next.is_empty() { Some(0) } else { meta.remaining_item_count };
            let count = count.map(|remaining| seen.len().saturating_add(remaining));
            if seen.len() > told.len() || count.is_some_and(|count| count != told.len()) {
                return Ok(Survey::Differs);
            }
            if !whole {
                return Ok(Survey::AsMany);
            }
            next = meta.next;
        }
    }

    /// The list shows what the watch has not told: it is on its way, or the watch is stuck.
    async fn second_watch(&mut self, server: &Server, lines: &mut Lines, cursor: &Cursor) -> Result<Check, Closed> {
        let opened = tokio::select! {
            biased;
            line = lines.next() => return Ok(spoken(line)),
            opened = self.open(server, cursor) => opened,
        };
        match opened {
            Ok(new) => *lines = new,
            Err(error) if error.needs_relist() => return Ok(Check::Ended(Ended::Relist)),
            Err(_) => {
                self.times.check_at = Instant::now() + self.setup.pace.patience;
                return Ok(Check::ReadOn);
            }
        }
        tokio::select! {
            biased;
            line = lines.next() => Ok(spoken(line)),
            () = tokio::time::sleep(self.setup.pace.patience) => {
                tracing::warn!(path = %self.setup.collection.path, "a watch is stuck");
                self.times.stuck = Some(self.times.stuck.map_or(0, |times| times.saturating_add(1)));
                Ok(Check::Ended(Ended::Relist))
            }
            () = self.setup.out.closed() => Err(Closed),
        }
    }
}

fn spoken(line: Result<Option<Vec<u8>>, CallError>) -> Check {
    match line {
        Ok(Some(line)) => Check::Heard(line),
        Ok(None) => Check::Ended(Ended::Resume(None)),
        Err(error) => Check::Ended(Ended::Resume(Some(error))),
    }
}
