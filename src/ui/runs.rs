//! The table of runs. Only rows in sight are built.

use super::glyphs::{self, GlyphSet};
use super::look::{Frame, Look};
use super::theme::Role;
use crate::console::layout::Form;
use crate::console::pages::words::moment;
use crate::console::row::{Row, Tone, cut, pad, width};
use crate::console::runs::RowKey;
use crate::console::state::State;
use crate::domain::freshness::Freshness;
use crate::domain::region::Side;
use crate::domain::since;
use crate::domain::units::{age, count};
use crate::domain::workflow::{Phase, RunRow};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

pub fn paint_view(buf: &mut Buffer, area: Rect, state: &State, look: &Look<'_>) {
    if state.size.form() == Form::Wide {
        paint_pane(buf, area, state, look);
    } else {
        look.row(
            buf,
            Rect { height: 1.min(area.height), ..area },
            &Row::new().say(" ").then(title(state, usize::from(area.width).saturating_sub(1))),
        );
        let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
        paint_table(buf, below, state, look);
    }
}

/// The table in a frame.
pub fn paint_pane(buf: &mut Buffer, area: Rect, state: &State, look: &Look<'_>) {
    let room = look.pane(buf, area, &title(state, usize::from(area.width).saturating_sub(6)), Frame::Focus);
    // The cursor's mark stands in the column beside the frame.
    paint_table(buf, Rect { x: room.x.saturating_sub(1), width: room.width + 1, ..room }, state, look);
}

fn title(state: &State, columns: usize) -> Row {
    let runs = &state.runs;
    let (all, unfinished) = Side::BOTH.into_iter().fold((0, 0), |(all, unfinished), side| {
        let counts = runs.counts.get(side);
        (all + counts.total, unfinished + counts.unfinished())
    });
    let known = Side::BOTH.into_iter().filter(|side| state.fleet.region(*side).runs.known()).count();
    let mut row = Row::new().add("runs", Tone::Strong);
    if known == 0 {
        return row.add(" · never seen", Tone::Unknown);
    }
    let noted = Side::BOTH.into_iter().any(|side| state.fleet.region(side).runs.remembered.is_some());
    let of = match state.let_go() {
        _ if noted => String::new(),
        0 => format!(" of {}", count(all as u64)),
        gone => {
            let finished = all - unfinished;
            format!(", newest {} of {} finished", count(finished as u64), count((finished + gone) as u64))
        }
    };
    row = row.dim(format!(" · {} unfinished{of}", count(unfinished as u64)));
    if known == 1 {
        row = row.add(", of one region", Tone::Warn);
    }
    let (head, mut row) = (row, Row::new());
    if !runs.filter.text.is_empty() {
        row = row.add(format!(" · /{}", runs.filter.text), Tone::Key).dim(format!(
            " {} match, {} unfinished",
            count(runs.matching as u64),
            count(runs.matching_unfinished as u64)
        ));
    }
    for side in Side::BOTH {
        let region = state.fleet.region(side);
        let fresh = region.table_freshness(&region.runs, state.fleet.now);
        if let (false, Some(at)) = (fresh.usable(), region.runs.as_of()) {
            let from = if region.runs.remembered.is_some() { "from notes of" } else { "as of" };
            row = row.add(format!(" · {} {from} {}", region.name, moment(at, state.fleet.now)), Tone::Old);
        }
    }
    if state.held {
        row = row.add(" · order HELD", Tone::Warn);
    }
    // What is missing from the list matters more than its order.
    let order = format!(" · {}", runs.sort.words(runs.reverse));
    let fits = width(&head.text()) + width(&order) + width(&row.text()) <= columns;
    head.dim(if fits { order } else { String::new() }).then(row)
}

/// Columns, by the width there is.
struct Columns {
    region: usize,
    namespace: usize,
    name: usize,
    progress: usize,
    template: usize,
    message: usize,
}

const STATUS: usize = 12;
const AGE: usize = 7;

