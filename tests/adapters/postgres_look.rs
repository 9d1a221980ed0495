//! Looks at a real pair, in and out of recovery, with and without rights.

use leeward::adapters::postgres::{Monitor, operator_rights};
use leeward::domain::endpoints::{DatabaseEndpoint, PasswordSource};
use leeward::domain::freshness::ErrorKind;
use leeward::domain::secret::Secret;
use leeward::domain::units::{Bytes, Timeline};
use leeward::sandbox::postgres::{Pair, PairOptions, Role, Side, Stop};

use crate::support::{LIMIT, TABLES, ask, endpoint, look, sql, until};

#[tokio::test]
async fn both_servers_tell_who_and_where_they_are() {
    let pair = Pair::start(PairOptions::default()).await.unwrap();
    let a = look(&endpoint(&pair, Side::A, Role::Monitor)).await;
    let b = look(&endpoint(&pair, Side::B, Role::Monitor)).await;
    assert_eq!((a.warnings.len(), b.warnings.len()), (0, 0), "{:?} {:?}", a.warnings, b.warnings);
    let (a, b) = (a.sample, b.sample);
    assert_eq!(a.identity.system, b.identity.system, "a replica shares it");
    assert_eq!(
        a.identity.system.to_string(),
        ask(&pair, Side::A, "SELECT system_identifier FROM pg_control_system()").await
    );
    assert_eq!((a.identity.port, b.identity.port), (pair.addr(Side::A).port(), pair.addr(Side::B).port()));
    assert_eq!(a.identity.address.as_deref(), Some("127.0.0.1"));
    assert!(a.tls && b.tls);
    assert!(ask(&pair, Side::A, "current_setting('server_version')").await.starts_with(&a.version));
    assert_eq!((a.timeline, b.timeline), (Timeline(1), Timeline(1)));
    let primary = a.primary().unwrap();
    let (sender, slot) = (&primary.senders[0], &primary.slots[0]);
    assert_eq!((sender.application.as_str(), sender.state.as_deref()), ("us-east1", Some("streaming")));
    assert_eq!((sender.sync_state.as_deref(), sender.flushed.is_some()), (Some("async"), true));
    assert_eq!((slot.name.clone(), slot.active), (pair.slot(Side::B), true));
    assert_eq!(primary.wal_sender_timeout.as_secs(), 60);
    let replica = b.replica().unwrap();
    assert!(replica.streaming() && replica.has().is_some() && !replica.replay_paused);
    let receiver = replica.receiver.as_ref().unwrap();
    assert_eq!(receiver.timeline, Some(Timeline(1)));
    assert!(receiver.sender.as_deref().unwrap().starts_with("127.0.0.1:"));
    assert!(receiver.last_message.is_some());

    paused_replay(&pair).await;
    cut_line(&pair).await;
}

async fn paused_replay(pair: &Pair) {
    sql(pair, Side::A, Role::Argo, TABLES).await.unwrap();
    pair.wait_streaming(Side::B).await.unwrap();
    pair.pause_replay(Side::B).await.unwrap();
    sql(pair, Side::A, Role::Argo, "DELETE FROM schema_history").await.unwrap();
    let written = ask(pair, Side::A, "pg_current_wal_flush_lsn()").await;
    until(pair, Side::B, &format!("pg_last_wal_receive_lsn() >= '{written}'")).await;
    let sample = look(&endpoint(pair, Side::B, Role::Monitor)).await.sample;
    let replica = sample.replica().unwrap();
    assert!(replica.replay_paused && replica.to_replay() > Some(Bytes(0)), "{replica:?}");
    assert!(replica.has() >= Some(written.parse().unwrap()));
    pair.resume_replay(Side::B).await.unwrap();
}

async fn cut_line(pair: &Pair) {
    pair.link(Side::A).cut();
    until(pair, Side::B, "SELECT count(*) = 0 FROM pg_stat_wal_receiver").await;
    until(pair, Side::A, "SELECT count(*) = 0 FROM pg_stat_replication").await;
    let sample = look(&endpoint(pair, Side::B, Role::Monitor)).await.sample;
    let replica = sample.replica().unwrap();
    assert_eq!(replica.receiver, None);
    assert_eq!((replica.streaming(), sample.timeline), (false, Timeline(1)), "the control file tells the timeline");
    let sample = look(&endpoint(pair, Side::A, Role::Monitor)).await.sample;
    let primary = sample.primary().unwrap();
    assert_eq!((primary.senders.len(), primary.slots[0].active), (0, false));
    assert!(primary.slots[0].retained.is_some());
}

