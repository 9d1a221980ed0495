//! Effects against a server that keeps objects and compares versions, and can fail at any request.

use super::RUN_LABEL;
use super::act::Actuator;
use super::mock::{self, Mock, Reply, Request, Then};
use super::read_only::Access;
use crate::domain::effect::{Effect, Outcome, Previous, Target};
use crate::domain::kubernetes::ObjectKey;
use crate::domain::region::{PerSide, Side};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const CRON: &str = "/apis/argoproj.io/v1alpha1/namespaces/ml/cronworkflows/nightly";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/argo/deployments/workflow-controller";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/argo/leases";
const WORKFLOWS: &str = "/apis/argoproj.io/v1alpha1/namespaces/ml/workflows";
const DEADLINE: Duration = Duration::from_secs(10);
/// Long enough for every pause between tries, short enough to wait for a server that hangs.
const LIMIT: Duration = Duration::from_secs(8);

/// Objects by path, with the server's rules for versions and UIDs.
pub(super) struct Store {
    pub objects: BTreeMap<String, Value>,
    version: u64,
}

impl Store {
    pub fn new() -> Store {
        let mut store = Store { objects: BTreeMap::new(), version: 100 };
        store.put("/api/v1/namespaces/kube-system", json!({"metadata": {"uid": "cluster-1"}}));
        store.put(
            CRON,
            json!({"kind": "CronWorkflow", "metadata": {"uid": "cron-1"}, "spec": {"schedules": ["0 3 * * *"]}}),
        );
        store.put(DEPLOYMENT, json!({"kind": "Deployment", "metadata": {"uid": "deploy-1"}, "spec": {"replicas": 1}}));
        store
    }

    pub fn put(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = json!(format!("uid-{}", self.version));
        }
        self.objects.insert(path.to_owned(), object.clone());
        object
    }

    pub fn answer(&mut self, request: &Request) -> Reply {
        let path = request.path.trim_end_matches("/scale").to_owned();
        let status = |code: u16, reason: &str| {
            Reply::Json(
                code,
                json!({"kind": "Status", "code": code, "reason": reason, "message": format!("{reason}!")}),
            )
        };
        if request.method == "POST" {
            let path = format!("{path}/{}", request.body["metadata"]["name"].as_str().unwrap_or_default());
            return match self.objects.contains_key(&path) {
                true => status(409, "AlreadyExists"),
                false => Reply::Json(201, self.put(&path, request.body.clone())),
            };
        }
        let Some(mut object) = self.objects.get(&path).cloned() else { return status(404, "NotFound") };
        if request.method == "GET" {
            return Reply::Json(200, object);
        }
        for field in ["uid", "resourceVersion"] {
            let given = &request.body["metadata"][field];
            if !given.is_null() && *given != object["metadata"][field] {
                return status(409, "Conflict");
            }
        }
        match request.method.as_str() {
            "PUT" => object = request.body.clone(),
            _ => merge(&mut object, &request.body),
        }
        Reply::Json(200, self.put(&path, object))
    }
}

fn merge(into: &mut Value, patch: &Value) {
    match patch.as_object() {
        Some(fields) => fields.iter().for_each(|(name, value)| merge(&mut into[name], value)),
        None => *into = patch.clone(),
    }
}

pub(super) fn actuator(mock: &Mock, access: Access) -> Actuator {
    let other = mock::endpoints(mock.folder(), "http://127.0.0.1:9");
    // The second file overwrote the first's context: write the first again.
    let endpoints = PerSide::new(mock.endpoints.clone(), other);
    mock.write_kubeconfig();
    Actuator::new(endpoints, access, Duration::from_secs(5))
}

pub(super) fn take_lock() -> Effect {
    Effect::TakeLock {
        side: Side::A,
        cluster_uid: Some("cluster-1".into()),
        lease: ObjectKey::new("argo", "leeward-prod"),
        holder: "oncall@bastion".into(),
    }
}

fn target(uid: &str, key: ObjectKey) -> Target {
    Target { side: Side::A, cluster_uid: "cluster-1".into(), key, uid: uid.into() }
}

fn suspend() -> Effect {
    Effect::SuspendCron { target: target("cron-1", ObjectKey::new("ml", "nightly")), suspend: true }
}

fn scale(replicas: u32) -> Effect {
    Effect::Scale { target: target("deploy-1", ObjectKey::new("argo", "workflow-controller")), replicas }
}

fn canary(labels: Value) -> Effect {
    Effect::CreateCanary {
        side: Side::A,
        cluster_uid: "cluster-1".into(),
        key: ObjectKey::new("ml", "canary-1"),
        manifest: json!({"metadata": {"name": "canary-1", "namespace": "ml", "labels": labels}, "spec": {}}),
    }
}

