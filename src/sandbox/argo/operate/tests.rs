use super::{
    super::{pod, timing::after},
    *,
};

/// A cluster of one workflow: pods come, run and go, and the controller looks every time something happened.
struct Sim {
    workflow: Value,
    pods: BTreeMap<String, Value>,
    now: Timestamp,
    templates: BTreeMap<String, Value>,
    gate: Gate,
    revision: u64,
}

const NODE: &str = r#"{"metadata":{"name":"n"},"status":{"conditions":[{"type":"Ready","status":"True"}]}}"#;

impl Sim {
    fn new(spec: Value) -> Self {
        let workflow = json!({"metadata": {"name": "w", "namespace": "ml", "uid": "u"}, "spec": spec});
        Self {
            workflow,
            pods: BTreeMap::new(),
            now: "2026-11-24T10:00:00Z".parse().unwrap(),
            templates: BTreeMap::new(),
            gate: Gate::Open,
            revision: 0,
        }
    }

    fn look(&mut self) -> Option<Timestamp> {
        let find = |name: &str, _: bool| self.templates.get(name).cloned();
        let timing = Timing::real();
        let around = Surroundings {
            now: self.now,
            pods: self.pods.clone(),
            template: &find,
            estimate: None,
            gate: self.gate.clone(),
            archive: true,
            timing: &timing,
        };
        let outcome = operate(&self.workflow, &around);
        if let Some(workflow) = outcome.workflow {
            self.workflow = workflow;
            self.revision += 1;
        }
        for change in outcome.changes {
            match change {
                Change::Create(_, pod) => {
                    let id = super::super::json::annotation(&pod, "workflows.argoproj.io/node-id").to_owned();
                    assert!(self.pods.insert(id, pod).is_none(), "a pod is created once");
                }
                Change::Remove(_, key) | Change::Stop(key) => self.pods.retain(|_, pod| name(pod) != &*key.name),
                Change::Replace(..) => panic!("the controller replaces nothing but its workflow"),
            }
        }
        outcome.requeue
    }

    fn kubelet(&mut self) {
        let node: Value = serde_json::from_str(NODE).unwrap();
        for pod in self.pods.values_mut() {
            let look = pod::look(pod, &|| vec![(node.clone(), 0)], None, &Timing::real(), self.now);
            if let Some(Change::Replace(_, next)) = look.change {
                *pod = next;
            }
        }
    }

    fn second(&mut self) {
        self.kubelet();
        self.look();
        self.now = after(self.now, jiff::SignedDuration::from_secs(1));
    }

    fn finish(&mut self) -> &Value {
        for _ in 0..300 {
            self.second();
            if label(&self.workflow, COMPLETED) == "true" {
                return &self.workflow;
            }
        }
        panic!("not finished: {:#}", self.workflow["status"]);
    }

    fn node(&self, name: &str) -> &Value {
        let nodes = &self.workflow["status"]["nodes"];
        nodes.get(node_id("w", name)).unwrap_or_else(|| panic!("no node {name} in {nodes:#}"))
    }

    fn status(&self) -> (&str, &str, &str) {
        let status = &self.workflow["status"];
        (text(&status["phase"]), text(&status["message"]), text(&status["progress"]))
    }
}

fn container(name: &str, argument: &str) -> Value {
    json!({"name": name, "inputs": {"parameters": [{"name": "what", "default": "x"}]},
        "container": {"image": "i", "args": ["{{inputs.parameters.what}}", argument]}})
}

fn call(name: &str, template: &str) -> Value {
    json!({"name": name, "template": template, "arguments": {"parameters": [{"name": "what", "value": name}]}})
}

fn steps(groups: Value, mut templates: Vec<Value>) -> Value {
    templates.insert(0, json!({"name": "main", "steps": groups}));
    json!({"entrypoint": "main", "templates": templates})
}

