//! The end of a run: how long each part took, what was lost, what is still open.

use super::words::{moment, run_clock, way};
use super::writer::Writer;
use crate::console::row::{Piece, Row, Tone};
use crate::console::state::State;
use crate::domain::units::many;
use crate::domain::units::{age, clock};
use crate::playbook::figures::Figures;
use crate::playbook::file::Purpose;
use crate::playbook::kinds::Kind;
use crate::playbook::record::End;
use crate::playbook::run::{Run, StepState};
use std::time::Duration;

/// Longest bar.
const BAR: u16 = 40;

pub(super) fn rows(state: &State, columns: usize) -> (String, Vec<Row>) {
    let (Some(followed), Some(figures)) = (&state.run, &state.derived.figures) else {
        return (String::new(), Vec::new());
    };
    let run = &followed.run;
    let fence = run.declared.playbook.purpose == Purpose::Fence;
    let word = match figures.end {
        Some(End::Done) => "DONE",
        Some(End::Aborted) => "ABORTED",
        None => "open",
    };
    let title = if fence {
        format!("{word} after {}", run_clock(state, run))
    } else {
        let proven = if figures.proven { "service proven after" } else { "service NOT proven after" };
        format!("{word} {proven} {} of {}", clock(figures.total), age(state.fleet.policy.rto_target))
    };
    let mut page = Writer { columns, rows: Vec::new() };
    page.push(
        Row::of(format!("{} ", run.declared.playbook.name), Tone::Strong)
            .then(way(run))
            .fill()
            .dim(format!("run {}", run.declared.run)),
    );
    let (word_tone, over) = match (figures.end, figures.proven) {
        (Some(End::Done), true) => (Tone::Good, !fence && figures.total > state.fleet.policy.rto_target),
        (Some(End::Done), false) | (None, _) => (Tone::Warn, false),
        (Some(End::Aborted), _) => (Tone::Bad, false),
    };
    let late = if over { ", over the target" } else { "" };
    page.labelled("outcome", &format!("{title}{late}"), if over { Tone::Warn } else { word_tone });
    if let Some((End::Aborted, _, reason)) = &run.ended {
        page.labelled("because", reason, Tone::Plain);
    }
    // Before the figures: they can wait, this can not.
    open(state, run, &mut page);
    page.blank();
    if fence {
        fenced(state, run, &mut page);
        page.blank();
    } else {
        bars(figures, &mut page);
        page.blank();
        losses(state, figures, run.from_name(), &mut page);
    }
    passed_over(figures, &mut page);
    page.labelled("next", &format!("leeward journal show {} tells all of it", run.declared.run), Tone::Dim);
    (format!("end of run {}", run.declared.run), page.rows)
}

fn bars(figures: &Figures, page: &mut Writer) {
    let parts = [
        ("detect", figures.detect, "until it was declared"),
        ("decide", figures.decide, "waiting for a person"),
        ("execute", figures.execute, "steps that do"),
        ("verify", figures.verify, "steps that prove"),
    ];
    let longest = parts.iter().map(|part| part.1).max().unwrap_or_default().max(Duration::from_secs(1));
    let most = BAR.min(u16::try_from(page.columns.saturating_sub(24) / 2).unwrap_or(BAR)).max(4);
    for (name, spent, words) in parts {
        let share = spent.as_secs_f64() / longest.as_secs_f64() * f64::from(most);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let bar = (share.round() as u16).clamp(u16::from(!spent.is_zero()), most);
        let blank = usize::from(most - bar) + 1;
        page.push(
            Row::new()
                .dim(format!("{name:<12}"))
                .add(format!("{:>9} ", clock(spent)), Tone::Plain)
                .piece(Piece::Bar(bar, Tone::Dim))
                .dim(format!("{:blank$}{words}", "")),
        );
    }
    page.push(Row::new().dim(format!("{:<12}", "total")).add(format!("{:>9}", clock(figures.total)), Tone::Strong));
}