/// Performs after taking the lock; `change` may replace an answer. Gives the outcome and the writes after the lock's.
async fn perform(
    effect: Effect,
    mut change: impl FnMut(&Request, &mut Store) -> Option<Reply> + Send + 'static,
) -> (Outcome, Vec<Request>) {
    let mut store = Store::new();
    let mock = Mock::start(move |request| match change(request, &mut store) {
        Some(reply) => reply,
        None => store.answer(request),
    })
    .await;
    let actuator = actuator(&mock, Access::MayWrite);
    let lock = actuator.perform(&take_lock(), DEADLINE).await;
    assert!(lock.took(), "{lock:?}");
    let before = mock.requests().len();
    let outcome = actuator.perform(&effect, LIMIT).await;
    let writes = mock.requests().split_off(before).into_iter().filter(|request| request.method != "GET").collect();
    (outcome, writes)
}

#[tokio::test]
async fn a_change_carries_uid_and_version_and_tells_what_was_before() {
    let (outcome, writes) = perform(suspend(), |_, _| None).await;
    let Outcome::Done { previous, reply } = outcome else { panic!("{outcome:?}") };
    assert_eq!(
        (previous, reply.as_str()),
        (Some(Previous::Suspended { value: false }), "ml/nightly: suspend = true, was false")
    );
    let [patch] = writes.as_slice() else { panic!("{writes:?}") };
    assert_eq!((patch.method.as_str(), patch.path.as_str()), ("PATCH", CRON));
    assert!(patch.headers.contains("content-type: application/merge-patch+json"));
    assert_eq!(patch.body, json!({"metadata": {"uid": "cron-1", "resourceVersion": "102"}, "spec": {"suspend": true}}));

    let (outcome, writes) = perform(scale(0), |_, _| None).await;
    assert!(matches!(outcome, Outcome::Done { previous: Some(Previous::Replicas { value: 1 }), .. }), "{outcome:?}");
    assert_eq!(writes.first().map(|w| w.path.clone()), Some(format!("{DEPLOYMENT}/scale")));
}

#[tokio::test]
async fn what_is_so_already_is_not_sent() {
    let (outcome, writes) = perform(scale(1), |_, _| None).await;
    assert!(matches!(outcome, Outcome::Already { .. }) && writes.is_empty(), "{outcome:?} {writes:?}");
}

#[tokio::test]
async fn another_cluster_or_a_namesake_gets_nothing() {
    let swapped = |request: &Request, store: &mut Store| {
        // The lock was taken where it should be; then another cluster answers.
        let uid = if store.objects.contains_key(&format!("{LEASES}/leeward-prod")) { "cluster-2" } else { "cluster-1" };
        request.is("GET", "kube-system").then(|| Reply::Json(200, json!({"metadata": {"uid": uid}})))
    };
    let namesake = |request: &Request, _: &mut Store| {
        request.is("GET", "cronworkflows").then(|| Reply::Json(200, json!({"metadata": {"uid": "cron-2"}})))
    };
    for (outcome, found) in
        [(perform(suspend(), swapped).await, "cluster-2"), (perform(suspend(), namesake).await, "cron-2")]
    {
        let (Outcome::Refused { reason }, writes) = outcome else { panic!("{outcome:?}") };
        assert!(reason.contains(found) && reason.contains("expected") && writes.is_empty(), "{reason} {writes:?}");
    }
}

