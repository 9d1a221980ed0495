//! Discovery: `/api`, `/apis`, `/api/v1`, `/apis/<group>[/<version>]`, `/version` and the smallest OpenAPI document from
//! which kubectl learns that the server validates fields itself. Pure. Aggregated discovery is left out: a client that
//! asks for it also names plain JSON and gets that.

use serde_json::{Value, json};

use super::kinds::{GROUPS, Kind, Meta};

/// The document at a path that holds no objects, if there is one.
pub fn document(path: &str, address: &str) -> Option<Value> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["version"] => Some(version()),
        ["api"] => Some(json!({"kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]})),
        ["apis"] => {
            let groups: Vec<Value> = GROUPS.iter().map(|(group, version)| api_group(group, version)).collect();
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        ["api", "v1"] => Some(resources("", "v1")),
        ["apis", group] => {
            let (group, version) = GROUPS.iter().find(|(one, _)| one == group)?;
            let mut document = api_group(group, version);
            document["kind"] = "APIGroup".into();
            document["apiVersion"] = "v1".into();
            Some(document)
        }
        ["apis", group, version] => GROUPS.contains(&(group, version)).then(|| resources(group, version)),
        ["openapi", "v3"] => Some(openapi_index()),
        ["openapi", "v3", "api", "v1"] => Some(openapi("", "v1")),
        ["openapi", "v3", "apis", group, version] => {
            GROUPS.contains(&(group, version)).then(|| openapi(group, version))
        }
        _ => None,
    }
}

fn version() -> Value {
    json!({"major": "1", "minor": "33", "gitVersion": "v1.33.0+leeward-sandbox", "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "2025-04-23T13:37:58Z", "goVersion": "", "compiler": "rustc", "platform": "linux/amd64"})
}

fn api_group(group: &str, version: &str) -> Value {
    let version = json!({"groupVersion": format!("{group}/{version}"), "version": version});
    json!({"name": group, "versions": [version.clone()], "preferredVersion": version})
}

fn in_group(group: &str, version: &str) -> impl Iterator<Item = &'static Meta> {
    let all = Kind::ALL.into_iter().map(Kind::meta);
    all.filter(move |meta| meta.group == group && meta.version == version)
}

fn resources(group: &str, version: &str) -> Value {
    let mut list = Vec::new();
    for meta in in_group(group, version) {
        let mut resource = json!({"name": meta.plural, "singularName": meta.singular, "namespaced": meta.namespaced,
            "kind": meta.kind, "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"]});
        if !meta.short.is_empty() {
            resource["shortNames"] = json!(meta.short);
        }
        if matches!(meta.kind, "Pod" | "Service" | "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet") {
            resource["categories"] = json!(["all"]);
        }
        list.push(resource);
        list.extend(subresources(meta));
    }
    for (kind, plural, of) in [
        ("SelfSubjectAccessReview", "selfsubjectaccessreviews", "authorization.k8s.io"),
        ("SelfSubjectRulesReview", "selfsubjectrulesreviews", "authorization.k8s.io"),
        ("SelfSubjectReview", "selfsubjectreviews", "authentication.k8s.io"),
    ] {
        if of == group {
            list.push(json!({"name": plural, "singularName": kind.to_lowercase(), "namespaced": false, "kind": kind,
                "verbs": ["create"]}));
        }
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": list})
}

fn subresources(meta: &Meta) -> Vec<Value> {
    let one = |name: &str, kind: &str, verbs: &[&str]| {
        json!({"name": format!("{}/{name}", meta.plural), "singularName": "", "namespaced": meta.namespaced,
            "kind": kind, "verbs": verbs})
    };
    let mut list = Vec::new();
    if meta.status {
        list.push(one("status", meta.kind, &["get", "patch", "update"]));
    }
    if meta.scale {
        let mut scale = one("scale", "Scale", &["get", "patch", "update"]);
        scale["group"] = "autoscaling".into();
        scale["version"] = "v1".into();
        list.push(scale);
    }
    if meta.kind == "Pod" {
        let mut eviction = one("eviction", "Eviction", &["create"]);
        eviction["group"] = "policy".into();
        eviction["version"] = "v1".into();
        list.extend([eviction, one("log", "Pod", &["get"]), one("proxy", "PodProxyOptions", &["get"])]);
    }
    list
}

fn openapi_index() -> Value {
    let mut paths = json!({"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1"}});
    for (group, version) in GROUPS {
        let path = format!("apis/{group}/{version}");
        paths[&path] = json!({"serverRelativeURL": format!("/openapi/v3/{path}")});
    }
    json!({"paths": paths})
}

/// kubectl looks for a PATCH with a `fieldValidation` parameter per kind; without it, it downloads a schema and validates
/// on its own side.
fn openapi(group: &str, version: &str) -> Value {
    let (mut paths, mut schemas) = (serde_json::Map::new(), serde_json::Map::new());
    for meta in in_group(group, version) {
        let scope = if meta.namespaced { "/namespaces/{namespace}" } else { "" };
        let path = format!("{}{scope}/{}/{{name}}", meta.prefix(), meta.plural);
        let parameters: Vec<Value> = ["dryRun", "fieldManager", "fieldValidation"]
            .iter()
            .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string"}}))
            .collect();
        let kind = json!({"group": meta.group, "version": meta.version, "kind": meta.kind});
        schemas.insert(format!("sandbox.{}", meta.kind), schema(meta, &kind));
        let operation = json!({"parameters": parameters, "x-kubernetes-action": "patch",
            "x-kubernetes-group-version-kind": kind, "responses": {}});
        paths.insert(path, json!({"patch": operation}));
    }
    json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.33.0"}, "paths": paths,
        "components": {"schemas": schemas}})
}

/// What `kubectl explain` has to say: the parts that every object has. What is in them is described nowhere, as with the
/// definitions of a plain installation of Argo Workflows.
fn schema(meta: &Meta, kind: &Value) -> Value {
    let described = |text: &str| json!({"type": "string", "description": text});
    let open = || json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({"type": "object", "x-kubernetes-group-version-kind": [kind],
        "description": format!("{} of the sandbox; its fields are not described here.", meta.kind),
        "properties": {"apiVersion": described("Group and version of the form of this object."),
            "kind": described("What this object is."), "metadata": open(), "spec": open(), "status": open()}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents() {
        for path in ["/version", "/api", "/apis", "/api/v1", "/apis/apps", "/apis/apps/v1", "/openapi/v3/apis/apps/v1"]
        {
            assert!(document(path, "x").is_some(), "{path}");
        }
        for path in ["/", "/apis/nothing", "/apis/apps/v2", "/api/v2"] {
            assert!(document(path, "x").is_none(), "{path}");
        }
    }

    #[test]
    fn every_kind_is_discovered() {
        for kind in Kind::ALL {
            let meta = kind.meta();
            let list = document(&meta.prefix(), "x").unwrap();
            let found = list["resources"].as_array().unwrap().iter().find(|one| one["name"] == meta.plural).unwrap();
            assert_eq!(found["kind"], meta.kind);
        }
    }
}
