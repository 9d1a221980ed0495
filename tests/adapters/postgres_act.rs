//! Promotion and the fence on a real pair.

use std::sync::Arc;
use std::time::Duration;

use leeward::adapters::postgres::{Actuator, Monitor};
use leeward::domain::database::DatabaseIdentity;
use leeward::domain::effect::{Effect, Outcome, Previous};
use leeward::domain::endpoints::{DatabaseEndpoint, PasswordSource};
use leeward::domain::region::{PerSide, Side as Region};
use leeward::domain::units::{Lsn, SystemId, Timeline};
use leeward::sandbox::postgres::{Pair, PairOptions, Role, Side, Stop};
use sqlx::Connection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{LIMIT, Meddling, SOON, TABLES, actuator, ask, endpoint, identity, look, sql, through, until};

fn promote(side: Region, identity: &DatabaseIdentity, at_least: Lsn) -> Effect {
    Effect::Promote { side, identity: identity.clone(), at_least }
}

fn refused(outcome: &Outcome, word: &str) {
    let Outcome::Refused { reason } = outcome else { panic!("{word}: {outcome:?}") };
    assert!(reason.contains(word), "{reason} lacks {word}");
}

#[tokio::test]
async fn only_the_replica_that_was_meant_is_promoted_and_once() {
    let pair = Pair::start(PairOptions::default()).await.unwrap();
    sql(&pair, Side::A, Role::Argo, TABLES).await.unwrap();
    pair.wait_streaming(Side::B).await.unwrap();
    let operator = actuator(&pair, Role::Operator);
    let (a, b) = (identity(&pair, Side::A).await, identity(&pair, Side::B).await);
    let here: Lsn = ask(&pair, Side::B, "pg_last_wal_replay_lsn()").await.parse().unwrap();

    let other_system = DatabaseIdentity { system: SystemId(b.system.0 + 1), ..b.clone() };
    let other_address = DatabaseIdentity { address: Some("192.0.2.9".to_owned()), ..b.clone() };
    refused(&operator.perform(&promote(Region::B, &other_system, here), SOON).await, "system identifier");
    refused(&operator.perform(&promote(Region::B, &other_address, here), SOON).await, "address");
    refused(&operator.perform(&promote(Region::B, &a, here), SOON).await, "port");
    refused(&operator.perform(&promote(Region::B, &b, Lsn(here.0 + (1 << 30))), SOON).await, "is wanted");
    refused(&operator.perform(&promote(Region::A, &a, here), SOON).await, "no replica");
    // URLs that were swapped: the replica's identity, and the primary answers.
    refused(&operator.perform(&promote(Region::A, &b, here), SOON).await, "port");
    let by_monitor = actuator(&pair, Role::Monitor).perform(&promote(Region::B, &b, here), SOON).await;
    refused(&by_monitor, "42501");
    let late = operator.perform(&promote(Region::B, &b, here), Duration::ZERO).await;
    assert!(matches!(late, Outcome::NotSent { .. }), "{late:?}");
    assert_eq!(ask(&pair, Side::B, "pg_is_in_recovery()").await, "true", "none of them promoted it");

    let mut watching = Monitor::connect(&endpoint(&pair, Side::B, Role::Monitor), LIMIT).await.unwrap();
    pair.pause_replay(Side::B).await.unwrap();
    let done = operator.perform(&promote(Region::B, &b, here), SOON).await;
    assert!(matches!(done, Outcome::Done { .. }), "{done:?}");
    until(&pair, Side::B, "NOT pg_is_in_recovery()").await;
    // At once, over the session of before, and although the control file lags.
    let sample = watching.look().await.unwrap().sample;
    assert_eq!((sample.timeline, sample.primary().is_some()), (Timeline(2), true));
    assert_eq!(sample.identity, b, "it is the same server");
    let again = operator.perform(&promote(Region::B, &b, here), SOON).await;
    let Outcome::Already { reply } = &again else { panic!("{again:?}") };
    assert!(reply.contains("timeline 2"), "{reply}");
    refused(&operator.perform(&promote(Region::B, &other_system, here), SOON).await, "system identifier");
}

#[tokio::test]
async fn what_cannot_be_reached_was_not_sent() {
    let pair = Pair::start(PairOptions::default()).await.unwrap();
    let b = identity(&pair, Side::B).await;
    pair.stop(Side::B, Stop::Crash).await;
    let operator = actuator(&pair, Role::Operator);
    let fence = Effect::FenceDatabase { side: Region::B, identity: b.clone() };
    for effect in [promote(Region::B, &b, Lsn(0)), fence] {
        let outcome = operator.perform(&effect, SOON).await;
        assert!(matches!(&outcome, Outcome::NotSent { reason } if reason.contains("refused")), "{outcome:?}");
    }
}

