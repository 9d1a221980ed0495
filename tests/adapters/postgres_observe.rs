//! The observing loop: what it says while a server freezes, ends sessions, and comes back.

use std::time::Duration;

use leeward::adapters::postgres::observe;
use leeward::domain::endpoints::Intervals;
use leeward::domain::freshness::{ErrorKind, Source};
use leeward::domain::observation::{Fact, Observation};
use leeward::domain::region::Side as Region;
use leeward::sandbox::postgres::{Pair, PairOptions, Role, Side};
use tokio::sync::{mpsc, watch};

use crate::support::{TABLES, endpoint, sql};

async fn next(told: &mut mpsc::Receiver<Observation>, wanted: impl Fn(&Fact) -> bool) -> Observation {
    loop {
        let observation = told.recv().await.unwrap();
        if wanted(&observation.fact) {
            return observation;
        }
    }
}

fn is_failed(fact: &Fact) -> bool {
    matches!(fact, Fact::Failed { .. })
}

fn is_look(fact: &Fact) -> bool {
    matches!(fact, Fact::Database(_))
}

#[tokio::test]
async fn a_frozen_server_is_a_timeout_and_its_return_is_seen() {
    let pair = Pair::start(PairOptions::default()).await.unwrap();
    sql(&pair, Side::A, Role::Argo, TABLES).await.unwrap();
    let intervals = Intervals {
        probe: Duration::from_millis(100),
        timeout: Duration::from_millis(500),
        slow: Duration::from_secs(3600),
        ..Intervals::default()
    };
    let (out, mut told) = mpsc::channel(8);
    let (hurry, hurried) = watch::channel(false);
    let monitor = endpoint(&pair, Side::A, Role::Monitor);
    let operator = Some(endpoint(&pair, Side::A, Role::Operator));
    let task = tokio::spawn(observe(Region::A, monitor, operator, intervals, out, hurried));
    let mut rows = None;
    let mut operator = None;
    let mut seen = false;
    while rows.is_none() || operator.is_none() || !seen {
        let observation = told.recv().await.unwrap();
        assert_eq!(observation.source, Source::Database(Region::A));
        match observation.fact {
            Fact::Archive(facts) => rows = facts.rows,
            Fact::Operator(rights) => operator = Some(rights.unwrap()),
            Fact::Database(_) => seen = true,
            Fact::Answered { .. } | Fact::Promotion(None) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(rows, Some(3));
    assert!(operator.unwrap().promote);

    // The next look at the tables is an hour away, unless it is wanted now.
    sql(&pair, Side::A, Role::Argo, "DELETE FROM argo_archived_workflows WHERE uid = 'one'").await.unwrap();
    hurry.send(true).unwrap();
    let facts = next(&mut told, |fact| matches!(fact, Fact::Archive(facts) if facts.rows == Some(2))).await;
    assert!(!is_failed(&facts.fact));
    hurry.send(false).unwrap();

    // A session that was ended from outside is no failure of the server.
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'leeward'";
    sql(&pair, Side::A, Role::Admin, end).await.unwrap();
    for _ in 0..3 {
        let observation = next(&mut told, |fact| is_failed(fact) || is_look(fact)).await;
        assert!(is_look(&observation.fact), "{observation:?}");
    }

    pair.freeze(Side::A).await;
    for _ in 0..2 {
        let observation = next(&mut told, is_failed).await;
        let Fact::Failed { began, error } = observation.fact else { unreachable!() };
        assert_eq!(error.kind, ErrorKind::Timeout, "{error}");
        assert!(began < observation.at, "it dates from the beginning of the try");
    }
    pair.thaw(Side::A).await;
    next(&mut told, is_look).await;
    drop(told);
    task.await.unwrap();
}

#[tokio::test]
async fn tables_that_are_not_there_yet_are_looked_for_again_soon() {
    let pair = Pair::start(PairOptions::default()).await.unwrap();
    let intervals =
        Intervals { probe: Duration::from_millis(100), slow: Duration::from_secs(3600), ..Intervals::default() };
    let (out, mut told) = mpsc::channel(8);
    let (_hurry, hurried) = watch::channel(false);
    let task = tokio::spawn(observe(Region::A, endpoint(&pair, Side::A, Role::Monitor), None, intervals, out, hurried));
    let rows = |fact: &Fact| if let Fact::Archive(facts) = fact { facts.rows } else { None };
    next(&mut told, |fact| matches!(fact, Fact::Archive(facts) if facts.rows.is_none())).await;
    sql(&pair, Side::A, Role::Argo, TABLES).await.unwrap();
    let seen = next(&mut told, |fact| rows(fact).is_some()).await;
    assert_eq!(rows(&seen.fact), Some(3));
    drop(told);
    task.await.unwrap();
}
