//! What is painted. Pure: `&State` in, cells out. Sizes, offsets and words are made in `console`; here they only get
//! their place, their colour and their signs.

mod chart;
mod dialog;
mod footer;
pub mod glyphs;
mod header;
mod look;
mod overview;
mod pages;
mod runs;
#[cfg(test)]
mod tests;
pub mod theme;
mod timeline;
mod tree;

use self::glyphs::GlyphSet;
use self::look::Look;
use self::theme::{Level, Role, Theme};
use crate::console::layout::{Form, LEAST};
use crate::console::state::{Overlay, State};
use crate::console::view::View;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Paints the whole screen. Only what is in sight is built: the cost does not grow with the number of runs.
pub fn draw(frame: &mut Frame<'_>, state: &State, theme: &Theme, level: Level, glyphs: GlyphSet) {
    let look = Look { theme, level, set: glyphs };
    let known = Rect { x: 0, y: 0, width: state.size.columns, height: state.size.rows };
    let area = frame.area();
    if area == known {
        paint(frame.buffer_mut(), area, state, &look);
        return;
    }
    // The terminal has changed and the event that says so is still to come: what the state knows of is painted aside,
    // and as much of it as fits is shown.
    let mut aside = Buffer::empty(known);
    paint(&mut aside, known, state, &look);
    let buf = frame.buffer_mut();
    buf.set_style(area, look.role(Role::Text));
    let both = area.intersection(known);
    for y in both.top()..both.bottom() {
        for x in both.left()..both.right() {
            if let (Some(to), Some(from)) = (buf.cell_mut((x, y)), aside.cell((x, y))) {
                to.clone_from(from);
            }
        }
    }
}

fn paint(buf: &mut Buffer, area: Rect, state: &State, look: &Look<'_>) {
    buf.set_style(area, look.role(Role::Text));
    if state.size.form() == Form::TooSmall {
        too_small(buf, area, state, look);
        return;
    }
    let bands = state.bands();
    let at = |y: u16, height: u16| Rect { y: area.y + y, height, ..area }.intersection(area);
    header::paint(buf, at(0, bands.header), state, look);
    if bands.run > 0 {
        header::paint_run(buf, at(bands.header, bands.run), state, look);
    }
    let body = at(bands.header + bands.run, bands.body);
    match state.trail.here() {
        View::Overview => overview::paint(buf, body, state, look),
        View::Workflows => runs::paint_view(buf, body, state, look),
        View::Tree => tree::paint(buf, body, state, look),
        View::Metrics if state.size.form() == Form::Wide => chart::paint_view(buf, body, state, look),
        View::Timeline => timeline::paint(buf, body, state, look),
        View::Database | View::Metrics | View::Dns | View::Playbooks | View::Run | View::Help => {
            pages::paint(buf, body, state, look);
        }
    }
    match &state.overlay {
        Overlay::Dialog(question) => dialog::paint(buf, body, state, question, look),
        Overlay::Palette(palette) => dialog::paint_palette(buf, body, palette, look),
        Overlay::Filter { .. } | Overlay::None => {}
    }
    footer::paint(buf, at(bands.header + bands.run + bands.body, bands.footer), state, look);
}

fn too_small(buf: &mut Buffer, area: Rect, state: &State, look: &Look<'_>) {
    use crate::console::row::{Row, Tone};
    let (columns, rows) = (state.size.columns, state.size.rows);
    let driven = if state.drives() { "A run is driven." } else { "" };
    let lines = [
        Row::of("leeward needs more room", Tone::Strong),
        Row::new().say(format!("has   {columns} x {rows}")),
        Row::new().say(format!("needs {} x {}", LEAST.columns, LEAST.rows)),
        Row::of(driven, Tone::Warn),
        Row::new().dim("Keys wait until there is room; q quits."),
    ];
    for (y, line) in (area.y..area.bottom()).zip(lines) {
        look.row(buf, Rect { y, height: 1, ..area }, &line);
    }
}
