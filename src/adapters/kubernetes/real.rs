//! Against real API servers, only when `LEEWARD_TEST_KUBECONFIG` names a kubeconfig. `LEEWARD_TEST_CONTEXT` (default
//! `us-central1`) is a context with every right in a cluster with Argo's definitions and a namespace `argo`.

use super::*;
use crate::domain::effect::{Effect, Target};
use crate::domain::endpoints::{DatabaseEndpoint, Intervals, MetricsEndpoint, PasswordSource, RegionEndpoints};
use crate::domain::kubernetes::ObjectKey;
use crate::domain::observation::{Change, Fact, Observation};
use crate::domain::region::{PerSide, Side};
use serde_json::json;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

pub(super) fn endpoints(suffix: &str) -> Option<RegionEndpoints> {
    let kubeconfig = std::env::var_os("LEEWARD_TEST_KUBECONFIG")?;
    let context = std::env::var("LEEWARD_TEST_CONTEXT").unwrap_or_else(|_| "us-central1".to_owned());
    Some(RegionEndpoints {
        name: context.clone(),
        kubeconfig: Some(kubeconfig.into()),
        context: format!("{context}{suffix}"),
        namespaces: Vec::new(),
        controller_namespace: "argo".into(),
        metrics: MetricsEndpoint::Off,
        database: DatabaseEndpoint { url: String::new(), password: PasswordSource::None },
        operator: None,
    })
}

pub(super) struct Seen {
    facts: mpsc::Receiver<Observation>,
    /// Kept: nothing is opened, but what is may change.
    _wanted: watch::Sender<Wanted>,
}

impl Seen {
    pub fn start(endpoints: RegionEndpoints) -> Seen {
        let (out, facts) = mpsc::channel(256);
        let (wanted, wanted_seen) = watch::channel(Wanted::default());
        tokio::spawn(observe(Observe {
            endpoints,
            side: Side::A,
            environment: "leeward-test".into(),
            canary_namespace: Some("argo".into()),
            intervals: Intervals::default(),
            out,
            wanted: wanted_seen,
            hurry: watch::Sender::new(false).subscribe(),
        }));
        Seen { facts, _wanted: wanted }
    }

