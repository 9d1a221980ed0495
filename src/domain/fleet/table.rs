//! A watched list: its rows, and up to when it is known to be complete.

use crate::domain::freshness::{Freshness, Limits, SourceError};
use crate::domain::observation::Change;
use crate::domain::{Timestamp, since};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Rows by key. Cheap to clone: a snapshot of the fleet shares the rows until one of the two changes.
#[derive(Debug, Clone)]
pub struct Table<K, V> {
    rows: Arc<BTreeMap<K, V>>,
    /// The list is complete up to this moment. None: no list has been had by this process.
    pub confirmed: Option<Timestamp>,
    /// Why the watch cannot be had, while it cannot.
    pub error: Option<SourceError>,
    /// The rows come from an earlier process's notes of this moment and have not been seen since.
    pub remembered: Option<Timestamp>,
    /// Rises with each change, so that what is derived from the rows can be kept.
    pub version: u64,
}

impl<K: Ord, V> Default for Table<K, V> {
    fn default() -> Self {
        Table { rows: Arc::new(BTreeMap::new()), confirmed: None, error: None, remembered: None, version: 0 }
    }
}

/// A quiet watch is proven complete about once a minute, by a look at its list or, where that is long, by the server's
/// bookmark: one that stays away makes it late.
const LIMITS: Limits = Limits { late: Duration::from_secs(70), stale: Duration::from_secs(90) };

impl<K: Ord + Clone, V: Clone> Table<K, V> {
    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &BTreeMap<K, V> {
        &self.rows
    }

    /// One row.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.rows.get(key)
    }

    /// Some list has been seen, by this process or an earlier one.
    #[must_use]
    pub fn known(&self) -> bool {
        self.confirmed.is_some() || self.remembered.is_some()
    }

    /// Up to when the rows are known to be right.
    #[must_use]
    pub fn as_of(&self) -> Option<Timestamp> {
        self.confirmed.or(self.remembered)
    }

    /// The verdict on the rows, given the verdict on their server: rows are never fresher than their server, and while their
    /// watch fails or is stuck they may change unseen, however young the last list is.
    #[must_use]
    pub fn freshness(&self, server: Freshness, now: Timestamp) -> Freshness {
        let Some(at) = self.confirmed else {
            return match self.remembered {
                Some(at) => Freshness::Stale(since(at, now)),
                None => Freshness::Blind,
            };
        };
        let age = since(at, now);
        if self.error.is_some() {
            return Freshness::Stale(age);
        }
        match server {
            Freshness::Live(_) | Freshness::Late(_) if age < LIMITS.late => server,
            Freshness::Live(_) | Freshness::Late(_) if age < LIMITS.stale => Freshness::Late(age),
            Freshness::Stale(server_age) => Freshness::Stale(server_age),
            _ => Freshness::Stale(age),
        }
    }

    /// Takes a change that came at `at`.
    pub fn apply(&mut self, change: Change<K, V>, at: Timestamp) {
        self.version += 1;
        match change {
            Change::Reset(rows) => {
                self.rows = Arc::new(rows.into_iter().collect());
                self.remembered = None;
            }
            Change::Apply(key, value) => {
                Arc::make_mut(&mut self.rows).insert(key, value);
            }
            Change::Delete(key) => {
                Arc::make_mut(&mut self.rows).remove(&key);
            }
        }
        self.confirm(at);
    }

    /// The rows are right up to `at`.
    pub fn confirm(&mut self, at: Timestamp) {
        if self.remembered.is_none() {
            self.confirmed = Some(self.confirmed.map_or(at, |before| before.max(at)));
            self.error = None;
        }
    }

    /// Puts back rows that an earlier process noted at `at`; not over rows of this one.
    pub fn recall(&mut self, rows: BTreeMap<K, V>, at: Timestamp) {
        if self.confirmed.is_none() {
            self.rows = Arc::new(rows);
            self.remembered = Some(at);
            self.version += 1;
        }
    }

    /// Changes one row in place, if it is there.
    pub fn amend(&mut self, key: &K, change: impl FnOnce(&mut V)) {
        if self.rows.contains_key(key)
            && let Some(row) = Arc::make_mut(&mut self.rows).get_mut(key)
        {
            self.version += 1;
            change(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::freshness::ErrorKind;

    #[test]
    fn rows_age_without_proof_and_are_stale_at_once_while_their_watch_fails() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let live = Freshness::Live(Duration::ZERO);
        let mut table: Table<u8, u8> = Table::default();
        assert_eq!(table.freshness(live, at(100)), Freshness::Blind);
        table.apply(Change::Reset(vec![(1, 1)]), at(100));
        for (now, word) in [(100, "LIVE"), (169, "LIVE"), (170, "LATE"), (189, "LATE"), (190, "STALE")] {
            assert_eq!(table.freshness(live, at(now)).word(), word, "at {now}");
        }
        table.error = Some(SourceError::new(ErrorKind::Protocol, "stuck watch"));
        assert_eq!(table.freshness(live, at(101)), Freshness::Stale(Duration::from_secs(1)));
        table.confirm(at(102));
        assert_eq!(table.freshness(live, at(102)), live);
        assert_eq!(table.freshness(Freshness::Blind, at(102)), Freshness::Stale(Duration::ZERO));
    }
}
