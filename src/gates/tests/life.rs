//! Proof of life: the line that is cut, the primary that is frozen, idle, crashed or gone, and how long each is waited for.

use super::table::Case;
use super::*;
use crate::domain::database::{DatabaseSample, ServerState};
use crate::domain::fixtures::*;
use crate::domain::freshness::{ErrorKind, SourceError};
use Side::{A, B};
use Verdict::{Block, Moot, Pass, Unknown};
use std::time::Duration;

fn case(sim: fn() -> Sim, verdict: Verdict, says: &'static str) -> Case {
    Case { gate: "proof-of-life", sim, facts: RunFacts::default(), verdict, says }
}

/// What a user without pg_monitor sees of the receiver.
pub fn hide(sample: &mut DatabaseSample) {
    if let ServerState::Replica(state) = &mut sample.state
        && let Some(receiver) = &mut state.receiver
    {
        (receiver.status, receiver.timeline, receiver.sender, receiver.last_message) = (None, None, None, None);
    }
}

pub fn cases() -> Vec<Case> {
    vec![
        case(healthy_pair, Moot, "us-central1 db answers"),
        case(late, Unknown, "no look at it has failed yet"),
        case(|| line_cut(20), Block, "us-central1 lives: the replica received from it 0s ago; our line is cut"),
        case(|| outage(20), Block, "the replica still says that it streams; wait 44s for its timeout"),
        case(|| frozen_primary(40), Block, "wait 24s"),
        case(|| outage(90), Pass, "no sign of life of us-central1 for 1m26s"),
        case(|| crashed_primary(4), Moot, "us-central1 db answers"),
        case(one_look, Unknown, "has been watched for 0s only"),
        case(|| crashed_primary(10), Unknown, "has been watched for"),
        case(|| crashed_primary(20), Pass, "no sign of life"),
        case(never_gives_up, Block, "wal_receiver_timeout = 0"),
        case(replica_silent, Unknown, "us-east1 db has not answered"),
        case(hidden, Unknown, "does not show its receiver"),
        case(refused, Block, "answers, and refuses us"),
        case(promoted_by_somebody, Moot, "us-east1 db is no replica"),
        Case { facts: RunFacts { promoted: true, ..RunFacts::default() }, ..case(|| outage(20), Moot, "promoted") },
    ]
}

fn late() -> Sim {
    let mut sim = healthy_pair();
    sim.wait(12);
    sim.look_at(Source::Database(B));
    sim
}

/// The replica was not seen either while the primary crashed, and has been seen once since.
fn one_look() -> Sim {
    let mut sim = healthy_pair();
    sim.db(A).up = false;
    sim.blind(Source::Database(B), ErrorKind::Timeout).go(12);
    sim.see_all().go(2);
    sim
}

fn never_gives_up() -> Sim {
    let mut sim = healthy_pair();
    sim.db(B).receiver_timeout = Duration::ZERO;
    sim.db(A).frozen = true;
    sim.go(3600);
    sim
}

fn replica_silent() -> Sim {
    let mut sim = outage(90);
    sim.blind(Source::Database(B), ErrorKind::Timeout).go(12);
    sim
}

fn hidden() -> Sim {
    let mut sim = line_cut(20);
    sim.say(B, hide);
    sim
}

fn refused() -> Sim {
    let mut sim = healthy_pair();
    sim.replication = false;
    sim.blind(Source::Database(A), ErrorKind::Unauthorized).go(120);
    sim
}

fn promoted_by_somebody() -> Sim {
    let mut sim = outage(90);
    sim.db(B).primary = true;
    sim.go(4);
    sim
}

fn verdict(sim: &Sim) -> Verdict {
    answer("proof-of-life", sim, &RunFacts::default()).verdict
}

/// For as long as the last answer of the old primary is young enough to be believed, another gate holds the matter.
fn lets_pass(sim: &Sim) -> bool {
    ["proof-of-life", "old-primary-writes"].iter().all(|gate| !answer(gate, sim, &RunFacts::default()).verdict.holds())
}

