//! Deployments and DaemonSets: ReplicaSets, pods, and what they report. Pure. A rollout keeps the old pods until the new
//! ones are ready, as the default strategy does.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    super::kube::{Kind, ObjectKey, clock},
    budget::is_ready,
    change::Change,
    json::{label, mark, name, namespace, number, owner, owner_uid, text},
    names::fnv32a,
};

const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const HASH: &str = "pod-template-hash";

/// A short name made of a seed: the same seed, the same name.
pub fn suffix(seed: &str, length: usize) -> String {
    let mut hash = u64::from(fnv32a(seed)) << 32 | u64::from(fnv32a(&format!("{seed}.")));
    (0..length)
        .map(|_| {
            let at = usize::try_from(hash % 27).unwrap_or(0);
            hash /= 27;
            char::from(ALPHABET[at % ALPHABET.len()])
        })
        .collect()
}

fn integer(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Pods that count: not on their way out, not ended.
fn live(pod: &&Value) -> bool {
    pod["metadata"].get("deletionTimestamp").is_none()
        && !matches!(text(&pod["status"]["phase"]), "Succeeded" | "Failed")
}

/// One step of a Deployment, given the ReplicaSets and pods of its namespace.
pub fn deployment(deployment: &Value, sets: &[Value], pods: &[Value], now: Timestamp) -> Vec<Change> {
    let mut changes = Vec::new();
    let wanted = number(&deployment["spec"]["replicas"]).unwrap_or(1).max(0);
    let hash = suffix(&deployment["spec"]["template"].to_string(), 10);
    let uid = text(&deployment["metadata"]["uid"]);
    let own: Vec<&Value> = sets.iter().filter(|set| owner_uid(set) == uid).collect();
    let of = |set: &Value| -> Vec<&Value> {
        let uid = text(&set["metadata"]["uid"]).to_owned();
        pods.iter().filter(move |pod| owner_uid(pod) == uid).filter(live).collect()
    };
    let current = own.iter().find(|set| label(set, HASH) == hash);
    let Some(current) = current else {
        changes.push(Change::Create(Kind::ReplicaSet, replica_set(deployment, &hash, wanted)));
        return changes;
    };
    let ready = of(current).iter().filter(|pod| is_ready(pod)).count();
    let mut totals = (0, 0, 0);
    for set in &own {
        let is_current = label(set, HASH) == hash;
        let target = if is_current {
            wanted
        } else if integer(ready) >= wanted {
            0
        } else {
            number(&set["spec"]["replicas"]).unwrap_or(0).min(wanted)
        };
        let (running, set_changes) = replica_step(set, target, &of(set), deployment, now);
        changes.extend(set_changes);
        let ready = running.iter().filter(|pod| is_ready(pod)).count();
        totals.0 += integer(running.len());
        totals.1 += integer(ready);
        if is_current {
            totals.2 += integer(running.len());
        }
    }
    changes.extend(deployment_status(deployment, wanted, totals, now));
    changes
}

fn replica_set(deployment: &Value, hash: &str, replicas: i64) -> Value {
    let mut template = deployment["spec"]["template"].clone();
    if template["metadata"].is_object() {
        mark(&mut template, "labels", HASH, hash);
    } else {
        template["metadata"] = json!({"labels": {HASH: hash}});
    }
    let mut selector = deployment["spec"]["selector"].clone();
    if selector["matchLabels"].is_object() {
        selector["matchLabels"][HASH] = hash.into();
    }
    json!({"metadata": {"name": format!("{}-{hash}", name(deployment)), "namespace": namespace(deployment),
            "labels": template["metadata"]["labels"], "ownerReferences": owner(Kind::Deployment, deployment),
            "annotations": {"deployment.kubernetes.io/desired-replicas": replicas.to_string()}},
        "spec": {"replicas": replicas, "selector": selector, "template": template},
        "status": {"replicas": 0}})
}

/// Brings a ReplicaSet to its target. Answers the pods that stay, and the changes.
fn replica_step<'p>(
    set: &Value,
    target: i64,
    pods: &[&'p Value],
    deployment: &Value,
    now: Timestamp,
) -> (Vec<&'p Value>, Vec<Change>) {
    let mut changes = Vec::new();
    let target_count = usize::try_from(target).unwrap_or(0);
    let mut sorted: Vec<&Value> = pods.to_vec();
    // The unready and the youngest go first.
    sorted.sort_by_key(|pod| (!is_ready(pod), text(&pod["metadata"]["creationTimestamp"]).to_owned()));
    let surplus = sorted.split_off(sorted.len().min(target_count));
    changes.extend(surplus.iter().map(|pod| Change::Stop(ObjectKey::new(namespace(pod), name(pod)))));
    for number in sorted.len()..target_count {
        changes.push(Change::Create(Kind::Pod, pod(set, deployment, number, now)));
    }
    let ready = integer(sorted.iter().filter(|pod| is_ready(pod)).count());
    let mut after = set.clone();
    after["spec"]["replicas"] = json!(target);
    after["status"] = json!({"replicas": sorted.len(), "fullyLabeledReplicas": sorted.len(), "readyReplicas": ready,
        "availableReplicas": ready, "observedGeneration": set["metadata"]["generation"]});
    if after != *set {
        changes.push(Change::Replace(Kind::ReplicaSet, after));
    }
    (sorted, changes)
}

fn pod(set: &Value, deployment: &Value, number: usize, now: Timestamp) -> Value {
    let template = &set["spec"]["template"];
    let seed = format!("{}{number}{}", text(&set["metadata"]["uid"]), now.as_nanosecond());
    let mut spec = template["spec"].clone();
    for (field, value) in [
        ("restartPolicy", json!("Always")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("schedulerName", json!("default-scheduler")),
    ] {
        if spec[field].is_null() {
            spec[field] = value;
        }
    }
    json!({"metadata": {"name": format!("{}-{}", name(set), suffix(&seed, 5)),
            "generateName": format!("{}-", name(set)), "namespace": namespace(deployment),
            "labels": template["metadata"]["labels"],
            "annotations": template["metadata"]["annotations"].as_object().cloned().unwrap_or_default(),
            "ownerReferences": owner(Kind::ReplicaSet, set)},
        "spec": spec, "status": {"phase": "Pending", "qosClass": "BestEffort"}})
}

fn deployment_status(deployment: &Value, wanted: i64, totals: (i64, i64, i64), now: Timestamp) -> Option<Change> {
    let (replicas, ready, updated) = totals;
    let old = &deployment["status"];
    let condition = |kind: &str, status: bool, reason: &str| {
        let state = if status { "True" } else { "False" };
        let known =
            super::json::items(&old["conditions"]).iter().find(|one| one["type"] == kind && one["status"] == state);
        let since = known.map_or_else(|| clock::seconds(now).into(), |known| known["lastTransitionTime"].clone());
        json!({"type": kind, "status": state, "reason": reason, "message": "", "lastTransitionTime": since,
            "lastUpdateTime": since})
    };
    let available = ready >= wanted;
    let mut status = json!({"observedGeneration": deployment["metadata"]["generation"],
        "conditions": [
            condition("Available", available,
                if available { "MinimumReplicasAvailable" } else { "MinimumReplicasUnavailable" }),
            condition("Progressing", true, "NewReplicaSetAvailable")]});
    // Zeros are left out, as Go leaves them out.
    for (field, count) in [
        ("replicas", replicas),
        ("updatedReplicas", updated),
        ("readyReplicas", ready),
        ("availableReplicas", ready),
        ("unavailableReplicas", (wanted - ready).max(0)),
    ] {
        if count > 0 {
            status[field] = json!(count);
        }
    }
    if *old == status {
        return None;
    }
    let mut after = deployment.clone();
    after["status"] = status;
    Some(Change::Replace(Kind::Deployment, after))
}

/// One step of a DaemonSet: a pod on every node, cordoned or not.
pub fn daemon_set(set: &Value, nodes: &[Value], pods: &[Value], now: Timestamp) -> Vec<Change> {
    let uid = text(&set["metadata"]["uid"]);
    let own: Vec<&Value> = pods.iter().filter(|pod| owner_uid(pod) == uid).filter(live).collect();
    let mut changes = Vec::new();
    for node in nodes.iter().map(name) {
        if own.iter().any(|pod| pod["spec"]["nodeName"] == node) {
            continue;
        }
        let template = &set["spec"]["template"];
        let mut spec = template["spec"].clone();
        spec["nodeName"] = node.into();
        spec["restartPolicy"] = "Always".into();
        let seed = format!("{uid}{node}{}", now.as_nanosecond());
        let pod = json!({"metadata": {"name": format!("{}-{}", name(set), suffix(&seed, 5)), "namespace": namespace(set),
                "labels": template["metadata"]["labels"], "ownerReferences": owner(Kind::DaemonSet, set)},
            "spec": spec, "status": {"phase": "Pending", "qosClass": "BestEffort"}});
        changes.push(Change::Create(Kind::Pod, pod));
    }
    let ready = own.iter().filter(|pod| is_ready(pod)).count();
    let mut after = set.clone();
    after["status"] = json!({"desiredNumberScheduled": nodes.len(), "currentNumberScheduled": own.len(),
        "numberReady": ready, "numberAvailable": ready, "numberMisscheduled": 0, "updatedNumberScheduled": own.len(),
        "observedGeneration": set["metadata"]["generation"]});
    if after != *set {
        changes.push(Change::Replace(Kind::DaemonSet, after));
    }
    changes
}
