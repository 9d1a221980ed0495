//! The state of the fleet as lines of text, the same facts as on the overview.

use crate::domain::dns::ServerKind;
use crate::domain::fleet::Fleet;
use crate::domain::fleet::happening::Weight;
use crate::domain::fleet::region::Region;
use crate::domain::fleet::replication::Following;
use crate::domain::freshness::{Freshness, Source};
use crate::domain::region::{PerSide, Side};
use crate::domain::units::{age, archive_rows, clock, count, fine, many};
use crate::domain::workflow::Phase;
use crate::domain::{Timestamp, since};
use crate::gates::Finding;
use crate::gates::alarms::Alarm;
use crate::gates::readiness::Readiness;
use std::fmt::Write;

/// The lines. `width` is only used to cut foreign text; nothing else is longer than 100 columns.
#[must_use]
pub fn text(fleet: &Fleet, readiness: &Readiness, alarms: &[Alarm]) -> String {
    let mut out = String::new();
    let simulated = if fleet.policy.simulated { "  SIMULATED" } else { "" };
    let at = fleet.now.strftime("%Y-%m-%d %H:%M:%SZ");
    let _ = writeln!(out, "{}{simulated}  {at}", fleet.policy.environment);
    for side in Side::BOTH {
        region(&mut out, fleet, fleet.region(side));
    }
    database(&mut out, fleet, readiness);
    dns(&mut out, fleet);
    verdict(&mut out, fleet, readiness);
    if !alarms.is_empty() {
        let _ = writeln!(out, "\nalarms");
    }
    for alarm in alarms {
        let word = if alarm.weight == Weight::Bad { "BAD " } else { "WARN" };
        let region = alarm.side.map(|side| format!("{} ", fleet.name(side))).unwrap_or_default();
        let advice = if alarm.advice.is_empty() { String::new() } else { format!("  → {}", alarm.advice) };
        let _ = writeln!(out, "  {word}  {region}{}{advice}", alarm.text);
    }
    out
}

fn line(out: &mut String, name: &str, text: &str) {
    let _ = writeln!(out, "  {name:<12}{text}");
}

/// "LIVE 1s", "STALE 41s: connect timed out", "BLIND: …".
fn health(fleet: &Fleet, source: Source) -> String {
    let health = fleet.health(source);
    let fresh = health.freshness(fleet.now);
    match &health.error {
        Some(error) => format!("{fresh}: {error}"),
        None => fresh.to_string(),
    }
}

/// " (as of 41s ago)" for what is not fresh, " (noted 3m ago)" for what an earlier process noted.
fn dated(at: Timestamp, remembered: bool, fresh: bool, now: Timestamp) -> String {
    match (remembered, fresh) {
        (true, _) => format!(" (noted {} ago by an earlier console)", age(since(at, now))),
        (false, false) => format!(" (as of {} ago)", age(since(at, now))),
        (false, true) => String::new(),
    }
}

fn region(out: &mut String, fleet: &Fleet, region: &Region) {
    let now = fleet.now;
    let role = match fleet.old_and_fenced(region.side) {
        Some(false) => "OLD PRIMARY, NOT FENCED",
        Some(true) => "fenced, to be rebuilt",
        None => region.role(now).word(),
    };
    let _ = writeln!(out, "\n{}  {role}", region.name);
    let api = Source::Kubernetes(region.side);
    let latency = region.api.latency.filter(|_| region.api.usable(now)).map(|l| format!("  {}", fine(l)));
    let version = region.identity.as_ref().map(|known| format!("  {}", known.value.version));
    let user = region.identity.as_ref().and_then(|known| known.value.user.clone()).map(|user| format!("  as {user}"));
    let parts = [latency, version, user].into_iter().flatten().collect::<String>();
    line(out, "api", &format!("{}{parts}", health(fleet, api)));
    line(out, "db", &health(fleet, Source::Database(region.side)));
    line(out, "metrics", &metrics(fleet, region));
    line(out, "nodes", &nodes(fleet, region));
    line(out, "controllers", &controllers(fleet, region));
    line(out, "runs", &runs(fleet, region));
    line(out, "crons", &crons(fleet, region));
}

fn metrics(fleet: &Fleet, region: &Region) -> String {
    let held = region.live_controllers(fleet.now).is_some_and(|controllers| controllers.wanted() == 0);
    match region.metrics.as_ref().map(|known| &known.value) {
        Some(None) => "no controller to scrape".to_owned(),
        None if held => "no controller to scrape".to_owned(),
        _ => health(fleet, Source::Metrics(region.side)),
    }
}

