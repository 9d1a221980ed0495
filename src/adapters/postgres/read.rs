//! A session that can look and nothing else.

use std::time::Duration;

use sqlx::{Connection, Row};

use super::connect::{self, Session};
use super::statements::Read;
use super::{archive, sample};
use crate::domain::database::{ArchiveFacts, DatabaseSample, OperatorRights};
use crate::domain::endpoints::DatabaseEndpoint;
use crate::domain::freshness::{ErrorKind, SourceError};
use crate::domain::units::Timeline;

/// A session of the monitoring user. It has no method that takes a statement from outside.
#[derive(Debug)]
pub struct Monitor {
    session: Session,
}

/// What one look brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The server.
    pub sample: DatabaseSample,
    /// What an administrator should know about the session's user, one clean line each.
    pub warnings: Vec<String>,
}

/// An error with what the caller needs to decide whether to try again at once.
#[derive(Debug)]
pub(super) struct ReadError {
    pub(super) error: SourceError,
    pub(super) code: String,
    pub(super) session_ended: bool,
}

impl ReadError {
    fn protocol(place: &str, text: &str) -> ReadError {
        let error = SourceError::new(ErrorKind::Protocol, &format!("{place}: {text}"));
        ReadError { error, code: String::new(), session_ended: false }
    }
}

impl Monitor {
    /// Opens a session. The caller bounds the time; the server ends statements that take longer than `timeout`.
    ///
    /// # Errors
    /// Where it led and what came back, without the password.
    pub async fn connect(endpoint: &DatabaseEndpoint, timeout: Duration) -> Result<Monitor, SourceError> {
        Ok(Monitor { session: connect::open(endpoint, timeout).await? })
    }

    /// Looks at the server, in one round trip.
    ///
    /// # Errors
    /// Where and what.
    pub async fn look(&mut self) -> Result<Look, SourceError> {
        self.look_or_why().await.map_err(|why| why.error)
    }

    pub(super) async fn look_or_why(&mut self) -> Result<Look, ReadError> {
        let first = self.one(Read::Look).await;
        let text = match first {
            // It was promoted between two functions of one statement ("recovery is not in progress").
            Err(why) if why.code == "55000" => {
                self.give_up_transaction().await?;
                self.one(Read::Look).await?
            }
            other => other?,
        };
        let text = text.ok_or_else(|| ReadError::protocol(&self.session.place, "the look came back empty"))?;
        sample::read(&text).map_err(|text| ReadError::protocol(&self.session.place, &text))
    }

    /// The timeline of a primary and how long ago its promotion began it. None: it never was promoted, or may not say.
    ///
    /// # Errors
    /// Where and what.
    pub async fn promotion(&mut self) -> Result<Option<(Timeline, Duration)>, SourceError> {
        let Some(text) = self.one(Read::Promotion).await.map_err(|why| why.error)? else { return Ok(None) };
        sample::read_promotion(&text).map(Some).map_err(|text| ReadError::protocol(&self.session.place, &text).error)
    }

    /// Looks at Argo's tables. Missing tables and rights are not errors: they leave their facts unknown.
    ///
    /// # Errors
    /// Where and what.
    pub async fn archive(&mut self) -> Result<ArchiveFacts, SourceError> {
        archive::look(self).await.map_err(|why| why.error)
    }

    pub(super) async fn rights(&mut self) -> Result<OperatorRights, SourceError> {
        let text = self.one(Read::Rights).await.map_err(|why| why.error)?.unwrap_or_default();
        let protocol = |text: &str| ReadError::protocol(&self.session.place, text).error;
        super::operator::read(&text).map_err(|text| protocol(&text))
    }

    /// Runs one of the reading statements and gives its one text.
    pub(super) async fn one(&mut self, read: Read) -> Result<Option<String>, ReadError> {
        let fetched = sqlx::raw_sql(read.text()).fetch_all(&mut self.session.connection).await;
        let place = &self.session.place;
        let why = |error: sqlx::Error| ReadError {
            error: connect::explain(place, &error),
            code: connect::code(&error),
            session_ended: connect::session_ended(&error),
        };
        match fetched.map_err(why)?.last() {
            None => Ok(None),
            Some(row) => row.try_get::<Option<String>, _>(0).map_err(why),
        }
    }

    /// Says good-bye to the server; without it the server logs a connection that broke.
    pub async fn close(self) {
        let _ = self.session.connection.close().await;
    }

    /// Ends the transaction that a failed statement left open, so that the session can be used again.
    pub(super) async fn give_up_transaction(&mut self) -> Result<(), ReadError> {
        let place = &self.session.place;
        sqlx::raw_sql("ROLLBACK").execute(&mut self.session.connection).await.map(|_| ()).map_err(|error| ReadError {
            error: connect::explain(place, &error),
            code: connect::code(&error),
            session_ended: connect::session_ended(&error),
        })
    }
}
