//! What a run may do next, on the picture there is. The console draws it, the runner follows it; neither decides
//! anything that is not decided here. Pure.

pub use super::proposal::{GateLine, Next, Proposal};

use super::consent::Tier;
use super::file::{IfUnprovable, Step};
use super::kinds::{Kind, Plan, Proof, Scene, lock};
use super::run::{Run, StepRun, StepState};
use crate::domain::effect::{Effect, Outcome};
use crate::domain::fleet::Fleet;
use crate::domain::since;
use crate::gates::{self, Finding, OverrideBy, Question, RunFacts};
use std::time::Duration;

/// Facts of this run for the gates.
#[must_use]
pub fn facts(run: &Run, last_promotion: Option<crate::domain::Timestamp>) -> RunFacts {
    let reached =
        |kind: Kind| {
            run.declared.playbook.steps.iter().zip(&run.steps).any(|(step, slot)| {
                step.kind == kind && !matches!(slot.state, StepState::Waiting | StepState::Failed(_))
            })
        };
    // Asked for is perhaps ours, whatever became of the step. Once its release was begun it is not, and must not be
    // renewed.
    let asked = |slot: &StepRun| {
        let newest = slot.started.iter().flat_map(|start| &start.effects).zip(slot.outcomes.iter().map(Option::as_ref));
        let earlier = slot.earlier.iter().map(|(effect, outcome)| (effect, Some(outcome)));
        let to = run.declared.direction.to;
        newest.chain(earlier).any(|(effect, outcome)| {
            let ours = matches!(effect, Effect::TakeLock { side, .. } if *side == to);
            ours && outcome.is_none_or(|outcome| outcome.took() || matches!(outcome, Outcome::Unknown { .. }))
        })
    };
    let locked = run.steps.iter().any(asked) && !reached(Kind::Report);
    RunFacts {
        us: Some(lock::holder(run)),
        our_lock: locked.then(|| lock::holder(run)),
        last_promotion,
        promoted: run.promoted(),
        activates: Some(run.declared.direction.to),
        who: run.declared.before.who.clone(),
        failing_since: run.declared.failing_since,
        timeline: run.declared.before.timeline,
    }
}

/// What may come next.
#[must_use]
pub fn propose(run: &Run, fleet: &Fleet, facts: &RunFacts) -> Proposal {
    let none = |next| Proposal { index: None, attempt: 0, gates: Vec::new(), next };
    if run.ended.is_some() {
        return none(Next::Over);
    }
    let question = Question { fleet, direction: run.declared.direction, facts };
    let Some((index, step, slot)) = returned(run, &question).or_else(|| run.current()) else {
        return none(Next::Finish);
    };
    let line = |id: &String| gates::by_id(id).map_or_else(|| strange(id), |gate| gate_line(run, gate, &question));
    let attempt = slot.started.as_ref().map_or(1, |start| start.attempt + 1);
    // Before anything else, and for every step: what is seen of the wrong servers proves nothing, whatever it says.
    if let Some(wrong) = gates::by_id(gates::RIGHT_SERVERS).map(|gate| gate_line(run, gate, &question))
        && wrong.holds()
    {
        return Proposal { index: Some(index), attempt, gates: vec![wrong], next: Next::Held };
    }
    let gates: Vec<GateLine> = step.gates.iter().map(line).collect();
    let next = match &slot.state {
        StepState::Started => started(run, step, slot, &question),
        StepState::Uncertain(reason) => uncertain(run, step, slot, &question, &gates, reason),
        StepState::Failed(reason) => again(run, step, &question, &gates, reason.clone()),
        _ if gates.iter().any(GateLine::holds) => Next::Held,
        _ => waiting(run, step, &question),
    };
    Proposal { index: Some(index), attempt, gates, next }
}

