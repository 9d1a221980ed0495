//! What a workflow controller's `/metrics` tells, by the names of every generation.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

use super::Timestamp;

/// One scrape. None: that generation of the controller does not export it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricsSample {
    /// `argo_workflows_is_leader` (3.6 and newer).
    pub is_leader: Option<bool>,
    /// Runs in the cluster by phase: `argo_workflows_gauge{phase|status}` or `argo_workflows_count{status}`.
    pub runs_by_phase: BTreeMap<String, f64>,
    /// Depth of `workflow_queue`.
    pub queue_depth: Option<f64>,
    /// Busy workers over all kinds.
    pub workers_busy: Option<f64>,
    /// `argo_workflows_error_count` over all causes, a counter.
    pub errors_total: Option<f64>,
    /// Requests to the Kubernetes API, a counter.
    pub k8s_requests_total: Option<f64>,
    /// Requests to the Kubernetes API that ended with 4xx or 5xx, a counter.
    pub k8s_failures_total: Option<f64>,
    /// Logged messages of level error, a counter.
    pub log_errors_total: Option<f64>,
    /// Version the controller says it has.
    pub version: Option<String>,
    /// Sum and count of `argo_workflows_operation_duration_seconds`, counters.
    pub operation_seconds: Option<(f64, f64)>,
}

/// A bounded series of points for a chart, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    points: VecDeque<(Timestamp, f64)>,
    points_max: usize,
}

impl Series {
    /// A series that keeps the newest `points_max` points.
    #[must_use]
    pub fn new(points_max: usize) -> Series {
        Series { points: VecDeque::new(), points_max }
    }

    /// Adds a point and drops the oldest over the bound.
    pub fn push(&mut self, at: Timestamp, value: f64) {
        if self.points.len() >= self.points_max {
            self.points.pop_front();
        }
        self.points.push_back((at, value));
    }

    /// The points, oldest first.
    pub fn points(&self) -> impl ExactSizeIterator<Item = (Timestamp, f64)> + '_ {
        self.points.iter().copied()
    }

    /// The newest point.
    #[must_use]
    pub fn last(&self) -> Option<(Timestamp, f64)> {
        self.points.back().copied()
    }

    /// Largest value.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        self.points.iter().map(|p| p.1).reduce(f64::max)
    }
}
