//! The last line: keys that do something here, or a word that goes away by itself, or the filter being typed.

use super::look::Look;
use crate::console::key::chord_text;
use crate::console::row::{Row, Sign, Tone};
use crate::console::state::{Overlay, State};
use crate::domain::fleet::happening::Weight;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

pub fn paint(buf: &mut Buffer, area: Rect, state: &State, look: &Look<'_>) {
    let last = Rect { y: area.bottom().saturating_sub(1), height: 1, ..area };
    if area.height > 1 {
        look.rule(buf, Rect { height: 1, ..area });
    }
    if let Overlay::Filter { field, .. } = &state.overlay {
        let (before, after) = field.halves();
        let row = Row::new()
            .add(" filter ", Tone::Key)
            .add(before, Tone::Field)
            .sign(Sign::Cursor, Tone::Field)
            .add(after, Tone::Field)
            .say("   ");
        let nothing = || Some("nothing to filter in this view: what is typed here goes nowhere".to_owned());
        let complaint = state.filter().map_or_else(nothing, |filter| filter.complaint.clone());
        let row = match complaint {
            Some(complaint) => row.add(complaint, Tone::Warn),
            None => row.then(hints(state, usize::from(area.width / 2))),
        };
        look.row(buf, last, &row);
        return;
    }
    if let Some(notice) = &state.notice {
        let (sign, tone) = match notice.weight {
            Weight::Info => (None, Tone::Plain),
            Weight::Warn => (Some(Sign::Warn), Tone::Warn),
            Weight::Bad => (Some(Sign::Block), Tone::Bad),
        };
        let row = match sign {
            Some(sign) => Row::new().say(" ").sign(sign, tone).say(" "),
            None => Row::new().say(" "),
        };
        look.row(buf, last, &row.add(&*notice.text, tone));
        return;
    }
    let pending = if state.chord.is_empty() { String::new() } else { format!("{} … ", chord_text(&state.chord)) };
    let room = usize::from(area.width).saturating_sub(pending.len() + 1);
    look.row(buf, last, &Row::new().say(" ").then(hints(state, room)).fill().add(pending, Tone::Key));
}

/// As many hints as fit whole.
fn hints(state: &State, room: usize) -> Row {
    let mut row = Row::new();
    let mut used = 1;
    for hint in state.hints() {
        let wide = hint.keys.len() + hint.words.len() + 3;
        if used + wide > room {
            break;
        }
        used += wide;
        row = row.add(hint.keys, Tone::Key).dim(format!(" {}  ", hint.words));
    }
    row
}
