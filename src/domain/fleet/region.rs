//! One region in the picture.

use super::table::Table;
use super::who::Who;
use crate::domain::cron::{CronRow, TemplateRow};
use crate::domain::database::{ArchiveFacts, DatabaseSample, OperatorRights, Promotion};
use crate::domain::endpoints::Intervals;
use crate::domain::freshness::{Freshness, Known, Limits, Source, SourceError, SourceHealth};
use crate::domain::kubernetes::{ClusterIdentity, Controllers, LeaseRow, NodeCounts, NodeRow, ObjectKey, Right};
use crate::domain::metrics::{MetricsSample, Series};
use crate::domain::region::{Role, Side};
use crate::domain::units::Lsn;
use crate::domain::workflow::{Phase, RunRow};
use crate::domain::{Timestamp, since};
use std::collections::VecDeque;
use std::time::Duration;

/// Samples kept for charts and for proof of life: ten minutes at one every two seconds.
pub const SAMPLES_MAX: usize = 300;

/// A sign of a replica at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    /// When it was asked, by our clock.
    pub at: Timestamp,
    /// What it has received. Not what it has replayed: a restarted replica replays its own log with nobody sending.
    pub received: Option<Lsn>,
    /// When its receiver last heard from the primary, by its own clock.
    pub last_message: Option<Timestamp>,
    /// Its receiver said that it streams.
    pub streaming: bool,
}

/// One region in the picture.
#[derive(Debug, Clone)]
pub struct Region {
    /// Side.
    pub side: Side,
    /// Name.
    pub name: String,
    /// Health of the API server's answers.
    pub api: SourceHealth,
    /// Health of the database's answers.
    pub database_health: SourceHealth,
    /// Health of the metrics' answers.
    pub metrics_health: SourceHealth,
    /// Who answers under this name, as first seen or noted.
    pub who: Who,
    /// Who the cluster is.
    pub identity: Option<Known<ClusterIdentity>>,
    /// What we may do there.
    pub rights: Option<Known<Vec<Right>>>,
    /// Its workflow controllers.
    pub controllers: Option<Known<Controllers>>,
    /// The environment's lock there.
    pub lock: Option<Known<Option<LeaseRow>>>,
    /// Namespaces that are watched; None: not known yet, empty: all.
    pub scope: Option<Vec<String>>,
    /// Nodes.
    pub nodes: Table<String, NodeRow>,
    /// Runs.
    pub runs: Table<ObjectKey, RunRow>,
    /// Crons.
    pub crons: Table<ObjectKey, CronRow>,
    /// Templates.
    pub templates: Table<ObjectKey, TemplateRow>,
    /// The newest look at the database.
    pub database: Option<Known<DatabaseSample>>,
    /// The newest log position seen while it was a primary.
    pub last_primary_lsn: Option<Known<Lsn>>,
    /// When its primary was promoted, as it says itself.
    pub promotion: Option<Promotion>,
    /// What is in Argo's tables.
    pub archive: Option<Known<ArchiveFacts>>,
    /// What the operator's database user may do.
    pub operator: Option<Known<Result<OperatorRights, SourceError>>>,
    /// The newest scrape. `None` inside: there is no controller to scrape, which is an answer.
    pub metrics: Option<Known<Option<MetricsSample>>>,
    /// Signs of the replica, oldest first, at most [`SAMPLES_MAX`].
    pub pulses: VecDeque<Pulse>,
    /// Log positions of the primary, oldest first, at most [`SAMPLES_MAX`].
    pub log: VecDeque<(Timestamp, Lsn)>,
    /// Charts.
    pub charts: Charts,
}

/// Whether workflow controllers are stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// None wanted, no pod there, no Lease renewed.
    Yes,
    /// They act, or may.
    No(String),
    /// It cannot be told.
    Unknown(String),
}