/// A server that lets anybody in and then gives no answer: its line breaks, or it stays silent.
async fn mute(breaks: bool) -> DatabaseEndpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://nobody@{}/argo?sslmode=disable", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut line, _)) = listener.accept().await {
            let mut startup = vec![0; usize::try_from(line.read_u32().await.unwrap()).unwrap() - 4];
            line.read_exact(&mut startup).await.unwrap();
            // AuthenticationOk, BackendKeyData, ReadyForQuery (PostgreSQL documentation, "Message Formats").
            line.write_all(b"R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x01\0\0\0\x02Z\0\0\0\x05I").await.unwrap();
            let mut statement = [0; 4096];
            while line.read(&mut statement).await.is_ok_and(|length| length > 0) && !breaks {}
        }
    });
    DatabaseEndpoint { url, password: PasswordSource::None }
}

#[tokio::test]
async fn where_nobody_answers_nothing_is_sent_that_acts() {
    let identity = DatabaseIdentity { system: SystemId(1), address: None, port: 5432 };
    for breaks in [true, false] {
        let server = Some(mute(breaks).await);
        let operator = Actuator::new(PerSide::new(server.clone(), server), Duration::from_millis(500));
        let fence = Effect::FenceDatabase { side: Region::A, identity: identity.clone() };
        for effect in [promote(Region::B, &identity, Lsn(0)), fence] {
            let asked = operator.perform(&effect, SOON).await;
            assert!(matches!(asked, Outcome::NotSent { .. }), "{breaks}: {asked:?}");
        }
    }
}

const FENCED: &str =
    "SELECT bool_or(setting = 'on') FROM pg_file_settings WHERE name = 'default_transaction_read_only'";

/// Longer than what is told, and then some for a machine that is busy: an act is allowed half the wait for its answer.
const WAIT: Duration = Duration::from_secs(6);
const LATE: Meddling = Meddling::Hold(Duration::from_secs(4));

#[tokio::test]
async fn an_act_that_arrives_after_its_time_does_nothing_and_says_so() {
    let pair = Arc::new(Pair::start(PairOptions::default()).await.unwrap());
    let (a, b) = (identity(&pair, Side::A).await, identity(&pair, Side::B).await);
    let late = through(&pair, Side::B, LATE, WAIT).await.perform(&promote(Region::B, &b, Lsn(0)), SOON).await;
    assert!(matches!(&late, Outcome::NotSent { reason } if reason.contains("its time was over when")), "{late:?}");
    assert_eq!(ask(&pair, Side::B, "pg_is_in_recovery()").await, "true");

    let fence = Effect::FenceDatabase { side: Region::A, identity: a.clone() };
    let late = through(&pair, Side::A, LATE, WAIT).await.perform(&fence, SOON).await;
    assert!(matches!(&late, Outcome::NotSent { reason } if reason.contains("57P05")), "{late:?}");
    assert_ne!(ask(&pair, Side::A, FENCED).await, "true");
    assert!(matches!(actuator(&pair, Role::Operator).perform(&fence, SOON).await, Outcome::Done { .. }));
    let unfence = Effect::UnfenceDatabase { side: Region::A, identity: a };
    let late = through(&pair, Side::A, LATE, WAIT).await.perform(&unfence, SOON).await;
    assert!(matches!(&late, Outcome::NotSent { reason } if reason.contains("57P05")), "{late:?}");
    assert_eq!(ask(&pair, Side::A, FENCED).await, "true");

    // Held up until nobody waits for its answer: nothing is known here, and the server does nothing all the same.
    let gone = through(&pair, Side::B, LATE, Duration::from_secs(3)).await;
    let outcome = gone.perform(&promote(Region::B, &b, Lsn(0)), SOON).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    until(&pair, Side::B, "NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'leeward_operator')").await;
    assert_eq!(ask(&pair, Side::B, "pg_is_in_recovery()").await, "true");
}

#[tokio::test]
async fn an_act_whose_answer_is_lost_is_unknown_and_never_failed() {
    let pair = Arc::new(Pair::start(PairOptions::default()).await.unwrap());
    let (a, b) = (identity(&pair, Side::A).await, identity(&pair, Side::B).await);
    let fence = Effect::FenceDatabase { side: Region::A, identity: a };
    let outcome = through(&pair, Side::A, Meddling::Cut, LIMIT).await.perform(&fence, SOON).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    until(&pair, Side::A, FENCED).await;
    let effect = promote(Region::B, &b, Lsn(0));
    let outcome = through(&pair, Side::B, Meddling::Cut, LIMIT).await.perform(&effect, SOON).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    // It had arrived: who looks again finds it.
    until(&pair, Side::B, "NOT pg_is_in_recovery()").await;
    let again = actuator(&pair, Role::Operator).perform(&effect, SOON).await;
    assert!(matches!(again, Outcome::Already { .. }), "{again:?}");
}

