//! Why there is no direction: two databases out of recovery, or none that was ever seen to be. Said once, for the screen
//! and for what is told without one. Pure.

use super::Fleet;
use super::region::Stopped;
use crate::domain::region::{PerSide, Side};
use crate::domain::units::{SystemId, many};

/// Two databases are out of recovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The primary of before, on the older timeline. None: both are on one, and nobody can tell them apart from here.
    pub old: Option<Side>,
    /// What of it still can act, or is not known to be stopped, in words. Empty: it is fenced.
    pub open: Vec<String>,
}

impl Split {
    /// The old one can not act: this is work for tomorrow.
    #[must_use]
    pub fn fenced(&self) -> bool {
        self.old.is_some() && self.open.is_empty()
    }
}

impl Fleet {
    /// Two databases are out of recovery now. None: they are not.
    #[must_use]
    pub fn split(&self) -> Option<Split> {
        if !self.two_primaries() {
            return None;
        }
        let old = self.older_primary();
        Some(Split { old, open: old.map(|side| self.acting(side)).unwrap_or_default() })
    }

    /// The old primary, if it is the one of that side and can still act; `Some(true)` when it is fenced.
    #[must_use]
    pub fn old_and_fenced(&self, side: Side) -> Option<bool> {
        let split = self.split().filter(|split| split.old == Some(side))?;
        Some(split.fenced())
    }

    fn acting(&self, side: Side) -> Vec<String> {
        let region = self.region(side);
        let mut open = Vec::new();
        if region.live_database(self.now).is_some_and(|sample| sample.accepts_writes()) {
            open.push("its database takes writes".to_owned());
        }
        match region.stopped(self.now) {
            Stopped::Yes => {}
            Stopped::No(why) | Stopped::Unknown(why) => open.push(why),
        }
        match region.live_crons(self.now) {
            None => open.push("crons unknown".to_owned()),
            Some(table) => match table.rows().values().filter(|cron| !cron.suspended).count() {
                0 => {}
                active => open.push(format!("{} active", many(active, "cron", "crons"))),
            },
        }
        open
    }

    /// What there is instead of a pair while there is no direction, in a word or two. Of a fenced old primary the callers
    /// say more.
    #[must_use]
    pub fn no_pair(&self) -> &'static str {
        match self.split() {
            Some(split) if split.fenced() => "one primary, no standby",
            Some(_) => "TWO PRIMARIES",
            None if self.two_systems().is_some() => "TWO SYSTEMS, no pair",
            None => "no primary was ever seen",
        }
    }

    /// Why there is no direction, in a sentence, and what to do about it, which may be empty. None: there is one.
    #[must_use]
    pub fn no_direction(&self) -> Option<(String, String)> {
        if self.direction().is_some() {
            return None;
        }
        let live = |side: Side| self.region(side).live_database(self.now);
        let replicas = Side::BOTH.into_iter().all(|side| live(side).is_some_and(|sample| sample.replica().is_some()));
        if let Some(systems) = self.two_systems() {
            return Some(self.systems_words(&systems));
        }
        let words = match self.split() {
            Some(Split { old: None, .. }) => (
                "both databases are out of recovery, on the same timeline: which one is the primary is not known",
                "find out which one the workflows use, and stop the other",
            ),
            Some(split) => return Some(self.split_words(&split)),
            None if replicas => (
                "both databases are in recovery: neither is a primary",
                "promote the one that has received more, by hand",
            ),
            None if Side::BOTH.into_iter().all(|side| self.region(side).database.is_some()) => {
                ("no primary database was ever seen, by this console or an earlier one", "")
            }
            None => (
                "no primary database was ever seen, by this console or an earlier one",
                "both databases have to answer: look at their URLs, passwords and networks",
            ),
        };
        Some((words.0.to_owned(), words.1.to_owned()))
    }

    /// What answers is no pair, in words, and what to do about it.
    fn systems_words(&self, systems: &PerSide<SystemId>) -> (String, String) {
        let of = |side: Side| format!("{} is system {}", self.name(side), systems.get(side));
        let text = format!("{}, {}: neither is a copy of the other", of(Side::A), of(Side::B));
        (text, "check the database URLs of both regions in the configuration".to_owned())
    }

    fn split_words(&self, split: &Split) -> (String, String) {
        let Some(old) = split.old else { return (String::new(), String::new()) };
        let (old, new) = (self.name(old), self.name(old.other()));
        if split.fenced() {
            let text = format!("{new} is the primary; there is no standby until {old} is rebuilt as a replica");
            return (text, String::new());
        }
        let text = format!(
            "{new} is the primary, on the newer timeline; {old}, the one of before, is not fenced: {}",
            split.open.join(", ")
        );
        (text, format!("fence {old}: leeward playbook run fence"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fixtures::{healthy_pair, nothing_known, old_region_returned, two_systems};

    #[test]
    fn who_is_the_primary_and_what_to_do_is_said() {
        assert_eq!(healthy_pair().fleet.no_direction(), None);
        let sim = old_region_returned();
        let (words, advice) = sim.fleet.no_direction().unwrap();
        assert!(words.starts_with("us-east1 is the primary") && words.contains("database takes writes"), "{words}");
        assert_eq!(advice, "fence us-central1: leeward playbook run fence");
        assert_eq!(sim.fleet.old_and_fenced(Side::A), Some(false));
        assert_eq!(sim.fleet.old_and_fenced(Side::B), None);
        assert!(nothing_known().fleet.no_direction().unwrap().0.contains("was ever seen"));
    }

    #[test]
    fn two_primaries_that_are_no_pair_are_not_to_be_fenced() {
        let sim = two_systems();
        assert_eq!((sim.fleet.direction(), sim.fleet.older_primary(), sim.fleet.split()), (None, None, None));
        let (words, advice) = sim.fleet.no_direction().unwrap();
        assert!(words.contains("neither is a copy of the other"), "{words}");
        assert!(advice.starts_with("check the database URLs"), "{advice}");
        let told: Vec<&str> = sim.fleet.happenings.iter().map(|line| line.text.as_str()).collect();
        assert!(!told.iter().any(|text| text.contains("two databases are out of recovery")), "{told:?}");
    }

    #[test]
    fn a_fenced_old_primary_is_calm() {
        let mut sim = old_region_returned();
        let old = sim.at(Side::A);
        (old.wanted, old.leader, old.db.read_only) = (0, None, true);
        old.pods.clear();
        old.crons.values_mut().for_each(|suspended| *suspended = true);
        sim.go(60);
        let split = sim.fleet.split().unwrap();
        assert!(split.fenced(), "{:?}", split.open);
        let (words, advice) = sim.fleet.no_direction().unwrap();
        assert_eq!(words, "us-east1 is the primary; there is no standby until us-central1 is rebuilt as a replica");
        assert_eq!(advice, "");
    }
}
