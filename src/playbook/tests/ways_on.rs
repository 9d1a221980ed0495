//! What would be a dead end: the old region answers again in the middle of a run that had to leave its fences unproven, a
//! fence comes off, a request is refused, a step can not be proven, somebody else promotes.

use super::*;
use crate::domain::fixtures::{healthy_pair, outage, two_systems};
use crate::domain::freshness::ErrorKind;
use crate::domain::units::Bytes;
use crate::playbook::measure::measure;
use crate::playbook::record::RunId;

/// A failover without region A, with the old region's fences left unproven, up to `step`.
fn without_the_old_region(step: &str) -> Story {
    without(outage(90), step)
}

fn without(sim: Sim, step: &str) -> Story {
    let mut story = Story::new(sim, failover());
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

/// The region is cut off from us and from the standby, and writes on.
fn cut_off() -> Sim {
    let mut sim = healthy_pair();
    sim.replication = false;
    sim.blind_region(Side::A, ErrorKind::Timeout);
    sim.go(90);
    sim
}

/// What the standby had when it was promoted.
fn promoted_at(story: &Story) -> u64 {
    let effects = sent(&story.run, "promote");
    let at_least = effects.iter().find_map(|(effect, _)| match effect {
        Effect::Promote { at_least, .. } => Some(at_least.0),
        _ => None,
    });
    at_least.unwrap()
}

#[test]
fn what_a_region_lost_that_was_only_out_of_sight_is_its_log_up_to_now() {
    let mut story = without(cut_off(), "start-controllers");
    let has = promoted_at(&story);
    story.sim.go(600);
    // A checkpoint on the way is no end.
    let checkpoint = story.sim.db(Side::A).lsn - 4096 * 100;
    story.sim.db(Side::A).redo = Some(checkpoint);
    story.sim.see_all();
    story.sim.go(4);
    let measured = measure(&story.run, &story.sim.fleet).unwrap();
    let end = story.sim.db(Side::A).lsn;
    assert_eq!((measured.loss.bytes, measured.wrote_on, measured.fenced), (Some(Bytes(end - has)), None, false));
}

#[test]
fn what_a_region_lost_that_crashed_is_its_log_up_to_the_crash() {
    let mut story = without_the_old_region("start-controllers");
    let has = promoted_at(&story);
    let now = story.sim.now;
    let a = story.sim.db(Side::A);
    let crash = a.lsn + 12_288;
    (a.redo, a.lsn, a.started) = (Some(crash), crash + 1_000_000, Some(now));
    returns(&mut story);
    let first = measure(&story.run, &story.sim.fleet).unwrap();
    assert_eq!(first.loss.bytes, Some(Bytes(crash - has)));
    let wrote_on = |sim: &mut Sim| Some(Bytes(sim.db(Side::A).lsn - crash));
    assert_eq!((first.wrote_on, first.fenced), (wrote_on(&mut story.sim), false));
    assert!(first.wrote_on_words("a").unwrap().ends_with("and more until it is fenced"));
    assert_eq!(first.rows_cover(), ", with those since its return");

    // It is asked once more, when it is fenced. By then its own checkpoint has moved the trace of the crash on.
    story.run.measured = Some(first);
    story.sim.go(60);
    assert_eq!(measure(&story.run, &story.sim.fleet), None);
    let a = story.sim.db(Side::A);
    (a.read_only, a.redo) = (true, Some(a.lsn));
    story.sim.go(4);
    let last = measure(&story.run, &story.sim.fleet).unwrap();
    assert_eq!(last.loss.bytes, Some(Bytes(crash - has)), "what was lost at the switch stays what it was");
    assert_eq!((last.wrote_on, last.fenced), (wrote_on(&mut story.sim), true));
    story.run.measured = Some(last);
    story.sim.go(60);
    assert_eq!(measure(&story.run, &story.sim.fleet), None);
}

/// A planned failover up to `step`.
fn planned(step: &str) -> Story {
    without(healthy_pair(), step)
}

#[test]
fn a_fence_that_comes_off_is_set_again() {
    for at in ["promote", "start-controllers", "activate-crons"] {
        let mut story = planned(at);
        assert_eq!(story.state("fence-controllers"), &StepState::Done);
        story.sim.at(Side::A).wanted = 1;
        story.sim.go(30);
        let (step, next) = story.next();
        assert!(step == "fence-controllers" && matches!(next, Next::Start { .. }), "{at}: {step} {next:?}");
        assert_eq!(fences_again(&mut story), ["fence-controllers"]);
        assert_eq!(story.settle(60).0, at);
        rules(&story.records, &story.states);
        story.replays();
    }
}

#[test]
fn a_fence_that_is_refused_is_left_to_two_persons_and_to_nobody_before_they_say_so() {
    let mut story = Story::new(healthy_pair(), failover());
    story.sim.forbidden.insert(Side::A);
    while story.settle(20).0 != "suspend-crons" {
        story.start().unwrap();
    }
    story.start().unwrap();
    let (step, next) = story.settle(70);
    assert!(step == "suspend-crons" && matches!(next, Next::Again { .. }), "{step} {next:?}");
    let line = story.proposal().overridable().cloned().unwrap();
    assert_eq!((line.finding.gate.as_str(), line.override_by), ("old-region-fenced", gates::OverrideBy::SecondPerson));
    let refused =
        Event::StepUnproven { step, reason: "x".to_owned(), gate: Some("old-region-fenced".to_owned()), left: true };
    assert!(matches!(story.record(refused), Err(Illegal::NotCovered(_))));
    story.go_on_against("old-region-fenced").unwrap();
    assert!(story.proposal().may_leave());
    story.leave().unwrap();
    assert_eq!(story.settle(20).0, "fence-controllers");
    rules(&story.records, &story.states);
    story.replays();
}

#[test]
fn what_can_not_be_proven_after_the_promotion_is_left_with_a_reason_each_by_itself() {
    let mut story = planned("start-controllers");
    // Images can not be pulled, say: the canary is refused.
    story.start().unwrap();
    story.sim.forbidden.insert(Side::B);
    for _ in 0..4 {
        let (step, next) = story.settle(300);
        match next {
            Next::Again { .. } if story.proposal().attempt < 3 && story.proposal().by_itself() => {
                story.start().unwrap()
            }
            Next::Again { .. } => {
                assert_eq!(step, "canary");
                break;
            }
            Next::Start { .. } => story.start().unwrap(),
            other => panic!("{step} {other:?}"),
        }
    }
    let gate = story.proposal().overridable().unwrap().finding.gate.clone();
    assert_eq!(gate, "step-proven:canary");
    story.go_on_against(&gate).unwrap();
    story.leave().unwrap();
    assert!(matches!(story.state("canary"), StepState::Unproven(_)));
    // The reason given for one step is none for another.
    let (step, _) = story.settle(20);
    assert_eq!(step, "switch-dns");
    let other = Event::StepUnproven { step, reason: "x".to_owned(), gate: Some(gate), left: true };
    assert!(matches!(story.record(other), Err(Illegal::NotCovered(_))));
    rules(&story.records, &story.states);
    story.replays();
}

#[test]
fn a_database_that_somebody_else_promoted_is_no_reason_to_stop_half_way() {
    let mut story = planned("promote");
    let b = story.sim.db(Side::B);
    (b.primary, b.timeline, b.receiver) = (true, 2, None);
    story.sim.go(4);
    assert_eq!(story.settle(20).0, "start-controllers");
    assert!(story.run.promoted() && !story.sim.performed.iter().any(|e| matches!(e, Effect::Promote { .. })));
}

#[test]
fn a_lock_of_courtesy_that_was_not_sent_fails_nothing() {
    let mut story = Story::new(healthy_pair(), failover());
    story.announce().unwrap();
    story.sim.blind_region(Side::A, ErrorKind::Unreachable);
    story.send().unwrap();
    assert!(matches!(story.next().1, Next::Verifying { .. }), "{:?}", story.next());
    story.sim.go(4);
    assert_eq!(story.settle(10).0, "suspend-crons");
}

#[test]
fn a_server_that_was_read_only_before_stays_so() {
    let mut sim = healthy_pair();
    sim.db(Side::A).read_only = true;
    sim.go(4);
    let event = crate::playbook::declare::declare(&sim.fleet, failover(), RunId("1".into()), TO_B);
    assert_eq!(event.before.read_only, Some(true));
    let mut story = Story::new(sim, failover());
    story.run.declared.before = event.before;
    let fence = Effect::FenceDatabase {
        side: Side::A,
        identity: crate::domain::fixtures::identity(&story.sim.truth.a, Side::A),
    };
    let slot = &mut story.run.steps[5];
    slot.earlier = vec![(fence, Outcome::Done { reply: String::new(), previous: None })];
    assert_eq!(crate::playbook::kinds::Kind::DatabaseFence.undo(&story.run, "fence-database"), Some(Vec::new()));
}

#[test]
fn two_primaries_that_are_no_pair_give_no_direction_to_anything() {
    use crate::playbook::declare::{DeclareError, direction};
    use crate::playbook::file::Purpose;
    let sim = two_systems();
    for purpose in [Purpose::Fence, Purpose::Planned, Purpose::Unplanned] {
        assert_eq!(direction(purpose, &sim.fleet), Err(DeclareError::TwoSystems), "{purpose:?}");
    }
}

#[test]
fn a_change_is_not_said_to_be_everywhere_while_it_is_not_known_where_that_is() {
    let mut story = planned("switch-dns");
    story.sim.unlisted = Some("192.0.2.53:53: no NS record".to_owned());
    story.sim.go(4);
    story.start().unwrap();
    let (step, next) = story.settle(400);
    let why = format!("{next:?}");
    assert!(step == "switch-dns" && why.contains("which servers the zone has is not known"), "{step} {why}");
    assert!(story.proposal().overridable().is_some(), "whoever knows them may go on: {next:?}");
    story.sim.unlisted = None;
    story.sim.go(4);
    assert_ne!(story.settle(20).0, "switch-dns");
}
