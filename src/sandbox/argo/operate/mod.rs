//! One look of the controller at one workflow: what is there, what has to happen next. Pure: objects in, changes out.
//!
//! The node tree, its names, its links and its words are those of a real controller (compared with 3.7.4): steps, DAGs,
//! nested templates, retries with back-off, suspend nodes, exit handlers, stop and terminate. Not there: loops, hooks,
//! HTTP, plugin, resource and data templates, memoization; a workflow that uses them ends in Error and says so.

mod dag;
mod end;
mod nodes;
mod pods;
mod retry;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    super::kube::{Kind, clock},
    change::Change,
    json::{items, label, mark, name, namespace, object, text},
    names::node_id,
    params::{self, Scope, value_text},
    timing::Timing,
};

pub use self::nodes::fulfilled;

/// The prefix of Argo's labels and annotations.
pub const ARGO: &str = "workflows.argoproj.io";
/// The phase, as a label.
pub const PHASE: &str = "workflows.argoproj.io/phase";
/// Whether a workflow or pod is done, as a label.
pub const COMPLETED: &str = "workflows.argoproj.io/completed";
/// Whether a finished workflow is in the archive: `Pending` or `Archived`.
pub const ARCHIVING: &str = "workflows.argoproj.io/workflow-archiving-status";
/// The owning workflow of a pod, as a label.
pub const WORKFLOW: &str = "workflows.argoproj.io/workflow";

/// Templates within templates deeper than this end in Error: a template may call itself.
const DEPTH: usize = 16;

/// Whether a workflow that has not begun may begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    /// It may.
    #[default]
    Open,
    /// Another workflow holds the mutex of this name.
    Mutex(String),
    /// As many are running as the configuration allows.
    Parallelism,
}

/// What the controller knows beside the workflow itself.
pub struct Surroundings<'a> {
    /// The time.
    pub now: Timestamp,
    /// The workflow's pods by node id.
    pub pods: BTreeMap<String, Value>,
    /// Finds the spec of a WorkflowTemplate (`false`) or ClusterWorkflowTemplate (`true`).
    pub template: &'a dyn Fn(&str, bool) -> Option<Value>,
    /// How long the last run of the same origin took, in seconds.
    pub estimate: Option<i64>,
    /// Whether it may begin.
    pub gate: Gate,
    /// Whether finished workflows are to be archived.
    pub archive: bool,
    /// The region's times.
    pub timing: &'a Timing,
}

/// What has to be done.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The workflow itself if it changed; its pods are created first.
    pub workflow: Option<Value>,
    /// Pods to create and to stop.
    pub changes: Vec<Change>,
    /// When to look again even if nothing happens: the end of a back-off or of a suspension.
    pub requeue: Option<Timestamp>,
}

struct Operation<'a> {
    workflow: Value,
    /// Name of the workflow.
    name: String,
    /// The effective spec: the template's with the workflow's own on top.
    spec: Value,
    nodes: Map<String, Value>,
    around: &'a Surroundings<'a>,
    changes: Vec<Change>,
    requeue: Option<Timestamp>,
    globals: Scope,
    shutdown: String,
}

/// A call of a template: one node to be.
struct Call<'c> {
    /// Full name of the node.
    name: String,
    /// What people see of it.
    display: String,
    /// The template.
    template: &'c Value,
    /// Arguments, values put in.
    arguments: Value,
    /// Id of the enclosing Steps or DAG node.
    boundary: String,
    /// Whether it is an attempt of a Retry node.
    retried: bool,
    depth: usize,
}

/// Looks at a workflow.
pub fn operate(workflow: &Value, around: &Surroundings<'_>) -> Outcome {
    if label(workflow, COMPLETED) == "true" {
        return Outcome::default();
    }
    let mut operation = Operation::new(workflow, around);
    operation.run();
    operation.outcome(workflow)
}

impl<'a> Operation<'a> {
    fn new(workflow: &Value, around: &'a Surroundings<'a>) -> Self {
        let mut workflow = workflow.clone();
        if !workflow["status"].is_object() {
            workflow["status"] = json!({});
        }
        Self {
            name: name(&workflow).to_owned(),
            spec: Value::Null,
            nodes: object(workflow["status"]["nodes"].clone()),
            around,
            changes: Vec::new(),
            requeue: None,
            globals: Scope::new(),
            shutdown: text(&workflow["spec"]["shutdown"]).to_owned(),
            workflow,
        }
    }

    fn now(&self) -> Timestamp {
        self.around.now
    }

    fn stamp(&self) -> String {
        clock::seconds(self.around.now)
    }

    fn phase(&self) -> &str {
        text(&self.workflow["status"]["phase"])
    }

