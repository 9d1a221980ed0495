//! Several watches of one kind made into one table: namespaces that are watched one by one, or templates of a namespace
//! and of the whole cluster. Pure.
//!
//! A table's `Reset` means "this is all there is", so with several watches the first one is sent when each has listed,
//! and a later relist of one becomes its differences. The table is right only up to the moment that its slowest watch
//! is; every fact carries that time.

use super::kind::{Kind, Told};
use crate::domain::Timestamp;
use crate::domain::freshness::SourceError;
use crate::domain::observation::{Change, Fact, Watched};
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
    /// It keeps back what changes, or, of a kind of which no part may be missing, it cannot be had.
    stuck: Option<SourceError>,
    /// Rows of the first list, until every watch has listed.
    waiting: Vec<(K::Key, K::Row)>,
    /// Keys told; kept only when there are several watches.
    keys: BTreeSet<K::Key>,
}

impl<K: Kind> Merge<K> {
    /// For `count` watches.
    #[must_use]
    pub fn new(count: usize) -> Merge<K> {
        let scope =
            || Scope { confirmed: None, refused: false, stuck: None, waiting: Vec::new(), keys: BTreeSet::new() };
        Merge { scopes: (0..count).map(|_| scope()).collect(), opened: false }
    }

    /// Takes what watch `index` told at `now`; gives facts with their times. While one watch is stuck, whatever the others
    /// say is followed by that: part of the table is not known to be right.
    pub fn take(&mut self, index: usize, told: Told<K::Key, K::Row>, now: Timestamp) -> Vec<(Timestamp, Fact)> {
        if let Some(scope) = self.scopes.get_mut(index) {
            match &told {
                Told::Stuck(error) => scope.stuck = Some(error.clone()),
                Told::Applied(..) | Told::Deleted(_) | Told::Confirmed(_) => scope.stuck = None,
                // A cron that is not seen fires all the same: "all suspended" can only be said of all of them.
                Told::Refused(error) if K::WATCHED == Watched::Crons => scope.stuck = Some(error.clone()),
                Told::Listed(_) if K::WATCHED == Watched::Crons && scope.refused => scope.stuck = None,
                Told::Listed(_) | Told::Refused(_) => {}
            }
        }
        let mut facts = self.facts(index, told, now);
        if let Some(error) = self.scopes.iter().find_map(|scope| scope.stuck.clone()) {
            facts.push((now, Fact::WatchFailed(K::WATCHED, error)));
        }
        facts
    }

