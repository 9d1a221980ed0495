//! The open question, and the palette: boxes over the lower part of the view.

use super::look::{Frame, Look};
use super::theme::Role;
use crate::console::dialog::{Ask, Dialog};
use crate::console::palette::Palette;
use crate::console::row::{Row, Sign, Tone, pad};
use crate::console::state::State;
use crate::console::view::View;
use crate::playbook::consent::Tier;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};

pub fn paint(buf: &mut Buffer, body: Rect, state: &State, dialog: &Dialog, look: &Look<'_>) {
    let list = if state.trail.here() == View::Run { state.step_list_columns().min(body.width) } else { 0 };
    let height = state.dialog_height().min(body.height);
    let area = Rect { x: body.x + list, y: body.bottom() - height, width: body.width - list, height };
    let step = match &dialog.ask {
        Ask::Consent { step, .. } => state.run.as_ref().and_then(|followed| {
            let (step, _) = followed.run.step(step)?;
            Some(format!(" · {}", followed.run.words(&step.title)))
        }),
        _ => None,
    };
    let (title, frame) = match &dialog.ask {
        Ask::Consent { tier: Tier::Region, .. } => ("consent by name", Frame::Danger),
        Ask::Consent { .. } => ("consent", Frame::Focus),
        Ask::Override { break_glass: true, .. } => ("override, BREAK-GLASS", Frame::Danger),
        Ask::Override { .. } => ("override", Frame::Danger),
        Ask::Abort { .. } => ("abort", Frame::Danger),
        Ask::StartRun { .. } => ("declare", Frame::Focus),
        Ask::Resume { .. } => ("take over", Frame::Focus),
        Ask::Accept { .. } => ("accept", Frame::Focus),
        Ask::Detach => ("detach", Frame::Focus),
        Ask::Quit => ("quit", Frame::Focus),
    };
    clear(buf, area, look);
    let room = look.pane(buf, area, &Row::of(title, Tone::Strong).say(step.unwrap_or_default()), frame);
    let Some(question) = state.question() else { return };
    let (first, rows) = state.question_window(&question);
    // The keys are at its end.
    let below = question.foot.len().saturating_sub(usize::from(room.height).saturating_sub(rows));
    look.rows(buf, room, question.rows.iter().skip(first).take(rows).chain(question.foot.iter().skip(below)));
    if let Some(place) = state.question_place() {
        let line =
            Rect { x: area.x + 2, y: area.bottom().saturating_sub(1), width: area.width.saturating_sub(4), height: 1 };
        look.row(buf, line, &Row::of(format!(" {place} "), Tone::Warn));
    }
}

fn clear(buf: &mut Buffer, area: Rect, look: &Look<'_>) {
    Clear.render(area, buf);
    buf.set_style(area, look.role(Role::Text));
}

pub fn paint_palette(buf: &mut Buffer, body: Rect, palette: &Palette, look: &Look<'_>) {
    let wanted = u16::try_from(palette.offered.len().max(1) + 3).unwrap_or(u16::MAX);
    let height = wanted.min(body.height);
    let area = Rect { y: body.bottom() - height, height, ..body };
    clear(buf, area, look);
    let room = look.pane(buf, area, &Row::of("command", Tone::Strong), Frame::Focus);
    let (before, after) = palette.field.halves();
    let field =
        Row::new().add(":", Tone::Key).add(before, Tone::Field).sign(Sign::Cursor, Tone::Field).add(after, Tone::Field);
    let mut rows = vec![field];
    for (at, offer) in palette.offered.iter().enumerate() {
        let here = at == palette.cursor;
        let row = if here { Row::new().sign(Sign::Here, Tone::Strong) } else { Row::new().say(" ") };
        let name = pad(&offer.name, 26);
        rows.push(row.add(format!(" {name}"), if here { Tone::Strong } else { Tone::Plain }).dim(&*offer.description));
    }
    if palette.offered.is_empty() {
        rows.push(Row::of(" nothing is called so", Tone::Warn));
    }
    look.rows(buf, room, &rows);
}
