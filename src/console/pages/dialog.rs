//! A question as rows: what is asked, exactly what would be sent, and how to say yes or no. What is asked scrolls where
//! there is no room for all of it; the field, what is wrong with the answer and the keys always stand below it.

use super::Question;
use super::writer::Writer;
use crate::console::action::Action;
use crate::console::dialog::{Ask, Dialog};
use crate::console::field::Field;
use crate::console::keymap::Mode;
use crate::console::row::{Row, Sign, Tone, split_at_width, width};
use crate::console::state::State;
use crate::domain::effect::{Effect, EffectHash};
use crate::domain::region::Side;
use crate::playbook::consent::{REASON_CHARS_MIN, Tier};
use crate::playbook::file::Purpose;
use crate::playbook::propose::Next;

/// Requests shown in the question itself: no more than anybody reads there; all of them stand on the page of the step.
const REQUESTS_MAX: usize = 20;

/// Lines of a text being typed that are in sight: all of it from 80 columns on.
const FIELD_LINES: usize = 3;

pub(super) fn question(state: &State, dialog: &Dialog, columns: usize) -> Question {
    let mut page = Writer { columns, rows: Vec::new() };
    let mut foot = Writer { columns, rows: Vec::new() };
    match &dialog.ask {
        Ask::StartRun { playbook } => {
            page.inset_none(&format!("Declare a run of \"{playbook}\"{}?", direction(state)), Tone::Strong);
            page.inset_none("The run is written to the journal. Each step then asks for itself.", Tone::Plain);
        }
        Ask::Resume { run } => resume(state, &run.0, &mut page),
        Ask::Consent { step, tier, shown, region, field, .. } => {
            consent(state, step, shown, &mut page);
            if *tier == Tier::Region {
                typed(&format!("Type the region, {region}:"), field, &mut foot);
            }
        }
        Ask::Override { shown, break_glass, field } => {
            let says = format!("{}: {}", shown.gate, shown.answer.text);
            page.signed(super::words::verdict(shown.answer.verdict), &says, Tone::Plain, "");
            if *break_glass {
                let text =
                    "BREAK-GLASS: this asks for a second person, and you would override it ALONE. The report says so.";
                page.inset_none(text, Tone::Danger);
            }
            page.inset_none("It goes on record with your name and is never shown as passed.", Tone::Plain);
            typed(&format!("Reason, {REASON_CHARS_MIN} characters or more:"), field, &mut foot);
        }
        Ask::Accept { step, what } => {
            page.inset_none(&format!("Take the result of \"{step}\" as it is?"), Tone::Strong);
            page.inset_none(what, Tone::Plain);
        }
        Ask::Abort { field } => {
            page.inset_none(
                "End the run where it stands? Nothing is undone by that, and what was sent stays sent.",
                Tone::Strong,
            );
            typed(&format!("Why, {REASON_CHARS_MIN} characters or more:"), field, &mut foot);
        }
        Ask::Detach => {
            page.inset_none("Leave the run to others? It stays open, and anyone may take it over.", Tone::Strong);
        }
        Ask::Quit => {
            page.inset_none("A run is driven from here.", Tone::Strong);
            page.inset_none(
                "Leaving detaches from it: it stays open and is not aborted; anyone may take it over.",
                Tone::Plain,
            );
        }
    }
    if let Some(note) = &dialog.note {
        foot.signed((Sign::Warn, Tone::Warn), note, Tone::Warn, "");
    }
    foot.push(ways(state, dialog));
    Question { rows: page.rows, foot: foot.rows }
}

fn direction(state: &State) -> String {
    match state.way().and_then(Result::ok) {
        Some(way) if state.selected_playbook().is_some_and(|playbook| playbook.purpose == Purpose::Fence) => {
            format!(" on {}", state.fleet.name(way.from))
        }
        Some(way) => format!(" from {} to {}", state.fleet.name(way.from), state.fleet.name(way.to)),
        None => String::new(),
    }
}

fn resume(state: &State, id: &str, page: &mut Writer) {
    let Some(followed) = &state.run else { return };
    page.inset_none(&format!("Take run {id} up and drive it from here?"), Tone::Strong);
    page.inset_none(
        &format!("Driven last by {}. While that driver lives, this is refused.", followed.run.driver),
        Tone::Plain,
    );
    page.inset_none("A step that was started then reads uncertain until it is observed.", Tone::Plain);
}

