//! Gates about how the pair does on an ordinary day. They are alarms too.

use super::{Answer, Question};
use crate::domain::fleet::replication::Following;
use crate::domain::freshness::Source;
use crate::domain::region::Side;
use crate::domain::since;
use crate::domain::units::{age, many};
use std::time::Duration;

pub fn following(q: &Question<'_>) -> Answer {
    let to = q.direction.to;
    let source = Source::Database(to);
    match q.fleet.following(to) {
        Following::Streaming => Answer::pass(format!("{} streams", q.name(to))).on(q.evidence(source, "streaming")),
        Following::Silent(for_) => {
            Answer::warn(format!("{} streams, but has heard nothing for {}", q.name(to), age(for_)))
        }
        Following::NotStreaming => {
            Answer::warn(format!("{} does not stream: what is written now would be lost", q.name(to)))
        }
        Following::NotAReplica if q.facts.promoted => Answer::moot("it has been promoted"),
        Following::NotAReplica => Answer::warn(format!("{} is no replica", q.name(to))),
        Following::Unknown if q.fleet.region(to).live_database(q.fleet.now).is_some() => {
            Answer::unknown(format!("{} does not show its receiver", q.name(to)))
                .lift("the monitoring user needs pg_monitor")
        }
        Following::Unknown => Answer::unknown(q.silence(source)).lift("it has to answer"),
    }
}

pub fn slot(q: &Question<'_>) -> Answer {
    let from = q.direction.from;
    let Some(primary) = q.fleet.region(from).live_database(q.fleet.now).and_then(|d| d.primary()) else {
        return Answer::moot("the primary does not answer");
    };
    let bad = primary.slots.iter().find(|slot| matches!(slot.wal_status.as_deref(), Some("lost" | "unreserved")));
    match (bad, primary.slots.as_slice()) {
        (Some(slot), _) => Answer::warn(format!("slot {} is {}", slot.name, slot.wal_status.as_deref().unwrap_or("?"))),
        (None, []) => {
            Answer::warn("the primary has no replication slot: a replica that is away too long must be rebuilt")
        }
        (None, slots) => match slots.iter().find(|slot| !slot.active) {
            Some(slot) => {
                let kept = slot.retained.map(|b| format!(", {b} of log kept for it")).unwrap_or_default();
                Answer::warn(format!("slot {} is not in use{kept}", slot.name))
            }
            None => Answer::pass("slot reserved and in use").on(q.evidence(Source::Database(from), "slots")),
        },
    }
}

/// A finished run that stays `Pending` for the archive is not tried again soon by itself (measured on 3.7.4).
pub fn archive_backlog(q: &Question<'_>) -> Answer {
    let region = q.fleet.region(q.direction.from);
    if !region.table_freshness(&region.runs, q.fleet.now).usable() {
        return Answer::moot("runs of the primary are not known now");
    }
    match region.run_counts().unarchived {
        0 => Answer::pass("finished runs are archived"),
        n => Answer::warn(format!("{n} finished runs of {} are not in the archive", region.name))
            .lift("restart the workflow controller when its database is back"),
    }
}

/// Largest difference between a database's clock and ours that is not worth a word: cron seconds and lag seconds
/// stay right to a few of them.
const SKEW_MAX: Duration = Duration::from_secs(5);

pub fn clocks(q: &Question<'_>) -> Answer {
    let mut looks = 0;
    for side in Side::BOTH {
        let region = q.fleet.region(side);
        let known = region.database.as_ref().filter(|_| region.live_database(q.fleet.now).is_some());
        if let Some(known) = known {
            looks += 1;
            let (ours, theirs) = (known.at, known.value.server_time);
            let skew = since(ours.min(theirs), ours.max(theirs));
            if skew > SKEW_MAX {
                return Answer::warn(format!("the clock of {} db differs from ours by {}", region.name, age(skew)));
            }
        }
    }
    match looks {
        0 => Answer::unknown("no database's clock is seen now").lift("a database has to answer"),
        _ => Answer::pass("clocks agree within 5 s"),
    }
}