    fn run(&mut self) {
        if matches!(self.phase(), "" | "Pending") && !self.begin() {
            return;
        }
        if let Err(why) = self.read_spec() {
            self.finish("Error", &why);
            return;
        }
        self.read_globals();
        self.assess_pods();
        let suspended = self.workflow["spec"]["suspend"] == true;
        if suspended && self.shutdown.is_empty() {
            return;
        }
        let entry = text(&self.spec["entrypoint"]).to_owned();
        let Some(template) = self.find_template(&entry) else {
            self.finish("Error", &format!("invalid spec: template name '{entry}' undefined"));
            return;
        };
        let root = self.name.clone();
        let arguments = self.spec["arguments"].clone();
        let phase = self.call(Call {
            name: root.clone(),
            display: root.clone(),
            template: &template,
            arguments,
            boundary: String::new(),
            retried: false,
            depth: 0,
        });
        if !fulfilled(&phase) {
            return;
        }
        if !self.exit_handler(&phase) {
            return;
        }
        let message = text(&self.nodes.get(&root).unwrap_or(&Value::Null)["message"]).to_owned();
        if self.shutdown.is_empty() {
            self.finish(&phase, &message);
        } else {
            self.finish("Failed", &format!("Stopped with strategy '{}'", self.shutdown));
        }
    }

    /// Begins a workflow, or keeps it waiting. Answers whether it runs.
    fn begin(&mut self) -> bool {
        let waiting = match &self.around.gate {
            Gate::Open => None,
            Gate::Mutex(mutex) => {
                Some(format!("Waiting for {}/Mutex/{mutex} lock. Lock status: 0/1", namespace(&self.workflow)))
            }
            Gate::Parallelism => {
                Some("Workflow processing has been postponed because too many workflows are already running".to_owned())
            }
        };
        if self.shutdown.is_empty()
            && let Some(message) = waiting
        {
            self.workflow["status"]["phase"] = "Pending".into();
            self.workflow["status"]["message"] = message.into();
            mark(&mut self.workflow, "labels", PHASE, "Pending");
            mark(&mut self.workflow, "labels", COMPLETED, "false");
            return false;
        }
        let stamp = self.stamp();
        let status = &mut self.workflow["status"];
        status["phase"] = "Running".into();
        status["startedAt"] = stamp.into();
        status["finishedAt"] = Value::Null;
        status["artifactGCStatus"] = json!({"notSpecified": true});
        status["artifactRepositoryRef"] = json!({"artifactRepository": {}, "default": true});
        if let Some(fields) = status.as_object_mut() {
            fields.remove("message");
        }
        if let Some(estimate) = self.around.estimate {
            self.workflow["status"]["estimatedDuration"] = json!(estimate);
        }
        mark(&mut self.workflow, "labels", PHASE, "Running");
        mark(&mut self.workflow, "labels", COMPLETED, "false");
        mark(&mut self.workflow, "annotations", "workflows.argoproj.io/pod-name-format", "v2");
        true
    }

    /// The effective spec; that of a template is stored in the status at the first look.
    fn read_spec(&mut self) -> Result<(), String> {
        let own = self.workflow["spec"].clone();
        let reference = &own["workflowTemplateRef"];
        let named = text(&reference["name"]).to_owned();
        if named.is_empty() {
            self.spec = own;
            return Ok(());
        }
        let stored = &self.workflow["status"]["storedWorkflowTemplateSpec"];
        let mut spec = if stored.is_object() {
            stored.clone()
        } else {
            let cluster = reference["clusterScope"] == true;
            let kind = if cluster { "clusterworkflowtemplates" } else { "workflowtemplates" };
            let template = (self.around.template)(&named, cluster)
                .ok_or_else(|| format!("{kind}.argoproj.io \"{named}\" not found"))?;
            let arguments = params::merge_arguments(&template["arguments"], &own["arguments"]);
            let mut spec = template;
            for (field, value) in object(own.clone()) {
                spec[&field] = value;
            }
            spec["arguments"] = arguments;
            self.workflow["status"]["storedWorkflowTemplateSpec"] = spec.clone();
            spec
        };
        for field in ["suspend", "shutdown"] {
            spec[field] = own.get(field).cloned().unwrap_or(Value::Null);
        }
        self.spec = spec;
        Ok(())
    }

    fn read_globals(&mut self) {
        let meta = &self.workflow["metadata"];
        for field in ["name", "namespace", "uid", "creationTimestamp"] {
            self.globals.insert(format!("workflow.{field}"), text(&meta[field]).to_owned());
        }
        for parameter in items(&self.spec["arguments"]["parameters"]) {
            let value = parameter.get("value").or_else(|| parameter.get("default"));
            if let Some(value) = value {
                let key = format!("workflow.parameters.{}", text(&parameter["name"]));
                self.globals.insert(key, value_text(value));
            }
        }
    }

