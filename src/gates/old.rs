//! Gates about the region being left: does it still act, and can that be proven.

use super::{Answer, Question, Verdict};
use crate::domain::database::Receiver;
use crate::domain::fleet::region::{Pulse, Region, Stopped};
use crate::domain::freshness::{ErrorKind, Freshness, Source, SourceError};
use crate::domain::units::{age, many};
use crate::domain::{Timestamp, since};
use std::time::Duration;

/// The old primary answers and takes writes: nobody may promote beside it. A weak fence (new sessions read-only) counts
/// only while the controllers are proven gone, since a session may switch it off.
pub fn writes(q: &Question<'_>) -> Answer {
    let from = q.direction.from;
    let region = q.fleet.region(from);
    let source = Source::Database(from);
    let Some(sample) = region.live_database(q.fleet.now) else {
        return Answer::moot(format!("{}; whether it is fenced is asked by old-region-fenced", q.silence(source)));
    };
    if let Some(text) = region.stands_in(q.fleet.now) {
        return Answer::moot(format!("{text}; whether that is fenced is asked by old-region-fenced"));
    }
    let controllers_gone = region.stopped(q.fleet.now) == Stopped::Yes;
    if sample.primary().is_none() {
        return Answer::pass(format!("{} is a replica itself", region.name)).on(q.evidence(source, "in recovery"));
    }
    if sample.accepts_writes() {
        let answer = match no_fence(q) {
            None => Answer::block(format!("{} answers and accepts writes", region.name))
                .lift("fence it: the step fence-database makes new sessions read-only and ends the others")
                .by("fence-database", true),
            Some((why, lift)) => {
                Answer::block(format!("{} answers and accepts writes, and {why}", region.name)).lift(lift)
            }
        };
        return answer.on(q.evidence(source, "writable"));
    }
    if controllers_gone {
        Answer::pass(format!("{} is read-only for new sessions and its controllers are gone", region.name))
            .on(q.evidence(source, "default_transaction_read_only = on"))
    } else {
        Answer::block(format!("{} is read-only for new sessions, but its controllers are not proven gone", region.name))
            .lift("a session can switch that off: stop the controllers, or stop the database")
            .by("fence-controllers", region.api.usable(q.fleet.now))
            .on(q.evidence(source, "default_transaction_read_only = on"))
    }
}

/// Our line to the primary may be cut while the primary lives. Two looks at the replica, both after our first failed
/// look at the primary, between which it received something: then it lives. As long as the receiver still says that it
/// streams, silence proves nothing until `wal_receiver_timeout` has run out, since an idle primary sends nothing.
pub fn proof_of_life(q: &Question<'_>) -> Answer {
    let (from, to) = (q.direction.from, q.direction.to);
    let old = q.fleet.region(from);
    if q.facts.promoted {
        return Answer::moot("the replica has been promoted");
    }
    let stands_in = old.stands_in(q.fleet.now).is_some();
    if old.live_database(q.fleet.now).is_some() && !stands_in {
        return Answer::moot(format!("{} db answers", old.name));
    }
    if let Some(error) = old.database_health.error.as_ref().filter(|error| refuses(error)) {
        return Answer::block(format!("{} db lives: it answers, and refuses us: {error}", old.name))
            .lift("let the monitoring user in again, or stop the server");
    }
    // Of a primary that another server stands in for, the last look is the last one at it.
    let last_look = old.who.primary.as_ref().filter(|_| stands_in).map(|seen| seen.at);
    let Some(failing) = last_look.or(old.database_health.failing_since) else {
        return Answer::unknown(format!("{} db is late, and no look at it has failed yet", old.name))
            .lift("wait for the next look");
    };
    let Some(sample) = q.fleet.region(to).live_database(q.fleet.now) else {
        return Answer::unknown(q.silence(Source::Database(to))).lift("the replica has to answer");
    };
    let Some(replica) = sample.replica() else { return Answer::moot(format!("{} db is no replica", q.name(to))) };
    let hidden = |receiver: &Receiver| receiver.status.is_none() || receiver.last_message.is_none();
    if replica.receiver.as_ref().is_some_and(hidden) {
        return Answer::unknown(format!("{} does not show its receiver, so its silence means nothing", q.name(to)))
            .lift("the monitoring user needs pg_monitor")
            .on(q.evidence(Source::Database(to), "pg_stat_wal_receiver has no values"));
    }
    let pulses: Vec<&Pulse> = q.fleet.region(to).pulses.iter().filter(|pulse| pulse.at > failing).collect();
    let timeout = replica.wal_receiver_timeout;
    let advanced = last_advance(&pulses);
    let watched = unbroken_since(&pulses, q.fleet.now).unwrap_or(q.fleet.now).max(failing);
    judge(q, &Signs { watched, advanced, looks: pulses.len(), streaming: replica.streaming(), timeout })
}

