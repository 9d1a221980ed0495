//! The fence of a database and its undoing.
//!
//! It is a weak one and says so: a session may switch `default_transaction_read_only` off for itself (*measured*), so it
//! counts only together with controllers that are proven gone. It holds every session that does not mean to break it,
//! among them a workflow controller, which then fails to start (25006).

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::PgRow;
use tokio::time::sleep;

use super::connect::Session;
use super::standing::{ActSession, Failure, Latest, Standing};
use super::statements;
use crate::adapters::clock;
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
    if stayed.count > 0 {
        let some = stayed.list.iter().take(NAMES_MAX).map(|one| format!("{} (pid {})", one.user, one.pid));
        let some = some.collect::<Vec<_>>().join(", ");
        reply = format!("{reply}, {} stayed and may write on: {some}", stayed.count);
    }
    let previous = after.lsn.map(|value| Previous::LogEnd { value, at: clock::now() });
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

/// The server is the one that was meant, asked last thing before the act. From its answer on, the session ends when it
/// is silent, so that what comes after a stop of this process is void.
async fn proven(session: &mut ActSession, meant: &DatabaseIdentity) -> Result<Standing, Outcome> {
    let silence = session.end_when_silent().await.map_err(Failure::before_act)?;
    let standing = session.standing().await.map_err(Failure::before_act)?;
    if let Some(difference) = standing.mismatch(meant) {
        return Err(Outcome::Refused { reason: format!("another server: {difference}") });
    }
    // The server's clock began to run before now, so what it still takes was sent before our time was over.
    if session.time_left() < silence {
        return Err(Outcome::NotSent { reason: "too little of its time was left".to_owned() });
    }
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

/// A session that was there before the fence.
struct Old {
    pid: i32,
    user: String,
    /// We may end it, as far as its role tells.
    endable: bool,
}

/// Those sessions: how many, and the first of them.
struct Olds {
    count: usize,
    list: Vec<Old>,
}

/// Ends every client session that began before `moment` by the server's clock. How many went, and whose stayed.
///
/// All that we may end go by one statement: one round trip each would take longer than there is time, with some
/// hundred sessions on the other side of an ocean.
async fn end_sessions(session: &mut ActSession, moment: &str) -> Result<(usize, Olds), Failure> {
    let patience = SETTLE_MAX.min(session.time_left() / 2);
    let latest = session.latest_within(moment, patience);
    let began = std::time::Instant::now();
    let before = sessions_before(session, moment).await?;
    let all = latest.clone();
    let at_once = session
        .bounded(async move |session: &mut Session| {
            let end = sqlx::query(statements::TERMINATE_ALL).bind(all.told).bind(all.seconds);
            end.execute(&mut session.connection).await.map(|_| ())
        })
        .await;
    let singly = match at_once {
        Ok(()) => before.list.into_iter().filter(|old| !old.endable).collect(),
        // A session's role became a superuser's meanwhile, or an odd server has rules of its own.
        Err(Failure::Server { .. }) => before.list,
        Err(lost) => return Err(lost),
    };
    let mut refused = BTreeSet::new();
    for old in singly {
        if began.elapsed() >= patience || !end_one(session, old.pid, &latest).await? {
            refused.insert(old.pid);
        }
    }
    let stayed = loop {
        let left = sessions_before(session, moment).await?;
        // Sessions that were told to go need a moment; those that may not be ended would be waited for in vain.
        if left.list.iter().all(|old| refused.contains(&old.pid)) || began.elapsed() >= patience {
            break left;
        }
        sleep(POLL).await;
    };
    Ok((before.count.saturating_sub(stayed.count), stayed))
}

/// Ends one session. False: that is not permitted, as for a superuser's, or its time is over.
async fn end_one(session: &mut ActSession, pid: i32, latest: &Latest) -> Result<bool, Failure> {
    let Latest { told, seconds } = latest.clone();
    let asked = session
        .bounded(async move |session: &mut Session| {
            let end = sqlx::query(statements::TERMINATE).bind(pid).bind(told).bind(seconds);
            end.fetch_optional(&mut session.connection).await
        })
        .await;
    match asked {
        Ok(row) => Ok(row.is_some()),
        Err(Failure::Server { .. }) => Ok(false),
        Err(lost) => Err(lost),
    }
}

async fn sessions_before(session: &mut ActSession, moment: &str) -> Result<Olds, Failure> {
    let rows = session
        .bounded(async |session: &mut Session| {
            sqlx::query(statements::SESSIONS_BEFORE).bind(moment).fetch_all(&mut session.connection).await
        })
        .await?;
    let read = |row: &PgRow| -> Result<Old, sqlx::Error> {
        let user: String = row.try_get(1)?;
        Ok(Old { pid: row.try_get(0)?, user: clean_to(&user, 64), endable: row.try_get(2)? })
    };
    let odd = |error: sqlx::Error| Failure::odd(&error.to_string());
    let list = rows.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(odd)?;
    let count = rows.first().map_or(Ok(0), |row| row.try_get::<i64, _>(3)).map_err(odd)?;
    Ok(Olds { count: usize::try_from(count).unwrap_or(0), list })
}
