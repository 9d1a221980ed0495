//! The server as its clients meet it: kubectl where it is installed, kube-rs always.

mod faults;
mod kube_rs;
mod kubectl;

use std::time::Duration;

use serde_json::json;

use super::*;

/// A server with a little in it.
async fn server() -> ApiServer {
    server_with(|_| ()).await
}

async fn server_with(change: impl FnOnce(&mut ApiServerOptions)) -> ApiServer {
    let store = Store::default();
    let now = clock::now();
    for name in ["argo", "ml", "kube-system"] {
        let namespace = json!({"metadata": {"name": name}, "status": {"phase": "Active"}});
        store.create(Kind::Namespace, namespace, now).unwrap();
    }
    for name in ["node-1", "node-2"] {
        let node = json!({"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        store.create(Kind::Node, node, now).unwrap();
    }
    for number in 0..5 {
        store.create(Kind::Workflow, workflow(&format!("train-{number}")), now).unwrap();
    }
    let deployment = json!({"metadata": {"name": "workflow-controller", "namespace": "argo"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "workflow-controller"}}}});
    store.create(Kind::Deployment, deployment, now).unwrap();
    let mut options = ApiServerOptions::new("us-central1", store);
    options.bookmark_every = Duration::from_millis(100);
    change(&mut options);
    ApiServer::start(options).await.unwrap()
}

fn workflow(name: &str) -> serde_json::Value {
    json!({"metadata": {"name": name, "namespace": "ml", "labels": {"workflows.argoproj.io/phase": "Running"}},
        "spec": {"entrypoint": "main"},
        "status": {"phase": "Running", "startedAt": "2026-11-24T10:00:00Z", "message": "m"}})
}

fn client(server: &ApiServer, user: User) -> kube::Client {
    client_from(&server.kubeconfig(), &user.context("us-central1"))
}

fn client_from(kubeconfig: &str, context: &str) -> kube::Client {
    // Both providers may be linked into a test binary; a process must choose one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let parsed = kube::config::Kubeconfig::from_yaml(kubeconfig).unwrap();
    let options = kube::config::KubeConfigOptions {
        context: Some(context.to_owned()),
        ..kube::config::KubeConfigOptions::default()
    };
    let mut config = futures_util::FutureExt::now_or_never(kube::Config::from_custom_kubeconfig(parsed, &options))
        .expect("reads no file")
        .unwrap();
    // By default kube-rs answers 429, 503 and 504 by trying again for minutes.
    config.default_retry = false;
    kube::Client::try_from(config).unwrap()
}
