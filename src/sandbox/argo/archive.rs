//! The workflow archive as the controller sees it: a database that may be there, read-only, or gone. The trait only; its
//! PostgreSQL side is `postgres`.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{
    super::kube::ObjectKey,
    json::{label, name, namespace, text},
    operate::{ARGO, PHASE},
};

/// Why the archive did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// The database is in recovery or fenced: SQLSTATE 25006.
    #[error("{0} (SQLSTATE 25006)")]
    ReadOnly(String),
    /// The database cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// The database refused for another reason.
    #[error("{0}")]
    Refused(String),
}

/// One row of `argo_archived_workflows` with its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchiveRow {
    /// `clustername`.
    pub cluster: String,
    /// `instanceid`; empty without one.
    pub instance: String,
    /// `uid`.
    pub uid: String,
    /// `name`.
    pub name: String,
    /// `namespace`.
    pub namespace: String,
    /// `phase`.
    pub phase: String,
    /// `startedat`, RFC 3339.
    pub started: String,
    /// `finishedat`, RFC 3339.
    pub finished: String,
    /// `creationtimestamp`, RFC 3339.
    pub created: String,
    /// `workflow`.
    pub workflow: Value,
    /// The rows of `argo_archived_workflows_labels`.
    pub labels: BTreeMap<String, String>,
}

impl ArchiveRow {
    /// The row of a finished workflow.
    pub fn of(cluster: &str, workflow: &Value) -> Self {
        let meta = &workflow["metadata"];
        let labels = meta["labels"].as_object().map_or_else(BTreeMap::new, |labels| {
            labels.iter().map(|(key, value)| (key.clone(), text(value).to_owned())).collect()
        });
        Self {
            cluster: cluster.to_owned(),
            instance: label(workflow, &format!("{ARGO}/controller-instanceid")).to_owned(),
            uid: text(&meta["uid"]).to_owned(),
            name: name(workflow).to_owned(),
            namespace: namespace(workflow).to_owned(),
            phase: label(workflow, PHASE).to_owned(),
            started: text(&workflow["status"]["startedAt"]).to_owned(),
            finished: text(&workflow["status"]["finishedAt"]).to_owned(),
            created: text(&meta["creationTimestamp"]).to_owned(),
            workflow: workflow.clone(),
            labels,
        }
    }

    /// The workflow's key in the cluster.
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(&self.namespace, &self.name)
    }
}

/// An archive. Every call ends by itself within some seconds.
pub trait Archive: Send + Sync {
    /// What the controller does at start (`initDB`): creates the tables and writes `schema_history`. Fails on a read-only
    /// database even when nothing is left to create.
    fn migrate(&self) -> BoxFuture<'_, Result<(), ArchiveError>>;

    /// Whether the database takes writes, without leaving any.
    fn ping_write(&self) -> BoxFuture<'_, Result<(), ArchiveError>>;

    /// Stores one row in place of an older one.
    fn store(&self, row: ArchiveRow) -> BoxFuture<'_, Result<(), ArchiveError>>;
}