/// Whoever answers is alive, also with an error: a refused log-in, too many clients, a start-up under way, another database
/// or an old certificate are all said by somebody.
fn refuses(error: &SourceError) -> bool {
    match error.kind {
        ErrorKind::Unauthorized
        | ErrorKind::Forbidden
        | ErrorKind::WrongIdentity
        | ErrorKind::Protocol
        | ErrorKind::Tls => true,
        ErrorKind::Timeout | ErrorKind::Unreachable | ErrorKind::Name | ErrorKind::NotConfigured => false,
    }
}

/// What the looks at the replica say.
struct Signs {
    /// Since when the replica has been watched without a gap, at the earliest our first failed look at the primary. What an
    /// earlier process saw, or what passed while this one was stopped, is no silence.
    watched: Timestamp,
    /// The newest look at the replica that found something new.
    advanced: Option<Timestamp>,
    /// Looks at the replica since `failing`.
    looks: usize,
    /// The receiver says that it streams.
    streaming: bool,
    /// `wal_receiver_timeout`; zero: the receiver never gives up by itself.
    timeout: Duration,
}

/// How long an advance counts when the receiver has gone: a live primary would be reconnected to within it.
const AFTER_RECEIVER_GONE: Duration = Duration::from_secs(10);

fn judge(q: &Question<'_>, signs: &Signs) -> Answer {
    let source = Source::Database(q.direction.to);
    let name = q.name(q.direction.from);
    let quiet = since(signs.advanced.map_or(signs.watched, |at| at.max(signs.watched)), q.fleet.now);
    let wait = if signs.streaming { signs.timeout } else { AFTER_RECEIVER_GONE };
    if signs.streaming && signs.timeout.is_zero() {
        return Answer::block(format!("the replica still streams, and wal_receiver_timeout = 0: {name} may live"))
            .lift("end the receiver's connection at the network, or look at the old primary from elsewhere")
            .on(q.evidence(source, "streaming"));
    }
    if signs.advanced.is_some() && quiet < wait {
        return Answer::block(format!(
            "{name} lives: the replica received from it {} ago; our line is cut",
            age(quiet)
        ))
        .lift("reach it another way and fence it; a promotion now would make two primaries")
        .on(q.evidence(source, "received something new after our first failed look"));
    }
    if signs.streaming && quiet < wait {
        let left = age(wait.saturating_sub(quiet));
        return Answer::block(format!("the replica still says that it streams; wait {left} for its timeout"))
            .lift("an idle primary sends nothing: only wal_receiver_timeout tells silence from death")
            .on(q.evidence(source, format!("streaming, nothing new for {}", age(quiet))));
    }
    if quiet < wait {
        return Answer::unknown(format!(
            "the replica has been watched for {} only; wait {}",
            age(quiet),
            age(wait - quiet)
        ))
        .lift("whether it still receives is told by looks without a gap, not by an earlier process");
    }
    if signs.looks < 2 {
        return Answer::unknown("fewer than two looks at the replica since the primary was lost").lift("wait a moment");
    }
    Answer::pass(format!("no sign of life of {name} for {}", age(quiet)))
        .on(q.evidence(source, format!("{} looks, nothing received", signs.looks)))
}