/// Series for charts.
#[derive(Debug, Clone)]
pub struct Charts {
    /// Unfinished runs.
    pub unfinished: Series,
    /// Queue depth of the controller.
    pub queue: Series,
    /// Busy workers.
    pub workers: Series,
    /// Errors per minute.
    pub errors: Series,
    /// Requests to the API per second.
    pub requests: Series,
    /// Bytes the replica has not received.
    pub unreceived: Series,
    /// Bytes the replica has not replayed.
    pub unreplayed: Series,
    /// Latency of the API server in milliseconds.
    pub api_latency: Series,
}

impl Charts {
    fn new() -> Charts {
        let series = || Series::new(SAMPLES_MAX);
        Charts {
            unfinished: series(),
            queue: series(),
            workers: series(),
            errors: series(),
            requests: series(),
            unreceived: series(),
            unreplayed: series(),
            api_latency: series(),
        }
    }
}

/// Runs by what they do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunCounts {
    /// All rows.
    pub total: usize,
    /// Running.
    pub running: usize,
    /// Pending, or not looked at yet.
    pub pending: usize,
    /// Ended Failed or Error.
    pub failed: usize,
    /// Finished and still to be archived.
    pub unarchived: usize,
}

impl RunCounts {
    /// Running and pending.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.running + self.pending
    }
}

impl Region {
    /// A region of which nothing is known.
    #[must_use]
    pub fn new(side: Side, name: &str, intervals: &Intervals) -> Region {
        let health = |interval| SourceHealth::new(Limits::asked_every(interval));
        Region {
            side,
            name: name.to_owned(),
            api: health(intervals.probe),
            database_health: health(intervals.probe),
            metrics_health: health(intervals.metrics),
            who: Who::default(),
            identity: None,
            rights: None,
            controllers: None,
            lock: None,
            scope: None,
            nodes: Table::default(),
            runs: Table::default(),
            crons: Table::default(),
            templates: Table::default(),
            database: None,
            last_primary_lsn: None,
            promotion: None,
            archive: None,
            operator: None,
            metrics: None,
            pulses: VecDeque::new(),
            log: VecDeque::new(),
            charts: Charts::new(),
        }
    }

    /// When the primary there was promoted. None: it never was, it does not say, or it is no primary as last known.
    #[must_use]
    pub fn promoted_at(&self) -> Option<Timestamp> {
        let primary = self.database.as_ref().filter(|known| known.value.primary().is_some())?;
        self.promotion.filter(|promotion| promotion.timeline == primary.value.timeline).map(|promotion| promotion.at)
    }

    /// The health of one of its sources.
    #[must_use]
    pub fn health(&self, source: Source) -> &SourceHealth {
        match source {
            Source::Database(_) => &self.database_health,
            Source::Metrics(_) => &self.metrics_health,
            Source::Kubernetes(_) | Source::Dns => &self.api,
        }
    }

    /// The database as seen just now; None when it is not fresh enough to act on.
    #[must_use]
    pub fn live_database(&self, now: Timestamp) -> Option<&DatabaseSample> {
        let known = self.database.as_ref().filter(|known| !known.remembered)?;
        let limits = self.database_health.limits;
        (self.database_health.usable(now) && since(known.at, now) < limits.stale).then_some(&known.value)
    }

    /// The controllers as seen just now; None when they are not fresh enough to act on.
    #[must_use]
    pub fn live_controllers(&self, now: Timestamp) -> Option<&Controllers> {
        let known = self.controllers.as_ref().filter(|known| !known.remembered)?;
        (self.api.usable(now) && since(known.at, now) < self.api.limits.stale).then_some(&known.value)
    }

    /// Freshness of a table of this region.
    #[must_use]
    pub fn table_freshness<K: Ord + Clone, V: Clone>(&self, table: &Table<K, V>, now: Timestamp) -> Freshness {
        table.freshness(self.api.freshness(now), now)
    }

