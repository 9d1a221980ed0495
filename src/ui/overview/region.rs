//! One region in six lines. What is no longer known stays, dimmed and dated; what never was known says so.

use crate::console::pages::words::moment;
use crate::console::row::{Piece, Row, Sign, Tone, width};
use crate::console::state::State;
use crate::domain::fleet::region::Region;
use crate::domain::freshness::{Freshness, Known};
use crate::domain::kubernetes::{Controllers, NodeCounts};
use crate::domain::region::Side;
use crate::domain::units::{age, count, fine, many};

pub fn rows(state: &State, side: Side, columns: usize) -> Vec<Row> {
    let region = state.fleet.region(side);
    let now = state.fleet.now;
    let silent = !region.api.usable(now);
    let seen = region.api.last_answer.is_some() || region.controllers.is_some() || region.runs.known();
    let mut rows = vec![api(state, region, columns)];
    if silent && seen {
        rows.push(as_of(state, region));
    }
    rows.push(controllers(state, region, side));
    if !(silent && seen) {
        rows.push(leader(state, region, columns));
    }
    rows.push(runs(state, side, region));
    rows.push(if silent && region.runs.known() {
        Row::new().dim("may still run: pods need no controller")
    } else {
        unfinished(state, side, region, columns)
    });
    rows.push(crons(state, side, region));
    rows
}

fn api(state: &State, region: &Region, columns: usize) -> Row {
    let health = &region.api;
    let fresh = health.freshness(state.fleet.now);
    // What a vendor adds to the version is told by nothing here, and takes the room of the nodes.
    let version = region.identity.as_ref().and_then(|known| known.value.version.split(['+', '-']).next());
    let version = version.map(|version| format!("  {version}")).unwrap_or_default();
    match (fresh, &health.error) {
        (Freshness::Live(_) | Freshness::Late(_), _) => {
            let latency = health.latency.map(fine).unwrap_or_default();
            Row::new().dim("api ").say(latency).dim(version).fill().then(nodes(state, region))
        }
        (Freshness::Stale(span), error) => {
            let short = format!(" no answer for {}", age(span));
            let whole = error.as_ref().map(|error| format!("{short}: {error}"));
            // What does not fit beside the label and a sign of up to four columns stands in the alarm below.
            let text = whole.filter(|text| width(text) + 8 <= columns).unwrap_or(short);
            Row::new().dim("api ").sign(Sign::Block, Tone::Bad).add(text, Tone::Bad)
        }
        (Freshness::Blind, Some(error)) => {
            Row::new().dim("api ").sign(Sign::Block, Tone::Bad).add(format!(" {error}"), Tone::Bad)
        }
        (Freshness::Blind, None) => {
            Row::new().dim("api ").sign(Sign::Unknown, Tone::Unknown).add(" no answer yet", Tone::Unknown)
        }
    }
}

fn nodes(state: &State, region: &Region) -> Row {
    if !region.nodes.known() {
        let why = region.nodes.error.as_ref().map_or("nodes not known", |_| "nodes not readable");
        return Row::of(why, Tone::Unknown);
    }
    let counts = region.node_counts();
    let usable = region.table_freshness(&region.nodes, state.fleet.now).usable();
    let tone = if !usable {
        Tone::Old
    } else if counts.schedulable < counts.total {
        Tone::Warn
    } else {
        Tone::Plain
    };
    Row::new().dim("nodes ").add(format!("{}/{} ready{}", counts.ready, counts.total, cordoned(counts)), tone)
}

/// `, 1 cordoned`, or nothing.
pub(super) fn cordoned(counts: NodeCounts) -> String {
    if counts.cordoned > 0 { format!(", {} cordoned", counts.cordoned) } else { String::new() }
}

/// Of when the lines below are.
fn as_of(state: &State, region: &Region) -> Row {
    let now = state.fleet.now;
    let remembered =
        region.controllers.as_ref().filter(|known| known.remembered).map(|known| known.at).or(region.runs.remembered);
    match (region.api.last_answer, remembered) {
        (Some(at), _) => Row::of(format!("below: as of {}", moment(at, now)), Tone::Old),
        (None, Some(at)) => {
            let span = age(crate::domain::since(at, now));
            Row::of(format!("below: from notes of {}, {span} old", moment(at, now)), Tone::Warn)
        }
        (None, None) => Row::of("below: not seen by this console", Tone::Old),
    }
}

fn controllers(state: &State, region: &Region, side: Side) -> Row {
    let label = Row::new().dim("controller ");
    let Some(Known { value, .. }) = &region.controllers else { return label.add("never seen", Tone::Unknown) };
    let live = region.live_controllers(state.fleet.now).is_some();
    let version = value.deployments.first().and_then(|one| one.version.clone());
    let version = version.map(|version| format!("  {version}")).unwrap_or_default();
    let text = match value.deployments.len() {
        0 => "no Deployment".to_owned(),
        _ => format!("{}/{}", value.ready(), value.wanted()),
    };
    if !live {
        return label.add(text + &version, Tone::Old).fill().add("unknown now", Tone::Unknown);
    }
    let row = label.add(text, if value.deployments.is_empty() { Tone::Warn } else { Tone::Plain }).dim(version);
    row.fill().then(queue(state, region, value, side))
}

