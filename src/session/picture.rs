//! The picture without a screen: observers, fleet, notes, and a snapshot for whoever wants one. `status` and the playbook
//! commands live on it; the console keeps its own fleet and shares the parts.

use super::clock;
use super::memory::Notes;
use super::setup::Setup;
use super::sources::Sources;
use crate::domain::fleet::Fleet;
use crate::domain::fleet::happening::Weight;
use crate::domain::freshness::Source;
use crate::domain::region::Side;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How often notes are written.
pub const NOTES_EVERY: Duration = Duration::from_secs(5);

/// Snapshots a second at most: a gate does not need more, and each costs a copy of what is not shared.
const SNAPSHOT_EVERY: Duration = Duration::from_millis(100);

/// What the picture may be asked.
#[derive(Debug, Clone, Copy)]
pub enum Ask {
    /// Read the archive at the pace of the probes, or not.
    Hurry(bool),
}

/// A running picture.
pub struct Picture {
    /// The newest snapshot.
    pub fleet: watch::Receiver<Arc<Fleet>>,
    /// What it may be asked. A handful at most.
    pub asks: mpsc::Sender<Ask>,
    stop: mpsc::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Picture {
    /// Starts it.
    #[must_use]
    pub fn start(setup: &Setup) -> Picture {
        let (mut fleet, notes) = first(setup);
        let (snapshot, receiver) = watch::channel(Arc::new(fleet.clone()));
        let (asks, mut asked) = mpsc::channel(8);
        let (stop, mut stopped) = mpsc::channel(1);
        let mut sources = Sources::start(setup);
        let task = tokio::spawn(async move {
            let mut publish = interval(SNAPSHOT_EVERY);
            let mut note = interval(NOTES_EVERY);
            loop {
                tokio::select! {
                    Some(observation) = sources.observations.recv() => fleet.apply(observation),
                    Some(Ask::Hurry(hurry)) = asked.recv() => sources.hurry(hurry),
                    _ = publish.tick() => {
                        fleet.tick(clock());
                        sources.feed_back(&fleet);
                        let _ = snapshot.send(Arc::new(fleet.clone()));
                    }
                    _ = note.tick() => write_notes(&notes, &fleet),
                    _ = stopped.recv() => break,
                }
            }
            write_notes(&notes, &fleet);
            sources.stop().await;
        });
        Picture { fleet: receiver, asks, stop, task }
    }

    /// Waits until every source has answered or failed and lists are there, or `limit` has passed.
    pub async fn settle(&mut self, limit: Duration) -> Arc<Fleet> {
        let wait = async {
            loop {
                if settled(&self.fleet.borrow_and_update()) || self.fleet.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(limit, wait).await;
        self.fleet.borrow().clone()
    }

    /// Ends it: notes are written, connections closed.
    pub async fn stop(self) {
        let _ = self.stop.send(()).await;
        let _ = self.task.await;
    }
}

fn interval(every: Duration) -> tokio::time::Interval {
    let mut interval = tokio::time::interval(every);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    interval
}

/// The first picture: nothing but what was noted. Notes that cannot be read are a line on the timeline.
#[must_use]
pub fn first(setup: &Setup) -> (Fleet, Notes) {
    let mut fleet = Fleet::new(Arc::clone(&setup.policy), &setup.endpoints.intervals, clock());
    let notes = Notes::new(&setup.state_dir, &setup.policy.environment);
    let unread = notes.recall(&mut fleet).err().map(|error| error.to_string());
    let now = fleet.now;
    for doubt in setup.doubts.iter().cloned().chain(unread) {
        fleet.happenings.push(now, None, Weight::Warn, doubt);
    }
    (fleet, notes)
}

/// A disk that refuses is not worth stopping for; the next try is five seconds away.
pub fn write_notes(notes: &Notes, fleet: &Fleet) {
    // What one region's servers say must not be noted under the other's name.
    if fleet.swapped() {
        return;
    }
    if let Err(error) = notes.write(&fleet.remember()) {
        tracing::warn!("notes: {error}");
    }
}

/// Everything that will tell something soon has told it.
fn settled(fleet: &Fleet) -> bool {
    let told = |source: Source| {
        let health = fleet.health(source);
        // What an earlier process heard is no answer to this one.
        (health.last_answer.is_some() && !health.remembered) || health.error.is_some()
    };
    let dns = fleet.policy.dns.is_none() || told(Source::Dns);
    dns && Side::BOTH.into_iter().all(|side| {
        let region = fleet.region(side);
        let api_down = region.api.error.is_some();
        let lists = api_down
            || ((region.runs.confirmed.is_some() || region.runs.error.is_some())
                && (region.crons.confirmed.is_some() || region.crons.error.is_some())
                && (region.nodes.confirmed.is_some() || region.nodes.error.is_some())
                && (region.templates.confirmed.is_some() || region.templates.error.is_some())
                && region.controllers.as_ref().is_some_and(|known| !known.remembered)
                && region.rights.is_some()
                && region.lock.is_some());
        let database_down = region.database_health.error.is_some();
        let operator = region.operator.is_some() || !fleet.policy.regions.get(side).operator_configured;
        let archive = region.archive.as_ref().is_some_and(|known| !known.remembered);
        // Controllers that are scaled to 0 are not scraped; until that is known, a refused scrape is no answer.
        let held = region.live_controllers(fleet.now).is_some_and(|controllers| controllers.wanted() == 0);
        let scraped = region.metrics.as_ref().is_some_and(|known| known.value.is_none());
        let metrics = if held { scraped } else { told(Source::Metrics(side)) };
        told(Source::Kubernetes(side))
            && lists
            && told(Source::Database(side))
            && metrics
            && (database_down || (operator && archive))
    })
}
