//! The run: its steps as a list, and one step as a page.

use super::words::{evidence_age, moment, verdict};
use super::writer::Writer;
use crate::console::guide::Turn;
use crate::console::row::{Row, Sign, Tone};
use crate::console::state::{Followed, State};
use crate::domain::effect::{Effect, Outcome};
use crate::domain::since;
use crate::domain::units::{age, clock};
use crate::gates::Verdict;
use crate::playbook::consent::Tier;
use crate::playbook::file::Step;
use crate::playbook::kinds::{Plan, Scene};
use crate::playbook::propose::{GateLine, Next};
use crate::playbook::record::End;
use crate::playbook::run::{Run, StepRun, StepState};

/// The steps, one row each: mark, number, id, and how it stands at the right.
#[must_use]
pub fn step_rows(state: &State) -> Vec<Row> {
    let Some(followed) = &state.run else { return Vec::new() };
    let run = &followed.run;
    let current = state.open_step().map(|(at, _, _)| at);
    let steps = run.declared.playbook.steps.iter().zip(&run.steps).enumerate();
    steps
        .map(|(at, (step, slot))| {
            let here = current == Some(at);
            let (sign, tone) = mark(slot, here);
            let text = if here {
                Tone::Strong
            } else if slot.state == StepState::Waiting {
                Tone::Dim
            } else {
                Tone::Plain
            };
            Row::new()
                .sign(sign, tone)
                .add(format!(" {:>2} {}", at + 1, step.id), text)
                .fill()
                .add(stand(state, followed, at, slot, here), if here { Tone::Strong } else { Tone::Dim })
        })
        .collect()
}

/// Mark of a step. What was passed over never wears the mark of what passed.
pub(super) fn mark(slot: &StepRun, here: bool) -> (Sign, Tone) {
    match &slot.state {
        StepState::Done => (Sign::Pass, Tone::Good),
        StepState::Unproven(_) if here => (Sign::Here, Tone::Overridden),
        StepState::Unproven(_) => (Sign::Overridden, Tone::Overridden),
        StepState::Skipped(_) => (Sign::Moot, Tone::Dim),
        StepState::Failed(_) => (Sign::Block, Tone::Bad),
        StepState::Uncertain(_) => (Sign::Unknown, Tone::Unknown),
        StepState::Undone => (Sign::Moot, Tone::Warn),
        StepState::Started => (Sign::Here, Tone::Plain),
        StepState::Waiting if here => (Sign::Here, Tone::Strong),
        StepState::Waiting => (Sign::ToCome, Tone::Dim),
    }
}

fn stand(state: &State, followed: &Followed, at: usize, slot: &StepRun, here: bool) -> String {
    let took = || slot.started_at.zip(slot.ended_at).map_or_else(|| "done".to_owned(), |(a, b)| clock(since(a, b)));
    match &slot.state {
        StepState::Done => took(),
        StepState::Unproven(_) if !here => "not proven".to_owned(),
        StepState::Skipped(_) => "skipped".to_owned(),
        StepState::Failed(_) => "failed".to_owned(),
        StepState::Uncertain(_) => "uncertain".to_owned(),
        StepState::Undone => "undone".to_owned(),
        // It is not at work while it waits for a person.
        StepState::Started if here && matches!(state.turn(), Turn::Held(_) | Turn::Accept(_)) => {
            if matches!(state.turn(), Turn::Held(_)) { held(state) } else { "your turn".to_owned() }
        }
        StepState::Started => {
            let spent = slot.started_at.map(|at| since(at, state.fleet.now)).unwrap_or_default();
            format!("at it {}", clock(spent))
        }
        StepState::Waiting | StepState::Unproven(_) if here => match state.turn() {
            Turn::Start(Tier::None) | Turn::Busy(_) => "next".to_owned(),
            Turn::Start(_) | Turn::Finish => "your turn".to_owned(),
            Turn::Held(_) => held(state),
            Turn::Stuck(_) => "stuck".to_owned(),
            _ => "next".to_owned(),
        },
        StepState::Waiting | StepState::Unproven(_) => {
            let step = followed.run.declared.playbook.steps.get(at);
            let expect = step.map(|step| {
                let past = state.history.step_takes.get(&step.id).and_then(|all| all.first()).copied();
                past.unwrap_or(step.expect)
            });
            expect.map_or_else(String::new, |expect| format!("about {}", clock(expect)))
        }
    }
}

