//! One list-and-watch loop for every kind. It lists once, page by page, and from then on lives on the watch: whatever
//! ends it, the next one goes on from the last resource version. Only when the server no longer knows that version is
//! the list asked for again, and passed on whole, so that what vanished meanwhile is not missed.
//!
//! Silence proves nothing: bookmarks have no promised rate and a standby may be quiet for minutes. After half a minute
//! of it the loop compares its version with the heartbeat's. Nothing newer anywhere: it is up to date. Something newer:
//! a second watch is opened from the same version before the first is dropped. A stuck watch is found so, and a quiet
//! one costs one request.

use super::backoff::{Backoff, jitter};
use super::call::{Ask, Lines, Server};
use super::cursor::{Cursor, Event, columns_of, read_row};
use super::failure::CallError;
use super::kind::{Collection, Item, Kind, Rows, Tagged, Told};
use super::observe::Beat;
use super::wire::Page;
use crate::adapters::clock;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Silence after which a watch is checked.
pub const SILENCE: Duration = Duration::from_secs(30);

/// Between two tries of what was refused or is not there: rights change seldom.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);

/// A watch that lived this long was well.
const HEALTHY: Duration = Duration::from_secs(5);

/// Time in which a server that forgot a watch's version says so.
const GRACE: Duration = Duration::from_secs(1);

/// Longest wait for a page. A page can be much more than the usual answer.
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);

/// The receiving side is gone: everything ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

/// What a loop needs.
pub struct Follow<K: Kind> {
    /// What is watched.
    pub collection: Collection,
    /// Which loop this is, for the merger.
    pub index: usize,
    /// The server; replaced when its connections turn out dead.
    pub servers: watch::Receiver<Server>,
    /// Answers of the heartbeat.
    pub beats: watch::Receiver<Option<Beat>>,
    /// Where it tells. Bounded: when nobody reads, the watch is not read either and the server waits.
    pub out: mpsc::Sender<Tagged<K>>,
    /// Silence after which the watch is checked.
    pub silence: Duration,
    /// The store was once found behind what we had seen.
    pub went_back: bool,
}

/// Why a watch ended.
enum Ended {
    /// The stream ended or broke; go on from the last version.
    Resume(Option<CallError>),
    /// The version is unknown to the server.
    Relist,
}

impl<K: Kind> Follow<K> {
    /// Runs until nobody listens any more.
    pub async fn run(mut self) -> Closed {
        let mut backoff = Backoff::default();
        loop {
            let server = self.servers.borrow_and_update().clone();
            let pause = match self.list(&server).await {
                Ok((rows, version)) => {
                    if self.tell(Told::Listed(rows)).await.is_err() {
                        return Closed;
                    }
                    let began = Instant::now();
                    if self.watch(version, &mut backoff).await.is_err() {
                        return Closed;
                    }
                    // A list whose watch is refused at once is no reason to list at full speed.
                    if began.elapsed() < HEALTHY { backoff.next() } else { Duration::ZERO }
                }
                Err(error) => match self.pause(&error, &mut backoff).await {
                    Ok(pause) => pause,
                    Err(Closed) => return Closed,
                },
            };
            if self.sleep(pause).await.is_err() {
                return Closed;
            }
        }
    }

    async fn tell(&self, told: Told<K::Key, K::Row>) -> Result<(), Closed> {
        self.out.send((self.index, told)).await.map_err(|_| Closed)
    }

