//! Who answers under a region's name, and whether it is still the one that answered before. Pure.
//!
//! A kubeconfig or a URL that is changed under leeward may lead to the other region's server, or to a third one, and
//! every fact from there would be true and about something else. So the first identity that was seen or noted is kept
//! and compared.

use super::Fleet;
use super::region::Region;
use crate::domain::database::DatabaseIdentity;
use crate::domain::region::Side;
use crate::domain::units::age;
use crate::domain::{Timestamp, since};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long an identity that does not answer any more is kept against another one that does: a cluster may be rebuilt,
/// and whoever did that has read the warning on more than one shift.
pub const KEPT: Duration = Duration::from_secs(24 * 3600);

/// An identity, and when it last answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen<T> {
    /// Who.
    pub who: T,
    /// When it last answered.
    pub at: Timestamp,
}

/// Who answers under a region's name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// UID of the cluster's kube-system namespace.
    pub cluster: Option<Seen<String>>,
    /// The database.
    pub database: Option<Seen<DatabaseIdentity>>,
    /// The database that was last seen out of recovery there. Absent in notes of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<Seen<DatabaseIdentity>>,
}

/// Takes a look: the same one is confirmed, another one counts only after [`KEPT`].
fn look<T: PartialEq>(slot: &mut Option<Seen<T>>, who: T, at: Timestamp) {
    match slot {
        Some(seen) if seen.who != who && since(seen.at, at) < KEPT => {}
        slot => *slot = Some(Seen { who, at }),
    }
}

impl Who {
    /// A cluster has said who it is.
    pub fn cluster_seen(&mut self, uid: &str, at: Timestamp) {
        look(&mut self.cluster, uid.to_owned(), at);
    }

    /// A database has said who it is.
    pub fn database_seen(&mut self, identity: &DatabaseIdentity, at: Timestamp) {
        look(&mut self.database, identity.clone(), at);
    }

    /// A database out of recovery has said who it is: the newest one counts, since a region may have its own standby.
    pub fn primary_seen(&mut self, identity: &DatabaseIdentity, at: Timestamp) {
        self.primary = Some(Seen { who: identity.clone(), at });
    }

    /// What an earlier process noted counts before what this one has seen.
    pub fn recall(&mut self, noted: Who) {
        self.cluster = noted.cluster.or(self.cluster.take());
        self.database = noted.database.or(self.database.take());
        self.primary = self.primary.take().or(noted.primary);
    }
}

impl Region {
    /// A replica answers where a primary was, and it is another server: behind a name that follows the local standby, say.
    /// Nothing that it says tells what has become of the primary. In words; None: it is not so.
    #[must_use]
    pub fn stands_in(&self, now: Timestamp) -> Option<String> {
        let sample = self.live_database(now)?;
        sample.replica()?;
        let primary = self.who.primary.as_ref().filter(|seen| seen.who != sample.identity)?;
        let place =
            |who: &DatabaseIdentity| format!("{}:{}", who.address.as_deref().unwrap_or("a local socket"), who.port);
        (since(primary.at, now) < KEPT).then(|| {
            let (answers, was) = (place(&sample.identity), place(&primary.who));
            format!("{answers} answers for {}, in recovery; the primary was {was}", self.name)
        })
    }
}

/// Somebody else answers under a region's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stranger {
    /// It is the other region's server, or one server answers for both. In words.
    Swapped(String),
    /// It is a third one, as after a rebuild. In words.
    Other(String),
}

fn live_cluster(region: &Region) -> Option<&str> {
    let known = region.identity.as_ref().filter(|known| !known.remembered)?;
    Some(&known.value.cluster_uid)
}

fn live_database(region: &Region) -> Option<&DatabaseIdentity> {
    let known = region.database.as_ref().filter(|known| !known.remembered)?;
    Some(&known.value.identity)
}

impl Fleet {
    /// Who answers under another's name, the worst first.
    #[must_use]
    pub fn strangers(&self) -> Vec<Stranger> {
        let mut found = Vec::new();
        if let (Some(a), Some(b)) = (live_cluster(self.region(Side::A)), live_cluster(self.region(Side::B)))
            && a == b
        {
            let (a, b) = (self.name(Side::A), self.name(Side::B));
            found.push(Stranger::Swapped(format!("the contexts of {a} and {b} lead to one cluster")));
        }
        for side in Side::BOTH {
            self.cluster_of(side, &mut found);
            self.database_of(side, &mut found);
        }
        found.sort_by_key(|stranger| matches!(stranger, Stranger::Other(_)));
        found
    }

    fn cluster_of(&self, side: Side, found: &mut Vec<Stranger>) {
        let (ours, theirs) = (self.region(side), self.region(side.other()));
        let (Some(live), Some(noted)) = (live_cluster(ours), &ours.who.cluster) else { return };
        if live == noted.who {
            return;
        }
        let (name, other) = (&ours.name, &theirs.name);
        if theirs.who.cluster.as_ref().is_some_and(|seen| seen.who == live) {
            found.push(Stranger::Swapped(format!("swapped: the context of {name} leads to the cluster of {other}")));
        } else {
            let ago = age(since(noted.at, self.now));
            let text = format!("the context of {name} leads to another cluster than {ago} ago ({live}, {})", noted.who);
            found.push(Stranger::Other(text));
        }
    }

    /// An address may change for good reasons; that it becomes the other region's is none.
    fn database_of(&self, side: Side, found: &mut Vec<Stranger>) {
        let (ours, theirs) = (self.region(side), self.region(side.other()));
        let (Some(live), Some(noted)) = (live_database(ours), &ours.who.database) else { return };
        if *live != noted.who && theirs.who.database.as_ref().is_some_and(|seen| seen.who == *live) {
            let (name, other) = (&ours.name, &theirs.name);
            let text = format!("swapped: the database URL of {name} leads to the database of {other}");
            found.push(Stranger::Swapped(text));
        }
    }

    /// Somebody is taken for somebody else: nothing that is seen may be noted under these names.
    #[must_use]
    pub fn swapped(&self) -> bool {
        self.strangers().iter().any(|stranger| matches!(stranger, Stranger::Swapped(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_identity_is_kept_against_another_for_a_day() {
        let mut who = Who::default();
        who.cluster_seen("one", at(0));
        who.cluster_seen("two", at(60));
        assert_eq!(who.cluster.as_ref().unwrap().who, "one");
        who.cluster_seen("one", at(120));
        let day = i64::try_from(KEPT.as_secs()).unwrap();
        who.cluster_seen("two", at(119 + day));
        assert_eq!(who.cluster.as_ref().unwrap().who, "one");
        who.cluster_seen("two", at(120 + day));
        assert_eq!(who.cluster.as_ref().unwrap().who, "two");
    }

    #[test]
    fn notes_count_before_what_is_seen_now() {
        let mut who = Who::default();
        who.cluster_seen("new", at(9));
        who.recall(Who { cluster: Some(Seen { who: "noted".to_owned(), at: at(1) }), ..Who::default() });
        assert_eq!(who.cluster.as_ref().unwrap().who, "noted");
        who.recall(Who::default());
        assert_eq!(who.cluster.as_ref().unwrap().who, "noted");
    }
}
