//! The pair of databases as one: who sends, who receives, and what would be lost.

use super::Fleet;
use crate::domain::database::{DatabaseSample, ReplicaState};
use crate::domain::freshness::Known;
use crate::domain::region::{Direction, PerSide, Side};
use crate::domain::units::{Bytes, Lsn, SystemId};
use crate::domain::{Timestamp, since};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a promotion now would lose, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Bytes of log that the replica does not have. None: unknown.
    pub bytes: Option<Bytes>,
    /// Log written between the last look at the primary and its end, if it ended when we lost it; at the rate seen before.
    pub after: Option<Bytes>,
    /// Log written between that look and now, if the primary is out of our sight only and writes on; at the same rate.
    /// None: it answers, or took no writes when it was last seen, or its rate is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writing: Option<Bytes>,
    /// When the primary was last looked at. None: never seen.
    pub primary_at: Option<Timestamp>,
    /// From that look to the first one that failed: what was written then is not known but by its rate. None while the
    /// primary answers.
    pub unseen: Option<Duration>,
    /// The last position of the primary's log.
    pub primary_lsn: Option<Lsn>,
    /// What the replica has.
    pub replica_lsn: Option<Lsn>,
    /// Both were seen just now, so the number is exact up to what is being written at this moment.
    pub exact: bool,
}

impl Loss {
    /// The loss if the primary ended when we lost it. None: unknown, also when it is not known how fast the primary wrote
    /// after the last look at it.
    #[must_use]
    pub fn if_ended(&self) -> Option<Bytes> {
        self.with(self.after)
    }

    /// The largest loss: silence is no proof that the primary has ended, so as long as nothing else is, it counts as
    /// writing. None: unknown.
    #[must_use]
    pub fn at_most(&self) -> Option<Bytes> {
        self.with(self.writing.or(self.after))
    }

    fn with(&self, unseen: Option<Bytes>) -> Option<Bytes> {
        let unseen = if self.exact { Bytes(0) } else { unseen? };
        Some(Bytes(self.bytes?.0.saturating_add(unseen.0)))
    }

    /// In words: `0 B`, `an unknown amount`, or `at least 10.5 KiB, about 12.5 KiB if the old primary ended at 14:09:13, up
    /// to 106.5 KiB if it wrote on`. Without an age, since the words stand in records.
    #[must_use]
    pub fn words(&self) -> String {
        let (bytes, at) = match (self.bytes, self.exact, self.primary_at) {
            (None, _, _) => return "an unknown amount".to_owned(),
            (Some(bytes), false, Some(at)) => (bytes, at),
            (Some(bytes), _, _) => return bytes.to_string(),
        };
        let ended_at = at.saturating_add(self.unseen.unwrap_or_default()).unwrap_or(at).strftime("%H:%M:%S");
        // What the standby lacked at the last look is lost for certain; none of it says nothing.
        let least = |ended: Bytes| match bytes {
            Bytes(0) => String::new(),
            bytes if bytes == ended => String::new(),
            bytes => format!("at least {bytes}, "),
        };
        match (self.if_ended(), self.at_most()) {
            (Some(ended), Some(most)) if most > ended => {
                let least = least(ended);
                format!("{least}about {ended} if the old primary ended at {ended_at}, up to {most} if it wrote on")
            }
            (Some(ended), _) => format!("{}about {ended}, if the old primary ended at {ended_at}", least(ended)),
            (None, _) => {
                format!("at least {bytes}; what the old primary wrote after {} is not known", at.strftime("%H:%M:%S"))
            }
        }
    }

    /// The same in few words, for a narrow place: `about 12.5 KiB, up to 106.5 KiB if us-central1 wrote on`. `old` is the
    /// old primary's name.
    #[must_use]
    pub fn short(&self, old: &str) -> String {
        match (self.if_ended(), self.at_most(), self.bytes) {
            (Some(ended), _, _) if self.exact => ended.to_string(),
            (Some(ended), Some(most), _) if most > ended => format!("about {ended}, up to {most} if {old} wrote on"),
            (Some(ended), _, _) => format!("about {ended}"),
            (None, _, Some(bytes)) => format!("at least {bytes}; how much more is not known"),
            (None, _, None) => "an unknown amount".to_owned(),
        }
    }
}

impl Loss {
    /// From the least to the most, for where there is no room for more: `12.5 KiB to 106.5 KiB`.
    #[must_use]
    pub fn range(&self) -> String {
        match (self.if_ended(), self.at_most(), self.bytes) {
            (Some(ended), Some(most), _) if most > ended && !self.exact => format!("{ended} to {most}"),
            (Some(ended), _, _) => ended.to_string(),
            (None, _, Some(bytes)) => format!("{bytes} or more"),
            (None, _, None) => "an unknown amount".to_owned(),
        }
    }
}