#[tokio::test]
async fn what_a_user_may_not_see_stays_unknown() {
    let pair = Pair::start(PairOptions::default()).await.unwrap();
    sql(&pair, Side::A, Role::Argo, TABLES).await.unwrap();
    sql(&pair, Side::A, Role::Admin, "CREATE ROLE weak LOGIN PASSWORD 'weakling'").await.unwrap();
    pair.wait_streaming(Side::B).await.unwrap();
    let weak = |side| DatabaseEndpoint {
        url: pair.bare_url(side, Role::Monitor).replace("//leeward@", "//weak@"),
        password: PasswordSource::Given(Secret::new("weakling")),
    };
    let sample = look(&weak(Side::A)).await.sample;
    let sender = &sample.primary().unwrap().senders[0];
    assert_eq!((sender.state.clone(), sender.sent, sender.replayed), (None, None, None));
    let sample = look(&weak(Side::B)).await.sample;
    let replica = sample.replica().unwrap();
    let receiver = replica.receiver.as_ref().expect("there is one, and nothing about it may be seen");
    assert_eq!((receiver.status.clone(), receiver.last_message), (None, None));
    assert!(!replica.streaming() && replica.has().is_some());

    let facts = Monitor::connect(&weak(Side::A), LIMIT).await.unwrap().archive().await.unwrap();
    assert_eq!((facts.rows, facts.schema_version, facts.newest.len()), (None, None, 0));
    for side in [Side::A, Side::B] {
        let facts =
            Monitor::connect(&endpoint(&pair, side, Role::Monitor), LIMIT).await.unwrap().archive().await.unwrap();
        assert_eq!((facts.rows, facts.schema_version), (Some(3), Some(66)), "{side:?}");
        assert_eq!(facts.newest, ["three", "two", "one"]);
        assert_eq!(facts.newest_finished.unwrap().to_string(), "2026-11-24T10:00:03Z");
        rights(&pair, side, &weak(side)).await;
    }
    tables_elsewhere(&pair).await;
    own_setting_is_no_fence(&pair, &weak(Side::A)).await;
}

async fn rights(pair: &Pair, side: Side, weak: &DatabaseEndpoint) {
    for (of, may, user) in [
        (endpoint(pair, side, Role::Operator), true, "leeward_operator"),
        (endpoint(pair, side, Role::Monitor), false, "leeward"),
        (weak.clone(), false, "weak"),
        (endpoint(pair, side, Role::Admin), true, "postgres"),
    ] {
        let rights = operator_rights(&of, LIMIT).await.unwrap();
        assert_eq!((rights.promote, rights.fence, rights.terminate), (may, may, may), "{user} on {side:?}");
        assert_eq!((rights.user.as_str(), rights.identity.port), (user, pair.addr(side).port()));
    }
    let warnings = look(&endpoint(pair, side, Role::Admin)).await.warnings;
    assert!(warnings.iter().any(|text| text.contains("may promote")), "{warnings:?}");
}

/// Tables that are not there, and tables in a schema of their own.
async fn tables_elsewhere(pair: &Pair) {
    let monitor = endpoint(pair, Side::A, Role::Monitor);
    let mut session = Monitor::connect(&monitor, LIMIT).await.unwrap();
    sql(pair, Side::A, Role::Argo, "DROP TABLE schema_history").await.unwrap();
    let facts = session.archive().await.unwrap();
    assert_eq!((facts.schema_version, facts.rows), (None, Some(3)));
    sql(pair, Side::A, Role::Argo, "DROP TABLE argo_archived_workflows").await.unwrap();
    assert_eq!(session.archive().await.unwrap().rows, None);
    let elsewhere = format!("CREATE SCHEMA \"Odd Name\"; SET search_path = \"Odd Name\"; {TABLES}");
    sql(pair, Side::A, Role::Argo, &elsewhere).await.unwrap();
    let facts = session.archive().await.unwrap();
    assert_eq!((facts.schema_version, facts.rows), (Some(66), Some(3)));
    session.look().await.unwrap();
}

