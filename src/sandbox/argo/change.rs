//! What a step of the simulation wants done to the objects. The steps are pure and only answer such changes; applying them
//! is the driver's part.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    super::kube::{Expect, Kind, ObjectKey, Store, StoreError},
    json::{name, namespace},
};

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Create an object; that it exists already is fine.
    Create(Kind, Value),
    /// Replace an object; the resourceVersion in it is the precondition. Somebody faster wins, and the next step looks
    /// again.
    Replace(Kind, Value),
    /// Remove an object at once.
    Remove(Kind, ObjectKey),
    /// Mark a pod as being deleted; the kubelet stops it.
    Stop(ObjectKey),
}

impl Change {
    /// Removes this object.
    pub fn remove(kind: Kind, object: &Value) -> Self {
        Self::Remove(kind, ObjectKey::new(namespace(object), name(object)))
    }
}

/// The grace period that the simulated kubelets give, in seconds. Real pods ask for 30 and mostly need one.
const GRACE: i64 = 2;

/// Applies changes in order. Answers how many were refused because somebody else was faster.
pub fn apply(store: &Store, changes: Vec<Change>, now: Timestamp) -> usize {
    let mut conflicts = 0;
    for change in changes {
        let result = match change {
            Change::Create(kind, object) => store.create(kind, object, now).map(|_| ()),
            Change::Replace(kind, object) => store.replace(kind, object).map(|_| ()),
            Change::Remove(kind, key) => store.delete(kind, &key, &Expect::default(), now).map(|_| ()),
            Change::Stop(key) => stop(store, &key, now),
        };
        match result {
            // All of these mean that the world moved on; the next step sees it as it is.
            Ok(()) | Err(StoreError::AlreadyExists | StoreError::NotFound) => {}
            Err(StoreError::Conflict | StoreError::OtherUid { .. } | StoreError::Nameless) => conflicts += 1,
        }
    }
    conflicts
}

fn stop(store: &Store, key: &ObjectKey, now: Timestamp) -> Result<(), StoreError> {
    let pod = store.get(Kind::Pod, &key.namespace, &key.name).ok_or(StoreError::NotFound)?.value();
    let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if ended || pod["spec"]["nodeName"].as_str().is_none() {
        store.delete(Kind::Pod, key, &Expect::default(), now).map(|_| ())
    } else {
        store.mark_deleted(Kind::Pod, key, &Expect::default(), now, GRACE).map(|_| ())
    }
}
