//! One list-and-watch loop for every kind. It lists once, page by page, and from then on lives on the watch: whatever
//! ends it, the next one goes on from the last resource version. Only when the server no longer knows that version is
//! the list asked for again, and passed on whole, so that what vanished meanwhile is not missed.
//!
//! What is made of its silence stands in `silence`.

use super::backoff::{Backoff, jitter};
use super::beat::Beat;
use super::call::{Ask, Lines, Server};
use super::cursor::{Cursor, Event, columns_of, read_row};
use super::failure::CallError;
use super::inventory::Inventory;
use super::kind::{Collection, Item, Kind, PAGE, Rows, Tagged, Told};
pub use super::silence::PACE;
use super::silence::{Check, Pace, Times};
use super::wire::Page;
use crate::domain::freshness::{ErrorKind, SourceError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Between two tries of what was refused or is not there: rights change seldom.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);

/// A watch that lived this long was well.
const HEALTHY: Duration = Duration::from_secs(5);

/// Longest wait for a page. A page can be much more than the usual answer.
pub(super) const PAGE_TIMEOUT: Duration = Duration::from_secs(30);

/// The receiving side is gone: everything ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

/// What a loop needs.
pub struct Setup<K: Kind> {
    /// What is watched.
    pub collection: Collection,
    /// Which loop this is, for the merger.
    pub index: usize,
    /// The server; replaced when its connections turn out dead.
    pub servers: watch::Receiver<Server>,
    /// Answers of the heartbeat.
    pub beats: watch::Receiver<Option<Beat>>,
    /// A run is driven: silence is looked into sooner.
    pub hurry: watch::Receiver<bool>,
    /// Where it tells. Bounded: when nobody reads, the watch is not read either and the server waits.
    pub out: mpsc::Sender<Tagged<K>>,
    /// How long what is waited for.
    pub pace: Pace,
}

/// One list-and-watch loop.
pub struct Follow<K: Kind> {
    pub(super) setup: Setup<K>,
    pub(super) times: Times,
    /// The store was once found behind what we had seen.
    pub(super) went_back: bool,
}

/// Why a watch ended.
pub(super) enum Ended {
    /// The stream ended or broke; go on from the last version.
    Resume(Option<CallError>),
    /// The version is unknown to the server, or what came since is kept back.
    Relist,
}

impl<K: Kind> Follow<K> {
    /// A loop that is yet to run.
    #[must_use]
    pub fn new(setup: Setup<K>) -> Follow<K> {
        Follow { setup, times: Times::new(), went_back: false }
    }

