//! A run as lines of text: its steps, its requests, its end. From the run alone, so that it says the same years later.

use crate::domain::Timestamp;
use crate::domain::fleet::replication::Loss;
use crate::domain::units::{Bytes, clock, many};
use crate::playbook::figures::Figures;
use crate::playbook::file::Purpose;
use crate::playbook::record::{End, Event, Measured, Note, Record};
use crate::playbook::run::{Run, StepState};
use std::fmt::Write;

/// The mark of a step's state, in characters of every terminal.
#[must_use]
pub fn mark(state: &StepState) -> &'static str {
    match state {
        StepState::Waiting => " ",
        StepState::Started => ">",
        StepState::Uncertain(_) => "?",
        StepState::Done => "+",
        StepState::Unproven(_) => "!",
        StepState::Skipped(_) => "-",
        StepState::Failed(_) => "x",
        StepState::Undone => "<",
    }
}

/// The steps, a line each.
#[must_use]
pub fn steps(run: &Run) -> String {
    let mut out = String::new();
    let titles = run.declared.playbook.steps.iter().map(|step| run.words(&step.title).chars().count());
    // Titles hold names of regions, which may be long; one that is very long stands out alone.
    let width = titles.filter(|width| *width <= 80).max().unwrap_or(0).max(52);
    for (i, (step, slot)) in run.declared.playbook.steps.iter().zip(&run.steps).enumerate() {
        let why = match &slot.state {
            StepState::Uncertain(why) | StepState::Unproven(why) | StepState::Skipped(why) | StepState::Failed(why) => {
                format!("  {why}")
            }
            _ => String::new(),
        };
        let spent = slot.started_at.zip(slot.ended_at).map(|(began, ended)| clock(crate::domain::since(began, ended)));
        let title = run.words(&step.title);
        let state = slot.state.word();
        let _ = writeln!(
            out,
            "{} {:>2}  {title:<width$} {state:<9} {}{why}",
            mark(&slot.state),
            i + 1,
            spent.unwrap_or_default()
        );
    }
    out
}

/// One record as a line.
#[must_use]
pub fn record_line(record: &Record, run: &Run) -> String {
    let at = record.at.strftime("%H:%M:%SZ");
    format!("{at}  {}", event_words(&record.event, run))
}

fn event_words(event: &Event, run: &Run) -> String {
    match event {
        Event::Declared(d) => {
            format!("run {} declared: {} {}", d.run, d.playbook.name, way(run))
        }
        Event::StepStarted(start) => {
            let sends = if start.effects.is_empty() {
                String::new()
            } else {
                format!(", {}", many(start.effects.len(), "request", "requests"))
            };
            let unreachable =
                start.unreachable.as_ref().map(|why| format!("; one short try: {why}")).unwrap_or_default();
            format!("{}: started, attempt {}{sends}{unreachable}", start.step, start.attempt)
        }
        Event::EffectEnded { step, index, outcome } => format!("{step}: request {}: {}", index + 1, outcome.text()),
        Event::StepDone { step, evidence, note } => {
            let words = evidence.iter().map(|e| e.text.as_str()).collect::<Vec<_>>().join("; ");
            let note = note.as_ref().map(|n| note_words(n)).unwrap_or_default();
            if words.is_empty() && note.is_empty() {
                format!("{step}: done")
            } else {
                format!("{step}: done. {words}{note}")
            }
        }
        Event::StepUnproven { step, reason, gate, .. } => {
            let by = gate.as_ref().map(|gate| format!(" (override of {gate})")).unwrap_or_default();
            format!("{step}: NOT PROVEN, going on{by}: {reason}")
        }
        Event::StepSkipped { step, reason } => format!("{step}: skipped: {reason}"),
        Event::StepFailed { step, reason } => format!("{step}: failed: {reason}"),
        Event::StepUncertain { step, reason } => format!("{step}: uncertain: {reason}"),
        Event::Overridden(o) => {
            let glass = if o.break_glass { ", BREAK-GLASS, one person alone" } else { "" };
            format!("OVERRIDE of {} by {}{glass}: {}", o.finding.gate, o.by, o.reason)
        }
        Event::Detached => "driver left in good order".to_owned(),
        Event::Resumed => "taken up again".to_owned(),
        Event::UndoStarted { step, effects, .. } => {
            format!("{step}: undo started, {}", many(effects.len(), "request", "requests"))
        }
        Event::UndoEffectEnded { step, index, outcome } => format!("{step}: undo {}: {}", index + 1, outcome.text()),
        Event::StepUndone { step } => format!("{step}: undone"),
        Event::LossMeasured(measured) => {
            let wrote_on =
                measured.wrote_on_words(run.from_name()).map(|words| format!("; {words}")).unwrap_or_default();
            let rows = measured.rows.map_or_else(String::new, |_| rows_words(measured.rows) + measured.rows_cover());
            format!("loss measured: {}{rows}{wrote_on}", measured.loss.words())
        }
        Event::Ended { end: End::Done, .. } => "run done".to_owned(),
        Event::Ended { end: End::Aborted, reason } => format!("run given up: {reason}"),
    }
}

fn rows_words(rows: Option<u64>) -> String {
    let rows = rows.map(|rows| usize::try_from(rows).unwrap_or(usize::MAX));
    rows.map_or_else(String::new, |rows| format!(", {}", many(rows, "archive row", "archive rows")))
}

