//! Pods of nodes: making them, and reading what became of them. Also suspend nodes, the leaves without a pod. Pure.

use serde_json::{Value, json};

use super::{
    super::{
        super::kube::{Kind, clock},
        change::Change,
        json::{items, name, namespace, owner, text},
        names::pod_name,
        params::{Scope, substitute, value_text},
        timing::after,
    },
    COMPLETED, Call, Operation, WORKFLOW,
    nodes::fulfilled,
};

impl Operation<'_> {
    /// A leaf: one pod.
    pub(super) fn pod(&mut self, call: &Call<'_>, inputs: &[(String, String)], scope: &Scope) -> String {
        let id = self.id(&call.name);
        if self.nodes.contains_key(&id) {
            return self.node_phase(&id);
        }
        if !self.shutdown.is_empty() {
            self.make(call, "Pod", "Failed", inputs);
            let message = format!("workflow shutdown with strategy: {}", self.shutdown);
            self.settle(&id, "Failed", &message);
            return "Failed".to_owned();
        }
        self.make(call, "Pod", "Pending", inputs);
        let pod = self.pod_of(call, &id, scope);
        self.changes.push(Change::Create(Kind::Pod, pod));
        "Pending".to_owned()
    }

    fn pod_of(&self, call: &Call<'_>, id: &str, scope: &Scope) -> Value {
        let mut template = call.template.clone();
        let mut scope = scope.clone();
        let pod = pod_name(&self.name, &call.name, text(&call.template["name"]));
        scope.insert("pod.name".to_owned(), pod.clone());
        substitute(&mut template, &scope);
        let mut annotations = template["metadata"]["annotations"].clone();
        if !annotations.is_object() {
            annotations = json!({});
        }
        annotations["kubectl.kubernetes.io/default-container"] = "main".into();
        annotations["workflows.argoproj.io/node-id"] = id.into();
        annotations["workflows.argoproj.io/node-name"] = call.name.as_str().into();
        let mut labels = template["metadata"]["labels"].clone();
        if !labels.is_object() {
            labels = json!({});
        }
        labels[WORKFLOW] = self.name.as_str().into();
        labels[COMPLETED] = "false".into();
        let source = if template["container"].is_object() { &template["container"] } else { &template["script"] };
        let mut main = json!({"name": "main", "image": source["image"]});
        for field in ["command", "args", "env", "resources"] {
            if let Some(value) = source.get(field) {
                main[field] = value.clone();
            }
        }
        let wait = json!({"name": "wait", "image": "quay.io/argoproj/argoexec:v4.0.5"});
        let account = self.spec["serviceAccountName"].as_str().unwrap_or("default");
        json!({
            "metadata": {"name": pod, "namespace": namespace(&self.workflow), "labels": labels,
                "annotations": annotations, "ownerReferences": owner(Kind::Workflow, &self.workflow)},
            "spec": {"containers": [wait, main], "restartPolicy": "Never", "serviceAccountName": account,
                "terminationGracePeriodSeconds": 30,
                "volumes": [{"name": "var-run-argo", "emptyDir": {}}, {"name": "tmp-dir-argo", "emptyDir": {}}]},
            "status": {"phase": "Pending", "qosClass": "BestEffort"},
        })
    }

    /// Reads the pods of all unfinished pod nodes.
    pub(super) fn assess_pods(&mut self) {
        let open: Vec<String> = self
            .nodes
            .iter()
            .filter(|(_, node)| node["type"] == "Pod" && !fulfilled(text(&node["phase"])))
            .map(|(id, _)| id.clone())
            .collect();
        for id in open {
            let Some(pod) = self.around.pods.get(&id).cloned() else {
                // What a drain does to a workflow's pod.
                self.settle(&id, "Error", "pod deleted");
                continue;
            };
            self.assess(&id, &pod);
        }
    }

    fn assess(&mut self, id: &str, pod: &Value) {
        let status = &pod["status"];
        if let Some(node) = self.nodes.get_mut(id)
            && let Some(host) = pod["spec"]["nodeName"].as_str()
        {
            node["hostNodeName"] = host.into();
        }
        match text(&status["phase"]) {
            "Succeeded" => {
                let outputs = self.outputs(id);
                self.end(id, pod, "Succeeded", "", outputs);
            }
            "Failed" => {
                let main = items(&status["containerStatuses"]).iter().find(|container| container["name"] == "main");
                let code = main.map_or(1, |main| main["state"]["terminated"]["exitCode"].as_i64().unwrap_or(1));
                let outputs = json!({"exitCode": code.to_string()});
                self.end(id, pod, "Failed", &format!("main: Error (exit code {code})"), outputs);
            }
            _ if !self.shutdown.is_empty() => {
                let message = format!("workflow shutdown with strategy: {}", self.shutdown);
                self.settle(id, "Failed", &message);
                let key = super::super::super::kube::ObjectKey::new(namespace(pod), name(pod));
                self.changes.push(Change::Stop(key));
            }
            "Running" => self.settle(id, "Running", ""),
            _ => {
                let scheduled = items(&status["conditions"]).iter().find(|one| one["type"] == "PodScheduled");
                let message = match scheduled {
                    Some(condition) if condition["status"] == "False" => {
                        format!("{}: {}", text(&condition["reason"]), text(&condition["message"]))
                    }
                    _ => String::new(),
                };
                self.settle(id, "Pending", &message);
            }
        }
    }

    fn end(&mut self, id: &str, pod: &Value, phase: &str, message: &str, outputs: Value) {
        let containers = items(&pod["status"]["containerStatuses"]);
        let ended = containers.iter().find_map(|container| container["state"]["terminated"]["finishedAt"].as_str());
        if let (Some(ended), Some(node)) = (ended, self.nodes.get_mut(id)) {
            node["finishedAt"] = ended.into();
        }
        self.settle(id, phase, message);
        if let Some(node) = self.nodes.get_mut(id) {
            node["outputs"] = outputs;
            node["taskResultSynced"] = true.into();
        }
        self.collect(pod);
    }

    /// What a succeeded node puts out: declared parameters get their default, or a value made of their name.
    fn outputs(&self, id: &str) -> Value {
        let mut outputs = json!({"exitCode": "0"});
        let template = self.nodes.get(id).and_then(|node| self.find_template(text(&node["templateName"])));
        let declared = template.map_or(Value::Null, |template| template["outputs"]["parameters"].clone());
        let parameters: Vec<Value> = items(&declared)
            .iter()
            .map(|parameter| {
                let name = text(&parameter["name"]);
                let default = &parameter["valueFrom"]["default"];
                let value = if default.is_null() { format!("bed-{name}") } else { value_text(default) };
                json!({"name": name, "value": value, "valueFrom": parameter["valueFrom"]})
            })
            .collect();
        if !parameters.is_empty() {
            outputs["parameters"] = parameters.into();
        }
        outputs
    }

    /// A suspend template: waits for its duration, or for somebody who sets the node's phase.
    pub(super) fn suspend(&mut self, call: &Call<'_>, inputs: &[(String, String)]) -> String {
        let id = self.make(call, "Suspend", "Running", inputs);
        if !self.shutdown.is_empty() {
            let message = format!("workflow shutdown with strategy: {}", self.shutdown);
            self.settle(&id, "Failed", &message);
            return "Failed".to_owned();
        }
        let duration = super::retry::seconds(&call.template["suspend"]["duration"]);
        let started = self.nodes.get(&id).and_then(|node| clock::parse(text(&node["startedAt"])));
        if let (Some(duration), Some(started)) = (duration, started) {
            let end = after(started, self.around.timing.scaled(duration));
            if self.now() >= end {
                self.settle(&id, "Succeeded", "");
                return "Succeeded".to_owned();
            }
            self.wake(end);
        }
        self.node_phase(&id)
    }
}
