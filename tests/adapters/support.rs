//! What the tests of the database adapter share.

use std::time::Duration;

use leeward::adapters::postgres::{Actuator, Look, Monitor};
use leeward::domain::database::DatabaseIdentity;
use leeward::domain::endpoints::{DatabaseEndpoint, PasswordSource};
use leeward::domain::region::PerSide;
use leeward::sandbox::postgres::{Pair, Role, Side};
use sqlx::AssertSqlSafe;

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
        tokio::time::sleep(Duration::from_millis(20)).await;
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
