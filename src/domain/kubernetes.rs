//! What a Kubernetes API server tells about a region, apart from Argo's own kinds.

use super::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where an object stands in its cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    /// Namespace; empty for cluster-wide kinds.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl ObjectKey {
    /// Makes a key.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> ObjectKey {
        ObjectKey { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}

/// Who a cluster is and who it takes us for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterIdentity {
    /// UID of the namespace kube-system: the usual stand-in for a cluster's identity, which has none of its own.
    pub cluster_uid: String,
    /// `gitVersion` of the server without its `v`.
    pub version: String,
    /// Our user name as the server knows it (SelfSubjectReview). None where it would not say.
    pub user: Option<String>,
}

/// A node, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRow {
    /// Condition Ready is True.
    pub ready: bool,
    /// `spec.unschedulable`.
    pub cordoned: bool,
    /// Allocatable CPU in thousandths of a core.
    pub cpu_millis: u64,
}

/// How many nodes are what. Ready and cordoned are two matters: a cordoned node is Ready, runs what it runs, and takes
/// nothing new.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeCounts {
    /// All.
    pub total: usize,
    /// Condition Ready is True, cordoned or not: what `kubectl get nodes` calls Ready.
    pub ready: usize,
    /// Cordoned, ready or not.
    pub cordoned: usize,
    /// Ready and not cordoned: what new pods can be put on.
    pub schedulable: usize,
}

impl NodeCounts {
    /// Counts them.
    pub fn of<'a>(nodes: impl IntoIterator<Item = &'a NodeRow>) -> NodeCounts {
        nodes.into_iter().fold(NodeCounts::default(), |counts, node| NodeCounts {
            total: counts.total + 1,
            ready: counts.ready + usize::from(node.ready),
            cordoned: counts.cordoned + usize::from(node.cordoned),
            schedulable: counts.schedulable + usize::from(node.ready && !node.cordoned),
        })
    }
}

impl fmt::Display for NodeCounts {
    /// `6 of 6 ready, 1 cordoned`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} ready", self.ready, self.total)?;
        if self.cordoned > 0 { write!(f, ", {} cordoned", self.cordoned) } else { Ok(()) }
    }
}

/// The Deployment of a workflow controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControllerDeployment {
    /// Namespace and name.
    pub key: ObjectKey,
    /// UID, the precondition of every change.
    pub uid: String,
    /// `spec.replicas`.
    pub wanted: u32,
    /// `status.readyReplicas`.
    pub ready: u32,
    /// Version read from the image's tag, without a leading `v`; None when the image has no tag.
    pub version: Option<String>,
}

/// A pod of a workflow controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControllerPod {
    /// Pod name.
    pub name: String,
    /// Condition Ready is True.
    pub ready: bool,
    /// It has a deletion timestamp.
    pub terminating: bool,
    /// Restarts of its container.
    pub restarts: u32,
    /// Why its container waits, such as `CrashLoopBackOff`.
    pub waiting: Option<String>,
    /// What its container last ended with: reason, exit code and the first line of its message.
    pub last_end: Option<String>,
}

/// A Lease of coordination.k8s.io, as far as an election or a lock uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRow {
    /// `spec.holderIdentity`; None or empty: nobody holds it.
    pub holder: Option<String>,
    /// `spec.leaseDurationSeconds`.
    pub duration_seconds: u32,
    /// `spec.renewTime`, by the holder's clock; only ever compared with itself.
    pub renewed: Option<Timestamp>,
    /// When we first saw this `renewTime`, by our clock: the only age that means something across machines.
    pub seen_unchanged_since: Timestamp,
    /// `spec.leaseTransitions`.
    pub transitions: u32,
}

impl LeaseRow {
    /// Somebody holds it and has renewed it within its duration, by our own clock.
    #[must_use]
    pub fn living_holder(&self, now: Timestamp) -> Option<&str> {
        let silent = super::since(self.seen_unchanged_since, now).as_secs();
        match &self.holder {
            Some(holder) if !holder.is_empty() && silent < u64::from(self.duration_seconds) => Some(holder),
            _ => None,
        }
    }
}

