//! Runs that a region has when it is first seen. Finished ones are small and many; running ones are made by letting the
//! real steps of the simulation run over an imagined past, so that what the controller finds is what it would have left.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    super::{
        super::kube::{Kind, Store, clock},
        change::Change,
        json::{annotation, label, mark, text},
        names::{fnv32a, node_id},
        nodes,
        operate::{self, ARCHIVING, ARGO, COMPLETED, PHASE, Surroundings, WORKFLOW},
        pod,
        timing::{Timing, after},
    },
    RegionSeed, SeedError, create,
};

/// How many runs there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// Finished ones, spread over the last week. 20,000 of them take about 40 MB.
    pub finished: usize,
    /// Running ones, each with a pod that trains for minutes to hours.
    pub running: usize,
    /// Ones that wait for a mutex that a running one holds.
    pub pending: usize,
}

const MODELS: [&str; 8] = ["resnet", "bert", "llama", "whisper", "clip", "ranker", "tabular", "diffusion"];

/// A number drawn from a text: the same region always has the same runs.
fn draw(seed: &str, of: u32) -> u32 {
    fnv32a(seed) % of.max(1)
}

pub(super) fn seed(store: &Store, seed: &RegionSeed, now: Timestamp) -> Result<(), SeedError> {
    for number in 0..seed.runs.finished {
        let (run, created) = finished(seed, number, now);
        create(store, Kind::Workflow, run, created)?;
    }
    for number in 0..seed.runs.running {
        running(store, seed, number, now)?;
    }
    for number in 0..seed.runs.pending {
        let name =
            format!("pretrain-large-{}", super::super::deployment::suffix(&format!("{}p{number}", seed.name), 5));
        let mut run = pretrain(&name, 1800);
        run["spec"]["synchronization"] = json!({"mutexes": [{"name": "gpu-pool-large"}]});
        run["status"] = json!({"phase": "Pending",
            "message": "Waiting for ml/Mutex/gpu-pool-large lock. Lock status: 0/1"});
        mark(&mut run, "labels", PHASE, "Pending");
        mark(&mut run, "labels", COMPLETED, "false");
        let age = i64::from(60 + draw(&name, 3000));
        create(store, Kind::Workflow, run, after(now, -SignedDuration::from_secs(age)))?;
    }
    Ok(())
}

fn pretrain(name: &str, seconds: i64) -> Value {
    let parameters = json!([{"name": "seconds", "value": seconds.to_string()}]);
    json!({"metadata": {"name": name, "namespace": "ml", "labels": {format!("{ARGO}/workflow-template"): "pretrain"}},
        "spec": {"workflowTemplateRef": {"name": "pretrain"}, "arguments": {"parameters": parameters}}})
}

/// A finished run: one training step, with its tree.
fn finished(seed: &RegionSeed, number: usize, now: Timestamp) -> (Value, Timestamp) {
    let key = format!("{}{number}", seed.name);
    let model = MODELS.get(number % MODELS.len()).copied().unwrap_or("model");
    let name = format!("{model}-{}", super::super::deployment::suffix(&key, 6));
    let teams = seed.teams.len().max(1);
    let team = seed.teams.get(number % teams).map_or("ml", String::as_str);
    let created = after(now, -SignedDuration::from_secs(600 + i64::from(draw(&key, 7 * 86_400))));
    let ended = after(created, SignedDuration::from_secs(30 + i64::from(draw(&name, 540))));
    let (phase, message, code) = match draw(&format!("{key}phase"), 100) {
        0..=88 => ("Succeeded", "", "0"),
        89..=96 => ("Failed", "child failed: main: Error (exit code 1)", "1"),
        _ => ("Error", "pod deleted", "143"),
    };
    let (started, finished) = (clock::seconds(created), clock::seconds(ended));
    let train = node_id(&name, &format!("{name}[0].train"));
    let group = node_id(&name, &format!("{name}[0]"));
    let progress = if phase == "Succeeded" { "1/1" } else { "0/1" };
    let node = |id: &str, full: String, display: &str, kind: &str| {
        json!({"id": id, "name": full, "displayName": display, "type": kind, "phase": phase, "startedAt": started,
            "finishedAt": finished, "progress": progress, "templateScope": format!("local/{name}")})
    };
    let mut root = node(&name, name.clone(), &name, "Steps");
    root["children"] = json!([group]);
    root["outboundNodes"] = json!([train]);
    root["templateName"] = "main".into();
    let mut round = node(&group, format!("{name}[0]"), "[0]", "StepGroup");
    round["children"] = json!([train]);
    round["boundaryID"] = name.clone().into();
    let mut leaf = node(&train, format!("{name}[0].train"), "train", "Pod");
    leaf["boundaryID"] = name.clone().into();
    leaf["templateName"] = "train".into();
    leaf["outputs"] = json!({"exitCode": code});
    leaf["hostNodeName"] = format!("{}-node-{}", seed.name, number % seed.nodes.max(1) + 1).into();
    let mut status = json!({"phase": phase, "startedAt": started, "finishedAt": finished, "progress": progress,
        "conditions": [{"type": "PodRunning", "status": "False"}, {"type": "Completed", "status": "True"}],
        "nodes": {name.clone(): root, group: round, train: leaf}});
    if !message.is_empty() {
        status["message"] = message.into();
    }
    let mut run = json!({"metadata": {"name": name, "namespace": team, "labels": {PHASE: phase, COMPLETED: "true",
                "team": team, "model": model}},
        "spec": {"entrypoint": "main", "arguments": {"parameters": [{"name": "model", "value": model}]},
            "templates": [{"name": "main", "steps": [[{"name": "train", "template": "train"}]]},
                {"name": "train", "container": {"image": "bed/step", "command": ["step"], "args": ["train"]}}]},
        "status": status});
    if seed.database.is_some() {
        mark(&mut run, "labels", ARCHIVING, "Archived");
    }
    (run, created)
}