fn losses(state: &State, figures: &Figures, old: &str, page: &mut Writer) {
    let text = match &figures.loss {
        None => ("not measured".to_owned(), Tone::Unknown),
        Some((loss, rows)) => {
            let (cover, how) = match &figures.measured {
                Some(measured) => (rows.as_ref().map_or("", |_| measured.rows_cover()), "measured on the old side"),
                None => ("", "as estimated before the promotion"),
            };
            let rows = match rows {
                Some(0) => ", no archive row".to_owned(),
                Some(rows) => {
                    format!(", {}", many(usize::try_from(*rows).unwrap_or(usize::MAX), "archive row", "archive rows"))
                }
                None => ", archive rows unknown".to_owned(),
            };
            (format!("{}{rows}{cover}; {how}", loss.words()), Tone::Plain)
        }
    };
    page.labelled("lost", &text.0, text.1);
    if let Some(words) = figures.measured.as_ref().and_then(|measured| measured.wrote_on_words(old)) {
        page.labelled("lost too", &words, Tone::Warn);
    }
    if let Some((runs, at)) = figures.in_flight {
        let text = format!("{} in the old region, as of {}", many(runs, "run", "runs"), moment(at, state.fleet.now));
        page.labelled("in flight", &text, Tone::Plain);
    }
    match figures.caches_new_by {
        Some(by) if by > state.fleet.now => {
            page.labelled("caches", &format!("all new by {}", moment(by, state.fleet.now)), Tone::Plain);
        }
        Some(by) => page.labelled("caches", &format!("new since {}", moment(by, state.fleet.now)), Tone::Plain),
        None => page.labelled("caches", "not known: the name was not switched by this run", Tone::Dim),
    }
}

/// What was fenced, step by step, and by what that is proven.
fn fenced(state: &State, run: &Run, page: &mut Writer) {
    for (step, slot) in run.declared.playbook.steps.iter().zip(&run.steps) {
        let what = match step.kind {
            Kind::ControllersScale { .. } => "controllers",
            Kind::CronsSuspend { .. } => "crons",
            Kind::DatabaseFence => "database",
            _ => continue,
        };
        let proof: Vec<&str> = slot.evidence.iter().map(|evidence| evidence.text.as_str()).collect();
        let text = match (&slot.state, proof.as_slice()) {
            (StepState::Done, []) => "as it should be".to_owned(),
            (StepState::Done, proof) => proof.join("; "),
            (StepState::Skipped(why), _) => format!("nothing to do: {why}"),
            (StepState::Unproven(why) | StepState::Failed(why) | StepState::Uncertain(why), _) => {
                format!("NOT proven: {why}")
            }
            (other, _) => format!("NOT fenced: {}", other.word()),
        };
        let at = slot.ended_at.map(|at| moment(at, state.fleet.now)).unwrap_or_default();
        page.signed(super::step::mark(slot, false), &format!("{what:<12}{text}"), Tone::Plain, &at);
    }
}

fn passed_over(figures: &Figures, page: &mut Writer) {
    if figures.overrides.is_empty() {
        page.labelled("overrides", "none", Tone::Plain);
    }
    for (at, decision) in figures.overrides.iter().enumerate() {
        let alone = if decision.break_glass { " ALONE (break-glass)" } else { "" };
        let text = format!("{} by {}{alone}: \"{}\"", decision.finding.gate, decision.by, decision.reason);
        page.labelled(if at == 0 { "overrides" } else { "" }, &text, Tone::Overridden);
    }
    for (at, (step, why)) in figures.unproven.iter().enumerate() {
        page.labelled(if at == 0 { "not proven" } else { "" }, &format!("{step}: {why}"), Tone::Overridden);
    }
}

/// What is still to be done, the most urgent first.
fn open(state: &State, run: &Run, page: &mut Writer) {
    let old = run.from_name();
    let mut items = Vec::new();
    // A later fence may have seen to it.
    let fenced_now = state.fleet.old_and_fenced(run.declared.direction.from) == Some(true);
    if run.unfenced() && !fenced_now {
        items.push((format!("{old} is NOT fenced: when it answers, run the playbook fence"), Tone::Bad));
    }
    if run.promotion_started() {
        items.push((format!("{old} must be rebuilt as a replica before it can take over again"), Tone::Warn));
    }
    for (at, (text, tone)) in items.iter().enumerate() {
        page.labelled(if at == 0 { "open" } else { "" }, text, *tone);
    }
}
