//! The fleet: the one picture of everything observed. It changes only by [`Fleet::apply`] and [`Fleet::tick`].

pub mod happening;
pub mod region;
pub mod replication;
pub mod split;
pub mod table;
pub mod who;

mod apply;
mod changes;
#[cfg(test)]
mod tests;

use super::Timestamp;
use super::dns::DnsSample;
use super::endpoints::Intervals;
use super::freshness::{Freshness, Known, Limits, Source, SourceHealth};
use super::kubernetes::ObjectKey;
use super::policy::Policy;
use super::region::{PerSide, Side};
use super::workflow::OpenRun;
use happening::Happenings;
use region::Region;
use std::sync::Arc;

/// The picture.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// What the team decided.
    pub policy: Arc<Policy>,
    /// The moment the picture is of. Every age on the screen is against it.
    pub now: Timestamp,
    /// When the first picture was made: what was never seen has been missing since then.
    pub began: Timestamp,
    /// The regions.
    pub regions: PerSide<Region>,
    /// Health of the name servers' answers.
    pub dns_health: SourceHealth,
    /// What the name servers said.
    pub dns: Option<Known<DnsSample>>,
    /// The opened run, as far as it is known.
    pub open_run: Option<(Side, ObjectKey, Option<OpenRun>)>,
    /// What changed.
    pub happenings: Happenings,
}

impl Fleet {
    /// A picture in which nothing is known.
    #[must_use]
    pub fn new(policy: Arc<Policy>, intervals: &Intervals, now: Timestamp) -> Fleet {
        let regions = policy.regions.map(|side, region| Region::new(side, &region.name, intervals));
        Fleet {
            policy,
            now,
            began: now,
            regions,
            dns_health: SourceHealth::new(Limits::asked_every(intervals.dns)),
            dns: None,
            open_run: None,
            happenings: Happenings::default(),
        }
    }

    /// One region.
    #[must_use]
    pub fn region(&self, side: Side) -> &Region {
        self.regions.get(side)
    }

    /// The region's name.
    #[must_use]
    pub fn name(&self, side: Side) -> &str {
        &self.region(side).name
    }

    /// The health of a source.
    #[must_use]
    pub fn health(&self, source: Source) -> &SourceHealth {
        match source.side() {
            Some(side) => self.region(side).health(source),
            None => &self.dns_health,
        }
    }

    /// The verdict on a source now.
    #[must_use]
    pub fn freshness(&self, source: Source) -> Freshness {
        self.health(source).freshness(self.now)
    }

    /// Time goes on.
    pub fn tick(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }
}
