//! The fence of a database and its undoing.
//!
//! It is a weak one and says so: a session may switch `default_transaction_read_only` off for itself (*measured*), so it
//! counts only together with controllers that are proven gone. It holds every session that does not mean to break it,
//! among them a workflow controller, which then fails to start (25006).

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::Row;
use tokio::time::sleep;

use super::connect::Session;
use super::standing::{ActSession, Failure, Standing};
use super::statements;
use crate::domain::Timestamp;
use crate::domain::database::DatabaseIdentity;
use crate::domain::effect::{Outcome, Previous};
use crate::domain::text::clean_to;

/// How often the server is asked whether a change has arrived.
const POLL: Duration = Duration::from_millis(50);

/// Longest wait for a reload to be seen and for ended sessions to be gone.
const SETTLE_MAX: Duration = Duration::from_secs(5);

/// Names of sessions that stayed, in the reply.
const NAMES_MAX: usize = 5;

/// Fences the server: it refuses writes of new sessions, and the old sessions are ended.
pub(super) async fn fence(mut session: ActSession, meant: &DatabaseIdentity) -> Outcome {
    let outcome = fence_steps(&mut session, meant).await.unwrap_or_else(|outcome| outcome);
    session.close().await;
    outcome
}

/// Takes the fence off again. Sessions that began under it keep what they have until they read the reload.
pub(super) async fn unfence(mut session: ActSession, meant: &DatabaseIdentity) -> Outcome {
    let outcome = unfence_steps(&mut session, meant).await.unwrap_or_else(|outcome| outcome);
    session.close().await;
    outcome
}

async fn fence_steps(session: &mut ActSession, meant: &DatabaseIdentity) -> Result<Outcome, Outcome> {
    let before = proven(session, meant).await?;
    if before.in_recovery {
        return Err(Outcome::Refused { reason: "it is a replica, which takes no writes".to_owned() });
    }
    set(session, statements::FENCE, true).await?;
    // Whoever connects from here on is read-only by default; whoever was there before is ended.
    let armed = session.standing().await.map_err(half_done)?;
    let (ended, stayed) = end_sessions(session, &armed.now).await.map_err(half_done)?;
    let after = session.standing().await.map_err(half_done)?;
    if let Some(difference) = after.mismatch(meant).or_else(|| after.in_recovery.then(|| "it is a replica".to_owned()))
    {
        return Err(Outcome::Unknown { reason: format!("the server changed meanwhile: {difference}") });
    }
    let mut reply = format!("new sessions are read-only, {ended} sessions ended");
    if before.read_only {
        reply = format!("it was read-only by default before; {ended} sessions ended");
    }
    if !stayed.is_empty() {
        let some = stayed.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>().join(", ");
        reply = format!("{reply}, {} stayed and may write on: {some}", stayed.len());
    }
    let previous = after.lsn.map(|value| Previous::LogEnd { value, at: Timestamp::now() });
    Ok(Outcome::Done { reply, previous })
}

async fn unfence_steps(session: &mut ActSession, meant: &DatabaseIdentity) -> Result<Outcome, Outcome> {
    let before = proven(session, meant).await?;
    set(session, statements::UNFENCE, false).await?;
    let after = session.standing().await.map_err(half_done)?;
    if let Some(difference) = after.mismatch(meant) {
        return Err(Outcome::Unknown { reason: format!("the server changed meanwhile: {difference}") });
    }
    let was = if before.read_only { "" } else { "; they were before, too" };
    Ok(Outcome::Done { reply: format!("new sessions may write{was}"), previous: None })
}

/// The server is the one that was meant, asked last thing before the act.
async fn proven(session: &mut ActSession, meant: &DatabaseIdentity) -> Result<Standing, Outcome> {
    let standing = session.standing().await.map_err(Failure::before_act)?;
    if let Some(difference) = standing.mismatch(meant) {
        return Err(Outcome::Refused { reason: format!("another server: {difference}") });
    }
    session.in_time()?;
    Ok(standing)
}

/// Writes the setting, has it read, and waits until the server says so.
async fn set(session: &mut ActSession, statement: &'static str, on: bool) -> Result<(), Outcome> {
    session.run(statement).await.map_err(Failure::of_act)?;
    session.run(statements::RELOAD).await.map_err(half_done)?;
    let patience = SETTLE_MAX.min(session.time_left());
    let arrived = tokio::time::timeout(patience, async {
        loop {
            if session.standing().await.map_err(half_done)?.read_only == on {
                return Ok(());
            }
            sleep(POLL).await;
        }
    });
    arrived.await.unwrap_or_else(|_| {
        let word = if on { "on" } else { "off" };
        let text = format!("default_transaction_read_only was written and read, and is not {word}: set elsewhere?");
        Err(Outcome::Unknown { reason: text })
    })
}

/// Something was changed and the rest is not known.
fn half_done(failure: Failure) -> Outcome {
    Outcome::Unknown { reason: format!("the setting is written; then: {}", failure.text()) }
}

/// Ends every client session that began before `moment` by the server's clock. How many went, and whose stayed.
async fn end_sessions(session: &mut ActSession, moment: &str) -> Result<(usize, Vec<String>), Failure> {
    let found = sessions_before(session, moment).await?;
    let mut refused = BTreeSet::new();
    for (pid, _) in &found {
        let pid = *pid;
        let asked = session
            .bounded(async move |session: &mut Session| {
                sqlx::query(statements::TERMINATE).bind(pid).execute(&mut session.connection).await.map(|_| ())
            })
            .await;
        match asked {
            // Not permitted for this one, a superuser's for example: the others are still to be ended.
            Ok(()) => {}
            Err(Failure::Server(_)) => {
                refused.insert(pid);
            }
            Err(lost) => return Err(lost),
        }
    }
    let patience = SETTLE_MAX.min(session.time_left());
    let began = std::time::Instant::now();
    let stayed = loop {
        let left = sessions_before(session, moment).await?;
        // Sessions that were told to go need a moment; those that may not be ended would be waited for in vain.
        if left.iter().all(|(pid, _)| refused.contains(pid)) || began.elapsed() >= patience {
            break left;
        }
        sleep(POLL).await;
    };
    let names = stayed.iter().map(|(pid, user)| format!("{user} (pid {pid})")).collect();
    Ok((found.len().saturating_sub(stayed.len()), names))
}

async fn sessions_before(session: &mut ActSession, moment: &str) -> Result<Vec<(i32, String)>, Failure> {
    let rows = session
        .bounded(async |session: &mut Session| {
            sqlx::query(statements::SESSIONS_BEFORE).bind(moment).fetch_all(&mut session.connection).await
        })
        .await?;
    let read = |row: &sqlx::postgres::PgRow| -> Result<(i32, String), sqlx::Error> {
        let user: String = row.try_get(1)?;
        Ok((row.try_get(0)?, clean_to(&user, 64)))
    };
    rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| Failure::Server(error.to_string()))
}