#[tokio::test]
async fn a_newer_version_is_read_again_three_times_at_most() {
    // By others, a few times or all the time; and by its status alone, which says nothing about what is wanted.
    for (conflicts, by_others, done, sent) in
        [(2, true, true, 3), (99, true, false, 3), (7, false, true, 8), (99, false, false, 12)]
    {
        let mut met = 0;
        let (outcome, writes) = perform(scale(0), move |request, store| {
            if request.method == "PATCH" && met < conflicts {
                met += 1;
                let mut newer = store.objects[DEPLOYMENT].clone();
                if by_others {
                    newer["metadata"]["generation"] = json!(met);
                }
                store.put(DEPLOYMENT, newer);
            }
            None
        })
        .await;
        assert_eq!(outcome.took(), done, "{outcome:?}");
        assert!(done || matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
        assert_eq!(writes.len(), sent);
    }
}

#[tokio::test]
async fn outcomes_are_called_what_they_are() {
    let on_patch =
        |reply: fn() -> Reply| move |request: &Request, _: &mut Store| (request.method == "PATCH").then(reply);
    let status = |code: u16| json!({"kind": "Status", "code": code, "message": "no"});
    type Case = (&'static str, fn() -> Reply);
    let cases: [Case; 7] = [
        ("unknown", || Reply::Break),
        ("unknown", || Reply::Hang),
        ("unknown", || Reply::Lines(vec![json!("{\"kind\":")], Then::Break)),
        ("unknown", || {
            Reply::Json(504, json!({"kind": "Status", "code": 504, "message": "etcdserver: request timed out"}))
        }),
        ("unknown", || Reply::Json(200, json!({"kind": "Scale", "spec": {"replicas": 7}}))),
        ("refused", || Reply::Json(422, json!({"kind": "Status", "code": 422, "message": "uid"}))),
        ("refused", || Reply::Json(403, json!({"kind": "Status", "code": 403, "message": "no"}))),
    ];
    for (expected, reply) in cases {
        let (outcome, writes) = perform(scale(0), on_patch(reply)).await;
        assert!(outcome.text().starts_with(expected), "{outcome:?}");
        assert_eq!(writes.len(), 1, "sent once, whatever comes back");
    }
    // Before the write nothing can have happened.
    for (expected, code) in [("not sent", 503), ("refused", 404), ("refused", 403)] {
        let status = status(code);
        let before = move |request: &Request, _: &mut Store| {
            request.is("GET", "deployments").then(|| Reply::Json(code, status.clone()))
        };
        let (outcome, writes) = perform(scale(0), before).await;
        assert!(outcome.text().starts_with(expected) && writes.is_empty(), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_was_sent_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let endpoints = mock::endpoints(folder.path(), "https://127.0.0.1:9");
    let actuator = Actuator::new(PerSide::new(endpoints.clone(), endpoints), Access::MayWrite, Duration::from_secs(5));
    let outcome = actuator.perform(&scale(0), DEADLINE).await;
    assert_eq!(outcome, Outcome::NotSent { reason: "connect to https://127.0.0.1:9 refused".into() });
}

#[tokio::test]
async fn nothing_is_written_read_only_or_without_the_lock() {
    for access in [Access::ReadOnly, Access::MayWrite] {
        let mut store = Store::new();
        let mock = Mock::start(move |request| store.answer(request)).await;
        let actuator = actuator(&mock, access);
        if access == Access::ReadOnly {
            let outcome = actuator.perform(&take_lock(), DEADLINE).await;
            assert!(matches!(&outcome, Outcome::NotSent { reason } if reason.contains("read-only")), "{outcome:?}");
        }
        for effect in [suspend(), scale(0), canary(json!({RUN_LABEL: "r1"}))] {
            let outcome = actuator.perform(&effect, DEADLINE).await;
            assert!(
                matches!(&outcome, Outcome::NotSent { reason } if reason.contains("lock is not held")),
                "{outcome:?}"
            );
        }
        assert!(mock.requests().iter().all(|request| request.method == "GET"));
    }
}

#[tokio::test]
async fn a_lost_lock_stops_the_next_write() {
    let thief = |request: &Request, store: &mut Store| {
        if request.is("GET", "deployments") {
            let lease = format!("{LEASES}/leeward-prod");
            let mut taken = store.objects[&lease].clone();
            taken["spec"]["holderIdentity"] = json!("somebody@else");
            store.put(&lease, taken);
        }
        None
    };
    let (outcome, writes) = perform(scale(0), thief).await;
    assert!(matches!(&outcome, Outcome::NotSent { reason } if reason.contains("somebody@else took it")), "{outcome:?}");
    assert!(writes.is_empty());
}

#[tokio::test]
async fn a_canary_is_created_once_for_a_run() {
    let there = |labels: Value| {
        move |request: &Request, store: &mut Store| {
            if request.is("GET", "kube-system") {
                store.put(&format!("{WORKFLOWS}/canary-1"), json!({"metadata": {"labels": labels.clone()}}));
            }
            None
        }
    };
    let ours = || canary(json!({RUN_LABEL: "r1"}));
    let (outcome, writes) = perform(ours(), |_, _| None).await;
    assert!(matches!(outcome, Outcome::Done { .. }) && writes.len() == 1, "{outcome:?}");
    let (outcome, writes) = perform(ours(), there(json!({RUN_LABEL: "r1"}))).await;
    assert!(matches!(outcome, Outcome::Already { .. }) && writes.is_empty(), "{outcome:?}");
    let (outcome, writes) = perform(ours(), there(json!({RUN_LABEL: "r2"}))).await;
    assert!(matches!(outcome, Outcome::Refused { .. }) && writes.is_empty(), "{outcome:?}");
    let (outcome, _) = perform(canary(json!({})), |_, _| None).await;
    assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
    // Made by a first try whose answer was lost, between our look and our request.
    let mut looked = false;
    let race = move |request: &Request, store: &mut Store| {
        if request.is("GET", "canary-1") && !looked {
            looked = true;
            store.put(&format!("{WORKFLOWS}/canary-1"), json!({"metadata": {"labels": {RUN_LABEL: "r1"}}}));
            return Some(Reply::Json(404, json!({"kind": "Status", "code": 404})));
        }
        None
    };
    let (outcome, writes) = perform(ours(), race).await;
    assert!(matches!(outcome, Outcome::Already { .. }) && writes.len() == 1, "{outcome:?}");
}
