//! Workflow runs: rows of the list, and the node tree of the one that is open.

use super::Timestamp;
use super::kubernetes::ObjectKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Phase of a run or a node. Source: argo-workflows `pkg/apis/workflow/v1alpha1/workflow_types.go`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// No phase yet: no controller has looked at it.
    #[serde(rename = "")]
    New,
    /// Waits for something: a lock, a parallelism limit, a pod.
    Pending,
    /// At work.
    Running,
    /// Ended well.
    Succeeded,
    /// Left out (nodes only).
    Skipped,
    /// Ended badly by its own doing.
    Failed,
    /// Ended badly by something outside it.
    Error,
    /// Never to be run (nodes only).
    Omitted,
}

impl Phase {
    /// Reads Argo's word; a word not known counts as [`Phase::New`], which claims nothing.
    #[must_use]
    pub fn read(word: &str) -> Phase {
        match word {
            "Pending" => Phase::Pending,
            "Running" => Phase::Running,
            "Succeeded" => Phase::Succeeded,
            "Skipped" => Phase::Skipped,
            "Failed" => Phase::Failed,
            "Error" => Phase::Error,
            "Omitted" => Phase::Omitted,
            _ => Phase::New,
        }
    }

    /// Argo's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Phase::New => "New",
            Phase::Pending => "Pending",
            Phase::Running => "Running",
            Phase::Succeeded => "Succeeded",
            Phase::Skipped => "Skipped",
            Phase::Failed => "Failed",
            Phase::Error => "Error",
            Phase::Omitted => "Omitted",
        }
    }

    /// It will not change any more.
    #[must_use]
    pub fn finished(self) -> bool {
        !matches!(self, Phase::New | Phase::Pending | Phase::Running)
    }
}

/// Whether a finished run is in the database. Source: label `workflows.argoproj.io/workflow-archiving-status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Archiving {
    /// No label: not to be archived, or not finished.
    None,
    /// To be archived, and not yet done.
    Pending,
    /// The controller says it is in the database.
    Archived,
}

/// One run in the list. Its key stands beside it in the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRow {
    /// UID.
    pub uid: String,
    /// Phase.
    pub phase: Phase,
    /// `metadata.creationTimestamp`, by the server's clock.
    pub created: Timestamp,
    /// `status.message`, cleaned and bounded.
    pub message: String,
    /// Whether it is archived.
    pub archiving: Archiving,
    /// Template it was made from: its label, or empty.
    pub template: String,
    /// CronWorkflow that made it: its label, or empty.
    pub cron: String,
    /// What a GET of the run told; only for unfinished ones, see [`RunDetail`].
    #[serde(default)]
    pub detail: Option<RunDetail>,
}

/// What the list lacks, read from the run itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunDetail {
    /// `status.progress`, such as `14/22`; empty before the first.
    pub progress: String,
    /// `status.startedAt`.
    pub started: Option<Timestamp>,
    /// `spec.suspend`.
    pub suspended: bool,
    /// Arguments' parameters, name and value, bounded and cleaned.
    pub parameters: Vec<(String, String)>,
    /// `spec.workflowTemplateRef.name`, or empty.
    pub template: String,
}

/// A node of a run. Source: argo-workflows `NodeStatus`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Id.
    pub id: String,
    /// `displayName`, cleaned.
    pub name: String,
    /// Pod, Steps, StepGroup, DAG, TaskGroup, Retry, Skipped, Suspend, HTTP, Plugin, Container.
    pub kind: String,
    /// Phase.
    pub phase: Phase,
    /// `message`, cleaned.
    pub message: String,
    /// Template it runs.
    pub template: String,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// Ids of its children, in order.
    pub children: Vec<String>,
    /// Enclosing Steps or DAG node.
    pub boundary: Option<String>,
    /// It is an attempt of a Retry node.
    pub retried: bool,
    /// It is a hook's.
    pub hooked: bool,
    /// `hostNodeName`.
    pub host: Option<String>,
    /// `outputs.exitCode`.
    pub exit_code: Option<String>,
}

/// Where the nodes of the open run are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Nodes {
    /// Here they are, by id.
    Here(BTreeMap<String, Node>),
    /// They are in the database under this version (`status.offloadNodeStatusVersion`).
    Offloaded(String),
    /// They were compressed and could not be read; why.
    Unreadable(String),
}

