//! Charts with axes, where there is room: both regions side by side, so that they compare.

use super::glyphs;
use super::look::{Frame, Look, level, resample};
use super::theme::Role;
use crate::console::pages::metrics::{Chart, head, newest};
use crate::console::row::{Row, Tone};
use crate::console::state::State;
use crate::domain::region::Side;
use crate::domain::since;
use crate::domain::units::age;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Columns of the values at the left of a chart.
const AXIS: u16 = 11;

pub fn paint_view(buf: &mut Buffer, area: Rect, state: &State, look: &Look<'_>) {
    let half = area.width / 2;
    for (side, x, width) in [(Side::A, area.x, half), (Side::B, area.x + half, area.width - half)] {
        let room = look.pane(buf, Rect { x, width, ..area }, &head(state, side), Frame::Plain);
        paint_region(buf, room, state, side, look);
    }
}

fn paint_region(buf: &mut Buffer, area: Rect, state: &State, side: Side, look: &Look<'_>) {
    let each = area.height / u16::try_from(Chart::ALL.len()).unwrap_or(8);
    for (at, chart) in (0_u16..).zip(Chart::ALL) {
        let place = Rect { y: area.y + at * each.max(1), height: each.max(1), ..area }.intersection(area);
        if place.height > 0 {
            paint_chart(buf, place, state, side, (chart, look));
        }
    }
}

fn paint_chart(buf: &mut Buffer, area: Rect, state: &State, side: Side, (chart, look): (Chart, &Look<'_>)) {
    let series = chart.series(state.fleet.region(side));
    let (value, tone) = newest(state, side, chart);
    let mut title = Row::new()
        .dim(format!("{:<16}", chart.name()))
        .add(value, if tone == Tone::Plain { Tone::Strong } else { tone });
    let values: Vec<f64> = series.points().map(|point| point.1).collect();
    let span = series.points().next().map(|(at, _)| age(since(at, state.fleet.now)));
    if let (Some(span), true) = (span, area.height > 1) {
        title = title.fill().dim(format!("{span} ago to now"));
    }
    look.row(buf, Rect { height: 1, ..area }, &title);
    if values.is_empty() || area.height < 2 || area.width <= AXIS + 4 {
        return;
    }
    let rows = area.height - 1 - u16::from(area.height > 3);
    let plot = Rect { x: area.x + AXIS, y: area.y + 1, width: area.width - AXIS, height: rows };
    let most = series.max().unwrap_or(0.0);
    axis(buf, area, plot, &chart.value(most), &chart.value(0.0), look);
    bars(buf, plot, &values, most, (look, tone == Tone::Old));
}

fn axis(buf: &mut Buffer, area: Rect, plot: Rect, most: &str, zero: &str, look: &Look<'_>) {
    let style = look.role(Role::Dim);
    let columns = usize::from(AXIS - 1);
    let label = |text: &str| format!("{text:>columns$}");
    if most == zero {
        buf.set_stringn(area.x, plot.bottom() - 1, label(zero), columns, style);
    } else if plot.height > 1 {
        buf.set_stringn(area.x, plot.y, label(most), columns, style);
        buf.set_stringn(area.x, plot.bottom() - 1, label(zero), columns, style);
    } else {
        // One line: only the largest value tells something.
        buf.set_stringn(area.x, plot.y, label(&format!("0..{most}")), columns, style);
    }
}

fn bars(buf: &mut Buffer, plot: Rect, values: &[f64], most: f64, (look, old): (&Look<'_>, bool)) {
    let steps = glyphs::chart(look.set);
    let style = if old { look.role(Role::Stale) } else { look.role(Role::Chart) };
    let buckets = resample(values, usize::from(plot.width));
    let start = plot.right() - u16::try_from(buckets.len()).unwrap_or(plot.width).min(plot.width);
    let tall = usize::from(plot.height) * 8;
    for (x, value) in (start..plot.right()).zip(buckets) {
        // Zero is drawn as the lowest step of the lowest line, so that no value and zero are told apart.
        let filled = level(value, most, tall).max(1);
        for (above, y) in (plot.y..plot.bottom()).rev().enumerate() {
            let part = filled.saturating_sub(above * 8).min(8);
            if let Some(step) = part.checked_sub(1).and_then(|at| steps.get(at)) {
                buf.set_stringn(x, y, step, 1, style);
            }
        }
    }
}