    /// Whether its workflow controllers are proven stopped. No Deployment found proves nothing, since a wrong namespace
    /// looks the same; and a Lease that is still renewed says that one acts unseen.
    #[must_use]
    pub fn stopped(&self, now: Timestamp) -> Stopped {
        let Some(controllers) = self.live_controllers(now) else {
            return Stopped::Unknown("controllers unknown".to_owned());
        };
        let (wanted, pods) = (controllers.wanted(), controllers.pods.len());
        if !controllers.gone() {
            return Stopped::No(format!("controllers {wanted} wanted, {pods} there"));
        }
        if let Some(holder) = controllers.leader.as_ref().and_then(|lease| lease.living_holder(now)) {
            return Stopped::No(format!("controllers gone, but the Lease of {holder} is not over yet"));
        }
        if controllers.deployments.is_empty() {
            return Stopped::Unknown("no workflow controller's Deployment found".to_owned());
        }
        Stopped::Yes
    }

    /// The crons as seen just now; None when they are not fresh enough to act on.
    #[must_use]
    pub fn live_crons(&self, now: Timestamp) -> Option<&Table<ObjectKey, CronRow>> {
        self.table_freshness(&self.crons, now).usable().then_some(&self.crons)
    }

    /// What the region is, by its database.
    #[must_use]
    pub fn role(&self, now: Timestamp) -> Role {
        let Some(known) = &self.database else { return Role::Unknown };
        let live = !known.remembered && self.database_health.usable(now);
        match (known.value.primary().is_some(), live) {
            (true, true) => Role::Primary,
            (false, true) => Role::Standby,
            (true, false) => Role::WasPrimary,
            (false, false) => Role::WasStandby,
        }
    }

    /// Runs by what they do.
    #[must_use]
    pub fn run_counts(&self) -> RunCounts {
        let mut counts = RunCounts::default();
        for run in self.runs.rows().values() {
            counts.total += 1;
            match run.phase {
                Phase::Running => counts.running += 1,
                Phase::New | Phase::Pending => counts.pending += 1,
                Phase::Failed | Phase::Error => counts.failed += 1,
                _ => {}
            }
            if run.phase.finished() && run.archiving == crate::domain::workflow::Archiving::Pending {
                counts.unarchived += 1;
            }
        }
        counts
    }

    /// Nodes by what they are.
    #[must_use]
    pub fn node_counts(&self) -> NodeCounts {
        NodeCounts::of(self.nodes.rows().values())
    }

    /// Bytes of log written per second: over the newest samples that follow each other without a gap, or over the last
    /// half minute of them if that was faster. A quiet night before says nothing about a burst now. None with fewer than
    /// two samples together.
    #[must_use]
    pub fn log_rate(&self) -> Option<f64> {
        let samples: Vec<(Timestamp, Lsn)> = self.log.iter().copied().collect();
        let mut together = samples.chunk_by(|a, b| since(a.0, b.0) <= LOG_GAP_MAX).rev();
        let newest = together.find(|part| rate(part).is_some())?;
        let end = newest.last()?.0;
        let recent = newest.iter().position(|sample| since(sample.0, end) <= LOG_RECENT).unwrap_or(0);
        let recent = newest.get(recent..).and_then(rate);
        Some(rate(newest)?.max(recent.unwrap_or(0.0)))
    }
}

/// Longest time between two looks at the primary that still tells how fast it wrote.
const LOG_GAP_MAX: Duration = Duration::from_secs(10);

/// The end of the samples that is looked at by itself.
const LOG_RECENT: Duration = Duration::from_secs(30);

#[allow(clippy::cast_precision_loss)]
fn rate(samples: &[(Timestamp, Lsn)]) -> Option<f64> {
    let (first, last) = (samples.first()?, samples.last()?);
    let seconds = since(first.0, last.0).as_secs_f64();
    (seconds > 1.0).then(|| last.1.ahead_of(first.1).0 as f64 / seconds)
}
