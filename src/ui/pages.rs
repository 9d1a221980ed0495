//! Pages, with the list beside or above them where they have one.

use super::look::{Frame, Look};
use crate::console::layout::Form;
use crate::console::pages::step_rows;
use crate::console::pages::words::run_clock;
use crate::console::row::{Row, Sign, Tone};
use crate::console::runs::window_start;
use crate::console::state::State;
use crate::console::view::View;
use crate::domain::units::clock;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

pub fn paint(buf: &mut Buffer, area: Rect, state: &State, look: &Look<'_>) {
    match (state.size.form(), state.trail.here()) {
        (Form::Wide, View::Run | View::Playbooks) => {
            let list = state.step_list_columns().min(area.width);
            paint_list(buf, Rect { width: list, ..area }, state, look);
            paint_page(buf, Rect { x: area.x + list, width: area.width - list, ..area }, state, look);
        }
        (Form::Wide, _) => paint_page(buf, area, state, look),
        (_, View::Run) => {
            look.row(buf, Rect { height: 1, ..area }, &progress(state));
            dense_page(buf, lower(area, 1), state, look);
        }
        (_, View::Playbooks) => {
            let lines = u16::try_from(state.playbook_lines()).unwrap_or(1);
            let list = playbooks(state);
            let start = window_start(0, state.playbook, list.len(), usize::from(lines));
            look.rows(buf, inner(Rect { height: lines.min(area.height), ..area }), list.iter().skip(start));
            dense_page(buf, lower(area, lines), state, look);
        }
        _ => dense_page(buf, area, state, look),
    }
}

fn lower(area: Rect, by: u16) -> Rect {
    let by = by.min(area.height);
    Rect { y: area.y + by, height: area.height - by, ..area }
}

fn inner(area: Rect) -> Rect {
    Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area }
}

fn paint_page(buf: &mut Buffer, area: Rect, state: &State, look: &Look<'_>) {
    let frame = if state.page.danger { Frame::Danger } else { Frame::Focus };
    let title = Row::of(&*state.page.title, Tone::Strong).fill().then(more(state));
    let room = look.pane(buf, area, &title, frame);
    look.rows(buf, room, state.page.in_sight(state.page_rows()));
}

fn dense_page(buf: &mut Buffer, area: Rect, state: &State, look: &Look<'_>) {
    let tone = if state.page.danger { Tone::Danger } else { Tone::Dim };
    let title = Row::new().say(" ").add(&*state.page.title, tone).fill().then(more(state)).say(" ");
    look.row(buf, Rect { height: 1.min(area.height), ..area }, &title);
    look.rows(buf, inner(lower(area, 1)), state.page.in_sight(state.page_rows()));
}

/// How much of the page is in sight, when it is not all.
fn more(state: &State) -> Row {
    let (rows, total) = (state.page_rows(), state.page.rows.len());
    if total <= rows || rows == 0 {
        return Row::new();
    }
    Row::new().dim(format!("{}-{} of {total}", state.page.scroll + 1, (state.page.scroll + rows).min(total)))
}

fn paint_list(buf: &mut Buffer, area: Rect, state: &State, look: &Look<'_>) {
    let (title, rows, selected) = match (state.trail.here(), &state.run) {
        (View::Run, Some(followed)) => {
            let run = &followed.run;
            let title = format!("{} · {}", run.declared.playbook.name, run_clock(state, run));
            (title, step_rows(state), state.step_in_sight())
        }
        _ => ("playbooks".to_owned(), playbooks(state), Some(state.playbook)),
    };
    let room = look.pane(buf, area, &Row::of(title, Tone::Strong), Frame::Plain);
    let height = usize::from(room.height);
    let start = window_start(0, selected.unwrap_or(0), rows.len(), height);
    look.rows(buf, room, rows.iter().skip(start));
    if let Some(at) = selected.and_then(|at| u16::try_from(at.checked_sub(start)?).ok()).filter(|at| *at < room.height)
    {
        look.select(buf, Rect { y: room.y + at, height: 1, ..room });
    }
}

fn playbooks(state: &State) -> Vec<Row> {
    if state.playbooks.is_empty() {
        return vec![Row::of("none", Tone::Unknown)];
    }
    let line = |(at, book): (usize, &crate::playbook::file::Playbook)| {
        let row = if at == state.playbook { Row::new().sign(Sign::Here, Tone::Strong) } else { Row::new().say(" ") };
        let tone = if at == state.playbook { Tone::Strong } else { Tone::Plain };
        let expect = state.history.takes.get(&book.name).copied().unwrap_or_else(|| book.expect());
        row.add(format!(" {:<12} ", book.name), tone).dim(&*book.title).fill().dim(clock(expect))
    };
    state.playbooks.iter().enumerate().map(line).collect()
}

/// The whole run in a line: the clock, where it is, and a mark for each step.
fn progress(state: &State) -> Row {
    let Some(followed) = &state.run else { return Row::new() };
    let run = &followed.run;
    let place = match (&run.ended, state.open_step()) {
        (None, Some((at, _, _))) => format!("step {} of {}", at + 1, run.steps.len()),
        (None, None) => "all steps behind".to_owned(),
        (Some(_), _) => "over".to_owned(),
    };
    let mut row = Row::new().say(format!(" {}   {place}   ", run_clock(state, run)));
    for step in step_rows(state) {
        row.0.extend(step.0.into_iter().take(1));
    }
    row
}
