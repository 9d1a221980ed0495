//! Our line to region A is cut while A lives. To us it looks like an outage; to promote now would make two primaries.

use std::time::Duration;

use super::{Before, CONSENTS, OVERRIDES, gates, has, run_of};
use crate::bench::{Bench, until};
use crate::servers::Database;
use tokio::task::JoinSet;

pub async fn cut(bench: Bench) {
    both(bench, Bench::cut).await;
}

pub async fn half_open(bench: Bench) {
    both(bench, Bench::freeze).await;
}

/// An application at work: one transaction a second on the primary itself, past our line.
fn work(database: Database) -> JoinSet<()> {
    let mut work = JoinSet::new();
    work.spawn(async move {
        loop {
            database.beat().await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    work
}

async fn both(bench: Bench, fault: fn(&Bench)) {
    let before = Before::of(&bench).await;
    super::ready(&bench).await;
    let _work = work(bench.a.database.clone());
    println!("  (the line to {} is cut; its servers live)", bench.a.name);
    fault(&bench);

    let told = bench.leeward(&["status"]).await;
    assert_eq!(told.code, 3);
    has(&told, "proof-of-life");
    let (_, document) = bench.status().await;
    assert_eq!(document["readiness"]["state"], "blocked");
    assert!(gates(&document, "blocks").contains(&"proof-of-life".to_owned()), "{}", document["readiness"]);
    for source in ["api", "db"] {
        assert_ne!(document["regions"][&bench.a.name][source]["freshness"], "LIVE");
    }

    bench.consents("failover", &CONSENTS, &["proof-of-life"]);
    let told = bench.leeward(&["playbook", "run", "failover", "--consent", "consents.toml"]).await;
    assert_eq!(told.code, 2);
    has(&told, "nobody may override");

    bench.consents("failover", &CONSENTS, &OVERRIDES);
    let told = bench.leeward(&["playbook", "run", "failover", "--consent", "consents.toml"]).await;
    assert_eq!(told.code, 4);
    has(&told, "promote is held by proof-of-life");
    has(&told, &format!("{} lives", bench.a.name));
    let (a, b) = (bench.a.database.standing().await, bench.b.database.standing().await);
    assert!(a.takes_writes && b.in_recovery && b.timeline == before.timeline, "{a:?} {b:?}");
    assert_eq!(bench.a.crons().await, before.a_crons, "nothing got through the cut line");
    println!("  seen: {} {a:?}; {} {b:?}", bench.a.name, bench.b.name);

    println!("  (the line is mended)");
    bench.mend();
    let run = run_of(&bench);
    let reason = "the line was cut, the region lives";
    let told = bench.leeward(&["playbook", "abort", &run, "--reason", reason]).await;
    assert_eq!(told.code, 0);
    until("the replica streams", Duration::from_secs(30), || async { !bench.b.database.standing().await.takes_writes })
        .await;
    let told = super::ready(&bench).await;
    has(&told, "readiness  READY");
    assert_eq!(bench.b.lease(&super::lock()).await, None, "the lock is given up");
}
