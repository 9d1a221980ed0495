//! An ordinary day: nothing is changed.

use super::{Before, gates, has};
use crate::bench::Bench;
use crate::servers::dns;
use crate::{changes::Counting, named};

pub async fn status(bench: Bench) {
    let before = Before::of(&bench).await;
    let told = super::ready(&bench).await;
    has(&told, "readiness  READY");
    let (code, document) = bench.status().await;
    assert_eq!((code, document["schema"].as_u64()), (0, Some(1)));
    for region in [&bench.a, &bench.b] {
        for source in ["api", "db"] {
            let health = &document["regions"][&region.name][source];
            assert_eq!(health["freshness"], "LIVE", "{} {source}: {health}", region.name);
        }
    }
    assert_eq!(document["regions"][&bench.a.name]["metrics"]["freshness"], "LIVE");
    let role = |region: &crate::servers::Region| document["regions"][&region.name]["role"].clone();
    assert_eq!((role(&bench.a), role(&bench.b)), ("primary".into(), "standby".into()));
    assert_eq!(gates(&document, "blocks"), Vec::<String>::new());
    assert_eq!(document["readiness"]["to"], bench.b.name.as_str());
    // The same numbers as the servers themselves give.
    let of_a = &document["regions"][&bench.a.name];
    let active = before.a_crons.values().filter(|off| !**off).count();
    assert_eq!(of_a["crons"]["active"].as_u64(), u64::try_from(active).ok());
    assert_eq!(of_a["controllers"]["wanted"].as_u64(), Some(before.a_replicas));
    assert_eq!(document["database"]["servers"][&bench.a.name]["timeline"].as_u64(), Some(before.timeline.into()));
    let system = bench.a.database.text("(SELECT system_identifier FROM pg_control_system())").await;
    assert_eq!(document["database"]["servers"][&bench.b.name]["system"], system.as_str());
    let rows = bench.a.database.text("(SELECT count(*) FROM argo_archived_workflows)").await;
    assert_eq!(of_a["archive"]["rows"].as_u64().map(|n| n.to_string()), Some(rows));
    println!("  seen: JSON says {} and the servers' own numbers", document["readiness"]["state"]);
}

pub async fn plan(bench: Bench) {
    let before = Before::of(&bench).await;
    let counting = Counting::start(&[&bench.a, &bench.b]).await;
    let told = bench.leeward(&["playbook", "plan", "failover"]).await;
    assert_eq!(told.code, 0);
    for step in super::CONSENTS.iter().chain(&["preflight", "inventory", "catch-up", "canary", "notify", "report"]) {
        has(&told, step);
    }
    for (cron, off) in &before.a_crons {
        let name = cron.split_once('/').unwrap().1;
        assert_eq!(
            told.text.contains(&format!("/{name} ")) || told.text.contains(&format!("/{name}:")),
            !off,
            "{cron}"
        );
    }
    has(&told, "pg_promote");
    assert_eq!(counting.changes().len(), 0, "a plan changes nothing");
    assert_eq!(bench.a.crons().await, before.a_crons);
    assert!(bench.b.database.standing().await.in_recovery);
    assert_eq!(dns(bench.names.0.addr, named::ZONE, named::NAME).await.1, before.serial);
    for region in [&bench.a, &bench.b] {
        assert_eq!(region.lease(&super::lock()).await, None, "a plan takes no lock");
    }
    let runs = bench.leeward(&["journal", "list"]).await;
    has(&runs, "no run of");
}
