//! Nodes: making them, linking them, and their progress. Pure.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    super::{
        json::{items, text},
        names::node_id,
    },
    Call, Operation,
};

/// Whether a phase is final.
pub fn fulfilled(phase: &str) -> bool {
    matches!(phase, "Succeeded" | "Failed" | "Error" | "Skipped" | "Omitted")
}

/// Whether a phase is a failure.
pub fn failed(phase: &str) -> bool {
    matches!(phase, "Failed" | "Error")
}

impl Operation<'_> {
    pub(super) fn id(&self, node: &str) -> String {
        node_id(&self.name, node)
    }

    /// The phase of a node, empty if there is none.
    pub(super) fn node_phase(&self, id: &str) -> String {
        self.nodes.get(id).map_or_else(String::new, |node| text(&node["phase"]).to_owned())
    }

    /// Makes a node unless it exists. Answers its id.
    pub(super) fn make(&mut self, call: &Call<'_>, kind: &str, phase: &str, inputs: &[(String, String)]) -> String {
        let id = self.id(&call.name);
        if self.nodes.contains_key(&id) {
            return id;
        }
        let mut node = json!({"id": id, "name": call.name, "displayName": call.display, "type": kind, "phase": phase,
            "templateName": call.template["name"], "templateScope": format!("local/{}", self.name),
            "startedAt": self.stamp(), "finishedAt": null});
        if !call.boundary.is_empty() {
            node["boundaryID"] = call.boundary.as_str().into();
        }
        if call.retried {
            node["nodeFlag"] = json!({"retried": true});
        }
        if !inputs.is_empty() {
            let parameters: Vec<Value> =
                inputs.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
            node["inputs"] = json!({"parameters": parameters});
        }
        if fulfilled(phase) {
            node["finishedAt"] = self.stamp().into();
        }
        self.nodes.insert(id.clone(), node);
        id
    }

    /// Makes the group node of one round of parallel steps.
    pub(super) fn make_group(&mut self, name: &str, display: &str, boundary: &str) -> String {
        let id = self.id(name);
        if !self.nodes.contains_key(&id) {
            let node = json!({"id": id, "name": name, "displayName": display, "type": "StepGroup", "phase": "Running",
                "templateScope": format!("local/{}", self.name), "boundaryID": boundary, "nodeFlag": {},
                "startedAt": self.stamp(), "finishedAt": null});
            self.nodes.insert(id.clone(), node);
        }
        id
    }

    /// Makes a node that has failed before it began, or fails the one there is.
    pub(super) fn fail_node(&mut self, call: &Call<'_>, phase: &str, message: &str) -> String {
        let kind = if call.boundary.is_empty() { "Pod" } else { "Skipped" };
        let id = self.make(call, kind, phase, &[]);
        self.settle(&id, phase, message);
        phase.to_owned()
    }

    /// Sets a node's phase and message; a final phase also sets its end.
    pub(super) fn settle(&mut self, id: &str, phase: &str, message: &str) {
        let stamp = self.stamp();
        let Some(node) = self.nodes.get_mut(id) else { return };
        node["phase"] = phase.into();
        if message.is_empty() {
            if let Some(fields) = node.as_object_mut() {
                fields.remove("message");
            }
        } else {
            node["message"] = message.into();
        }
        if fulfilled(phase) && node["finishedAt"].is_null() {
            node["finishedAt"] = stamp.into();
        }
    }

    /// Makes `child` a child of `parent`.
    pub(super) fn link(&mut self, parent: &str, child: &str) {
        let Some(node) = self.nodes.get_mut(parent) else { return };
        if !items(&node["children"]).iter().any(|one| one == child) {
            match node["children"].as_array_mut() {
                Some(children) => children.push(child.into()),
                None => node["children"] = json!([child]),
            }
        }
    }

    /// The nodes after which whatever follows this one hangs.
    pub(super) fn outbound(&self, id: &str) -> Vec<String> {
        let Some(node) = self.nodes.get(id) else { return Vec::new() };
        match text(&node["type"]) {
            "Retry" => match items(&node["children"]).last() {
                Some(last) => self.outbound(text(last)),
                None => vec![id.to_owned()],
            },
            "Steps" | "DAG" => {
                let outbound = items(&node["outboundNodes"]);
                if outbound.is_empty() {
                    vec![id.to_owned()]
                } else {
                    outbound.iter().map(|one| text(one).to_owned()).collect()
                }
            }
            _ => vec![id.to_owned()],
        }
    }

    pub(super) fn set_outbound(&mut self, id: &str, of: &[String]) {
        let outbound: Vec<String> = of.iter().flat_map(|one| self.outbound(one)).collect();
        if let Some(node) = self.nodes.get_mut(id).filter(|_| !outbound.is_empty()) {
            node["outboundNodes"] = json!(outbound);
        }
    }

    /// The progress of every node and of the workflow: pods done of pods known, over everything that follows the node.
    pub(super) fn write_progress(&mut self) {
        let ids: Vec<String> = self.nodes.keys().cloned().collect();
        for id in &ids {
            let (done, all) = self.progress(id);
            if let Some(node) = self.nodes.get_mut(id).filter(|_| all > 0) {
                node["progress"] = format!("{done}/{all}").into();
            }
        }
        let pods = self.nodes.values().filter(|node| node["type"] == "Pod");
        let (done, all) =
            pods.fold((0, 0), |(done, all), pod| (done + i64::from(pod["phase"] == "Succeeded"), all + 1));
        if all > 0 {
            self.workflow["status"]["progress"] = format!("{done}/{all}").into();
        }
    }

    fn progress(&self, root: &str) -> (u32, u32) {
        let (mut seen, mut open, mut sum) = (BTreeSet::from([root]), vec![root], (0, 0));
        // A pod counts itself only, whatever hangs below it.
        let single = self.nodes.get(root).is_some_and(|node| node["type"] == "Pod");
        while let Some(id) = open.pop() {
            let Some(node) = self.nodes.get(id) else { continue };
            if node["type"] == "Pod" {
                sum = (sum.0 + u32::from(node["phase"] == "Succeeded"), sum.1 + 1);
            }
            if single {
                break;
            }
            for child in items(&node["children"]).iter().filter_map(Value::as_str) {
                if seen.insert(child) {
                    open.push(child);
                }
            }
        }
        sum
    }
}
