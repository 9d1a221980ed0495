//! A failover from its declaration to its report, with the expected next thing at each point.

use super::*;
use crate::domain::fixtures::{healthy_pair, key, outage};
use crate::domain::freshness::ErrorKind;
use crate::playbook::figures::Figures;
use crate::playbook::record::{End, Note};

fn starts(story: &Story, id: &str, tier: Tier, requests: usize) -> Vec<Effect> {
    match story.next() {
        (step, Next::Start { effects, tier: asked, .. }) => {
            assert_eq!((step.as_str(), asked, effects.len()), (id, tier, requests));
            effects
        }
        (step, other) => panic!("{id} is not to be started: {step} {other:?}"),
    }
}

/// Starts the step with a person's consent, and lets its proof come.
fn done(story: &mut Story, id: &str, tier: Tier, requests: usize) {
    starts(story, id, tier, requests);
    story.start().unwrap();
    assert!(matches!(story.next().1, Next::Verifying { .. }), "{id} is proven by its reply: {:?}", story.next().1);
    story.sim.go(2);
    while story.state(id) == &StepState::Started {
        if !story.follow() {
            assert!(matches!(story.next().1, Next::Verifying { .. }), "{id}: {:?}", story.next().1);
            story.sim.go(2);
        }
    }
    assert_eq!(story.state(id), &StepState::Done, "{id}");
}

/// A step that a person need not agree to.
fn by_itself(story: &mut Story, id: &str) {
    assert_eq!(story.next().0, id);
    while !story.state(id).behind() {
        if !story.follow() {
            assert!(matches!(story.next().1, Next::Verifying { .. }), "{id}: {:?}", story.next());
            story.sim.go(2);
        }
    }
    assert_eq!(story.state(id), &StepState::Done, "{id}");
}

#[test]
fn a_planned_failover_loses_nothing_and_ends_with_every_step_done() {
    let mut story = Story::new(healthy_pair(), failover());
    done(&mut story, "declare", Tier::Confirm, 2);
    by_itself(&mut story, "preflight");
    done(&mut story, "suspend-crons", Tier::Confirm, 2);
    done(&mut story, "fence-controllers", Tier::Confirm, 1);
    by_itself(&mut story, "inventory");
    done(&mut story, "fence-database", Tier::Confirm, 1);
    by_itself(&mut story, "catch-up");
    let promote = starts(&story, "promote", Tier::Region, 1);
    assert!(matches!(&promote[0], Effect::Promote { side: Side::B, .. }));
    done(&mut story, "promote", Tier::Region, 1);
    done(&mut story, "start-controllers", Tier::Confirm, 1);
    by_itself(&mut story, "canary");
    done(&mut story, "switch-dns", Tier::Confirm, 1);
    done(&mut story, "activate-crons", Tier::Confirm, 2);
    by_itself(&mut story, "notify");
    by_itself(&mut story, "report");
    assert_eq!(story.next().1, Next::Finish);
    story.record(Event::Ended { end: End::Done, reason: String::new() }).unwrap();
    assert_eq!(story.next().1, Next::Over);

    let figures = Figures::of(&story.run);
    assert!(figures.proven && figures.overrides.is_empty() && figures.unproven.is_empty());
    assert_eq!(figures.in_flight.map(|(runs, _)| runs), Some(2));
    let (loss, rows) = figures.loss.unwrap();
    assert_eq!((loss.bytes, loss.exact, rows), (Some(crate::domain::units::Bytes(0)), true, Some(0)));
    assert_eq!(figures.measured, None);
    let b = &story.sim.truth.b;
    assert_eq!((b.crons[&key("nightly")], b.crons[&key("hourly")], b.crons[&key("old-report")]), (false, false, true));
    assert_eq!((b.wanted, b.db.timeline, story.sim.truth.a.wanted), (1, 2, 0));
    assert_eq!(story.sim.addresses, [crate::domain::fixtures::address(Side::B)]);
    assert!(story.sim.truth.b.lock.as_ref().is_some_and(|(holder, _)| holder.is_empty()), "the lock was not given up");
    story.replays();
    rules(&story.records, &story.states);
}

fn unprovable(story: &Story, id: &str) {
    match story.next() {
        (step, Next::Unprovable { gate, .. }) => {
            assert_eq!((step.as_str(), gate.finding.gate.as_str()), (id, "old-region-fenced"));
            assert!(gate.overridden.is_none());
        }
        (step, other) => panic!("{id} is not unprovable: {step} {other:?}"),
    }
}