/// What was decided on may be over: said before anything else.
fn came_back(state: &State, run: &Run, page: &mut Writer) {
    use crate::console::action::Action;
    if !state.came_back() {
        return;
    }
    let key = |action: Action| {
        let mode = crate::console::view::View::Run.mode();
        crate::console::hints::best(state.keymap.keys_for(mode, action)).unwrap_or_else(|| action.name().to_owned())
    };
    let (gives_up, goes_on) = (key(Action::AbortRun), key(Action::RunStep));
    let text = format!(
        "{} answers again and streams; nothing is promoted yet: {gives_up} gives the failover up, {goes_on} goes on with it",
        run.from_name()
    );
    page.labelled("LOOK", &text, Tone::Danger);
}

fn held(state: &State) -> String {
    if state.may_override() { "your decision".to_owned() } else { "held".to_owned() }
}

/// One step as a page: title, whether it can't be undone, rows.
pub(super) fn rows(state: &State, at: usize, columns: usize) -> (String, bool, Vec<Row>) {
    let Some(followed) = &state.run else { return (String::new(), false, Vec::new()) };
    let run = &followed.run;
    let (Some(step), Some(slot)) = (run.declared.playbook.steps.get(at), run.steps.get(at)) else {
        return (String::new(), false, Vec::new());
    };
    let current = state.open_step().is_some_and(|(open, _, _)| open == at);
    let mut page = Writer { columns, rows: Vec::new() };
    page.push(Row::of(run.words(&step.title), Tone::Strong));
    if current {
        came_back(state, run, &mut page);
        // While the question is open, it says itself what to press.
        if state.dialog().is_none() {
            now(state, &mut page);
        }
        if matches!(slot.state, StepState::Unproven(_)) {
            let text = "it was left unproven; what it acts on answers again, so it comes before the other steps";
            page.labelled("again", text, Tone::Warn);
        }
    } else {
        if let Some((End::Aborted, _, reason)) = &run.ended {
            page.labelled("given up", reason, Tone::Bad);
        }
        past(slot, &mut page);
    }
    page.labelled("why", &run.words(&step.why), Tone::Plain);
    gates(state, slot, current, &mut page);
    requests(state, slot, current, &mut page);
    if current {
        would_send(state, step, &mut page);
    }
    outcomes(slot, &mut page);
    evidence(state, slot, &mut page);
    if !step.no_way_back.is_empty() {
        page.blank();
        page.labelled("no way back", &run.words(&step.no_way_back), Tone::Danger);
    }
    page.blank();
    page.labelled("takes", &takes(state, &step.id, step.expect), Tone::Dim);
    let title = format!("step {} of {} {}", at + 1, run.steps.len(), step.id);
    (title, step.kind.irreversible(), page.rows)
}

/// Whose turn it is, in a sentence that names the key.
fn now(state: &State, page: &mut Writer) {
    use crate::console::action::Action;
    let key = |action: Action| {
        let mode = crate::console::view::View::Run.mode();
        crate::console::hints::best(state.keymap.keys_for(mode, action)).unwrap_or_else(|| "no key".to_owned())
    };
    let (text, tone) = match state.turn() {
        Turn::ReadOnly => ("this console is READ-ONLY: it watches".to_owned(), Tone::Warn),
        Turn::NotOurs => (format!("{} takes the run over", key(Action::RunStep)), Tone::Warn),
        Turn::Stands(why) => (format!("STANDS STILL: {why}; {} takes it up again", key(Action::RunStep)), Tone::Bad),
        Turn::Held(says) => (format!("held: {says}; {}", state.way_on()), Tone::Bad),
        Turn::Start(Tier::None) => {
            (format!("{} starts it; it asks for no consent", key(Action::RunStep)), Tone::Strong)
        }
        Turn::Start(_) => (format!("your turn: {} asks for your consent", key(Action::RunStep)), Tone::Strong),
        Turn::Again(_, optional) => {
            let reason = match state.derived.proposal.as_ref().map(|proposal| &proposal.next) {
                Some(Next::Again { reason, .. }) => reason.clone(),
                _ => String::new(),
            };
            let way = if optional { format!(", {} goes on without", key(Action::Accept)) } else { String::new() };
            (format!("{reason}; {} tries again{way}, {} aborts", key(Action::Retry), key(Action::AbortRun)), Tone::Bad)
        }
        Turn::Accept(what) => (format!("{what}; {} accepts", key(Action::Accept)), Tone::Warn),
        Turn::Busy(what) => (what, Tone::Plain),
        Turn::Stuck(why) if state.may_override() => (format!("can not go on: {why}; {}", state.way_on()), Tone::Bad),
        Turn::Stuck(why) => (format!("can not go on: {why}"), Tone::Bad),
        Turn::NoRun | Turn::Over | Turn::Finish => return,
    };
    page.labelled("now", &text, tone);
}

