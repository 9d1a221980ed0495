//! The first line: where I am, how fresh each server's answers are, who I am and whether I may write, the time. And the
//! line of the run, which stands in every view.

use super::glyphs::{self, GlyphSet};
use super::look::Look;
use super::theme::Role;
use crate::console::guide::Turn;
use crate::console::layout::{FULL, Form, Size};
use crate::console::pages::words::run_clock;
use crate::console::row::{Piece, Row, Sign, Tone, cut, width};
use crate::console::state::{Access, State};
use crate::console::view::View;
use crate::domain::fleet::happening::Weight;
use crate::domain::freshness::{Freshness, Source};
use crate::domain::region::Side;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

pub fn paint(buf: &mut Buffer, area: Rect, state: &State, look: &Look<'_>) {
    let line = |y: u16| Rect { x: area.x, y: area.y + y, width: area.width, height: 1 };
    if state.size.form() == Form::Wide {
        let who = who(state, &state.identity);
        let sources = sources(state, look);
        // The same in every view, so that the states beside it do not move.
        let left = crumb_columns(state, look, width_of(&sources, look));
        let crumbs = crumbs(state, look, left);
        let loud = loud(state);
        let taken = left + width_of(&sources, look) + width_of(&loud, look) + 4;
        let fits = taken + width_of(&who, look) <= usize::from(area.width);
        let short = state.identity.split('@').next().unwrap_or_default();
        let who = if fits { who } else { self::who(state, short) };
        let gap = " ".repeat(left.saturating_sub(width_of(&crumbs, look)) + 2);
        let loud = if taken + width_of(&who, look) <= usize::from(area.width) { loud } else { Row::new() };
        look.row(buf, line(0), &crumbs.then(Row::new().say(gap)).then(sources).fill().then(loud).then(who));
    } else {
        let short = state.identity.split('@').next().unwrap_or_default();
        let crumbs = crumbs(state, look, usize::from(area.width).saturating_sub(short.len() + 24));
        look.row(buf, line(0), &crumbs.fill().then(who(state, short)));
        // Blanks that keep an age in its place are none at the end of the line, where they would count as cut off.
        let mut sources = sources(state, look);
        if let Some(Piece::Text(last, _)) = sources.0.last_mut() {
            last.truncate(last.trim_end().len());
        }
        look.row(buf, line(1), &Row::new().say(" ").then(sources).fill().then(loud(state)));
        look.rule(buf, line(2));
        if state.size.below_full() {
            let Size { columns, rows } = state.size;
            let words = format!(" has {columns} x {rows}, needs {} x {} for every fact ", FULL.columns, FULL.rows);
            look.row(buf, line(2), &Row::new().fill().add(words, Tone::Warn));
        }
    }
    if state.fleet.policy.simulated {
        let word = " SIMULATED ";
        buf.set_stringn(area.x, area.y, word, usize::from(area.width), look.role(Role::Banner));
    }
    if state.access == Access::ReadOnly {
        banner_over(buf, line(0), "READ-ONLY", look);
    }
}

/// Words on the line that the whole screen must be read under.
fn banner_over(buf: &mut Buffer, line: Rect, word: &str, look: &Look<'_>) {
    let cells: Vec<String> = (line.x..line.right())
        .map(|x| buf.cell((x, line.y)).map_or_else(String::new, |c| c.symbol().to_owned()))
        .collect();
    if let Some(at) =
        cells.concat().rfind(word).and_then(|at| u16::try_from(cells.concat().get(..at)?.chars().count()).ok())
    {
        let length = u16::try_from(word.len()).unwrap_or(0);
        buf.set_style(Rect { x: line.x + at, width: length, ..line }, look.role(Role::Banner));
    }
}

fn width_of(row: &Row, look: &Look<'_>) -> usize {
    row.0
        .iter()
        .map(|piece| match piece {
            Piece::Text(text, _) => width(text),
            Piece::Sign(sign, _) => width(look.sign(*sign)),
            _ => 0,
        })
        .sum()
}

/// Columns of where one is: enough for most, as far as the states and who one is leave room.
fn crumb_columns(state: &State, look: &Look<'_>, sources: usize) -> usize {
    let short = state.identity.split('@').next().unwrap_or_default();
    // And for the number of alarms, whether there are any or not.
    let least = width_of(&who(state, short), look) + sources + 4 + 5;
    let before = width_of(&crumbs(state, look, 0), look);
    (before + 18).min(usize::from(state.size.columns).saturating_sub(least)).max(before + 9)
}

/// Where one is, in so many columns.
fn crumbs(state: &State, look: &Look<'_>, columns: usize) -> Row {
    let crumb = look.mark(glyphs::CRUMB);
    // The banner takes the first columns.
    let start = if state.fleet.policy.simulated { " ".repeat(12) } else { " ".to_owned() };
    let here = match (state.trail.here(), &state.run, &state.fleet.open_run) {
        (View::Run, Some(followed), _) => {
            format!("{} {crumb} {}", followed.run.declared.playbook.name, followed.run.declared.run)
        }
        (View::Tree, _, Some((_, key, _))) => format!("run {crumb} {}", cut(&key.name, 24)),
        (view, _, _) => view.name().to_owned(),
    };
    let held = if state.held { "  HELD" } else { "" };
    let row = Row::new().say(start).add(&*state.fleet.policy.environment, Tone::Strong).dim(format!(" {crumb} "));
    let room = columns.saturating_sub(width_of(&row, look) + width(held));
    row.add(cut(&here, room), Tone::Strong).add(if columns == 0 { "" } else { held }, Tone::Warn)
}