async fn own_setting_is_no_fence(pair: &Pair, weak: &DatabaseEndpoint) {
    sql(pair, Side::A, Role::Admin, "ALTER ROLE weak SET default_transaction_read_only = on").await.unwrap();
    let own = look(weak).await;
    assert!(!own.sample.read_only_default, "others may write");
    assert!(own.warnings.iter().any(|text| text.contains("cannot be seen")), "{:?}", own.warnings);
}

#[tokio::test]
async fn errors_say_what_is_wrong_and_no_secret() {
    let pair = Pair::start(PairOptions::default()).await.unwrap();
    let good = endpoint(&pair, Side::B, Role::Monitor);
    let given = |secret: &str| PasswordSource::Given(Secret::new(secret));
    let no_file = PasswordSource::File("/nonexistent/leeward-password".into());
    let url = |from: &str, to: &str| good.url.replace(from, to);
    let system_roots = good.url.split("&sslrootcert").next().unwrap().to_owned();
    let unresolved = good.url.replace("127.0.0.1", "no-such-host.invalid");
    for (url, password, kind, word) in [
        (good.url.clone(), given("hunter2"), ErrorKind::Unauthorized, "28P01"),
        (url("verify-full", "disable"), good.password.clone(), ErrorKind::Unauthorized, "28000"),
        (url("/argo?", "/elsewhere?"), good.password.clone(), ErrorKind::WrongIdentity, "elsewhere"),
        (system_roots, good.password.clone(), ErrorKind::Tls, "TLS"),
        (unresolved, good.password.clone(), ErrorKind::Name, "no-such-host.invalid"),
        (good.url.clone(), no_file, ErrorKind::NotConfigured, "/nonexistent/leeward-password"),
        ("not a URL".to_owned(), given("hunter2"), ErrorKind::NotConfigured, "URL"),
    ] {
        let error = Monitor::connect(&DatabaseEndpoint { url, password }, LIMIT).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.text.contains(word), "{error} lacks {word}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    let mut session = Monitor::connect(&good, LIMIT).await.unwrap();
    assert!(!format!("{session:?}").contains(pair.password(Role::Monitor)));
    pair.stop(Side::B, Stop::Crash).await;
    assert_eq!(session.look().await.unwrap_err().kind, ErrorKind::Unreachable);
    let error = Monitor::connect(&good, LIMIT).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.text.contains("connection refused"), "{error}");
}

#[tokio::test]
async fn a_primary_tells_when_it_was_promoted_for_as_long_as_it_is_on_that_timeline() {
    let pair = Pair::start(PairOptions::default()).await.unwrap();
    let promotion = async |side| {
        let mut monitor = Monitor::connect(&endpoint(&pair, side, Role::Monitor), LIMIT).await.unwrap();
        monitor.promotion().await.unwrap()
    };
    assert_eq!((promotion(Side::A).await, promotion(Side::B).await), (None, None));
    // Files have a time in whole seconds here, so that one may seem older than it is by one.
    let before = std::time::Instant::now();
    let since = || before.elapsed() + std::time::Duration::from_secs(1);
    pair.stop(Side::A, Stop::Crash).await;
    sql(&pair, Side::B, Role::Admin, "SELECT pg_promote()").await.unwrap();
    let told = promotion(Side::B).await.unwrap();
    assert!(told.0 == Timeline(2) && told.1 <= since(), "{told:?}");
    for _ in 0..2 {
        sql(&pair, Side::B, Role::Admin, "SELECT pg_switch_wal()").await.unwrap();
        sql(&pair, Side::B, Role::Admin, "CHECKPOINT").await.unwrap();
    }
    pair.restart(Side::B, Stop::Clean).await.unwrap();
    let later = promotion(Side::B).await.unwrap();
    assert!(later.0 == Timeline(2) && later.1 >= told.1 && later.1 <= since(), "{later:?}");
}

/// As a tunnel does whose server is gone.
#[tokio::test]
async fn a_server_that_hangs_up_is_out_of_reach_and_said_so_in_words() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let url = format!("postgres://nobody:x@127.0.0.1:{port}/argo?sslmode=require");
    let endpoint = DatabaseEndpoint { url, password: PasswordSource::None };
    let error = Monitor::connect(&endpoint, LIMIT).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.text.ends_with("the server closed the connection"), "{error}");
}
