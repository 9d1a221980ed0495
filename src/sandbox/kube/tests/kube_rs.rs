//! What a kube-rs client meets, down to single bodies.

use futures_util::{AsyncBufReadExt, TryStreamExt};
use http::{Method, Request};
use k8s_openapi::api::{apps::v1::Deployment, coordination::v1::Lease, core::v1::Pod};
use kube::{
    Api,
    api::{
        ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions, WatchEvent, WatchParams,
    },
};
use serde_json::Value;

use super::*;

fn workflows(client: &kube::Client) -> Api<DynamicObject> {
    let resource = ApiResource {
        group: "argoproj.io".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "argoproj.io/v1alpha1".to_owned(),
        kind: "Workflow".to_owned(),
        plural: "workflows".to_owned(),
    };
    Api::namespaced_with(client.clone(), "ml", &resource)
}

/// One raw request: status and body.
async fn raw(server: &ApiServer, method: Method, path: &str, headers: &[(&str, &str)], body: &Value) -> (u16, Value) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = request.body(kube::client::Body::from(body)).unwrap();
    let response = client(server, User::Admin).send(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect_bytes().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

fn code<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> (u16, String) {
    match result {
        Err(kube::Error::Api(status)) => (status.code, status.reason.clone()),
        other => panic!("not refused by the API: {other:?}"),
    }
}

const TABLE: &str = "application/json;as=Table;g=meta.k8s.io;v=v1";
const MERGE: &str = "application/merge-patch+json";
const WORKFLOWS: &str = "/apis/argoproj.io/v1alpha1/namespaces/ml/workflows";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_and_watches() {
    let server = server().await;
    let api = workflows(&client(&server, User::Viewer));
    let first = api.list(&ListParams::default().limit(3)).await.unwrap();
    assert_eq!((first.items.len(), first.metadata.remaining_item_count), (3, Some(2)));
    // A change between two pages does not show in the second: both are true for the first one's revision.
    server.store().create(Kind::Workflow, workflow("train-9"), clock::now()).unwrap();
    let token = first.metadata.continue_.clone().unwrap();
    let second = api.list(&ListParams::default().limit(3).continue_token(&token)).await.unwrap();
    let names: Vec<String> = second.items.iter().filter_map(|item| item.metadata.name.clone()).collect();
    assert_eq!(names, ["train-3", "train-4"]);
    assert_eq!(second.metadata.resource_version, first.metadata.resource_version);
    // The watch from there brings it.
    let version = first.metadata.resource_version.clone().unwrap();
    let mut events = Box::pin(api.watch(&WatchParams::default().timeout(5), &version).await.unwrap());
    match events.try_next().await.unwrap().unwrap() {
        WatchEvent::Added(object) => assert_eq!(object.metadata.name.as_deref(), Some("train-9")),
        other => panic!("{other:?}"),
    }
    match events.try_next().await.unwrap().unwrap() {
        WatchEvent::Bookmark(mark) => {
            assert_eq!(mark.metadata.resource_version, server.store().revision().to_string());
        }
        other => panic!("{other:?}"),
    }
    // After a compaction the token and the revision are gone.
    server.store().compact();
    assert_eq!(
        code(api.list(&ListParams::default().limit(3).continue_token(&token)).await),
        (410, "Expired".to_owned())
    );
    let mut events = Box::pin(api.watch(&WatchParams::default(), &version).await.unwrap());
    match events.try_next().await.unwrap().unwrap() {
        WatchEvent::Error(status) => assert_eq!((status.code, status.reason.as_str()), (410, "Expired")),
        other => panic!("{other:?}"),
    }
    assert!(events.try_next().await.unwrap().is_none(), "the stream ends after the error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_label_takes_an_object_out_of_a_watch() {
    let server = server().await;
    let api = workflows(&client(&server, User::Operator));
    let selector = WatchParams::default().labels("workflows.argoproj.io/phase=Running");
    let version = server.store().revision().to_string();
    let mut events = Box::pin(api.watch(&selector, &version).await.unwrap());
    let patch = Patch::Merge(json!({"metadata": {"labels": {"workflows.argoproj.io/phase": "Failed"}}}));
    api.patch("train-0", &PatchParams::default(), &patch).await.unwrap();
    assert!(matches!(events.try_next().await.unwrap().unwrap(), WatchEvent::Deleted(_)));
    let back = Patch::Merge(json!({"metadata": {"labels": {"workflows.argoproj.io/phase": "Running"}}}));
    api.patch("train-0", &PatchParams::default(), &back).await.unwrap();
    let next = events.try_next().await.unwrap().unwrap();
    assert!(matches!(next, WatchEvent::Added(_) | WatchEvent::Bookmark(_)), "{next:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn table_watch() {
    let server = server().await;
    let request =
        Request::get(format!("{WORKFLOWS}?watch=true&allowWatchBookmarks=true&timeoutSeconds=3&resourceVersion=0"))
            .header("Accept", TABLE)
            .body(Vec::new())
            .unwrap();
    let stream = client(&server, User::Admin).request_stream(request).await.unwrap();
    let mut lines = stream.lines();
    let mut seen = Vec::new();
    while let Some(line) = lines.try_next().await.unwrap() {
        let event: Value = serde_json::from_str(&line).unwrap();
        let mark = event["type"] == "BOOKMARK";
        seen.push(event);
        if mark {
            break;
        }
    }
    assert_eq!(seen.len(), 6);
    assert_eq!(seen[0]["object"]["columnDefinitions"].as_array().map(Vec::len), Some(4));
    assert!(seen[1..].iter().all(|event| event["object"]["columnDefinitions"].is_null()));
    assert_eq!(seen[5]["object"]["rows"][0]["cells"], json!(["", null, null, null]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preconditions() {
    let server = server().await;
    let client = client(&server, User::Operator);
    let api = workflows(&client);
    let object = api.get("train-0").await.unwrap();
    let patch = |metadata: Value| Patch::Merge(json!({"metadata": metadata, "spec": {"suspend": true}}));
    let params = PatchParams::default();
    for (metadata, expected) in [
        (json!({"uid": "00000000-0000-4000-8000-000000000000"}), (422, "Invalid")),
        (json!({"resourceVersion": "1"}), (409, "Conflict")),
    ] {
        let refused = code(api.patch("train-0", &params, &patch(metadata.clone())).await);
        assert_eq!(refused, (expected.0, expected.1.to_owned()), "{metadata}");
    }
    let exact = json!({"uid": object.metadata.uid, "resourceVersion": object.metadata.resource_version});
    api.patch("train-0", &params, &patch(exact.clone())).await.unwrap();
    assert_eq!(code(api.patch("train-0", &params, &patch(exact)).await).0, 409, "the version has moved on");
    assert_eq!(code(api.patch("no-such", &params, &patch(json!({}))).await), (404, "NotFound".to_owned()));

    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "argo");
    let scale = deployments.get_scale("workflow-controller").await.unwrap();
    assert_eq!(scale.spec.and_then(|spec| spec.replicas), Some(1));
    for metadata in [json!({"uid": "other"}), json!({"resourceVersion": "1"})] {
        let patch = Patch::Merge(json!({"metadata": metadata, "spec": {"replicas": 0}}));
        let refused = code(deployments.patch_scale("workflow-controller", &params, &patch).await);
        assert_eq!(refused, (409, "Conflict".to_owned()));
    }
    let patch = Patch::Merge(json!({"metadata": {"uid": scale.metadata.uid,
        "resourceVersion": scale.metadata.resource_version}, "spec": {"replicas": 0}}));
    deployments.patch_scale("workflow-controller", &params, &patch).await.unwrap();

    let delete = kube::api::DeleteParams {
        preconditions: Some(Preconditions { uid: Some("other".to_owned()), resource_version: None }),
        ..kube::api::DeleteParams::default()
    };
    assert_eq!(code(api.delete("train-0", &delete).await), (409, "Conflict".to_owned()));
    api.delete("train-0", &kube::api::DeleteParams::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_swapped_by_its_version() {
    let server = server().await;
    let leases: Api<Lease> = Api::namespaced(client(&server, User::Operator), "argo");
    let lease: Lease = serde_json::from_value(json!({"metadata": {"name": "leeward-prod"},
        "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": "2026-11-24T10:00:00.000000Z"}}))
    .unwrap();
    let created = leases.create(&PostParams::default(), &lease).await.unwrap();
    assert_eq!(code(leases.create(&PostParams::default(), &lease).await), (409, "AlreadyExists".to_owned()));
    let mut mine = created.clone();
    mine.spec.as_mut().unwrap().holder_identity = Some("b".to_owned());
    leases.replace("leeward-prod", &PostParams::default(), &mine).await.unwrap();
    let refused = code(leases.replace("leeward-prod", &PostParams::default(), &mine).await);
    assert_eq!(refused, (409, "Conflict".to_owned()));
    mine.metadata.resource_version = None;
    assert_eq!(code(leases.replace("leeward-prod", &PostParams::default(), &mine).await).0, 422);
    let elsewhere: Api<Lease> = Api::namespaced(client(&server, User::Operator), "kube-system");
    assert_eq!(code(elsewhere.create(&PostParams::default(), &lease).await), (403, "Forbidden".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies() {
    let server = server().await;
    let get = Method::GET;
    let none = Value::Null;
    let (status, body) = raw(&server, get.clone(), &format!("{WORKFLOWS}/no"), &[], &none).await;
    assert_eq!((status, body["details"]["kind"].as_str()), (404, Some("workflows")));
    let (status, table) = raw(&server, get.clone(), WORKFLOWS, &[("Accept", TABLE)], &none).await;
    assert_eq!((status, table["rows"].as_array().map(Vec::len)), (200, Some(5)));
    let path = format!("{WORKFLOWS}?includeObject=None&limit=1");
    let (_, table) = raw(&server, get.clone(), &path, &[("Accept", TABLE)], &none).await;
    assert!(table["rows"][0]["object"].is_null() && table["metadata"]["continue"].is_string());
    let (status, body) = raw(&server, get.clone(), &format!("{WORKFLOWS}?labelSelector=a%20b"), &[], &none).await;
    assert_eq!((status, body["reason"].as_str()), (400, Some("BadRequest")));
    let (status, _) = raw(&server, get.clone(), &format!("{WORKFLOWS}?fieldSelector=status.phase=x"), &[], &none).await;
    assert_eq!(status, 400);
    let (status, _) = raw(&server, get.clone(), WORKFLOWS, &[("Accept", "text/html")], &none).await;
    assert_eq!(status, 406);
    let future = format!("{WORKFLOWS}?resourceVersion=99999999");
    let (status, body) = raw(&server, get, &future, &[], &none).await;
    assert_eq!((status, body["reason"].as_str()), (504, Some("Timeout")));
    let object = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "x"}});
    let elsewhere = WORKFLOWS.replace("/ml/", "/nowhere/");
    let (status, body) = raw(&server, Method::POST, &elsewhere, &[("Content-Type", "application/json")], &object).await;
    assert_eq!((status, body["message"].as_str()), (404, Some("namespaces \"nowhere\" not found")));
    let patch = format!("{WORKFLOWS}/train-1?dryRun=All");
    let change = json!({"spec": {"suspend": true}});
    let (status, body) = raw(&server, Method::PATCH, &patch, &[("Content-Type", MERGE)], &change).await;
    assert_eq!((status, &body["spec"]["suspend"]), (200, &json!(true)));
    let kept = server.store().get(Kind::Workflow, "ml", "train-1").unwrap().value();
    assert!(kept["spec"].get("suspend").is_none());
    let pem =
        k8s_openapi::ByteString(b"-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n".to_vec());
    let csr = json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
        "metadata": {"name": "approve"}, "spec": {"username": "someone-else", "signerName": "leeward.dev/approval",
            "request": pem, "usages": ["client auth"]}});
    let path = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let (status, body) = raw(&server, Method::POST, path, &[("Content-Type", "application/json")], &csr).await;
    assert_eq!((status, body["spec"]["username"].as_str()), (201, Some("admin")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn initial_events() {
    let path = format!(
        "{WORKFLOWS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1"
    );
    let request = || Request::get(&path).body(Vec::new()).unwrap();
    let modern = server().await;
    let lines: Vec<String> =
        client(&modern, User::Admin).request_stream(request()).await.unwrap().lines().try_collect().await.unwrap();
    let end: Value = serde_json::from_str(&lines[5]).unwrap();
    assert_eq!(end["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    let old = server_with(|options| options.watch_list = false).await;
    let (status, body) = raw(&old, Method::GET, &path, &[], &Value::Null).await;
    assert_eq!((status, body["reason"].as_str()), (422, Some("Invalid")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eviction_asks_the_budget() {
    let server = server().await;
    let store = server.store();
    let pod = json!({"metadata": {"name": "p", "namespace": "ml", "labels": {"app": "inference"}},
        "spec": {"nodeName": "node-1", "containers": [{"name": "main"}]}, "status": {"phase": "Running"}});
    store.create(Kind::Pod, pod, clock::now()).unwrap();
    let budget = json!({"metadata": {"name": "inference", "namespace": "ml"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "inference"}}},
        "status": {"observedGeneration": 1, "disruptionsAllowed": 0, "desiredHealthy": 1, "currentHealthy": 1}});
    let mut budget = store.create(Kind::PodDisruptionBudget, budget, clock::now()).unwrap().value();
    let pods: Api<Pod> = Api::namespaced(client(&server, User::Operator), "ml");
    let refused = code(pods.evict("p", &kube::api::EvictParams::default()).await);
    assert_eq!(refused, (429, "TooManyRequests".to_owned()));
    budget["status"]["disruptionsAllowed"] = json!(1);
    store.replace(Kind::PodDisruptionBudget, budget).unwrap();
    pods.evict("p", &kube::api::EvictParams::default()).await.unwrap();
    let pod = store.get(Kind::Pod, "ml", "p").unwrap().value();
    assert!(pod["metadata"]["deletionTimestamp"].is_string(), "the kubelet still has to stop it");
    assert_eq!(store.list(Kind::PodDisruptionBudget, None).items[0].value()["status"]["disruptionsAllowed"], 0);
}

/// Each answer as kube-apiserver 1.36 gave it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_number_and_what_is_no_resource() {
    let server = server().await;
    let no_resource = "the server could not find the requested resource";
    for (path, expected, message) in [
        ("/apis/argoproj.io/v1alpha1/workflows?limit=abc", 400, "strconv.ParseInt: parsing \"abc\": invalid syntax"),
        ("/api/v1/pods?limit=", 400, "strconv.ParseInt: parsing \"\": invalid syntax"),
        (
            "/api/v1/pods?limit=99999999999999999999",
            400,
            "strconv.ParseInt: parsing \"99999999999999999999\": value out of range",
        ),
        ("/api/v1/pods?watch=1&timeoutSeconds=1x", 400, "strconv.ParseInt: parsing \"1x\": invalid syntax"),
        ("/api/v1/pods?limit=-1", 200, ""),
        ("/api/v1/nosuch", 404, no_resource),
        ("/api/v1/namespaces/ml/nosuch/x", 404, no_resource),
        ("/apis/apps/v1/nosuch", 404, no_resource),
        ("/apis/apps/v7/deployments", 404, no_resource),
        // Where definitions of custom resources would be it is a plain page.
        ("/apis/argoproj.io/v1alpha1/nosuch", 404, ""),
        ("/apis/nosuch.io/v1/things", 404, ""),
    ] {
        let (status, body) = raw(&server, Method::GET, path, &[], &Value::Null).await;
        assert_eq!((status, body["message"].as_str().unwrap_or("")), (expected, message), "{path}: {body}");
    }
    let apply = [("content-type", "application/apply-patch+yaml")];
    let (status, body) = raw(&server, Method::PATCH, &format!("{WORKFLOWS}/train-0"), &apply, &json!({})).await;
    let listed = "application/json-patch+json, application/merge-patch+json";
    assert!(status == 415 && body["message"].as_str().unwrap().ends_with(&format!("include: {listed}")), "{body}");
}
