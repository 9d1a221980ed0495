//! Patches: JSON merge patch (RFC 7386), JSON patch (RFC 6902) and the part of strategic merge patch that built-in kinds
//! need here. Pure.

use serde_json::{Map, Value};

/// Why a patch cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch is not a list of operations, or an operation lacks a member.
    #[error("{0}")]
    Malformed(String),
    /// An operation points at nothing, or a test failed.
    #[error("{0}")]
    Unapplicable(String),
}

/// JSON merge patch. The recursion is bounded: serde_json refuses a body nested deeper than 128.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (name, value) in fields {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Strategic merge: as `merge`, but the lists that Kubernetes merges by a key are merged by it, and the directives
/// `$patch: delete|replace`, `$retainKeys` and `$setElementOrder` do not reach the object.
pub fn strategic(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    if fields.get("$patch").is_some_and(|directive| directive == "replace") {
        target.clear();
    }
    for (name, value) in fields.iter().filter(|(name, _)| !name.starts_with('$')) {
        match (value, merge_key(name)) {
            (Value::Null, _) => {
                target.remove(name);
            }
            (Value::Array(items), Some(key)) => {
                merge_list(target.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new())), items, key);
            }
            _ => strategic(target.entry(name.clone()).or_insert(Value::Null), value),
        }
    }
}

/// The `patchMergeKey` of a list field in the kinds served here.
fn merge_key(field: &str) -> Option<&'static str> {
    match field {
        "containers" | "initContainers" | "env" | "volumes" | "imagePullSecrets" | "secrets" => Some("name"),
        "conditions" | "addresses" => Some("type"),
        "taints" => Some("key"),
        "ports" => Some("containerPort"),
        "volumeMounts" => Some("mountPath"),
        "ownerReferences" => Some("uid"),
        _ => None,
    }
}

fn merge_list(target: &mut Value, items: &[Value], key: &str) {
    if !target.is_array() {
        *target = Value::Array(Vec::new());
    }
    let Value::Array(list) = target else { return };
    for item in items {
        let at = list.iter().position(|one| one.get(key).is_some() && one.get(key) == item.get(key));
        if item.get("$patch").is_some_and(|directive| directive == "delete") {
            if let Some(at) = at {
                list.remove(at);
            }
        } else if item.get("$patch").is_some_and(|directive| directive == "replace") {
            list.clear();
        } else if let Some(one) = at.and_then(|at| list.get_mut(at)) {
            strategic(one, item);
        } else {
            list.push(item.clone());
        }
    }
}

/// Applies a JSON patch; on an error the target may be half changed and must be thrown away.
pub fn json_patch(target: &mut Value, patch: &Value) -> Result<(), PatchError> {
    let operations = patch.as_array().ok_or_else(|| PatchError::Malformed("a JSON patch is a list".to_owned()))?;
    for operation in operations {
        let member = |name: &str| {
            operation[name].as_str().ok_or_else(|| PatchError::Malformed(format!("an operation lacks \"{name}\"")))
        };
        let (op, path) = (member("op")?, member("path")?);
        let nothing =
            || PatchError::Unapplicable(format!("{op} operation does not apply: doc is missing path: {path}"));
        let value = || {
            let value = operation.get("value").cloned();
            value.ok_or_else(|| PatchError::Malformed("an operation lacks \"value\"".to_owned()))
        };
        match op {
            "add" => add(target, path, value()?).ok_or_else(nothing)?,
            "remove" => remove(target, path).map(|_| ()).ok_or_else(nothing)?,
            "replace" => *target.pointer_mut(path).ok_or_else(nothing)? = value()?,
            "test" => {
                if target.pointer(path).unwrap_or(&Value::Null) != &value()? {
                    let why = format!("testing value {path} failed");
                    return Err(PatchError::Unapplicable(why));
                }
            }
            "move" => {
                let moved = remove(target, member("from")?).ok_or_else(nothing)?;
                add(target, path, moved).ok_or_else(nothing)?;
            }
            "copy" => {
                let copied = target.pointer(member("from")?).cloned().ok_or_else(nothing)?;
                add(target, path, copied).ok_or_else(nothing)?;
            }
            other => return Err(PatchError::Malformed(format!("unexpected kind: {other}"))),
        }
    }
    Ok(())
}

fn parent<'a>(target: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let (parent, last) = path.rsplit_once('/')?;
    Some((target.pointer_mut(parent)?, last.replace("~1", "/").replace("~0", "~")))
}

fn add(target: &mut Value, path: &str, value: Value) -> Option<()> {
    if path.is_empty() {
        *target = value;
        return Some(());
    }
    match parent(target, path)? {
        (Value::Object(fields), name) => {
            fields.insert(name, value);
        }
        (Value::Array(items), name) if name == "-" => items.push(value),
        (Value::Array(items), name) => {
            let at = name.parse::<usize>().ok().filter(|at| *at <= items.len())?;
            items.insert(at, value);
        }
        _ => return None,
    }
    Some(())
}

fn remove(target: &mut Value, path: &str) -> Option<Value> {
    match parent(target, path)? {
        (Value::Object(fields), name) => fields.remove(&name),
        (Value::Array(items), name) => {
            let at = name.parse::<usize>().ok().filter(|at| *at < items.len())?;
            Some(items.remove(at))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn merge_patch_of_the_rfc() {
        // Appendix A of RFC 7386.
        for (original, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut target = original.clone();
            merge(&mut target, &patch);
            assert_eq!(target, expected, "{original} + {patch}");
        }
    }

    #[test]
    fn strategic_merges_lists_by_key() {
        let mut target = json!({"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}],
            "taints": [{"key": "x"}], "args": ["1"]}});
        let patch = json!({"spec": {"$setElementOrder/containers": [{"name": "a"}],
            "containers": [{"name": "b", "image": "2"}, {"name": "c"}],
            "taints": [{"key": "x", "$patch": "delete"}], "args": ["2"]}});
        strategic(&mut target, &patch);
        assert_eq!(
            target,
            json!({"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}, {"name": "c"}],
                "taints": [], "args": ["2"]}})
        );
    }

    #[test]
    fn json_patches() {
        let mut target = json!({"a": {"b": [1, 2]}, "c/d": 1});
        let patch = json!([{"op": "test", "path": "/a/b/0", "value": 1}, {"op": "add", "path": "/a/b/1", "value": 9},
            {"op": "add", "path": "/a/b/-", "value": 3}, {"op": "remove", "path": "/c~1d"},
            {"op": "replace", "path": "/a/b/0", "value": 0}, {"op": "copy", "from": "/a/b", "path": "/e"},
            {"op": "move", "from": "/e", "path": "/f"}]);
        json_patch(&mut target, &patch).unwrap();
        assert_eq!(target, json!({"a": {"b": [0, 9, 2, 3]}, "f": [0, 9, 2, 3]}));
        for patch in [
            json!([{"op": "test", "path": "/a", "value": 1}]),
            json!([{"op": "remove", "path": "/x/y"}]),
            json!([{"op": "replace", "path": "/x", "value": 1}]),
            json!([{"op": "jump", "path": "/a"}]),
            json!({}),
        ] {
            assert!(json_patch(&mut target.clone(), &patch).is_err(), "{patch}");
        }
    }
}
