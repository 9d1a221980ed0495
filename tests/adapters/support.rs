//! What the tests of the database adapter share.

use std::sync::Arc;
use std::time::Duration;

use leeward::adapters::postgres::{Actuator, Look, Monitor};
use leeward::domain::database::DatabaseIdentity;
use leeward::domain::endpoints::{DatabaseEndpoint, PasswordSource};
use leeward::domain::region::PerSide;
use leeward::sandbox::postgres::{Pair, Role, Side};
use sqlx::AssertSqlSafe;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

pub const LIMIT: Duration = Duration::from_secs(10);

pub fn endpoint(pair: &Pair, side: Side, role: Role) -> DatabaseEndpoint {
    let password = PasswordSource::File(pair.password_file(role));
    DatabaseEndpoint { url: pair.bare_url(side, role), password }
}

pub async fn look(endpoint: &DatabaseEndpoint) -> Look {
    Monitor::connect(endpoint, LIMIT).await.unwrap().look().await.unwrap()
}

pub async fn identity(pair: &Pair, side: Side) -> DatabaseIdentity {
    look(&endpoint(pair, side, Role::Monitor)).await.sample.identity
}

pub fn actuator(pair: &Pair, role: Role) -> Actuator {
    let of = |side| Some(endpoint(pair, side, role));
    Actuator::new(PerSide::new(of(Side::A), of(Side::B)), LIMIT)
}

/// A deadline that is not met by chance.
pub const SOON: Duration = Duration::from_secs(30);

/// Runs SQL as a role, in a session of its own.
pub async fn sql(pair: &Pair, side: Side, role: Role, text: &str) -> Result<(), sqlx::Error> {
    let mut session = pair.connect(side, role).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut session).await.map(|_| ())
}

/// One value as text.
pub async fn ask(pair: &Pair, side: Side, text: &str) -> String {
    let mut session = pair.connect(side, Role::Admin).await.unwrap();
    let text = AssertSqlSafe(format!("SELECT ({text})::text"));
    sqlx::query_scalar::<_, Option<String>>(text).fetch_one(&mut session).await.unwrap().unwrap_or_default()
}

/// Waits without a bound of its own: a hang is a failure that the test runner shows.
pub async fn until(pair: &Pair, side: Side, text: &str) {
    while ask(pair, side, text).await != "true" {
        sleep(Duration::from_millis(20)).await;
    }
}

/// Argo's tables, as far as leeward reads them, with three runs.
pub const TABLES: &str = "CREATE TABLE schema_history (schema_version int NOT NULL);
    INSERT INTO schema_history VALUES (66);
    CREATE TABLE argo_archived_workflows (clustername varchar(64), uid varchar(128), name varchar(256),
      finishedat timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (clustername, uid));
    INSERT INTO argo_archived_workflows VALUES
      ('a', 'one', 'x', '2026-11-24 10:00:01'), ('a', 'three', 'x', '2026-11-24 10:00:03'),
      ('a', 'two', 'x', '2026-11-24 10:00:02.5')";

/// What a line does to the first message after the operator's look at how the server stands, which is the act.
#[derive(Clone, Copy)]
pub enum Meddling {
    /// Not only that one: each message is late by so much.
    Slow(Duration),
    /// It arrives so much later.
    Hold(Duration),
    /// It arrives, and then the line breaks.
    Cut,
}

/// A line to a server of the pair for one session of the operator, with TLS from end to end.
pub async fn line(pair: &Arc<Pair>, side: Side, meddling: Meddling) -> DatabaseEndpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = pair.bare_url_at(listener.local_addr().unwrap(), Role::Operator);
    let password = PasswordSource::File(pair.password_file(Role::Operator));
    let pair = Arc::clone(pair);
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(pair.addr(side)).await.unwrap();
        let port = server.local_addr().unwrap().port();
        let looked = format!("SELECT query LIKE '%''in_recovery''%' FROM pg_stat_activity WHERE client_port = {port}");
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let back = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
        let (mut buffer, mut met) = ([0; 16_384], false);
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            let now = !met && ask(&pair, side, &looked).await == "true";
            met |= now;
            match meddling {
                Meddling::Slow(late) => sleep(late).await,
                Meddling::Hold(late) if now => sleep(late).await,
                Meddling::Cut if now => back.abort(),
                Meddling::Hold(_) | Meddling::Cut => {}
            }
            if to_server.write_all(&buffer[..length]).await.is_err() {
                break;
            }
            if now && matches!(meddling, Meddling::Cut) {
                drop(from_client);
                // Towards the server it stays, so that what was sent is not lost with it.
                return std::future::pending().await;
            }
        }
    });
    DatabaseEndpoint { url, password }
}

/// An actuator that reaches side `side` through such a line, and waits so long for each answer.
pub async fn through(pair: &Arc<Pair>, side: Side, meddling: Meddling, wait: Duration) -> Actuator {
    let end = Some(line(pair, side, meddling).await);
    Actuator::new(PerSide::new(end.clone(), end), wait)
}