impl Columns {
    fn fit(state: &State, total: usize) -> Columns {
        let region = state.region_columns();
        let mut columns = Columns { region, namespace: 0, name: 0, progress: 9, template: 0, message: 0 };
        let gaps = 2;
        let fixed = 1 + region + gaps + STATUS + gaps + columns.progress + gaps + AGE + gaps;
        let mut left = total.saturating_sub(fixed);
        if total >= 100 || state.runs.wide {
            columns.namespace = 12.min(left / 4);
            left = left.saturating_sub(columns.namespace + gaps);
        }
        if state.runs.wide && total >= 120 {
            columns.template = 20;
            left = left.saturating_sub(columns.template + gaps);
        }
        columns.name = if left > 60 { 34 } else { left.min(34).max(left / 2) };
        columns.message = left.saturating_sub(columns.name + gaps);
        columns
    }
}

pub fn paint_table(buf: &mut Buffer, area: Rect, state: &State, look: &Look<'_>) {
    if area.height == 0 {
        return;
    }
    let columns = Columns::fit(state, usize::from(area.width));
    let style = look.role(Role::Header);
    buf.set_stringn(area.x, area.y, head(&columns), usize::from(area.width), style);
    let below = Rect { y: area.y + 1, height: area.height - 1, ..area };
    let rows = state.runs.in_sight(usize::from(below.height));
    if rows.is_empty() {
        for (y, row) in (below.y..below.bottom()).zip(why_empty(state)) {
            look.row(buf, Rect { y, height: 1, ..below }, &Row::new().say(" ").then(row));
        }
        return;
    }
    let old = state.fleet.regions.map(|_, region| !region.table_freshness(&region.runs, state.fleet.now).usable());
    for (at, key) in rows.iter().enumerate() {
        let line = Rect { y: below.y + u16::try_from(at).unwrap_or(0), height: 1, ..below };
        paint_row(buf, line, state, look, (&columns, key, *old.get(key.0)));
        if state.runs.offset + at == state.runs.cursor {
            look.select(buf, line);
            buf.set_stringn(line.x, line.y, look.mark(glyphs::HERE), 1, look.role(Role::Title));
        }
    }
}

fn head(columns: &Columns) -> String {
    let mut text = format!(" {}  ", pad("REGION", columns.region));
    if columns.namespace > 0 {
        text += &format!("{}  ", pad("NAMESPACE", columns.namespace));
    }
    text += &format!(
        "{}  {}  {:>progress$}  {:>AGE$}  ",
        pad("NAME", columns.name),
        pad("STATUS", STATUS),
        "PROGRESS",
        "AGE",
        progress = columns.progress
    );
    if columns.template > 0 {
        text += &format!("{}  ", pad("TEMPLATE", columns.template));
    }
    if columns.message >= 8 {
        text += "MESSAGE";
    }
    text
}

fn paint_row(
    buf: &mut Buffer,
    line: Rect,
    state: &State,
    look: &Look<'_>,
    (columns, key, old): (&Columns, &RowKey, bool),
) {
    let (side, key) = key;
    let Some(run) = state.fleet.region(*side).runs.get(key) else { return };
    let stale = look.tone(Tone::Old);
    let tone = |tone: Style| if old { stale } else { tone };
    let mut x = line.x + 1;
    let mut cell = |text: &str, columns: usize, style: Style| {
        if columns > 0 && x < line.right() {
            let room = usize::from(line.right() - x).min(columns);
            buf.set_stringn(x, line.y, look.clean(&pad(text, room)), room, style);
            x = x.saturating_add(u16::try_from(columns + 2).unwrap_or(u16::MAX));
        }
    };
    cell(state.fleet.name(*side), columns.region, tone(look.tone(Tone::Region(*side))));
    cell(&key.namespace, columns.namespace, tone(look.role(Role::Dim)));
    cell(&key.name, columns.name, tone(Style::default()));
    let (status, style) = status(run, old, look);
    cell(&status, STATUS, tone(style));
    let progress = run.detail.as_ref().map_or("", |detail| detail.progress.as_str());
    cell(
        &format!("{:>width$}", cut(progress, columns.progress), width = columns.progress),
        columns.progress,
        tone(Style::default()),
    );
    let old_age = age(since(run.created, state.fleet.now));
    cell(&format!("{old_age:>AGE$}"), AGE, tone(look.role(Role::Dim)));
    cell(&run.template, columns.template, tone(look.role(Role::Dim)));
    if columns.message >= 8 {
        cell(&run.message, columns.message, tone(Style::default()));
    }
}

