//! The people and pipelines of a region: somebody submits a run now and then, as long as a controller is meant to run
//! there. Writes the store.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    super::kube::{Kind, suffix},
    change::{Change, apply},
    names::fnv32a,
    operate::{ARGO, COMPLETED},
    timing::{Timing, after, signed},
    world::World,
};

/// How lively a region is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// A run is submitted this often; never when absent.
    pub every: Option<Duration>,
}

/// Submitted runs that may be unfinished at once; a submitter beyond that waits, as a queue of people would.
const OPEN: usize = 40;

/// The label of submitted runs.
const SUBMITTED: &str = "sandbox.leeward.dev/submitted";

/// Submits runs.
#[derive(Debug)]
pub struct Submitter {
    traffic: Traffic,
    next: Timestamp,
    count: u32,
}

impl Submitter {
    /// A submitter whose first run comes after one period.
    pub fn new(traffic: Traffic, now: Timestamp) -> Self {
        let next = traffic.every.map_or(Timestamp::MAX, |every| after(now, signed(every)));
        Self { traffic, next, count: 0 }
    }

    /// Submits a run when it is time.
    pub fn step(&mut self, world: &World, timing: &Timing, now: Timestamp) {
        let Some(every) = self.traffic.every else { return };
        if now < self.next {
            return;
        }
        self.next = after(now, signed(every).max(SignedDuration::from_millis(100)));
        let store = world.store();
        let wanted = store
            .get(Kind::Deployment, "argo", "workflow-controller")
            .is_some_and(|deployment| deployment.value()["spec"]["replicas"].as_i64().unwrap_or(0) > 0);
        if !wanted || world.open.len() > OPEN + unfinished_others(world) {
            return;
        }
        self.count += 1;
        let run = run(self.count, &suffix(5), timing);
        apply(store, vec![Change::Create(Kind::Workflow, run)], now);
    }
}

/// Unfinished workflows that nobody submitted here: the seeded ones and those of crons.
fn unfinished_others(world: &World) -> usize {
    let store = world.store();
    let mine = world.open.keys().filter(|key| {
        let object = store.get(Kind::Workflow, &key.namespace, &key.name);
        object.is_some_and(|object| object.label(SUBMITTED).is_some() && object.label(COMPLETED) != Some("true"))
    });
    world.open.len() - mine.count()
}

/// Run number `count`: most are fine, some need their retries, a few fail.
fn run(count: u32, ending: &str, timing: &Timing) -> Value {
    let draw = fnv32a(&count.to_string()) % 12;
    let template = if draw.is_multiple_of(3) { "dag-pipeline" } else { "train-pipeline" };
    let mode = match draw {
        1 => "bed-fail",
        2 | 4 => "bed-fail=1",
        _ => "normal",
    };
    let mut parameters = vec![json!({"name": "seconds", "value": (5 + draw * 3).to_string()})];
    if template == "train-pipeline" {
        parameters.push(json!({"name": "mode", "value": mode}));
    }
    // Gone after an hour of the wall clock, whatever the pace: a sandbox must not fill up.
    let ttl = 3600.0 * timing.pace;
    json!({"metadata": {"name": format!("{template}-{ending}"), "namespace": "ml", "generateName": format!("{template}-"),
            "labels": {SUBMITTED: "true", format!("{ARGO}/workflow-template"): template}},
        "spec": {"workflowTemplateRef": {"name": template}, "arguments": {"parameters": parameters},
            "ttlStrategy": {"secondsAfterCompletion": ttl.round()}}})
}
