//! Undo puts back what was, and takes no fence off once a promotion was started.

use super::*;
use crate::domain::effect::Previous;
use crate::domain::fixtures::{healthy_pair, key};
use crate::domain::freshness::{ErrorKind, Source};

/// A planned failover up to the named step, which is to be started.
pub fn before(step: &str, change: impl FnOnce(&mut Sim)) -> Story {
    let mut sim = healthy_pair();
    change(&mut sim);
    sim.go(4);
    let mut story = Story::new(sim, failover());
    for _ in 0..20 {
        let (open, next) = story.settle(40);
        if open == step {
            return story;
        }
        assert!(matches!(next, Next::Start { .. } | Next::Verifying { .. }), "{open}: {next:?}");
        if matches!(next, Next::Start { .. }) {
            story.start().unwrap();
            story.sim.go(2);
        }
    }
    panic!("{step} is never reached");
}

#[test]
fn a_cron_that_was_suspended_before_stays_suspended() {
    let mut story = before("fence-controllers", |sim| {
        sim.at(Side::A).crons.insert(key("quarterly"), true);
    });
    story.undo("suspend-crons").unwrap();
    let crons = &story.sim.truth.a.crons;
    let active: Vec<&str> = crons.iter().filter(|(_, s)| !**s).map(|(k, _)| k.name.as_str()).collect();
    assert_eq!(active, ["hourly", "nightly"]);
    assert_eq!(story.state("suspend-crons"), &StepState::Undone);
    story.replays();
}

#[test]
fn replicas_are_put_back_as_they_were_before_the_first_of_several_attempts() {
    let mut story = before("fence-controllers", |sim| sim.at(Side::A).wanted = 3);
    // Scaled to 0, and by somebody else to 1 again before it was proven; then a driver was lost; then tried again.
    story.start().unwrap();
    story.sim.at(Side::A).wanted = 1;
    story.sim.go(4);
    story.record(Event::Resumed).unwrap();
    story.start().unwrap();
    let tried = sent(&story.run, "fence-controllers");
    let found: Vec<u32> = tried
        .iter()
        .filter_map(|(_, outcome)| match outcome {
            Outcome::Done { previous: Some(Previous::Replicas { value }), .. } => Some(*value),
            _ => None,
        })
        .collect();
    assert_eq!(found, [3, 1]);
    story.undo("fence-controllers").unwrap();
    assert_eq!(story.sim.truth.a.wanted, 3);
    story.replays();
}

#[test]
fn a_request_that_was_never_answered_can_be_undone() {
    let mut story = before("suspend-crons", |_| {});
    story.announce().unwrap();
    let effects = story.run.step("suspend-crons").unwrap().1.started.as_ref().unwrap().effects.clone();
    for effect in &effects {
        assert!(story.sim.perform(effect).took());
    }
    story.record(Event::Resumed).unwrap();
    story.undo("suspend-crons").unwrap();
    assert!(!story.sim.truth.a.crons[&key("nightly")]);

    let mut story = before("fence-controllers", |sim| sim.at(Side::A).wanted = 2);
    story.announce().unwrap();
    let effects = story.run.step("fence-controllers").unwrap().1.started.as_ref().unwrap().effects.clone();
    assert!(story.sim.perform(&effects[0]).took());
    story.record(Event::Resumed).unwrap();
    story.undo("fence-controllers").unwrap();
    assert_eq!(story.sim.truth.a.wanted, 2, "as noted when the run began");
}

#[test]
fn a_second_undo_restores_what_stood_there_before_the_second_time() {
    let mut story = before("fence-database", |_| {});
    story.undo("fence-controllers").unwrap();
    assert_eq!(story.sim.truth.a.wanted, 1);
    // A person gives it three, then the step is done again.
    story.sim.at(Side::A).wanted = 3;
    story.sim.go(4);
    assert_eq!(story.next().0, "fence-controllers");
    story.start().unwrap();
    story.settle(40);
    story.undo("fence-controllers").unwrap();
    assert_eq!(story.sim.truth.a.wanted, 3);
    story.replays();
}

