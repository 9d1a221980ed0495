//! Scheduler and kubelet for one pod: where it goes, when it runs, when a step ends, when a deleted pod is gone. Pure.
//! Steps end with the exit code that their text asks for: `bed-fail` fails every attempt, `bed-fail=2` the first two.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    super::kube::{Kind, clock},
    change::Change,
    json::{annotation, items, label, name, text},
    names::fnv32a,
    nodes::choose,
    operate::{WORKFLOW, fulfilled},
    timing::{Timing, after},
};

/// What the driver knows of a container that may crash: the controller's.
#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    /// How often it was started again.
    pub restarts: i64,
    /// Up since, or down until.
    pub state: State,
    /// How its last instance ended.
    pub last: Option<Ended>,
}

/// Whether a container is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs since then.
    Up(Timestamp),
    /// It is started again then.
    Down(Timestamp),
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// Its exit code.
    pub code: i64,
    /// When it had started.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
}

/// What a look at a pod came to.
#[derive(Debug, Default, PartialEq)]
pub struct Look {
    /// What has to be done.
    pub change: Option<Change>,
    /// When to look again even if nothing happens.
    pub next: Option<Timestamp>,
}

impl Look {
    fn change(change: Change) -> Self {
        Self { change: Some(change), next: None }
    }

    fn at(next: Timestamp) -> Self {
        Self { change: None, next: Some(next) }
    }
}

/// How long a pod takes to start, in seconds of workflow time: what an image that is already there needs.
const START: f64 = 1.0;
/// How long a step runs that does not say so.
const STEP: f64 = 2.0;
/// How long a container takes to end when it is told to.
const STOP: f64 = 1.0;

