//! The overview in one column: the two regions as a table, then the database, readiness, what holds, the loudest alarm,
//! and the runs.

use super::super::look::Look;
use super::super::timeline::weighty;
use super::{database, readiness, region_title};
use crate::console::pages::words::{alarm_lines, verdict};
use crate::console::row::{Piece, Row, Tone, cut, pad, width};
use crate::console::state::State;
use crate::domain::database::{DatabaseSample, ReplicaState};
use crate::domain::fleet::region::Region;
use crate::domain::freshness::Freshness;
use crate::domain::region::{PerSide, Side};
use crate::domain::units::{age, count, fine};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

const LABEL: usize = 12;

pub fn paint(buf: &mut Buffer, area: Rect, state: &State, look: &Look<'_>) {
    let heights = state.dense_overview();
    let mut y = area.y;
    let mut next = |height: u16| {
        let place = Rect { y, height, ..area }.intersection(area);
        y += height;
        place
    };
    regions(buf, inner(next(heights.regions)), state, look);
    look.rule(buf, next(1));
    let place = inner(next(heights.middle));
    look.rows(buf, place, &middle(state, usize::from(place.width)));
    look.rule(buf, next(1));
    super::super::runs::paint_table(buf, next(heights.runs), state, look);
}

fn inner(area: Rect) -> Rect {
    Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area }
}

fn regions(buf: &mut Buffer, area: Rect, state: &State, look: &Look<'_>) {
    let cell = (usize::from(area.width).saturating_sub(LABEL)) / 2;
    let lines: [(&str, PerSide<Row>); 5] = [
        ("", state.fleet.regions.map(|side, _| region_title(state, side))),
        ("api", state.fleet.regions.map(|_, region| api(state, region, cell.saturating_sub(1)))),
        ("controller", state.fleet.regions.map(|_, region| controller(state, region))),
        ("runs", state.fleet.regions.map(|side, region| runs(state, side, region))),
        ("crons", state.fleet.regions.map(|side, region| crons(state, side, region))),
    ];
    for (y, (label, cells)) in (area.y..area.bottom()).zip(lines) {
        let line = Rect { y, height: 1, ..area };
        look.row(buf, line, &Row::new().dim(pad(label, LABEL)));
        for (side, x) in [(Side::A, LABEL), (Side::B, LABEL + cell)] {
            let x = area.x + u16::try_from(x).unwrap_or(0);
            let width = u16::try_from(cell.saturating_sub(1)).unwrap_or(0);
            look.row(buf, Rect { x, width, ..line }, cells.get(side));
        }
    }
}

fn api(state: &State, region: &Region, columns: usize) -> Row {
    match (region.api.freshness(state.fleet.now), &region.api.error) {
        (Freshness::Live(_) | Freshness::Late(_), _) => {
            let row = Row::new().say(region.api.latency.map(fine).unwrap_or_default()).dim("  ");
            let counts = region.node_counts();
            let tone = if counts.schedulable < counts.total { Tone::Warn } else { Tone::Plain };
            let text = format!("{}/{}{}", counts.ready, counts.total, super::region::cordoned(counts));
            match region.nodes.known() {
                true => row.dim("nodes ").add(text, tone),
                false => row.add("nodes not known", Tone::Unknown),
            }
        }
        (Freshness::Stale(span), error) => {
            let short = format!("no answer for {}", age(span));
            let whole = error.as_ref().map(|error| format!("{short}: {error}"));
            // What does not fit stands in the alarm below.
            Row::of(whole.filter(|text| width(text) <= columns).unwrap_or(short), Tone::Bad)
        }
        (Freshness::Blind, Some(error)) => Row::of(error.text.clone(), Tone::Bad),
        (Freshness::Blind, None) => Row::of("no answer yet", Tone::Unknown),
    }
}

fn controller(state: &State, region: &Region) -> Row {
    let Some(known) = &region.controllers else { return Row::of("never seen", Tone::Unknown) };
    let numbers = format!("{}/{}", known.value.ready(), known.value.wanted());
    match region.live_controllers(state.fleet.now) {
        None => Row::new().add(numbers, Tone::Old).add("  unknown now", Tone::Unknown),
        Some(live) if live.gone() => Row::new().say(numbers).dim("  held"),
        Some(live) => match live.leader(state.fleet.now) {
            Some(pod) => Row::new().say(numbers).dim("  leader ").say(super::region::end(&pod.name, 13)),
            None => Row::new().say(numbers).add("  no leader", Tone::Warn),
        },
    }
}