fn nodes(fleet: &Fleet, region: &Region) -> String {
    let table = &region.nodes;
    if !table.known() {
        return unknown(fleet, region, table.error.as_ref().map(ToString::to_string));
    }
    let fresh = region.table_freshness(table, fleet.now).usable();
    let dated = table.as_of().map(|at| dated(at, table.remembered.is_some(), fresh, fleet.now)).unwrap_or_default();
    format!("{}{dated}", region.node_counts())
}

fn unknown(fleet: &Fleet, region: &Region, error: Option<String>) -> String {
    match error {
        Some(error) => format!("unknown: {error}"),
        None if fleet.freshness(Source::Kubernetes(region.side)) == Freshness::Blind => "never seen".to_owned(),
        None => "not listed yet".to_owned(),
    }
}

fn controllers(fleet: &Fleet, region: &Region) -> String {
    let Some(known) = &region.controllers else { return unknown(fleet, region, None) };
    let controllers = &known.value;
    let fresh = region.live_controllers(fleet.now).is_some();
    let version =
        controllers.deployments.first().and_then(|d| d.version.clone()).map(|v| format!("  {v}")).unwrap_or_default();
    let leader = match controllers.leader(fleet.now) {
        _ if !fresh => String::new(),
        Some(pod) => format!("  {} leads", pod.name),
        None if controllers.wanted() == 0 => "  held, none leads, as it should be".to_owned(),
        None => "  none leads".to_owned(),
    };
    let crash = controllers.pods.iter().find_map(|pod| Some(format!("  {} {}", pod.name, pod.waiting.as_ref()?)));
    let dated = dated(known.at, known.remembered, fresh, fleet.now);
    format!(
        "{}/{} ready{version}{leader}{}{dated}",
        controllers.ready(),
        controllers.wanted(),
        crash.unwrap_or_default()
    )
}

fn runs(fleet: &Fleet, region: &Region) -> String {
    let table = &region.runs;
    if !table.known() {
        return unknown(fleet, region, table.error.as_ref().map(ToString::to_string));
    }
    let fresh = region.table_freshness(table, fleet.now).usable();
    let counts = region.run_counts();
    let dated = table.as_of().map(|at| dated(at, table.remembered.is_some(), fresh, fleet.now)).unwrap_or_default();
    let scope = match &region.scope {
        Some(namespaces) if !namespaces.is_empty() => format!("  in {} only", namespaces.join(", ")),
        _ => String::new(),
    };
    let unarchived =
        if counts.unarchived > 0 { format!("  {} not archived", counts.unarchived) } else { String::new() };
    // Notes are of unfinished runs alone: of the others nothing is known.
    let finished = match table.remembered {
        Some(_) => String::new(),
        None => format!("  failed {}  of {}", counts.failed, count(counts.total as u64)),
    };
    format!("running {}  pending {}{finished}{unarchived}{scope}{dated}", counts.running, counts.pending)
}

fn crons(fleet: &Fleet, region: &Region) -> String {
    let table = &region.crons;
    if !table.known() {
        return unknown(fleet, region, table.error.as_ref().map(ToString::to_string));
    }
    let fresh = region.live_crons(fleet.now).is_some();
    let active = table.rows().values().filter(|cron| !cron.suspended).count();
    let dated = table.as_of().map(|at| dated(at, table.remembered.is_some(), fresh, fleet.now)).unwrap_or_default();
    format!("{active} active  {} suspended{dated}", table.rows().len() - active)
}

