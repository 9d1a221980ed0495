//! The failover itself: unplanned with break-glass and without, and with both regions up.

use std::time::Duration;

use super::{Before, CONSENTS, OVERRIDES, failed_over, has, leads, ready, run_of, taken, told_once};
use crate::bench::{Bench, until};
use crate::changes::Counting;
use crate::servers::Region;

const RUN: [&str; 5] = ["playbook", "run", "failover", "--consent", "consents.toml"];

/// Leads a failover with region A down to its end.
async fn lead(bench: &Bench) -> (Before, String) {
    let before = Before::of(bench).await;
    // What was last known is noted by a look on a good day.
    ready(bench).await;
    bench.region_down();
    let told = bench.leeward(&["status"]).await;
    assert_eq!(told.code, 3, "an unfenced region that is down needs a second person");
    has(&told, "old-region-fenced");
    bench.consents("failover", &CONSENTS, &OVERRIDES);
    let told = bench.leeward(&RUN).await;
    assert_eq!(told.code, 0);
    has(&told, "DONE, serves again");
    has(&told, "BREAK-GLASS");
    let run = run_of(bench);
    failed_over(bench, &before, &run).await;
    told_once(bench, &run, 1);
    (before, run)
}

pub async fn down(bench: Bench) {
    let (before, run) = lead(&bench).await;
    let told = bench.leeward(&["playbook", "undo", &run, "suspend-crons", "--yes"]).await;
    assert_ne!(told.code, 0, "no fence is undone after a promotion");
    let told = bench.leeward(&["status"]).await;
    has(&told, &bench.b.name);
    old_region_returns(&bench, &before, &run).await;
}

/// Its API is back at once, its database takes writes again, its controller starts: two primaries.
async fn old_region_returns(bench: &Bench, before: &Before, run: &str) {
    bench.region_up();
    until("A's database is back", Duration::from_secs(60), || bench.a.database.answers()).await;
    let a = bench.a.database.standing().await;
    assert!(a.takes_writes && a.timeline == before.timeline, "the old primary is as it was: {a:?}");
    assert_eq!(bench.a.crons().await, before.a_crons, "its crons are active: nobody could suspend them");
    println!("  seen: {} {a:?}; {}", bench.a.name, bench.a.words().await);
    let told = bench.leeward(&["status"]).await;
    assert_eq!(told.code, 3);
    has(&told, "two databases are out of recovery");
    has(&told, "leeward playbook run fence");
    let (_, document) = bench.status().await;
    assert_eq!(document["database"]["two_primaries"], true);
    let alarms = document["alarms"].as_array().unwrap();
    let alarm = alarms.iter().find(|alarm| alarm["id"] == "one-primary").expect("the alarm one-primary");
    assert_eq!(alarm["weight"], "bad");

    // What was lost can be read now, and what it writes from its return on is told apart from it.
    let told = bench.leeward(&["journal", "measure", run]).await;
    assert_eq!(told.code, 0);
    has(&told, "since its return, and more until it is fenced");

    bench.consents("fence", &["declare", "fence-controllers", "suspend-crons", "fence-database"], &[]);
    let told = bench.leeward(&["playbook", "run", "fence", "--consent", "consents.toml"]).await;
    assert_eq!(told.code, 0);
    has(&told, "DONE, fenced after");
    is_fenced(bench).await;
    let b = bench.b.database.standing().await;
    assert!(b.takes_writes && leads(&bench.b).await, "B goes on: {b:?}");
    assert_eq!(bench.b.crons().await, before.b_crons_after(), "crons of B");
    println!("  seen: {} {b:?}; {}", bench.b.name, bench.b.words().await);
    bench.leeward(&["status"]).await;
    let told = bench.leeward(&["journal", "measure", run]).await;
    assert_eq!(told.code, 0, "once more, since it is fenced now");
    has(&told, "since its return");
    assert!(!told.text.contains("and more until"), "{}", told.text);
}

/// The old region is back when its database has been promoted beside and nothing runs yet: its fences, left unproven, are
/// made up for before anything else, and the run goes on to its end.
pub async fn returns(bench: Bench) {
    let before = Before::of(&bench).await;
    ready(&bench).await;
    bench.region_down();
    let until_promoted = ["declare", "suspend-crons", "fence-controllers", "fence-database", "promote"];
    bench.consents("failover", &until_promoted, &OVERRIDES);
    let told = bench.leeward(&RUN).await;
    assert_eq!(told.code, 4);
    has(&told, "start-controllers asks for a consent");
    let run = run_of(&bench);
    bench.region_up();
    until("A's database is back", Duration::from_secs(60), || bench.a.database.answers()).await;
    bench.consents("fence", &["declare", "fence-controllers", "suspend-crons", "fence-database"], &[]);
    let told = bench.leeward(&["playbook", "run", "fence", "--consent", "consents.toml"]).await;
    assert_eq!(told.code, 1, "one run at a time");
    has(&told, "is open");
    bench.consents("failover", &CONSENTS, &[]);
    let told = bench.leeward(&["playbook", "resume", &run, "--consent", "consents.toml"]).await;
    assert_eq!(told.code, 0);
    failed_over(&bench, &before, &run).await;
    is_fenced(&bench).await;
    let told = bench.leeward(&["status"]).await;
    has(&told, "rebuild the old primary as a replica");
}

