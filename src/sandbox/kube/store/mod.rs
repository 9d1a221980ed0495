//! The objects of one region, in memory, with one rising revision for all kinds. Not pure: a mutex inside, never held over
//! an await. Writes compare and swap on resourceVersion and uid as etcd and the registry do; what the API adds on top
//! (patches, defaults, status subresources) is the handlers' part. The simulation writes here directly.

mod history;
mod object;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;

use self::history::History;
pub use self::{
    history::{Change, Compacted, Event, HistoryLimit},
    object::{ObjectKey, Stored},
};
use super::{clock, kinds::Kind, random};

/// Why a write was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such object.
    #[error("not found")]
    NotFound,
    /// There is one of that name already.
    #[error("already exists")]
    AlreadyExists,
    /// The object has another resourceVersion than the writer expected.
    #[error("the object has been modified; please apply your changes to the latest version and try again")]
    Conflict,
    /// The object is another one of the same name.
    #[error("the object has uid {found}, not {expected}")]
    OtherUid {
        /// The uid that the writer expected.
        expected: String,
        /// The uid of the object there is.
        found: String,
    },
    /// The object has no name, or is no object.
    #[error("no object with a name")]
    Nameless,
}

/// What a deletion expects of the object it removes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// Its uid, if that matters.
    pub uid: Option<String>,
    /// Its resourceVersion, if that matters.
    pub revision: Option<u64>,
}

/// A list of objects and the revision it is true for.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The revision.
    pub revision: u64,
    /// The objects by namespace and name.
    pub items: Vec<Arc<Stored>>,
}

#[derive(Debug)]
struct Inner {
    revision: u64,
    kinds: BTreeMap<Kind, BTreeMap<ObjectKey, Arc<Stored>>>,
    history: History,
}

/// The store. Cheap to clone: clones share the objects.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Mutex<Inner>>,
    revision: Arc<watch::Sender<u64>>,
}

impl Default for Store {
    fn default() -> Self {
        Self::new(HistoryLimit::default())
    }
}

