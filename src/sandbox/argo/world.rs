//! What changed since the last look, and what has to be looked at when: the informers and work queues of the simulated
//! control plane. Reads the store, writes nothing. It keeps keys and times only; objects are read when their turn comes,
//! so that 20,000 finished workflows cost nothing here.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    super::kube::{Change, Event, Kind, ObjectKey, Store, Stored},
    json::text,
    operate::{ARGO, COMPLETED, WORKFLOW},
    timing::{Timing, after},
};

/// An unfinished workflow in the controller's queue.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    /// When to look at it.
    pub due: Timestamp,
    /// When it was looked at last.
    pub last: Timestamp,
    /// The revision that the controller itself wrote.
    pub own: u64,
}

/// The queues.
#[derive(Debug)]
pub struct World {
    store: Store,
    seen: u64,
    /// Pods to look at, and when.
    pub pods: BTreeMap<ObjectKey, Timestamp>,
    /// The pods of each workflow.
    pub pods_of: BTreeMap<ObjectKey, BTreeSet<ObjectKey>>,
    /// Where each pod runs.
    pub hosts: BTreeMap<ObjectKey, String>,
    /// Unfinished workflows.
    pub open: BTreeMap<ObjectKey, Open>,
    /// Workflows and crons that were deleted: what they own has to go.
    pub orphaned: Vec<(Kind, ObjectKey)>,
    /// Something changed that Deployments, DaemonSets and budgets depend on.
    pub services: bool,
    /// A node changed.
    pub nodes: bool,
    /// A cron changed.
    pub crons: bool,
}

/// Events read at once.
const BATCH: usize = 1024;

impl World {
    /// Everything is to be looked at.
    pub fn new(store: Store, now: Timestamp) -> Self {
        let mut world = Self {
            store,
            seen: 0,
            pods: BTreeMap::new(),
            pods_of: BTreeMap::new(),
            hosts: BTreeMap::new(),
            open: BTreeMap::new(),
            orphaned: Vec::new(),
            services: true,
            nodes: true,
            crons: true,
        };
        world.relist(now);
        world
    }

    /// The objects.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Reads what changed.
    pub fn refresh(&mut self, now: Timestamp, timing: &Timing) {
        loop {
            let Ok(events) = self.store.since(self.seen, BATCH) else {
                self.relist(now);
                return;
            };
            if events.is_empty() {
                return;
            }
            for event in &events {
                self.seen = event.revision;
                self.note(event, now, timing);
            }
        }
    }

    fn relist(&mut self, now: Timestamp) {
        self.pods.clear();
        self.pods_of.clear();
        self.hosts.clear();
        self.open.clear();
        // The revision first: what changes between the two is seen twice, which does no harm.
        self.seen = self.store.revision();
        for pod in self.store.list(Kind::Pod, None).items {
            self.index(&pod, now);
        }
        for workflow in self.store.list(Kind::Workflow, None).items {
            if ours(&workflow) {
                self.open.insert(workflow.key.clone(), Open { due: now, last: Timestamp::MIN, own: 0 });
            }
        }
        (self.services, self.nodes, self.crons) = (true, true, true);
    }

    fn index(&mut self, pod: &Stored, now: Timestamp) {
        self.pods.insert(pod.key.clone(), now);
        let object = pod.value();
        match text(&object["spec"]["nodeName"]) {
            "" => self.hosts.remove(&pod.key),
            host => self.hosts.insert(pod.key.clone(), host.to_owned()),
        };
        if let Some(workflow) = pod.label(WORKFLOW) {
            self.pods_of.entry(ObjectKey::new(pod.namespace(), workflow)).or_default().insert(pod.key.clone());
        }
    }

    fn note(&mut self, event: &Event, now: Timestamp, timing: &Timing) {
        let object = &event.object;
        let gone = event.change == Change::Deleted;
        match object.kind {
            Kind::Pod => self.note_pod(object, gone, now, timing),
            Kind::Workflow if gone => {
                self.open.remove(&object.key);
                self.orphaned.push((Kind::Workflow, object.key.clone()));
            }
            Kind::Workflow if ours(object) => {
                let entry = self.open.entry(object.key.clone());
                let open = entry.or_insert(Open { due: now, last: Timestamp::MIN, own: 0 });
                if open.own != object.revision {
                    open.due = now;
                }
            }
            Kind::Workflow => {
                self.open.remove(&object.key);
            }
            Kind::CronWorkflow => {
                self.crons = true;
                if gone {
                    self.orphaned.push((Kind::CronWorkflow, object.key.clone()));
                }
            }
            Kind::Node => (self.nodes, self.services) = (true, true),
            Kind::Deployment | Kind::ReplicaSet | Kind::DaemonSet | Kind::PodDisruptionBudget => self.services = true,
            _ => {}
        }
    }

    fn note_pod(&mut self, pod: &Stored, gone: bool, now: Timestamp, timing: &Timing) {
        let workflow = pod.label(WORKFLOW).map(|workflow| ObjectKey::new(pod.namespace(), workflow));
        if gone {
            self.pods.remove(&pod.key);
            self.hosts.remove(&pod.key);
            if let Some(of) = workflow.as_ref().and_then(|workflow| self.pods_of.get_mut(workflow)) {
                of.remove(&pod.key);
            }
        } else {
            self.index(pod, now);
        }
        match workflow {
            None => self.services = true,
            Some(workflow) => {
                if self.pods_of.get(&workflow).is_some_and(BTreeSet::is_empty) {
                    self.pods_of.remove(&workflow);
                }
                if let Some(open) = self.open.get_mut(&workflow) {
                    // DEFAULT_REQUEUE_TIME: a controller looks at a workflow at most every ten seconds for its pods.
                    let soonest = after(open.last, timing.scaled(10.0)).max(now);
                    open.due = open.due.min(soonest);
                }
            }
        }
    }

    /// How many pods run on each node.
    pub fn load(&self) -> BTreeMap<&str, usize> {
        let mut load = BTreeMap::new();
        for host in self.hosts.values() {
            *load.entry(host.as_str()).or_default() += 1;
        }
        load
    }
}

/// Whether the controller has to do with a workflow: unfinished, and of no other instance.
fn ours(workflow: &Stored) -> bool {
    workflow.label(COMPLETED) != Some("true") && workflow.label(&format!("{ARGO}/controller-instanceid")).is_none()
}