/// Longest time between two looks at the replica that still counts as watching it.
const GAP_MAX: Duration = Duration::from_secs(10);

/// Since when the looks follow each other up to now without a gap. None: they do not.
fn unbroken_since(pulses: &[&Pulse], now: Timestamp) -> Option<Timestamp> {
    let mut since_then = None;
    let mut later = now;
    for pulse in pulses.iter().rev() {
        if since(pulse.at, later) > GAP_MAX {
            break;
        }
        since_then = Some(pulse.at);
        later = pulse.at;
    }
    since_then
}

fn last_advance(pulses: &[&Pulse]) -> Option<Timestamp> {
    pulses
        .windows(2)
        .filter_map(|pair| match pair {
            [before, after] => {
                let new_log = matches!((before.received, after.received), (Some(a), Some(b)) if b > a);
                let new_message = matches!((before.last_message, after.last_message), (Some(a), Some(b)) if b > a);
                (new_log || new_message).then_some(after.at)
            }
            _ => None,
        })
        .next_back()
}

/// The old region can not act: crons suspended, controllers gone, database not taking writes. All three, on fresh
/// evidence, or the gate holds.
pub fn fenced(q: &Question<'_>) -> Answer {
    let from = q.direction.from;
    let region = q.fleet.region(from);
    let parts = [crons(q, region), controllers(q, region), database(q, region)];
    let worst = parts.iter().map(|part| part.0).max().unwrap_or(Verdict::Unknown);
    let api = q.fleet.freshness(Source::Kubernetes(from));
    let db = q.fleet.freshness(Source::Database(from));
    let open: Vec<&str> = parts.iter().filter(|part| part.0.holds()).map(|part| part.1.as_str()).collect();
    let step = parts.iter().find(|part| part.0 == Verdict::Block).map(|part| part.2);
    let answer = match worst {
        Verdict::Pass => Answer::pass(format!("{}: {}", region.name, parts.map(|part| part.1).join(", "))),
        Verdict::Block => {
            // What is reachable can be fenced by a step; what is not keeps the gate from ever passing.
            let all_reachable = parts.iter().all(|part| part.0 != Verdict::Unknown);
            Answer::block(format!("{} still can act: {}", region.name, open.join(", ")))
                .lift("the fence steps of the playbook")
                .by(step.unwrap_or("fence-controllers"), all_reachable && no_fence(q).is_none())
        }
        _ => Answer::unknown(format!("{} can not be proven fenced: {}", region.name, open.join(", ")))
            .lift(format!("let it answer, or stop it from outside; {}", q.way_on())),
    };
    answer
        .on(q.evidence(Source::Kubernetes(from), api.to_string()))
        .on(q.evidence(Source::Database(from), db.to_string()))
}

/// Why the step that fences the database can not be done, and what would change that. None: its user has been tried, and
/// has what all three statements need.
fn no_fence(q: &Question<'_>) -> Option<(String, String)> {
    let (from, name) = (q.direction.from, q.name(q.direction.from));
    if !q.fleet.policy.regions.get(from).operator_configured {
        let why = format!("no database user that may fence {name} is configured");
        return Some((why, format!("set regions.{name}.database.operator")));
    }
    match q.fleet.region(from).operator.as_ref().map(|known| &known.value) {
        Some(Ok(rights)) if rights.fence && rights.terminate => None,
        Some(Ok(rights)) => Some((
            format!("{} may not fence {name}", rights.user),
            "GRANT ALTER SYSTEM ON PARAMETER default_transaction_read_only, pg_signal_backend, EXECUTE on pg_reload_conf()"
                .to_owned(),
        )),
        Some(Err(error)) => Some((
            format!("the operator's database user can not be tried in {name}: {error}"),
            format!("look at regions.{name}.database.operator and its password"),
        )),
        None => Some((
            format!("the operator's database user has not been tried in {name} yet"),
            "wait for the first try".to_owned(),
        )),
    }
}

