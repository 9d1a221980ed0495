//! Retry nodes: attempts, policies and back-off. Pure. Source: processNodeRetries in workflow/controller/operator.go.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    super::{
        super::kube::clock,
        json::{items, number, text},
        timing::after,
    },
    Call, Operation,
    nodes::{failed, fulfilled},
};

/// Whether a failed attempt is tried again.
enum Verdict {
    Again,
    Wait(Timestamp, f64),
    Never(&'static str),
}

impl Operation<'_> {
    /// A node with a retryStrategy: its children are the attempts.
    pub(super) fn retry(&mut self, call: &Call<'_>, inputs: &[(String, String)]) -> String {
        let id = self.make(call, "Retry", "Running", inputs);
        let attempts: Vec<String> = self.nodes.get(&id).map_or_else(Vec::new, |node| {
            // What follows a finished Retry node hangs below its last attempt, so its children are attempts only.
            items(&node["children"]).iter().map(|child| text(child).to_owned()).collect()
        });
        let mut number = attempts.len();
        if let Some(last) = attempts.last() {
            let mut phase = self.node_phase(last);
            if !fulfilled(&phase) {
                phase = self.attempt(call, number - 1);
            }
            if phase == "Succeeded" {
                return self.succeed(&id, last);
            }
            if !failed(&phase) {
                return "Running".to_owned();
            }
            match self.verdict(call, last, &phase, number) {
                Verdict::Never(why) => {
                    let message = if why.is_empty() {
                        self.nodes.get(last).map_or_else(String::new, |node| text(&node["message"]).to_owned())
                    } else {
                        why.to_owned()
                    };
                    self.settle(&id, &phase, &message);
                    self.copy_outputs(last, &id);
                    return phase;
                }
                Verdict::Wait(until, seconds) => {
                    self.wake(until);
                    self.settle(&id, "Running", &format!("Backoff for {seconds:.0} seconds"));
                    return "Running".to_owned();
                }
                Verdict::Again => self.settle(&id, "Running", ""),
            }
        } else {
            number = 0;
        }
        let phase = self.attempt(call, number);
        let child = self.id(&format!("{}({number})", call.name));
        self.link(&id, &child);
        if phase == "Succeeded" { self.succeed(&id, &child) } else { "Running".to_owned() }
    }

    fn attempt(&mut self, call: &Call<'_>, number: usize) -> String {
        self.call(Call {
            name: format!("{}({number})", call.name),
            display: format!("{}({number})", call.display),
            template: call.template,
            arguments: call.arguments.clone(),
            boundary: call.boundary.clone(),
            retried: true,
            depth: call.depth + 1,
        })
    }

    fn succeed(&mut self, id: &str, last: &str) -> String {
        self.settle(id, "Succeeded", "");
        self.copy_outputs(last, id);
        "Succeeded".to_owned()
    }

    fn copy_outputs(&mut self, from: &str, to: &str) {
        let outputs = self.nodes.get(from).map(|node| node["outputs"].clone());
        if let (Some(outputs), Some(node)) = (outputs.filter(Value::is_object), self.nodes.get_mut(to)) {
            node["outputs"] = outputs;
        }
    }

    fn verdict(&self, call: &Call<'_>, last: &str, phase: &str, attempts: usize) -> Verdict {
        let strategy = &call.template["retryStrategy"];
        if !self.shutdown.is_empty() {
            return Verdict::Never("");
        }
        let policy = match text(&strategy["retryPolicy"]) {
            "" if strategy["expression"].is_string() => "Always",
            "" => "OnFailure",
            policy => policy,
        };
        let fits = match policy {
            "Always" => true,
            "OnError" | "OnTransientError" => phase == "Error",
            _ => phase == "Failed",
        };
        if !fits {
            return Verdict::Never("");
        }
        if let Some(limit) = number(&strategy["limit"])
            && attempts > usize::try_from(limit).unwrap_or(0)
        {
            return Verdict::Never("No more retries left");
        }
        let Some(base) = seconds(&strategy["backoff"]["duration"]) else { return Verdict::Again };
        let factor = number(&strategy["backoff"]["factor"]).unwrap_or(1).clamp(1, 100) as f64;
        let exponent = i32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(30);
        let mut wait = base * factor.powi(exponent);
        if let Some(cap) = seconds(&strategy["backoff"]["cap"]) {
            wait = wait.min(cap);
        }
        let ended = self.nodes.get(last).and_then(|node| clock::parse(text(&node["finishedAt"])));
        let until = after(ended.unwrap_or(self.now()), self.around.timing.scaled(wait));
        if self.now() < until { Verdict::Wait(until, wait) } else { Verdict::Again }
    }

    /// Asks to be looked at again at this time, if not sooner.
    pub(super) fn wake(&mut self, at: Timestamp) {
        self.requeue = Some(self.requeue.map_or(at, |sooner| sooner.min(at)));
    }
}

/// A duration of Argo: seconds as a number or as text, or Go's `1h2m3s`.
pub(super) fn seconds(value: &Value) -> Option<f64> {
    if let Some(number) = value.as_f64() {
        return Some(number);
    }
    let text = value.as_str()?.trim();
    if let Ok(number) = text.parse::<f64>() {
        return Some(number);
    }
    let (mut total, mut rest) = (0.0, text);
    while !rest.is_empty() {
        let digits = rest.find(|one: char| !(one.is_ascii_digit() || one == '.'))?;
        let (amount, tail) = rest.split_at(digits);
        let end = tail.find(|one: char| one.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let scale = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return None,
        };
        total += amount.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}
