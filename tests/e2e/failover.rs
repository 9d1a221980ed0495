//! One failover from end to end: as a drill, and with the program against a sandbox in another process.

use crate::support::bench::{A, B, Bench, CONSENTS};
use crate::support::program::Program;
use crate::support::terminal::Terminal;
use crate::support::{marked, turn, until};
use leeward::domain::region::Side;
use leeward::sandbox::fault::FaultKind;
use rustix::process::Signal;

#[test]
fn a_drill_without_a_terminal_is_walked_to_its_end() {
    let _turn = turn();
    let home = tempfile::tempdir().unwrap();
    let mut drill = Program::start(home.path(), &["drill"]);
    let told = drill.end().ended(0).says("us-central1 goes down").says("DONE, serves again").says("simulated");
    assert!(!told.out.contains('\x1b') && !told.err.contains('\x1b'), "escapes without a terminal");
    for step in ["declare", "fence-controllers", "promote", "canary", "switch-dns", "activate-crons", "report"] {
        assert!(told.out.contains(step), "{step} is not told: {}", told.out);
    }
    assert_eq!(marked(&drill.mark), [""; 0], "something outlived the drill");
}

#[test]
fn a_region_that_is_down_is_failed_over_by_consents_in_a_file() {
    let bench = Bench::start();
    bench.ready();
    bench.leeward(&["playbook", "plan", "failover"]).ended(0).says("Nothing is sent.");
    assert!(bench.writes().is_empty(), "a plan sends nothing: {:?}", bench.writes());
    assert_eq!(bench.run(), None, "and begins no run");
    let before = bench.crons(Side::A);
    bench.fault(Side::A, FaultKind::RegionDown);
    bench.leeward(&["status"]).ended(3).says("old-region-fenced");

    // A console that only watches follows what another process drives.
    let config = bench.config().display().to_string();
    let mut watcher = Terminal::leeward(bench.home.path(), &["--config", &config, "watch"], &[]);
    watcher.has("READ-ONLY");

    // Without the override nothing is promoted, and the run waits for a person; who interrupts it leaves in good order.
    let consents = bench.consents(&CONSENTS, &[]);
    let mut waiting = bench.spawn(&["playbook", "run", "failover", "--consent", consents]);
    until("the first fence has failed", || bench.has_record("effect-ended", "suspend-crons").then_some(()));
    waiting.signal(Signal::INT);
    waiting.end().ended(4).says("waits for a person").says("playbook resume");
    assert_eq!(bench.holder(Side::B, "leeward-sandbox"), None, "the lock is given up at once");
    let run = bench.run().unwrap();
    watcher.has(&format!("failover {run}"));
    watcher.has("suspend-crons");
    assert!(bench.standing(leeward::sandbox::postgres::Side::B).in_recovery, "nothing was promoted");
    assert_eq!(bench.sandbox().webhook().count(), 0);
    bench.leeward(&["playbook", "run", "failover", "--consent", consents]).ended(1).says("is open");

    // With it the same run goes on.
    let consents = bench.consents(&CONSENTS, &["old-region-fenced", "loss-limit"]);
    let told = bench.leeward(&["playbook", "resume", &run, "--consent", consents]).ended(0);
    let told = told.says("DONE, serves again").says("BREAK-GLASS").says(B);
    assert!(told.out.contains("RTO") || told.out.contains("loss") || told.out.contains("took"), "{}", told.out);
    bench.failed_over(&run);
    assert_eq!(bench.crons(Side::A), before, "nobody could reach the crons of {A}");
    watcher.shows("the line about the run is gone with the run", |frame| !frame.contains(&format!("failover {run}")));
    watcher.keys("q");
    assert_eq!(watcher.end().exit_code(), 0);
    bench.leeward(&["journal", "list"]).ended(0).says("done");
    bench.leeward(&["journal", "show", &run]).ended(0).says("DONE, serves again");
    bench.leeward(&["playbook", "resume", &run]).ended(1).says("is over");
    bench.leeward(&["playbook", "undo", &run, "suspend-crons", "--yes"]).ended(1).says("promotion");
}