#[tokio::test]
async fn many_sessions_are_ended_in_one_go_and_those_that_may_not_be_are_counted() {
    let pair = Arc::new(Pair::start(PairOptions::default()).await.unwrap());
    let a = identity(&pair, Side::A).await;
    let mut argo = Vec::new();
    for _ in 0..40 {
        argo.push(pair.connect(Side::A, Role::Argo).await.unwrap());
    }
    let mut admins =
        [pair.connect(Side::A, Role::Admin).await.unwrap(), pair.connect(Side::A, Role::Admin).await.unwrap()];
    // So slow that one round trip for each would take longer than there is time.
    let slow = Meddling::Slow(Duration::from_millis(250));
    let fence = Effect::FenceDatabase { side: Region::A, identity: a };
    let done = through(&pair, Side::A, slow, LIMIT).await.perform(&fence, Duration::from_secs(12)).await;
    let Outcome::Done { reply, .. } = &done else { panic!("{done:?}") };
    assert!(reply.contains("40 sessions ended") && reply.contains("2 stayed"), "{reply}");
    for session in &mut argo {
        assert!(session.ping().await.is_err());
    }
    for session in &mut admins {
        session.ping().await.unwrap();
    }
}

#[tokio::test]
async fn the_fence_holds_who_does_not_break_it_and_stays_on_its_server() {
    let pair = Pair::start(PairOptions::default()).await.unwrap();
    sql(&pair, Side::A, Role::Argo, TABLES).await.unwrap();
    pair.wait_streaming(Side::B).await.unwrap();
    let (a, b) = (identity(&pair, Side::A).await, identity(&pair, Side::B).await);
    let operator = actuator(&pair, Role::Operator);
    let fence = |side, of: &DatabaseIdentity| Effect::FenceDatabase { side, identity: of.clone() };
    refused(&operator.perform(&fence(Region::A, &b), SOON).await, "port");
    refused(&operator.perform(&fence(Region::B, &b), SOON).await, "replica");
    refused(&actuator(&pair, Role::Monitor).perform(&fence(Region::A, &a), SOON).await, "42501");
    assert!(look(&endpoint(&pair, Side::A, Role::Monitor)).await.sample.accepts_writes());

    let mut argo = pair.connect(Side::A, Role::Argo).await.unwrap();
    let mut admin = pair.connect(Side::A, Role::Admin).await.unwrap();
    let before: Lsn = ask(&pair, Side::A, "pg_current_wal_lsn()").await.parse().unwrap();
    let done = operator.perform(&fence(Region::A, &a), SOON).await;
    let Outcome::Done { reply, previous: Some(Previous::LogEnd { value, .. }) } = &done else { panic!("{done:?}") };
    assert!(*value >= before, "{value} {before}");
    assert!(reply.contains("1 stayed") && reply.contains("postgres (pid"), "{reply}");
    assert!(argo.ping().await.is_err(), "it is ended");
    assert!(admin.ping().await.is_ok(), "a superuser's cannot be, and the rest went on");
    assert_eq!(ask(&pair, Side::A, "SELECT count(*) FROM pg_stat_replication").await, "1", "replication goes on");

    let sample = look(&endpoint(&pair, Side::A, Role::Monitor)).await.sample;
    assert!(sample.read_only_default && !sample.accepts_writes());
    assert!(!look(&endpoint(&pair, Side::B, Role::Monitor)).await.sample.read_only_default, "it does not travel");
    let write = "INSERT INTO schema_history VALUES (1)";
    let error = sql(&pair, Side::A, Role::Argo, write).await.unwrap_err().to_string();
    assert!(error.contains("read-only transaction"), "{error}");
    // The known weakness: whoever means to write can.
    let mut meant = pair.connect(Side::A, Role::Argo).await.unwrap();
    sqlx::raw_sql("SET default_transaction_read_only = off").execute(&mut meant).await.unwrap();
    sqlx::raw_sql(write).execute(&mut meant).await.unwrap();

    drop(admin);
    let again = operator.perform(&fence(Region::A, &a), SOON).await;
    assert!(matches!(&again, Outcome::Done { reply, .. } if reply.contains("before")), "{again:?}");
    let unfence = Effect::UnfenceDatabase { side: Region::A, identity: a.clone() };
    assert!(matches!(operator.perform(&unfence, SOON).await, Outcome::Done { .. }));
    sql(&pair, Side::A, Role::Argo, write).await.unwrap();
    assert!(look(&endpoint(&pair, Side::A, Role::Monitor)).await.sample.accepts_writes());
    let wrong = Effect::UnfenceDatabase { side: Region::A, identity: b };
    refused(&operator.perform(&wrong, SOON).await, "port");
}
