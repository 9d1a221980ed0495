//! `leeward watch --plain`: what a person without a screen is told, and how it ends. And a journal with a torn end.

use crate::support::absent;
use crate::support::bench::{Bench, CONSENTS};
use crate::support::program::{Program, command, leeward};
use crate::support::until;
use leeward::domain::region::Side;
use leeward::sandbox::fault::FaultKind;
use rustix::process::Signal;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

#[test]
fn the_state_is_told_once_and_then_a_line_for_each_change() {
    let bench = Bench::start();
    bench.ready();
    let mut watch = bench.spawn(&["watch", "--plain"]);
    until("the state", || watch.out().contains("readiness  READY").then_some(()));
    let state = watch.out();
    assert_eq!(state.matches("us-central1  PRIMARY").count(), 1, "{state}");
    bench.fault(Side::A, FaultKind::RegionDown);
    until("the outage", || watch.out().contains("BAD     us-central1: api does not answer").then_some(()));
    until("what that means", || watch.out().contains("STATE   readiness BLOCKED by").then_some(()));
    bench.fault(Side::A, FaultKind::RegionUp);
    until("its end", || watch.out().contains("us-central1: db answers again after").then_some(()));
    until("what that means", || {
        let out = watch.out();
        let (_, later) = out.split_once("readiness BLOCKED").unwrap();
        later.contains("STATE   readiness READY").then_some(())
    });
    assert!(watch.running());
    let out = watch.out();
    assert!(!out.contains('\x1b') && !out.contains('\r'), "{out:?}");
    for line in out[state.len()..].lines() {
        let (time, rest) = line.split_once("Z  ").unwrap_or_else(|| panic!("no time: {line}"));
        assert!(time.len() == 19 && time.starts_with("20") && !rest.is_empty(), "{line}");
    }
    assert_eq!(out.matches("us-central1  PRIMARY").count(), 1, "the state is told once");
    watch.signal(Signal::INT);
    let told = watch.end().ended(0);
    assert_eq!(told.err, "");
    assert!(bench.writes().is_empty(), "{:?}", bench.writes());
}

#[test]
fn signals_and_a_reader_that_goes_away_end_it_well() {
    let home = tempfile::tempdir().unwrap();
    absent(home.path());
    let args = ["--config", "config.toml", "watch", "--plain"];
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut watch = Program::start(home.path(), &args);
        until("the state", || watch.out().contains("readiness  NO DIRECTION").then_some(()));
        watch.signal(signal);
        watch.end().ended(0);
    }
    // Nothing happens here any more that would be written: it still sees that nobody reads.
    let (mut command, _) = command(home.path(), &args);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    assert!(first.starts_with("absent"), "{first}");
    drop(out);
    let status = until("its end", || child.try_wait().unwrap());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((status.code(), said.contains("panicked") || said.contains("Broken pipe")), (Some(0), false), "{said}");
    leeward(home.path(), &["--config", "nowhere.toml", "watch", "--plain"]).ended(2).says("nowhere.toml");
    for args in [&["--config", "config.toml"][..], &["--config", "config.toml", "watch"]] {
        leeward(home.path(), args).ended(2).says("leeward status").says("leeward watch --plain");
    }
}

#[test]
fn a_torn_end_of_a_journal_is_told_and_not_mended_until_the_run_goes_on() {
    let bench = Bench::start();
    bench.ready();
    let consents = bench.consents(&["declare"], &[]);
    bench.leeward(&["playbook", "run", "failover", "--consent", consents]).ended(4);
    let run = bench.run().unwrap();
    bench.leeward(&["journal", "verify"]).ended(0).says("whole");
    let path = bench.runs().join(format!("{run}.jsonl"));
    let whole = std::fs::read(&path).unwrap();
    let torn = [&whole[..], b"{\"seq\":99,\"pr"].concat();
    std::fs::write(&path, &torn).unwrap();
    for args in [&["journal", "verify"][..], &["journal", "verify", &run]] {
        let told = bench.leeward(args).ended(1).says("TORN").says("13 bytes").says(&format!("playbook resume {run}"));
        assert!(!told.out.contains("DAMAGED"), "{}", told.out);
    }
    bench.leeward(&["journal", "show", &run]).ended(0).says("13 bytes");
    assert_eq!(std::fs::read(&path).unwrap(), torn, "nothing was repaired");
    let consents = bench.consents(&CONSENTS[..2], &[]);
    let told = bench
        .leeward(&["playbook", "resume", &run, "--consent", consents])
        .ended(4)
        .says("what is left of it (13 bytes) is in");
    drop(told);
    bench.leeward(&["journal", "verify"]).ended(0).says("whole");
    let aside = bench.runs().join(format!("{run}.torn-at-{}", whole.len()));
    assert_eq!(std::fs::read(aside).unwrap(), b"{\"seq\":99,\"pr");
    // A first line that was cut off: no run was begun.
    std::fs::write(bench.runs().join("abcdef.jsonl"), "{\"seq\":0").unwrap();
    bench.leeward(&["journal", "verify", "abcdef"]).ended(1).says("8 bytes").says("never begun");
    std::fs::remove_file(bench.runs().join("abcdef.jsonl")).unwrap();
}
