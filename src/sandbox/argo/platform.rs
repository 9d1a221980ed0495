//! The part of the simulated control plane that every cluster has: Deployments, DaemonSets, budgets, scheduler, kubelets,
//! node heartbeats, garbage collection. Applies the pure steps to the store.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    super::kube::{Kind, ObjectKey, Stored},
    budget,
    change::{Change, apply},
    deployment,
    json::{label, name, namespace, owner_uid, text, values},
    nodes,
    operate::WORKFLOW,
    pod::{self, Container},
    timing::{Timing, after},
    world::World,
};

/// Pods looked at in one tick; the rest waits for the next.
const PODS: usize = 500;

/// The platform's own clocks.
#[derive(Debug)]
pub struct Platform {
    next_lease: Timestamp,
    next_heartbeat: Timestamp,
}

impl Platform {
    /// A platform that begins now.
    pub fn new(now: Timestamp) -> Self {
        Self { next_lease: now, next_heartbeat: now }
    }

    /// One step. `containers`: those that may be down.
    pub fn step(
        &mut self,
        world: &mut World,
        containers: &BTreeMap<ObjectKey, Container>,
        timing: &Timing,
        now: Timestamp,
    ) {
        self.nodes(world, now);
        collect_orphans(world, now);
        if std::mem::take(&mut world.services) {
            services(world, now);
        }
        pods(world, containers, timing, now);
    }

    fn nodes(&mut self, world: &mut World, now: Timestamp) {
        let store = world.store().clone();
        let list = |due: bool| if due { values(&store.list(Kind::Node, None).items) } else { Vec::new() };
        if std::mem::take(&mut world.nodes) {
            let changes = list(true).iter().filter_map(|node| nodes::taint(node, now)).collect();
            apply(&store, changes, now);
        }
        if now >= self.next_lease {
            self.next_lease = after(now, SignedDuration::from_secs(10));
            for node in list(true) {
                let lease = nodes::lease(name(&node), now);
                let known = store.get(Kind::Lease, nodes::NODE_LEASES, name(&node)).is_some();
                let change =
                    if known { Change::Replace(Kind::Lease, lease) } else { Change::Create(Kind::Lease, lease) };
                apply(&store, vec![change], now);
            }
        }
        if now >= self.next_heartbeat {
            self.next_heartbeat = after(now, SignedDuration::from_secs(300));
            let changes = list(true).iter().map(|node| nodes::heartbeat(node, now)).collect();
            apply(&store, changes, now);
        }
    }
}

/// Removes what a deleted workflow or cron owned.
fn collect_orphans(world: &mut World, now: Timestamp) {
    let store = world.store().clone();
    for (kind, key) in std::mem::take(&mut world.orphaned) {
        let changes = match kind {
            Kind::Workflow => {
                let pods = world.pods_of.get(&key);
                pods.into_iter().flatten().map(|pod| Change::Stop(pod.clone())).collect()
            }
            _ => {
                let origin = super::cron::origin_label();
                let workflows = store.list(Kind::Workflow, Some(&key.namespace)).items;
                workflows
                    .iter()
                    .filter(|workflow| workflow.label(&origin) == Some(&key.name))
                    .map(|workflow| Change::Remove(Kind::Workflow, workflow.key.clone()))
                    .collect()
            }
        };
        apply(&store, changes, now);
    }
}

fn services(world: &World, now: Timestamp) {
    let store = world.store();
    let all = store.list(Kind::Pod, None).items;
    let own: Vec<std::sync::Arc<Stored>> = all.into_iter().filter(|pod| pod.label(WORKFLOW).is_none()).collect();
    let pods = values(&own);
    let sets = values(&store.list(Kind::ReplicaSet, None).items);
    let deployments = values(&store.list(Kind::Deployment, None).items);
    let daemons = values(&store.list(Kind::DaemonSet, None).items);
    let in_namespace = |list: &[Value], of: &Value| -> Vec<Value> {
        list.iter().filter(|one| namespace(one) == namespace(of)).cloned().collect()
    };
    let mut changes = Vec::new();
    for one in &deployments {
        changes.extend(deployment::deployment(one, &in_namespace(&sets, one), &in_namespace(&pods, one), now));
    }
    let nodes = values(&store.list(Kind::Node, None).items);
    for one in &daemons {
        changes.extend(deployment::daemon_set(one, &nodes, &in_namespace(&pods, one), now));
    }
    let uid = |object: &Value| text(&object["metadata"]["uid"]).to_owned();
    let owners: Vec<String> = deployments.iter().chain(&sets).chain(&daemons).map(uid).collect();
    for (kind, list) in [(Kind::ReplicaSet, &sets), (Kind::Pod, &pods)] {
        for orphan in
            list.iter().filter(|one| !owner_uid(one).is_empty() && !owners.contains(&owner_uid(one).to_owned()))
        {
            changes.push(match kind {
                Kind::Pod if orphan["metadata"].get("deletionTimestamp").is_some() => continue,
                Kind::Pod => Change::Stop(ObjectKey::new(namespace(orphan), name(orphan))),
                kind => Change::remove(kind, orphan),
            });
        }
    }
    for one in values(&store.list(Kind::PodDisruptionBudget, None).items) {
        let guarded: Vec<_> = own.iter().filter(|pod| pod.namespace() == namespace(&one)).cloned().collect();
        changes.extend(budget::status(&one, &guarded));
    }
    apply(store, changes, now);
}

fn pods(world: &mut World, containers: &BTreeMap<ObjectKey, Container>, timing: &Timing, now: Timestamp) {
    let store = world.store().clone();
    let due: Vec<ObjectKey> =
        world.pods.iter().filter(|(_, due)| **due <= now).map(|(key, _)| key.clone()).take(PODS).collect();
    for key in due {
        let Some(object) = store.get(Kind::Pod, &key.namespace, &key.name).map(|pod| pod.value()) else {
            world.pods.remove(&key);
            continue;
        };
        let look = {
            let nodes = || {
                let load = world.load();
                let nodes = values(&store.list(Kind::Node, None).items);
                nodes
                    .into_iter()
                    .map(|node| {
                        let pods = load.get(name(&node)).copied().unwrap_or(0);
                        (node, pods)
                    })
                    .collect()
            };
            pod::look(&object, &nodes, containers.get(&key), timing, now)
        };
        world.pods.insert(key.clone(), look.next.unwrap_or(Timestamp::MAX));
        if let Some(change) = look.change {
            if let Change::Replace(_, bound) = &change
                && let Some(host) = bound["spec"]["nodeName"].as_str()
            {
                // Counted at once, so that pods scheduled in the same tick spread over the nodes.
                world.hosts.insert(key, host.to_owned());
            }
            apply(&store, vec![change], now);
        }
    }
}

/// Whether a pod is one of a workflow controller.
pub fn is_controller(pod: &Value) -> bool {
    label(pod, "app") == "workflow-controller"
}