fn past(slot: &StepRun, page: &mut Writer) {
    match &slot.state {
        StepState::Unproven(why) => page.labelled("not proven", why, Tone::Overridden),
        StepState::Skipped(why) => page.labelled("skipped", why, Tone::Dim),
        StepState::Failed(why) => page.labelled("failed", why, Tone::Bad),
        StepState::Uncertain(why) => page.labelled("uncertain", why, Tone::Unknown),
        other => page.labelled("state", other.word(), Tone::Dim),
    }
}

/// The gates now, for the current step; as they stood in the record, for one that was started.
fn gates(state: &State, slot: &StepRun, current: bool, page: &mut Writer) {
    let now = state.fleet.now;
    if let Some(proposal) = state.derived.proposal.as_ref().filter(|_| current) {
        let unprovable = match &proposal.next {
            Next::Unprovable { gate, .. } => Some(gate),
            _ => proposal.without(),
        };
        if proposal.gates.is_empty() && unprovable.is_none() {
            return;
        }
        page.blank();
        page.head("gates");
        // What a tired reader must see comes first: what holds, what was passed over, what warns.
        let mut lines: Vec<&GateLine> = proposal.gates.iter().chain(unprovable).collect();
        lines.sort_by_key(|line| weight(line));
        for line in lines {
            gate(state, line, page);
        }
    } else if let Some(started) = slot.started.as_ref().filter(|started| !started.gates.is_empty()) {
        page.blank();
        let at = slot.started_at.map(|at| moment(at, now)).unwrap_or_default();
        page.head(&format!("gates, as they stood at {at}"));
        for finding in &started.gates {
            page.signed(verdict(finding.answer.verdict), &finding.answer.text, Tone::Plain, &finding.gate);
        }
    }
}

fn weight(line: &GateLine) -> u8 {
    match line.finding.answer.verdict {
        Verdict::Block | Verdict::Unknown if line.overridden.is_some() => 1,
        Verdict::Block | Verdict::Unknown => 0,
        Verdict::Warn => 2,
        Verdict::Pass => 3,
        Verdict::Moot => 4,
    }
}

fn gate(state: &State, line: &GateLine, page: &mut Writer) {
    let answer = &line.finding.answer;
    let aged = evidence_age(answer, state.fleet.now).unwrap_or_default();
    if let Some(decision) = &line.overridden {
        page.signed((Sign::Overridden, Tone::Overridden), &answer.text, Tone::Overridden, &aged);
        let alone = if decision.break_glass { " ALONE (break-glass)" } else { "" };
        page.inset(&format!("overridden by {}{alone}: \"{}\"", decision.by, decision.reason), Tone::Overridden);
        return;
    }
    page.signed(verdict(answer.verdict), &answer.text, Tone::Plain, &aged);
    if !answer.verdict.holds() {
        return;
    }
    if !answer.lift.is_empty() {
        page.inset(&format!("lift it: {}", answer.lift), Tone::Dim);
    }
    page.inset(line.override_by.words(state.fleet.policy.break_glass), Tone::Dim);
}

