//! Small helpers for objects as JSON trees. Pure.

use serde_json::{Map, Value, json};

use super::super::kube::{Kind, Stored};

/// The text at a place, empty if there is none.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

/// The items of a list, none if it is no list.
pub fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// `metadata.name`.
pub fn name(object: &Value) -> &str {
    text(&object["metadata"]["name"])
}

/// `metadata.namespace`.
pub fn namespace(object: &Value) -> &str {
    text(&object["metadata"]["namespace"])
}

/// A label's value.
pub fn label<'a>(object: &'a Value, key: &str) -> &'a str {
    object["metadata"]["labels"].get(key).map_or("", text)
}

/// An annotation's value.
pub fn annotation<'a>(object: &'a Value, key: &str) -> &'a str {
    object["metadata"]["annotations"].get(key).map_or("", text)
}

/// Sets a label (`labels`) or an annotation (`annotations`).
pub fn mark(object: &mut Value, field: &str, key: &str, value: &str) {
    let Some(metadata) = object["metadata"].as_object_mut() else { return };
    let marks = metadata.entry(field).or_insert_with(|| json!({}));
    if !marks.is_object() {
        *marks = json!({});
    }
    marks[key] = value.into();
}

/// A number that may be written as a number or as text (IntOrString).
pub fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()))
}

/// The map at a place, made empty if there is none.
pub fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// A controller reference to an owner.
pub fn owner(kind: Kind, owner: &Value) -> Value {
    let meta = kind.meta();
    json!([{"apiVersion": meta.api_version(), "kind": meta.kind, "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true}])
}

/// The uid of the controlling owner.
pub fn owner_uid(object: &Value) -> &str {
    let owners = items(&object["metadata"]["ownerReferences"]);
    owners.iter().find(|owner| owner["controller"] == true).map_or("", |owner| text(&owner["uid"]))
}

/// The trees of stored objects.
pub fn values<'a>(objects: impl IntoIterator<Item = &'a std::sync::Arc<Stored>>) -> Vec<Value> {
    objects.into_iter().map(|object| object.value()).collect()
}