/// Looks at a pod. `nodes`: the nodes with their number of pods. `container`: of a controller's pod.
pub fn look(
    pod: &Value,
    nodes: &dyn Fn() -> Vec<(Value, usize)>,
    container: Option<&Container>,
    timing: &Timing,
    now: Timestamp,
) -> Look {
    let phase = text(&pod["status"]["phase"]);
    if let Some(end) = pod["metadata"]["deletionTimestamp"].as_str().and_then(clock::parse) {
        let grace = pod["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
        let told = after(end, -SignedDuration::from_secs(grace));
        let gone = after(told, timing.scaled(STOP)).min(end);
        let finalizers = !items(&pod["metadata"]["finalizers"]).is_empty();
        return match (now >= gone, finalizers) {
            (true, false) => Look::change(Change::remove(Kind::Pod, pod)),
            (true, true) => Look::default(),
            (false, _) => Look::at(gone),
        };
    }
    if fulfilled(phase) {
        return Look::default();
    }
    if pod["spec"]["nodeName"].as_str().is_none_or(str::is_empty) {
        return schedule(pod, nodes, timing, now);
    }
    let bound = condition_time(pod, "PodScheduled").unwrap_or(now);
    if phase != "Running" {
        if condition_time(pod, "PodScheduled").is_none() {
            return Look::change(bind(pod, text(&pod["spec"]["nodeName"]), now));
        }
        let start = after(bound, timing.scaled(START));
        return if now >= start { Look::change(run(pod, container, now)) } else { Look::at(start) };
    }
    if label(pod, WORKFLOW).is_empty() {
        return service(pod, container, now);
    }
    let seconds = annotation(pod, "bed/seconds").parse::<f64>().ok().filter(|one| *one >= 0.0).unwrap_or(STEP);
    let started = pod["status"]["startTime"].as_str().and_then(clock::parse).unwrap_or(now);
    let end = after(started, timing.scaled(seconds));
    if now >= end { Look::change(end_step(pod, i64::from(fails(pod)), now)) } else { Look::at(end) }
}

fn condition_time(pod: &Value, kind: &str) -> Option<Timestamp> {
    let condition =
        items(&pod["status"]["conditions"]).iter().find(|one| one["type"] == kind && one["status"] == "True")?;
    clock::parse(text(&condition["lastTransitionTime"]))
}

fn condition(kind: &str, status: bool, now: Timestamp) -> Value {
    json!({"type": kind, "status": if status { "True" } else { "False" }, "lastProbeTime": null,
        "lastTransitionTime": clock::seconds(now)})
}

fn schedule(pod: &Value, nodes: &dyn Fn() -> Vec<(Value, usize)>, timing: &Timing, now: Timestamp) -> Look {
    let nodes = nodes();
    if let Some(node) = choose(&nodes, &pod["spec"]["nodeSelector"]) {
        return Look::change(bind(pod, &node, now));
    }
    let cordoned = nodes.iter().filter(|(node, _)| node["spec"]["unschedulable"] == true).count();
    let why = format!("0/{} nodes are available: {cordoned} node(s) were unschedulable.", nodes.len());
    let mut condition = condition("PodScheduled", false, now);
    condition["reason"] = "Unschedulable".into();
    condition["message"] = why.clone().into();
    let known = items(&pod["status"]["conditions"]).iter().any(|one| one["message"] == why.as_str());
    let next = Some(after(now, timing.scaled(5.0).max(SignedDuration::from_millis(200))));
    if known {
        return Look { change: None, next };
    }
    let mut pod = pod.clone();
    pod["status"]["conditions"] = json!([condition]);
    Look { change: Some(Change::Replace(Kind::Pod, pod)), next }
}

fn bind(pod: &Value, node: &str, now: Timestamp) -> Change {
    let mut pod = pod.clone();
    pod["spec"]["nodeName"] = node.into();
    pod["status"]["phase"] = "Pending".into();
    pod["status"]["conditions"] = json!([condition("PodScheduled", true, now)]);
    let waiting = |container: &Value| {
        json!({"name": container["name"], "image": container["image"], "ready": false, "started": false,
            "restartCount": 0, "imageID": "", "lastState": {}, "state": {"waiting": {"reason": "ContainerCreating"}}})
    };
    pod["status"]["containerStatuses"] = items(&pod["spec"]["containers"]).iter().map(waiting).collect();
    Change::Replace(Kind::Pod, pod)
}

fn run(pod: &Value, container: Option<&Container>, now: Timestamp) -> Change {
    let mut pod = pod.clone();
    let hash = fnv32a(&format!("{}{}", text(&pod["metadata"]["uid"]), name(&pod)));
    let ip = format!("10.{}.{}.{}", hash >> 24, (hash >> 16) & 255, (hash >> 8) % 254 + 1);
    let status = &mut pod["status"];
    status["phase"] = "Running".into();
    status["podIP"] = ip.clone().into();
    status["podIPs"] = json!([{"ip": ip}]);
    status["startTime"] = clock::seconds(now).into();
    set_containers(&mut pod, container, now);
    Change::Replace(Kind::Pod, pod)
}

/// A pod of a service: it runs until it is deleted; the controller's container may be down.
fn service(pod: &Value, container: Option<&Container>, now: Timestamp) -> Look {
    let next = match container.map(|container| container.state) {
        Some(State::Down(until)) => Some(until),
        _ => None,
    };
    let mut after = pod.clone();
    set_containers(&mut after, container, now);
    let change = (after != *pod).then_some(Change::Replace(Kind::Pod, after));
    Look { change, next }
}

fn set_containers(pod: &mut Value, container: Option<&Container>, now: Timestamp) {
    let started = text(&pod["status"]["startTime"]).to_owned();
    let up = container.is_none_or(|container| matches!(container.state, State::Up(_)));
    let statuses: Vec<Value> = items(&pod["spec"]["containers"])
        .iter()
        .map(|spec| {
            let mut status = json!({"name": spec["name"], "image": spec["image"], "imageID": spec["image"],
                "containerID": format!("sandbox://{}-{}", text(&pod["metadata"]["uid"]), text(&spec["name"])),
                "restartCount": container.map_or(0, |container| container.restarts), "ready": up, "started": up,
                "lastState": {}, "state": {"running": {"startedAt": started}}});
            if let Some(container) = container {
                describe(&mut status, container, pod, spec);
            }
            status
        })
        .collect();
    pod["status"]["containerStatuses"] = statuses.into();
    let old = pod["status"]["conditions"].clone();
    let known = |kind: &str, state: bool| {
        let state = if state { "True" } else { "False" };
        items(&old).iter().find(|one| one["type"] == kind && one["status"] == state).cloned()
    };
    let conditions = [("PodScheduled", true), ("Initialized", true), ("ContainersReady", up), ("Ready", up)]
        .map(|(kind, state)| known(kind, state).unwrap_or_else(|| condition(kind, state, now)));
    pod["status"]["conditions"] = conditions.to_vec().into();
}

fn describe(status: &mut Value, container: &Container, pod: &Value, spec: &Value) {
    match container.state {
        State::Up(since) => status["state"] = json!({"running": {"startedAt": clock::seconds(since)}}),
        State::Down(until) => {
            let pause = container.last.as_ref().map_or(0, |last| until.duration_since(last.finished).as_secs());
            let message = format!(
                "back-off {pause}s restarting failed container={} pod={}_{}({})",
                text(&spec["name"]),
                name(pod),
                text(&pod["metadata"]["namespace"]),
                text(&pod["metadata"]["uid"])
            );
            status["state"] = json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}});
        }
    }
    if let Some(last) = &container.last {
        status["lastState"] = json!({"terminated": {"exitCode": last.code,
            "reason": if last.code == 0 { "Completed" } else { "Error" },
            "startedAt": clock::seconds(last.started), "finishedAt": clock::seconds(last.finished)}});
    }
}