impl Store {
    /// An empty store. It starts at revision 1,000, so that small numbers are certainly too old, as on a real server.
    pub fn new(limit: HistoryLimit) -> Self {
        let revision = 1000;
        let inner = Inner { revision, kinds: BTreeMap::new(), history: History::new(limit, revision) };
        Self { inner: Arc::new(Mutex::new(inner)), revision: Arc::new(watch::Sender::new(revision)) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while the lock was held cannot have left half a write: each write is one insertion.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present revision.
    pub fn revision(&self) -> u64 {
        *self.revision.borrow()
    }

    /// Wakes on each new revision.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// The oldest revision that can still be watched from.
    pub fn oldest(&self) -> u64 {
        self.lock().history.oldest()
    }

    /// One object.
    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<Arc<Stored>> {
        self.lock().kinds.get(&kind)?.get(&ObjectKey::new(namespace, name)).cloned()
    }

    /// All objects of a kind, or those of one namespace.
    pub fn list(&self, kind: Kind, namespace: Option<&str>) -> Snapshot {
        let inner = self.lock();
        let items = inner.kinds.get(&kind).map_or_else(Vec::new, |objects| within(objects, namespace));
        Snapshot { revision: inner.revision, items }
    }

    /// The objects of a kind as they were at `revision`.
    pub fn list_at(&self, kind: Kind, namespace: Option<&str>, revision: u64) -> Result<Snapshot, Compacted> {
        let inner = self.lock();
        let undone = inner.history.undo(kind, revision)?;
        let mut objects: BTreeMap<ObjectKey, Arc<Stored>> = inner
            .kinds
            .get(&kind)
            .map_or_else(Vec::new, |objects| within(objects, namespace))
            .into_iter()
            .map(|object| (object.key.clone(), object))
            .collect();
        for (key, before) in undone {
            if namespace.is_some_and(|namespace| namespace != &*key.namespace) {
                continue;
            }
            match before {
                Some(before) => objects.insert(key, before),
                None => objects.remove(&key),
            };
        }
        Ok(Snapshot { revision, items: objects.into_values().collect() })
    }

    /// Up to `max` changes after `revision`, of all kinds, oldest first.
    pub fn since(&self, revision: u64, max: usize) -> Result<Vec<Event>, Compacted> {
        self.lock().history.since(revision, max)
    }

    /// Forgets the history up to now: every watch that is behind gets 410, as after a compaction.
    pub fn compact(&self) {
        let mut inner = self.lock();
        let revision = inner.revision;
        inner.history.compact(revision);
    }

    /// Stores a new object: gives it uid, creationTimestamp, generation and resourceVersion.
    pub fn create(&self, kind: Kind, mut object: Value, now: Timestamp) -> Result<Arc<Stored>, StoreError> {
        let key = key_of(&object)?;
        let mut inner = self.lock();
        if inner.kinds.get(&kind).is_some_and(|objects| objects.contains_key(&key)) {
            return Err(StoreError::AlreadyExists);
        }
        complete(kind, &mut object, now);
        let stored = inner.put(kind, object, Change::Added, None);
        self.announce(inner);
        Ok(stored)
    }

    /// Replaces an object. A `metadata.resourceVersion` or `metadata.uid` in it is a precondition; creationTimestamp and
    /// deletionTimestamp stay, generation rises when more than metadata (and status, where that is apart) changed. An
    /// object being deleted goes when its last finalizer goes. Nothing changed: no new revision.
    pub fn replace(&self, kind: Kind, object: Value) -> Result<Arc<Stored>, StoreError> {
        let key = key_of(&object)?;
        let mut inner = self.lock();
        let current = inner.find(kind, &key)?;
        if object["metadata"]["resourceVersion"].as_str().is_some_and(|asked| asked != current.revision.to_string()) {
            return Err(StoreError::Conflict);
        }
        expect_uid(&current, object["metadata"]["uid"].as_str())?;
        let before = current.value();
        let object = succeed(kind, &before, object);
        if object == before {
            return Ok(current);
        }
        let meta = &object["metadata"];
        let gone = meta.get("deletionTimestamp").is_some() && !has_finalizers(&object) && has_finalizers(&before);
        let stored = if gone {
            inner.remove(kind, &key, object, current)
        } else {
            inner.put(kind, object, Change::Modified, Some(current))
        };
        self.announce(inner);
        Ok(stored)
    }

    /// Deletes an object at once, or marks it when it has finalizers. Answers the last state, and whether it is gone.
    pub fn delete(
        &self,
        kind: Kind,
        key: &ObjectKey,
        expect: &Expect,
        now: Timestamp,
    ) -> Result<(Arc<Stored>, bool), StoreError> {
        let mut inner = self.lock();
        let current = inner.find(kind, key)?;
        expect_uid(&current, expect.uid.as_deref())?;
        if expect.revision.is_some_and(|revision| revision != current.revision) {
            return Err(StoreError::Conflict);
        }
        let mut object = current.value();
        if !has_finalizers(&object) {
            let stored = inner.remove(kind, key, object, current);
            self.announce(inner);
            return Ok((stored, true));
        }
        if object["metadata"].get("deletionTimestamp").is_some() {
            return Ok((current, false));
        }
        object["metadata"]["deletionTimestamp"] = clock::seconds(now).into();
        object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
        let stored = inner.put(kind, object, Change::Modified, Some(current));
        self.announce(inner);
        Ok((stored, false))
    }

    /// Marks an object as being deleted, with a grace period: what the API server does to a pod that a kubelet still has
    /// to stop.
    pub fn mark_deleted(
        &self,
        kind: Kind,
        key: &ObjectKey,
        expect: &Expect,
        now: Timestamp,
        grace: i64,
    ) -> Result<Arc<Stored>, StoreError> {
        let mut inner = self.lock();
        let current = inner.find(kind, key)?;
        expect_uid(&current, expect.uid.as_deref())?;
        if expect.revision.is_some_and(|revision| revision != current.revision) {
            return Err(StoreError::Conflict);
        }
        let mut object = current.value();
        if object["metadata"].get("deletionTimestamp").is_some() {
            return Ok(current);
        }
        let end = now.checked_add(jiff::SignedDuration::from_secs(grace)).unwrap_or(now);
        object["metadata"]["deletionTimestamp"] = clock::seconds(end).into();
        object["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
        let stored = inner.put(kind, object, Change::Modified, Some(current));
        self.announce(inner);
        Ok(stored)
    }

    /// Lets go of the lock, then wakes the watches.
    fn announce(&self, inner: MutexGuard<'_, Inner>) {
        let revision = inner.revision;
        drop(inner);
        self.revision.send_if_modified(|seen| {
            let newer = *seen < revision;
            *seen = (*seen).max(revision);
            newer
        });
    }
}

impl Inner {
    fn find(&self, kind: Kind, key: &ObjectKey) -> Result<Arc<Stored>, StoreError> {
        self.kinds.get(&kind).and_then(|objects| objects.get(key)).cloned().ok_or(StoreError::NotFound)
    }

    fn put(&mut self, kind: Kind, mut object: Value, change: Change, previous: Option<Arc<Stored>>) -> Arc<Stored> {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let stored = Arc::new(Stored::new(kind, &object, self.revision));
        self.kinds.entry(kind).or_default().insert(stored.key.clone(), Arc::clone(&stored));
        self.history.push(Event { revision: self.revision, change, object: Arc::clone(&stored), previous });
        stored
    }

    fn remove(&mut self, kind: Kind, key: &ObjectKey, mut object: Value, previous: Arc<Stored>) -> Arc<Stored> {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let stored = Arc::new(Stored::new(kind, &object, self.revision));
        if let Some(objects) = self.kinds.get_mut(&kind) {
            objects.remove(key);
        }
        let object = Arc::clone(&stored);
        self.history.push(Event { revision: self.revision, change: Change::Deleted, object, previous: Some(previous) });
        stored
    }
}

fn within(objects: &BTreeMap<ObjectKey, Arc<Stored>>, namespace: Option<&str>) -> Vec<Arc<Stored>> {
    match namespace {
        None => objects.values().cloned().collect(),
        Some(namespace) => objects
            .range(ObjectKey::new(namespace, "")..)
            .take_while(|(key, _)| &*key.namespace == namespace)
            .map(|(_, object)| Arc::clone(object))
            .collect(),
    }
}

fn key_of(object: &Value) -> Result<ObjectKey, StoreError> {
    let meta = &object["metadata"];
    match meta["name"].as_str() {
        Some(name) if !name.is_empty() => Ok(ObjectKey::new(meta["namespace"].as_str().unwrap_or(""), name)),
        _ => Err(StoreError::Nameless),
    }
}

fn expect_uid(current: &Stored, expected: Option<&str>) -> Result<(), StoreError> {
    match expected {
        Some(expected) if expected != &*current.uid => {
            Err(StoreError::OtherUid { expected: expected.to_owned(), found: current.uid.to_string() })
        }
        _ => Ok(()),
    }
}

fn has_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty())
}

/// What the server sets on a new object.
pub(super) fn complete(kind: Kind, object: &mut Value, now: Timestamp) {
    let meta = kind.meta();
    object["apiVersion"] = meta.api_version().into();
    object["kind"] = meta.kind.into();
    let metadata = &mut object["metadata"];
    metadata["uid"] = random::uid().into();
    if metadata.get("creationTimestamp").is_none_or(Value::is_null) {
        metadata["creationTimestamp"] = clock::seconds(now).into();
    }
    if meta.generation {
        metadata["generation"] = json!(1);
    }
}

/// What the server keeps or counts when `before` is replaced by `object`.
pub(super) fn succeed(kind: Kind, before: &Value, mut object: Value) -> Value {
    let meta = kind.meta();
    object["apiVersion"] = meta.api_version().into();
    object["kind"] = meta.kind.into();
    let old = &before["metadata"];
    for field in ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion"] {
        match (old.get(field), object["metadata"].as_object_mut()) {
            (Some(value), Some(metadata)) => metadata.insert(field.to_owned(), value.clone()),
            (None, Some(metadata)) => metadata.remove(field),
            (_, None) => None,
        };
    }
    if meta.generation {
        let status_apart = meta.status || !meta.custom;
        let substance = |object: &Value| {
            let mut object = object.clone();
            if let Some(fields) = object.as_object_mut() {
                fields.remove("metadata");
                if status_apart {
                    fields.remove("status");
                }
            }
            object
        };
        let generation = old["generation"].as_i64().unwrap_or(1);
        let changed = substance(before) != substance(&object);
        object["metadata"]["generation"] = json!(if changed { generation + 1 } else { generation });
    }
    object
}