    fn find_template(&self, name: &str) -> Option<Value> {
        items(&self.spec["templates"]).iter().find(|template| template["name"] == name).cloned()
    }

    /// The template that a step or task calls: by name, by reference to another template, or inline.
    fn called_template(&self, step: &Value) -> Result<Value, String> {
        if step["inline"].is_object() {
            return Ok(step["inline"].clone());
        }
        let reference = &step["templateRef"];
        if reference.is_object() {
            let (from, named) = (text(&reference["name"]), text(&reference["template"]));
            let spec = (self.around.template)(from, reference["clusterScope"] == true)
                .ok_or_else(|| format!("workflowtemplates.argoproj.io \"{from}\" not found"))?;
            let found = items(&spec["templates"]).iter().find(|template| template["name"] == named).cloned();
            return found.ok_or_else(|| format!("template reference {from}.{named} not found"));
        }
        let named = text(&step["template"]);
        self.find_template(named).ok_or_else(|| format!("template {named} undefined"))
    }

    /// Calls a template and answers the phase of its node.
    fn call(&mut self, call: Call<'_>) -> String {
        if let Some(node) = self.nodes.get(&node_id(&self.name, &call.name))
            && fulfilled(text(&node["phase"]))
        {
            return text(&node["phase"]).to_owned();
        }
        if call.depth > DEPTH {
            return self.fail_node(&call, "Error", "template nesting is too deep");
        }
        let inputs = match params::inputs(call.template, &call.arguments) {
            Ok(inputs) => inputs,
            Err(why) => return self.fail_node(&call, "Error", &why),
        };
        let mut scope = self.globals.clone();
        scope.extend(inputs.iter().map(|(name, value)| (format!("inputs.parameters.{name}"), value.clone())));
        if call.template["retryStrategy"].is_object() && !call.retried {
            return self.retry(&call, &inputs);
        }
        let has = |field: &str| !call.template[field].is_null();
        if has("container") || has("script") || has("containerSet") {
            self.pod(&call, &inputs, &scope)
        } else if has("steps") {
            self.steps(&call, &inputs, &scope)
        } else if has("dag") {
            self.dag(&call, &inputs, &scope)
        } else if has("suspend") {
            self.suspend(&call, &inputs)
        } else {
            self.fail_node(&call, "Error", "the sandbox runs container, script, steps, dag and suspend templates only")
        }
    }

    /// Runs the exit handler. Answers whether it is done, or there is none.
    fn exit_handler(&mut self, phase: &str) -> bool {
        let handler = text(&self.spec["onExit"]).to_owned();
        if handler.is_empty() || self.shutdown == "Terminate" {
            return true;
        }
        let Some(template) = self.find_template(&handler) else { return true };
        let node = format!("{}.onExit", self.name);
        self.globals.insert("workflow.status".to_owned(), phase.to_owned());
        // An exit handler also runs for a workflow that was told to stop.
        let shutdown = std::mem::take(&mut self.shutdown);
        let arguments = self.spec["arguments"].clone();
        let phase = self.call(Call {
            name: node.clone(),
            display: node,
            template: &template,
            arguments,
            boundary: String::new(),
            retried: false,
            depth: 0,
        });
        self.shutdown = shutdown;
        fulfilled(&phase)
    }

    fn outcome(mut self, before: &Value) -> Outcome {
        self.write_progress();
        let done = label(&self.workflow, COMPLETED) == "true";
        let running = self.nodes.values().any(|node| node["type"] == "Pod" && node["phase"] == "Running");
        if !self.nodes.is_empty() || done {
            let state = |yes: bool| if yes { "True" } else { "False" };
            let mut conditions = vec![json!({"type": "PodRunning", "status": state(running && !done)})];
            if done {
                conditions.push(json!({"type": "Completed", "status": "True"}));
            }
            self.workflow["status"]["conditions"] = conditions.into();
        }
        if !self.nodes.is_empty() {
            self.workflow["status"]["nodes"] = Value::Object(self.nodes);
        }
        let changed = self.workflow != *before;
        Outcome { workflow: changed.then_some(self.workflow), changes: self.changes, requeue: self.requeue }
    }

    /// Removes a finished pod: `podGC: OnPodCompletion`, which the region's configuration asks for.
    fn collect(&mut self, pod: &Value) {
        self.changes.push(Change::remove(Kind::Pod, pod));
    }
}

/// A duration as Argo writes it, in seconds.
pub fn seconds(text: &str) -> Option<f64> {
    retry::seconds(&text.into())
}