fn end_step(pod: &Value, code: i64, now: Timestamp) -> Change {
    let mut pod = pod.clone();
    let started = pod["status"]["startTime"].clone();
    let statuses: Vec<Value> = items(&pod["spec"]["containers"])
        .iter()
        .map(|spec| {
            let code = if spec["name"] == "main" { code } else { 0 };
            json!({"name": spec["name"], "image": spec["image"], "imageID": spec["image"], "restartCount": 0,
                "ready": false, "started": false, "lastState": {},
                "state": {"terminated": {"exitCode": code, "reason": if code == 0 { "Completed" } else { "Error" },
                    "startedAt": started, "finishedAt": clock::seconds(now)}}})
        })
        .collect();
    let status = &mut pod["status"];
    status["phase"] = if code == 0 { "Succeeded" } else { "Failed" }.into();
    status["containerStatuses"] = statuses.into();
    status["conditions"] = json!([
        condition("PodScheduled", true, now),
        condition("Initialized", true, now),
        condition("ContainersReady", false, now),
        condition("Ready", false, now)
    ]);
    Change::Replace(Kind::Pod, pod)
}

/// Whether a step is to fail.
fn fails(pod: &Value) -> bool {
    let mut sought = pod["metadata"]["annotations"].to_string();
    if let Some(main) = items(&pod["spec"]["containers"]).iter().find(|container| container["name"] == "main") {
        sought.push_str(&main.to_string());
    }
    let Some((_, after)) = sought.split_once("bed-fail") else { return false };
    let limit = after.strip_prefix('=').map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().unwrap_or(u64::MAX)
    });
    limit.is_none_or(|limit| attempt(annotation(pod, "workflows.argoproj.io/node-name")) < limit)
}

/// The number of an attempt: `x(2)` is 2, anything else 0.
fn attempt(node: &str) -> u64 {
    let inner = node.strip_suffix(')').and_then(|rest| rest.rsplit_once('('));
    inner.and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::argo::nodes::node;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn replaced(look: Look) -> Value {
        match look.change {
            Some(Change::Replace(_, pod)) => pod,
            other => panic!("{other:?}"),
        }
    }

    fn step(text: &str) -> Value {
        json!({"metadata": {"name": "p", "namespace": "ml", "uid": "u", "labels": {WORKFLOW: "w"},
                "annotations": {"bed/seconds": "3", "workflows.argoproj.io/node-name": "w.train(1)"}},
            "spec": {"containers": [{"name": "wait"}, {"name": "main", "args": [text]}]}, "status": {"phase": "Pending"}})
    }

    fn life(text: &str) -> (String, i64) {
        let timing = Timing::real();
        let nodes = || vec![(node("r", 0, at(0)), 0)];
        let mut pod = step(text);
        for second in 0..20 {
            let look = look(&pod, &nodes, None, &timing, at(second));
            if look.change.is_some() {
                pod = replaced(look);
            }
            if fulfilled(super::text(&pod["status"]["phase"])) {
                return (super::text(&pod["status"]["phase"]).to_owned(), second);
            }
        }
        panic!("still running: {pod}");
    }

    #[test]
    fn a_step_runs_as_long_as_it_says_and_fails_when_asked() {
        assert_eq!(life("train"), ("Succeeded".to_owned(), 4));
        assert_eq!(life("bed-fail").0, "Failed");
        assert_eq!(life("bed-fail=1").0, "Succeeded", "the second attempt of one that fails once");
        assert_eq!(life("bed-fail=2").0, "Failed");
    }

    #[test]
    fn nowhere_to_go() {
        let mut cordoned = node("r", 0, at(0));
        cordoned["spec"]["unschedulable"] = true.into();
        let pod = replaced(look(&step("x"), &|| vec![(cordoned.clone(), 0)], None, &Timing::real(), at(0)));
        assert_eq!(pod["status"]["conditions"][0]["reason"], "Unschedulable");
    }

    #[test]
    fn a_deleted_pod_takes_a_moment() {
        let mut pod = step("x");
        pod["metadata"]["deletionTimestamp"] = clock::seconds(at(30)).into();
        pod["metadata"]["deletionGracePeriodSeconds"] = json!(30);
        let look = |second| look(&pod, &Vec::new, None, &Timing::real(), at(second));
        assert_eq!(look(0), Look::at(at(1)));
        assert_eq!(look(1).change, Some(Change::remove(Kind::Pod, &pod)));
    }

    #[test]
    fn a_crash_loop_shows() {
        let mut pod = step("x");
        pod["metadata"]["labels"] = json!({"app": "workflow-controller"});
        pod["spec"]["nodeName"] = "n".into();
        pod["status"] = json!({"phase": "Running", "startTime": clock::seconds(at(0))});
        let ended = Ended { code: 1, started: at(0), finished: at(5) };
        let container = Container { restarts: 3, state: State::Down(at(45)), last: Some(ended) };
        let pod = replaced(look(&pod, &Vec::new, Some(&container), &Timing::real(), at(6)));
        let status = &pod["status"]["containerStatuses"][0];
        assert_eq!(status["state"]["waiting"]["reason"], "CrashLoopBackOff");
        assert!(text(&status["state"]["waiting"]["message"]).starts_with("back-off 40s restarting"));
        assert_eq!(status["lastState"]["terminated"]["exitCode"], 1);
        assert_eq!((&status["restartCount"], &status["ready"]), (&json!(3), &json!(false)));
    }
}
