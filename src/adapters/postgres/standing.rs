//! A session that may act, and how the server stands just before and just after.

use std::time::Duration;

use serde::Deserialize;
use sqlx::{Connection, Row};
use tokio::time::timeout;

use super::connect::{self, Session};
use super::sample::RawIdentity;
use super::statements;
use crate::adapters::pace::Deadline;
use crate::domain::database::DatabaseIdentity;
use crate::domain::effect::Outcome;
use crate::domain::endpoints::DatabaseEndpoint;
use crate::domain::units::Lsn;

/// How the server stands.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) identity: DatabaseIdentity,
    pub(super) in_recovery: bool,
    /// End of the log: written, or received.
    pub(super) lsn: Option<Lsn>,
    /// On a promoted server, where it was promoted, until its restart (*measured*).
    pub(super) replayed: Option<Lsn>,
    pub(super) timeline: u32,
    pub(super) read_only: bool,
    /// Its clock, as it writes it.
    pub(super) now: String,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(flatten)]
    identity: RawIdentity,
    in_recovery: bool,
    lsn: Option<Lsn>,
    replayed: Option<Lsn>,
    timeline: u32,
    read_only: Option<String>,
    now: String,
}

impl Standing {
    /// What differs from the server that was meant. None: it is the one.
    pub(super) fn mismatch(&self, meant: &DatabaseIdentity) -> Option<String> {
        let here = &self.identity;
        if here.system != meant.system {
            return Some(format!("its system identifier is {}, not {}", here.system, meant.system));
        }
        if here.address != meant.address {
            let word = |address: &Option<String>| address.clone().unwrap_or_else(|| "a Unix socket".to_owned());
            return Some(format!("its address is {}, not {}", word(&here.address), word(&meant.address)));
        }
        if here.port != meant.port {
            return Some(format!("its port is {}, not {}", here.port, meant.port));
        }
        None
    }
}

/// Why a statement brought nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server said no; the statement had no effect.
    Server(String),
    /// No answer, or the line broke.
    Lost(String),
}

impl Failure {
    pub(super) fn text(&self) -> &str {
        match self {
            Failure::Server(text) | Failure::Lost(text) => text,
        }
    }

    /// The outcome when this was the first statement that could change something.
    pub(super) fn of_act(self) -> Outcome {
        match self {
            Failure::Server(reason) => Outcome::Refused { reason },
            Failure::Lost(reason) => Outcome::Unknown { reason },
        }
    }

    /// The outcome when nothing that could change something was sent yet.
    pub(super) fn before_act(self) -> Outcome {
        Outcome::NotSent { reason: self.text().to_owned() }
    }
}

/// A session of the operator, bounded by a deadline.
pub(super) struct ActSession {
    session: Session,
    deadline: Deadline,
    /// Longest wait for one answer.
    limit: Duration,
}

impl ActSession {
    pub(super) async fn open(
        endpoint: &DatabaseEndpoint,
        limit: Duration,
        deadline: Deadline,
    ) -> Result<Self, Outcome> {
        let bound = limit.min(deadline.left());
        let not_sent = |error: crate::domain::freshness::SourceError| Outcome::NotSent { reason: error.text };
        match timeout(bound, connect::open(endpoint, limit)).await {
            Ok(session) => Ok(ActSession { session: session.map_err(not_sent)?, deadline, limit }),
            Err(_) => Err(not_sent(connect::no_answer(&connect::place_of(endpoint), bound))),
        }
    }

    /// There is still time to send. Asked right before each statement that changes something.
    pub(super) fn in_time(&self) -> Result<(), Outcome> {
        if self.deadline.passed() {
            return Err(Outcome::NotSent { reason: "its time was over before it could be sent".to_owned() });
        }
        Ok(())
    }

    pub(super) fn time_left(&self) -> Duration {
        self.deadline.left()
    }

    /// Runs a fixed statement with text parameters and gives the rows' columns as text.
    pub(super) async fn run(&mut self, sql: &'static str) -> Result<(), Failure> {
        self.bounded(async |session: &mut Session| {
            sqlx::raw_sql(sql).execute(&mut session.connection).await.map(|_| ())
        })
        .await
    }

    /// Runs something on the connection within the limits.
    pub(super) async fn bounded<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Session) -> Result<T, sqlx::Error>,
    ) -> Result<T, Failure> {
        let bound = self.limit.min(self.deadline.left());
        let place = self.session.place.clone();
        match timeout(bound, work(&mut self.session)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                let text = connect::explain(&place, &error).text;
                // A statement that was canceled or whose session was ended may have done its work before.
                let told = matches!(&error, sqlx::Error::Database(_)) && !connect::session_ended(&error);
                Err(if told && connect::code(&error) != "57014" { Failure::Server(text) } else { Failure::Lost(text) })
            }
            Err(_) => Err(Failure::Lost(connect::no_answer(&place, bound).text)),
        }
    }

    pub(super) async fn standing(&mut self) -> Result<Standing, Failure> {
        let text: Option<String> = self
            .bounded(async |session: &mut Session| {
                let row = sqlx::raw_sql(statements::STANDING).fetch_one(&mut session.connection).await?;
                row.try_get(0)
            })
            .await?;
        let odd = |text: String| Failure::Server(format!("{}: {text}", self.session.place));
        let raw: Raw = serde_json::from_str(&text.unwrap_or_default())
            .map_err(|error| odd(format!("its answer was not understood: {error}")))?;
        Ok(Standing {
            identity: raw.identity.read().map_err(odd)?,
            in_recovery: raw.in_recovery,
            lsn: raw.lsn,
            replayed: raw.replayed,
            timeline: raw.timeline,
            read_only: raw.read_only.as_deref() == Some("on"),
            now: raw.now,
        })
    }

    pub(super) async fn close(self) {
        let bound = self.limit.min(self.deadline.left());
        let _ = timeout(bound, self.session.connection.close()).await;
    }
}
