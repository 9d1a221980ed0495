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
    /// Rows that are there and were let go, being done and too many: see [`Table::apply_bounded`].
    pub let_go: usize,
    /// The newest of those let go.
    let_go_until: Option<Timestamp>,
    /// Rows that are done.
    done: usize,
}

/// How many rows that are done are kept.
#[derive(Debug)]
pub struct Bound<V> {
    /// This many at most.
    pub most: usize,
    /// Where a row stands.
    pub place: fn(&V) -> Place,
}

/// Where a row stands among those that may be let go.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// It is done, and may be let go.
    pub done: bool,
    /// Oldest first, by this.
    pub since: Timestamp,
}

impl<K: Ord, V> Default for Table<K, V> {
    fn default() -> Self {
        Table {
            rows: Arc::new(BTreeMap::new()),
            confirmed: None,
            error: None,
            remembered: None,
            version: 0,
            let_go: 0,
            let_go_until: None,
            done: 0,
        }
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

    /// Takes a change, and keeps at most so many rows that are done: of more, the oldest twentieth goes at once, so that
    /// they are gone through once in a while and not at each change. How many were let go and are still there is counted.
    pub fn apply_bounded(&mut self, change: Change<K, V>, at: Timestamp, bound: &Bound<V>) {
        let done = |row: &V| (bound.place)(row).done;
        match &change {
            Change::Reset(rows) => {
                self.let_go = 0;
                self.let_go_until = None;
                self.done = rows.iter().filter(|(_, row)| done(row)).count();
            }
            Change::Apply(key, row) => {
                let known = self.rows.get(key).map(done);
                let Place { done, since } = (bound.place)(row);
                // A watch tells each row from its beginning on: one that is that old and not here was let go.
                if known.is_none() && self.let_go_until.is_some_and(|until| since <= until) {
                    if done {
                        return self.confirm(at);
                    }
                    self.let_go = self.let_go.saturating_sub(1);
                }
                self.done = (self.done + usize::from(done)).saturating_sub(usize::from(known == Some(true)));
            }
            Change::Delete(key) => match self.rows.get(key) {
                Some(row) => self.done = self.done.saturating_sub(usize::from(done(row))),
                None => self.let_go = self.let_go.saturating_sub(1),
            },
        }
        self.apply(change, at);
        if self.done > bound.most {
            self.let_oldest_go(bound);
        }
    }

    fn let_oldest_go(&mut self, bound: &Bound<V>) {
        let keep = bound.most - bound.most / 20;
        let places = self.rows.iter().map(|(key, row)| ((bound.place)(row), key));
        let mut done: Vec<(Timestamp, &K)> =
            places.filter(|(place, _)| place.done).map(|(place, key)| (place.since, key)).collect();
        let going = done.len().saturating_sub(keep);
        if going == 0 {
            return;
        }
        let (_, newest, _) = done.select_nth_unstable(going - 1);
        let until = newest.0;
        let going: Vec<K> = done.into_iter().take(going).map(|(_, key)| key.clone()).collect();
        self.let_go += going.len();
        self.let_go_until = Some(self.let_go_until.map_or(until, |before| before.max(until)));
        self.done -= going.len();
        let rows = Arc::make_mut(&mut self.rows);
        for key in going {
            rows.remove(&key);
        }
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

    /// Key and second it began; done or not.
    type Rows = Table<u32, (i64, bool)>;

    fn bound(most: usize) -> Bound<(i64, bool)> {
        Bound { most, place: |(since, done)| Place { done: *done, since: Timestamp::from_second(*since).unwrap() } }
    }

    #[test]
    fn of_rows_that_are_done_the_oldest_go_and_are_counted() {
        let now = Timestamp::from_second(1_000).unwrap();
        let mut table = Rows::default();
        let rows = (0..100).map(|n| (n, (i64::from(n), n % 4 != 0))).collect();
        table.apply_bounded(Change::Reset(rows), now, &bound(40));
        let done = |table: &Rows| table.rows().values().filter(|row| row.1).count();
        assert_eq!((done(&table), table.let_go), (38, 37));
        assert_eq!(table.rows().values().filter(|row| !row.1).count(), 25, "what is not done stays");
        assert!(table.rows().values().filter(|row| row.1).all(|row| row.0 > 48), "the newest stay");
        // One that was let go changes, one goes on, one is deleted.
        let version = table.version;
        table.apply_bounded(Change::Apply(1, (1, true)), now, &bound(40));
        assert_eq!((table.get(&1), table.let_go, table.version), (None, 37, version));
        table.apply_bounded(Change::Apply(2, (2, false)), now, &bound(40));
        assert_eq!((table.get(&2).is_some(), table.let_go), (true, 36));
        table.apply_bounded(Change::Delete(3), now, &bound(40));
        assert_eq!(table.let_go, 35);
        // A new list begins anew.
        table.apply_bounded(Change::Reset(vec![(1, (1, true))]), now, &bound(40));
        assert_eq!((table.rows().len(), table.let_go), (1, 0));
    }

    proptest::proptest! {
        /// Whatever comes: never more than so many, and what is kept and what was let go are together what is there.
        #[test]
        fn no_more_are_kept_than_asked_for_and_none_is_miscounted(
            most in 0_usize..30,
            changes in proptest::collection::vec((0_u32..60, 0_u8..4), 1..200),
        ) {
            let now = Timestamp::from_second(1_000).unwrap();
            let (mut table, mut there) = (Rows::default(), BTreeMap::new());
            table.apply_bounded(Change::Reset(Vec::new()), now, &bound(most));
            let mut born = 0;
            for (key, what) in changes {
                let since = there.get(&key).map_or_else(|| { born += 1; born }, |row: &(i64, bool)| row.0);
                let change = match what {
                    0 if there.remove(&key).is_some() => Change::Delete(key),
                    // A row begins not done.
                    what => {
                        let row = (since, what == 1 && there.contains_key(&key));
                        there.insert(key, row);
                        Change::Apply(key, row)
                    }
                };
                table.apply_bounded(change, now, &bound(most));
                let done = |row: &&(i64, bool)| row.1;
                proptest::prop_assert!(table.rows().values().filter(done).count() <= most);
                proptest::prop_assert_eq!(table.rows().len() + table.let_go, there.len());
                let open = there.iter().filter(|(_, row)| !row.1).all(|(key, row)| table.get(key) == Some(row));
                proptest::prop_assert!(open, "what is not done stays");
            }
        }
    }
}
