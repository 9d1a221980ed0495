//! The last line: keys that do something here, or the filter being typed; and above it a word that goes away by itself.

use super::look::Look;
use super::theme::Role;
use crate::console::key::chord_text;
use crate::console::row::{Row, Sign, Tone, cut, wrap};
use crate::console::state::{Overlay, State};
use crate::domain::fleet::happening::Weight;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};

pub fn paint(buf: &mut Buffer, area: Rect, state: &State, look: &Look<'_>) {
    let last = Rect { y: area.bottom().saturating_sub(1), height: 1, ..area };
    if area.height > 1 {
        look.rule(buf, Rect { height: 1, ..area });
    }
    notice(buf, area, state, look);
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
    let pending = if state.chord.is_empty() { String::new() } else { format!("{} … ", chord_text(&state.chord)) };
    let room = usize::from(area.width).saturating_sub(pending.len() + 1);
    look.row(buf, last, &Row::new().say(" ").then(hints(state, room)).fill().add(pending, Tone::Key));
}

/// A word that goes away by itself stands on the line above the keys: on the rule, or on the lower frame of the last pane.
/// Never on the keys: whoever is told something is often about to press one.
fn notice(buf: &mut Buffer, area: Rect, state: &State, look: &Look<'_>) {
    let Some(notice) = &state.notice else { return };
    let (sign, tone) = match notice.weight {
        Weight::Info => (None, Tone::Plain),
        Weight::Warn => (Some(Sign::Warn), Tone::Warn),
        Weight::Bad => (Some(Sign::Block), Tone::Bad),
    };
    let columns = usize::from(area.width).saturating_sub(9);
    let mut lines = wrap(&notice.text, columns);
    // An open question is not covered.
    let most = if state.dialog().is_some() { 1 } else { LINES_MAX };
    if lines.len() > most {
        let rest = lines.split_off(most - 1).join(" ");
        lines.push(cut(&rest, columns));
    }
    let count = u16::try_from(lines.len()).unwrap_or(1);
    let first = area.bottom().saturating_sub(1 + count).max(buf.area.top());
    for (y, (at, line)) in (first..).zip(lines.into_iter().enumerate()) {
        let place = Rect { y, height: 1, ..area };
        Clear.render(place, buf);
        buf.set_style(place, look.role(Role::Text));
        let row = match sign {
            Some(sign) if at == 0 => Row::new().say(" ").sign(sign, tone).say(" "),
            _ => Row::new().say(if sign.is_some() { "   " } else { " " }),
        };
        look.row(buf, place, &row.add(line, tone));
    }
}

/// Lines of a word that goes away by itself.
const LINES_MAX: usize = 2;

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