/// A fence that was left unproven, whose target answers again and lets it be proven now; or one that was proven and has
/// come off since, by a tool that puts back what it knows, say. It comes before anything else: the rest was decided on a
/// region that can not act. Not while a step is on its way, nor once the lock is being given up.
///
/// A fence that a person left though its target answered stays left, but where a gate that nobody may override holds the
/// open step and this fence is what lifts it.
fn returned<'a>(run: &'a Run, question: &Question<'_>) -> Option<(usize, &'a Step, &'a StepRun)> {
    let fleet = question.fleet;
    let (open, current, _) = run.current()?;
    if current.kind == Kind::Report || run.steps.iter().any(|slot| slot.state == StepState::Started) {
        return None;
    }
    let scene = Scene { fleet, run, since: None };
    let answers = |step: &Step, slot: &StepRun| {
        let target = step.kind.target(run.declared.direction);
        let seen = target.is_some_and(|source| fleet.freshness(source).usable());
        let can = match (step.kind.plan(&scene), &slot.state) {
            (Plan::Act(_), _) => true,
            (Plan::Done | Plan::Wait, state) => *state != StepState::Done,
            _ => false,
        };
        // What could not be proven even so would be left unproven and come again without end.
        seen && can && !matches!(step.kind.proof(&scene), Proof::Unreachable(_))
    };
    let in_the_way: Vec<String> = current
        .gates
        .iter()
        .filter_map(|id| gates::by_id(id).filter(|gate| gate.override_by == OverrideBy::Nobody))
        .map(|gate| gates::ask(gate, question).answer)
        .filter(|answer| answer.verdict.holds())
        .filter_map(|answer| answer.lifted_by)
        .collect();
    let wanted = |step: &Step, slot: &StepRun| !slot.left || in_the_way.contains(&step.id);
    let steps = run.declared.playbook.steps.iter().zip(&run.steps).enumerate().take(open);
    let mut fences = steps.map(|(index, (step, slot))| (index, step, slot));
    fences.find(|(_, step, slot)| slot.reopens(step) && wanted(step, slot) && answers(step, slot))
}

fn gate_line(run: &Run, gate: &gates::Gate, question: &Question<'_>) -> GateLine {
    let finding = gates::ask(gate, question);
    let overridden = finding
        .answer
        .verdict
        .holds()
        .then(|| run.overrides.iter().rev().find(|decision| decision.covers(&finding)).cloned())
        .flatten();
    GateLine { finding, override_by: gate.override_by, overridden }
}

/// A gate that this version does not know, in a run that another version began: its question cannot be asked, and what
/// cannot be asked holds.
fn strange(id: &str) -> GateLine {
    let answer = gates::Answer {
        verdict: gates::Verdict::Unknown,
        text: format!("this version of leeward knows no gate {id:?}"),
        evidence: Vec::new(),
        lift: "go on with the version that began the run".to_owned(),
        lifted_by: None,
        amount: None,
    };
    let finding = Finding { gate: id.to_owned(), answer };
    GateLine { finding, override_by: OverrideBy::Nobody, overridden: None }
}

fn waiting(run: &Run, step: &Step, question: &Question<'_>) -> Next {
    let scene = Scene { fleet: question.fleet, run, since: None };
    let start = |effects: Vec<Effect>, unreachable| {
        let tier = if effects.is_empty() { Tier::None } else { step.consent };
        Next::Start { effects, tier, unreachable }
    };
    match step.kind.plan(&scene) {
        Plan::Done | Plan::Wait => start(Vec::new(), None),
        Plan::Skip(reason) => Next::Skip(reason),
        Plan::Act(effects) => start(effects, None),
        Plan::Unreachable(reason, effects) => start(effects, Some(reason)),
        Plan::Impossible(reason) => impossible(run, step, question, reason),
    }
}

fn impossible(run: &Run, step: &Step, question: &Question<'_>, reason: String) -> Next {
    let without = without(run, step, question, &reason);
    Next::Impossible { reason, without }
}

/// The gate whose override lets the run go on though the step is not proven. Whether to go on is a person's to say each
/// time, also where the override is an old one.
fn without(run: &Run, step: &Step, question: &Question<'_>, reason: &str) -> Option<GateLine> {
    let id = step.unproven_gate()?;
    match step.if_unprovable {
        IfUnprovable::Stop => None,
        IfUnprovable::SecondPerson => gates::by_id(&id).map(|gate| gate_line(run, gate, question)),
        IfUnprovable::Reason => {
            let answer = gates::Answer {
                verdict: gates::Verdict::Unknown,
                text: format!("{} is not proven: {reason}", step.id),
                evidence: Vec::new(),
                lift: "try again, or go on without it and see to it by hand".to_owned(),
                lifted_by: None,
                amount: None,
            };
            let finding = Finding { gate: id, answer };
            let overridden = run.overrides.iter().rev().find(|decision| decision.covers(&finding)).cloned();
            Some(GateLine { finding, override_by: OverrideBy::Reason, overridden })
        }
    }
}