#[test]
fn a_step_whose_undo_was_begun_does_not_read_done_and_old_pictures_do_not_prove_it() {
    let mut story = before("fence-controllers", |_| {});
    assert_eq!(story.state("suspend-crons"), &StepState::Done);
    story.sim.blind(Source::Kubernetes(Side::A), ErrorKind::Timeout);
    story.undo("suspend-crons").unwrap();
    assert!(matches!(story.state("suspend-crons"), StepState::Uncertain(_)), "no answer is not undone");
    // The last look, from before the undo, still says that all are suspended.
    assert!(!matches!(story.next().1, Next::Proven { .. }), "{:?}", story.next().1);
    assert!(matches!(story.record(Event::StepUndone { step: "suspend-crons".to_owned() }), Err(Illegal::NotUndone(_))));
}

#[test]
fn once_a_promotion_was_started_no_fence_comes_off_whatever_became_of_it() {
    let mut story = before("promote", |_| {});
    story.announce().unwrap();
    let fences = ["suspend-crons", "fence-controllers", "fence-database"];
    for id in fences {
        assert_eq!(story.undo(id), Err(Illegal::NoWayBack(id.to_owned())), "while it is sent");
    }
    story.record(Event::Resumed).unwrap();
    for id in fences {
        assert_eq!(story.undo(id), Err(Illegal::NoWayBack(id.to_owned())), "when nobody knows what became of it");
    }
    story.sim.db(Side::B).primary = true;
    story.sim.go(2);
    // A second attempt has nothing to send; the first is not forgotten.
    story.record(Event::Resumed).unwrap();
    while story.next().0 == "promote" {
        if !story.follow() {
            match story.next().1 {
                Next::Again { .. } => story.start().unwrap(),
                _ => break,
            }
        }
    }
    for id in fences {
        assert_eq!(story.undo(id), Err(Illegal::NoWayBack(id.to_owned())), "after it");
    }
}

#[test]
fn an_undo_beside_a_promotion_does_not_make_it_forgotten() {
    let mut story = before("promote", |_| {});
    story.start().unwrap();
    let scale = |story: &Story| match story.run.outcomes("fence-controllers").first() {
        Some((Effect::Scale { target, .. }, _)) => {
            Effect::Scale { target: crate::domain::effect::Target { side: Side::B, ..target.clone() }, replicas: 1 }
        }
        other => panic!("{other:?}"),
    };
    let effects = vec![scale(&story)];
    let consent = story.consent(Tier::Confirm, &effects).unwrap();
    let step = "promote".to_owned();
    story.record(Event::UndoStarted { step: step.clone(), effects, consent }).unwrap();
    let outcome = Outcome::Done { reply: "ok".to_owned(), previous: None };
    story.record(Event::UndoEffectEnded { step: step.clone(), index: 0, outcome }).unwrap();
    story.record(Event::StepUndone { step }).unwrap();
    let mut again = story.run.step("promote").unwrap().1.started.clone().unwrap();
    again.effects.clear();
    again.consent = Consent::not_needed(&[], BY, story.sim.now);
    story.record(Event::StepStarted(Box::new(again))).unwrap();
    assert!(story.run.promotion_started());
    assert_eq!(story.undo("fence-database"), Err(Illegal::NoWayBack("fence-database".to_owned())));
}

#[test]
fn what_fences_nothing_can_be_undone_after_the_promotion() {
    let mut story = before("activate-crons", |_| {});
    assert!(story.run.promotion_started());
    story.undo("switch-dns").unwrap();
    assert_eq!(story.sim.addresses, [crate::domain::fixtures::address(Side::A)]);
    story.undo("start-controllers").unwrap();
    assert_eq!(story.sim.truth.b.wanted, 0);
    rules(&story.records, &story.states);
}

#[test]
fn an_undo_without_a_consent_to_it_is_refused() {
    let mut story = before("fence-controllers", |_| {});
    let (step, _) = story.run.step("suspend-crons").unwrap();
    let effects = step.kind.undo(&story.run, "suspend-crons").unwrap();
    let none = Consent::not_needed(&effects, BY, story.sim.now);
    let other = story.consent(Tier::Confirm, &effects[..1]).unwrap();
    for consent in [none, other] {
        let event = Event::UndoStarted { step: "suspend-crons".to_owned(), effects: effects.clone(), consent };
        assert_eq!(story.record(event), Err(Illegal::NoConsent("suspend-crons".to_owned())));
    }
}
