//! The two databases as they stand: role, timeline and position of each, also while there is no direction, and how far
//! the standby is behind. The facts once, for the text and for the JSON. Pure.

use super::status::{dated, line};
use crate::domain::database::DatabaseSample;
use crate::domain::fleet::Fleet;
use crate::domain::fleet::replication::{Following, Loss};
use crate::domain::freshness::Known;
use crate::domain::region::{Direction, Side};
use crate::domain::since;
use crate::domain::units::{Bytes, Lsn, age, archive_rows, clock, fine};
use crate::gates::readiness::Readiness;
use std::fmt::Write;
use std::time::Duration;

/// What one server is in the pair, as the text and the JSON call it.
pub(super) fn what(fleet: &Fleet, side: Side, sample: &DatabaseSample) -> &'static str {
    match (sample.primary().is_some(), fleet.old_and_fenced(side)) {
        (true, Some(_)) => "old primary",
        (true, None) => "primary",
        (false, _) => "replica",
    }
}

/// How the pair stands, in a word that the JSON has too.
pub(super) fn pair_word(fleet: &Fleet, readiness: &Readiness) -> &'static str {
    let Some(way) = readiness.direction else { return fleet.no_pair() };
    match fleet.following(way.to) {
        Following::Streaming => "streaming",
        Following::Silent(_) => "streaming, but silent",
        Following::NotStreaming => "not streaming",
        Following::NotAReplica => "not a replica",
        Following::Unknown => "not known now",
    }
}

/// The section of the text.
pub(super) fn section(out: &mut String, fleet: &Fleet, readiness: &Readiness) {
    let _ = writeln!(out, "\ndatabase");
    let word = pair_word(fleet, readiness);
    match readiness.direction {
        None => line(out, "pair", word),
        Some(way) => {
            let silent = match fleet.following(way.to) {
                Following::Silent(silent) => format!(": nothing heard for {}", age(silent)),
                _ => String::new(),
            };
            line(out, "pair", &format!("{} → {}  {word}{silent}", fleet.name(way.from), fleet.name(way.to)));
        }
    }
    let width = Side::BOTH.into_iter().map(|side| fleet.name(side).chars().count()).max().unwrap_or(0).max(11);
    for side in Side::BOTH {
        let _ = writeln!(out, "  {:<width$} {}", fleet.name(side), server(fleet, side));
    }
    if let (Some(way), Some(loss)) = (readiness.direction, &readiness.loss) {
        line(out, "behind", &behind(fleet, way, loss));
    }
    let archive = Side::BOTH.map(|side| match &fleet.region(side).archive {
        Some(known) => {
            let rows = known.value.rows.map_or("rows unknown".to_owned(), archive_rows);
            let fresh = fleet.region(side).database_health.usable(fleet.now);
            format!("{} {rows}{}", fleet.name(side), dated(known.at, known.remembered, fresh, fleet.now))
        }
        None => format!("{} unknown", fleet.name(side)),
    });
    line(out, "archive", &archive.join("  "));
}

/// "primary, timeline 1, at 0/3042000, takes writes", and of when that is.
fn server(fleet: &Fleet, side: Side) -> String {
    let region = fleet.region(side);
    let Some(known) = &region.database else {
        let why = region.database_health.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        return match &region.last_primary_lsn {
            Some(Known { value, at, remembered }) => {
                format!("was primary at {value}{}, not known now{why}", dated(*at, *remembered, false, fleet.now))
            }
            None => format!("never seen{why}"),
        };
    };
    let sample = &known.value;
    let fresh = region.live_database(fleet.now).is_some();
    let (was, what, timeline) = (if fresh { "" } else { "was " }, what(fleet, side, sample), sample.timeline);
    let positions = match (sample.primary(), sample.replica()) {
        (Some(primary), _) => {
            let writes = match (sample.accepts_writes(), fresh) {
                (true, true) => "takes writes",
                (true, false) => "took writes",
                (false, _) => "read-only",
            };
            format!("at {}, {writes}", primary.lsn)
        }
        (None, Some(replica)) => {
            let paused = if replica.replay_paused { ", replay is PAUSED" } else { "" };
            format!(
                "received {}, replayed {}, {} not replayed{paused}",
                position(replica.received),
                position(replica.replayed),
                replica.to_replay().map_or_else(|| "an unknown amount".to_owned(), |bytes| bytes.to_string()),
            )
        }
        (None, None) => String::new(),
    };
    format!("{was}{what}, timeline {timeline}, {positions}{}", dated(known.at, known.remembered, fresh, fleet.now))
}