/// How the standby follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Following {
    /// It streams, and its receiver has heard from the primary recently enough.
    Streaming,
    /// It says that it streams, and has heard nothing for longer than a healthy idle pair would.
    Silent(Duration),
    /// No receiver.
    NotStreaming,
    /// It is not a replica.
    NotAReplica,
    /// Not known now.
    Unknown,
}

impl Fleet {
    /// The region to leave and the region to activate, by the roles observed. None: no primary has ever been seen, or
    /// both are.
    #[must_use]
    pub fn direction(&self) -> Option<Direction> {
        let primary = |side: Side| self.region(side).role(self.now).is_primary();
        match (primary(Side::A), primary(Side::B)) {
            (true, false) => Some(Direction::activating(Side::B)),
            (false, true) => Some(Direction::activating(Side::A)),
            // Each was primary when last seen. A promotion starts a new timeline, so the newer one is the primary, also
            // while it is silent: the old one that came back is not.
            (true, true) if self.two_primaries() || self.two_systems().is_some() => None,
            (true, true) => {
                let timeline = |side| self.region(side).database.as_ref().map(|known| known.value.timeline);
                match timeline(Side::A).cmp(&timeline(Side::B)) {
                    std::cmp::Ordering::Greater => Some(Direction::activating(Side::B)),
                    std::cmp::Ordering::Less => Some(Direction::activating(Side::A)),
                    std::cmp::Ordering::Equal => None,
                }
            }
            (false, false) => None,
        }
    }

    /// Both databases of the pair are out of recovery now.
    #[must_use]
    pub fn two_primaries(&self) -> bool {
        let primary = |side| self.region(side).live_database(self.now).is_some_and(|d| d.primary().is_some());
        Side::BOTH.into_iter().all(primary) && self.two_systems().is_none()
    }

    /// What answers behind the two URLs now is no pair: neither is a copy of the other, so that their roles and timelines
    /// say nothing about each other.
    #[must_use]
    pub fn two_systems(&self) -> Option<PerSide<SystemId>> {
        let system = |side| self.region(side).live_database(self.now).map(|sample| sample.identity.system);
        let (a, b) = (system(Side::A)?, system(Side::B)?);
        (a != b).then(|| PerSide::new(a, b))
    }

    /// With two databases out of recovery now: the side on the older timeline, which is the primary of before. None: it
    /// is not so, or they can not be told apart.
    #[must_use]
    pub fn older_primary(&self) -> Option<Side> {
        if !self.two_primaries() {
            return None;
        }
        let timeline = |side| {
            let sample = self.region(side).live_database(self.now)?;
            sample.primary().map(|_| sample.timeline)
        };
        let (a, b) = (timeline(Side::A)?, timeline(Side::B)?);
        match a.cmp(&b) {
            std::cmp::Ordering::Less => Some(Side::A),
            std::cmp::Ordering::Greater => Some(Side::B),
            std::cmp::Ordering::Equal => None,
        }
    }

    /// How the standby follows.
    #[must_use]
    pub fn following(&self, standby: Side) -> Following {
        let Some(sample) = self.region(standby).live_database(self.now) else { return Following::Unknown };
        let Some(replica) = sample.replica() else { return Following::NotAReplica };
        if replica.receiver.as_ref().is_some_and(|receiver| receiver.status.is_none()) {
            // Not allowed to see it is not the same as nothing there.
            return Following::Unknown;
        }
        if !replica.streaming() {
            return Following::NotStreaming;
        }
        match message_age(sample, replica) {
            Some(age) if age > self.keepalive_limit(standby.other()) => Following::Silent(age),
            _ => Following::Streaming,
        }
    }

    /// Longest silence of a healthy idle pair: half of the primary's `wal_sender_timeout`, and five seconds.
    fn keepalive_limit(&self, primary: Side) -> Duration {
        let timeout = self
            .region(primary)
            .database
            .as_ref()
            .and_then(|known| known.value.primary())
            .map_or(Duration::from_secs(60), |state| state.wal_sender_timeout);
        if timeout.is_zero() { Duration::from_secs(3600) } else { timeout / 2 + Duration::from_secs(5) }
    }

