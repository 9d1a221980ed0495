//! The archive in PostgreSQL, with the tables of Argo Workflows 4.0 (persist/sqldb/migrate.go, schema version 68). Not
//! pure: a small connection pool that connects when it is first used and again after an outage.

use std::{str::FromStr, time::Duration};

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::archive::{Archive, ArchiveError, ArchiveRow};

/// The schema version that a controller 4.0.5 leaves behind.
pub const SCHEMA_VERSION: i32 = 68;

/// How long a connection may take; a real controller before 4.1 has no such limit and hangs.
const CONNECT: Duration = Duration::from_secs(5);

/// An archive behind a `postgres://` URL.
#[derive(Clone, Debug)]
pub struct PostgresArchive {
    pool: PgPool,
}

const TABLES: [&str; 6] = [
    "create table if not exists schema_history (schema_version int not null)",
    "create table if not exists argo_workflows (clustername varchar(64) not null, uid varchar(128) not null, \
     version varchar(64) not null, namespace varchar(256) not null, nodes jsonb not null, \
     updatedat timestamp not null default current_timestamp, primary key (clustername, uid, version))",
    "create table if not exists argo_archived_workflows (uid varchar(128) not null, name varchar(256) not null, \
     phase varchar(25) not null, namespace varchar(256) not null, workflow jsonb not null, \
     startedat timestamp not null default current_timestamp, finishedat timestamp not null default current_timestamp, \
     clustername varchar(64) not null, instanceid varchar(64) not null, \
     creationtimestamp timestamp not null default current_timestamp, primary key (clustername, uid))",
    "create index if not exists argo_archived_workflows_i1 on argo_archived_workflows \
     (clustername, instanceid, namespace)",
    "create index if not exists argo_archived_workflows_i2 on argo_archived_workflows \
     (clustername, instanceid, finishedat)",
    "create table if not exists argo_archived_workflows_labels (clustername varchar(64) not null, \
     uid varchar(128) not null, name varchar(317) not null, value varchar(63) not null, \
     primary key (clustername, uid, name), foreign key (clustername, uid) references \
     argo_archived_workflows (clustername, uid) on delete cascade)",
];

/// Rows that are sent in one statement: some megabytes.
const ROWS: usize = 500;

/// JSON as text. That of PostgreSQL cannot hold U+0000; Argo writes a replacement.
fn without_null(value: &Value) -> String {
    value.to_string().replace("\\u0000", "ARGO_POSTGRES_NULL_REPLACEMENT")
}

fn columns(row: &ArchiveRow) -> Value {
    json!({"clustername": row.cluster, "instanceid": row.instance, "uid": row.uid, "name": row.name, "phase": row.phase,
        "namespace": row.namespace, "workflow": row.workflow, "startedat": row.started, "finishedat": row.finished,
        "creationtimestamp": row.created})
}

impl PostgresArchive {
    /// An archive behind this URL. Connects at the first use, so that a database that is down is no error here.
    pub fn connect(url: &str) -> Result<Self, ArchiveError> {
        // The driver's message may hold the URL and so the password: it is not passed on.
        let options =
            PgConnectOptions::from_str(url).map_err(|_| ArchiveError::Refused("malformed database URL".to_owned()))?;
        let options = options.application_name("argo-workflows");
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(CONNECT)
            .idle_timeout(Duration::from_secs(60))
            .connect_lazy_with(options);
        Ok(Self { pool })
    }

    async fn initialise(&self) -> Result<(), sqlx::Error> {
        for table in TABLES {
            sqlx::query(table).execute(&self.pool).await?;
        }
        let version: Option<i32> =
            sqlx::query_scalar("select schema_version from schema_history").fetch_optional(&self.pool).await?;
        match version {
            None => {
                sqlx::query("insert into schema_history values ($1)").bind(SCHEMA_VERSION).execute(&self.pool).await?;
            }
            // A newer schema is left as it is, as an older controller leaves it.
            Some(version) if version < SCHEMA_VERSION => {
                sqlx::query("update schema_history set schema_version = $1")
                    .bind(SCHEMA_VERSION)
                    .execute(&self.pool)
                    .await?;
            }
            Some(_) => {}
        }
        Ok(())
    }

