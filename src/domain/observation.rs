//! The only way in: one thing a source told us, with its time.

use super::Timestamp;
use super::cron::{CronRow, TemplateRow};
use super::database::{ArchiveFacts, DatabaseSample, OperatorRights, Promotion};
use super::dns::DnsSample;
use super::freshness::{Source, SourceError};
use super::kubernetes::{ClusterIdentity, Controllers, LeaseRow, NodeRow, ObjectKey, Right};
use super::metrics::MetricsSample;
use super::workflow::{OpenRun, RunDetail, RunRow};
use std::time::Duration;

/// One thing a source told us.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Who told.
    pub source: Source,
    /// When the answer came, by our clock.
    pub at: Timestamp,
    /// What.
    pub fact: Fact,
}

/// Kinds that are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Watched {
    /// Workflows.
    Runs,
    /// CronWorkflows.
    Crons,
    /// WorkflowTemplates and ClusterWorkflowTemplates.
    Templates,
    /// Nodes.
    Nodes,
}

impl Watched {
    /// The word on the screen.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Watched::Runs => "workflows",
            Watched::Crons => "cronworkflows",
            Watched::Templates => "workflowtemplates",
            Watched::Nodes => "nodes",
        }
    }
}

/// A change of a watched list. A relist is one `Reset`, so that what vanished meanwhile is not missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<K, V> {
    /// This is all there is.
    Reset(Vec<(K, V)>),
    /// This one is new or changed.
    Apply(K, V),
    /// This one is gone.
    Delete(K),
}

/// What was told.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// The source answered, in this time.
    Answered {
        /// How long the answer took.
        latency: Duration,
    },
    /// A try failed.
    Failed {
        /// When the try began: from then on nothing is known.
        began: Timestamp,
        /// What came back.
        error: SourceError,
    },
    /// Who the cluster is.
    Identity(ClusterIdentity),
    /// What we may do there.
    Rights(Vec<Right>),
    /// The controllers, whole.
    Controllers(Controllers),
    /// Nodes changed.
    Nodes(Change<String, NodeRow>),
    /// Runs changed.
    Runs(Change<ObjectKey, RunRow>),
    /// What the list lacks about one run.
    RunDetail {
        /// Which run.
        key: ObjectKey,
        /// Its UID, so that a namesake made since is not taken for it.
        uid: String,
        /// The detail.
        detail: RunDetail,
    },
    /// Crons changed.
    Crons(Change<ObjectKey, CronRow>),
    /// Templates changed; cluster-wide ones have an empty namespace.
    Templates(Change<ObjectKey, TemplateRow>),
    /// A watch is known to be complete up to this moment.
    WatchConfirmed(Watched),
    /// A watch cannot be had; other facts of the source may be fine.
    WatchFailed(Watched, SourceError),
    /// Namespaces the watches cover; empty: all.
    Scope(Vec<String>),
    /// The environment's lock in that region; None: no Lease there.
    Lock(Option<LeaseRow>),
    /// The opened run; None: it is gone.
    OpenRun(ObjectKey, Option<Box<OpenRun>>),
    /// One look at the database.
    Database(Box<DatabaseSample>),
    /// When the primary that answers was promoted. None: it never was, or may not say.
    Promotion(Option<Promotion>),
    /// One look at Argo's tables.
    Archive(ArchiveFacts),
    /// What the operator's database user may do, or why that cannot be told.
    Operator(Result<OperatorRights, SourceError>),
    /// One scrape. The standby's controller is off: then `None`, which is an answer.
    Metrics(Option<MetricsSample>),
    /// One look at every name server.
    Dns(DnsSample),
}
