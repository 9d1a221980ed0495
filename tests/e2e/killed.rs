//! kill -9 of the driver at many places of a run, and the run taken up again each time: as if nothing had happened. And a
//! driver that is stopped, overtaken by another one, and goes on.

use crate::support::bench::{A, B, Bench, CONSENTS, Standing};
use crate::support::program::Program;
use crate::support::{marked, until};
use leeward::domain::region::Side;
use leeward::sandbox::postgres;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::time::Duration;

/// Right after the first record of this kind for this step, or so many milliseconds later.
type Point = (&'static str, &'static str, u64);

/// Between the record that announces an effect and the effect.
const BEFORE: [Point; 7] = [
    ("step-started", "suspend-crons", 0),
    ("step-started", "fence-controllers", 0),
    ("step-started", "fence-database", 0),
    ("step-started", "promote", 0),
    ("step-started", "start-controllers", 0),
    ("step-started", "canary", 0),
    ("step-started", "switch-dns", 0),
];

/// In the effect, between it and its proof, and after the proof.
const LATER: [Point; 8] = [
    ("step-done", "suspend-crons", 0),
    ("effect-ended", "fence-controllers", 0),
    ("step-started", "fence-database", 40),
    ("step-done", "fence-database", 0),
    ("step-started", "promote", 25),
    ("step-done", "promote", 0),
    ("effect-ended", "canary", 0),
    ("effect-ended", "switch-dns", 0),
];

/// Kills at a point. The driver before may have got as far as its effect when it was killed, on a machine that is busy:
/// then the step is taken up as done already, and its end is the point.
fn killed(bench: &Bench, mut driver: Program, (event, step, later): Point) {
    let ended = until("the record to kill after", || {
        let there = bench.has_record(event, step) || bench.has_record("step-done", step);
        there.then_some(false).or_else(|| (!driver.running()).then_some(true))
    });
    assert!(!ended, "ended before {event} of {step}: {:?}", driver.end());
    std::thread::sleep(Duration::from_millis(later));
    driver.signal(Signal::KILL);
    let told = driver.end();
    assert_eq!(told.code, None, "{event} of {step}: it ended by itself\n{}{}", told.out, told.err);
    assert_eq!(marked(&driver.mark), [""; 0], "a child outlived it");
}

fn kill_at_each(points: &[Point]) {
    let bench = Bench::start();
    bench.ready();
    let (crons_a, consents) = (bench.crons(Side::A), bench.consents(&CONSENTS, &[]));
    assert_eq!(crons_a.values().filter(|off| !**off).count(), 1, "one cron of {A} is active: {crons_a:?}");
    for (nth, point) in points.iter().enumerate() {
        let run = bench.run();
        let args = match &run {
            None => ["playbook", "run", "failover", "--consent", consents],
            Some(run) => ["playbook", "resume", run, "--consent", consents],
        };
        assert_eq!(run.is_some(), nth > 0);
        killed(&bench, bench.spawn(&args), *point);
    }
    let run = bench.run().unwrap();
    bench.leeward(&["playbook", "resume", &run, "--consent", consents]).ended(0).says("DONE, serves again");
    bench.failed_over(&run);
    fenced(&bench);
    once(&bench);
}

/// A is fenced in all three ways.
fn fenced(bench: &Bench) {
    assert_eq!(bench.replicas(Side::A), 0);
    assert!(bench.crons(Side::A).values().all(|off| *off));
    let fenced = Standing { in_recovery: false, timeline: Some("00000001".to_owned()), read_only: true };
    assert_eq!(bench.standing(postgres::Side::A), fenced);
}

/// Every change was asked for once, by what the servers got.
fn once(bench: &Bench) {
    let expected: BTreeMap<String, u64> = [
        (format!("{A} patch cronworkflows"), 1),
        (format!("{A} patch deployments/scale"), 1),
        (format!("{B} create workflows"), 1),
        (format!("{B} patch cronworkflows"), 1),
        (format!("{B} patch deployments/scale"), 1),
    ]
    .into();
    assert_eq!(bench.writes(), expected);
}

#[test]
fn between_every_announcement_and_its_effect() {
    kill_at_each(&BEFORE);
}

#[test]
fn in_and_after_effects_and_after_proofs() {
    kill_at_each(&LATER);
}

#[test]
fn a_driver_that_was_stopped_and_overtaken_sends_nothing_more() {
    let bench = Bench::start();
    bench.ready();
    let consents = bench.consents(&CONSENTS, &[]);
    let mut stopped = bench.spawn(&["playbook", "run", "failover", "--consent", consents]);
    until("the crons' proof", || bench.has_record("step-done", "suspend-crons").then_some(()));
    stopped.signal(Signal::STOP);
    let run = bench.run().unwrap();
    let (stood, writes) = (bench.journal().len(), bench.writes());

    // The journal is held by a process that lives, stopped or not: on this machine nobody takes over.
    let refused = bench.leeward(&["playbook", "resume", &run, "--consent", consents]).ended(1);
    refused.says("drives run").says("it may be stopped");
    assert_eq!((bench.journal().len(), bench.writes()), (stood, writes));

    // Another machine has a copy of the journal. It waits until the lock is over, by its own clock.
    let elsewhere = bench.home.path().join("elsewhere");
    std::fs::create_dir_all(elsewhere.join("sandbox/runs")).unwrap();
    let copy = elsewhere.join(format!("sandbox/runs/{run}.jsonl"));
    std::fs::copy(bench.runs().join(format!("{run}.jsonl")), &copy).unwrap();
    let state = format!("state.dir={}", elsewhere.display());
    let args = ["--set", &state, "playbook", "resume", &run, "--consent", consents];
    let mut other = bench.spawn_as("second", &args);
    let told = other.end().ended(0).says("DONE, serves again");
    assert!(told.out.contains("second"), "{}", told.out);

    let (writes, updates) = (bench.writes(), bench.sandbox().dns().updates());
    stopped.signal(Signal::CONT);
    // Long enough for many of its looks; whatever it would send, it would send at the first.
    std::thread::sleep(Duration::from_secs(5));
    assert!(stopped.running(), "it stands still: {}", stopped.out());
    stopped.signal(Signal::INT);
    let told = stopped.end().ended(4);
    assert_eq!(bench.writes(), writes, "it sent something: {}{}", told.out, told.err);
    assert_eq!(bench.sandbox().dns().updates(), updates);
    assert_eq!(bench.sandbox().webhook().count(), 1);
    println!("the overtaken driver ended with {:?}:\n{}{}", told.code, told.out, told.err);
    fenced(&bench);
    once(&bench);
}
