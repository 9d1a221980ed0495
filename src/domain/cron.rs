//! CronWorkflows and WorkflowTemplates.

use super::Timestamp;
use serde::{Deserialize, Serialize};

/// A CronWorkflow. Its key stands beside it in the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CronRow {
    /// UID, the precondition of every change.
    pub uid: String,
    /// `spec.suspend`.
    pub suspended: bool,
    /// `spec.schedules`, or the one `spec.schedule` of Argo 3.5 and older.
    pub schedules: Vec<String>,
    /// `spec.timezone`, or empty.
    pub timezone: String,
    /// `status.lastScheduledTime`.
    pub last_scheduled: Option<Timestamp>,
    /// `spec.startingDeadlineSeconds`: a missed run younger than that fires when its region returns.
    pub starting_deadline_seconds: Option<u64>,
}

/// A WorkflowTemplate, as far as parity between regions needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateRow {
    /// UID.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
}