    async fn insert(&self, row: ArchiveRow) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("delete from argo_archived_workflows where clustername = $1 and instanceid = $2 and uid = $3")
            .bind(&row.cluster)
            .bind(&row.instance)
            .bind(&row.uid)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "insert into argo_archived_workflows (clustername, instanceid, uid, name, phase, namespace, workflow, \
             startedat, finishedat, creationtimestamp) values ($1, $2, $3, $4, $5, $6, $7::jsonb, \
             ($8::timestamptz at time zone 'UTC'), ($9::timestamptz at time zone 'UTC'), \
             ($10::timestamptz at time zone 'UTC'))",
        )
        .bind(&row.cluster)
        .bind(&row.instance)
        .bind(&row.uid)
        .bind(&row.name)
        .bind(&row.phase)
        .bind(&row.namespace)
        .bind(without_null(&row.workflow))
        .bind(&row.started)
        .bind(&row.finished)
        .bind(&row.created)
        .execute(&mut *transaction)
        .await?;
        for (name, value) in &row.labels {
            sqlx::query(
                "insert into argo_archived_workflows_labels (clustername, uid, name, value) values ($1, $2, $3, $4)",
            )
            .bind(&row.cluster)
            .bind(&row.uid)
            .bind(name)
            .bind(value)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await
    }

    /// The tables of an installation that has run for a while, with the rows that it wrote. Meant for an empty database.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn install(&self, rows: &[ArchiveRow]) -> Result<(), ArchiveError> {
        self.migrate().await?;
        for some in rows.chunks(ROWS) {
            self.fill(some).await.map_err(translate)?;
        }
        Ok(())
    }

    async fn fill(&self, rows: &[ArchiveRow]) -> Result<(), sqlx::Error> {
        let workflows: Vec<Value> = rows.iter().map(columns).collect();
        let labels = rows.iter().flat_map(|row| {
            let of = |(name, value)| json!({"clustername": row.cluster, "uid": row.uid, "name": name, "value": value});
            row.labels.iter().map(of)
        });
        let labels: Vec<Value> = labels.collect();
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "insert into argo_archived_workflows (clustername, instanceid, uid, name, phase, namespace, workflow, \
             startedat, finishedat, creationtimestamp) select clustername, instanceid, uid, name, phase, namespace, \
             workflow, startedat at time zone 'UTC', finishedat at time zone 'UTC', creationtimestamp at time zone 'UTC' \
             from jsonb_to_recordset($1::jsonb) as row (clustername text, instanceid text, uid text, name text, \
             phase text, namespace text, workflow jsonb, startedat timestamptz, finishedat timestamptz, \
             creationtimestamp timestamptz)",
        )
        .bind(without_null(&Value::Array(workflows)))
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "insert into argo_archived_workflows_labels (clustername, uid, name, value) select clustername, uid, name, \
             value from jsonb_to_recordset($1::jsonb) as row (clustername text, uid text, name text, value text)",
        )
        .bind(Value::Array(labels).to_string())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }

    async fn probe(&self) -> Result<(), sqlx::Error> {
        // Taking a transaction id needs a database that writes, and leaves nothing behind.
        sqlx::query("select txid_current()").execute(&self.pool).await.map(|_| ())
    }
}

impl Archive for PostgresArchive {
    fn migrate(&self) -> BoxFuture<'_, Result<(), ArchiveError>> {
        Box::pin(async { self.initialise().await.map_err(translate) })
    }

    fn ping_write(&self) -> BoxFuture<'_, Result<(), ArchiveError>> {
        Box::pin(async { self.probe().await.map_err(translate) })
    }

    fn store(&self, row: ArchiveRow) -> BoxFuture<'_, Result<(), ArchiveError>> {
        Box::pin(async { self.insert(row).await.map_err(translate) })
    }
}

fn translate(error: sqlx::Error) -> ArchiveError {
    match &error {
        sqlx::Error::Database(database) => match database.code().as_deref() {
            Some("25006") => ArchiveError::ReadOnly(format!("ERROR: {}", database.message())),
            // A server that starts, stops or ends the session is one that cannot be reached.
            Some("57P01" | "57P02" | "57P03" | "08006" | "08001") => {
                ArchiveError::Unreachable(format!("ERROR: {}", database.message()))
            }
            _ => ArchiveError::Refused(format!("ERROR: {}", database.message())),
        },
        sqlx::Error::Io(error) => ArchiveError::Unreachable(error.to_string()),
        sqlx::Error::PoolTimedOut => ArchiveError::Unreachable("connection timed out".to_owned()),
        _ => ArchiveError::Unreachable("the connection failed".to_owned()),
    }
}