fn consent(state: &State, step: &str, shown: &EffectHash, page: &mut Writer) {
    let Some((plan, _)) = state.run.as_ref().and_then(|followed| followed.run.step(step)) else { return };
    let words = |text: &str| state.run.as_ref().map_or_else(String::new, |followed| followed.run.words(text));
    if let Some(run) = state.run.as_ref().map(|followed| &followed.run).filter(|_| state.came_back()) {
        let key = |mode: Mode, action: Action| {
            crate::console::hints::best(state.keymap.keys_for(mode, action)).unwrap_or_else(|| action.name().to_owned())
        };
        let text = format!(
            "{} answers again and streams; nothing is promoted yet: {}, then {} gives the failover up; {} goes on with it.",
            run.from_name(),
            key(Mode::Confirm, Action::Cancel),
            key(Mode::Playbook, Action::AbortRun),
            key(Mode::Confirm, Action::Confirm)
        );
        page.inset_none(&text, Tone::Danger);
    }
    page.push(Row::of("It will send", Tone::Strong).fill().dim(format!("consent {}", shown.short())));
    let effects: &[Effect] = match state.derived.proposal.as_ref().map(|proposal| &proposal.next) {
        Some(Next::Start { effects, .. } | Next::Again { effects, .. }) => effects,
        _ => &[],
    };
    let name = |side: Side| state.fleet.name(side).to_owned();
    let lines: Vec<String> = effects.iter().flat_map(|effect| effect.requests(name)).collect();
    for line in lines.iter().take(REQUESTS_MAX) {
        page.inset(line, Tone::Plain);
    }
    if lines.len() > REQUESTS_MAX {
        page.inset(
            &format!("and {} more: the page of the step has all of them", lines.len() - REQUESTS_MAX),
            Tone::Warn,
        );
    }
    if plan.kind.irreversible() {
        price(state, page);
    }
    if !plan.no_way_back.is_empty() {
        page.inset_none(&format!("No way back: {}", words(&plan.no_way_back)), Tone::Danger);
    }
}

/// What a promotion costs, and against what it goes on: the last look before it.
fn price(state: &State, page: &mut Writer) {
    let Some(run) = state.run.as_ref().map(|followed| &followed.run) else { return };
    let loss = state.fleet.loss(run.declared.direction);
    let verb = if loss.exact { "Loses" } else { "May lose" };
    let tone = if loss.at_most().is_some_and(|bytes| bytes.0 == 0) { Tone::Plain } else { Tone::Warn };
    page.inset_none(&format!("{verb} {}.", loss.short(run.from_name())), tone);
    let mut gates: Vec<&str> = run.overrides.iter().map(|decision| decision.finding.gate.as_str()).collect();
    gates.dedup();
    if !gates.is_empty() {
        let alone = if run.overrides.iter().any(|decision| decision.break_glass) { ", by break-glass" } else { "" };
        page.inset_none(&format!("Goes on against {}{alone}.", gates.join(" and ")), Tone::Overridden);
    }
}

/// A text being typed, beside its label or, where it is longer, below it.
fn typed(label: &str, field: &Field, page: &mut Writer) {
    let (before, after) = field.halves();
    let cursor = |row: Row, (before, after): (String, String)| {
        row.add(before, Tone::Field).sign(Sign::Cursor, Tone::Field).add(after, Tone::Field)
    };
    if width(label) + width(&before) + width(&after) + 3 <= page.columns {
        return page.push(cursor(Row::of(format!("{label}  "), Tone::Strong), (before, after)));
    }
    page.push(Row::of(label, Tone::Strong));
    let room = page.columns.saturating_sub(1).max(1);
    let (mut above, last) = lines(&before, room);
    let (rest, mut below) = split_at_width(&after, room.saturating_sub(width(&last)));
    // The line with the cursor is in sight, and as much before it as there is room for.
    let skipped = above.len().saturating_sub(FIELD_LINES - 1);
    for line in above.drain(..).skip(skipped) {
        page.push(Row::of(line, Tone::Field));
    }
    page.push(cursor(Row::new(), (last, rest)));
    if !below.is_empty() {
        below = crate::console::row::cut(&below, page.columns);
        page.push(Row::of(below, Tone::Field));
    }
}

/// A text in full lines of so many columns, and what is left over.
fn lines(text: &str, columns: usize) -> (Vec<String>, String) {
    let (mut full, mut rest) = (Vec::new(), text.to_owned());
    while width(&rest) > columns {
        let (line, more) = split_at_width(&rest, columns);
        full.push(line);
        rest = more;
    }
    (full, rest)
}

/// How to say yes and no, with the live keys.
fn ways(state: &State, dialog: &Dialog) -> Row {
    let mode = state.mode();
    let key = |action: Action| {
        crate::console::hints::best(state.keymap.keys_for(mode, action)).unwrap_or_else(|| "no key".to_owned())
    };
    if !dialog.painted && dialog.note.is_some() {
        return Row::new().dim("look again; keys are taken in a moment");
    }
    if dialog.stray {
        let again = dialog.opened_by.filter(|by| by.is_printable());
        let row = again.map_or_else(Row::new, |by| Row::new().add(by.to_string(), Tone::Key).dim(" asks again   "));
        return row.add(key(Action::Cancel), Tone::Key).dim(" not now, nothing is sent");
    }
    Row::new()
        .add(key(Action::Confirm), Tone::Key)
        .dim(if dialog.field().is_some() { " sends what is typed   " } else { " yes, as written   " })
        .add(key(Action::Cancel), Tone::Key)
        .dim(" not now, nothing is sent")
}
