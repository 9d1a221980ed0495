//! One list-and-watch loop for every kind. It lists once, page by page, and from then on lives on the watch: whatever
//! ends it, the next one goes on from the last resource version. Only when the server no longer knows that version is
//! the list asked for again, and passed on whole, so that what vanished meanwhile is not missed.
//!
//! Silence proves nothing: bookmarks have no promised rate and a standby may be quiet for minutes. After half a minute
//! of it the loop compares its version with the heartbeat's. Nothing newer anywhere: it is up to date. Something newer:
//! a second watch is opened from the same version before the first is dropped. A stuck watch is found so, and a quiet
//! one costs one request.

use super::call::{Ask, Lines, Server};
use super::failure::CallError;
use super::observe::Beat;
use super::wire::{Meta, Page, StatusBody, TableRow, escape};
use crate::domain::Timestamp;
use crate::domain::freshness::SourceError;
use crate::domain::observation::{Change, Fact, Watched};
use serde::Deserialize;
use serde_json::Value;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Objects asked for in one page. kubectl's and client-go's own number.
pub const PAGE: usize = 500;

/// Silence after which a watch is checked.
pub const SILENCE: Duration = Duration::from_secs(30);

/// Between two tries of what was refused or is not there: rights change seldom.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);

/// A watch that lived this long was well.
const HEALTHY: Duration = Duration::from_secs(5);

/// Longest wait for a page. A page can be much more than the usual answer.
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);

/// The form in which objects are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Printed columns and metadata. Falls back to metadata, then to whole objects, if the server has no tables.
    Table,
    /// Metadata only.
    Metadata,
    /// Whole objects.
    Object,
}

impl Form {
    fn list(self) -> &'static str {
        match self {
            Form::Table => {
                "application/json;as=Table;g=meta.k8s.io;v=v1,\
                 application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
            }
            Form::Metadata => "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
            Form::Object => "application/json",
        }
    }

    fn watch(self) -> &'static str {
        match self {
            Form::Table => {
                "application/json;as=Table;g=meta.k8s.io;v=v1,\
                 application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
            }
            Form::Metadata => "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
            Form::Object => "application/json",
        }
    }
}

/// One object as the server sent it.
#[derive(Debug, Clone, Copy)]
pub enum Item<'a> {
    /// A row of a Table.
    Row {
        /// Headings of the columns.
        columns: &'a [String],
        /// Its cells.
        cells: &'a [Value],
        /// Metadata.
        meta: &'a Meta,
    },
    /// A plain object, whole or metadata only.
    Object(&'a Value),
}

/// A kind that is watched.
pub trait Kind: Send + Sync + 'static {
    /// Key of a row.
    type Key: Ord + Clone + Send + Sync + 'static;
    /// A row.
    type Row: Send + 'static;
    /// Its name in facts.
    const WATCHED: Watched;
    /// The form asked for.
    const FORM: Form;

    /// Reads one object; None if it cannot be told what it is.
    fn read(item: Item<'_>) -> Option<(Self::Key, Self::Row)>;

    /// The fact of a change.
    fn fact(change: Change<Self::Key, Self::Row>) -> Fact;
}

/// What one loop tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Told<K, V> {
    /// The whole list.
    Listed(Vec<(K, V)>),
    /// New or changed.
    Applied(K, V),
    /// Gone.
    Deleted(K),
    /// Complete up to this moment.
    Confirmed(Timestamp),
    /// Cannot be had.
    Refused(SourceError),
}

/// What a loop watches: a collection's path and a selector, if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Such as `/apis/argoproj.io/v1alpha1/workflows`.
    pub path: String,
    /// Such as `fieldSelector=metadata.name%3Dx`; empty for all.
    pub selector: String,
}

impl Collection {
    /// All objects at `path`.
    #[must_use]
    pub fn all(path: impl Into<String>) -> Collection {
        Collection { path: path.into(), selector: String::new() }
    }

    fn page(&self, next: &str) -> String {
        let mut path = format!("{}?limit={PAGE}", self.path);
        if !self.selector.is_empty() {
            path = format!("{path}&{}", self.selector);
        }
        if next.is_empty() { path } else { format!("{path}&continue={}", escape(next)) }
    }

