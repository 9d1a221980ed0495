//! The old region answers again in the middle of a run that had to leave its fences unproven.

use super::*;
use crate::domain::fixtures::outage;
use crate::domain::freshness::ErrorKind;

/// A failover without region A, with the old region's fences left unproven, up to `step`.
fn without_the_old_region(step: &str) -> Story {
    let mut story = Story::new(outage(90), failover());
    for _ in 0..60 {
        let (at, next) = story.settle(20);
        match next {
            _ if at == step => return story,
            Next::Start { .. } => story.start().unwrap(),
            Next::Unprovable { .. } => story.go_on_against("old-region-fenced").unwrap(),
            Next::Held => {
                let gate = story.proposal().held_by().unwrap().finding.gate.clone();
                story.go_on_against(&gate).unwrap();
            }
            other => panic!("{at}: {other:?}"),
        }
    }
    panic!("{step} is not reached: {:?}", story.next());
}

fn returns(story: &mut Story) {
    story.sim.see_all();
    story.sim.db(Side::A).frozen = false;
    story.sim.go(6);
}

const FENCES: [&str; 3] = ["suspend-crons", "fence-controllers", "fence-database"];

/// Leads every fence that comes again, and says which did.
fn fences_again(story: &mut Story) -> Vec<String> {
    let mut again = Vec::new();
    loop {
        let (at, next) = story.settle(30);
        match next {
            Next::Start { .. } if FENCES.contains(&at.as_str()) => {
                story.start().unwrap();
                again.push(at);
            }
            _ => return again,
        }
    }
}

#[test]
fn before_the_promotion_the_fences_come_again_and_are_proven() {
    let mut story = without_the_old_region("promote");
    assert!(FENCES.iter().all(|id| matches!(story.state(id), StepState::Unproven(_))));
    returns(&mut story);
    assert_eq!(fences_again(&mut story), FENCES);
    assert!(FENCES.iter().all(|id| story.state(id) == &StepState::Done));
    let (at, next) = story.settle(10);
    assert!(at == "promote" && matches!(next, Next::Start { .. }), "{at}: {next:?}");
    story.start().unwrap();
    story.sim.go(4);
    assert_eq!(story.settle(20).0, "start-controllers");
    story.replays();
    rules(&story.records, &story.states);
}

#[test]
fn after_the_promotion_too_so_that_the_run_is_no_dead_end() {
    let mut story = without_the_old_region("start-controllers");
    assert!(story.run.promoted());
    returns(&mut story);
    assert!(story.sim.fleet.two_primaries());
    assert_eq!(fences_again(&mut story), FENCES);
    let a = &story.sim.truth.a;
    assert!(a.db.read_only && a.wanted == 0 && a.crons.values().all(|suspended| *suspended));
    let (at, next) = story.settle(10);
    assert!(at == "start-controllers" && matches!(next, Next::Start { .. }), "{at}: {next:?}");
    story.replays();
    rules(&story.records, &story.states);
}

#[test]
fn a_region_that_is_gone_again_in_the_middle_of_it_leaves_the_run_where_it_was() {
    let mut story = without_the_old_region("promote");
    returns(&mut story);
    assert_eq!(story.settle(2).0, "suspend-crons");
    story.announce().unwrap();
    story.sim.blind_region(Side::A, ErrorKind::Timeout);
    story.sim.db(Side::A).frozen = true;
    story.send().unwrap();
    story.sim.go(90);
    let (at, next) = story.settle(90);
    // It says what is known and waits for a person; whoever overrode the fence has overridden this one.
    assert!(matches!(story.state("suspend-crons"), StepState::Unproven(_)), "{at}: {next:?}");
    assert_eq!(at, "promote");
    story.replays();
    rules(&story.records, &story.states);
}

#[test]
fn a_fence_that_somebody_set_from_outside_is_seen_and_proven_without_a_request() {
    let mut story = without_the_old_region("start-controllers");
    let a = story.sim.at(Side::A);
    a.crons.values_mut().for_each(|suspended| *suspended = true);
    a.wanted = 0;
    a.pods.clear();
    (a.db.primary, a.db.timeline) = (false, 2);
    returns(&mut story);
    story.settle(60);
    assert!(FENCES.iter().all(|id| story.state(id) == &StepState::Done), "{:?}", story.next());
    assert!(story.sim.performed.iter().all(|effect| effect.side() != Some(Side::A)), "{:?}", story.sim.performed);
}

#[test]
fn nothing_comes_again_while_a_step_is_on_its_way_or_the_lock_is_given_up() {
    let mut story = without_the_old_region("start-controllers");
    story.announce().unwrap();
    returns(&mut story);
    assert_eq!(story.next().0, "start-controllers");
    let fence = story.run.step("suspend-crons").unwrap().1.started.clone().unwrap();
    assert!(matches!(story.record(Event::StepStarted(Box::new(fence))), Err(Illegal::OnItsWay { .. })));
}