fn position(lsn: Option<Lsn>) -> String {
    lsn.map_or_else(|| "unknown".to_owned(), |lsn| lsn.to_string())
}

/// What the standby lacks, and what it has still to replay, each in bytes and, by the rate seen, about in time.
fn behind(fleet: &Fleet, way: Direction, loss: &Loss) -> String {
    let (from, to) = (fleet.name(way.from), fleet.name(way.to));
    let in_time = |bytes: Bytes| in_time(fleet, way, bytes).map(|span| format!(", about {} of log", fine(span)));
    let lacks = match (loss.bytes, loss.primary_at) {
        (Some(bytes), _) if loss.exact => {
            format!("{to} lacks {bytes}{}", in_time(bytes).unwrap_or_default())
        }
        (Some(bytes), Some(at)) => {
            let later = match loss.after {
                Some(after) => format!("about {after}"),
                None => "an unknown amount".to_owned(),
            };
            format!(
                "{to} lacked {bytes} of {from}'s log as seen {} ago; until it was lost it wrote {later} more",
                age(since(at, fleet.now))
            )
        }
        _ => format!("what {to} lacks is not known"),
    };
    match not_replayed(fleet, way).filter(|bytes| bytes.0 > 0) {
        Some(bytes) => {
            let time = in_time(bytes).unwrap_or_default();
            format!("{lacks}; it has {bytes}{time} to replay, which costs time and no data")
        }
        None => lacks,
    }
}

/// The time whose work would be lost, against the target. By the rate at which the log was written, and so about.
pub(super) fn rpo(fleet: &Fleet, way: Direction, loss: &Loss) -> String {
    let target = clock(fleet.policy.rpo_target);
    match lost_time(fleet, way, loss) {
        Some(lost) if lost > fleet.policy.rpo_target => {
            format!("about {} of work, MORE THAN THE TARGET of {target}", fine(lost))
        }
        Some(lost) if lost.is_zero() => format!("no time of work (target {target})"),
        Some(lost) => format!("about {} of work (target {target})", fine(lost)),
        None => format!("an unknown time of work (target {target})"),
    }
}

/// The time whose work would be lost. None: not known.
pub(super) fn lost_time(fleet: &Fleet, way: Direction, loss: &Loss) -> Option<Duration> {
    let lacks = match loss.bytes? {
        Bytes(0) => Duration::ZERO,
        bytes => in_time(fleet, way, bytes)?,
    };
    Some(lacks + loss.unseen.filter(|_| !loss.exact).unwrap_or_default())
}

/// What the standby has received and not replayed. None: not known now.
pub(super) fn not_replayed(fleet: &Fleet, way: Direction) -> Option<Bytes> {
    fleet.region(way.to).live_database(fleet.now).and_then(DatabaseSample::replica)?.to_replay()
}

/// How long the primary took to write so much, by the rate at which it was seen to: an estimate, never a fact. None: it
/// writes next to nothing, or its rate is not known.
pub(super) fn in_time(fleet: &Fleet, way: Direction, bytes: Bytes) -> Option<Duration> {
    let rate = fleet.region(way.from).log_rate().filter(|rate| *rate > 1.0 && bytes.0 > 0)?;
    #[allow(clippy::cast_precision_loss)]
    Duration::try_from_secs_f64(bytes.0 as f64 / rate).ok()
}
