//! What the API server checks and fills in before an object is stored: names, namespaces, immutable fields, status
//! subresources, defaults. Pure.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::StatusCode;
use serde_json::{Value, json};

use super::{access::User, kinds::Kind, random, status::Failure};

/// Checks a body against the path it was sent to: kind, version, namespace.
pub fn check_body(kind: Kind, namespace: &str, object: &mut Value) -> Result<(), Failure> {
    let meta = kind.meta();
    if !object.is_object() || object.get("metadata").is_some_and(|metadata| !metadata.is_object()) {
        return Err(Failure::bad_request("the object provided is unrecognized (must be of type object)"));
    }
    for (field, expected) in [("apiVersion", meta.api_version()), ("kind", meta.kind.to_owned())] {
        match object[field].as_str() {
            None => {
                let named = if field == "kind" { "Kind" } else { "apiVersion" };
                let why = format!(
                    "the object provided is unrecognized (must be of type {}): Object '{named}' is missing",
                    meta.kind
                );
                return Err(Failure::bad_request(why));
            }
            Some(found) if found == expected => {}
            Some(found) => {
                let what = if field == "kind" { "kind" } else { "API version" };
                let why = format!("the {what} in the data ({found}) does not match the expected {what} ({expected})");
                return Err(Failure::bad_request(why));
            }
        }
    }
    if object.get("metadata").is_none() {
        object["metadata"] = json!({});
    }
    let metadata = &mut object["metadata"];
    match metadata["namespace"].as_str() {
        Some(found) if found != namespace && !found.is_empty() => Err(Failure::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        )),
        _ if namespace.is_empty() => Ok(()),
        _ => {
            metadata["namespace"] = namespace.into();
            Ok(())
        }
    }
}

/// Prepares a new object: its name, what a client may not set, and the defaults.
pub fn create(kind: Kind, object: &mut Value, user: User) -> Result<(), Failure> {
    let metadata = &mut object["metadata"];
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    if text(&metadata["resourceVersion"]).is_some() {
        // A real server has no reason for this one either.
        let why = "resourceVersion should not be set on objects to be created";
        return Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "", why));
    }
    let name = match (text(&metadata["name"]), text(&metadata["generateName"])) {
        (Some(name), _) => name,
        (None, Some(stem)) => {
            let stem: String = stem.chars().take(248).collect();
            format!("{stem}{}", random::suffix(5))
        }
        (None, None) => {
            let why = "Required value: name or generateName is required";
            return Err(Failure::invalid(kind, "", "metadata.name", "FieldValueRequired", why));
        }
    };
    check_name(kind, &name)?;
    metadata["name"] = name.into();
    if let Some(fields) = metadata.as_object_mut() {
        for field in ["uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "generation", "selfLink"] {
            fields.remove(field);
        }
    }
    if kind.meta().status
        && let Some(fields) = object.as_object_mut()
    {
        fields.remove("status");
    }
    check_labels(kind, object)?;
    defaults(kind, object, user);
    if kind == Kind::CertificateSigningRequest {
        return check_request(object);
    }
    Ok(())
}