#[test]
fn a_single_container() {
    let mut sim = Sim::new(json!({"entrypoint": "main", "templates": [container("main", "")]}));
    sim.look();
    assert_eq!(label(&sim.workflow, PHASE), "Running");
    assert_eq!(label(&sim.workflow, COMPLETED), "false");
    assert_eq!(sim.pods.len(), 1);
    assert_eq!(name(sim.pods.values().next().unwrap()), "w", "the root's pod is named as the workflow");
    sim.finish();
    assert_eq!(sim.status(), ("Succeeded", "", "1/1"));
    assert_eq!(label(&sim.workflow, ARCHIVING), "Pending");
    assert_eq!(sim.node("w")["type"], "Pod");
    assert!(sim.pods.is_empty(), "podGC");
    let before = sim.revision;
    sim.second();
    assert_eq!(sim.revision, before, "a finished workflow is left alone");
}

#[test]
fn steps_with_a_retried_one_have_the_real_tree() {
    // The words and links of a real run of train-pipeline with bed-fail=2.
    let mut train = container("train", "bed-fail=2");
    train["retryStrategy"] = json!({"limit": 3, "retryPolicy": "Always", "backoff": {"duration": "2", "factor": 2}});
    train["outputs"] = json!({"parameters": [{"name": "checkpoint", "valueFrom": {"path": "/c"}}]});
    let mut evaluate = call("evaluate", "work");
    evaluate["arguments"]["parameters"][0]["value"] = "{{steps.train.outputs.parameters.checkpoint}}".into();
    let groups = json!([[call("fetch", "work")], [call("train", "train")], [evaluate, call("report", "work")]]);
    let mut sim = Sim::new(steps(groups, vec![container("work", ""), train]));
    sim.finish();
    assert_eq!(sim.status(), ("Succeeded", "", "4/6"));
    let retry = sim.node("w[1].train");
    let attempt = |number: usize| node_id("w", &format!("w[1].train({number})"));
    assert_eq!(retry["type"], "Retry");
    assert_eq!(retry["children"], json!([attempt(0), attempt(1), attempt(2)]));
    assert_eq!(retry["outputs"]["parameters"][0]["value"], "bed-checkpoint");
    assert_eq!(sim.node("w[1].train(0)")["message"], "main: Error (exit code 1)");
    assert_eq!(sim.node("w[1].train(0)")["nodeFlag"], json!({"retried": true}));
    assert_eq!(sim.node("w[1].train(2)")["children"], json!([node_id("w", "w[2]")]), "what follows hangs below it");
    assert_eq!(sim.node("w")["children"], json!([node_id("w", "w[0]")]));
    assert_eq!(sim.node("w")["outboundNodes"], json!([node_id("w", "w[2].evaluate"), node_id("w", "w[2].report")]));
    assert_eq!(sim.node("w[2].evaluate")["inputs"]["parameters"][0]["value"], "bed-checkpoint");
    assert_eq!(sim.node("w[2]")["type"], "StepGroup");
    assert_eq!(sim.node("w[0].fetch")["boundaryID"], "w");
    assert_eq!(sim.node("w[0]")["progress"], "4/6", "everything that follows counts");
}

#[test]
fn no_more_retries() {
    let mut train = container("train", "bed-fail");
    train["retryStrategy"] = json!({"limit": "1"});
    let mut sim = Sim::new(steps(json!([[call("train", "train")], [call("never", "train")]]), vec![train]));
    sim.finish();
    let message = format!("child '{}' failed", node_id("w", "w[0].train"));
    assert_eq!(sim.status(), ("Failed", message.as_str(), "0/2"));
    assert_eq!(sim.node("w[0].train")["message"], "No more retries left");
    assert_eq!(label(&sim.workflow, PHASE), "Failed");
}

#[test]
fn back_off_waits() {
    let mut main = container("main", "bed-fail=1");
    main["retryStrategy"] = json!({"limit": 1, "backoff": {"duration": "1m"}});
    let mut sim = Sim::new(json!({"entrypoint": "main", "templates": [main]}));
    for _ in 0..20 {
        sim.second();
    }
    assert_eq!(sim.node("w")["message"], "Backoff for 60 seconds");
    assert!(sim.look().is_some_and(|wake| wake > sim.now));
    sim.finish();
    assert_eq!(sim.status().0, "Succeeded");
}