fn started(run: &Run, step: &Step, slot: &StepRun, question: &Question<'_>) -> Next {
    let fleet = question.fleet;
    let refused = outcomes(run, slot).find(|outcome| matches!(outcome, Outcome::Refused { .. }));
    let scene = Scene { fleet, run, since: slot.proof_from };
    let tried_once = slot.started.as_ref().is_some_and(|start| start.unreachable.is_some());
    if let Some(outcome) = refused {
        // A target that did not answer, or does not let us in, cannot be proven: that is a person's to decide.
        return match step.kind.proof(&scene) {
            Proof::Unreachable(why) if tried_once && step.if_unprovable == IfUnprovable::SecondPerson => {
                unprovable(run, question, format!("{why}; {}", outcome.text()))
            }
            _ => Next::Failed(outcome.text()),
        };
    }
    if slot.outcomes.iter().any(Option::is_none) {
        return Next::Sending;
    }
    match step.kind.proof(&scene) {
        Proof::Proven(evidence, note) => Next::Proven { evidence, note },
        Proof::Wrong(reason) => Next::Failed(reason),
        // Its one short try is over, and it does not answer: no more waiting.
        Proof::Unreachable(reason) if step.if_unprovable == IfUnprovable::SecondPerson => {
            unprovable(run, question, reason)
        }
        Proof::Unreachable(missing) | Proof::NotYet(missing) => overdue_or(run, step, slot, fleet, missing),
    }
}

fn unprovable(run: &Run, question: &Question<'_>, reason: String) -> Next {
    match gates::by_id(gates::OLD_REGION_FENCED) {
        Some(gate) => Next::Unprovable { reason, gate: gate_line(run, gate, question) },
        None => Next::Failed(reason),
    }
}

/// What became of the requests that count. The lock of the region being left is a courtesy: what is there is seen by the
/// proof, and a user who may not write there must not be kept from driving.
fn outcomes<'a>(run: &'a Run, slot: &'a StepRun) -> impl Iterator<Item = &'a Outcome> {
    let from = run.declared.direction.from;
    let courtesy = move |effect: &Effect| matches!(effect, Effect::TakeLock { side, .. } | Effect::ReleaseLock { side, .. } if *side == from);
    let sent = slot.started.iter().flat_map(|start| &start.effects).zip(&slot.outcomes);
    sent.filter(move |(effect, _)| !courtesy(effect)).filter_map(|(_, outcome)| outcome.as_ref())
}

fn overdue_or(run: &Run, step: &Step, slot: &StepRun, fleet: &Fleet, missing: String) -> Next {
    // Not sent is not done: there is nothing to wait for.
    let not_sent = outcomes(run, slot).find(|outcome| matches!(outcome, Outcome::NotSent { .. }));
    if let Some(outcome) = not_sent {
        return Next::Failed(outcome.text());
    }
    let spent = slot.started_at.map_or(Duration::ZERO, |at| since(at, fleet.now));
    match step.timeout.checked_sub(spent) {
        Some(left) if !left.is_zero() => Next::Verifying { missing, left },
        _ => Next::Overdue(missing),
    }
}

fn uncertain(
    run: &Run,
    step: &Step,
    slot: &StepRun,
    question: &Question<'_>,
    gates: &[GateLine],
    reason: &str,
) -> Next {
    // Only what was seen after the driver was lost, or after an undo was begun, may settle it.
    let scene = Scene { fleet: question.fleet, run, since: slot.proof_from };
    match step.kind.proof(&scene) {
        Proof::Proven(evidence, note) => Next::Proven { evidence, note },
        Proof::Unreachable(why) if step.if_unprovable == IfUnprovable::SecondPerson => unprovable(run, question, why),
        Proof::Wrong(why) | Proof::NotYet(why) | Proof::Unreachable(why) => {
            again(run, step, question, gates, format!("{reason}; {why}"))
        }
    }
}

/// A retry passes the same gates as a first try.
fn again(run: &Run, step: &Step, question: &Question<'_>, gates: &[GateLine], reason: String) -> Next {
    if gates.iter().any(GateLine::holds) {
        return Next::Held;
    }
    match waiting(run, step, question) {
        Next::Start { effects, tier, unreachable } => {
            let without = without(run, step, question, &reason);
            Next::Again { reason, effects, tier, unreachable, optional: step.optional, without }
        }
        Next::Impossible { reason: why, .. } | Next::Skip(why) => {
            impossible(run, step, question, format!("{reason}; {why}"))
        }
        other => other,
    }
}
