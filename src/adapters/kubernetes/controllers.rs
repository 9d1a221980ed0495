//! The workflow controllers of a region: Deployments, pods and the election's Lease in the controller's namespace, and
//! the Argo Server. Found by label, never by name: Helm names them after its release.
//!
//! Asked with each heartbeat instead of watched: a handful of small objects, and an answer that is whole at one moment
//! is what a fence needs as its proof.

use super::call::Server;
use super::failure::CallError;
use super::leases::{self, LeaseClock};
use super::nodes::condition;
use super::wire::{Meta, Page, escape, list_at, number_at, text_at};
use crate::domain::kubernetes::{ControllerDeployment, ControllerPod, Controllers, LeaseRow, ObjectKey};
use crate::domain::text::clean_to;
use serde_json::Value;

/// Name of the election's Lease for a controller without an instance id. Source: argo-workflows
/// cmd/workflow-controller/main.go.
const LEADER_LEASE: &str = "workflow-controller";

/// Plain manifests and the Helm chart set `app`; charts of other origin only the recommended label. Two questions, since
/// one selector cannot say "or" across labels; the second leaves out what the first has found.
const CONTROLLER_SELECTORS: [&str; 2] =
    ["app=workflow-controller", "app.kubernetes.io/component=workflow-controller,app!=workflow-controller"];
const SERVER_SELECTOR: &str = "app=argo-server";

/// Reads all of it at once.
///
/// # Errors
/// Any of the questions was not answered: half an answer would let a controller go unseen.
pub async fn read(server: &Server, namespace: &str, clock: &mut LeaseClock) -> Result<Controllers, CallError> {
    let list = |resource: &'static str, selector: &'static str| list(server, namespace, resource, selector);
    let lease_key = ObjectKey::new(namespace, LEADER_LEASE);
    let [by_app, by_component] = CONTROLLER_SELECTORS;
    let (deployments, more_deployments, pods, more_pods, servers, leader) = tokio::try_join!(
        list("apis/apps/v1/deployments", by_app),
        list("apis/apps/v1/deployments", by_component),
        list("api/v1/pods", by_app),
        list("api/v1/pods", by_component),
        list("apis/apps/v1/deployments", SERVER_SELECTOR),
        read_lease(server, &lease_key),
    )?;
    let leader = lease_row(clock, &lease_key, leader);
    let ready = |object: &Value, pointer| number_at(object, pointer).unwrap_or(0);
    let argo_server = servers.iter().fold(None, |sum: Option<(u32, u32)>, object| {
        let (up, wanted) = sum.unwrap_or_default();
        let more = (ready(object, "/status/readyReplicas"), replicas(object));
        Some((up.saturating_add(more.0), wanted.saturating_add(more.1)))
    });
    Ok(Controllers {
        deployments: deployments.iter().chain(&more_deployments).filter_map(deployment).collect(),
        pods: pods.iter().chain(&more_pods).filter_map(pod).collect(),
        leader,
        argo_server,
    })
}

