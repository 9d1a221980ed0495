//! Swapped contexts, or swapped database URLs, under leeward: refused before anything is sent.

use super::{Before, CONSENTS, has, run_of};
use crate::bench::Bench;
use crate::changes::Counting;

const CONFIGS: [&str; 2] = ["contexts-swapped.toml", "databases-swapped.toml"];

pub async fn refused(bench: Bench) {
    let before = Before::of(&bench).await;
    let counting = Counting::start(&[&bench.a, &bench.b]).await;
    // Who is who is noted by a look on a good day.
    super::ready(&bench).await;
    bench.consents("failover", &CONSENTS, &super::OVERRIDES);
    println!("  (swapped before a run)");
    for config in CONFIGS {
        let told = bench.leeward_with(config, &["status"]).await;
        assert_eq!(told.code, 3);
        has(&told, "swapped");
        let told = bench.leeward_with(config, &["playbook", "run", "failover", "--consent", "consents.toml"]).await;
        assert_ne!(told.code, 0);
        untouched(&bench, &before, &counting).await;
        if let Some(run) = crate::bench::newest_run(&bench.runs_folder()) {
            bench.quietly("leeward.toml", &["playbook", "abort", &run, "--reason", "swapped for a test"]).await;
        }
    }
    println!("  (swapped between two halves of a run)");
    bench.consents("failover", &["declare"], &[]);
    let told = bench.leeward(&["playbook", "run", "failover", "--consent", "consents.toml"]).await;
    assert_eq!(told.code, 4);
    let run = run_of(&bench);
    bench.consents("failover", &CONSENTS, &super::OVERRIDES);
    for config in CONFIGS {
        let told = bench.leeward_with(config, &["playbook", "resume", &run, "--consent", "consents.toml"]).await;
        assert_ne!(told.code, 0);
        has(&told, "swapped");
        untouched(&bench, &before, &counting).await;
    }
    println!("  (as it should be again)");
    let told = bench.leeward(&["playbook", "resume", &run, "--consent", "consents.toml"]).await;
    assert_eq!(told.code, 0);
    super::failed_over(&bench, &before, &run).await;
}

async fn untouched(bench: &Bench, before: &Before, counting: &Counting) {
    assert_eq!(counting.changes().len(), 0, "nothing is changed: {:?}", counting.changes());
    let (a, b) = (bench.a.database.standing().await, bench.b.database.standing().await);
    assert!(a.takes_writes && b.in_recovery, "{a:?} {b:?}");
    assert_eq!(bench.a.crons().await, before.a_crons);
    assert_eq!(crate::servers::dns(bench.names.0.addr, crate::named::ZONE, crate::named::NAME).await.1, before.serial);
    println!("  seen: nothing is changed; {} {a:?}; {} {b:?}", bench.a.name, bench.b.name);
}