    fn facts(&mut self, index: usize, told: Told<K::Key, K::Row>, now: Timestamp) -> Vec<(Timestamp, Fact)> {
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
            Told::Stuck(_) => return Vec::new(),
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

#[cfg(test)]
mod tests {
    use super::super::templates::Templates;
    use super::*;
    use crate::domain::cron::TemplateRow;
    use crate::domain::freshness::ErrorKind;
    use crate::domain::kubernetes::ObjectKey;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn row(name: &str) -> (ObjectKey, TemplateRow) {
        (ObjectKey::new("ml", name), TemplateRow { uid: name.into(), generation: 1 })
    }

    fn listed(names: &[&str]) -> Told<ObjectKey, TemplateRow> {
        Told::Listed(names.iter().map(|name| row(name)).collect())
    }

    fn refused() -> Told<ObjectKey, TemplateRow> {
        Told::Refused(SourceError::new(ErrorKind::Forbidden, "403"))
    }

    /// Facts in short: time and what changed.
    fn short(facts: Vec<(Timestamp, Fact)>) -> Vec<String> {
        let names = |rows: &[(ObjectKey, TemplateRow)]| {
            rows.iter().map(|(key, _)| key.name.clone()).collect::<Vec<_>>().join(",")
        };
        let word = |fact: &Fact| match fact {
            Fact::Templates(Change::Reset(rows)) => format!("reset {}", names(rows)),
            Fact::Templates(Change::Apply(key, _)) => format!("apply {}", key.name),
            Fact::Templates(Change::Delete(key)) => format!("delete {}", key.name),
            Fact::WatchConfirmed(_) => "confirmed".to_owned(),
            Fact::WatchFailed(..) => "failed".to_owned(),
            other => format!("{other:?}"),
        };
        facts.iter().map(|(at, fact)| format!("{} {}", at.as_second(), word(fact))).collect()
    }

    #[test]
    fn one_watch_passes_straight_through() {
        let mut merge = Merge::<Templates>::new(1);
        assert_eq!(short(merge.take(0, listed(&["a", "b"]), at(1))), ["1 reset a,b"]);
        assert_eq!(short(merge.take(0, Told::Confirmed(at(2)), at(3))), ["2 confirmed"]);
        assert_eq!(short(merge.take(0, Told::Deleted(row("a").0), at(4))), ["4 delete a"]);
        assert_eq!(short(merge.take(0, listed(&["c"]), at(5))), ["5 reset c"]);
        assert_eq!(short(merge.take(0, refused(), at(6))), ["6 failed"]);
    }

    #[test]
    fn several_watches_are_one_table_as_old_as_the_slowest() {
        let mut merge = Merge::<Templates>::new(3);
        assert!(merge.take(0, listed(&["a", "b"]), at(1)).is_empty(), "not before each has said something");
        assert!(merge.take(0, Told::Deleted(row("b").0), at(2)).is_empty());
        assert!(merge.take(1, refused(), at(3)).is_empty());
        assert_eq!(short(merge.take(2, listed(&["x"]), at(4))), ["2 reset a,x"]);
        let (key, value) = row("y");
        assert_eq!(
            short(merge.take(2, Told::Applied(key, value), at(9))),
            ["2 apply y"],
            "the other is silent since 2"
        );
        assert_eq!(short(merge.take(0, Told::Confirmed(at(8)), at(9))), ["8 confirmed"]);
        // A relist of one says what it no longer has; the rows of the other stay.
        assert_eq!(short(merge.take(0, listed(&["c"]), at(10))), ["9 delete a", "9 apply c"]);
        assert_eq!(short(merge.take(2, listed(&["y"]), at(11))), ["10 delete x", "10 apply y"]);
    }

    #[test]
    fn a_stuck_watch_fails_the_whole_table_until_it_delivers_and_its_list_is_no_delivery() {
        let stuck = || Told::Stuck(SourceError::new(ErrorKind::Protocol, "stuck watch"));
        let mut merge = Merge::<Templates>::new(2);
        assert!(merge.take(0, listed(&["a"]), at(1)).is_empty());
        assert_eq!(short(merge.take(1, listed(&["x"]), at(1))), ["1 reset a,x"]);
        assert_eq!(short(merge.take(0, listed(&["b"]), at(2))), ["1 delete a", "1 apply b"]);
        assert_eq!(short(merge.take(0, stuck(), at(2))), ["2 failed"]);
        assert_eq!(short(merge.take(1, Told::Confirmed(at(3)), at(3))), ["2 confirmed", "3 failed"]);
        assert_eq!(short(merge.take(0, listed(&["b"]), at(4))), ["3 apply b", "4 failed"]);
        assert_eq!(short(merge.take(0, Told::Deleted(row("b").0), at(5))), ["3 delete b"]);
    }

    #[test]
    fn nothing_permitted_is_a_failure_and_what_is_permitted_later_is_taken_in() {
        let mut merge = Merge::<Templates>::new(2);
        assert!(merge.take(0, refused(), at(1)).is_empty());
        assert_eq!(short(merge.take(1, refused(), at(2))), ["2 failed"]);
        assert_eq!(short(merge.take(1, listed(&["a"]), at(3))), ["3 reset a"]);
        assert_eq!(short(merge.take(0, listed(&["b"]), at(4))), ["3 apply b"]);
    }

    #[test]
    fn a_namespace_whose_crons_are_refused_makes_all_crons_unknown() {
        use super::super::crons::Crons;
        let mut merge = Merge::<Crons>::new(2);
        let refused = || Told::Refused(SourceError::new(ErrorKind::Forbidden, "403"));
        merge.take(1, refused(), at(1));
        let opened = merge.take(0, Told::Listed(Vec::new()), at(2));
        assert!(matches!(&opened[..], [(_, Fact::Crons(_)), (_, Fact::WatchFailed(..))]), "{opened:?}");
        let quiet = merge.take(0, Told::Confirmed(at(5)), at(5));
        assert!(matches!(quiet.last(), Some((_, Fact::WatchFailed(..)))), "{quiet:?}");
        let granted = merge.take(1, Told::Listed(Vec::new()), at(9));
        assert!(!granted.iter().any(|(_, fact)| matches!(fact, Fact::WatchFailed(..))), "{granted:?}");
    }
}
