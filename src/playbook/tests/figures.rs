//! The recovery figures add up, whatever the journal.

use super::*;
use crate::playbook::figures::Figures;
use std::time::Duration;

/// The parts are the whole.
pub fn adds_up(run: &Run) {
    let f = Figures::of(run);
    assert_eq!(f.detect + f.decide + f.execute + f.verify, f.total, "{f:?}");
}

/// A story of three steps, told second by second.
fn told(events: &[(i64, Event)]) -> Figures {
    let sim = crate::domain::fixtures::healthy_pair();
    let mut playbook = failover();
    let ids = ["preflight", "inventory", "switch-dns"];
    playbook.steps.retain(|step| ids.contains(&step.id.as_str()));
    playbook.steps.iter_mut().for_each(|step| step.gates.clear());
    let mut begin = declared(&sim, playbook);
    begin.failing_since = Some(at(-30));
    let record = |second, event| Record { at: at(second), by: BY.to_owned(), event };
    let mut run = Run::begin(&record(0, Event::Declared(Box::new(begin)))).unwrap();
    for (second, event) in events {
        run.apply(&record(*second, event.clone())).unwrap();
    }
    adds_up(&run);
    Figures::of(&run)
}

fn start(step: &str) -> Event {
    Event::StepStarted(Box::new(StepStarted {
        step: step.to_owned(),
        attempt: 1,
        effects: Vec::new(),
        gates: Vec::new(),
        consent: Consent::not_needed(&[], BY, at(0)),
        unreachable: None,
        mirrored: false,
    }))
}

fn end(step: &str) -> Event {
    Event::StepDone { step: step.to_owned(), evidence: Vec::new(), note: None }
}

fn seconds(f: &Figures) -> [u64; 5] {
    [f.detect, f.decide, f.execute, f.verify, f.total].map(|span| span.as_secs())
}

#[test]
fn detection_decision_work_and_proof_are_told_apart() {
    let f = told(&[
        (10, start("preflight")),
        (12, end("preflight")),
        (20, start("inventory")),
        (25, end("inventory")),
        (40, start("switch-dns")),
        (47, end("switch-dns")),
    ]);
    assert_eq!(seconds(&f), [30, 33, 7, 7, 77]);
    assert!(f.proven);
}

#[test]
fn what_a_failed_step_waits_for_its_operator_is_no_work() {
    let fail = Event::StepFailed { step: "preflight".to_owned(), reason: "x".to_owned() };
    let f = told(&[(10, start("preflight")), (12, fail), (300, start("preflight")), (303, end("preflight"))]);
    assert_eq!(seconds(&f), [30, 298, 5, 0, 333]);
    assert!(!f.proven);
}

#[test]
fn the_time_in_which_nobody_drove_is_no_work() {
    let f = told(&[(10, start("preflight")), (500, Event::Resumed), (510, end("preflight"))]);
    assert_eq!(seconds(&f), [30, 510, 0, 0, 540]);
}

#[test]
fn an_open_step_counts_up_to_the_newest_record() {
    let f = told(&[(10, start("preflight")), (15, Event::Detached)]);
    assert_eq!(seconds(&f), [30, 10, 5, 0, 45]);
}

#[test]
fn a_clock_that_was_set_back_makes_no_part_longer_than_the_whole() {
    told(&[(10, start("preflight")), (-100, end("preflight")), (-90, start("inventory")), (20, end("inventory"))]);
}

#[test]
fn the_wait_for_whoever_goes_on_without_a_proof_is_no_work() {
    let mut story = Story::new(crate::domain::fixtures::outage(90), failover());
    while story.settle(20).0 != "suspend-crons" {
        story.start().unwrap();
    }
    story.start().unwrap();
    assert!(matches!(story.next().1, Next::Unprovable { .. }), "{:?}", story.next());
    let before = Figures::of(&story.run).execute;
    story.sim.go(300);
    story.go_on_against("old-region-fenced").unwrap();
    assert!(story.follow());
    assert!(matches!(story.state("suspend-crons"), StepState::Unproven(_)));
    let figures = Figures::of(&story.run);
    assert!(
        figures.execute <= before + Duration::from_secs(10) && figures.decide >= Duration::from_secs(300),
        "{figures:?}"
    );
}
