//! Performs the effects that change a database: promote here, fence and unfence in `fence`.
//!
//! The server itself proves that it is the one that was meant, and that the time of the act is not over: this process
//! may be stopped between any two of its own steps. Promotion asks for both in the statement that promotes. ALTER SYSTEM
//! takes no condition and no transaction; there the same session is asked right before and after, and the server ends it
//! when it is silent for too long.

use std::time::Duration;

use sqlx::{Executor, SqlStr};

use super::connect::Session;
use super::fence;
use super::standing::{ActSession, Failure, Standing};
use super::statements;
use crate::adapters::pace::Deadline;
use crate::domain::database::DatabaseIdentity;
use crate::domain::effect::{Effect, Outcome};
use crate::domain::endpoints::DatabaseEndpoint;
use crate::domain::region::{PerSide, Side};
use crate::domain::units::Lsn;

/// Performs database effects, each over a session of its own as the operator's user.
#[derive(Debug)]
pub struct Actuator {
    operators: PerSide<Option<DatabaseEndpoint>>,
    timeout: Duration,
}

impl Actuator {
    /// An actuator for both regions; `timeout` bounds each answer.
    #[must_use]
    pub fn new(operators: PerSide<Option<DatabaseEndpoint>>, timeout: Duration) -> Actuator {
        Actuator { operators, timeout }
    }

    /// Performs an effect. It ends within `deadline`, and what changes something is not sent after it, even if this
    /// process was stopped meanwhile.
    pub async fn perform(&self, effect: &Effect, deadline: Duration) -> Outcome {
        let deadline = Deadline::within(deadline);
        match effect {
            Effect::Promote { side, identity, at_least } => match self.session(*side, deadline).await {
                Ok(session) => promote(session, identity, *at_least).await,
                Err(outcome) => outcome,
            },
            Effect::FenceDatabase { side, identity } => match self.session(*side, deadline).await {
                Ok(session) => fence::fence(session, identity).await,
                Err(outcome) => outcome,
            },
            Effect::UnfenceDatabase { side, identity } => match self.session(*side, deadline).await {
                Ok(session) => fence::unfence(session, identity).await,
                Err(outcome) => outcome,
            },
            _ => Outcome::NotSent { reason: "this is no effect on a database".to_owned() },
        }
    }

    async fn session(&self, side: Side, deadline: Deadline) -> Result<ActSession, Outcome> {
        match self.operators.get(side) {
            Some(endpoint) => ActSession::open(endpoint, self.timeout, deadline).await,
            None => Err(Outcome::NotSent { reason: "no operator user is configured for this database".to_owned() }),
        }
    }
}

async fn promote(mut session: ActSession, meant: &DatabaseIdentity, at_least: Lsn) -> Outcome {
    let outcome = promote_steps(&mut session, meant, at_least).await.unwrap_or_else(|outcome| outcome);
    session.close().await;
    outcome
}

async fn promote_steps(session: &mut ActSession, meant: &DatabaseIdentity, at_least: Lsn) -> Result<Outcome, Outcome> {
    // Parsed beforehand, so that the statement itself is one message and no round trip lies between the last look at
    // our clock and the act.
    let parse = async |session: &mut Session| {
        let text = SqlStr::from_static(statements::PROMOTE);
        session.connection.prepare(text).await.map(|_| ())
    };
    session.bounded(parse).await.map_err(Failure::before_act)?;
    let before = session.standing().await.map_err(Failure::before_act)?;
    if let Some(outcome) = forbids(&before, meant, at_least) {
        return Err(outcome);
    }
    let latest = session.latest(&before.now);
    let (address, port, least) = (meant.address.clone(), i32::from(meant.port), at_least.to_string());
    let system = meant.system.0.cast_signed();
    let sent = session
        .bounded(async move |session: &mut Session| {
            sqlx::query_scalar::<_, bool>(statements::PROMOTE)
                .bind(system)
                .bind(address)
                .bind(port)
                .bind(least)
                .bind(latest.told)
                .bind(latest.seconds)
                .fetch_optional(&mut session.connection)
                .await
        })
        .await;
    match sent {
        Ok(Some(true)) => Ok(Outcome::Done { reply: "promotion has begun".to_owned(), previous: None }),
        // With `wait => false` it is false only when the signal to the postmaster failed.
        Ok(Some(false)) => Err(Outcome::Unknown { reason: "pg_promote could not signal the server".to_owned() }),
        Ok(None) => Err(why_not(session, meant, at_least).await),
        // "recovery is not in progress": promoted between the condition and the act.
        Err(Failure::Server { code, .. }) if code == "55000" => Err(why_not(session, meant, at_least).await),
        Err(failure) => Err(failure.of_act()),
    }
}

/// The statement found no row and did nothing: which of its conditions failed.
async fn why_not(session: &mut ActSession, meant: &DatabaseIdentity, at_least: Lsn) -> Outcome {
    let late = || {
        let reason = "its time was over when the server came to it, and the server did nothing".to_owned();
        Outcome::NotSent { reason }
    };
    match session.standing().await {
        // All others hold, and they do not come to hold by themselves: it was the time.
        Ok(now) => forbids(&now, meant, at_least).unwrap_or_else(late),
        Err(Failure::Late(_)) => late(),
        Err(failure) => {
            let reason = format!("a condition did not hold, and which one cannot be told: {}", failure.text());
            Outcome::Refused { reason }
        }
    }
}

/// What forbids the promotion, or makes it needless.
fn forbids(standing: &Standing, meant: &DatabaseIdentity, at_least: Lsn) -> Option<Outcome> {
    if let Some(difference) = standing.mismatch(meant) {
        return Some(Outcome::Refused { reason: format!("another server: {difference}") });
    }
    if standing.in_recovery {
        if standing.lsn.is_some_and(|lsn| lsn >= at_least) {
            return None;
        }
        let has = standing.lsn.map_or_else(|| "an unknown position".to_owned(), |lsn| lsn.to_string());
        return Some(Outcome::Refused { reason: format!("it has {has}, and {at_least} is wanted") });
    }
    // A server keeps where its replay ended until it is restarted; a primary that never was a replica is on its first
    // timeline or never replayed.
    Some(match standing.replayed {
        Some(replayed) if standing.timeline > 1 && replayed >= at_least => {
            let reply = format!("it was promoted at {replayed} and is on timeline {}", standing.timeline);
            Outcome::Already { reply }
        }
        _ => {
            Outcome::Refused { reason: format!("it is no replica: out of recovery on timeline {}", standing.timeline) }
        }
    })
}