fn note_words(note: &Note) -> String {
    match note {
        Note::Inventory { at, runs } => format!(" [{} in flight as of {}]", many(runs.len(), "run", "runs"), time(*at)),
        Note::Loss { loss, rows, .. } => {
            format!(" [loses {}{}]", loss.words(), rows_words(*rows))
        }
        Note::Crons { active, missing } if missing.is_empty() => format!(" [{}]", many(active.len(), "cron", "crons")),
        Note::Crons { active, missing } => {
            format!(" [{}, {} missing]", many(active.len(), "cron", "crons"), missing.len())
        }
        Note::Dns { caches_new_by } => format!(" [caches new by {}]", time(*caches_new_by)),
    }
}

fn time(at: Timestamp) -> String {
    at.strftime("%H:%M:%SZ").to_string()
}

/// The recovery figures.
#[must_use]
pub fn figures(run: &Run) -> String {
    let figures = Figures::of(run);
    let mut out = String::new();
    let end = match figures.end {
        Some(End::Done) => "DONE",
        Some(End::Aborted) => "GIVEN UP",
        None => "OPEN",
    };
    // A fence brings no service back, and nothing is lost by it.
    let fence = run.declared.playbook.purpose == Purpose::Fence;
    let proven = match (figures.proven, fence) {
        (true, true) => "fenced",
        (false, true) => "not proven to be fenced",
        (true, false) => "serves again",
        (false, false) => "not proven yet",
    };
    let name = &run.declared.playbook.name;
    let _ = writeln!(out, "{name} {}  {end}, {proven} after {}", way(run), clock(figures.total));
    let parts = [
        ("detect", figures.detect),
        ("decide", figures.decide),
        ("execute", figures.execute),
        ("verify", figures.verify),
    ];
    for (word, span) in parts {
        let _ = writeln!(out, "  {word:<10}{:>8}", clock(span));
    }
    if let Some(at) = figures.caches_new_by {
        let _ = writeln!(out, "  {:<10}all caches new by {}", "dns", time(at));
    }
    if !fence {
        loss_lines(&mut out, &figures, run.from_name());
    }
    for decision in &figures.overrides {
        let glass = if decision.break_glass { " alone (break-glass)" } else { "" };
        let _ = writeln!(
            out,
            "  {:<10}{} by {}{glass}: {}",
            "override", decision.finding.gate, decision.by, decision.reason
        );
    }
    for (step, why) in &figures.unproven {
        let _ = writeln!(out, "  {:<10}{step}: {why}", "unproven");
    }
    let old = run.from_name();
    if run.unfenced() {
        let _ = writeln!(out, "  {:<10}{old} is NOT fenced: when it answers, run the playbook fence", "open");
    }
    if run.promotion_started() {
        let _ = writeln!(out, "  {:<10}{old} must be rebuilt as a replica before it can take over again", "open");
    }
    out
}

/// Where a run leads: `us-central1 → us-east1`, or `fences us-central1`.
#[must_use]
pub fn way(run: &Run) -> String {
    match run.declared.playbook.purpose {
        Purpose::Fence => format!("fences {}", run.from_name()),
        _ => format!("{} → {}", run.from_name(), run.to_name()),
    }
}

fn loss_lines(out: &mut String, figures: &Figures, old: &str) {
    match &figures.loss {
        None => {
            let _ = writeln!(out, "  {:<10}not measured", "lost");
        }
        Some((loss, rows)) => {
            let basis = match &figures.measured {
                Some(_) => "read from the old side after its return",
                None if loss.exact => "exact: the old side was fenced and read",
                None => "an estimate: last position seen of the old log, less what the replica had",
            };
            let counted = figures.measured.as_ref().map_or(" at the last counts", Measured::rows_cover);
            let rows = rows.map_or("archive rows unknown".to_owned(), |rows| {
                format!("{}{counted}", many(usize::try_from(rows).unwrap_or(usize::MAX), "archive row", "archive rows"))
            });
            let _ = writeln!(out, "  {:<10}{}", "lost", loss.words());
            let _ = writeln!(out, "  {:<10}{}, {rows}", "", seconds_words(loss));
            let _ = writeln!(out, "  {:<10}{basis}", "");
        }
    }
    if let Some(words) = figures.measured.as_ref().and_then(|measured| measured.wrote_on_words(old)) {
        let _ = writeln!(out, "  {:<10}{words}", "lost too");
    }
    if let Some((runs, at)) = figures.in_flight {
        let _ = writeln!(out, "  {:<10}{}", "", in_flight(runs, at));
    }
}

pub(super) fn in_flight(runs: usize, at: Timestamp) -> String {
    let verb = if runs == 1 { "was" } else { "were" };
    format!("{} {verb} in flight, as of {}", many(runs, "run", "runs"), time(at))
}

/// How much time the lost log spans: what was written between the last look at the old side and its end.
fn seconds_words(loss: &Loss) -> String {
    match loss.unseen {
        _ if loss.exact && loss.bytes == Some(Bytes(0)) => "0 s of log".to_owned(),
        None => "seconds of log not known".to_owned(),
        Some(seen) if seen.as_secs() == 0 => "less than 1 s of log".to_owned(),
        Some(seen) => format!("up to {} of log", clock(seen)),
    }
}