/// The workflow controllers of a region: every Deployment, pod and the election, in the controller's namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controllers {
    /// Deployments with a workflow controller's labels.
    pub deployments: Vec<ControllerDeployment>,
    /// Pods with a workflow controller's labels, finished ones left out.
    pub pods: Vec<ControllerPod>,
    /// The election's Lease. None: there is none, as with Helm's single replica (LEADER_ELECTION_DISABLE).
    pub leader: Option<LeaseRow>,
    /// Ready and wanted pods of the Argo Server, where there is one.
    pub argo_server: Option<(u32, u32)>,
}

impl Controllers {
    /// Replicas wanted over all Deployments.
    #[must_use]
    pub fn wanted(&self) -> u32 {
        self.deployments.iter().map(|d| d.wanted).sum()
    }

    /// Ready pods over all Deployments.
    #[must_use]
    pub fn ready(&self) -> u32 {
        self.deployments.iter().map(|d| d.ready).sum()
    }

    /// The pod that leads: holder of a living Lease *and* ready. A crash-looping controller renews its Lease at every
    /// restart, so a fresh Lease alone proves nothing (measured on 3.7.4).
    #[must_use]
    pub fn leader(&self, now: Timestamp) -> Option<&ControllerPod> {
        match &self.leader {
            Some(lease) => {
                let holder = lease.living_holder(now)?;
                self.pods.iter().find(|pod| pod.name == holder && pod.ready && !pod.terminating)
            }
            None => match self.pods.iter().filter(|pod| pod.ready && !pod.terminating).collect::<Vec<_>>()[..] {
                [only] => Some(only),
                _ => None,
            },
        }
    }

    /// Nothing wanted and nothing there, terminating pods included: a terminating controller still acts.
    #[must_use]
    pub fn gone(&self) -> bool {
        // Pods may carry other labels than we look for; then their Deployment still counts them.
        self.wanted() == 0 && self.pods.is_empty() && self.ready() == 0
    }
}

/// Not a verb of Kubernetes: the namespace itself, which has to be there. A right in one that is not there is granted all
/// the same.
pub const FIND: &str = "find";

/// A right that a playbook needs, and whether the server grants it (SelfSubjectAccessReview).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Right {
    /// Verb, such as `patch`.
    pub verb: String,
    /// Group and resource, such as `deployments.apps/scale`.
    pub resource: String,
    /// Namespace asked for; empty: all.
    pub namespace: String,
    /// The server's answer.
    pub allowed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_cordoned_node_is_ready_and_takes_nothing_new() {
        let node = |ready, cordoned| NodeRow { ready, cordoned, cpu_millis: 1000 };
        let nodes = [node(true, false), node(true, true), node(false, true), node(false, false)];
        let counts = NodeCounts::of(&nodes);
        assert_eq!(counts, NodeCounts { total: 4, ready: 2, cordoned: 2, schedulable: 1 });
        assert_eq!(counts.to_string(), "2 of 4 ready, 2 cordoned");
        assert_eq!(NodeCounts::of(&nodes[..1]).to_string(), "1 of 1 ready");
    }

    fn pod(name: &str, ready: bool) -> ControllerPod {
        ControllerPod { name: name.into(), ready, terminating: false, restarts: 0, waiting: None, last_end: None }
    }

    fn lease(holder: &str) -> LeaseRow {
        LeaseRow {
            holder: Some(holder.into()),
            duration_seconds: 15,
            renewed: None,
            seen_unchanged_since: at(100),
            transitions: 0,
        }
    }

    #[test]
    fn a_leader_holds_a_living_lease_and_is_ready() {
        let cases = [
            (Some(lease("a")), vec![pod("a", true)], 110, Some("a")),
            (Some(lease("a")), vec![pod("a", false)], 110, None),
            (Some(lease("a")), vec![pod("a", true)], 115, None),
            (Some(lease("gone")), vec![pod("a", true)], 110, None),
            (Some(lease("")), vec![pod("a", true)], 110, None),
            (None, vec![pod("a", true)], 110, Some("a")),
            (None, vec![pod("a", true), pod("b", true)], 110, None),
        ];
        for (leader, pods, now, expected) in cases {
            let controllers = Controllers { leader, pods, ..Controllers::default() };
            assert_eq!(controllers.leader(at(now)).map(|p| p.name.as_str()), expected, "{controllers:?}");
        }
    }
}
