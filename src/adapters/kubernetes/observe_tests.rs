//! A whole region observed, against a server that says what a test wants.

use super::mock::{self, Mock, Reply, Request, Then};
use super::observe::{Observe, Wanted, observe};
use crate::domain::endpoints::{Intervals, RegionEndpoints};
use crate::domain::freshness::ErrorKind;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::observation::{Fact, Observation};
use crate::domain::region::Side;
use crate::domain::workflow::Nodes;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{mpsc, watch};

struct Seen {
    facts: mpsc::Receiver<Observation>,
    wanted: watch::Sender<Wanted>,
    task: tokio::task::JoinHandle<()>,
}

impl Seen {
    fn start(endpoints: RegionEndpoints) -> Seen {
        let (out, facts) = mpsc::channel(16);
        let (wanted, wanted_seen) = watch::channel(Wanted::default());
        let intervals = Intervals {
            probe: Duration::from_millis(50),
            slow: Duration::from_millis(200),
            timeout: Duration::from_millis(500),
            ..Intervals::default()
        };
        let task = tokio::spawn(observe(Observe {
            endpoints,
            side: Side::B,
            environment: "prod".into(),
            canary_namespace: Some("ml".into()),
            intervals,
            out,
            wanted: wanted_seen,
            hurry: watch::Sender::new(false).subscribe(),
        }));
        Seen { facts, wanted, task }
    }

    /// The first fact that `pick` takes.
    async fn until<T>(&mut self, what: &str, mut pick: impl FnMut(Fact) -> Option<T>) -> T {
        let search = async {
            loop {
                if let Some(found) = pick(self.facts.recv().await.expect("the observation ended").fact) {
                    return found;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), search).await.unwrap_or_else(|_| panic!("no {what}"))
    }

    async fn failure(&mut self, kind: ErrorKind) -> String {
        self.until(&format!("{kind:?}"), |fact| match fact {
            Fact::Failed { error, .. } if error.kind == kind => Some(error.text),
            _ => None,
        })
        .await
    }

    async fn answered(&mut self) {
        self.until("answer", |fact| matches!(fact, Fact::Answered { .. }).then_some(())).await;
    }
}

/// A healthy server with one run and one cron.
fn healthy(request: &Request) -> Reply {
    if request.path.contains("watch=1") {
        return Reply::Lines(Vec::new(), Then::Hang);
    }
    let run = json!({"metadata": {"name": "w", "namespace": "ml", "uid": "u"}, "spec": {},
        "status": {"phase": "Running", "progress": "1/3", "nodes": {"w": {"id": "w", "type": "DAG", "phase": "Running"}}}});
    let items = |items: Vec<Value>| json!({"kind": "XList", "metadata": {"resourceVersion": "7"}, "items": items});
    let path = request.path.as_str();
    Reply::Json(
        200,
        match path.split('?').next().unwrap_or_default() {
            "/version" => json!({"gitVersion": "v1.33.1"}),
            "/api/v1/namespaces/kube-system" => json!({"metadata": {"uid": "c1"}}),
            "/apis/authentication.k8s.io/v1/selfsubjectreviews" => {
                json!({"status": {"userInfo": {"username": "oncall"}}})
            }
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" => json!({"status": {"allowed": true}}),
            "/apis/argoproj.io/v1alpha1/workflows" | "/apis/argoproj.io/v1alpha1/namespaces/ml/workflows" => {
                items(vec![run])
            }
            "/apis/argoproj.io/v1alpha1/namespaces/ml/workflows/w" => run,
            path if path.contains("/leases/") => return Reply::Json(404, json!({"kind": "Status", "code": 404})),
            _ => items(Vec::new()),
        },
    )
}

#[tokio::test]
async fn the_opened_run_and_details_of_unfinished_ones_are_told() {
    let mock = Mock::start(healthy).await;
    let mut seen = Seen::start(mock.endpoints.clone());
    let progress = seen.until("detail", |fact| match fact {
        Fact::RunDetail { key, uid, detail } => Some((key.to_string(), uid, detail.progress)),
        _ => None,
    });
    assert_eq!(progress.await, ("ml/w".into(), "u".into(), "1/3".into()));
    let key = ObjectKey::new("ml", "w");
    seen.wanted.send_replace(Wanted { runs: Vec::new(), open: Some(key.clone()) });
    let opened = seen.until("open run", |fact| match fact {
        Fact::OpenRun(of, run) => Some((of, run.map(|run| run.nodes))),
        _ => None,
    });
    let (of, nodes) = opened.await;
    assert_eq!(of, key);
    assert!(matches!(nodes, Some(Nodes::Here(nodes)) if nodes.len() == 1));
    assert!(mock.requests().iter().any(|request| request.path.ends_with("&fieldSelector=metadata.name%3Dw")));
}

#[tokio::test]
async fn a_line_that_went_dead_is_found_within_the_timeout_and_left_behind() {
    // The heartbeat hangs once: its connection, and all of its pool, are not used again.
    let mut beats = 0;
    let mock = Mock::start(move |request| {
        if request.path.ends_with("/workflows?limit=1") {
            beats += 1;
            if beats == 3 {
                return Reply::Hang;
            }
        }
        healthy(request)
    })
    .await;
    let mut seen = Seen::start(mock.endpoints.clone());
    seen.answered().await;
    let text = seen.failure(ErrorKind::Timeout).await;
    assert!(text.starts_with("no answer from http://127.0.0.1:") && text.ends_with(" in 0.5 s"), "{text}");
    seen.answered().await;
    assert_eq!(mock.count("GET", "/workflows?limit=500"), 1, "nothing is listed again for that");
}

#[tokio::test]
async fn refused_credentials_are_read_again_from_the_kubeconfig() {
    let mock = Mock::start(|request| match request.headers.contains("bearer renewed") {
        true => healthy(request),
        false => Reply::Json(401, json!({"kind": "Status", "code": 401, "message": "Unauthorized"})),
    })
    .await;
    let mut seen = Seen::start(mock.endpoints.clone());
    let text = seen.failure(ErrorKind::Unauthorized).await;
    assert!(text.contains("refused the credentials of context test"), "{text}");
    let file = mock.folder().join("config");
    let renewed = std::fs::read_to_string(&file).unwrap().replace("token: t", "token: renewed");
    std::fs::write(&file, renewed).unwrap();
    seen.answered().await;
}

#[tokio::test]
async fn a_missing_kubeconfig_is_said_and_waited_for_and_all_ends_with_its_listener() {
    let mock = Mock::start(healthy).await;
    let file = mock.folder().join("config");
    let endpoints = RegionEndpoints { kubeconfig: Some(mock.folder().join("later")), ..mock.endpoints.clone() };
    let mut seen = Seen::start(endpoints);
    assert!(seen.failure(ErrorKind::NotConfigured).await.starts_with("kubeconfig: "));
    std::fs::copy(file, mock.folder().join("later")).unwrap();
    seen.answered().await;
    let Seen { facts, task, .. } = seen;
    drop(facts);
    tokio::time::timeout(Duration::from_secs(60), task).await.expect("it goes on for nobody").unwrap();
}

#[tokio::test]
async fn nobody_there_is_said_calmly() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = Seen::start(mock::endpoints(folder.path(), "https://127.0.0.1:9"));
    assert_eq!(seen.failure(ErrorKind::Unreachable).await, "connect to https://127.0.0.1:9 refused");
    let mut seen = Seen::start(mock::endpoints(folder.path(), "https://no-such-host.invalid:6443"));
    let text = seen.failure(ErrorKind::Name).await;
    assert_eq!(text, "the name in https://no-such-host.invalid:6443 cannot be resolved");
    // Somebody who speaks no TLS.
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = plain.local_addr().unwrap().port();
    let speaking = tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").await;
        }
    });
    let mut seen = Seen::start(mock::endpoints(folder.path(), &format!("https://127.0.0.1:{port}")));
    let text = seen.failure(ErrorKind::Tls).await;
    assert!(text.starts_with(&format!("TLS with https://127.0.0.1:{port} failed: ")), "{text}");
    speaking.abort();
}