#[test]
fn an_unplanned_failover_of_an_unreachable_region_asks_for_break_glass_once_and_shows_it_to_the_end() {
    let mut story = Story::new(outage(120), failover());
    assert_eq!(story.run.declared.failing_since, Some(at(62)));
    done(&mut story, "declare", Tier::Confirm, 1);
    by_itself(&mut story, "preflight");
    // The crons of a dead region: what is known of them is tried once, then a person decides.
    match story.next() {
        (step, Next::Start { effects, unreachable: Some(why), tier: Tier::Confirm }) => {
            assert_eq!((step.as_str(), effects.len()), ("suspend-crons", 2));
            assert!(why.contains("us-central1 api does not answer"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    story.start().unwrap();
    unprovable(&story, "suspend-crons");
    assert!(!story.follow(), "the run goes on by itself without a decision");
    story.sim.go(60);
    unprovable(&story, "suspend-crons");
    story.go_on_against("old-region-fenced").unwrap();
    assert!(story.follow());
    assert!(matches!(story.state("suspend-crons"), StepState::Unproven(_)));
    for id in ["fence-controllers", "fence-database"] {
        assert!(matches!(story.next().1, Next::Start { unreachable: Some(_), .. }));
        story.start().unwrap();
        assert!(story.follow());
        assert!(matches!(story.state(id), StepState::Unproven(_)), "{id} is never drawn as done");
        if id == "fence-controllers" {
            by_itself(&mut story, "inventory");
        }
    }
    by_itself(&mut story, "catch-up");
    let promote = story.proposal();
    let line = promote.gates.iter().find(|line| line.finding.gate == "old-region-fenced").unwrap();
    assert_eq!(line.finding.answer.verdict, gates::Verdict::Unknown, "an override is never drawn as a pass");
    assert!(line.overridden.as_ref().is_some_and(|decision| decision.break_glass));
    done(&mut story, "promote", Tier::Region, 1);
    done(&mut story, "start-controllers", Tier::Confirm, 1);
    by_itself(&mut story, "canary");
    done(&mut story, "switch-dns", Tier::Confirm, 1);
    done(&mut story, "activate-crons", Tier::Confirm, 2);
    by_itself(&mut story, "notify");
    by_itself(&mut story, "report");
    story.record(Event::Ended { end: End::Done, reason: String::new() }).unwrap();
    let figures = Figures::of(&story.run);
    assert_eq!(figures.overrides.len(), 1);
    let unproven: Vec<&str> = figures.unproven.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(unproven, ["suspend-crons", "fence-controllers", "fence-database"]);
    assert!(figures.detect.as_secs() > 100, "the clock runs from the first failed probe");
    story.replays();
    rules(&story.records, &story.states);
}

/// Up to the promotion of an unreachable region.
pub fn at_promotion() -> Story {
    let mut story = Story::new(outage(120), failover());
    story.start().unwrap();
    story.settle(10);
    story.start().unwrap();
    story.go_on_against("old-region-fenced").unwrap();
    for _ in 0..2 {
        story.settle(10);
        story.start().unwrap();
    }
    let (step, next) = story.settle(20);
    assert_eq!(step, "promote");
    assert!(matches!(next, Next::Start { .. }), "{next:?}");
    story
}

#[test]
fn the_old_region_that_comes_back_before_the_promotion_stops_it() {
    let mut story = at_promotion();
    // It returns with a database that takes writes: nobody may override that.
    story.sim.see_all();
    story.sim.db(Side::A).frozen = false;
    story.sim.go(4);
    assert_eq!(story.next().0, "suspend-crons", "its fences come first");
    assert_eq!(story.go_on_against("old-primary-writes"), Err(ConsentError::Nobody("old-primary-writes".to_owned())));
    let facts = facts(&story.run, None);
    let question = Question { fleet: &story.sim.fleet, direction: TO_B, facts: &facts };
    for gate in ["old-primary-writes", "old-region-fenced"] {
        let finding = gates::ask(gates::by_id(gate).unwrap(), &question);
        assert_eq!(finding.answer.verdict, gates::Verdict::Block, "{finding:?}");
        let covered = story.run.overrides.iter().any(|decision| decision.covers(&finding));
        assert!(!covered, "an override of what was not known covers what is now known to act");
    }
}

#[test]
fn a_loss_that_grew_after_it_was_accepted_is_asked_about_again() {
    let mut sim = healthy_pair();
    (sim.replication, sim.log_per_look) = (false, 1 << 20);
    sim.go(20).blind_region(Side::A, ErrorKind::Timeout).go(120);
    let mut story = Story::new(sim, failover());
    story.go_on_against("loss-limit").unwrap();
    let decision = story.run.overrides[0].clone();
    let now = |story: &Story| {
        let facts = facts(&story.run, None);
        let question = Question { fleet: &story.sim.fleet, direction: TO_B, facts: &facts };
        gates::ask(gates::by_id("loss-limit").unwrap(), &question)
    };
    assert!(decision.covers(&now(&story)));
    let mut more = now(&story);
    more.answer.amount = more.answer.amount.map(|bytes| bytes + 1);
    assert!(!decision.covers(&more), "one byte more than was accepted");
    let mut unknown = now(&story);
    (unknown.answer.verdict, unknown.answer.amount) = (gates::Verdict::Unknown, None);
    assert!(!decision.covers(&unknown), "nobody accepted an unknown loss");
}

#[test]
fn a_lost_promotion_is_observed_before_it_is_tried_again() {
    let mut story = at_promotion();
    story.announce().unwrap();
    let effects = story.run.step("promote").unwrap().1.started.as_ref().unwrap().effects.clone();
    // It arrives, and the driver dies before the answer is noted.
    assert!(story.sim.perform(&effects[0]).took());
    story.record(Event::Resumed).unwrap();
    assert!(matches!(story.state("promote"), StepState::Uncertain(_)));
    // The picture is still the one from before: it proves nothing.
    assert!(!matches!(story.next().1, Next::Proven { .. }));
    story.sim.go(2);
    assert!(matches!(story.next().1, Next::Proven { .. }), "{:?}", story.next().1);
    story.follow();
    assert_eq!(story.state("promote"), &StepState::Done);
    assert_eq!(story.sim.performed.iter().filter(|e| matches!(e, Effect::Promote { .. })).count(), 1);
}

#[test]
fn a_canary_that_nobody_heard_of_is_met_again_and_a_failed_one_is_not() {
    let mut story = at_promotion();
    story.start().unwrap();
    story.settle(20);
    story.start().unwrap();
    while story.next().0 == "start-controllers" {
        if !story.follow() {
            story.sim.go(2);
        }
    }
    story.announce().unwrap();
    story.record(Event::Resumed).unwrap();
    let (step, Next::Again { effects, .. }) = story.next() else { panic!("{:?}", story.next()) };
    assert_eq!(step, "canary");
    let Effect::CreateCanary { key, .. } = &effects[0] else { panic!("{effects:?}") };
    assert_eq!(key.name, "dr-canary-7f3a00");
    story.start().unwrap();
    story.settle(20);
    assert_eq!(story.state("canary"), &StepState::Done, "proven by the object that was made");
}

#[test]
fn the_inventory_is_what_was_last_known_with_its_age() {
    let story = at_promotion();
    let note = story.run.step("inventory").unwrap().1.note.clone();
    let Some(Note::Inventory { at: taken, runs }) = note else { panic!("{note:?}") };
    assert_eq!(taken, at(60), "the last look before the region was lost");
    let names: Vec<&str> = runs.iter().map(|row| row.key.name.as_str()).collect();
    assert_eq!(names, ["train-1", "train-2"]);
}

/// Between the request and its record the driver dies; whoever takes the run up sends the very same news, so that the
/// receiver can know it as such.
#[test]
fn news_that_may_have_been_sent_are_sent_again_word_for_word() {
    let mut story = undo::before("activate-crons", |_| {});
    story.start().unwrap();
    for _ in 0..40 {
        if story.next().0 == "notify" {
            break;
        }
        if !story.follow() {
            story.sim.go(2);
        }
    }
    story.announce().unwrap();
    let first = story.run.step("notify").unwrap().1.started.as_ref().unwrap().effects.clone();
    assert_eq!(first.len(), 2);
    story.sim.go(40);
    story.record(Event::Resumed).unwrap();
    story.announce().unwrap();
    story.sim.go(40);
    story.record(Event::Resumed).unwrap();
    let (step, Next::Again { effects, .. }) = story.next() else { panic!("{:?}", story.next()) };
    assert_eq!((step.as_str(), effects), ("notify", first));
}