pub fn leads(q: &Question<'_>) -> Answer {
    let from = q.direction.from;
    let region = q.fleet.region(from);
    match region.live_controllers(q.fleet.now) {
        None => Answer::moot("the primary's API does not answer"),
        Some(c) => match c.leader(q.fleet.now) {
            Some(pod) => Answer::pass(format!("{} leads", pod.name)),
            None => Answer::block(format!("no workflow controller leads in {}: nothing moves on", region.name))
                .lift("see why: a crash, no node, an election that takes up to 26 s"),
        },
    }
}

/// Two active sides run everything twice. After a failover this is the alarm that the old region is back.
pub fn standby_quiet(q: &Question<'_>) -> Answer {
    let to = q.direction.to;
    let region = q.fleet.region(to);
    if q.facts.promoted && q.facts.activates.is_none_or(|side| side == to) {
        return Answer::moot("this run activates it");
    }
    let (controllers, crons) = (region.live_controllers(q.fleet.now), region.live_crons(q.fleet.now));
    let seen = controllers.is_some() && crons.is_some();
    let mut acts = Vec::new();
    if let Some(controllers) = controllers.filter(|controllers| !controllers.gone()) {
        let count = usize::try_from(controllers.wanted()).unwrap_or(1).max(controllers.pods.len());
        acts.push(many(count, "controller", "controllers"));
    }
    if let Some(crons) = crons {
        let active = crons.rows().values().filter(|cron| !cron.suspended).count();
        if active > 0 {
            acts.push(many(active, "active cron", "active crons"));
        }
    }
    if acts.is_empty() && !seen {
        Answer::unknown(format!("controllers and crons of {} are not both seen now", region.name))
            .lift("it has to answer")
    } else if acts.is_empty() {
        Answer::pass(format!("nothing acts in {}", region.name))
    } else {
        Answer::warn(format!("{} acts beside the primary: {}", region.name, acts.join(", "))).lift(q.fence_advice())
    }
}

pub fn one_primary(q: &Question<'_>) -> Answer {
    if q.fleet.two_systems().is_some()
        && let Some((text, lift)) = q.fleet.no_direction()
    {
        return Answer::block(text).lift(lift);
    }
    if q.fleet.two_primaries() {
        let both: Vec<String> = Side::BOTH
            .into_iter()
            .filter_map(|side| {
                let sample = q.fleet.region(side).live_database(q.fleet.now)?;
                let word = if sample.accepts_writes() { "takes writes" } else { "read-only" };
                Some(format!("{} timeline {} {word}", q.name(side), sample.timeline))
            })
            .collect();
        let writable = Side::BOTH
            .into_iter()
            .filter(|side| q.fleet.region(*side).live_database(q.fleet.now).is_some_and(|d| d.accepts_writes()))
            .count();
        if writable < 2 {
            return Answer::warn(format!(
                "two databases are out of recovery, one of them read-only: {}",
                both.join(", ")
            ))
            .lift("rebuild the old primary as a replica; until then a session may switch its fence off");
        }
        Answer::block(format!("two databases are out of recovery: {}", both.join(", ")))
            .lift(format!("the older timeline is the old primary: {}", q.fence_advice()))
    } else if Side::BOTH.into_iter().all(|side| q.fleet.region(side).live_database(q.fleet.now).is_some()) {
        let writable =
            |side: &Side| q.fleet.region(*side).live_database(q.fleet.now).is_some_and(|d| d.accepts_writes());
        match Side::BOTH.into_iter().find(writable) {
            Some(side) => Answer::pass(format!("{} alone accepts writes", q.name(side))),
            None => Answer::block("no database accepts writes: nothing is served")
                .lift("promote the standby (leeward playbook run failover, or resume the run), or undo the fence"),
        }
    } else {
        Answer::unknown("not both databases are seen now").lift("both have to answer")
    }
}
