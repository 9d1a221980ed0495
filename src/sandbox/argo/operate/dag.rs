//! DAGs: tasks that run when what they depend on is done. Pure.

use serde_json::Value;

use super::{
    super::{
        depends,
        json::{items, text},
        params::Scope,
    },
    Call, Operation,
    nodes::{failed, fulfilled},
    steps::tolerated,
};

impl Operation<'_> {
    pub(super) fn dag(&mut self, call: &Call<'_>, inputs: &[(String, String)], scope: &Scope) -> String {
        let id = self.make(call, "DAG", "Running", inputs);
        let tasks: Vec<Value> = items(&call.template["dag"]["tasks"]).to_vec();
        let fail_fast = call.template["dag"]["failFast"] != false;
        let mut scope = scope.clone();
        // A pass may finish a task that lets the next one begin; there are at most as many passes as tasks.
        for _ in 0..=tasks.len() {
            let before = self.nodes.len();
            let broken = fail_fast && self.any_failed(call, &tasks);
            for task in &tasks {
                self.task(call, &id, task, broken, &mut scope);
            }
            if self.nodes.len() == before {
                break;
            }
        }
        let phases: Vec<(String, String)> = tasks
            .iter()
            .map(|task| {
                let task_id = self.task_id(call, text(&task["name"]));
                let phase = self.node_phase(&task_id);
                (task_id, phase)
            })
            .collect();
        let broken = self.any_failed(call, &tasks);
        let open = phases.iter().any(|(_, phase)| !phase.is_empty() && !fulfilled(phase));
        let missing = phases.iter().any(|(_, phase)| phase.is_empty());
        if open {
            return "Running".to_owned();
        }
        if missing && !(broken && fail_fast) {
            // Nothing runs and nothing can begin.
            self.settle(&id, "Error", "invalid spec: a task depends on itself or on one that does not exist");
            return "Error".to_owned();
        }
        let leaves: Vec<String> = leaves(&tasks).iter().map(|name| self.task_id(call, name)).collect();
        self.set_outbound(&id, &leaves);
        let phase = if broken { "Failed" } else { "Succeeded" };
        self.settle(&id, phase, "");
        phase.to_owned()
    }

    fn task_id(&self, call: &Call<'_>, task: &str) -> String {
        self.id(&format!("{}.{task}", call.name))
    }

    fn any_failed(&self, call: &Call<'_>, tasks: &[Value]) -> bool {
        tasks.iter().any(|task| {
            let phase = self.node_phase(&self.task_id(call, text(&task["name"])));
            failed(&phase) && !tolerated(&phase, task)
        })
    }

    fn task(&mut self, call: &Call<'_>, boundary: &str, task: &Value, broken: bool, scope: &mut Scope) {
        let name = text(&task["name"]).to_owned();
        let task_id = self.task_id(call, &name);
        let expression = depends::expression(task);
        let needed: Vec<String> = depends::names(&expression).iter().map(|needed| self.task_id(call, needed)).collect();
        if !self.nodes.contains_key(&task_id) {
            if broken || !needed.iter().all(|id| fulfilled(&self.node_phase(id))) {
                return;
            }
            let says = |task: &str| self.node_phase(&self.task_id(call, task));
            if !expression.is_empty() && depends::evaluate(&expression, &says) != Some(true) {
                let node = Call {
                    name: format!("{}.{name}", call.name),
                    display: name,
                    template: &Value::Null,
                    arguments: Value::Null,
                    boundary: boundary.to_owned(),
                    retried: false,
                    depth: call.depth,
                };
                let id = self.make(&node, "Skipped", "Omitted", &[]);
                self.settle(&id, "Omitted", "omitted: depends condition not met");
                return;
            }
        }
        for (needed_name, id) in depends::names(&expression).iter().zip(&needed) {
            self.publish("tasks", needed_name, id, scope);
        }
        let full = format!("{}.{name}", call.name);
        self.invoke(task, full, name, boundary, scope, call.depth);
        if needed.is_empty() {
            self.link(boundary, &task_id);
        }
        for parent in needed.iter().flat_map(|id| self.outbound(id)).collect::<Vec<_>>() {
            self.link(&parent, &task_id);
        }
    }
}

/// The tasks on which no other depends.
fn leaves(tasks: &[Value]) -> Vec<&str> {
    let needed: Vec<String> = tasks.iter().flat_map(|task| depends::names(&depends::expression(task))).collect();
    tasks.iter().map(|task| text(&task["name"])).filter(|name| !needed.iter().any(|one| one == name)).collect()
}