    /// Runs until nobody listens any more.
    pub async fn run(mut self) -> Closed {
        let mut backoff = Backoff::default();
        loop {
            let server = self.setup.servers.borrow_and_update().clone();
            let pause = match self.list(&server).await {
                Ok((rows, cursor)) => {
                    let began = Instant::now();
                    if self.listed_and_watched(rows, cursor, &mut backoff).await.is_err() {
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

    async fn listed_and_watched(&mut self, rows: Rows<K>, cursor: Cursor, backoff: &mut Backoff) -> Result<(), Closed> {
        self.listed();
        self.tell(Told::Listed(rows)).await?;
        if self.is_stuck() {
            let path = &self.setup.collection.path;
            let text = format!("stuck watch: {path} is watched and what changes there is not told");
            self.tell(Told::Stuck(SourceError::new(ErrorKind::Protocol, &text))).await?;
        }
        self.watch(cursor, backoff).await
    }

    pub(super) async fn tell(&self, told: Told<K::Key, K::Row>) -> Result<(), Closed> {
        self.setup.out.send((self.setup.index, told)).await.map_err(|_| Closed)
    }

    /// Waits, but not when new connections or credentials are there, or when a server that was silent answers again.
    async fn sleep(&mut self, pause: Duration) -> Result<(), Closed> {
        let silent = self.setup.beats.borrow_and_update().as_ref().is_none_or(|beat| beat.asked.elapsed() > HEALTHY);
        let back = async {
            match self.setup.beats.changed().await {
                // Others come back too: not all in the same moment.
                Ok(()) => tokio::time::sleep(jitter(Duration::from_millis(500))).await,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = back, if silent && !pause.is_zero() => Ok(()),
            Ok(()) = self.setup.servers.changed() => Ok(()),
            () = self.setup.out.closed() => Err(Closed),
        }
    }

    /// Says what has to be said of a failure, and how long to wait after it.
    async fn pause(&mut self, error: &CallError, backoff: &mut Backoff) -> Result<Duration, Closed> {
        tracing::debug!(path = %self.setup.collection.path, %error, "list or watch failed");
        if error.lasting() {
            self.times.failed = true;
            self.tell(Told::Refused(error.error.clone())).await?;
            return Ok(REFUSED_PAUSE / 2 + jitter(REFUSED_PAUSE / 2));
        }
        Ok(backoff.next())
    }

    /// The whole list, page by page. A page token that expired begins it again, a few times.
    async fn list(&self, server: &Server) -> Result<(Rows<K>, Cursor), CallError> {
        let mut restarts = 0;
        let (mut rows, mut inventory) = (Vec::new(), Inventory::default());
        let mut next = String::new();
        loop {
            let path = self.setup.collection.page(PAGE, &next);
            let ask = Ask::get(&path).accepting(K::FORM.list()).within(PAGE_TIMEOUT.max(server.timeout()));
            let page: Page = match server.ask(ask).await {
                Ok(page) => page,
                Err(error) if error.needs_relist() && !next.is_empty() && restarts < 3 => {
                    restarts += 1;
                    rows.clear();
                    inventory = Inventory::default();
                    next.clear();
                    continue;
                }
                Err(error) => return Err(error),
            };
            if page.rows.is_none() && page.items.is_none() && !page.kind.ends_with("List") && page.kind != "Table" {
                return Err(CallError::malformed(server, &path, "it is no list"));
            }
            let columns = columns_of(&page);
            inventory.page(&page);
            rows.extend(page.rows.iter().flatten().filter_map(|row| read_row::<K>(&columns, row)));
            rows.extend(page.items.iter().flatten().filter_map(|object| K::read(Item::Object(object))));
            if page.metadata.next.is_empty() {
                return Ok((rows, Cursor::at(page.metadata.resource_version, inventory)));
            }
            if page.metadata.next == next {
                return Err(CallError::malformed(server, &path, "its pages go round in a circle"));
            }
            next = page.metadata.next;
        }
    }

    /// Watches from the cursor on until the list must be asked for again.
    async fn watch(&mut self, mut cursor: Cursor, backoff: &mut Backoff) -> Result<(), Closed> {
        loop {
            let server = self.setup.servers.borrow_and_update().clone();
            let opened = Instant::now();
            let ended = match self.open(&server, &cursor).await {
                Ok(lines) => {
                    self.accepted();
                    self.read(lines, &mut cursor).await?
                }
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

    pub(super) async fn open(&self, server: &Server, cursor: &Cursor) -> Result<Lines, CallError> {
        let path = self.setup.collection.watch(cursor.version());
        server.lines(Ask::get(&path).accepting(K::FORM.watch())).await
    }

    /// Reads events, and looks into their absence.
    async fn read(&mut self, mut lines: Lines, cursor: &mut Cursor) -> Result<Ended, Closed> {
        loop {
            let line = tokio::select! {
                line = lines.next() => line,
                () = tokio::time::sleep_until(self.times.check_at) => match self.check(&mut lines, cursor).await? {
                    Check::ReadOn => continue,
                    Check::Ended(ended) => return Ok(ended),
                    Check::Heard(line) => Ok(Some(line)),
                },
                // Connections were found dead. This one may be too.
                Ok(()) = self.setup.servers.changed() => {
                    self.look_soon();
                    continue;
                }
                Ok(()) = self.setup.hurry.changed() => {
                    if *self.setup.hurry.borrow_and_update() {
                        self.look_soon();
                    }
                    continue;
                }
                () = self.setup.out.closed() => return Err(Closed),
            };
            match line {
                Ok(Some(line)) => {
                    if let Some(ended) = self.event(&line, cursor).await? {
                        return Ok(ended);
                    }
                }
                Ok(None) => return Ok(Ended::Resume(None)),
                Err(error) => return Ok(Ended::Resume(Some(error))),
            }
        }
    }

    /// Takes one event. Some: the watch is over.
    async fn event(&mut self, line: &[u8], cursor: &mut Cursor) -> Result<Option<Ended>, Closed> {
        match cursor.take::<K>(line) {
            Event::Bookmark => {
                self.bookmark(cursor).await?;
                Ok(None)
            }
            Event::Told(all) => {
                self.heard();
                for told in all {
                    self.tell(told).await?;
                }
                Ok(None)
            }
            Event::Relist => Ok(Some(Ended::Relist)),
            Event::Error(status) => {
                let server = self.setup.servers.borrow().clone();
                let error = CallError::status(&server, status.code, status, &self.setup.collection.path);
                Ok(Some(Ended::Resume(Some(error))))
            }
        }
    }
}
