//! The `scale` subresource: get, replace and patch. Not pure: reads and writes the store. A wrong uid is a 409 here, where
//! a patch of the object itself would be a 422.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    super::{columns::selector_text, request::Objects, status::Failure, store::StoreError},
    Answer, Context, json as send,
    one::Patch,
};

/// How often an unconditional change is tried again when the object changed underneath.
const RETRIES: usize = 5;

pub(super) fn answer(context: &Context, objects: &Objects) -> Answer {
    let (kind, name) = (objects.kind, objects.name());
    let mut attempt = 0;
    loop {
        attempt += 1;
        let current =
            context.store().get(kind, objects.namespace(), name).ok_or_else(|| Failure::not_found(kind, name))?;
        let mut object = current.value();
        let before = scale(&object);
        let wanted = match context.method {
            Method::GET | Method::HEAD => return Ok(send(StatusCode::OK, &before)),
            Method::PUT => context.json()?,
            Method::PATCH => Patch::of(context, kind)?.apply(&before)?,
            _ => return Err(Failure::method_not_allowed()),
        };
        if let Some(uid) = wanted["metadata"]["uid"].as_str().filter(|uid| !uid.is_empty() && *uid != &*current.uid) {
            return Err(Failure::scale_conflict(kind, name, uid, &current.uid));
        }
        let asked = wanted["metadata"]["resourceVersion"].as_str().filter(|text| !text.is_empty());
        if asked.is_some_and(|asked| asked != current.revision.to_string()) {
            return Err(Failure::from_store(StoreError::Conflict, kind, name));
        }
        let replicas = replicas(name, &wanted)?;
        object["spec"]["replicas"] = json!(replicas);
        if context.query.dry_run() {
            return Ok(send(StatusCode::OK, &scale(&object)));
        }
        match context.store().replace(kind, object) {
            Ok(stored) => return Ok(send(StatusCode::OK, &scale(&stored.value()))),
            // A patch carries the resourceVersion just read; only one that the client sent itself is a precondition.
            Err(StoreError::Conflict) if attempt <= RETRIES && !own_revision(context) => {}
            Err(error) => return Err(Failure::from_store(error, kind, name)),
        }
    }
}

fn own_revision(context: &Context) -> bool {
    let body: Value = serde_json::from_slice(&context.body).unwrap_or(Value::Null);
    body["metadata"]["resourceVersion"].as_str().is_some_and(|text| !text.is_empty())
}

fn replicas(name: &str, scale: &Value) -> Result<i64, Failure> {
    match &scale["spec"]["replicas"] {
        Value::Null => Ok(0),
        value => match value.as_i64() {
            Some(replicas @ 0..=2_147_483_647) => Ok(replicas),
            Some(negative) => {
                let why = format!("Invalid value: {negative}: must be greater than or equal to 0");
                let message = format!("Scale.autoscaling \"{name}\" is invalid: spec.replicas: {why}");
                let mut failure = Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message);
                failure.body["details"] = json!({"name": name, "group": "autoscaling", "kind": "Scale",
                    "causes": [{"reason": "FieldValueInvalid", "message": why, "field": "spec.replicas"}]});
                Err(failure)
            }
            None => Err(Failure::bad_request("json: cannot unmarshal spec.replicas into Go value of type int32")),
        },
    }
}

/// The `Scale` of an object.
fn scale(object: &Value) -> Value {
    let meta = &object["metadata"];
    let mut scale = json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"],
            "resourceVersion": meta["resourceVersion"], "creationTimestamp": meta["creationTimestamp"]},
        "spec": {},
        "status": {"replicas": object["status"]["replicas"].as_i64().unwrap_or(0),
            "selector": selector_text(&object["spec"]["selector"]["matchLabels"])},
    });
    // Go leaves a zero out of a Scale's spec.
    if let Some(replicas) = object["spec"]["replicas"].as_i64().filter(|replicas| *replicas != 0) {
        scale["spec"]["replicas"] = json!(replicas);
    }
    scale
}