/// A Lease, or None if there is none.
///
/// # Errors
/// Not answered, or refused.
pub async fn read_lease(server: &Server, key: &ObjectKey) -> Result<Option<Value>, CallError> {
    match server.get(&leases::path(key)).await {
        Ok(lease) => Ok(Some(lease)),
        Err(error) if error.code == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What was got by [`read_lease`], as a row.
pub fn lease_row(clock: &mut LeaseClock, key: &ObjectKey, lease: Option<Value>) -> Option<LeaseRow> {
    match lease {
        Some(lease) => Some(clock.read(key, &lease, crate::adapters::clock::now())),
        None => {
            clock.absent(key);
            None
        }
    }
}

async fn list(server: &Server, namespace: &str, resource: &str, selector: &str) -> Result<Vec<Value>, CallError> {
    let (group, plural) = resource.rsplit_once('/').unwrap_or(("", resource));
    let base =
        format!("/{group}/namespaces/{}/{plural}?labelSelector={}&limit=500", escape(namespace), escape(selector));
    let mut all = Vec::new();
    let mut path = base.clone();
    loop {
        let page: Page = server.get(&path).await?;
        if page.items.is_none() && !page.kind.ends_with("List") {
            return Err(CallError::malformed(server, &path, "it is no list"));
        }
        all.extend(page.items.unwrap_or_default());
        // Hundreds of controllers do not occur; a server that never ends its pages is not followed for ever.
        if page.metadata.next.is_empty() || all.len() > 5000 {
            return Ok(all);
        }
        path = format!("{base}&continue={}", escape(&page.metadata.next));
    }
}

/// `spec.replicas` of a Deployment; the API server's default is 1.
fn replicas(object: &Value) -> u32 {
    number_at(object, "/spec/replicas").unwrap_or(1)
}

fn deployment(object: &Value) -> Option<ControllerDeployment> {
    let meta = Meta::of(object)?;
    Some(ControllerDeployment {
        key: meta.key(),
        uid: meta.uid,
        wanted: replicas(object),
        ready: number_at(object, "/status/readyReplicas").unwrap_or(0),
        version: list_at(object, "/spec/template/spec/containers").find_map(image_version),
    })
}

/// The tag of a container's image, without its `v`: `registry:5000/argoproj/workflow-controller:v3.7.4@sha256:…` → 3.7.4.
fn image_version(container: &Value) -> Option<String> {
    let image = text_at(container, "/image", 300);
    let image = image.split('@').next()?;
    let (_, tag) = image.rsplit('/').next()?.split_once(':')?;
    let tag = tag.strip_prefix('v').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(tag);
    Some(clean_to(tag, 40)).filter(|tag| !tag.is_empty())
}

fn pod(object: &Value) -> Option<ControllerPod> {
    let meta = Meta::of(object)?;
    if matches!(object.pointer("/status/phase").and_then(Value::as_str), Some("Succeeded" | "Failed")) {
        return None;
    }
    let states: Vec<&Value> = list_at(object, "/status/containerStatuses").collect();
    let first = |pointer: &str| states.iter().map(|state| text_at(state, pointer, 80)).find(|text| !text.is_empty());
    Some(ControllerPod {
        name: meta.key().name,
        ready: condition(object, "Ready"),
        terminating: meta.deletion_timestamp.is_some(),
        restarts: states.iter().filter_map(|state| number_at(state, "/restartCount")).fold(0, u32::saturating_add),
        waiting: first("/state/waiting/reason"),
        last_end: states.iter().find_map(|state| last_end(state)),
    })
}

fn last_end(state: &Value) -> Option<String> {
    let end = state.pointer("/lastState/terminated")?;
    let reason = text_at(end, "/reason", 80);
    let code = end.get("exitCode").and_then(Value::as_i64).unwrap_or(0);
    let message = end.get("message").and_then(Value::as_str).unwrap_or_default();
    let line = clean_to(message.lines().find(|line| !line.trim().is_empty()).unwrap_or_default(), 160);
    let reason = if reason.is_empty() { "ended".to_owned() } else { reason };
    Some(if line.is_empty() { format!("{reason}, exit {code}") } else { format!("{reason}, exit {code}: {line}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn versions_come_from_tags() {
        for (image, expected) in [
            ("quay.io/argoproj/workflow-controller:v3.7.4", Some("3.7.4")),
            ("registry:5000/argoproj/workflow-controller:4.0.5@sha256:abc", Some("4.0.5")),
            ("registry:5000/argoproj/workflow-controller", None),
            ("workflow-controller@sha256:abc", None),
            ("workflow-controller:vnext", Some("vnext")),
            ("", None),
        ] {
            assert_eq!(image_version(&json!({"image": image})).as_deref(), expected, "{image}");
        }
    }

    #[test]
    fn a_crash_looping_pod_says_why() {
        let object = json!({"metadata": {"name": "c", "deletionTimestamp": null}, "status": {"phase": "Running",
            "conditions": [{"type": "Ready", "status": "False"}],
            "containerStatuses": [{"restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"reason": "Error", "exitCode": 1, "message": "\n\u{1b}[31mfatal: 25006\nmore"}}}]}});
        let pod = pod(&object).unwrap();
        assert_eq!((pod.ready, pod.terminating, pod.restarts), (false, false, 4));
        assert_eq!(pod.waiting.as_deref(), Some("CrashLoopBackOff"));
        assert_eq!(pod.last_end.as_deref(), Some("Error, exit 1: [31mfatal: 25006"));
        assert_eq!(super::pod(&json!({"metadata": {"name": "c"}, "status": {"phase": "Succeeded"}})), None);
    }
}
