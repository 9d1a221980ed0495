//! What a watch has told so far, as short as it can be said: which objects in which version. A list is held against it,
//! so that a watch that keeps something back is found. Pure.
//!
//! Sixteen bytes an object. Of the versions nothing is asked but whether they are the same, as the protocol wants it.

use super::wire::Page;
use serde_json::Value;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Objects and their versions, as hashes of both: of two changes in 2^64 one is taken for none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory(HashMap<u64, u64>);

fn hash(parts: [&str; 2]) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

impl Inventory {
    /// An object is there, in this version.
    pub fn insert(&mut self, namespace: &str, name: &str, version: &str) {
        self.0.insert(hash([namespace, name]), hash([version, ""]));
    }

    /// An object is gone.
    pub fn remove(&mut self, namespace: &str, name: &str) {
        self.0.remove(&hash([namespace, name]));
    }

    /// Takes in a page of a list, in whatever form it came.
    pub fn page(&mut self, page: &Page) {
        for meta in page.rows.iter().flatten().filter_map(|row| row.object.as_ref()).map(|object| &object.metadata) {
            self.insert(&meta.namespace, &meta.name, &meta.resource_version);
        }
        for object in page.items.iter().flatten() {
            let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            self.insert(text("/metadata/namespace"), text("/metadata/name"), text("/metadata/resourceVersion"));
        }
    }

    /// How many objects.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_same_objects_in_the_same_versions_are_the_same_in_any_form_and_order() {
        let read = |value: Value| {
            let mut inventory = Inventory::default();
            inventory.page(&serde_json::from_value(value).unwrap());
            inventory
        };
        let meta = |name: &str, version: &str| json!({"namespace": "ml", "name": name, "resourceVersion": version});
        let row = |name: &str, version: &str| json!({"cells": [], "object": {"metadata": meta(name, version)}});
        let item = |name: &str, version: &str| json!({"metadata": meta(name, version)});
        let table = read(json!({"rows": [row("a", "1"), row("b", "2")]}));
        assert_eq!((table.len(), &table), (2, &read(json!({"items": [item("b", "2"), item("a", "1")]}))));
        for other in
            [json!([item("a", "1")]), json!([item("a", "1"), item("b", "3")]), json!([item("a", "1"), item("c", "2")])]
        {
            assert_ne!(table, read(json!({"items": other})));
        }
        let mut changed = table.clone();
        changed.insert("ml", "b", "3");
        changed.remove("ml", "a");
        assert_eq!(changed, read(json!({"items": [item("b", "3")]})));
    }
}
