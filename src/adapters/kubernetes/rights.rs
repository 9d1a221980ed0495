//! What we may do in a cluster, asked of the cluster itself (SelfSubjectAccessReview), before it is needed.

use super::call::{Ask, JSON, Server};
use super::failure::CallError;
use super::wire::escape;
use crate::domain::endpoints::RegionEndpoints;
use crate::domain::kubernetes::{FIND, Right};
use futures_util::future::try_join_all;
use http::Method;
use serde_json::{Value, json};

/// Namespaces watched one by one at most; each needs three connections.
const NAMESPACES_MAX: usize = 32;

/// What a failover needs in this region.
#[must_use]
pub fn needed(endpoints: &RegionEndpoints, canary_namespace: Option<&str>) -> Vec<Right> {
    let right = |verb: &str, resource: &str, namespace: &str| Right {
        verb: verb.into(),
        resource: resource.into(),
        namespace: namespace.into(),
        allowed: false,
    };
    let controller = endpoints.controller_namespace.as_str();
    let mut rights = vec![
        right("list", "deployments.apps", controller),
        right("list", "pods", controller),
        right("patch", "deployments.apps/scale", controller),
        right("create", "leases.coordination.k8s.io", controller),
        right("update", "leases.coordination.k8s.io", controller),
    ];
    if endpoints.namespaces.is_empty() {
        rights.push(right("patch", "cronworkflows.argoproj.io", ""));
    }
    rights.extend(endpoints.namespaces.iter().map(|namespace| right("patch", "cronworkflows.argoproj.io", namespace)));
    rights.extend(canary_namespace.map(|namespace| right("create", "workflows.argoproj.io", namespace)));
    rights
}

/// Asks for each whether it is granted.
///
/// # Errors
/// One of the questions was not answered.
pub async fn ask(server: &Server, rights: &[Right]) -> Result<Vec<Right>, CallError> {
    try_join_all(rights.iter().map(|right| async {
        let allowed = allowed(server, &right.verb, &right.resource, &right.namespace).await?;
        Ok(Right { allowed, ..right.clone() })
    }))
    .await
}

/// The namespace of the canary as a right that is not granted, where the server says that it is not there. A server that
/// does not say, since namespaces may not be read, tells nothing.
pub async fn lacking(server: &Server, namespace: Option<&str>) -> Option<Right> {
    let namespace = namespace?;
    let path = format!("/api/v1/namespaces/{}", escape(namespace));
    let told: Result<Value, CallError> = server.ask(Ask::get(&path)).await;
    let gone = told.err().is_some_and(|error| error.code == Some(404));
    gone.then(|| Right {
        verb: FIND.into(),
        resource: "namespaces".into(),
        namespace: namespace.into(),
        allowed: false,
    })
}

/// Asks for one; `resource` is `plural.group/subresource`, an empty namespace means all.
///
/// # Errors
/// The question was not answered.
pub async fn allowed(server: &Server, verb: &str, resource: &str, namespace: &str) -> Result<bool, CallError> {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
    let attributes =
        json!({"verb": verb, "group": group, "resource": plural, "subresource": subresource, "namespace": namespace});
    let body = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes}});
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let review: Value = server.ask(Ask::with_body(Method::POST, path, JSON, &body)).await?;
    let verdict = review.pointer("/status/allowed").and_then(Value::as_bool);
    verdict.ok_or_else(|| CallError::malformed(server, path, "it has no verdict"))
}

/// Namespaces to watch: the configured ones, permitted or not, so that a refusal is seen where the rows would be; none
/// configured: all at once (an empty list) where that is permitted, else each that is.
///
/// # Errors
/// The server did not answer. Where nothing at all is permitted, that is left for the watches to say.
pub async fn scope(
    server: &Server,
    endpoints: &RegionEndpoints,
    canary: Option<&str>,
) -> Result<Vec<String>, CallError> {
    const WORKFLOWS: &str = "workflows.argoproj.io";
    if !endpoints.namespaces.is_empty() {
        return Ok(endpoints.namespaces.clone());
    }
    if allowed(server, "watch", WORKFLOWS, "").await? && allowed(server, "list", WORKFLOWS, "").await? {
        return Ok(Vec::new());
    }
    let mut candidates = match namespaces(server).await {
        Ok(all) => all,
        Err(error) if error.lasting() => Vec::new(),
        Err(error) => return Err(error),
    };
    // Those that we know by name come first, whether or not namespaces may be listed.
    let known = [Some(endpoints.controller_namespace.as_str()), canary, Some(server.default_namespace())];
    for name in known.into_iter().flatten().rev() {
        candidates.retain(|other| other != name);
        candidates.insert(0, name.to_owned());
    }
    let mut scope = Vec::new();
    for namespace in candidates {
        if scope.len() == NAMESPACES_MAX {
            tracing::warn!(
                max = NAMESPACES_MAX,
                "more namespaces are permitted than are watched; name them in the configuration"
            );
            break;
        }
        if allowed(server, "watch", WORKFLOWS, &namespace).await? {
            scope.push(namespace);
        }
    }
    Ok(scope)
}

async fn namespaces(server: &Server) -> Result<Vec<String>, CallError> {
    let ask = Ask::get("/api/v1/namespaces?limit=500")
        .accepting("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json");
    let page: super::wire::Page = server.ask(ask).await?;
    let names = page.items.iter().flatten().filter_map(super::wire::Meta::of).map(|meta| meta.key().name);
    Ok(names.collect())
}

/// Path of a kind of Argo's, in one namespace or in all.
#[must_use]
pub fn argo_path(namespace: Option<&str>, plural: &str) -> String {
    match namespace {
        Some(namespace) => format!("/apis/argoproj.io/v1alpha1/namespaces/{}/{plural}", escape(namespace)),
        None => format!("/apis/argoproj.io/v1alpha1/{plural}"),
    }
}
