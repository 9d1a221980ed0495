//! What kubectl does with the server. Skipped where kubectl is not installed.

use std::{io::Write, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use super::*;

struct Kubectl {
    folder: tempfile::TempDir,
}

impl Kubectl {
    /// None where kubectl is not installed.
    async fn new(server: &ApiServer) -> Option<Self> {
        if Command::new("kubectl").arg("version").arg("--client").output().await.is_err() {
            eprintln!("kubectl is not installed: skipped");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config"), server.kubeconfig()).unwrap();
        Some(Self { folder })
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new("kubectl");
        command
            .args(line.split_whitespace())
            .env("KUBECONFIG", self.folder.path().join("config"))
            .env("HOME", self.folder.path())
            .kill_on_drop(true);
        command
    }

    async fn output(&self, line: &str) -> (bool, String) {
        let output = self.command(line).output().await.unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), text)
    }

    async fn fine(&self, line: &str) -> String {
        let (fine, text) = self.output(line).await;
        assert!(fine, "kubectl {line}: {text}");
        text
    }

    fn file(&self, text: &str) -> String {
        let path = self.folder.path().join("object.yaml");
        std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        path.display().to_string()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads() {
    let server = server().await;
    let Some(kubectl) = Kubectl::new(&server).await else { return };
    let table = kubectl.fine("get wf -A").await;
    let header: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(header, ["NAMESPACE", "NAME", "STATUS", "AGE", "MESSAGE"]);
    assert_eq!(table.lines().count(), 6);
    assert!(kubectl.fine("get wf -A --chunk-size=2").await.contains("train-4"));
    assert!(kubectl.fine("get nodes").await.contains("node-2   Ready"));
    assert!(kubectl.fine("get wf -n ml train-1 -o yaml").await.contains("entrypoint: main"));
    assert!(kubectl.fine("get wf -n ml -l workflows.argoproj.io/phase=Failed").await.contains("No resources"));
    assert!(kubectl.fine("api-resources").await.contains("clusterwftmpl,cwft"));
    assert!(kubectl.fine("explain wf.spec").await.contains("spec <Object>"));
    assert!(kubectl.fine("explain deployments").await.contains("Deployment of the sandbox"));
    assert!(kubectl.fine("get --raw /readyz?verbose").await.ends_with("readyz check passed\n"));
    let metrics = kubectl.fine("get --raw /metrics").await;
    assert!(
        metrics.contains("apiserver_request_total{resource=\"nodes\",subresource=\"\",verb=\"LIST\"} 1"),
        "{metrics}"
    );
    let (fine, text) = kubectl.output("get wf -A --context us-central1-nobody").await;
    assert!(!fine && text.contains("User \"nobody\" cannot list resource \"workflows\""), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asks_for_rights() {
    let server = server().await;
    let Some(kubectl) = Kubectl::new(&server).await else { return };
    for (line, expected) in [
        ("auth can-i list wf -A --context us-central1-viewer", "yes"),
        ("auth can-i patch wf -n ml --context us-central1-viewer", "no"),
        ("auth can-i patch deployments --subresource=scale -n argo --context us-central1-operator", "yes"),
        ("auth can-i list wf -A --context us-central1-nobody", "no"),
    ] {
        assert_eq!(kubectl.output(line).await.1.trim(), expected, "{line}");
    }
    assert!(
        kubectl
            .fine("auth can-i --list -n argo --context us-central1-operator")
            .await
            .contains("deployments.apps/scale")
    );
    assert!(kubectl.fine("auth whoami --context us-central1-operator").await.contains("operator"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes() {
    let server = server().await;
    let Some(kubectl) = Kubectl::new(&server).await else { return };
    kubectl.fine("patch wf train-1 -n ml --type=merge -p={\"spec\":{\"suspend\":true}}").await;
    assert_eq!(server.store().get(Kind::Workflow, "ml", "train-1").unwrap().value()["spec"]["suspend"], true);
    let (fine, text) = kubectl.output("patch wf train-1 -n ml -p={\"spec\":{\"suspend\":true}} --type=strategic").await;
    assert!(!fine && text.contains("accepted media types include"), "{text}");
    kubectl.fine("scale deployment workflow-controller -n argo --replicas=0").await;
    kubectl.fine("cordon node-1").await;
    assert!(kubectl.fine("get nodes").await.contains("SchedulingDisabled"));
    kubectl.fine("uncordon node-1").await;
    let file = kubectl.file(
        "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: one, namespace: ml}\nspec: {entrypoint: main}\n",
    );
    kubectl.fine(&format!("create -f {file} --dry-run=server")).await;
    assert!(server.store().get(Kind::Workflow, "ml", "one").is_none());
    kubectl.fine(&format!("create -f {file}")).await;
    let (fine, text) = kubectl.output(&format!("create -f {file}")).await;
    assert!(!fine && text.contains("AlreadyExists"), "{text}");
    kubectl.fine(&format!("apply -f {file}")).await;
    kubectl.fine("label wf one -n ml team=a").await;
    kubectl.fine("delete wf one -n ml --timeout=10s").await;
    assert!(server.store().get(Kind::Workflow, "ml", "one").is_none());
    let deployment = server.store().get(Kind::Deployment, "argo", "workflow-controller").unwrap().value();
    assert_eq!(deployment["spec"]["replicas"], 0);
    kubectl.fine("rollout restart deployment workflow-controller -n argo").await;
}

/// What `kubectl create` makes, it sends as protobuf and in no other form.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn creates_built_in_kinds() {
    let server = server().await;
    let Some(kubectl) = Kubectl::new(&server).await else { return };
    let get = |kind, name: &str| server.store().get(kind, "ml", name).unwrap().value();
    kubectl.fine("create ns team").await;
    assert!(server.store().get(Kind::Namespace, "", "team").is_some());
    kubectl.fine("create cm c -n ml --from-literal=key=value").await;
    assert_eq!(get(Kind::ConfigMap, "c")["data"], json!({"key": "value"}));
    kubectl.fine("create secret generic s -n ml --from-literal=key=value").await;
    let secret = get(Kind::Secret, "s");
    assert_eq!((&secret["data"], &secret["type"]), (&json!({"key": "dmFsdWU="}), &json!("Opaque")));
    kubectl.fine("create sa a -n ml").await;
    kubectl.fine("create quota q -n ml --hard=pods=3,requests.cpu=500m").await;
    assert_eq!(get(Kind::ResourceQuota, "q")["spec"]["hard"], json!({"pods": "3", "requests.cpu": "500m"}));
    kubectl.fine("create deployment d -n ml --image=pause:3 --replicas=2 --port=80 -- sleep 1").await;
    let spec = get(Kind::Deployment, "d")["spec"].clone();
    assert_eq!((&spec["replicas"], &spec["selector"]), (&json!(2), &json!({"matchLabels": {"app": "d"}})));
    let container = &spec["template"]["spec"]["containers"][0];
    assert_eq!(container["command"], json!(["sleep", "1"]));
    assert_eq!(container["ports"][0]["containerPort"], 80);
    kubectl.fine("create pdb p -n ml --selector=app=d --max-unavailable=50%").await;
    assert_eq!(get(Kind::PodDisruptionBudget, "p")["spec"]["maxUnavailable"], "50%");
    kubectl.fine("create service clusterip v -n ml --tcp=80:8080").await;
    assert_eq!(get(Kind::Service, "v")["spec"]["ports"][0]["targetPort"], 8080);
    kubectl.fine("create role r -n ml --verb=get,list --resource=pods,pods/log").await;
    assert_eq!(get(Kind::Role, "r")["rules"][0]["verbs"], json!(["get", "list"]));
    kubectl.fine("create rolebinding b -n ml --role=r --serviceaccount=ml:a").await;
    let subject = json!({"kind": "ServiceAccount", "name": "a", "namespace": "ml"});
    assert_eq!(get(Kind::RoleBinding, "b")["subjects"][0], subject);
    kubectl.fine("create cm e -n ml --dry-run=server").await;
    assert!(server.store().get(Kind::ConfigMap, "ml", "e").is_none());
    let (fine, text) = kubectl.output("create cm c -n ml").await;
    assert!(!fine && text.contains("configmaps \"c\" already exists"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches() {
    let server = server().await;
    let Some(kubectl) = Kubectl::new(&server).await else { return };
    let mut child = kubectl.command("get wf -A -w").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..6 {
        lines.next_line().await.unwrap().unwrap();
    }
    let mut object = server.store().get(Kind::Workflow, "ml", "train-3").unwrap().value();
    object["status"]["phase"] = "Failed".into();
    server.store().replace(Kind::Workflow, object).unwrap();
    let line = lines.next_line().await.unwrap().unwrap();
    assert!(line.contains("train-3") && line.contains("Failed"), "{line}");
    child.kill().await.unwrap();
}