fn crons(q: &Question<'_>, region: &Region) -> (Verdict, String, &'static str) {
    const STEP: &str = "suspend-crons";
    match region.live_crons(q.fleet.now) {
        None => (Verdict::Unknown, "crons unknown".to_owned(), STEP),
        Some(table) => match table.rows().values().filter(|cron| !cron.suspended).count() {
            0 => (Verdict::Pass, "crons suspended".to_owned(), STEP),
            n => (Verdict::Block, format!("{} active", many(n, "cron", "crons")), STEP),
        },
    }
}

fn controllers(q: &Question<'_>, region: &Region) -> (Verdict, String, &'static str) {
    const STEP: &str = "fence-controllers";
    match region.stopped(q.fleet.now) {
        Stopped::Yes => (Verdict::Pass, "controllers gone".to_owned(), STEP),
        Stopped::No(why) => (Verdict::Block, why, STEP),
        Stopped::Unknown(why) => (Verdict::Unknown, why, STEP),
    }
}

fn database(q: &Question<'_>, region: &Region) -> (Verdict, String, &'static str) {
    const STEP: &str = "fence-database";
    match region.live_database(q.fleet.now) {
        None => (Verdict::Unknown, "database unknown".to_owned(), STEP),
        Some(_) if region.stands_in(q.fleet.now).is_some() => {
            (Verdict::Unknown, region.stands_in(q.fleet.now).unwrap_or_default(), STEP)
        }
        Some(sample) if sample.primary().is_none() => (Verdict::Pass, "database is a replica".to_owned(), STEP),
        Some(sample) if sample.accepts_writes() => (Verdict::Block, "database writable".to_owned(), STEP),
        Some(_) => (Verdict::Pass, "database read-only".to_owned(), STEP),
    }
}

pub fn fence_right(q: &Question<'_>) -> Answer {
    let from = q.direction.from;
    let configured = q.fleet.policy.regions.get(from).operator_configured;
    if configured && !q.fleet.freshness(Source::Database(from)).usable() {
        return Answer::moot(format!("{} db does not answer, so it can not be fenced from here", q.name(from)));
    }
    let tried = q.fleet.region(from).operator.as_ref();
    match (no_fence(q), tried.and_then(|known| known.value.as_ref().ok())) {
        (None, Some(rights)) => Answer::pass(format!("{} may fence {}", rights.user, q.name(from))),
        (Some((why, lift)), _) if configured && tried.is_none() => Answer::unknown(why).lift(lift),
        (Some((why, lift)), _) => Answer::warn(why).lift(lift),
        (None, None) => Answer::unknown("the operator's database user has not been tried yet").lift("wait"),
    }
}

/// Crons: in the new region exactly those become active that were active in the old one when last known.
pub fn crons_known(q: &Question<'_>) -> Answer {
    let region = q.fleet.region(q.direction.from);
    let active = region.crons.rows().values().filter(|cron| !cron.suspended).count();
    match (region.table_freshness(&region.crons, q.fleet.now), region.crons.as_of()) {
        (freshness, _) if freshness.usable() => {
            Answer::pass(format!("{} active in {}", many(active, "cron", "crons"), region.name))
        }
        (Freshness::Blind, _) | (_, None) => {
            Answer::unknown(format!("which crons were active in {} was never seen", region.name))
                .lift("after the failover, resume crons by hand")
        }
        (_, Some(at)) => Answer::warn(format!(
            "{} active in {} {} ago",
            many(active, "cron was", "crons were"),
            region.name,
            age(since(at, q.fleet.now))
        )),
    }
}
