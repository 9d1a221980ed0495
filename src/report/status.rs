//! The state of the fleet as lines of text, the same facts as on the overview.

use super::{controllers, pair};
use crate::domain::dns::ServerKind;
use crate::domain::fleet::Fleet;
use crate::domain::fleet::happening::Weight;
use crate::domain::fleet::region::Region;
use crate::domain::freshness::{Freshness, Source};
use crate::domain::region::Side;
use crate::domain::text::clean_lines;
use crate::domain::units::{age, clock, count, fine, many};
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
    pair::section(&mut out, fleet, readiness);
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
    clean_lines(&out)
}

pub(super) fn line(out: &mut String, name: &str, text: &str) {
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

/// " (as of 41s ago)" for what is not fresh, " (from notes, 3m old)" for what an earlier process noted.
pub(super) fn dated(at: Timestamp, remembered: bool, fresh: bool, now: Timestamp) -> String {
    match (remembered, fresh) {
        (true, _) => format!(" (from notes, {} old)", age(since(at, now))),
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
    line(out, "controllers", &controllers::text(fleet, region));
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

pub(super) fn unknown(fleet: &Fleet, region: &Region, error: Option<String>) -> String {
    match error {
        Some(error) => format!("unknown: {error}"),
        None if fleet.freshness(Source::Kubernetes(region.side)) == Freshness::Blind => "never seen".to_owned(),
        None => "not listed yet".to_owned(),
    }
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
        None => format!("  failed {}  of {} in all", counts.failed, count(counts.total as u64)),
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

fn dns(out: &mut String, fleet: &Fleet) {
    let Some(policy) = &fleet.policy.dns else { return };
    let _ = writeln!(out, "\ndns  {}", policy.name);
    line(out, "servers", &health(fleet, Source::Dns));
    let Some(known) = &fleet.dns else { return };
    let fresh = fleet.freshness(Source::Dns).usable();
    let dated = dated(known.at, known.remembered, fresh, fleet.now);
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
        line(out, kind, &format!("  {}  {words}{dated}", answer.server));
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
    let caches =
        readiness.caches_new_after.map(|ttl| format!("; all caches are new {} later", age(ttl))).unwrap_or_default();
    let target = clock(fleet.policy.rto_target);
    line(out, "takes", &format!("about {} (target {target}){caches}", clock(readiness.takes)));
    if let Some(loss) = &readiness.loss {
        let rows = readiness.loss_rows.map(|rows| {
            format!(
                ", {} at the last counts",
                many(usize::try_from(rows).unwrap_or(usize::MAX), "archive row", "archive rows")
            )
        });
        let verb = if loss.exact { "loses" } else { "may lose" };
        line(out, verb, &format!("{}{}", loss.words(), rows.unwrap_or_default()));
        line(out, "", &pair::rpo(fleet, direction, loss));
    }
    line(out, "in flight", &in_flight(fleet, readiness, direction.from));
    findings(out, "blocked by", &readiness.blocks);
    findings(out, "warning", &readiness.warnings);
    findings(out, "work", &readiness.work);
}

fn in_flight(fleet: &Fleet, readiness: &Readiness, from: Side) -> String {
    let region = fleet.region(from);
    let Some(number) = readiness.in_flight else { return format!("runs of {} were never seen", region.name) };
    let table = &region.runs;
    let fresh = region.table_freshness(table, fleet.now).usable();
    let dated = table.as_of().map(|at| dated(at, table.remembered.is_some(), fresh, fleet.now)).unwrap_or_default();
    format!("{} in {}{dated}", many(number, "run", "runs"), region.name)
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
