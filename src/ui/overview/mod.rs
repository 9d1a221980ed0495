//! Both regions at a glance.

mod database;
mod dense;
mod readiness;
mod region;

use super::look::{Frame, Look};
use super::runs;
use super::timeline::{happening, weighty};
use crate::console::layout::Form;
use crate::console::pages::words::{alarm_lines, role};
use crate::console::row::{Row, Sign, Tone, pad};
use crate::console::state::State;
use crate::domain::freshness::Source;
use crate::domain::region::{Role, Side};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

pub fn paint(buf: &mut Buffer, area: Rect, state: &State, look: &Look<'_>) {
    if state.size.form() != Form::Wide {
        dense::paint(buf, area, state, look);
        return;
    }
    let heights = state.overview();
    let third = area.width / 3;
    let top = Rect { height: heights.regions.min(area.height), ..area };
    let panes = [
        Rect { width: third, ..top },
        Rect { x: top.x + third, width: third, ..top },
        Rect { x: top.x + third * 2, width: top.width - third * 2, ..top },
    ];
    for (side, place) in Side::BOTH.into_iter().zip(panes) {
        let room = look.pane(buf, place, &region_title(state, side), Frame::Plain);
        look.rows(buf, room, &region::rows(state, side, usize::from(room.width)));
    }
    let [.., last] = panes;
    let room = look.pane(buf, last, &Row::of("database", Tone::Strong), Frame::Plain);
    look.rows(buf, room, &database::rows(state, room.width));
    let mut y = top.bottom();
    let mut next = |height: u16| {
        let place = Rect { y, height, ..area }.intersection(area);
        y += height;
        place
    };
    let place = next(heights.readiness);
    let room = look.pane(buf, place, &readiness::title(state), Frame::Plain);
    look.rows(buf, room, &readiness::rows(state, usize::from(room.width), usize::from(room.height)));
    let place = next(heights.alarms);
    let room = look.pane(buf, place, &alarms_title(state), Frame::Plain);
    look.rows(buf, room, &alarms(state, usize::from(room.height)));
    runs::paint_pane(buf, next(heights.runs), state, look);
}

/// Name and role; the role as observed.
fn region_title(state: &State, side: Side) -> Row {
    let region = state.fleet.region(side);
    let (word, tone) = role(&state.fleet, side);
    // The narrow title has no room for more than the fact.
    let word = match state.size.form() {
        Form::Wide => word,
        _ => word.strip_prefix("OLD PRIMARY, ").or(word.strip_suffix(", to be rebuilt")).unwrap_or(word),
    };
    let row = Row::new().add(&*region.name, Tone::Region(side)).dim(" · ").add(word, tone);
    match region.role(state.fleet.now) {
        Role::WasPrimary | Role::WasStandby => row.say(" ").sign(Sign::Block, Tone::Bad),
        Role::Unknown => row.say(" ").sign(Sign::Unknown, Tone::Unknown),
        Role::Primary | Role::Standby => row,
    }
}

fn alarms_title(state: &State) -> Row {
    let row = Row::new().add("alarms ", Tone::Strong);
    let row = match state.derived.alarms.len() {
        0 if sighted(state) => row.add("none", Tone::Good),
        // Where nothing answers, nothing can be wrong as far as we know.
        0 => row.add("none known", Tone::Unknown),
        count => row.add(count.to_string(), Tone::Warn),
    };
    row.dim(" · what changed")
}

/// Both regions are seen, API and database.
fn sighted(state: &State) -> bool {
    let answers = |source| state.fleet.freshness(source).usable();
    Side::BOTH.into_iter().all(|side| answers(Source::Kubernetes(side)) && answers(Source::Database(side)))
}

/// Alarms first, loudest first; then the newest changes.
fn alarms(state: &State, height: usize) -> Vec<Row> {
    let alarms = &state.derived.alarms;
    let mut rows: Vec<Row> = Vec::new();
    let mut said = 0;
    for alarm in alarms {
        let lines = alarm_lines(alarm, state.alarm_columns());
        // The first is said whatever it takes; of the others only what can be said whole.
        if said > 0 && rows.len() + lines.len() > height {
            break;
        }
        said += 1;
        let region = alarm.side.map_or("", |side| state.fleet.name(side));
        let tone = alarm.side.map_or(Tone::Dim, Tone::Region);
        for (at, line) in lines.into_iter().enumerate() {
            let row = if at == 0 {
                weighty(Row::new().dim("now      "), alarm.weight).add(pad(region, state.region_columns()), tone)
            } else {
                Row::new().say(" ".repeat(9 + 8 + state.region_columns()))
            };
            rows.push(row.say("  ").say(line));
        }
    }
    rows.truncate(height);
    if alarms.len() > said
        && let Some(last) = rows.pop()
    {
        rows.push(last.fill().add(format!("and {} more", alarms.len() - said), Tone::Warn));
    }
    let room = height.saturating_sub(rows.len());
    if state.fleet.happenings.iter().len() == 0 {
        let words = if state.settled || sighted(state) {
            "nothing has changed since this console began"
        } else {
            "first answers are awaited"
        };
        rows.push(Row::of(words, Tone::Dim));
    }
    rows.extend(state.fleet.happenings.iter().rev().take(room).map(|line| happening(state, line)));
    rows
}
