//! Steps: groups one after the other, the steps of a group side by side. Pure.

use serde_json::Value;

use super::{
    super::{
        json::{items, text},
        params::{Scope, substitute, value_text},
    },
    Call, Operation,
    nodes::{failed, fulfilled},
};

impl Operation<'_> {
    pub(super) fn steps(&mut self, call: &Call<'_>, inputs: &[(String, String)], scope: &Scope) -> String {
        let id = self.make(call, "Steps", "Running", inputs);
        let mut scope = scope.clone();
        let mut before: Vec<String> = Vec::new();
        for (number, group) in items(&call.template["steps"]).iter().enumerate() {
            let group_name = format!("{}[{number}]", call.name);
            let group_id = self.make_group(&group_name, &format!("[{number}]"), &id);
            if number == 0 {
                self.link(&id, &group_id);
            }
            for parent in before.iter().flat_map(|one| self.outbound(one)).collect::<Vec<_>>() {
                self.link(&parent, &group_id);
            }
            let steps: Vec<Value> = items(group).to_vec();
            let ids = self.group(call, &group_name, &group_id, &steps, &scope);
            let phases: Vec<String> = ids.iter().map(|id| self.node_phase(id)).collect();
            if !phases.iter().all(|phase| fulfilled(phase)) {
                return "Running".to_owned();
            }
            let bad =
                ids.iter().zip(&phases).zip(&steps).find(|((_, phase), step)| failed(phase) && !tolerated(phase, step));
            if let Some(((bad, _), _)) = bad {
                let message = format!("child '{bad}' failed");
                self.settle(&group_id, "Failed", &message);
                self.set_outbound(&id, &ids);
                self.settle(&id, "Failed", &message);
                return "Failed".to_owned();
            }
            self.settle(&group_id, "Succeeded", "");
            for (step, step_id) in steps.iter().zip(&ids) {
                self.publish("steps", text(&step["name"]), step_id, &mut scope);
            }
            before = ids;
        }
        self.set_outbound(&id, &before);
        self.settle(&id, "Succeeded", "");
        "Succeeded".to_owned()
    }

    fn group(
        &mut self,
        call: &Call<'_>,
        group_name: &str,
        group_id: &str,
        steps: &[Value],
        scope: &Scope,
    ) -> Vec<String> {
        let boundary = self.id(&call.name);
        let mut ids = Vec::new();
        for step in steps {
            let display = text(&step["name"]).to_owned();
            let name = format!("{group_name}.{display}");
            let id = self.id(&name);
            self.invoke(step, name, display, &boundary, scope, call.depth);
            self.link(group_id, &id);
            ids.push(id);
        }
        ids
    }

    /// Calls what a step or task calls, unless its `when` says no.
    pub(super) fn invoke(
        &mut self,
        step: &Value,
        name: String,
        display: String,
        boundary: &str,
        scope: &Scope,
        depth: usize,
    ) -> String {
        let mut arguments = step["arguments"].clone();
        substitute(&mut arguments, scope);
        let template = self.called_template(step);
        let empty = Value::Null;
        let call = Call {
            name,
            display,
            template: template.as_ref().unwrap_or(&empty),
            arguments,
            boundary: boundary.to_owned(),
            retried: false,
            depth: depth + 1,
        };
        if let Err(why) = &template {
            return self.fail_node(&call, "Error", why);
        }
        if ["withItems", "withParam", "withSequence"].iter().any(|field| !step[field].is_null()) {
            return self.fail_node(&call, "Error", "the sandbox does not run loops");
        }
        let mut when = step["when"].clone();
        substitute(&mut when, scope);
        if !text(&when).is_empty() && holds(text(&when)) == Some(false) {
            let id = self.make(&call, "Skipped", "Skipped", &[]);
            self.settle(&id, "Skipped", &format!("when '{}' evaluated false", text(&when)));
            return "Skipped".to_owned();
        }
        self.call(call)
    }

    /// Puts what a finished step or task put out into the scope.
    pub(super) fn publish(&self, family: &str, name: &str, id: &str, scope: &mut Scope) {
        let Some(node) = self.nodes.get(id) else { return };
        scope.insert(format!("{family}.{name}.status"), text(&node["phase"]).to_owned());
        scope.insert(format!("{family}.{name}.id"), id.to_owned());
        let outputs = &node["outputs"];
        for parameter in items(&outputs["parameters"]) {
            let key = format!("{family}.{name}.outputs.parameters.{}", text(&parameter["name"]));
            scope.insert(key, value_text(&parameter["value"]));
        }
        if let Some(code) = outputs["exitCode"].as_str() {
            scope.insert(format!("{family}.{name}.exitCode"), code.to_owned());
        }
    }
}

/// Whether `continueOn` lets a failure pass.
pub(super) fn tolerated(phase: &str, step: &Value) -> bool {
    let on = &step["continueOn"];
    (phase == "Failed" && on["failed"] == true) || (phase == "Error" && on["error"] == true)
}

/// A `when` of the form `a == b` or `a != b`; anything else counts as true.
fn holds(when: &str) -> Option<bool> {
    let clean = |side: &str| side.trim().trim_matches(['"', '\'']).to_owned();
    if let Some((left, right)) = when.split_once("!=") {
        return Some(clean(left) != clean(right));
    }
    let (left, right) = when.split_once("==")?;
    Some(clean(left) == clean(right))
}
