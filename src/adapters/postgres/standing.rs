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
use crate::domain::text::clean_to;
use crate::domain::units::Lsn;

/// What is said when our own clock forbids to send.
const LATE: &str = "its time was over before it could be sent";

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
    Server {
        /// SQLSTATE, or empty.
        code: String,
        /// What it said.
        text: String,
    },
    /// The statement was not begun: our time was over before it was written, or the server had ended the session for
    /// its silence.
    Late(String),
    /// No answer, or the line broke.
    Lost(String),
}

/// Until when the server may act, by its own clock: a time that it told in this session, and seconds after it.
#[derive(Debug, Clone)]
pub(super) struct Latest {
    pub(super) told: String,
    pub(super) seconds: f64,
}

impl Failure {
    pub(super) fn text(&self) -> &str {
        match self {
            Failure::Server { text, .. } | Failure::Late(text) | Failure::Lost(text) => text,
        }
    }

    /// An answer that was not understood. Its words may quote the server.
    pub(super) fn odd(text: &str) -> Failure {
        Failure::Server { code: String::new(), text: clean_to(text, 300) }
    }

    /// The outcome when this was the first statement that could change something.
    pub(super) fn of_act(self) -> Outcome {
        match self {
            Failure::Server { text: reason, .. } => Outcome::Refused { reason },
            Failure::Late(reason) => Outcome::NotSent { reason },
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

    /// How much longer the server may act, and how long this session may be silent. Half of the wait for an answer, so
    /// that the word of a server that finds itself too late still finds us waiting.
    fn allowance(&self) -> Duration {
        self.limit.min(self.deadline.left()) / 2
    }

    /// Until when the server may act, from the time that it just told. What is left to us is taken after its answer:
    /// the server's limit can not lie beyond our deadline, however long the answer took or we were stopped.
    pub(super) fn latest(&self, told: &str) -> Latest {
        self.latest_within(told, self.allowance())
    }

    /// The same, with a time of the caller's; never beyond our deadline.
    pub(super) fn latest_within(&self, told: &str, within: Duration) -> Latest {
        Latest { told: told.to_owned(), seconds: within.min(self.deadline.left()).as_secs_f64() }
    }

    /// Has the server end this session when it is silent for the time that is given back: so that a statement that can
    /// take no condition is void when we were stopped before it.
    pub(super) async fn end_when_silent(&mut self) -> Result<Duration, Failure> {
        let silence = self.allowance();
        let millis = silence.as_millis();
        if millis == 0 {
            // Zero would switch it off.
            return Err(Failure::Late(LATE.to_owned()));
        }
        self.bounded(async move |session: &mut Session| {
            let set = sqlx::query(statements::SILENCE).bind(millis.to_string());
            set.execute(&mut session.connection).await.map(|_| ())
        })
        .await?;
        Ok(silence)
    }

    pub(super) fn time_left(&self) -> Duration {
        self.deadline.left()
    }

    /// Runs a fixed statement, which goes out as one message, and gives nothing of its answer.
    pub(super) async fn run(&mut self, sql: &'static str) -> Result<(), Failure> {
        self.bounded(async |session: &mut Session| {
            sqlx::raw_sql(sql).execute(&mut session.connection).await.map(|_| ())
        })
        .await
    }

    /// Runs something on the connection within the limits. Nothing is sent when our time is over.
    pub(super) async fn bounded<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Session) -> Result<T, sqlx::Error>,
    ) -> Result<T, Failure> {
        let bound = self.limit.min(self.deadline.left());
        if bound.is_zero() {
            return Err(Failure::Late(LATE.to_owned()));
        }
        let place = self.session.place.clone();
        match timeout(bound, work(&mut self.session)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                let (code, text) = (connect::code(&error), connect::explain(&place, &error).text);
                if code == connect::IDLE_SESSION_TIMEOUT {
                    return Err(Failure::Late(format!("it came too late, the session was over: {text}")));
                }
                // A statement that was canceled or whose session was ended may have done its work before.
                let told = matches!(&error, sqlx::Error::Database(_)) && !connect::session_ended(&error);
                Err(if told && code != "57014" { Failure::Server { code, text } } else { Failure::Lost(text) })
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
        let odd = |text: String| Failure::odd(&format!("{}: {text}", self.session.place));
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