fn runs(state: &State, side: Side, region: &Region) -> Row {
    if !region.runs.known() {
        return Row::of("never seen", Tone::Unknown);
    }
    let counts = state.runs.counts.get(side);
    let old = !region.table_freshness(&region.runs, state.fleet.now).usable();
    let tone = if old { Tone::Old } else { Tone::Plain };
    let number = |n: usize| count(n as u64);
    let row = Row::new().add(number(counts.running), tone).dim(" run ").add(number(counts.pending), tone).dim(" pend");
    let row = match region.runs.remembered {
        Some(_) => row,
        None => row.say(" ").add(super::region::failed(state, side), tone).dim(" fail"),
    };
    if old { row.add("  ?", Tone::Unknown) } else { row }
}

fn crons(state: &State, side: Side, region: &Region) -> Row {
    if !region.crons.known() {
        return Row::of("never seen", Tone::Unknown);
    }
    let counts = state.derived.crons.get(side);
    let text = match (counts.active, counts.suspended) {
        (0, 0) => "none".to_owned(),
        (active, 0) => format!("{active} active"),
        (0, suspended) => format!("{suspended} suspended"),
        (active, suspended) => format!("{active} active, {suspended} susp."),
    };
    match (region.live_crons(state.fleet.now).is_some(), counts.active > 0) {
        (true, _) => Row::new().say(text),
        (false, true) => Row::new().add(counts.active.to_string(), Tone::Old).add(" fire on its return", Tone::Warn),
        (false, false) => Row::new().add(text, Tone::Old).add("  unknown now", Tone::Unknown),
    }
}

fn middle(state: &State, columns: usize) -> Vec<Row> {
    let mut rows = vec![pair(state)];
    match (state.why_no_direction(columns), state.readiness_note()) {
        (why, Some(note)) if why.is_empty() => rows.push(Row::of(cut(&note, columns), Tone::Plain)),
        (why, None) if why.is_empty() => rows.extend([ready(state, columns), readiness::loss(state, columns)]),
        (why, _) => {
            rows.push(ready(state, columns));
            rows.extend(why);
        }
    }
    if let Some(finding) = state.derived.readiness.blocks.first() {
        let (sign, tone) = verdict(finding.answer.verdict);
        for (at, line) in state.held_by_lines().into_iter().enumerate() {
            rows.push(match (at, line.strip_prefix(&*finding.gate)) {
                (0, Some(rest)) => {
                    Row::new().sign(sign, tone).add(format!(" {}", finding.gate), Tone::Strong).say(rest)
                }
                _ => Row::new().say(format!("  {line}")),
            });
        }
    }
    if let Some(alarm) = state.derived.alarms.first() {
        // How many there are stands in the header.
        let region = alarm.side.map(|side| format!("{} ", state.fleet.name(side))).unwrap_or_default();
        for (at, line) in alarm_lines(alarm, state.alarm_columns()).into_iter().enumerate() {
            rows.push(match at {
                0 => weighty(Row::new(), alarm.weight).say(format!("{region}{line}")),
                _ => Row::new().say(format!("{:8}{line}", "")),
            });
        }
    }
    rows
}

fn pair(state: &State) -> Row {
    let fleet = &state.fleet;
    let Some(way) = fleet.direction() else {
        return Row::new().dim("database  ").then(database::alone(state));
    };
    let following = fleet.following(way.to);
    let (word, tone) = database::word(following);
    let live = fleet.region(way.from).live_database(fleet.now).is_some();
    let whole = live && following == crate::domain::fleet::replication::Following::Streaming;
    let loss = fleet.loss(way);
    let replica = fleet.region(way.to).live_database(fleet.now).and_then(DatabaseSample::replica);
    let replay = replica.and_then(ReplicaState::to_replay).map_or_else(|| "?".to_owned(), |bytes| bytes.to_string());
    let row = Row::new()
        .dim("database  ")
        .piece(Piece::Flow { whole, rightwards: true, width: 3 })
        .say(" ")
        .add(fleet.name(way.to), Tone::Region(way.to))
        .say(" ")
        .add(word, tone);
    if live {
        let received = loss.bytes.map_or_else(|| "?".to_owned(), |bytes| bytes.to_string());
        row.dim("  not received ").say(received).dim("  not replayed ").say(replay)
    } else {
        let has = loss.replica_lsn.map_or_else(|| "?".to_owned(), |lsn| lsn.to_string());
        row.dim("  has ").say(has).dim("  not replayed ").say(replay)
    }
}

fn ready(state: &State, columns: usize) -> Row {
    let (word, tone) = state.readiness_word();
    let back = state.leads_back_to().map(|name| format!("back to {name}: ")).unwrap_or_default();
    let verdict = Row::new().say(back).add(word, tone).dim("   ");
    let long = verdict.clone().then(readiness::time(state, "serves again in about "));
    if width(&long.text()) <= columns { long } else { verdict.then(readiness::time(state, "in about ")) }
}