fn requests(state: &State, slot: &StepRun, current: bool, page: &mut Writer) {
    let (head, effects): (&str, &[Effect]) = match state.derived.proposal.as_ref().map(|p| &p.next).filter(|_| current)
    {
        Some(Next::Start { effects, unreachable, .. }) => {
            (if unreachable.is_some() { "it will try to send, once" } else { "it will send" }, effects)
        }
        Some(Next::Again { effects, .. }) => ("a retry will send", effects),
        // Whether it got there is said by the answers below.
        _ => {
            ("it set out to send", slot.started.as_ref().map(|started| started.effects.as_slice()).unwrap_or_default())
        }
    };
    let held = matches!(state.derived.proposal.as_ref().map(|p| &p.next), Some(Next::Held));
    if effects.is_empty() && !(current && slot.state == StepState::Waiting && !held) {
        return;
    }
    page.blank();
    page.head(head);
    if let Some(Next::Start { unreachable: Some(why), .. } | Next::Again { unreachable: Some(why), .. }) =
        state.derived.proposal.as_ref().map(|p| &p.next).filter(|_| current)
    {
        page.inset(why, Tone::Warn);
    }
    if effects.is_empty() {
        page.inset("nothing: it asks, or waits for its proof", Tone::Dim);
    }
    for effect in effects {
        for line in effect.requests(|side| state.fleet.name(side).to_owned()) {
            page.inset(&line, Tone::Plain);
        }
    }
}

/// What a step that is held would send as things stand: what a person decides on.
fn would_send(state: &State, step: &Step, page: &mut Writer) {
    let (Some(followed), Some(Next::Held)) = (&state.run, state.derived.proposal.as_ref().map(|p| &p.next)) else {
        return;
    };
    page.blank();
    page.head("it would send, once nothing holds it");
    let scene = Scene { fleet: &state.fleet, run: &followed.run, since: None };
    let effects = match step.kind.plan(&scene) {
        Plan::Act(effects) | Plan::Unreachable(_, effects) => effects,
        Plan::Done => return page.inset("nothing: all is as it should be already", Tone::Dim),
        Plan::Wait => return page.inset("nothing: it waits for its proof", Tone::Dim),
        Plan::Skip(why) => return page.inset(&format!("nothing, it does not apply: {why}"), Tone::Dim),
        Plan::Impossible(why) => return page.inset(&format!("not known now: {why}"), Tone::Unknown),
    };
    for line in effects.iter().flat_map(|effect| effect.requests(|side| state.fleet.name(side).to_owned())) {
        page.inset(&line, Tone::Plain);
    }
}

fn outcomes(slot: &StepRun, page: &mut Writer) {
    if slot.outcomes.iter().all(Option::is_none) {
        return;
    }
    page.blank();
    page.head("answers");
    for outcome in slot.outcomes.iter().flatten() {
        let sign = match outcome {
            Outcome::Done { .. } | Outcome::Already { .. } => (Sign::Pass, Tone::Good),
            Outcome::Refused { .. } | Outcome::NotSent { .. } => (Sign::Block, Tone::Bad),
            Outcome::Unknown { .. } => (Sign::Unknown, Tone::Unknown),
        };
        page.signed(sign, &outcome.text(), Tone::Plain, "");
    }
    let open = slot.outcomes.iter().filter(|outcome| outcome.is_none()).count();
    if open > 0 {
        page.inset(&format!("{open} still to come"), Tone::Dim);
    }
}

fn evidence(state: &State, slot: &StepRun, page: &mut Writer) {
    if slot.evidence.is_empty() {
        return;
    }
    page.blank();
    page.head("proven by");
    for evidence in &slot.evidence {
        let at = evidence.at.map(|at| moment(at, state.fleet.now)).unwrap_or_else(|| "never seen".to_owned());
        let region = evidence.source.side().map(|side| format!("{} ", state.fleet.name(side))).unwrap_or_default();
        let text = format!("{region}{}: {}", evidence.source.word(), evidence.text);
        page.signed((Sign::Pass, Tone::Good), &text, Tone::Plain, &at);
    }
}

fn takes(state: &State, id: &str, expect: std::time::Duration) -> String {
    match state.history.step_takes.get(id).map(Vec::as_slice) {
        Some([one]) => format!("{} in the last run", clock(*one)),
        Some([one, two, ..]) => format!("{} and {} in the last two runs", clock(*one), clock(*two)),
        _ => format!("about {}, by the playbook; no run of it is known here", age(expect)),
    }
}
