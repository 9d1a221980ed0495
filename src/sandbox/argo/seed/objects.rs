//! The objects of a region apart from its runs. Pure. The shape is that of a plain installation of Argo Workflows beside a
//! team's services: one guarded by a budget that allows no eviction, a logger on every node, templates and crons.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    super::{super::kube::Kind, nodes, process::CONFIG_MAP},
    ARGO_VERSION, RegionSeed, Role,
};

/// Everything but runs, in an order in which it may be created.
pub fn region(seed: &RegionSeed, now: Timestamp) -> Vec<(Kind, Value)> {
    let mut objects = Vec::new();
    let mut namespaces =
        ["default", "kube-system", "kube-public", nodes::NODE_LEASES, "argo", "ml"].map(str::to_owned).to_vec();
    namespaces.extend(seed.teams.iter().filter(|team| *team != "ml").cloned());
    for name in namespaces {
        let labels = json!({"kubernetes.io/metadata.name": name});
        let namespace = json!({"metadata": {"name": name, "labels": labels}, "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"}});
        objects.push((Kind::Namespace, namespace));
        let account = json!({"metadata": {"name": "default", "namespace": name}});
        objects.push((Kind::ServiceAccount, account));
    }
    objects.extend((0..seed.nodes).map(|index| (Kind::Node, nodes::node(&seed.name, index, now))));
    objects.extend(installation(seed));
    objects.extend(services());
    objects.extend(templates());
    objects.extend(crons(seed.role));
    objects
}

fn installation(seed: &RegionSeed) -> Vec<(Kind, Value)> {
    let replicas = i64::from(seed.role == Role::Primary);
    let mut data = json!({
        "metricsConfig": "enabled: true\npath: /metrics\nport: 9090\n",
        "workflowDefaults": "spec:\n  podGC:\n    strategy: OnPodCompletion\n",
    });
    if let Some((host, port)) = &seed.database {
        data["persistence"] = format!(
            "archive: true\nnodeStatusOffLoad: true\nclusterName: {}\nconnectionPool:\n  maxIdleConns: 5\n  maxOpenConns: 10\n\
             postgresql:\n  host: {host}\n  port: {port}\n  database: argo\n  tableName: argo_workflows\n  ssl: true\n  \
             sslMode: require\n  userNameSecret: {{name: argo-postgres-config, key: username}}\n  \
             passwordSecret: {{name: argo-postgres-config, key: password}}\n",
            seed.name
        )
        .into();
    }
    // The simulation uses no password, so the Secret holds none worth having.
    let secret = json!({"metadata": {"name": "argo-postgres-config", "namespace": "argo"}, "type": "Opaque",
        "data": {"username": "YXJnbw==", "password": "c2FuZGJveA=="}});
    let controller = json!({"name": "workflow-controller", "image": format!("quay.io/argoproj/workflow-controller:{ARGO_VERSION}"),
        "command": ["workflow-controller"], "args": [],
        "env": [{"name": "LEADER_ELECTION_IDENTITY",
            "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}],
        "ports": [{"name": "metrics", "containerPort": 9090, "protocol": "TCP"}, {"containerPort": 6060, "protocol": "TCP"}],
        "livenessProbe": {"httpGet": {"port": 6060, "path": "/healthz", "scheme": "HTTP"}, "failureThreshold": 3, "successThreshold": 1,
            "initialDelaySeconds": 90, "periodSeconds": 60, "timeoutSeconds": 30}});
    let server = json!({"name": "argo-server", "image": format!("quay.io/argoproj/argocli:{ARGO_VERSION}"), "args": ["server"],
        "ports": [{"name": "web", "containerPort": 2746, "protocol": "TCP"}]});
    vec![
        (Kind::ServiceAccount, json!({"metadata": {"name": "argo", "namespace": "argo"}})),
        (Kind::Secret, secret),
        (Kind::ConfigMap, json!({"metadata": {"name": CONFIG_MAP, "namespace": "argo"}, "data": data})),
        (Kind::Deployment, deployment("workflow-controller", "argo", replicas, controller)),
        (Kind::Deployment, deployment("argo-server", "argo", 1, server)),
    ]
}

fn deployment(name: &str, namespace: &str, replicas: i64, container: Value) -> Value {
    let account = if name == "workflow-controller" { "argo" } else { "default" };
    json!({"metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "template": {"metadata": {"labels": {"app": name}},
                "spec": {"serviceAccountName": account, "nodeSelector": {"kubernetes.io/os": "linux"},
                    "containers": [container]}}}})
}