/// A CertificateSigningRequest must hold a PEM block of that name, whoever will sign it or not.
fn check_request(object: &Value) -> Result<(), Failure> {
    let text = object["spec"]["request"].as_str().unwrap_or("");
    let decoded: Option<k8s_openapi::ByteString> = serde_json::from_value(text.into()).ok();
    if decoded.is_some_and(|bytes| bytes.0.starts_with(b"-----BEGIN CERTIFICATE REQUEST-----")) {
        return Ok(());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or("");
    let why = format!("Invalid value: \"{text}\": PEM block type must be CERTIFICATE REQUEST");
    Err(Failure::invalid(Kind::CertificateSigningRequest, name, "spec.request", "FieldValueInvalid", &why))
}

/// Prepares an object that replaces `before`; `subresource` is `status` or empty.
pub fn update(kind: Kind, before: &Value, object: &mut Value, subresource: &str) -> Result<(), Failure> {
    let name = before["metadata"]["name"].as_str().unwrap_or("");
    if object["metadata"]["name"] != before["metadata"]["name"] {
        return Err(Failure::bad_request(format!(
            "the name of the object ({}) does not match the name on the URL ({name})",
            object["metadata"]["name"].as_str().unwrap_or("")
        )));
    }
    if object["metadata"].get("namespace") != before["metadata"].get("namespace") {
        return Err(Failure::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if kind.meta().status {
        let (from, to): (Value, &mut Value) = if subresource == "status" {
            // Only the status is taken, the rest stays; metadata.resourceVersion is still a precondition.
            let status = object.get("status").cloned().unwrap_or(Value::Null);
            let revision = object["metadata"].get("resourceVersion").cloned();
            let uid = object["metadata"].get("uid").cloned();
            *object = before.clone();
            for (field, value) in [("resourceVersion", revision), ("uid", uid)] {
                if let Some(value) = value {
                    object["metadata"][field] = value;
                }
            }
            (status, object)
        } else {
            (before.get("status").cloned().unwrap_or(Value::Null), object)
        };
        match (from, to.as_object_mut()) {
            (Value::Null, Some(fields)) => {
                fields.remove("status");
            }
            (status, Some(fields)) => {
                fields.insert("status".to_owned(), status);
            }
            _ => {}
        }
    }
    check_labels(kind, object)
}

/// The 422 for a patch that would change the uid.
pub fn immutable_uid(kind: Kind, name: &str, asked: &str) -> Failure {
    let why = format!("Invalid value: \"{asked}\": field is immutable");
    Failure::invalid(kind, name, "metadata.uid", "FieldValueInvalid", &why)
}

/// The 422 for a PUT that must say which version it replaces.
pub fn unconditional(kind: Kind, name: &str) -> Failure {
    let why = "Invalid value: 0: must be specified for an update";
    let meta = kind.meta();
    let mut failure = Failure::invalid(kind, name, "metadata.resourceVersion", "FieldValueInvalid", why);
    // Here a real server names the resource where other refusals name the kind.
    let message = format!("{} \"{name}\" is invalid: metadata.resourceVersion: {why}", meta.resource());
    failure.body["message"] = message.into();
    failure.body["details"]["kind"] = meta.plural.into();
    failure
}

fn check_name(kind: Kind, name: &str) -> Result<(), Failure> {
    let fits = name.len() <= 253
        && name.split('.').all(|label| {
            let inner = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-';
            !label.is_empty() && label.chars().all(inner) && !label.starts_with('-') && !label.ends_with('-')
        });
    // Roles may have other names (`system:…`); nothing else served here may.
    if fits || matches!(kind, Kind::Role | Kind::RoleBinding) {
        return Ok(());
    }
    let why = format!(
        "Invalid value: \"{name}\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' \
         or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    );
    Err(Failure::invalid(kind, name, "metadata.name", "FieldValueInvalid", &why))
}

fn check_labels(kind: Kind, object: &Value) -> Result<(), Failure> {
    let name = object["metadata"]["name"].as_str().unwrap_or("");
    for field in ["labels", "annotations"] {
        let Some(value) = object["metadata"].get(field).filter(|value| !value.is_null()) else { continue };
        let Some(pairs) = value.as_object() else {
            return Err(Failure::bad_request(format!("json: cannot unmarshal metadata.{field}: not an object")));
        };
        let mut total = 0;
        for (key, value) in pairs {
            let Some(value) = value.as_str() else {
                return Err(Failure::bad_request(format!(
                    "json: cannot unmarshal metadata.{field}.{key}: not a string"
                )));
            };
            total += key.len() + value.len();
            let fits = |one: char| one.is_ascii_alphanumeric() || "-_.".contains(one);
            let edge = |one: Option<char>| one.is_none_or(|one| one.is_ascii_alphanumeric());
            if field == "labels"
                && !(value.len() <= 63
                    && value.chars().all(fits)
                    && edge(value.chars().next())
                    && edge(value.chars().next_back()))
            {
                let why = format!(
                    "Invalid value: \"{value}\": a valid label must be an empty string or consist of alphanumeric \
                     characters, '-', '_' or '.', and must start and end with an alphanumeric character"
                );
                return Err(Failure::invalid(kind, name, "metadata.labels", "FieldValueInvalid", &why));
            }
        }
        if field == "annotations" && total > 256 << 10 {
            let why = format!("Too long: may not be more than {} bytes", 256 << 10);
            return Err(Failure::invalid(kind, name, "metadata.annotations", "FieldValueTooLong", &why));
        }
    }
    Ok(())
}

fn defaults(kind: Kind, object: &mut Value, user: User) {
    let spec = |object: &mut Value| {
        if !object["spec"].is_object() {
            object["spec"] = json!({});
        }
    };
    match kind {
        Kind::Namespace => {
            if !object["metadata"]["labels"].is_object() {
                object["metadata"]["labels"] = json!({});
            }
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = object["metadata"]["name"].clone();
            object["spec"] = json!({"finalizers": ["kubernetes"]});
            object["status"] = json!({"phase": "Active"});
        }
        Kind::Secret => secret(object),
        Kind::Service => {
            spec(object);
            if object["spec"].get("type").is_none() {
                object["spec"]["type"] = "ClusterIP".into();
            }
            object["status"] = json!({"loadBalancer": {}});
        }
        Kind::Pod => {
            spec(object);
            if object["spec"].get("terminationGracePeriodSeconds").is_none() {
                object["spec"]["terminationGracePeriodSeconds"] = json!(30);
            }
            object["status"] = json!({"phase": "Pending", "qosClass": "BestEffort"});
        }
        Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet => {
            spec(object);
            if object["spec"].get("replicas").is_none() {
                object["spec"]["replicas"] = json!(1);
            }
        }
        Kind::CertificateSigningRequest => {
            // The server attests who made the request, whatever the client claims.
            spec(object);
            object["spec"]["username"] = user.name().into();
            object["spec"]["groups"] = json!(user.groups());
            if let Some(fields) = object["spec"].as_object_mut() {
                fields.remove("uid");
                fields.remove("extra");
            }
        }
        _ => {}
    }
}

/// A Secret is of some type, and what was given as plain text is stored as data.
fn secret(object: &mut Value) {
    if object.get("type").is_none() {
        object["type"] = "Opaque".into();
    }
    let plain = object.as_object_mut().and_then(|fields| fields.remove("stringData"));
    if plain.is_some() && !object["data"].is_object() {
        object["data"] = json!({});
    }
    for (key, text) in plain.as_ref().and_then(Value::as_object).into_iter().flatten() {
        object["data"][key] = BASE64_STANDARD.encode(text.as_str().unwrap_or("")).into();
    }
}

/// 413 for a body beyond the limit.
pub fn too_large() -> Failure {
    let message = "Request entity too large: limit is 3145728";
    Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, fine) in [("a", true), ("a-b.c", true), ("A", false), ("a_b", false), ("-a", false), ("a..b", false)]
        {
            assert_eq!(check_name(Kind::Workflow, name).is_ok(), fine, "{name}");
        }
    }

    #[test]
    fn create_takes_away_what_a_client_may_not_set() {
        let request = k8s_openapi::ByteString(b"-----BEGIN CERTIFICATE REQUEST-----".to_vec());
        let mut object = json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
            "metadata": {"generateName": "canary-", "uid": "x", "creationTimestamp": "y"},
            "spec": {"username": "somebody-else", "request": request}});
        check_body(Kind::CertificateSigningRequest, "", &mut object).unwrap();
        create(Kind::CertificateSigningRequest, &mut object, User::Operator).unwrap();
        assert!(object["metadata"]["name"].as_str().unwrap().starts_with("canary-"));
        assert!(object["metadata"].get("uid").is_none());
        assert_eq!(object["spec"]["username"], "operator");
        assert_eq!(object["kind"], "CertificateSigningRequest");
    }

    #[test]
    fn status_is_written_apart() {
        let before = json!({"metadata": {"name": "d"}, "spec": {"replicas": 1}, "status": {"replicas": 1}});
        let mut object = json!({"metadata": {"name": "d"}, "spec": {"replicas": 2}, "status": {"replicas": 9}});
        let mut status = object.clone();
        update(Kind::Deployment, &before, &mut object, "").unwrap();
        assert_eq!((&object["spec"]["replicas"], &object["status"]["replicas"]), (&json!(2), &json!(1)));
        update(Kind::Deployment, &before, &mut status, "status").unwrap();
        assert_eq!((&status["spec"]["replicas"], &status["status"]["replicas"]), (&json!(1), &json!(9)));
    }

    #[test]
    fn bodies_are_checked_against_the_path() {
        for (body, fine) in [
            (json!({"kind": "Workflow", "apiVersion": "argoproj.io/v1alpha1", "metadata": {"name": "w"}}), true),
            (json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "w"}}), false),
            (json!({"metadata": {"name": "w"}}), false),
            (
                json!({"kind": "Workflow", "apiVersion": "argoproj.io/v1alpha1",
                    "metadata": {"name": "w", "namespace": "other"}}),
                false,
            ),
            (json!([]), false),
            (json!({"metadata": "x"}), false),
        ] {
            assert_eq!(check_body(Kind::Workflow, "ml", &mut body.clone()).is_ok(), fine, "{body}");
        }
        let mut object = json!({"metadata": {"name": "w", "annotations": {"a": "x".repeat(270_000)}}});
        assert!(create(Kind::Lease, &mut object, User::Admin).is_err(), "annotations hold 256 KiB");
    }
}