    /// Waits, but not when new connections or credentials are there, or when a server that was silent answers again.
    async fn sleep(&mut self, pause: Duration) -> Result<(), Closed> {
        let silent = self.beats.borrow_and_update().as_ref().is_none_or(|beat| beat.asked.elapsed() > HEALTHY);
        let back = async {
            match self.beats.changed().await {
                // Others come back too: not all in the same moment.
                Ok(()) => tokio::time::sleep(jitter(Duration::from_millis(500))).await,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = back, if silent && !pause.is_zero() => Ok(()),
            Ok(()) = self.servers.changed() => Ok(()),
            () = self.out.closed() => Err(Closed),
        }
    }

    /// Says what has to be said of a failure, and how long to wait after it.
    async fn pause(&self, error: &CallError, backoff: &mut Backoff) -> Result<Duration, Closed> {
        tracing::debug!(path = %self.collection.path, %error, "list or watch failed");
        if error.lasting() {
            self.tell(Told::Refused(error.error.clone())).await?;
            return Ok(REFUSED_PAUSE / 2 + jitter(REFUSED_PAUSE / 2));
        }
        Ok(backoff.next())
    }

    /// The whole list, page by page. A page token that expired begins it again, a few times.
    async fn list(&self, server: &Server) -> Result<(Rows<K>, String), CallError> {
        let mut restarts = 0;
        let mut rows = Vec::new();
        let mut next = String::new();
        loop {
            let path = self.collection.page(&next);
            let ask = Ask::get(&path).accepting(K::FORM.list()).within(PAGE_TIMEOUT.max(server.timeout()));
            let page: Page = match server.ask(ask).await {
                Ok(page) => page,
                Err(error) if error.needs_relist() && !next.is_empty() && restarts < 3 => {
                    restarts += 1;
                    rows.clear();
                    next.clear();
                    continue;
                }
                Err(error) => return Err(error),
            };
            if page.rows.is_none() && page.items.is_none() && !page.kind.ends_with("List") && page.kind != "Table" {
                return Err(CallError::malformed(server, &path, "it is no list"));
            }
            let columns = columns_of(&page);
            rows.extend(page.rows.iter().flatten().filter_map(|row| read_row::<K>(&columns, row)));
            rows.extend(page.items.iter().flatten().filter_map(|object| K::read(Item::Object(object))));
            if page.metadata.next.is_empty() {
                return Ok((rows, page.metadata.resource_version));
            }
            if page.metadata.next == next {
                return Err(CallError::malformed(server, &path, "its pages go round in a circle"));
            }
            next = page.metadata.next;
        }
    }

    /// Watches from `version` until the list must be asked for again.
    async fn watch(&mut self, version: String, backoff: &mut Backoff) -> Result<(), Closed> {
        let mut cursor = Cursor::at(version);
        loop {
            let server = self.servers.borrow_and_update().clone();
            let opened = Instant::now();
            let ended = match self.open(&server, &cursor).await {
                Ok(lines) => self.read(lines, &mut cursor).await?,
                Err(error) => Ended::Resume(Some(error)),
            };
            let pause = match ended {
                Ended::Relist => return Ok(()),
                Ended::Resume(Some(error)) if error.needs_relist() => return Ok(()),
                Ended::Resume(Some(error)) => self.pause(&error, backoff).await?,
                // Servers end watches after a while; one that ends them at once is not well.
                Ended::Resume(None) if opened.elapsed() < HEALTHY => backoff.next(),
                Ended::Resume(None) => {
                    backoff.reset();
                    Duration::ZERO
                }
            };
            if opened.elapsed() > Duration::from_secs(60) {
                backoff.reset();
            }
            self.sleep(pause).await?;
        }
    }

    async fn open(&self, server: &Server, cursor: &Cursor) -> Result<Lines, CallError> {
        let path = self.collection.watch(cursor.version());
        server.lines(Ask::get(&path).accepting(K::FORM.watch())).await
    }

    /// Reads events; replaces a silent watch by a new one when there is reason to.
    async fn read(&mut self, mut lines: Lines, cursor: &mut Cursor) -> Result<Ended, Closed> {
        let mut times = Times::opened(self.silence);
        loop {
            let line = tokio::select! {
                line = lines.next() => line,
                () = tokio::time::sleep_until(times.check_at) => match self.check(&mut lines, cursor, times.heard).await? {
                    Check::UpToDate => {
                        times.heard(self.silence);
                        continue;
                    }
                    Check::Replaced => {
                        times = Times::opened(self.silence);
                        continue;
                    }
                    Check::Later => {
                        times.check_at = Instant::now() + self.silence / 6;
                        continue;
                    }
                    Check::Ended(ended) => return Ok(ended),
                    Check::Heard(line) => Ok(Some(line)),
                },
                () = tokio::time::sleep_until(times.confirm_at.unwrap_or(times.check_at)), if times.confirm_at.is_some() => {
                    times.confirm_at = None;
                    self.tell(Told::Confirmed(clock::now())).await?;
                    continue;
                }
                // Connections were found dead. This one may be too: look soon after the next heartbeat.
                Ok(()) = self.servers.changed() => {
                    times.check_at = times.check_at.min(Instant::now() + self.silence / 6);
                    continue;
                }
                () = self.out.closed() => return Err(Closed),
            };
            match line {
                Ok(Some(line)) => {
                    times.heard(self.silence);
                    if let Some(ended) = self.event(&line, cursor).await? {
                        return Ok(ended);
                    }
                }
                Ok(None) => return Ok(Ended::Resume(None)),
                Err(error) => return Ok(Ended::Resume(Some(error))),
            }
        }
    }

    /// A silent watch: up to date, or to be replaced?
    async fn check(&mut self, lines: &mut Lines, cursor: &Cursor, heard: Instant) -> Result<Check, Closed> {
        let beat = self.beats.borrow().clone();
        let Some(beat) = beat.filter(|beat| beat.asked > heard) else { return Ok(Check::Later) };
        match (beat.version, cursor.version().parse::<u64>().ok()) {
            (Some(theirs), Some(ours)) if theirs == ours => {
                self.tell(Told::Confirmed(beat.at)).await?;
                return Ok(Check::UpToDate);
            }
            // The server's store went back in time: it was restored, and nothing we know of it holds. Once only: where
            // kinds are kept in different stores, their versions cannot be compared.
            (Some(theirs), Some(ours)) if theirs < ours && !self.went_back => {
                self.went_back = true;
                return Ok(Check::Ended(Ended::Relist));
            }
            _ => {}
        }
        let server = self.servers.borrow_and_update().clone();
        tokio::select! {
            biased;
            line = lines.next() => Ok(match line {
                Ok(Some(line)) => Check::Heard(line),
                Ok(None) => Check::Ended(Ended::Resume(None)),
                Err(error) => Check::Ended(Ended::Resume(Some(error))),
            }),
            opened = self.open(&server, cursor) => match opened {
                Ok(new) => {
                    *lines = new;
                    Ok(Check::Replaced)
                }
                Err(error) if error.needs_relist() => Ok(Check::Ended(Ended::Relist)),
                Err(_) => Ok(Check::Later),
            },
        }
    }

    /// Takes one event. Some: the watch is over.
    async fn event(&self, line: &[u8], cursor: &mut Cursor) -> Result<Option<Ended>, Closed> {
        match cursor.take::<K>(line, clock::now()) {
            Event::Told(all) => {
                for told in all {
                    self.tell(told).await?;
                }
                Ok(None)
            }
            Event::Relist => Ok(Some(Ended::Relist)),
            Event::Error(status) => {
                let server = self.servers.borrow().clone();
                let error = CallError::status(&server, status.code, status, &self.collection.path);
                Ok(Some(Ended::Resume(Some(error))))
            }
        }
    }
}

enum Check {
    /// Nothing is newer anywhere.
    UpToDate,
    /// A new watch stands in its place.
    Replaced,
    /// It cannot be told yet.
    Later,
    /// It spoke while it was being replaced.
    Heard(Vec<u8>),
    Ended(Ended),
}

/// When what is due.
struct Times {
    /// When the watch last spoke or was found up to date.
    heard: Instant,
    /// When silence is looked into.
    check_at: Instant,
    /// When a watch that was accepted and has not been ended at once counts as accepted. A server that forgot the
    /// version says so in the first event, after a beginning that looks well (seen on 1.36 after a restart).
    confirm_at: Option<Instant>,
}

impl Times {
    fn opened(silence: Duration) -> Times {
        let now = Instant::now();
        Times { heard: now, check_at: now + silence, confirm_at: Some(now + GRACE) }
    }

    /// What was heard confirms by itself.
    fn heard(&mut self, silence: Duration) {
        self.heard = Instant::now();
        self.check_at = self.heard + silence;
        self.confirm_at = None;
    }
}
