//! Several watches of one kind made into one table: namespaces that are watched one by one, or templates of a namespace
//! and of the whole cluster. Pure.
//!
//! A table's `Reset` means "this is all there is", so with several watches the first one is sent when each has listed,
//! and a later relist of one becomes its differences. The table is right only up to the moment that its slowest watch
//! is; every fact carries that time.

use super::kind::{Kind, Told};
use crate::domain::Timestamp;
use crate::domain::observation::{Change, Fact};
use std::collections::BTreeSet;

/// Where each watch of a kind stands.
pub struct Merge<K: Kind> {
    scopes: Vec<Scope<K>>,
    opened: bool,
}

struct Scope<K: Kind> {
    /// Complete up to this moment. None: it has not listed yet.
    confirmed: Option<Timestamp>,
    /// It said that it cannot be had.
    refused: bool,
    /// Rows of the first list, until every watch has listed.
    waiting: Vec<(K::Key, K::Row)>,
    /// Keys told; kept only when there are several watches.
    keys: BTreeSet<K::Key>,
}

impl<K: Kind> Merge<K> {
    /// For `count` watches.
    #[must_use]
    pub fn new(count: usize) -> Merge<K> {
        let scope = || Scope { confirmed: None, refused: false, waiting: Vec::new(), keys: BTreeSet::new() };
        Merge { scopes: (0..count).map(|_| scope()).collect(), opened: false }
    }

    /// Takes what watch `index` told at `now`; gives facts with their times.
    pub fn take(&mut self, index: usize, told: Told<K::Key, K::Row>, now: Timestamp) -> Vec<(Timestamp, Fact)> {
        let several = self.scopes.len() > 1;
        let Some(scope) = self.scopes.get_mut(index) else { return Vec::new() };
        let mut changes = Vec::new();
        match told {
            Told::Refused(error) => {
                let news = !scope.refused;
                scope.refused = true;
                // One of several that cannot be had leaves the others right; the scope on the screen says which.
                let alone = self.scopes.iter().all(|scope| scope.refused);
                let mut facts = self.open_if_ready(now);
                if alone {
                    facts.push((now, Fact::WatchFailed(K::WATCHED, error)));
                } else if news {
                    tracing::info!(kind = K::WATCHED.word(), %error, "one of several watches cannot be had");
                }
                return facts;
            }
            Told::Listed(rows) => {
                scope.refused = false;
                scope.confirmed = Some(now);
                if !self.opened {
                    scope.waiting = rows;
                    return self.open_if_ready(now);
                }
                if several {
                    changes = scope.differences(rows);
                } else {
                    changes.push(Change::Reset(rows));
                }
            }
            Told::Applied(key, row) => {
                scope.confirmed = Some(now);
                if !self.opened {
                    scope.waiting.retain(|(known, _)| *known != key);
                    scope.waiting.push((key, row));
                    return Vec::new();
                }
                if several {
                    scope.keys.insert(key.clone());
                }
                changes.push(Change::Apply(key, row));
            }
            Told::Deleted(key) => {
                scope.confirmed = Some(now);
                if !self.opened {
                    scope.waiting.retain(|(known, _)| *known != key);
                    return Vec::new();
                }
                scope.keys.remove(&key);
                changes.push(Change::Delete(key));
            }
            Told::Confirmed(at) => {
                scope.refused = false;
                scope.confirmed = scope.confirmed.map(|before| before.max(at));
                if !self.opened {
                    return self.open_if_ready(now);
                }
                return self.as_of().map(|at| (at, Fact::WatchConfirmed(K::WATCHED))).into_iter().collect();
            }
        }
        let at = self.as_of().unwrap_or(now);
        changes.into_iter().map(|change| (at, K::fact(change))).collect()
    }

    /// Up to when the whole table is right: the slowest of the watches that have ever listed.
    fn as_of(&self) -> Option<Timestamp> {
        self.scopes.iter().filter_map(|scope| scope.confirmed).min()
    }

    fn open_if_ready(&mut self, now: Timestamp) -> Vec<(Timestamp, Fact)> {
        let ready = self.scopes.iter().all(|scope| scope.refused || scope.confirmed.is_some());
        if self.opened || !ready || self.as_of().is_none() {
            return Vec::new();
        }
        self.opened = true;
        let several = self.scopes.len() > 1;
        let mut all = Vec::new();
        for scope in &mut self.scopes {
            if several {
                scope.keys = scope.waiting.iter().map(|(key, _)| key.clone()).collect();
            }
            all.append(&mut scope.waiting);
        }
        vec![(self.as_of().unwrap_or(now), K::fact(Change::Reset(all)))]
    }
}

impl<K: Kind> Scope<K> {
    fn differences(&mut self, rows: Vec<(K::Key, K::Row)>) -> Vec<Change<K::Key, K::Row>> {
        let now: BTreeSet<K::Key> = rows.iter().map(|(key, _)| key.clone()).collect();
        let mut changes: Vec<_> = self.keys.difference(&now).cloned().map(Change::Delete).collect();
        changes.extend(rows.into_iter().map(|(key, row)| Change::Apply(key, row)));
        self.keys = now;
        changes
    }
}