#[test]
fn only_always_survives_a_deleted_pod() {
    for (strategy, expected) in [
        (Value::Null, "Error"),
        (json!({"limit": 2}), "Error"),
        (json!({"limit": 2, "retryPolicy": "OnError"}), "Succeeded"),
        (json!({"limit": 2, "retryPolicy": "Always"}), "Succeeded"),
    ] {
        let mut main = container("main", "");
        if !strategy.is_null() {
            main["retryStrategy"] = strategy.clone();
        }
        let mut sim = Sim::new(json!({"entrypoint": "main", "templates": [main]}));
        sim.second();
        sim.second();
        sim.pods.clear();
        sim.look();
        assert_eq!(sim.finish()["status"]["phase"], expected, "{strategy}");
        if expected == "Error" {
            assert_eq!(sim.status().1, "pod deleted");
        }
    }
}

#[test]
fn a_graph_runs_its_shards_side_by_side() {
    let task = |name: &str, depends: &str| {
        let mut task = call(name, "work");
        if !depends.is_empty() {
            task["depends"] = depends.into();
        }
        task
    };
    let mut work = container("work", "");
    work["retryStrategy"] = json!({"limit": 2});
    let dag = json!({"name": "main", "dag": {"tasks": [task("prepare", ""), task("a", "prepare"), task("b", "prepare"),
        task("train", "a && b"), task("mourn", "a.Failed")]}});
    let mut sim = Sim::new(json!({"entrypoint": "main", "templates": [dag, work]}));
    sim.finish();
    assert_eq!(sim.status(), ("Succeeded", "", "4/4"));
    assert_eq!(sim.node("w.a")["startedAt"], sim.node("w.b")["startedAt"]);
    assert_eq!(sim.node("w.mourn")["phase"], "Omitted");
    assert_eq!(sim.node("w")["children"], json!([node_id("w", "w.prepare")]));
    let children: Vec<&str> = items(&sim.node("w.prepare(0)")["children"]).iter().map(text).collect();
    assert_eq!(children, [node_id("w", "w.a"), node_id("w", "w.b")]);
    assert!(items(&sim.node("w.b(0)")["children"]).contains(&node_id("w", "w.train").into()));
}

#[test]
fn a_failed_task_ends_the_graph() {
    let mut second = call("second", "work");
    second["dependencies"] = json!(["first"]);
    let dag = json!({"name": "main", "dag": {"tasks": [call("first", "bad"), second]}});
    let mut sim = Sim::new(
        json!({"entrypoint": "main", "templates": [dag, container("bad", "bed-fail"), container("work", "")]}),
    );
    sim.finish();
    assert_eq!(sim.status().0, "Failed");
    assert!(sim.workflow["status"]["nodes"].get(node_id("w", "w.second")).is_none());
    let circle = json!({"name": "main", "dag": {"tasks": [{"name": "a", "template": "work", "depends": "b"}]}});
    let mut sim = Sim::new(json!({"entrypoint": "main", "templates": [circle, container("work", "")]}));
    assert_eq!(sim.finish()["status"]["phase"], "Error");
}

#[test]
fn suspend_holds_and_shutdown_ends() {
    let spec = || steps(json!([[call("a", "work")], [call("b", "work")]]), vec![container("work", "")]);
    let mut sim = Sim::new(spec());
    sim.second();
    sim.workflow["spec"]["suspend"] = true.into();
    for _ in 0..10 {
        sim.second();
    }
    assert_eq!(sim.node("w[0].a")["phase"], "Succeeded", "what runs goes on");
    assert!(sim.workflow["status"]["nodes"].get(node_id("w", "w[1].b")).is_none(), "nothing new begins");
    sim.workflow["spec"].as_object_mut().unwrap().remove("suspend");
    sim.finish();
    assert_eq!(sim.status().0, "Succeeded");

    let mut sim = Sim::new(spec());
    for _ in 0..3 {
        sim.second();
    }
    sim.workflow["spec"]["shutdown"] = "Stop".into();
    sim.finish();
    assert_eq!((sim.status().0, sim.status().1), ("Failed", "Stopped with strategy 'Stop'"));
    assert_eq!(sim.node("w[0].a")["message"], "workflow shutdown with strategy: Stop");
    assert!(sim.pods.is_empty());
}

