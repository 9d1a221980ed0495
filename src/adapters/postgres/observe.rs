//! Looks at one server until nobody listens any more.
//!
//! Three loops stand side by side: the look, which is the proof of life, must not wait for a count over a big archive
//! nor for a login of the operator. Each look is bounded by our own clock, since a frozen server ends nothing; after
//! one that failed, the session is thrown away.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::connect::{no_answer, place_of};
use super::operator::operator_rights;
use super::read::{Look, Monitor, ReadError};
use crate::adapters::clock;
use crate::adapters::pace::back_off;
use crate::domain::database::{ArchiveFacts, Promotion};
use crate::domain::endpoints::{DatabaseEndpoint, Intervals};
use crate::domain::freshness::{Source, SourceError};
use crate::domain::observation::{Fact, Observation};
use crate::domain::region::Side;

/// An archive look may use at most one part in this many of the server's time.
const ARCHIVE_SHARE: u32 = 10;

/// Observes the database of a region: `Answered` and `Database` every probe interval, or `Failed`; `Promotion` when it is a
/// primary on a timeline that was not asked about; `Archive` every slow
/// interval, and every probe interval while `hurry` is set; `Operator` every slow interval where one is configured.
/// Ends when `out` has no receiver.
pub async fn observe(
    side: Side,
    monitor: DatabaseEndpoint,
    operator: Option<DatabaseEndpoint>,
    intervals: Intervals,
    out: mpsc::Sender<Observation>,
    hurry: watch::Receiver<bool>,
) {
    let to = Out { side, out };
    let all = async {
        tokio::join!(
            look_loop(&monitor, intervals, &to),
            archive_loop(&monitor, intervals, &to, hurry),
            operator_loop(operator.as_ref(), intervals, &to),
        );
    };
    tokio::select! {
        () = to.out.closed() => {}
        () = all => {}
    }
}

struct Out {
    side: Side,
    out: mpsc::Sender<Observation>,
}

impl Out {
    /// Waits while the queue is full: then the receiver is behind, and asking more often would not help it.
    async fn tell(&self, fact: Fact) {
        let told = Observation { source: Source::Database(self.side), at: clock::now(), fact };
        // Without a receiver the loops are ended from outside.
        let _ = self.out.send(told).await;
    }
}

async fn look_loop(endpoint: &DatabaseEndpoint, intervals: Intervals, to: &Out) {
    let mut session = None;
    let mut failures = 0;
    let mut warned = BTreeSet::new();
    let mut asked = None;
    loop {
        let (began, started) = (clock::now(), Instant::now());
        let wait = match look_once(endpoint, &mut session, intervals.timeout).await {
            Ok(Look { sample, warnings }) => {
                failures = 0;
                let begun = sample.primary().map(|_| sample.timeline);
                to.tell(Fact::Answered { latency: started.elapsed() }).await;
                to.tell(Fact::Database(Box::new(sample))).await;
                // Once for each timeline, since it does not change again.
                if begun.is_some() && asked != begun {
                    ask_promotion(&mut session, intervals.timeout, to).await;
                }
                asked = begun;
                for warning in warnings {
                    // Once each: the texts are ours, so that their number is bounded.
                    if !warned.contains(&warning) {
                        tracing::warn!(side = ?to.side, "database: {warning}");
                        warned.insert(warning);
                    }
                }
                intervals.probe.saturating_sub(started.elapsed())
            }
            Err(error) => {
                (session, asked) = (None, None);
                to.tell(Fact::Failed { began, error }).await;
                failures += 1;
                back_off(intervals.probe, failures)
            }
        };
        sleep(wait).await;
    }
}

/// A failure says nothing about the server that the next look does not say; the session it may have spoiled is ended.
async fn ask_promotion(kept: &mut Option<Monitor>, limit: Duration, to: &Out) {
    let Some(mut monitor) = kept.take() else { return };
    match timeout(limit, monitor.promotion()).await {
        Ok(Ok(told)) => {
            *kept = Some(monitor);
            let at = told.and_then(|(timeline, ago)| Some((timeline, clock::now().checked_sub(ago).ok()?)));
            to.tell(Fact::Promotion(at.map(|(timeline, at)| Promotion { timeline, at }))).await;
        }
        Ok(Err(error)) => tracing::debug!(side = ?to.side, "promotion: {error}"),
        Err(_) => tracing::debug!(side = ?to.side, "promotion: no answer"),
    }
}

/// One look, by the kept session if there is one. A kept session that turns out to be ended is no failure of the
/// server: then one fresh one is tried, within the same limit.
async fn look_once(
    endpoint: &DatabaseEndpoint,
    kept: &mut Option<Monitor>,
    limit: Duration,
) -> Result<Look, SourceError> {
    let look = async {
        if let Some(monitor) = kept.as_mut() {
            match monitor.look_or_why().await {
                Err(ReadError { session_ended: true, .. }) => *kept = None,
                other => return other.map_err(|why| why.error),
            }
        }
        let mut fresh = Monitor::connect(endpoint, limit).await?;
        let look = fresh.look().await;
        *kept = Some(fresh);
        look
    };
    match timeout(limit, look).await {
        Ok(look) => look,
        Err(_) => Err(no_answer(&place_of(endpoint), limit)),
    }
}

async fn archive_loop(endpoint: &DatabaseEndpoint, intervals: Intervals, to: &Out, mut hurry: watch::Receiver<bool>) {
    let mut session = None;
    let mut failures = 0;
    loop {
        let started = Instant::now();
        let hurried = *hurry.borrow_and_update();
        let rest = match archive_once(endpoint, &mut session, intervals.timeout).await {
            Ok(facts) => {
                failures = 0;
                // What is not there yet may be there soon: a table that is being made, or has still to be replayed.
                let soon = hurried || facts.rows.is_none();
                to.tell(Fact::Archive(facts)).await;
                let pause = if soon { intervals.probe } else { intervals.slow };
                pause.max(started.elapsed() * ARCHIVE_SHARE)
            }
            // Why is said by the look, which fails in the same way.
            Err(error) => {
                tracing::debug!(side = ?to.side, "archive: {error}");
                session = None;
                failures += 1;
                back_off(intervals.probe, failures)
            }
        };
        tokio::select! {
            () = sleep(rest) => {}
            // Only the order to hurry shortens a pause. When its sender is gone nobody can give it any more.
            () = set(&mut hurry), if !hurried => {}
        }
    }
}

async fn set(hurry: &mut watch::Receiver<bool>) {
    if hurry.wait_for(|on| *on).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn archive_once(
    endpoint: &DatabaseEndpoint,
    kept: &mut Option<Monitor>,
    limit: Duration,
) -> Result<ArchiveFacts, SourceError> {
    // Four statements, each bounded by the server at `limit`.
    let whole = limit * 4;
    let look = async {
        let mut monitor = match kept.take() {
            Some(monitor) => monitor,
            None => Monitor::connect(endpoint, limit).await?,
        };
        let facts = monitor.archive().await;
        *kept = Some(monitor);
        facts
    };
    timeout(whole, look).await.unwrap_or_else(|_| Err(no_answer(&place_of(endpoint), whole)))
}

async fn operator_loop(operator: Option<&DatabaseEndpoint>, intervals: Intervals, to: &Out) {
    let Some(operator) = operator else { return };
    loop {
        let rights = operator_rights(operator, intervals.timeout).await;
        to.tell(Fact::Operator(rights)).await;
        sleep(intervals.slow).await;
    }
}
