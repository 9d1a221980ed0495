//! Nodes: what they report, and what follows from a cordon. Pure.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    super::kube::{Kind, clock},
    change::Change,
    json::{items, name, text},
    names::fnv32a,
};

/// The namespace of the nodes' Leases.
pub const NODE_LEASES: &str = "kube-node-lease";

/// Node number `index` (from 0) of a region. Every third one carries GPUs.
pub fn node(region: &str, index: usize, now: Timestamp) -> Value {
    let name = format!("{region}-node-{}", index + 1);
    let zone = format!("{region}-{}", ["a", "b", "c"][index % 3]);
    let gpu = index % 3 == 2;
    let mut capacity = json!({"cpu": "16", "memory": "64Gi", "ephemeral-storage": "200Gi", "pods": "110"});
    if gpu {
        capacity["nvidia.com/gpu"] = "4".into();
    }
    let mut allocatable = capacity.clone();
    allocatable["cpu"] = "15800m".into();
    allocatable["memory"] = "60Gi".into();
    json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64", "node.kubernetes.io/instance-type":
                if gpu { "a2-highgpu-4g" } else { "n2-standard-16" },
            "topology.kubernetes.io/region": region, "topology.kubernetes.io/zone": zone}},
        "spec": {"podCIDR": format!("10.{}.{index}.0/24", fnv32a(region) % 200)},
        "status": {
            "capacity": capacity, "allocatable": allocatable,
            "conditions": conditions(now),
            "addresses": [{"type": "InternalIP", "address": format!("10.128.{}.{}", fnv32a(region) % 250, index % 250 + 2)},
                {"type": "Hostname", "address": name}],
            "nodeInfo": {"kubeletVersion": "v1.33.0", "osImage": "Container-Optimized OS from Google",
                "kernelVersion": "6.6.72+", "containerRuntimeVersion": "containerd://1.7.24", "architecture": "amd64",
                "operatingSystem": "linux", "machineID": "", "systemUUID": "", "bootID": "", "kubeProxyVersion": ""},
        },
    })
}

fn conditions(now: Timestamp) -> Value {
    let stamp = clock::seconds(now);
    let one = |kind: &str, status: &str, reason: &str| {
        json!({"type": kind, "status": status, "reason": reason, "lastHeartbeatTime": stamp,
            "lastTransitionTime": stamp, "message": ""})
    };
    json!([
        one("MemoryPressure", "False", "KubeletHasSufficientMemory"),
        one("DiskPressure", "False", "KubeletHasNoDiskPressure"),
        one("PIDPressure", "False", "KubeletHasSufficientPID"),
        one("Ready", "True", "KubeletReady"),
    ])
}

/// The Lease by which a node says that it lives.
pub fn lease(node: &str, now: Timestamp) -> Value {
    json!({"metadata": {"name": node, "namespace": NODE_LEASES},
        "spec": {"holderIdentity": node, "leaseDurationSeconds": 40, "renewTime": clock::micros(now)}})
}

/// A heartbeat in the node's conditions; a real kubelet sends one every five minutes when nothing changes.
pub fn heartbeat(node: &Value, now: Timestamp) -> Change {
    let mut node = node.clone();
    let stamp = clock::seconds(now);
    if let Some(conditions) = node["status"]["conditions"].as_array_mut() {
        for condition in conditions {
            condition["lastHeartbeatTime"] = stamp.clone().into();
        }
    }
    Change::Replace(Kind::Node, node)
}

/// The taint that the node lifecycle controller keeps in step with a cordon.
pub fn taint(node: &Value, now: Timestamp) -> Option<Change> {
    const KEY: &str = "node.kubernetes.io/unschedulable";
    let cordoned = node["spec"]["unschedulable"] == true;
    let mut taints = items(&node["spec"]["taints"]).to_vec();
    let tainted = taints.iter().any(|taint| taint["key"] == KEY);
    if cordoned == tainted {
        return None;
    }
    if cordoned {
        taints.push(json!({"key": KEY, "effect": "NoSchedule", "timeAdded": clock::seconds(now)}));
    } else {
        taints.retain(|taint| taint["key"] != KEY);
    }
    let mut node = node.clone();
    if taints.is_empty() {
        node["spec"].as_object_mut()?.remove("taints");
    } else {
        node["spec"]["taints"] = taints.into();
    }
    Some(Change::Replace(Kind::Node, node))
}

/// The node on which a pod with this selector is to run: fitting, ready, not cordoned, with the fewest pods.
pub fn choose(nodes: &[(Value, usize)], selector: &Value) -> Option<String> {
    let fits = |node: &Value| {
        selector
            .as_object()
            .is_none_or(|wanted| wanted.iter().all(|(key, value)| node["metadata"]["labels"].get(key) == Some(value)))
    };
    let ready = |node: &Value| {
        let ready = items(&node["status"]["conditions"]).iter().find(|condition| condition["type"] == "Ready");
        ready.is_some_and(|ready| ready["status"] == "True") && node["spec"]["unschedulable"] != true
    };
    let fitting = nodes.iter().filter(|(node, _)| ready(node) && fits(node));
    fitting
        .min_by_key(|(node, pods)| (*pods, text(&node["metadata"]["name"]).to_owned()))
        .map(|(node, _)| name(node).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cordon_taints_and_keeps_pods_away() {
        let now = clock::parse("2026-11-24T10:00:00Z").unwrap();
        let mut first = node("us-central1", 0, now);
        let second = node("us-central1", 1, now);
        assert!(taint(&first, now).is_none());
        let nodes = |first: &Value| vec![(first.clone(), 0), (second.clone(), 3)];
        assert_eq!(choose(&nodes(&first), &Value::Null).as_deref(), Some("us-central1-node-1"));
        first["spec"]["unschedulable"] = true.into();
        assert_eq!(choose(&nodes(&first), &Value::Null).as_deref(), Some("us-central1-node-2"));
        let Some(Change::Replace(_, tainted)) = taint(&first, now) else { panic!("tainted") };
        assert_eq!(tainted["spec"]["taints"][0]["effect"], "NoSchedule");
        let mut back = tainted;
        back["spec"]["unschedulable"] = Value::Null;
        let Some(Change::Replace(_, clean)) = taint(&back, now) else { panic!("untainted") };
        assert!(clean["spec"].get("taints").is_none());
        assert_eq!(choose(&nodes(&first), &json!({"nvidia.com/none": "x"})), None);
    }
}
