//! Random nights: faults, orders, crashes and time in any order, over a simulated pair.

use super::*;
use crate::domain::fixtures::{healthy_pair, outage};
use crate::domain::freshness::{ErrorKind, Source};
use crate::playbook::record::End;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Turn {
    /// Time goes on.
    Go(u64),
    /// The driver does what it does by itself, this many times.
    Follow(u8),
    /// A person starts the open step.
    Start,
    /// A person starts it, and the driver dies after this many requests were answered.
    Crash(usize),
    /// A person overrides what holds.
    Override,
    /// A person undoes this step.
    Undo(usize),
    /// A source falls silent.
    Dark(usize, bool),
    /// Everything answers again.
    Light,
    /// Something is different in the world.
    World(u8),
    /// Given up.
    Abort,
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        4 => (1_u64..40).prop_map(Turn::Go),
        8 => (1_u8..6).prop_map(Turn::Follow),
        8 => Just(Turn::Start),
        2 => (0_usize..3).prop_map(Turn::Crash),
        3 => Just(Turn::Override),
        1 => (0_usize..14).prop_map(Turn::Undo),
        1 => (0_usize..7, any::<bool>()).prop_map(|(source, hangs)| Turn::Dark(source, hangs)),
        2 => Just(Turn::Light),
        1 => (0_u8..6).prop_map(Turn::World),
        1 => Just(Turn::Abort),
    ]
}

fn change(sim: &mut Sim, what: u8) {
    match what {
        0 => sim.db(Side::A).frozen ^= true,
        1 => sim.db(Side::A).up ^= true,
        2 => sim.at(Side::A).wanted = 2,
        3 => sim.replication ^= true,
        4 => sim.at(Side::A).crons.values_mut().for_each(|suspended| *suspended = false),
        _ => sim.db(Side::B).paused ^= true,
    }
}

fn take(story: &mut Story, turn: &Turn) {
    let startable = matches!(story.next().1, Next::Start { .. } | Next::Again { .. });
    match turn {
        Turn::Go(seconds) => drop(story.sim.go(*seconds)),
        Turn::Follow(times) => (0..*times).for_each(|_| {
            story.follow();
            story.sim.go(2);
        }),
        Turn::Start if startable => story.start().unwrap(),
        Turn::Crash(after) if startable => {
            story.announce().unwrap();
            let (step, _) = story.next();
            let effects = story.run.step(&step).unwrap().1.started.as_ref().unwrap().effects.clone();
            for (index, effect) in effects.iter().enumerate().take(*after) {
                let outcome = story.sim.perform(effect);
                story.record(Event::EffectEnded { step: step.clone(), index, outcome }).unwrap();
            }
            story.record(Event::Resumed).unwrap();
        }
        Turn::Crash(_) => drop(story.record(Event::Resumed)),
        Turn::Override => {
            if let Some(gate) = story.proposal().held_by().map(|line| line.finding.gate.clone()) {
                drop(story.go_on_against(&gate));
            }
        }
        Turn::Undo(index) => {
            let id = story.run.declared.playbook.steps[*index].id.clone();
            drop(story.undo(&id));
        }
        Turn::Dark(source, hangs) => {
            let kind = if *hangs { ErrorKind::Timeout } else { ErrorKind::Unreachable };
            story.sim.blind(Source::ALL[*source], kind);
        }
        Turn::Light => drop(story.sim.see_all()),
        Turn::World(what) => change(&mut story.sim, *what),
        Turn::Abort => {
            let reason = "given up".to_owned();
            // Once in a while only: a run that is over has little more to tell.
            if story.records.len() > 40 {
                drop(story.record(Event::Ended { end: End::Aborted, reason }));
            }
        }
        Turn::Start => {}
    }
}

/// What must hold of the picture and the proposal at every moment.
fn watch(story: &Story) {
    let proposal = story.proposal();
    for line in &proposal.gates {
        if let Some(decision) = &line.overridden {
            assert!(line.finding.answer.verdict.holds(), "{} is drawn as a pass", line.finding.gate);
            assert!(line.finding.answer.verdict <= decision.finding.answer.verdict, "covers what is worse");
            assert_ne!(line.override_by, gates::OverrideBy::Nobody);
        }
    }
    if let Next::Start { tier, effects, .. } | Next::Again { tier, effects, .. } = &proposal.next {
        let step = &story.run.declared.playbook.steps[proposal.index.unwrap()];
        assert_eq!(*tier, if effects.is_empty() { Tier::None } else { step.consent });
        assert!(!proposal.gates.iter().any(super::super::propose::GateLine::holds), "to be started against a gate");
    }
    // Two primaries that both take writes are never our doing: the old one was fenced, or not there to be seen.
    let promotions = story.sim.performed.iter().filter(|e| matches!(e, Effect::Promote { .. })).count();
    assert!(promotions <= 1, "promoted twice");
}

/// Everything answers again and nothing is amiss any more, but for what was done meanwhile.
fn morning(sim: &mut Sim) {
    sim.see_all();
    sim.replication = true;
    sim.db(Side::B).paused = false;
    let a = sim.db(Side::A);
    (a.frozen, a.up) = (false, true);
    sim.go(60);
}

/// A person who does what is offered, waits where there is something to wait for, and gives a reason where one is asked
/// for. True: the run is over.
fn lead(story: &mut Story) -> bool {
    for _ in 0..120 {
        let (_, next) = story.settle(60);
        match next {
            Next::Finish | Next::Over => return true,
            Next::Start { .. } => story.start().unwrap(),
            Next::Again { optional: true, .. } => return true,
            Next::Again { .. } | Next::Impossible { .. } if story.proposal().may_leave() => story.leave().unwrap(),
            Next::Again { .. } if story.proposal().attempt <= 12 => story.start().unwrap(),
            _ => match story.proposal().overridable().map(|line| line.finding.gate.clone()) {
                Some(gate) => drop(story.go_on_against(&gate)),
                None => drop(story.sim.go(30)),
            },
        }
        story.sim.go(4);
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_night_brings_the_rules_hold(turns in prop::collection::vec(turn(), 1..80)) {
        let mut story = Story::new(healthy_pair(), failover());
        for turn in &turns {
            take(&mut story, turn);
            watch(&story);
        }
        rules(&story.records, &story.states);
        story.replays();
        figures::adds_up(&story.run);
    }

    /// Whatever was done in the night, a run is no dead end when everything answers again.
    #[test]
    fn every_night_has_a_morning(lost in any::<bool>(), turns in prop::collection::vec(turn(), 1..60)) {
        let mut story = Story::new(if lost { outage(90) } else { healthy_pair() }, failover());
        for turn in turns.iter().filter(|turn| !matches!(turn, Turn::Abort)) {
            take(&mut story, turn);
        }
        morning(&mut story.sim);
        prop_assert!(lead(&mut story), "{:?} {:?}", story.next(), story.proposal().held_by());
        rules(&story.records, &story.states);
    }
}

#[test]
fn the_nights_are_long_enough_to_matter() {
    // The same turns without faults lead to a promotion: the property above is not only about declarations.
    let mut story = Story::new(healthy_pair(), failover());
    for _ in 0..60 {
        take(&mut story, &Turn::Follow(3));
        take(&mut story, &Turn::Start);
    }
    assert!(story.run.promoted(), "{:?}", story.next());
}