fn database(out: &mut String, fleet: &Fleet, readiness: &Readiness) {
    let _ = writeln!(out, "\ndatabase");
    let Some(direction) = readiness.direction else {
        let word = match fleet.split() {
            Some(split) if split.fenced() => "one primary, no standby",
            Some(_) => "TWO PRIMARIES",
            None => "no primary has been seen",
        };
        line(out, "pair", word);
        for side in Side::BOTH {
            if let Some(sample) = fleet.region(side).live_database(fleet.now) {
                let what = match (sample.primary().is_some(), fleet.old_and_fenced(side)) {
                    (true, Some(_)) => "old primary",
                    (true, None) => "primary",
                    (false, _) => "replica",
                };
                let writes = if sample.accepts_writes() { "takes writes" } else { "read-only" };
                line(out, "", &format!("{} {what}, timeline {}, {writes}", fleet.name(side), sample.timeline));
            }
        }
        return;
    };
    let (from, to) = (fleet.name(direction.from), fleet.name(direction.to));
    let following = match fleet.following(direction.to) {
        Following::Streaming => "streaming".to_owned(),
        Following::Silent(silent) => format!("streaming, nothing heard for {}", age(silent)),
        Following::NotStreaming => "not streaming".to_owned(),
        Following::NotAReplica => "not a replica".to_owned(),
        Following::Unknown => "unknown now".to_owned(),
    };
    line(out, "pair", &format!("{from} → {to}  {following}"));
    let timelines = PerSide::new(Side::A, Side::B)
        .map(|_, side| fleet.region(*side).database.as_ref().map_or("?".to_owned(), |k| k.value.timeline.to_string()));
    line(out, "timeline", &format!("{} {}  {} {}", fleet.name(Side::A), timelines.a, fleet.name(Side::B), timelines.b));
    if let Some(loss) = &readiness.loss {
        let lsn = |lsn: Option<crate::domain::units::Lsn>| lsn.map_or("unknown".to_owned(), |lsn| lsn.to_string());
        let seen = match loss.primary_at {
            Some(at) if !loss.exact => format!(" (seen {} ago)", age(since(at, fleet.now))),
            _ => String::new(),
        };
        line(out, "log", &format!("{from} at {}{seen}  {to} has {}", lsn(loss.primary_lsn), lsn(loss.replica_lsn)));
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

fn dns(out: &mut String, fleet: &Fleet) {
    let Some(policy) = &fleet.policy.dns else { return };
    let _ = writeln!(out, "\ndns  {}", policy.name);
    line(out, "servers", &health(fleet, Source::Dns));
    let Some(known) = &fleet.dns else { return };
    for answer in &known.value.answers {
        let kind = if answer.kind == ServerKind::Authoritative { "authoritative" } else { "resolver" };
        let words = match &answer.result {
            Ok((addresses, ttl)) => {
                let list = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
                let meaning = policy.meaning(addresses).map_or("neither region", |side| fleet.name(side));
                format!("{list} = {meaning}  ttl {}", age(*ttl))
            }
            Err(why) => format!("no answer: {why}"),
        };
        line(out, kind, &format!("  {}  {words}", answer.server));
    }
}

fn verdict(out: &mut String, fleet: &Fleet, readiness: &Readiness) {
    let _ = writeln!(out, "\nreadiness  {}", readiness.headline());
    let Some(direction) = readiness.direction else {
        if let Some((why, advice)) = fleet.no_direction() {
            line(out, "why", &why);
            if !advice.is_empty() {
                line(out, "to do", &advice);
            }
        }
        return;
    };
    let caches = readiness.caches_new_after.map(|ttl| format!("  caches new by +{}", age(ttl))).unwrap_or_default();
    let target = clock(fleet.policy.rto_target);
    line(out, "takes", &format!("about {} of {target}{caches}", clock(readiness.takes)));
    if let Some(loss) = &readiness.loss {
        let rows = readiness.loss_rows.map(|rows| {
            format!(
                ", {} at the last counts",
                many(usize::try_from(rows).unwrap_or(usize::MAX), "archive row", "archive rows")
            )
        });
        let verb = if loss.exact { "loses" } else { "may lose" };
        line(out, verb, &format!("{}{}", loss.words(), rows.unwrap_or_default()));
    }
    let from = fleet.name(direction.from);
    let in_flight = readiness.in_flight.map_or(format!("runs of {from} were never seen"), |n| format!("{n} in {from}"));
    line(out, "in flight", &in_flight);
    findings(out, "blocked by", &readiness.blocks);
    findings(out, "warning", &readiness.warnings);
    findings(out, "work", &readiness.work);
}

fn findings(out: &mut String, word: &str, findings: &[Finding]) {
    for finding in findings {
        line(out, word, &format!("{}: {}", finding.gate, finding.answer.text));
        if word != "work" && !finding.answer.lift.is_empty() {
            line(out, "", &format!("  to lift it: {}", finding.answer.lift));
        }
    }
}

/// Phases that count as unfinished, for readers of the JSON form.
pub(super) const UNFINISHED: [Phase; 3] = [Phase::New, Phase::Pending, Phase::Running];
