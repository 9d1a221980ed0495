//! Deployments and DaemonSets: ReplicaSets, pods, and what they report. Pure. A rollout keeps the old pods until the new
//! ones are ready, as the default strategy does.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    super::kube::{Kind, ObjectKey, clock},
    budget::is_ready,
    change::Change,
    json::{annotation, label, mark, name, namespace, number, owner, owner_uid, text},
    names::fnv32a,
};

const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const HASH: &str = "pod-template-hash";
/// Which template in turn it is: `kubectl rollout` reads it.
const REVISION: &str = "deployment.kubernetes.io/revision";

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
    let newest = own.iter().map(|set| revision(set)).max().unwrap_or(0);
    let Some(current) = current else {
        changes.push(Change::Create(Kind::ReplicaSet, replica_set(deployment, &hash, wanted, newest + 1)));
        return changes;
    };
    // An old template that is wanted again is a new revision.
    let revision = if revision(current) == newest { newest } else { newest + 1 };
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
        let turn = is_current.then_some(revision);
        let (running, set_changes) = replica_step(set, (target, turn), &of(set), deployment, now);
        changes.extend(set_changes);
        let ready = running.iter().filter(|pod| is_ready(pod)).count();
        totals.0 += integer(running.len());
        totals.1 += integer(ready);
        if is_current {
            totals.2 += integer(running.len());
        }
    }
    changes.extend(deployment_status(deployment, wanted, totals, revision, now));
    changes
}

/// Of a ReplicaSet; zero: it has none.
fn revision(set: &Value) -> i64 {
    annotation(set, REVISION).parse().unwrap_or(0)
}

fn replica_set(deployment: &Value, hash: &str, replicas: i64, revision: i64) -> Value {
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
            "annotations": {"deployment.kubernetes.io/desired-replicas": replicas.to_string(), REVISION: revision.to_string()}},
        "spec": {"replicas": replicas, "selector": selector, "template": template},
        "status": {"replicas": 0}})
}

/// Brings a ReplicaSet to its target, and to its revision when that is to be another one. Answers the pods that stay, and the changes.
fn replica_step<'p>(
    set: &Value,
    (target, turn): (i64, Option<i64>),
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
    if let Some(turn) = turn {
        mark(&mut after, "annotations", REVISION, &turn.to_string());
    }
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

fn deployment_status(
    deployment: &Value,
    wanted: i64,
    totals: (i64, i64, i64),
    revision: i64,
    now: Timestamp,
) -> Option<Change> {
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
    let revision = revision.to_string();
    if *old == status && annotation(deployment, REVISION) == revision {
        return None;
    }
    let mut after = deployment.clone();
    mark(&mut after, "annotations", REVISION, &revision);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What `kubectl rollout history` and `undo` read: each template is a revision, and an old one that comes back a new.
    #[test]
    fn revisions_count_templates_in_turn() {
        let mut of = json!({"metadata": {"name": "d", "namespace": "ml", "uid": "u"}, "spec": {"replicas": 1,
            "selector": {"matchLabels": {"app": "d"}},
            "template": {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": "one"}]}}}});
        let mut sets: Vec<Value> = Vec::new();
        for (image, sizes, expected) in [("one", 1, "1"), ("two", 2, "2"), ("one", 2, "3"), ("one", 2, "3")] {
            of["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();
            // The first step makes a ReplicaSet where one is missing, the second one reports.
            for _ in 0..2 {
                for change in deployment(&of, &sets, &[], Timestamp::UNIX_EPOCH) {
                    match change {
                        Change::Create(Kind::ReplicaSet, mut set) => {
                            set["metadata"]["uid"] = name(&set).into();
                            sets.push(set);
                        }
                        Change::Replace(Kind::ReplicaSet, after) => {
                            sets.retain(|set| name(set) != name(&after));
                            sets.push(after);
                        }
                        Change::Replace(Kind::Deployment, after) => of = after,
                        _ => {}
                    }
                }
            }
            assert_eq!((sets.len(), annotation(&of, REVISION)), (sizes, expected), "{image}");
        }
        let mut shown: Vec<i64> = sets.iter().map(revision).collect();
        shown.sort_unstable();
        assert_eq!(shown, [2, 3]);
    }
}