fn services() -> Vec<(Kind, Value)> {
    let server = || json!({"name": "server", "image": "registry.k8s.io/pause:3.10"});
    let logger = json!({"metadata": {"name": "node-logger", "namespace": "kube-system", "labels": {"app": "node-logger"}},
        "spec": {"selector": {"matchLabels": {"app": "node-logger"}},
            "template": {"metadata": {"labels": {"app": "node-logger"}},
                "spec": {"containers": [{"name": "logger", "image": "registry.k8s.io/pause:3.10"}]}}}});
    let budget = json!({"metadata": {"name": "inference", "namespace": "ml"},
        "spec": {"minAvailable": 3, "selector": {"matchLabels": {"app": "inference"}}}});
    vec![
        (Kind::Deployment, deployment("inference", "ml", 3, server())),
        (Kind::Deployment, deployment("feature-store", "ml", 2, server())),
        (Kind::PodDisruptionBudget, budget),
        (Kind::DaemonSet, logger),
    ]
}

fn step(argument: Value) -> Value {
    json!({"image": "bed/step", "command": ["step"], "args": argument})
}

fn work() -> Value {
    json!({"name": "work", "inputs": {"parameters": [{"name": "what"}]},
        "metadata": {"annotations": {"bed/seconds": "{{workflow.parameters.seconds}}"}},
        "container": step(json!(["{{inputs.parameters.what}}"]))})
}

fn call(name: &str) -> Value {
    json!({"name": name, "template": "work", "arguments": {"parameters": [{"name": "what", "value": name}]}})
}

fn templates() -> Vec<(Kind, Value)> {
    let train = json!({"name": "train", "retryStrategy": {"limit": 3, "retryPolicy": "Always",
            "backoff": {"duration": "2", "factor": 2}},
        "metadata": {"annotations": {"bed/seconds": "{{workflow.parameters.seconds}}"}},
        "container": step(json!(["train", "{{workflow.parameters.mode}}"])),
        "outputs": {"parameters": [{"name": "checkpoint", "valueFrom": {"path": "/tmp/checkpoint"}}]}});
    let seconds = json!({"name": "seconds", "value": "2"});
    let mode = json!({"name": "mode", "value": "normal"});
    let mut retried = work();
    retried["retryStrategy"] = json!({"limit": 2});
    let mut short = work();
    short["metadata"]["annotations"]["bed/seconds"] = "2".into();
    let train_pipeline = json!({"entrypoint": "main", "arguments": {"parameters": [seconds, mode]},
        "ttlStrategy": {"secondsAfterCompletion": 86400},
        "templates": [
            {"name": "main", "steps": [[call("fetch")], [call("preprocess")], [{"name": "train", "template": "train"}],
                [call("evaluate"), call("report")]]},
            work(), train]});
    let task = |name: &str, depends: &str| {
        let mut task = call(name);
        if !depends.is_empty() {
            task["depends"] = depends.into();
        }
        task
    };
    let dag_pipeline = json!({"entrypoint": "main", "arguments": {"parameters": [seconds]},
        "ttlStrategy": {"secondsAfterCompletion": 86400},
        "templates": [
            {"name": "main", "dag": {"tasks": [task("prepare", ""), task("shard-a", "prepare"), task("shard-b", "prepare"),
                task("shard-c", "prepare"), task("train", "shard-a && shard-b && shard-c"), task("publish", "train")]}},
            retried]});
    // Long runs: only the training takes the time that is asked for.
    let pretrain = json!({"entrypoint": "main", "arguments": {"parameters": [seconds, mode]},
        "templates": [
            {"name": "main", "steps": [[call("fetch")], [call("preprocess")], [{"name": "train", "template": "train"}],
                [call("evaluate")]]},
            short, train]});
    let canary = json!({"entrypoint": "main",
        "templates": [{"name": "main", "metadata": {"annotations": {"bed/seconds": "1"}},
            "container": step(json!(["canary"]))}]});
    [("train-pipeline", train_pipeline), ("dag-pipeline", dag_pipeline), ("pretrain", pretrain), ("dr-canary", canary)]
        .into_iter()
        .map(|(name, spec)| {
            (Kind::WorkflowTemplate, json!({"metadata": {"name": name, "namespace": "ml"}, "spec": spec}))
        })
        .collect()
}

fn crons(role: Role) -> Vec<(Kind, Value)> {
    let heartbeat = json!({"metadata": {"name": "heartbeat", "namespace": "ml"},
        "spec": {"schedules": ["*/5 * * * *"], "suspend": role == Role::Standby, "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 60,
            "workflowSpec": {"entrypoint": "main",
                "templates": [{"name": "main", "container": step(json!(["heartbeat"]))}]}}});
    let nightly = json!({"metadata": {"name": "nightly-retrain", "namespace": "ml"},
        "spec": {"schedules": ["0 2 * * *"], "timezone": "UTC", "suspend": true, "concurrencyPolicy": "Replace",
            "startingDeadlineSeconds": 3600, "workflowSpec": {"workflowTemplateRef": {"name": "train-pipeline"}}}});
    vec![(Kind::CronWorkflow, heartbeat), (Kind::CronWorkflow, nightly)]
}
