//! Undo before a promotion: what was, not a default.

use super::{Before, CONSENTS, has, run_of};
use crate::bench::{Bench, until};
use std::time::Duration;

/// Everything up to the promotion, which is not consented to.
fn consents(bench: &Bench) {
    let steps: Vec<&str> = CONSENTS.into_iter().filter(|step| *step != "promote").collect();
    bench.consents("failover", &steps, &[]);
}

async fn fenced(bench: &Bench) -> String {
    consents(bench);
    let told = bench.leeward(&["playbook", "run", "failover", "--consent", "consents.toml"]).await;
    assert_eq!(told.code, 4);
    has(&told, "promote asks for a consent");
    let a = bench.a.database.standing().await;
    assert!(a.read_only && !a.takes_writes, "{a:?}");
    assert_eq!(bench.a.controller().await.0, 0);
    assert!(bench.a.crons().await.values().all(|off| *off));
    println!("  seen: {} {a:?}; {}", bench.a.name, bench.a.words().await);
    run_of(bench)
}

async fn undone(bench: &Bench, before: &Before, run: &str) {
    for step in ["fence-database", "fence-controllers", "suspend-crons"] {
        let told = bench.leeward(&["playbook", "undo", run, step]).await;
        assert_eq!(told.code, 4, "it only shows");
        has(&told, "nothing was sent");
        let told = bench.leeward(&["playbook", "undo", run, step, "--yes"]).await;
        assert_eq!(told.code, 0, "undo of {step}");
    }
    let a = bench.a.database.standing().await;
    assert!(a.takes_writes && !a.read_only, "{a:?}");
    assert_eq!(bench.a.controller().await.0, before.a_replicas);
    assert_eq!(bench.a.crons().await, before.a_crons, "suspended before stays suspended");
    until("a controller leads in A again", Duration::from_secs(60), || super::leads(&bench.a)).await;
    println!("  seen: {} {a:?}; {}", bench.a.name, bench.a.words().await);
}

pub async fn restores(bench: Bench) {
    let before = Before::of(&bench).await;
    let run = fenced(&bench).await;
    undone(&bench, &before, &run).await;
    let told = bench.leeward(&["playbook", "abort", &run, "--reason", "the region is well again"]).await;
    assert_eq!(told.code, 0);
    super::ready(&bench).await;
    println!("  (again, given up first and undone then)");
    let run = fenced(&bench).await;
    let told = bench.leeward(&["playbook", "abort", &run, "--reason", "the region is well again"]).await;
    assert_eq!(told.code, 0);
    undone(&bench, &before, &run).await;
    assert_eq!(bench.leeward(&["journal", "verify"]).await.code, 0);
    for region in [&bench.a, &bench.b] {
        assert_eq!(region.lease(&super::lock()).await, None, "the lock is given up");
    }
}