/// What the controller's own metrics add.
fn queue(state: &State, region: &Region, controllers: &Controllers, _: Side) -> Row {
    if controllers.gone() {
        return Row::of("held", Tone::Dim);
    }
    let metrics = region.metrics.as_ref().filter(|_| region.metrics_health.usable(state.fleet.now));
    match metrics.and_then(|known| known.value.as_ref()).and_then(|sample| sample.queue_depth) {
        Some(depth) => Row::new().dim("queue ").say(format!("{depth:.0}")),
        None => Row::of("queue not known", Tone::Dim),
    }
}

fn leader(state: &State, region: &Region, columns: usize) -> Row {
    let label = Row::new().dim("leader ");
    let Some(controllers) = region.live_controllers(state.fleet.now) else {
        return label.add("not known", Tone::Unknown);
    };
    match controllers.leader(state.fleet.now) {
        Some(pod) => label.say(end(&pod.name, columns.saturating_sub(7))),
        None if controllers.gone() && as_it_should_be(state, region) => label.dim("none, as it should be"),
        None => {
            let crash = controllers.pods.iter().find_map(|pod| pod.waiting.clone());
            let why = crash.map(|why| format!(": {why}")).unwrap_or_default();
            label.sign(Sign::Warn, Tone::Warn).add(format!(" none{why}"), Tone::Warn)
        }
    }
}

/// The end of a pod's name, which is what tells it from its brothers, in so many columns.
pub(super) fn end(name: &str, columns: usize) -> String {
    let left_out = name.chars().count().saturating_sub(columns);
    if left_out == 0 { name.to_owned() } else { format!("…{}", name.chars().skip(left_out + 1).collect::<String>()) }
}

/// Nobody leads in a standby, nor in a primary of before.
fn as_it_should_be(state: &State, region: &Region) -> bool {
    let old = state.fleet.split().and_then(|split| split.old) == Some(region.side);
    old || !region.role(state.fleet.now).is_primary()
}

fn runs(state: &State, side: Side, region: &Region) -> Row {
    if !region.runs.known() {
        let why = region.runs.error.as_ref().map_or_else(|| "never seen".to_owned(), ToString::to_string);
        return Row::new().dim("runs ").add(why, Tone::Unknown);
    }
    let counts = state.runs.counts.get(side);
    let old = !region.table_freshness(&region.runs, state.fleet.now).usable();
    let tone = if old { Tone::Old } else { Tone::Plain };
    let number = |n: usize| count(n as u64);
    let row = Row::new()
        .dim("running ")
        .add(number(counts.running), tone)
        .dim("  pending ")
        .add(number(counts.pending), tone);
    // Notes are of unfinished runs alone.
    let row = match region.runs.remembered {
        Some(_) => row,
        None if old => row,
        None => row.dim("  failed ").add(failed(state, side), tone),
    };
    if old {
        return row.fill().add("unknown now", Tone::Unknown);
    }
    match region.scope.as_deref() {
        Some([only]) => row.fill().dim(format!("in {only}")),
        Some(names) if !names.is_empty() => {
            row.fill().dim(format!("in {}", many(names.len(), "namespace", "namespaces")))
        }
        _ => row,
    }
}

/// Runs that ended badly: of those that are kept, so there may be more.
pub(super) fn failed(state: &State, side: Side) -> String {
    let more = if state.fleet.region(side).runs.let_go > 0 { "+" } else { "" };
    format!("{}{more}", count(state.runs.counts.get(side).failed as u64))
}

/// How the number of unfinished runs went, as the controller's metrics tell.
fn unfinished(state: &State, side: Side, region: &Region, columns: usize) -> Row {
    use crate::console::pages::metrics::{Chart, newest};
    let label = Row::new().dim("metrics ");
    let values: Vec<f64> = region.charts.unfinished.points().map(|point| point.1).collect();
    let (text, tone) = newest(state, side, Chart::Unfinished);
    if values.is_empty() {
        return label.add(text, if tone == Tone::Unknown { Tone::Dim } else { tone });
    }
    let room = u16::try_from(columns.saturating_sub(8 + text.len() + 12).min(40)).unwrap_or(8);
    label.piece(Piece::Spark(values, room, tone)).say(" ").add(text, tone).dim(" unfinished")
}

fn crons(state: &State, side: Side, region: &Region) -> Row {
    let label = Row::new().dim("crons ");
    if !region.crons.known() {
        let why = region.crons.error.as_ref().map_or_else(|| "never seen".to_owned(), ToString::to_string);
        return label.add(why, Tone::Unknown);
    }
    let counts = state.derived.crons.get(side);
    let text = match (counts.active, counts.suspended) {
        (0, 0) => "none".to_owned(),
        (active, 0) => format!("{active} active"),
        (0, suspended) => format!("{suspended} suspended"),
        (active, suspended) => format!("{active} active, {suspended} suspended"),
    };
    if region.live_crons(state.fleet.now).is_some() {
        label.say(text)
    } else if counts.active > 0 {
        let text = format!("{} active", counts.active);
        label.add(text, Tone::Old).fill().sign(Sign::Warn, Tone::Warn).add(" fire on its return", Tone::Warn)
    } else {
        label.add(text, Tone::Old).fill().add("unknown now", Tone::Unknown)
    }
}