/// Sign and word of a run's phase, as Argo draws them.
fn status(run: &RunRow, old: bool, look: &Look<'_>) -> (String, Style) {
    if old && !run.phase.finished() {
        // What it was, not what it is: its own sign says so where there is no colour.
        let word = run.phase.word();
        let text = match look.set {
            GlyphSet::Unicode => format!("{} {word}", look.mark(glyphs::STALE)),
            GlyphSet::Ascii => format!("{word}?"),
        };
        return (text, look.role(Role::Stale));
    }
    let suspended = run.detail.as_ref().is_some_and(|detail| detail.suspended) && !run.phase.finished();
    if suspended {
        return (with_word(glyphs::SUSPENDED, "Suspend", look), look.role(Role::Pending));
    }
    (with_word(glyphs::phase(run.phase), run.phase.word(), look), phase_style(run.phase, look))
}

/// A sign with its word; in ASCII the sign is the word.
pub fn with_word(mark: glyphs::Mark, word: &str, look: &Look<'_>) -> String {
    match look.set {
        GlyphSet::Unicode => format!("{} {word}", look.mark(mark)),
        GlyphSet::Ascii => look.mark(mark).to_owned(),
    }
}

pub fn phase_style(phase: Phase, look: &Look<'_>) -> Style {
    look.role(match phase {
        Phase::Running => Role::Running,
        Phase::New | Phase::Pending => Role::Pending,
        Phase::Succeeded => Role::Good,
        Phase::Failed | Phase::Error => Role::Bad,
        Phase::Skipped | Phase::Omitted => Role::Dim,
    })
}

/// Why there is no row: nothing matches, nothing is there, or nothing is known.
fn why_empty(state: &State) -> Vec<Row> {
    let runs = &state.runs;
    if !runs.filter.is_empty() && runs.counts.a.total + runs.counts.b.total > 0 {
        let mut why = vec![Row::of(format!("No run matches \"{}\".", runs.filter.text), Tone::Dim)];
        if state.let_go() > 0 {
            why.push(Row::of("Older finished runs are not kept here: see finished_runs in [limits].", Tone::Warn));
        }
        return why;
    }
    let why = |side: Side| {
        let region = state.fleet.region(side);
        let name = Row::new().add(pad(&region.name, width(&region.name)), Tone::Region(side));
        let fresh = region.table_freshness(&region.runs, state.fleet.now);
        match (&region.runs.error, region.runs.as_of(), fresh) {
            (Some(error), _, _) => name.add(format!(": the list can't be had: {error}"), Tone::Bad),
            (None, Some(_), Freshness::Live(_) | Freshness::Late(_)) => {
                let scope = match region.scope.as_deref() {
                    Some([]) | None => "in any namespace".to_owned(),
                    Some(names) => format!("in {}", names.join(", ")),
                };
                name.dim(format!(": no workflow {scope}"))
            }
            (None, Some(at), _) => {
                name.add(format!(": none as of {}, not known now", moment(at, state.fleet.now)), Tone::Old)
            }
            (None, None, _) => {
                let why =
                    region.api.error.as_ref().map_or_else(|| "no list yet".to_owned(), |e| format!("no list yet: {e}"));
                name.add(format!(": {why}"), Tone::Unknown)
            }
        }
    };
    Side::BOTH.into_iter().map(why).collect()
}