fn who(state: &State, identity: &str) -> Row {
    let word = state.access_word();
    let tone = match word {
        "DRIVES" | "declares" => Tone::Warn,
        _ => Tone::Strong,
    };
    let time = state.fleet.now.strftime("%H:%M:%SZ").to_string();
    Row::new().dim(format!("{identity} ")).add(format!("{word:<9}"), tone).say(format!(" {time} "))
}

fn sources(state: &State, look: &Look<'_>) -> Row {
    let room = match (state.size.form(), state.size.columns) {
        (Form::Wide, _) => 24,
        (_, 0..72) => 8,
        _ => 14,
    };
    let mut row = Row::new();
    for side in Side::BOTH {
        row = row
            .add(cut(state.fleet.name(side), room), Tone::Region(side))
            .then(source(state, look, Source::Kubernetes(side)))
            .then(source(state, look, Source::Database(side)))
            .say(if state.size.form() == Form::Wide { "   " } else { "  " });
    }
    if state.fleet.policy.dns.is_some() {
        // The word of a source without a region stands alone.
        let word = source(state, look, Source::Dns);
        row = row.then(Row(word.0.into_iter().skip(1).collect()));
    }
    row
}

/// ` api ● 1s`. A source that is refused or was never seen says so in a word.
fn source(state: &State, look: &Look<'_>, source: Source) -> Row {
    let health = state.fleet.health(source);
    let fresh = health.freshness(state.fleet.now);
    let (tone, text) = match fresh {
        Freshness::Live(span) => (Tone::Good, short(span)),
        Freshness::Late(span) => (Tone::Warn, short(span)),
        Freshness::Stale(span) => (Tone::Bad, short(span)),
        Freshness::Blind => {
            let refused = health.error.as_ref().is_some_and(crate::domain::freshness::SourceError::refused);
            let asked = health.error.is_some();
            (
                if asked { Tone::Bad } else { Tone::Unknown },
                if refused {
                    "refused"
                } else if asked {
                    "none"
                } else {
                    "?"
                }
                .to_owned(),
            )
        }
    };
    // Not asked yet is not refused.
    let mark = if tone == Tone::Unknown { glyphs::UNKNOWN } else { glyphs::freshness(fresh) };
    // ASCII marks are words; an age alone says that all is well.
    let mark = match (look.set, fresh) {
        (GlyphSet::Ascii, Freshness::Live(_)) => "",
        _ => look.mark(mark),
    };
    let gap = if mark.is_empty() { "" } else { " " };
    let text = if tone == Tone::Unknown { String::new() } else { format!("{gap}{text:<3}") };
    Row::new()
        .say(" ")
        .dim(source.word())
        .say(" ")
        .add(mark, tone)
        .add(text, if matches!(fresh, Freshness::Live(_)) { Tone::Dim } else { tone })
}

/// An age in at most three columns up to a hundred days, so that the line does not jump.
fn short(span: std::time::Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..=59 => format!("{seconds}s"),
        60..=3599 => format!("{}m", seconds / 60),
        3600..=86_399 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// The number of alarms, for where there is no room for the alarms themselves.
fn loud(state: &State) -> Row {
    let count = state.derived.alarms.len();
    match state.derived.alarms.first() {
        None => Row::new(),
        Some(alarm) if alarm.weight == Weight::Bad => {
            Row::new().sign(Sign::Block, Tone::Bad).add(format!(" {count} "), Tone::Bad)
        }
        Some(_) => Row::new().sign(Sign::Warn, Tone::Warn).add(format!(" {count} "), Tone::Warn),
    }
}

/// The run in one line, in every view.
pub fn paint_run(buf: &mut Buffer, area: Rect, state: &State, look: &Look<'_>) {
    let Some(followed) = &state.run else { return };
    let run = &followed.run;
    buf.set_style(area, look.role(if followed.trouble.is_some() { Role::Bad } else { Role::Banner }));
    let spent = run_clock(state, run);
    let place = match state.open_step() {
        Some((at, step, _)) => format!("step {} of {} {}", at + 1, run.steps.len(), step.id),
        None => "all steps behind".to_owned(),
    };
    let whose = match state.turn() {
        Turn::ReadOnly | Turn::NotOurs => format!("last driven by {}", run.driver),
        Turn::Stands(_) => "STANDS STILL".to_owned(),
        Turn::Held(_) if state.may_override() => "held: your decision".to_owned(),
        Turn::Held(_) => "held".to_owned(),
        Turn::Start(_) | Turn::Accept(_) | Turn::Finish | Turn::Again(..) => "YOUR TURN".to_owned(),
        Turn::Busy(_) => "at work".to_owned(),
        Turn::Stuck(_) => "can not go on".to_owned(),
        Turn::Over | Turn::NoRun => "over".to_owned(),
    };
    let trouble = followed.trouble.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let text = format!(
        " {} {} {}  {spent}  {place}  {whose}{trouble}",
        look.mark(glyphs::HERE),
        run.declared.playbook.name,
        run.declared.run
    );
    let plain = ratatui::style::Style::default();
    let (end, _) = buf.set_stringn(area.x, area.y, look.clean(&text), usize::from(area.width), plain);
    if let Some(alarm) = acting(state) {
        let text = format!("  {} {alarm}", look.mark(glyphs::BLOCK));
        let room = usize::from(area.right().saturating_sub(end));
        buf.set_stringn(end, area.y, look.clean(&cut(&text, room)), room, look.role(Role::Bad));
    }
}

/// The loudest alarm about what acts, not about who is silent: two primaries, or none. It must be seen in every view of a
/// run.
fn acting(state: &State) -> Option<&str> {
    let alarms = state.derived.alarms.iter();
    let mut bad = alarms.filter(|alarm| alarm.weight == Weight::Bad && !alarm.id.starts_with("source-"));
    bad.next().map(|alarm| alarm.text.as_str())
}