/// A running run, brought to its training step in an imagined past.
fn running(store: &Store, seed: &RegionSeed, number: usize, now: Timestamp) -> Result<(), SeedError> {
    let key = format!("{}r{number}", seed.name);
    let model = MODELS.get(number % MODELS.len()).copied().unwrap_or("model");
    let name = format!("pretrain-{model}-{}", super::super::deployment::suffix(&key, 5));
    let age = 120 + i64::from(draw(&key, 4 * 3600));
    let left = 900 + i64::from(draw(&format!("{key}left"), 6 * 3600));
    let begun = after(now, -SignedDuration::from_secs(age));
    // Its training ends `left` seconds from now on the wall clock, at whatever pace the region lives.
    let seconds = ((age + left) as f64 * seed.timing.pace).round() as i64;
    let mut run = pretrain(&name, seconds);
    if number == 0 {
        run["spec"]["synchronization"] = json!({"mutexes": [{"name": "gpu-pool-large"}]});
    }
    let run = create(store, Kind::Workflow, run, begun)?;
    let (run, pods) = imagine(store, seed, run, begun, now);
    for (created, pod) in pods {
        create(store, Kind::Pod, pod, created)?;
    }
    store.replace(Kind::Workflow, run).map(|_| ()).map_err(|source| SeedError { kind: Kind::Workflow, name, source })
}

/// Lets a run live from `begun` on until its training runs. Answers it with its pods.
fn imagine(
    store: &Store,
    seed: &RegionSeed,
    mut run: Value,
    begun: Timestamp,
    now: Timestamp,
) -> (Value, Vec<(Timestamp, Value)>) {
    let find = |named: &str, _: bool| {
        store.get(Kind::WorkflowTemplate, "ml", named).map(|template| template.value()["spec"].clone())
    };
    let nodes: Vec<(Value, usize)> = (0..seed.nodes)
        .map(|index| {
            (
                nodes::node(&seed.name, index, begun),
                usize::try_from(draw(text(&run["metadata"]["uid"]), 7)).unwrap_or(0) ^ index,
            )
        })
        .collect();
    let mut pods: BTreeMap<String, (Timestamp, Value)> = BTreeMap::new();
    // Real times: the past was not hurried.
    let (timing, mut at) = (Timing::real(), begun);
    for _ in 0..60 {
        let around = Surroundings {
            now: at,
            pods: pods.iter().map(|(id, (_, pod))| (id.clone(), pod.clone())).collect(),
            template: &find,
            estimate: None,
            gate: operate::Gate::Open,
            archive: seed.database.is_some(),
            timing: &timing,
        };
        let outcome = operate::operate(&run, &around);
        run = outcome.workflow.unwrap_or(run);
        for change in outcome.changes {
            match change {
                Change::Create(_, pod) => {
                    pods.insert(annotation(&pod, "workflows.argoproj.io/node-id").to_owned(), (at, pod));
                }
                Change::Remove(_, key) => pods.retain(|_, (_, pod)| text(&pod["metadata"]["name"]) != &*key.name),
                _ => {}
            }
        }
        for (_, pod) in pods.values_mut() {
            if let Some(Change::Replace(_, next)) = pod::look(pod, &|| nodes.clone(), None, &timing, at).change {
                *pod = next;
            }
        }
        let training = pods.values().any(|(_, pod)| {
            pod["status"]["phase"] == "Running"
                && !label(pod, WORKFLOW).is_empty()
                && annotation(pod, "workflows.argoproj.io/node-name").contains(".train")
        });
        if training && run["status"]["nodes"].to_string().contains("\"Running\",\"progress\":\"0/1\"") {
            break;
        }
        at = after(at, SignedDuration::from_secs(2)).min(now);
    }
    (run, pods.into_values().collect())
}

/// Changes `count` running runs a little, as progress reports do: load for measurements. Answers how many it changed.
pub fn churn(store: &Store, count: usize, round: u64) -> usize {
    let running: Vec<_> =
        store.list(Kind::Workflow, None).items.into_iter().filter(|run| run.label(PHASE) == Some("Running")).collect();
    let skip = usize::try_from(round).unwrap_or(0).saturating_mul(count) % running.len().max(1);
    let chosen = running.iter().cycle().skip(skip).take(count.min(running.len()));
    chosen
        .filter(|run| {
            let mut object = run.value();
            mark(&mut object, "annotations", "sandbox.leeward.dev/round", &round.to_string());
            store.replace(Kind::Workflow, object).is_ok()
        })
        .count()
}
