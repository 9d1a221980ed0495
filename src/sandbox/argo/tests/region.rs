use super::*;
use crate::sandbox::kube::{ApiFault, ApiServer, ApiServerOptions, Expect, ObjectKey, User};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_comes_up_and_keeps_its_runs() {
    let store = seeded(Role::Primary, Runs { finished: 40, running: 5, pending: 2 });
    let region = start(&store, &Arc::default()).await;
    until("a leader", || !holder(&store).is_empty()).await;
    assert!(holder(&store).starts_with("workflow-controller-"));
    for (namespace, name, replicas) in [
        ("argo", "workflow-controller", 1),
        ("argo", "argo-server", 1),
        ("ml", "inference", 3),
        ("ml", "feature-store", 2),
    ] {
        until(name, || get(&store, Kind::Deployment, namespace, name)["status"]["readyReplicas"] == replicas).await;
    }
    until("the budget", || get(&store, Kind::PodDisruptionBudget, "ml", "inference")["status"]["currentHealthy"] == 3)
        .await;
    assert_eq!(get(&store, Kind::PodDisruptionBudget, "ml", "inference")["status"]["disruptionsAllowed"], 0);
    until("a logger on each node", || {
        get(&store, Kind::DaemonSet, "kube-system", "node-logger")["status"]["numberReady"] == 6
    })
    .await;
    let count = |wanted: &str| {
        let runs = store.list(Kind::Workflow, None).items;
        runs.iter().filter(|run| run.label(PHASE) == Some(wanted)).count()
    };
    assert_eq!((count("Running"), count("Pending")), (5, 2), "the controller finds what it would have left");
    let running = store.list(Kind::Workflow, Some("ml")).items;
    let running = running.iter().find(|run| run.label(PHASE) == Some("Running")).unwrap().value();
    assert_eq!(running["status"]["progress"], "2/3");
    // The port is opened a moment after the controller leads.
    let text = loop {
        match scrape(&region).await {
            Some(text) if text.contains("is_leader 1") => break text,
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    assert!(text.contains("argo_workflows_gauge{phase=\"Running\"} 5\n"), "{text}");
    assert!(text.contains("argo_workflows_is_leader 1\n"));
    region.stop().await;
}

async fn scrape(region: &Region) -> Option<String> {
    reqwest::get(region.metrics_url()).await.ok()?.text().await.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_go_on_retry_fail_and_are_archived() {
    let (store, archive) = (seeded(Role::Primary, Runs::default()), Arc::default());
    let region = start(&store, &archive).await;
    submit(&store, "canary", "dr-canary", "");
    submit(&store, "retried", "train-pipeline", "bed-fail=2");
    submit(&store, "broken", "train-pipeline", "bed-fail");
    submit(&store, "graph", "dag-pipeline", "");
    for (name, expected) in
        [("canary", "Succeeded"), ("retried", "Succeeded"), ("broken", "Failed"), ("graph", "Succeeded")]
    {
        until(name, || phase(&store, name) == expected).await;
        until("archived", || archiving(&store, name) == "Archived").await;
        assert!(archive.names().contains(&name.to_owned()));
    }
    assert_eq!(get(&store, Kind::Workflow, "ml", "retried")["status"]["progress"], "5/7");
    let row = archive.rows.lock().unwrap().iter().find(|row| row.name == "broken").cloned().unwrap();
    assert_eq!((row.cluster.as_str(), row.phase.as_str()), ("us-central1", "Failed"));
    assert!(
        scrape(&region).await.unwrap().contains("argo_workflows_total_count{namespace=\"ml\",phase=\"Failed\"} 1\n")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_controller_only_pods_go_on() {
    let store = seeded(Role::Primary, Runs::default());
    let region = start(&store, &Arc::default()).await;
    until("a leader", || !holder(&store).is_empty()).await;
    let first = holder(&store);
    let mut slow = json!({"metadata": {"name": "slow", "namespace": "ml"}, "spec": {"workflowTemplateRef": {"name": "dag-pipeline"}}});
    slow["spec"]["arguments"] = json!({"parameters": [{"name": "seconds", "value": "150"}]});
    store.create(Kind::Workflow, slow, clock::now()).unwrap();
    let pods = || -> Vec<Value> {
        let pods = store.list(Kind::Pod, Some("ml")).items;
        pods.iter().filter(|pod| pod.label(operate::WORKFLOW) == Some("slow")).map(|pod| pod.value()).collect()
    };
    until("its first pod runs", || pods().iter().any(|pod| pod["status"]["phase"] == "Running")).await;
    scale(&store, 0);
    until("the controller is gone", || controller(&store).is_null()).await;
    until("the metrics are refused", || std::net::TcpStream::connect(address(&region)).is_err()).await;
    until("the pod ends by itself", || pods().iter().all(|pod| pod["status"]["phase"] == "Succeeded")).await;
    assert_eq!(phase(&store, "slow"), "Running", "nobody moves the workflow on");
    assert_eq!(holder(&store), first, "the Lease is not given up");
    scale(&store, 1);
    until("another leader", || holder(&store) != first).await;
    assert_eq!(get(&store, Kind::Lease, "argo", "workflow-controller")["spec"]["leaseTransitions"], 1);
    until("moved on", || get(&store, Kind::Workflow, "ml", "slow")["status"]["progress"] != "0/1").await;
}

fn address(region: &Region) -> String {
    region.metrics_url().trim_start_matches("http://").trim_end_matches("/metrics").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_database_makes_a_crash_loop_that_still_wins_the_lease() {
    let (store, archive) = (seeded(Role::Primary, Runs::default()), Arc::<MemoryArchive>::default());
    archive.set(READ_ONLY);
    let region = start(&store, &archive).await;
    until("it restarts", || restarts(&store) >= 2).await;
    until("the loop shows", || {
        controller(&store)["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    })
    .await;
    let status = controller(&store)["status"]["containerStatuses"][0].clone();
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 1);
    assert_eq!(status["ready"], false);
    let lease = get(&store, Kind::Lease, "argo", "workflow-controller");
    assert_eq!(lease["spec"]["leaseTransitions"], 0);
    assert_eq!(holder(&store), controller(&store)["metadata"]["name"].as_str().unwrap(), "a fresh Lease is not health");
    let name = holder(&store);
    let log = region.kubelet().log("argo", &name, "workflow-controller", true, 0).unwrap();
    assert!(log.lines.iter().any(|line| line.text.contains("25006")), "{log:?}");
    // The database is promoted: the next start works.
    archive.set(WRITABLE);
    submit(&store, "canary", "dr-canary", "");
    until("the canary", || archiving(&store, "canary") == "Archived").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_archive_write_waits_for_a_restart() {
    let (store, archive) = (seeded(Role::Primary, Runs::default()), Arc::<MemoryArchive>::default());
    let region = start(&store, &archive).await;
    until("a leader", || !holder(&store).is_empty()).await;
    submit(&store, "before", "dr-canary", "");
    until("archived", || archiving(&store, "before") == "Archived").await;
    archive.set(GONE);
    submit(&store, "during", "dr-canary", "");
    until("it ends without its database", || phase(&store, "during") == "Succeeded").await;
    archive.set(WRITABLE);
    submit(&store, "after", "dr-canary", "");
    until("the next one is archived", || archiving(&store, "after") == "Archived").await;
    assert_eq!(archiving(&store, "during"), "Pending", "not tried again");
    region.crash_controllers();
    until("the restart archives it", || archiving(&store, "during") == "Archived").await;
    assert!(restarts(&store) >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_key_ends_the_controller_and_mending_it_helps() {
    let store = seeded(Role::Primary, Runs::default());
    let _region = start(&store, &Arc::default()).await;
    until("a leader", || !holder(&store).is_empty()).await;
    let good = get(&store, Kind::ConfigMap, "argo", CONFIG_MAP);
    let mut bad = good.clone();
    bad["data"]["persistance"] = "typo".into();
    store.replace(Kind::ConfigMap, bad).unwrap();
    until("a crash loop", || restarts(&store) >= 1).await;
    let mut mended = get(&store, Kind::ConfigMap, "argo", CONFIG_MAP);
    mended["data"] = good["data"].clone();
    store.replace(Kind::ConfigMap, mended).unwrap();
    submit(&store, "canary", "dr-canary", "");
    until("it works again", || phase(&store, "canary") == "Succeeded").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_workflow_takes_its_pods_along() {
    let store = seeded(Role::Primary, Runs { running: 1, ..Runs::default() });
    let _region = start(&store, &Arc::default()).await;
    let run = store.list(Kind::Workflow, Some("ml")).items.remove(0);
    let pods = || {
        let pods = store.list(Kind::Pod, Some("ml")).items;
        pods.iter().filter(|pod| pod.label(operate::WORKFLOW) == Some(run.name())).count()
    };
    assert_eq!(pods(), 1);
    store.delete(Kind::Workflow, &ObjectKey::new("ml", run.name()), &Expect::default(), clock::now()).unwrap();
    until("its pod goes", || pods() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_server() {
    let store = seeded(Role::Primary, Runs::default());
    let server = ApiServer::start(ApiServerOptions::new("us-central1", store.clone())).await.unwrap();
    let options = RegionOptions {
        timing: Timing::quick(),
        traffic: Traffic::default(),
        fault: Some(server.fault_watch()),
        ..RegionOptions::new(store.clone())
    };
    let region = Region::start(options).await.unwrap();
    server.set_kubelet(region.kubelet());
    until("a leader", || !holder(&store).is_empty()).await;
    let client = reqwest::Client::builder().danger_accept_invalid_certs(true).build().unwrap();
    let fetch = |path: String| {
        let request = client.get(format!("{}{path}", server.url())).bearer_auth(server.token(User::Admin));
        async move {
            let response = request.send().await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        }
    };
    let pod = holder(&store);
    let proxied = |scheme: &str, port: u16| format!("/api/v1/namespaces/argo/pods/{scheme}{pod}:{port}/proxy/metrics");
    let (status, text) = fetch(proxied("https:", METRICS_PORT)).await;
    assert!(status == 200 && text.contains("argo_workflows_is_leader 1"), "{status} {text}");
    assert_eq!(fetch(proxied("http:", METRICS_PORT)).await.0, 400, "it speaks TLS");
    assert_eq!(fetch(proxied("https:", 1)).await.0, 503, "nothing listens there");
    let (status, log) = fetch(format!("/api/v1/namespaces/argo/pods/{pod}/log?tailLines=5")).await;
    assert!(status == 200 && log.contains("started leading"), "{status} {log}");

    // A half-open API server: the leader cannot renew and ends with 0.
    server.set_fault(ApiFault::Silent);
    until("the metrics are gone", || std::net::TcpStream::connect(address(&region)).is_err()).await;
    let still = get(&store, Kind::Lease, "argo", "workflow-controller");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(get(&store, Kind::Lease, "argo", "workflow-controller"), still, "nothing is written meanwhile");
    server.set_fault(ApiFault::None);
    until("it is back", || std::net::TcpStream::connect(address(&region)).is_ok()).await;
    until("the kubelet reports it", || restarts(&store) == 1).await;
    let ended = controller(&store)["status"]["containerStatuses"][0]["lastState"]["terminated"].clone();
    assert_eq!((&ended["exitCode"], &ended["reason"]), (&json!(0), &json!("Completed")));
}

#[test]
fn a_large_region_is_seeded_and_stays_bounded() {
    let store = seeded(Role::Primary, Runs { finished: 2000, running: 20, pending: 3 });
    let runs = store.list(Kind::Workflow, None).items;
    assert_eq!(runs.len(), 2023);
    let weight: usize = runs.iter().map(|run| run.weight()).sum();
    assert!(weight / runs.len() < 3000, "{} bytes a run", weight / runs.len());
    let failed = runs.iter().filter(|run| run.label(PHASE) == Some("Failed")).count();
    assert!((50..400).contains(&failed), "{failed} failed");
    assert_eq!(churn(&store, 10, 1), 10);
}
