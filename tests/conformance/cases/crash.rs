//! kill -9 of leeward at every step of one failover: with both regions up, so that every fence really acts, and with
//! region A down. Each time the run is taken up again, and ends as if nothing had happened.

use std::time::Duration;

use super::failover::{fenced, once};
use super::{Before, CONSENTS, OVERRIDES, failed_over, run_of, told_once};
use crate::bench::Bench;
use crate::changes::Counting;
use crate::kill::{Ended, Point, at};

const STEPS: [&str; 14] = [
    "declare",
    "preflight",
    "suspend-crons",
    "fence-controllers",
    "inventory",
    "fence-database",
    "catch-up",
    "promote",
    "start-controllers",
    "canary",
    "switch-dns",
    "activate-crons",
    "notify",
    "report",
];

/// Steps that send nothing have no effect to be killed after.
const SILENT: [&str; 3] = ["preflight", "inventory", "catch-up"];

pub async fn at_start(bench: Bench) {
    let point = |step| Point { event: "step-started", step, later: Duration::ZERO };
    killed(bench, &STEPS.map(point), false).await;
}

pub async fn in_outage(bench: Bench) {
    let point = |step| Point { event: "step-started", step, later: Duration::ZERO };
    killed(bench, &STEPS.map(point), true).await;
}

pub async fn in_effect(bench: Bench) {
    // Spread over the time that an effect takes, so that some kills fall before the request, some on it, some behind it.
    let later = |step: &str| Duration::from_millis(20 * u64::try_from(step.len()).unwrap());
    let point = |step| Point { event: "step-started", step, later: later(step) };
    killed(bench, &STEPS.map(point), false).await;
}

pub async fn after_effect(bench: Bench) {
    let points: Vec<Point> = STEPS
        .into_iter()
        .map(|step| {
            let event = if SILENT.contains(&step) { "step-done" } else { "effect-ended" };
            Point { event, step, later: Duration::ZERO }
        })
        .collect();
    killed(bench, &points, false).await;
}

async fn killed(bench: Bench, points: &[Point], outage: bool) {
    let before = Before::of(&bench).await;
    let counting = if outage {
        super::ready(&bench).await;
        bench.region_down();
        bench.consents("failover", &CONSENTS, &OVERRIDES);
        Counting::start(&[&bench.b]).await
    } else {
        bench.consents("failover", &CONSENTS, &[]);
        Counting::start(&[&bench.a, &bench.b]).await
    };
    let mut run: Option<String> = None;
    let mut kills = 0;
    for point in points {
        let args = match &run {
            None => ["playbook", "run", "failover", "--consent", "consents.toml"],
            Some(run) => ["playbook", "resume", run, "--consent", "consents.toml"],
        };
        match at(&bench, bench.spawn(&args), *point).await {
            Ended::Killed { run: id, records } => {
                println!(
                    "  kill -9 {} ms after {} of {}: {records} records on disk",
                    point.later.as_millis(),
                    point.event,
                    point.step
                );
                kills += 1;
                run = Some(id);
            }
            // The last step's proof may come before the kill.
            Ended::ByItself(0) if point.step == "report" => println!("  the run was over before the last kill"),
            Ended::ByItself(code) => {
                let run = run_of(&bench);
                bench.leeward(&["journal", "show", &run]).await;
                panic!("leeward ended with {code} before {} of {}", point.event, point.step);
            }
        }
    }
    assert!(kills + 1 >= points.len());
    let run = run_of(&bench);
    let told = bench.leeward(&["playbook", "resume", &run, "--consent", "consents.toml"]).await;
    // The last kill may have come after the last record.
    assert!(told.code == 0 || told.text.contains("is over"), "exit code {}", told.code);
    let told = bench.leeward(&["journal", "show", &run]).await;
    super::has(&told, "DONE, serves again");
    failed_over(&bench, &before, &run).await;
    told_once(&bench, &run, 2);
    if outage {
        once(&bench, &before, &run, &counting, &[&bench.b]);
    } else {
        fenced(&bench, &before, &run, &counting).await;
    }
}