    /// The first fact that `pick` takes; panics after a minute without one.
    pub async fn until<T>(&mut self, what: &str, mut pick: impl FnMut(Observation) -> Option<T>) -> T {
        let search = async {
            loop {
                let fact = self.facts.recv().await.expect("the observation ended");
                if let Some(found) = pick(fact) {
                    return found;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), search).await.unwrap_or_else(|_| panic!("no {what}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_is_observed() {
    let Some(endpoints) = endpoints("") else { return };
    let mut seen = Seen::start(endpoints);
    let mut missing =
        vec!["answered", "identity", "rights", "controllers", "lock", "scope", "runs", "crons", "templates", "nodes"];
    let mut details = 0;
    while !missing.is_empty() {
        let name = seen
            .until(&format!("{missing:?}"), |observation| {
                let name = match &observation.fact {
                    Fact::Answered { latency } => {
                        eprintln!("{latency:?}");
                        "answered"
                    }
                    Fact::Identity(identity) => {
                        eprintln!("{identity:?}");
                        "identity"
                    }
                    Fact::Rights(rights) => {
                        eprintln!("{rights:?}");
                        "rights"
                    }
                    Fact::Controllers(controllers) => {
                        eprintln!("{controllers:?}");
                        "controllers"
                    }
                    Fact::Lock(lock) => {
                        eprintln!("{lock:?}");
                        "lock"
                    }
                    Fact::Scope(scope) => {
                        eprintln!("{scope:?}");
                        "scope"
                    }
                    Fact::Runs(Change::Reset(rows)) => {
                        eprintln!("{} runs {:?}", rows.len(), rows.first());
                        "runs"
                    }
                    Fact::Crons(Change::Reset(rows)) => {
                        eprintln!("{rows:?}");
                        "crons"
                    }
                    Fact::Templates(Change::Reset(rows)) => {
                        eprintln!("{rows:?}");
                        "templates"
                    }
                    Fact::Nodes(Change::Reset(rows)) => {
                        eprintln!("{} nodes {:?}", rows.len(), rows.first());
                        "nodes"
                    }
                    Fact::RunDetail { .. } => {
                        details += 1;
                        return None;
                    }
                    Fact::Failed { error, .. } | Fact::WatchFailed(_, error) => panic!("{error}"),
                    _ => return None,
                };
                Some(name)
            })
            .await;
        missing.retain(|other| *other != name);
    }
    eprintln!("{details} details");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_rights_is_told_so_and_not_that_the_server_is_down() {
    let Some(endpoints) = endpoints("-nobody") else { return };
    let mut seen = Seen::start(endpoints);
    let error = seen
        .until("refusal", |observation| match observation.fact {
            Fact::Failed { error, .. } => Some(error),
            Fact::Answered { .. } => panic!("it is not permitted to ask"),
            _ => None,
        })
        .await;
    eprintln!("{error}");
    assert_eq!(error.kind, crate::domain::freshness::ErrorKind::Forbidden);
}

/// An object made for a test and deleted after it.
struct Made {
    server: Server,
    path: String,
}

impl Made {
    async fn new(server: &Server, collection: &str, manifest: serde_json::Value) -> (Made, String) {
        let path = format!("{collection}/{}", manifest["metadata"]["name"].as_str().unwrap());
        let made = Made { server: server.clone(), path };
        made.delete().await;
        let ask = Ask::with_body(http::Method::POST, collection, "application/json", &manifest);
        let object: serde_json::Value = server.ask(ask).await.unwrap();
        (made, object["metadata"]["uid"].as_str().unwrap().to_owned())
    }

    async fn delete(&self) {
        let ask = Ask { method: http::Method::DELETE, ..Ask::get(&self.path) };
        match self.server.bytes(ask).await {
            Ok(_) => {}
            Err(error) => assert_eq!(error.code, Some(404), "{error}"),
        }
        while self.server.get::<serde_json::Value>(&self.path).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn effects_take_and_wrong_identities_do_not() {
    let Some(endpoints) = endpoints("") else { return };
    let server = Dialer::open(&endpoints, Access::MayWrite, Duration::from_secs(5)).await.unwrap().dial().unwrap();
    let cluster_uid = probe::cluster_uid(&server).await.unwrap();
    let argo = "/apis/argoproj.io/v1alpha1/namespaces/argo";
    let spec = json!({"entrypoint": "main", "suspend": true, "templates": [{"name": "main",
        "container": {"image": "busybox", "command": ["true"]}}]});
    let cron = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "CronWorkflow", "metadata": {"name": "leeward-test"},
        "spec": {"schedule": "0 0 29 2 *", "schedules": ["0 0 29 2 *"], "workflowSpec": spec}});
    let pods = json!({"metadata": {"labels": {"app": "leeward-test"}}, "spec": {"containers": [{"name": "c", "image": "pause"}]}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "leeward-test"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "leeward-test"}}, "template": pods}});
    let lease = ObjectKey::new("argo", "leeward-leeward-test");
    let (cron, cron_uid) = Made::new(&server, &format!("{argo}/cronworkflows"), cron).await;
    let (deployment, deployment_uid) =
        Made::new(&server, "/apis/apps/v1/namespaces/argo/deployments", deployment).await;
    let lock = Made { server: server.clone(), path: leases::path(&lease) };
    let canary = Made { server: server.clone(), path: format!("{argo}/workflows/leeward-test-canary") };
    lock.delete().await;
    canary.delete().await;

    let actuator = Actuator::new(PerSide::new(endpoints.clone(), endpoints), Access::MayWrite, Duration::from_secs(5));
    let side = Side::A;
    let holder = "test@here".to_owned();
    let target = |uid: &str, cluster: &str| Target {
        side,
        cluster_uid: cluster.to_owned(),
        key: ObjectKey::new("argo", "leeward-test"),
        uid: uid.to_owned(),
    };
    let manifest = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": spec,
        "metadata": {"name": "leeward-test-canary", "namespace": "argo", "labels": {RUN_LABEL: "r1"}}});
    let canary_effect = Effect::CreateCanary {
        side,
        cluster_uid: cluster_uid.clone(),
        key: ObjectKey::new("argo", "leeward-test-canary"),
        manifest,
    };
    let suspend = |suspend| Effect::SuspendCron { target: target(&cron_uid, &cluster_uid), suspend };
    let scale = |replicas| Effect::Scale { target: target(&deployment_uid, &cluster_uid), replicas };
    let other_cluster = Effect::Scale { target: target(&deployment_uid, "another"), replicas: 3 };
    let namesake = Effect::Scale { target: target("another", &cluster_uid), replicas: 3 };
    let take =
        Effect::TakeLock { side, cluster_uid: Some(cluster_uid.clone()), lease: lease.clone(), holder: holder.clone() };
    let steps: Vec<(Effect, &str)> = vec![
        (suspend(true), "not sent: the environment's lock is not held"),
        (take.clone(), "argo/leeward-leeward-test created and taken by test@here"),
        (take, "already so: argo/leeward-leeward-test is held by test@here"),
        (suspend(true), "argo/leeward-test: suspend = true, was false"),
        (suspend(true), "already so: argo/leeward-test has suspend = true"),
        (suspend(false), "argo/leeward-test: suspend = false, was true"),
        (scale(0), "already so: argo/leeward-test has replicas = 0"),
        (scale(1), "argo/leeward-test: replicas = 1, was 0"),
        (scale(0), "argo/leeward-test: replicas = 0, was 1"),
        (other_cluster, "refused: another cluster answers at"),
        (namesake, "refused: argo/leeward-test is another object by the same name"),
        (canary_effect.clone(), "argo/leeward-test-canary created, UID "),
        (canary_effect, "already so: argo/leeward-test-canary was created before, by this run"),
        (Effect::ReleaseLock { side, lease: lease.clone(), holder }, "argo/leeward-leeward-test given up by test@here"),
        (suspend(true), "not sent: the environment's lock is not held"),
    ];
    for (effect, expected) in steps {
        let outcome = actuator.perform(&effect, Duration::from_secs(10)).await;
        assert!(outcome.text().starts_with(expected), "{effect:?}: {outcome:?} instead of {expected}");
    }
    for made in [cron, deployment, lock, canary] {
        made.delete().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_itself_refuses_another_uid_and_an_old_version() {
    let Some(endpoints) = endpoints("") else { return };
    let server = Dialer::open(&endpoints, Access::MayWrite, Duration::from_secs(5)).await.unwrap().dial().unwrap();
    let deployment = "/apis/apps/v1/namespaces/argo/deployments/workflow-controller";
    let crons: serde_json::Value = server.get("/apis/argoproj.io/v1alpha1/cronworkflows?limit=1").await.unwrap();
    let cron = &crons["items"][0]["metadata"];
    let (namespace, name) = (cron["namespace"].as_str().unwrap(), cron["name"].as_str().unwrap());
    let cron = format!("/apis/argoproj.io/v1alpha1/namespaces/{namespace}/cronworkflows/{name}");
    for (path, metadata, expected) in [
        (format!("{deployment}/scale"), json!({"uid": "00000000-0000-0000-0000-000000000000"}), 409),
        (format!("{deployment}/scale"), json!({"resourceVersion": "1"}), 409),
        (cron.clone(), json!({"uid": "00000000-0000-0000-0000-000000000000"}), 422),
        (cron, json!({"resourceVersion": "1"}), 409),
    ] {
        // Were it taken, it would change nothing that matters; `dryRun` keeps even that from being stored.
        let patch = json!({"metadata": metadata, "spec": {}});
        let path = format!("{path}?dryRun=All");
        let ask = Ask::with_body(http::Method::PATCH, &path, "application/merge-patch+json", &patch);
        let error = server.ask::<serde_json::Value>(ask).await.unwrap_err();
        assert_eq!(error.code, Some(expected), "{path}: {error}");
    }
}