#[test]
fn exit_handlers_run_unless_terminated() {
    for (shutdown, runs) in [("", true), ("Stop", true), ("Terminate", false)] {
        let mut spec = steps(json!([[call("a", "work")]]), vec![container("work", ""), container("bye", "")]);
        spec["onExit"] = "bye".into();
        let mut sim = Sim::new(spec);
        sim.second();
        if !shutdown.is_empty() {
            sim.workflow["spec"]["shutdown"] = shutdown.into();
        }
        sim.finish();
        let ran = sim.workflow["status"]["nodes"].get(node_id("w", "w.onExit")).is_some();
        assert_eq!(ran, runs, "{shutdown}");
    }
}

#[test]
fn a_suspend_node_waits_for_somebody() {
    let mut sim =
        Sim::new(steps(json!([[{"name": "ask", "template": "ask"}]]), vec![json!({"name": "ask", "suspend": {}})]));
    for _ in 0..30 {
        sim.second();
    }
    assert_eq!(sim.node("w[0].ask")["type"], "Suspend");
    let id = node_id("w", "w[0].ask");
    sim.workflow["status"]["nodes"][&id]["phase"] = "Succeeded".into();
    sim.finish();
    assert_eq!(sim.status().0, "Succeeded");
}

#[test]
fn templates_by_reference() {
    let mut sim = Sim::new(json!({"workflowTemplateRef": {"name": "t"},
        "arguments": {"parameters": [{"name": "who", "value": "me"}]}}));
    let spec = json!({"entrypoint": "main",
        "arguments": {"parameters": [{"name": "who", "value": "nobody"}, {"name": "why", "value": "because"}]},
        "templates": [{"name": "main", "container": {"image": "i",
            "args": ["{{workflow.parameters.who}}", "{{workflow.parameters.why}}", "{{workflow.name}}"]}}]});
    sim.templates.insert("t".to_owned(), spec);
    sim.look();
    let pod = sim.pods.values().next().unwrap();
    assert_eq!(pod["spec"]["containers"][1]["args"], json!(["me", "because", "w"]));
    assert!(sim.workflow["status"]["storedWorkflowTemplateSpec"]["templates"].is_array());
    let mut missing = Sim::new(json!({"workflowTemplateRef": {"name": "none"}}));
    missing.look();
    assert_eq!(missing.status().0, "Error");
    assert_eq!(missing.status().1, "workflowtemplates.argoproj.io \"none\" not found");
}

#[test]
fn what_the_sandbox_cannot_run_says_so() {
    for (spec, words) in [
        (json!({"entrypoint": "nope", "templates": []}), "template name 'nope' undefined"),
        (json!({"entrypoint": "main", "templates": [{"name": "main", "http": {"url": "x"}}]}), "the sandbox runs"),
        (steps(json!([[{"name": "a", "template": "main"}]]), vec![]), "failed"),
    ] {
        let mut sim = Sim::new(spec.clone());
        sim.finish();
        assert!(sim.status().1.contains(words), "{spec}: {:?}", sim.status());
        assert_ne!(sim.status().0, "Succeeded");
    }
}

#[test]
fn a_mutex_keeps_a_workflow_pending() {
    let mut sim = Sim::new(json!({"entrypoint": "main", "templates": [container("main", "")]}));
    sim.gate = Gate::Mutex("gpu".to_owned());
    sim.look();
    assert_eq!(sim.status(), ("Pending", "Waiting for ml/Mutex/gpu lock. Lock status: 0/1", ""));
    assert!(sim.pods.is_empty());
    sim.gate = Gate::Open;
    sim.look();
    assert_eq!((sim.status().0, sim.status().1), ("Running", ""));
}