#[tokio::test]
async fn without_the_right_to_all_namespaces_each_permitted_one_is_watched() {
    let mock = Mock::start(|request| {
        if request.path.ends_with("selfsubjectaccessreviews") {
            let attributes = &request.body["spec"]["resourceAttributes"];
            let allowed = matches!(attributes["namespace"].as_str(), Some("ml" | "batch"));
            return Reply::Json(200, json!({"status": {"allowed": allowed}}));
        }
        if request.path.starts_with("/api/v1/namespaces?") {
            let names = ["batch", "default", "ml"].map(|name| json!({"metadata": {"name": name}}));
            return Reply::Json(200, json!({"kind": "XList", "metadata": {}, "items": names}));
        }
        if request.path.starts_with("/apis/argoproj.io/v1alpha1/workflows") {
            return Reply::Json(403, json!({"kind": "Status", "code": 403, "message": "no"}));
        }
        healthy(request)
    })
    .await;
    let mut seen = Seen::start(mock.endpoints.clone());
    let scope = seen.until("scope", |fact| if let Fact::Scope(scope) = fact { Some(scope) } else { None });
    assert_eq!(scope.await, ["ml", "batch"]);
    seen.until("runs", |fact| matches!(fact, Fact::Runs(_)).then_some(())).await;
    for namespace in ["ml", "batch"] {
        assert!(mock.count("GET", &format!("/namespaces/{namespace}/workflows?limit=500")) == 1, "{namespace}");
    }
}