    fn watch(&self, version: &str) -> String {
        let mut path = format!("{}?watch=1&allowWatchBookmarks=true&resourceVersion={}", self.path, escape(version));
        if !self.selector.is_empty() {
            path = format!("{path}&{}", self.selector);
        }
        path
    }
}

/// Pause before the next try: doubles from half a second to fifteen, with full jitter, so that many consoles do not come
/// back to a sick server in step.
#[derive(Debug, Default)]
pub struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The next pause.
    pub fn next(&mut self) -> Duration {
        let whole = Duration::from_millis(500).saturating_mul(1 << self.tries.min(5)).min(Duration::from_secs(15));
        self.tries = self.tries.saturating_add(1);
        jitter(whole)
    }

    /// It works again.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

/// Anything from nothing to `whole`. The standard library's hasher keys are random enough for that.
pub(super) fn jitter(whole: Duration) -> Duration {
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    whole.mul_f64(f64::from(u32::try_from(random >> 32).unwrap_or(0)) / f64::from(u32::MAX))
}

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
    pub out: mpsc::Sender<(usize, Told<K::Key, K::Row>)>,
    /// Silence after which the watch is checked.
    pub silence: Duration,
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

    /// Waits, but not when new connections or credentials are there.
    async fn sleep(&mut self, pause: Duration) -> Result<(), Closed> {
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
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
    async fn list(&self, server: &Server) -> Result<(Vec<(K::Key, K::Row)>, String), CallError> {
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
        let mut cursor = Cursor { version, columns: Vec::new(), unreadable: 0 };
        loop {
            let server = self.servers.borrow_and_update().clone();
            let opened = Instant::now();
            let ended = match self.open(&server, &cursor).await {
                Ok(lines) => {
                    self.tell(Told::Confirmed(Timestamp::now())).await?;
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

    async fn open(&self, server: &Server, cursor: &Cursor) -> Result<Lines, CallError> {
        let path = self.collection.watch(&cursor.version);
        server.lines(Ask::get(&path).accepting(K::FORM.watch())).await
    }

    /// Reads events; replaces a silent watch by a new one when there is reason to.
    async fn read(&mut self, mut lines: Lines, cursor: &mut Cursor) -> Result<Ended, Closed> {
        let mut check_at = Instant::now() + self.silence;
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                line = lines.next() => match line {
                    Ok(Some(line)) => {
                        heard = Instant::now();
                        check_at = heard + self.silence;
                        if let Some(ended) = self.event(&line, cursor).await? {
                            return Ok(ended);
                        }
                    }
                    Ok(None) => return Ok(Ended::Resume(None)),
                    Err(error) => return Ok(Ended::Resume(Some(error))),
                },
                () = tokio::time::sleep_until(check_at) => {
                    match self.check(&mut lines, cursor, heard).await? {
                        Check::Fine => { heard = Instant::now(); check_at = heard + self.silence; }
                        Check::Later => check_at = Instant::now() + (self.silence / 6),
                        Check::Heard(line) => {
                            heard = Instant::now();
                            check_at = heard + self.silence;
                            if let Some(ended) = self.event(&line, cursor).await? {
                                return Ok(ended);
                            }
                        }
                        Check::Ended(ended) => return Ok(ended),
                    }
                }
                // Connections were found dead. This one may be too: look soon after the next heartbeat.
                Ok(()) = self.servers.changed() => check_at = check_at.min(Instant::now() + self.silence / 6),
                () = self.out.closed() => return Err(Closed),
            }
        }
    }

    /// A silent watch: up to date, or to be replaced?
    async fn check(&mut self, lines: &mut Lines, cursor: &Cursor, heard: Instant) -> Result<Check, Closed> {
        let beat = self.beats.borrow().clone();
        let Some(beat) = beat.filter(|beat| beat.asked > heard) else { return Ok(Check::Later) };
        match (beat.version, cursor.version.parse::<u64>().ok()) {
            (Some(theirs), Some(ours)) if theirs == ours => {
                self.tell(Told::Confirmed(beat.at)).await?;
                return Ok(Check::Fine);
            }
            // The server's store went back in time: it was restored, and nothing we know of it holds.
            (Some(theirs), Some(ours)) if theirs < ours => return Ok(Check::Ended(Ended::Relist)),
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
                    self.tell(Told::Confirmed(Timestamp::now())).await?;
                    Ok(Check::Fine)
                }
                Err(error) if error.needs_relist() => Ok(Check::Ended(Ended::Relist)),
                Err(_) => Ok(Check::Later),
            },
        }
    }

    /// Takes one event. Some: the watch is over.
    async fn event(&self, line: &[u8], cursor: &mut Cursor) -> Result<Option<Ended>, Closed> {
        match cursor.take::<K>(line) {
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
    Fine,
    Later,
    Heard(Vec<u8>),
    Ended(Ended),
}

/// Where a watch stands.
#[derive(Debug)]
pub struct Cursor {
    version: String,
    columns: Vec<String>,
    unreadable: u32,
}

/// What an event meant.
enum Event<K, V> {
    Told(Vec<Told<K, V>>),
    Error(StatusBody),
    Relist,
}

/// The beginning of every event: enough to know what follows.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type", default)]
    event: String,
    #[serde(default)]
    object: HeadObject,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HeadObject {
    kind: String,
    metadata: HeadMeta,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HeadMeta {
    resource_version: String,
}

#[derive(Deserialize)]
struct Carrying<T> {
    object: T,
}

impl Cursor {
    fn take<K: Kind>(&mut self, line: &[u8]) -> Event<K::Key, K::Row> {
        let Ok(head) = serde_json::from_slice::<Head>(line) else { return self.unreadable() };
        match head.event.as_str() {
            "ERROR" => {
                let status = serde_json::from_slice::<Carrying<StatusBody>>(line).map(|c| c.object).unwrap_or_default();
                if status.code == 410 { Event::Relist } else { Event::Error(status) }
            }
            "BOOKMARK" => {
                self.advance(&head.object.metadata.resource_version);
                Event::Told(vec![Told::Confirmed(Timestamp::now())])
            }
            "ADDED" | "MODIFIED" | "DELETED" => {
                let read = if head.object.kind == "Table" { self.table::<K>(line) } else { plain::<K>(line) };
                let Some((version, rows)) = read else { return self.unreadable() };
                self.advance(if version.is_empty() { &head.object.metadata.resource_version } else { &version });
                self.unreadable = 0;
                let told =
                    |(key, row)| if head.event == "DELETED" { Told::Deleted(key) } else { Told::Applied(key, row) };
                Event::Told(rows.into_iter().map(told).collect())
            }
            // A kind of event that is not known yet. It carries nothing we could act on.
            _ => Event::Told(Vec::new()),
        }
    }

    fn advance(&mut self, version: &str) {
        if !version.is_empty() {
            version.clone_into(&mut self.version);
        }
    }

    /// An event that cannot be read: what it said is missing now, so only a new list is right.
    fn unreadable<K, V>(&mut self) -> Event<K, V> {
        self.unreadable += 1;
        tracing::warn!(count = self.unreadable, "an event of a watch cannot be read; listing again");
        Event::Relist
    }

    fn table<K: Kind>(&mut self, line: &[u8]) -> Option<(String, Vec<(K::Key, K::Row)>)> {
        let page = serde_json::from_slice::<Carrying<Page>>(line).ok()?.object;
        if page.column_definitions.as_ref().is_some_and(|columns| !columns.is_empty()) {
            self.columns = columns_of(&page);
        }
        let rows = page.rows.unwrap_or_default();
        let version = rows.last().and_then(|row| row.object.as_ref()).map(|o| o.metadata.resource_version.clone());
        let read = rows.iter().filter_map(|row| read_row::<K>(&self.columns, row)).collect();
        Some((version.unwrap_or_default(), read))
    }
}

fn plain<K: Kind>(line: &[u8]) -> Option<(String, Vec<(K::Key, K::Row)>)> {
    let object = serde_json::from_slice::<Carrying<Value>>(line).ok()?.object;
    let meta = Meta::of(&object)?;
    Some((meta.resource_version, K::read(Item::Object(&object)).into_iter().collect()))
}

fn columns_of(page: &Page) -> Vec<String> {
    page.column_definitions.iter().flatten().map(|column| column.name.clone()).collect()
}

fn read_row<K: Kind>(columns: &[String], row: &TableRow) -> Option<(K::Key, K::Row)> {
    let meta = &row.object.as_ref()?.metadata;
    if meta.name.is_empty() {
        return None;
    }
    K::read(Item::Row { columns, cells: row.cells.as_deref().unwrap_or_default(), meta })
}