/// The open run, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRun {
    /// Namespace and name.
    pub key: ObjectKey,
    /// UID.
    pub uid: String,
    /// Phase.
    pub phase: Phase,
    /// Message, cleaned.
    pub message: String,
    /// When it was created.
    pub created: Timestamp,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// What the list lacks.
    pub detail: RunDetail,
    /// Its nodes.
    pub nodes: Nodes,
}

/// One line of a drawn tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeLine<'a> {
    /// For each level above: whether a later sibling follows there (a bar is drawn).
    pub bars: Vec<bool>,
    /// Last child of its parent.
    pub last: bool,
    /// The node.
    pub node: &'a Node,
    /// Attempt number from 1, for an attempt of a Retry node.
    pub attempt: Option<usize>,
    /// Drawn before under another parent (a DAG task with several); its children are not drawn again.
    pub seen: bool,
}

impl OpenRun {
    /// The tree as lines, depth first from the root, whose id is the run's name. Steps groups are drawn flat, as
    /// `argo get` does, each node once. Bounded by the number of nodes whatever the edges claim.
    #[must_use]
    pub fn tree(&self) -> Vec<TreeLine<'_>> {
        let Nodes::Here(nodes) = &self.nodes else { return Vec::new() };
        let mut walk = Walk { nodes, seen: std::collections::BTreeSet::new(), lines: Vec::new() };
        if let Some(root) = nodes.get(&self.key.name) {
            walk.node(root, &[], true, None);
        }
        // A run that is being retried or was cut short can have nodes nobody points at; they are not hidden.
        for (id, node) in nodes {
            if !walk.seen.contains(id.as_str()) && node.boundary.is_none() {
                walk.node(node, &[], true, None);
            }
        }
        walk.lines
    }
}

struct Walk<'a> {
    nodes: &'a BTreeMap<String, Node>,
    seen: std::collections::BTreeSet<&'a str>,
    lines: Vec<TreeLine<'a>>,
}

/// Deepest level drawn; deeper ones are cut. Nested templates of people stay below ten.
const DEPTH_MAX: usize = 64;

impl<'a> Walk<'a> {
    fn node(&mut self, node: &'a Node, bars: &[bool], last: bool, attempt: Option<usize>) {
        let seen = !self.seen.insert(&node.id);
        self.lines.push(TreeLine { bars: bars.to_vec(), last, node, attempt, seen });
        if seen || bars.len() >= DEPTH_MAX {
            return;
        }
        let children = self.below(node);
        let mut below = bars.to_vec();
        if !bars.is_empty() || !self.is_root(node) {
            below.push(!last);
        } else {
            below.push(false);
        }
        let count = children.len();
        for (i, child) in children.into_iter().enumerate() {
            let attempt = (node.kind == "Retry" && child.retried).then_some(i + 1);
            self.node(child, &below, i + 1 == count, attempt);
        }
    }

    fn is_root(&self, node: &Node) -> bool {
        node.boundary.is_none() && self.lines.len() == 1
    }

    /// The children to draw under a node: those inside it. A step's children in Argo's graph are the *next* step
    /// group, so inside a Steps or DAG node its whole inside is gathered by `boundaryID` in starting order.
    fn below(&self, node: &'a Node) -> Vec<&'a Node> {
        let mut inside: Vec<&Node> = match node.kind.as_str() {
            "Steps" | "DAG" => self
                .nodes
                .values()
                .filter(|n| n.boundary.as_deref() == Some(&node.id) && n.kind != "StepGroup" && !n.retried)
                .collect(),
            "Retry" => node.children.iter().filter_map(|id| self.nodes.get(id)).filter(|n| n.retried).collect(),
            _ => return Vec::new(),
        };
        if node.kind != "Retry" {
            inside.sort_by(|a, b| (a.started, &a.name).cmp(&(b.started, &b.name)));
        } else if inside.is_empty() {
            // Versions before 3.5 do not set nodeFlag.retried; attempts are then told by their name `x(0)`.
            inside = node
                .children
                .iter()
                .filter_map(|id| self.nodes.get(id))
                .filter(|n| n.name.starts_with(&node.name) && n.name.ends_with(')'))
                .collect();
        }
        inside
    }
}