#[test]
fn an_idle_primary_behind_a_cut_line_never_passes() {
    // It writes nothing: only its keepalive, every half of wal_sender_timeout, says that it lives.
    let mut sim = healthy_pair();
    sim.log_per_look = 0;
    sim.blind_region(A, ErrorKind::Timeout);
    for second in (0..600).step_by(2) {
        sim.go(2);
        assert!(!lets_pass(&sim), "passes {second} s after the line was cut, beside a primary that lives");
    }
}

#[test]
fn a_busy_primary_behind_a_cut_line_never_passes() {
    let mut sim = healthy_pair();
    sim.blind_region(A, ErrorKind::Timeout);
    for second in (0..600).step_by(2) {
        sim.go(2);
        assert!(!lets_pass(&sim), "passes {second} s after the line was cut");
    }
}

#[test]
fn a_frozen_primary_is_waited_for_until_the_receiver_would_have_given_up() {
    let mut sim = healthy_pair();
    sim.db(A).frozen = true;
    let mut passed_after = None;
    for second in (2..200).step_by(2) {
        sim.go(2);
        if verdict(&sim) == Pass {
            passed_after.get_or_insert(second);
        } else {
            assert_eq!(passed_after, None, "passed, and holds again after {second} s");
        }
    }
    let after = passed_after.expect("never passes");
    assert!((58..=64).contains(&after), "passed after {after} s of a receiver's timeout of 60 s");
}

#[test]
fn what_arrived_right_after_our_first_failed_look_is_waited_out_and_no_longer() {
    // The primary goes on for six seconds after our line to it was lost, and crashes.
    let mut sim = healthy_pair();
    sim.blind_region(A, ErrorKind::Timeout).go(6);
    sim.db(A).up = false;
    for second in (2..10).step_by(2) {
        sim.go(2);
        assert!(!lets_pass(&sim), "passes {second} s after the last sign of life");
    }
    sim.go(4);
    assert_eq!(verdict(&sim), Pass);
}

#[test]
fn a_restarted_replica_that_replays_its_own_log_is_no_sign_of_life() {
    let mut sim = crashed_primary(20);
    let lsn = sim.db(B).received.unwrap();
    sim.db(B).received = Some(0x300_0000);
    for step in 0..10 {
        sim.db(B).replayed = Some(lsn - 1000 + step * 100);
        sim.go(2);
        assert_eq!(verdict(&sim), Pass, "{}", answer("proof-of-life", &sim, &RunFacts::default()).text);
    }
}

#[test]
fn a_replica_that_was_lost_meanwhile_is_looked_at_twice_again() {
    let mut sim = crashed_primary(20);
    assert_eq!(verdict(&sim), Pass);
    // One good look at the primary, and all that was counted before it is void.
    sim.db(A).up = true;
    sim.go(2);
    sim.db(A).up = false;
    sim.blind(Source::Database(B), ErrorKind::Timeout).go(12);
    sim.see_all().go(2);
    assert_eq!(verdict(&sim), Unknown);
}

/// A process that was started anew, or was stopped and goes on, has seen nothing of what passed meanwhile: the noted first
/// failure is old, and two quick looks between two keepalives of an idle primary prove nothing.
#[test]
fn what_an_earlier_process_saw_is_no_silence() {
    let mut sim = crashed_primary(120);
    assert_eq!(verdict(&sim), Pass);
    sim.fleet.regions.get_mut(B).pulses.clear();
    sim.go(6);
    assert_eq!(verdict(&sim), Unknown);
    sim.go(10);
    assert_eq!(verdict(&sim), Pass);
}

/// Somebody who answers with an error is there.
#[test]
fn a_primary_that_answers_with_an_error_lives() {
    for kind in [ErrorKind::Protocol, ErrorKind::Tls, ErrorKind::WrongIdentity] {
        let mut sim = crashed_primary(120);
        sim.fleet.regions.get_mut(A).database_health.error = Some(SourceError::new(kind, "too many clients"));
        assert_eq!(verdict(&sim), Block, "{kind:?}");
    }
}