async fn is_fenced(bench: &Bench) {
    let (wanted, pods) = bench.a.controller().await;
    assert!(wanted == 0 && pods.is_empty(), "controllers of A: {wanted} wanted, {pods:?}");
    assert!(bench.a.crons().await.values().all(|off| *off), "crons of A are suspended");
    let a = bench.a.database.standing().await;
    assert!(!a.in_recovery && a.read_only && !a.takes_writes, "the database of A is fenced: {a:?}");
    println!("  seen: {} {a:?}; {}", bench.a.name, bench.a.words().await);
}

pub async fn alone(bench: Bench) {
    let before = Before::of(&bench).await;
    ready(&bench).await;
    bench.region_down();
    bench.consents("failover", &CONSENTS, &OVERRIDES);
    // Where the environment does not allow break-glass, the same consents do not do.
    let told = bench.leeward(&[&["--set", "approval.break_glass=false"], RUN.as_slice()].concat()).await;
    assert_eq!(told.code, 4);
    has(&told, "takes a second person");
    untouched(&bench, &before).await;
    let run = run_of(&bench);
    bench.consents("failover", &CONSENTS, &[]);
    let told = bench.leeward(&["playbook", "resume", &run, "--consent", "consents.toml"]).await;
    assert_eq!(told.code, 4);
    has(&told, "old-region-fenced");
    untouched(&bench, &before).await;
    bench.consents("failover", &CONSENTS, &OVERRIDES);
    let told = bench.leeward(&["playbook", "resume", &run, "--consent", "consents.toml"]).await;
    assert_eq!(told.code, 0);
    failed_over(&bench, &before, &run).await;
    told_once(&bench, &run, 1);
}

async fn untouched(bench: &Bench, before: &Before) {
    let b = bench.b.database.standing().await;
    assert!(b.in_recovery && b.timeline == before.timeline, "nothing is promoted: {b:?}");
    assert_eq!(bench.b.crons().await, before.b_crons);
    assert_eq!(bench.b.controller().await.0, 0);
    assert_eq!(bench.webhook.count(), 0);
    println!("  seen: {} {b:?}; {}", bench.b.name, bench.b.words().await);
}

pub async fn planned(bench: Bench) {
    let before = Before::of(&bench).await;
    let counting = Counting::start(&[&bench.a, &bench.b]).await;
    bench.consents("failover", &CONSENTS, &[]);
    let told = bench.leeward(&RUN).await;
    assert_eq!(told.code, 0);
    has(&told, "exact: the old side was fenced and read");
    let run = run_of(&bench);
    failed_over(&bench, &before, &run).await;
    told_once(&bench, &run, 1);
    fenced(&bench, &before, &run, &counting).await;
}

/// A is fenced in all three ways, and every change was made once.
pub async fn fenced(bench: &Bench, before: &Before, run: &str, counting: &Counting) {
    let (wanted, pods) = bench.a.controller().await;
    assert!(wanted == 0 && pods.is_empty(), "controllers of A: {wanted} wanted, {pods:?}");
    assert!(bench.a.crons().await.values().all(|off| *off), "crons of A are suspended");
    let a = bench.a.database.standing().await;
    assert!(!a.in_recovery && a.read_only && !a.takes_writes && a.timeline == before.timeline, "{a:?}");
    assert_eq!(bench.a.lease(&super::lock()).await, None, "the lock in A is given up as well");
    println!("  seen: {} {a:?}; {}", bench.a.name, bench.a.words().await);
    once(bench, before, run, counting, &[&bench.a, &bench.b]);
}

/// Everything that had to change in these regions has, and once; so says a watch of its own, and so says the journal.
pub fn once(bench: &Bench, before: &Before, run: &str, counting: &Counting, regions: &[&Region]) {
    let (a, b) = (&bench.a.name, &bench.b.name);
    let deployment = &bench.variables.controller_deployment;
    let scaled = |region: &str| format!("{region} Deployment {}/{deployment}", bench.variables.controller_namespace);
    let mut expected = crate::changes::Changes::new();
    for cron in before.a_crons.iter().filter(|(_, off)| !**off).map(|(name, _)| name) {
        expected.insert(format!("{a} CronWorkflow {cron}"), vec![(false.into(), true.into())]);
        if before.b_crons.contains_key(cron) {
            expected.insert(format!("{b} CronWorkflow {cron}"), vec![(true.into(), false.into())]);
        }
    }
    expected.insert(scaled(a), vec![(before.a_replicas.into(), 0.into())]);
    expected.insert(scaled(b), vec![(0.into(), before.a_replicas.into())]);
    expected.retain(|what, _| regions.iter().any(|region| what.starts_with(&format!("{} ", region.name))));
    let changes = counting.changes();
    assert_eq!(changes, expected, "every change was made, and made once");
    println!("  seen by a watch of its own: {} changes, each once", changes.len());
    let mut effects = taken(bench, run);
    let all = effects.len();
    effects.retain(|effect| effect["do"] != "take-lock" && effect["do"] != "release-lock");
    let writes = effects.len();
    effects.sort_by_key(ToString::to_string);
    effects.dedup();
    assert_eq!(effects.len(), writes, "an effect was taken twice");
    println!("  seen in the journal: {all} effects taken, none twice");
}
