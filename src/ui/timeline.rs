//! Everything that changed, newest first.

use super::look::{Frame, Look};
use crate::console::layout::Form;
use crate::console::pages::words::moment;
use crate::console::row::{Piece, Row, Sign, Tone, pad};
use crate::console::state::State;
use crate::console::timeline::{WEIGHT, in_rows};
use crate::domain::fleet::happening::{Happening, Weight};
use crate::domain::units::many;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

pub fn paint(buf: &mut Buffer, area: Rect, state: &State, look: &Look<'_>) {
    let timeline = &state.timeline;
    let count = if timeline.filter.is_empty() {
        many(timeline.total, "change", "changes")
    } else {
        format!("{} of {}", timeline.matching, many(timeline.total, "change", "changes"))
    };
    let mut title = Row::new().add("what changed", Tone::Strong).dim(format!(" · {count} · newest first"));
    if !timeline.filter.text.is_empty() {
        title = title.add(format!(" · /{}", timeline.filter.text), Tone::Key);
    }
    if timeline.offset > 0 {
        title = title.add(format!(" · {} newer", timeline.offset), Tone::Warn);
    }
    let room = if state.size.form() == Form::Wide {
        look.pane(buf, area, &title, Frame::Focus)
    } else {
        look.row(buf, Rect { height: 1, ..area }, &Row::new().say(" ").then(title));
        Rect {
            x: area.x + 1,
            y: area.y + 1,
            width: area.width.saturating_sub(2),
            height: area.height.saturating_sub(1),
        }
    };
    if timeline.lines.is_empty() {
        let why = if timeline.total == 0 {
            "Nothing has changed since this console began."
        } else {
            "No change matches the filter."
        };
        look.row(buf, Rect { height: 1.min(room.height), ..room }, &Row::of(why, Tone::Dim));
        return;
    }
    let mut rows = Vec::new();
    for line in &timeline.lines {
        let (before, words) = in_rows(&state.fleet, line, state.body_columns());
        for (at, words) in words.into_iter().enumerate() {
            let start = if at == 0 { start(state, line) } else { Row::new().say(" ".repeat(before)) };
            rows.push(start.say(words));
        }
    }
    look.rows(buf, room, &rows);
}

/// `14:01:40 ▲ warn  us-central1  run … failed`.
pub fn happening(state: &State, line: &Happening) -> Row {
    start(state, line).say(&*line.text)
}

/// What stands before the words.
fn start(state: &State, line: &Happening) -> Row {
    let region = line.side.map_or("", |side| state.fleet.name(side));
    let region_tone = line.side.map_or(Tone::Dim, Tone::Region);
    let row = Row::new().dim(format!("{} ", moment(line.at, state.fleet.now)));
    weighty(row, line.weight).add(pad(region, state.region_columns()), region_tone).say("  ")
}

/// Sign and word of a weight, in columns of their own.
pub fn weighty(row: Row, weight: Weight) -> Row {
    match weight {
        Weight::Info => row.dim(format!("{:<WEIGHT$}", "  info")),
        Weight::Warn => row.piece(Piece::Word(Sign::Warn, "warn", WEIGHT, Tone::Warn)),
        Weight::Bad => row.piece(Piece::Word(Sign::Block, "BAD", WEIGHT, Tone::Bad)),
    }
}