    /// What promoting `direction.to` now would lose: last log position of the old primary − what the replica has.
    #[must_use]
    pub fn loss(&self, direction: Direction) -> Loss {
        let primary = self.region(direction.from);
        let replica_lsn = self
            .region(direction.to)
            .live_database(self.now)
            .and_then(DatabaseSample::replica)
            .and_then(ReplicaState::has);
        let position: Option<&Known<Lsn>> = primary.last_primary_lsn.as_ref();
        // From the first look that failed on, the last one is not exact any more, however young it is.
        let answers = primary.database_health.failing_since.is_none();
        let live = answers && primary.live_database(self.now).is_some_and(|d| d.primary().is_some());
        let bytes = match (position, replica_lsn) {
            (Some(known), Some(has)) => Some(known.value.ahead_of(has)),
            _ => None,
        };
        let unseen = position.map(|known| since(known.at, self.end_of(direction)));
        let out_of_sight = position.map(|known| since(known.at, self.now)).filter(|_| !live);
        let fenced = |sample: &DatabaseSample| sample.primary().is_some() && !sample.accepts_writes();
        let took_writes = primary.database.as_ref().is_none_or(|known| !fenced(&known.value));
        Loss {
            bytes,
            after: written(primary.log_rate(), unseen.filter(|_| !live)),
            writing: written(primary.log_rate(), out_of_sight.filter(|_| took_writes)),
            primary_at: position.map(|known| known.at),
            unseen: unseen.filter(|_| !live),
            primary_lsn: position.map(|known| known.value),
            replica_lsn,
            exact: live && bytes.is_some(),
        }
    }

    /// When we lost the primary: our first failed look at it, or later, when the replica has received something since;
    /// now, while it answers.
    fn end_of(&self, direction: Direction) -> Timestamp {
        let Some(failing) = self.region(direction.from).database_health.failing_since else { return self.now };
        let pulses = &self.region(direction.to).pulses;
        let advance =
            pulses.iter().zip(pulses.iter().skip(1)).filter(|(before, after)| after.received > before.received);
        advance.map(|(_, after)| after.at).next_back().map_or(failing, |at| at.max(failing))
    }

    /// Since when something of the region has not answered: the start of the outage, as far as we saw it.
    #[must_use]
    pub fn failing_since(&self, side: Side) -> Option<Timestamp> {
        let region = self.region(side);
        match (region.api.failing_since, region.database_health.failing_since) {
            (Some(api), Some(database)) => Some(api.min(database)),
            (one, other) => one.or(other),
        }
    }
}

/// Log written in a time at a rate in bytes per second.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a cast of a float saturates
fn written(rate: Option<f64>, span: Option<Duration>) -> Option<Bytes> {
    Some(Bytes((rate? * span?.as_secs_f64()) as u64))
}

/// How long ago the receiver heard from the primary, both by the replica's clock.
#[must_use]
pub fn message_age(sample: &DatabaseSample, replica: &ReplicaState) -> Option<Duration> {
    let heard = replica.receiver.as_ref()?.last_message?;
    Some(since(heard, sample.server_time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(bytes: u64, after: Option<u64>, writing: Option<u64>) -> Loss {
        Loss {
            bytes: Some(Bytes(bytes)),
            after: after.map(Bytes),
            writing: writing.map(Bytes),
            primary_at: Some(Timestamp::from_second(1_795_528_800).unwrap()),
            unseen: Some(Duration::from_secs(3)),
            primary_lsn: None,
            replica_lsn: None,
            exact: false,
        }
    }

    #[test]
    fn what_is_not_known_comes_before_what_is_lost_for_certain() {
        let cases = [
            (
                loss(0, Some(2048), Some(4096)),
                "about 2.0 KiB if the old primary ended at 14:00:03, up to 4.0 KiB if it wrote on",
            ),
            (
                loss(1024, Some(1024), Some(9216)),
                "at least 1.0 KiB, about 2.0 KiB if the old primary ended at 14:00:03, up to 10.0 KiB if it wrote on",
            ),
            (loss(0, Some(0), None), "about 0 B, if the old primary ended at 14:00:03"),
            (loss(0, None, None), "at least 0 B; what the old primary wrote after 14:00:00 is not known"),
            (Loss { exact: true, ..loss(7, None, None) }, "7 B"),
            (Loss { bytes: None, ..loss(0, None, None) }, "an unknown amount"),
        ];
        for (loss, words) in cases {
            assert_eq!(loss.words(), words);
        }
        assert_eq!(
            loss(0, Some(2048), Some(4096)).short("us-central1"),
            "about 2.0 KiB, up to 4.0 KiB if us-central1 wrote on"
        );
    }
}
