//! The recent past of the store: a ring of events, from which watches are fed and older states are rebuilt. Pure. There is
//! no queue per watch: a watch reads the ring from its own revision on, and one that falls out of the ring is ended, so
//! that a slow reader costs nothing.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::{
    super::kinds::Kind,
    object::{ObjectKey, Stored},
};

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was created.
    Added,
    /// It was changed.
    Modified,
    /// It is gone.
    Deleted,
}

/// One change of one object.
#[derive(Clone, Debug)]
pub struct Event {
    /// The revision that the change made.
    pub revision: u64,
    /// What happened.
    pub change: Change,
    /// The object after the change; for a deletion its last state, with the deletion's revision.
    pub object: Arc<Stored>,
    /// The object before the change, if there was one.
    pub previous: Option<Arc<Stored>>,
}

/// The revision asked for is no longer in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too old resource version: {asked} ({oldest})")]
pub struct Compacted {
    /// The revision asked for.
    pub asked: u64,
    /// The oldest revision that can still be followed.
    pub oldest: u64,
}

/// Bounds of the history.
#[derive(Clone, Copy, Debug)]
pub struct HistoryLimit {
    /// At most this many events.
    pub events: usize,
    /// At most about this many bytes of objects kept alive by them.
    pub bytes: usize,
}

impl Default for HistoryLimit {
    /// 8,192 events or 24 MiB: at the 200 changes a second of a busy region 40 seconds, on a quiet one hours. A real
    /// server keeps five minutes in etcd and less in its watch cache.
    fn default() -> Self {
        Self { events: 8192, bytes: 24 << 20 }
    }
}

/// The ring.
#[derive(Debug)]
pub struct History {
    events: VecDeque<Event>,
    bytes: usize,
    limit: HistoryLimit,
    /// Everything after this revision is in the ring.
    oldest: u64,
}

impl History {
    /// An empty ring that begins at `revision`.
    pub fn new(limit: HistoryLimit, revision: u64) -> Self {
        Self { events: VecDeque::new(), bytes: 0, limit, oldest: revision }
    }

    /// Adds an event, dropping the oldest ones beyond the bounds.
    pub fn push(&mut self, event: Event) {
        self.bytes += weight(&event);
        self.events.push_back(event);
        while self.events.len() > self.limit.events || self.bytes > self.limit.bytes {
            let Some(dropped) = self.events.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(weight(&dropped));
            self.oldest = dropped.revision;
        }
    }

    /// Forgets everything up to and including `revision`.
    pub fn compact(&mut self, revision: u64) {
        while self.events.front().is_some_and(|event| event.revision <= revision) {
            if let Some(dropped) = self.events.pop_front() {
                self.bytes = self.bytes.saturating_sub(weight(&dropped));
            }
        }
        self.oldest = self.oldest.max(revision);
    }

    /// The oldest revision that can still be followed.
    pub fn oldest(&self) -> u64 {
        self.oldest
    }

    /// Up to `max` events after `revision`, oldest first.
    pub fn since(&self, revision: u64, max: usize) -> Result<Vec<Event>, Compacted> {
        if revision < self.oldest {
            return Err(Compacted { asked: revision, oldest: self.oldest });
        }
        let from = self.events.partition_point(|event| event.revision <= revision);
        Ok(self.events.range(from..).take(max).cloned().collect())
    }

    /// What has to be laid over the present objects of a kind to get those at `revision`: the state before the first
    /// later change, none for an object that did not exist then.
    pub fn undo(&self, kind: Kind, revision: u64) -> Result<BTreeMap<ObjectKey, Option<Arc<Stored>>>, Compacted> {
        if revision < self.oldest {
            return Err(Compacted { asked: revision, oldest: self.oldest });
        }
        let from = self.events.partition_point(|event| event.revision <= revision);
        let mut undone = BTreeMap::new();
        for event in self.events.range(from..).filter(|event| event.object.kind == kind) {
            undone.entry(event.object.key.clone()).or_insert_with(|| event.previous.clone());
        }
        Ok(undone)
    }
}

fn weight(event: &Event) -> usize {
    event.object.weight() + event.previous.as_ref().map_or(0, |previous| previous.weight())
}
