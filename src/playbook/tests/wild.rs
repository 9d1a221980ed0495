//! Random records, sensible or not: the run takes what may be, and is untouched by what may not.

use super::*;
use crate::domain::effect::Target;
use crate::domain::fixtures::{healthy_pair, identity, key};
use crate::domain::units::Lsn;
use crate::gates::{Answer, Finding, Verdict};
use crate::playbook::record::End;
use proptest::prelude::*;

/// Some number for each choice that a record leaves open.
type Dice = (u8, u8, u8, u8, i8);

fn finding(gate: &str, verdict: Verdict) -> Finding {
    let (evidence, lift) = (Vec::new(), String::new());
    let answer = Answer { verdict, text: "x".to_owned(), evidence, lift, lifted_by: None, amount: None };
    Finding { gate: gate.to_owned(), answer }
}

fn effects(sim: &Sim, pick: u8) -> Vec<Effect> {
    let target = |side| Target { side, cluster_uid: "c".to_owned(), key: key("x"), uid: "u".to_owned() };
    match pick % 5 {
        0 => Vec::new(),
        1 => vec![Effect::SuspendCron { target: target(Side::A), suspend: true }],
        2 => vec![Effect::Scale { target: target(Side::B), replicas: 1 }],
        3 => {
            let who = identity(&sim.truth.b, Side::B);
            vec![Effect::Promote { side: Side::B, identity: who, at_least: Lsn(7) }]
        }
        _ => vec![
            Effect::Scale { target: target(Side::A), replicas: 0 },
            Effect::FenceDatabase { side: Side::A, identity: identity(&sim.truth.a, Side::A) },
        ],
    }
}

fn outcome(pick: u8) -> Outcome {
    match pick % 4 {
        0 | 1 => Outcome::Done { reply: "ok".to_owned(), previous: None },
        2 => Outcome::Refused { reason: "no".to_owned() },
        _ => Outcome::Unknown { reason: "?".to_owned() },
    }
}

fn consent(sim: &Sim, effects: &[Effect], pick: u8) -> Consent {
    let give = |tier: Tier, effects: &[Effect]| {
        Consent::give(tier, effects, &EffectHash::of(effects), Some("us-east1"), "us-east1", BY, sim.now).unwrap()
    };
    match pick % 6 {
        0 => Consent::not_needed(effects, BY, sim.now),
        1 => give(Tier::Confirm, effects),
        2 => give(Tier::Region, &[]),
        _ => give(Tier::Region, effects),
    }
}

/// A record about the open step, most of the time.
fn event(sim: &Sim, run: &Run, (kind, step, a, b, _): Dice) -> Event {
    let steps = &run.declared.playbook.steps;
    let open = run.current().map_or(0, |(index, _, _)| index);
    // What is undone is the step before the open one, or one whose undo was begun.
    let before = open.saturating_sub(usize::from(kind % 20 == 16));
    let index = if step % 4 == 0 { usize::from(step / 4) % (steps.len() + 1) } else { before };
    let id = steps.get(index).map_or_else(|| "no-such-step".to_owned(), |step| step.id.clone());
    let step = steps.get(index);
    // An undo that was begun is mostly gone on with, or it would be seldom seen at its end.
    let undo = run.current().and_then(|(_, _, slot)| slot.undo.as_ref()).filter(|_| kind % 2 == 0);
    if let Some(undo) = undo {
        return match undo.outcomes.iter().position(Option::is_none) {
            Some(index) => Event::UndoEffectEnded { step: id, index, outcome: outcome(a) },
            None => Event::StepUndone { step: id },
        };
    }
    let index = usize::from(b % 3);
    match kind % 20 {
        0..=4 => {
            let effects = effects(sim, a);
            let gates = step.iter().flat_map(|step| &step.gates).skip(usize::from(b % 16 == 9));
            let verdict = if b % 16 == 7 { Verdict::Block } else { Verdict::Pass };
            Event::StepStarted(Box::new(StepStarted {
                step: id,
                attempt: 1,
                gates: gates.map(|gate| finding(gate, verdict)).collect(),
                consent: consent(sim, &effects, b),
                effects,
                unreachable: None,
                mirrored: false,
            }))
        }
        5..=7 => Event::EffectEnded { step: id, index, outcome: outcome(a) },
        8..=11 => Event::StepDone { step: id, evidence: Vec::new(), note: None },
        12 => {
            let gate = (a % 2 == 0).then(|| "old-region-fenced".to_owned());
            Event::StepUnproven { step: id, reason: "x".to_owned(), gate, left: false }
        }
        13 => Event::StepSkipped { step: id, reason: "x".to_owned() },
        14 if a % 2 == 0 => Event::StepFailed { step: id, reason: "x".to_owned() },
        14 => Event::StepUncertain { step: id, reason: "x".to_owned() },
        15 if a % 16 == 0 => {
            Event::Ended { end: if b % 2 == 0 { End::Done } else { End::Aborted }, reason: String::new() }
        }
        15 => Event::Resumed,
        16 => {
            let effects = effects(sim, a);
            Event::UndoStarted { step: id, consent: consent(sim, &effects, b), effects }
        }
        17 => Event::UndoEffectEnded { step: id, index, outcome: outcome(a) },
        18 if a % 4 != 0 => Event::StepUndone { step: id },
        18 => Event::Detached,
        _ => {
            let gates = ["old-region-fenced", "loss-limit", "same-system", "no-such-gate"];
            let finding = finding(gates[usize::from(a % 4)], if b % 3 == 0 { Verdict::Pass } else { Verdict::Block });
            Event::Overridden(Box::new(Override {
                finding,
                region: "us-central1".to_owned(),
                reason: "because it burns".to_owned(),
                by: BY.to_owned(),
                break_glass: true,
                at: sim.now,
            }))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, ..ProptestConfig::default() })]

    #[test]
    fn a_run_takes_only_what_may_be(dice in prop::collection::vec(any::<Dice>(), 1..120)) {
        let mut story = Story::new(healthy_pair(), failover());
        for dice in dice {
            story.sim.now += std::time::Duration::from_secs(u64::from(dice.4.unsigned_abs()) / 8);
            let event = event(&story.sim, &story.run, dice);
            // Whether it is taken or not: `record` looks that a refusal changes nothing.
            let _ = story.record(event);
        }
        rules(&story.records, &story.states);
        story.replays();
        figures::adds_up(&story.run);
    }

    #[test]
    fn figures_add_up_when_clocks_jump(dice in prop::collection::vec(any::<Dice>(), 1..80)) {
        let story = Story::new(healthy_pair(), failover());
        let (sim, mut run) = (story.sim, story.run);
        for dice in dice {
            let record = Record { at: at(i64::from(dice.4) * 10), by: BY.to_owned(), event: event(&sim, &run, dice) };
            let _ = run.apply(&record);
        }
        figures::adds_up(&run);
    }
}

#[test]
fn the_dice_reach_every_kind_of_state() {
    use proptest::strategy::{Strategy, ValueTree};
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut words = std::collections::BTreeSet::new();
    for _ in 0..600 {
        let dice = prop::collection::vec(any::<Dice>(), 120).new_tree(&mut runner).unwrap().current();
        let mut story = Story::new(healthy_pair(), failover());
        for dice in dice {
            let event = event(&story.sim, &story.run, dice);
            let _ = story.record(event);
            words.extend(story.run.steps.iter().map(|slot| slot.state.word()));
        }
    }
    let all = ["done", "failed", "running", "skipped", "uncertain", "undone", "unproven", "waiting"];
    assert_eq!(words.into_iter().collect::<Vec<_>>(), all);
}
