//! One stored object: its JSON text with what lists and watches need beside it. Pure. The text is kept rather than a tree of
//! values, because a tree costs five to ten times the memory and 20,000 workflows must stay light; the place of `metadata`
//! in the text is remembered, so that metadata-only answers are slices, and Table cells are worked out once, at the write.

use std::ops::Range;

use hyper::body::Bytes;
use serde_json::{Map, Value};

use super::super::{columns, columns::Cell, kinds::Kind};

/// Where an object lives within its kind. The order is that of etcd keys, and so of lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Namespace; empty for cluster-scoped kinds.
    pub namespace: Box<str>,
    /// Name.
    pub name: Box<str>,
}

impl ObjectKey {
    /// A key of these two.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

/// An immutable version of an object.
#[derive(Debug)]
pub struct Stored {
    /// Its kind.
    pub kind: Kind,
    /// Namespace and name.
    pub key: ObjectKey,
    /// Its resourceVersion.
    pub revision: u64,
    /// Its uid.
    pub uid: Box<str>,
    /// Its labels, sorted by key.
    pub labels: Box<[(Box<str>, Box<str>)]>,
    /// The cells of its Table row.
    pub cells: Box<[Cell]>,
    json: Bytes,
    metadata: Range<usize>,
}

impl Stored {
    /// Takes an object whose metadata is complete (uid, resourceVersion, creationTimestamp).
    pub fn new(kind: Kind, object: &Value, revision: u64) -> Self {
        let empty = Map::new();
        let fields = object.as_object().unwrap_or(&empty);
        let mut json = Vec::with_capacity(512);
        let mut metadata = 0..0;
        json.push(b'{');
        for (name, value) in fields {
            if json.len() > 1 {
                json.push(b',');
            }
            write(&mut json, &Value::String(name.clone()));
            json.push(b':');
            let from = json.len();
            write(&mut json, value);
            if name == "metadata" {
                metadata = from..json.len();
            }
        }
        json.push(b'}');
        json.shrink_to_fit();
        let meta = &object["metadata"];
        let labels = meta["labels"].as_object().map_or_else(Vec::new, |labels| {
            labels.iter().map(|(key, value)| (key.as_str().into(), value.as_str().unwrap_or("").into())).collect()
        });
        Self {
            kind,
            key: ObjectKey::new(text(&meta["namespace"]), text(&meta["name"])),
            revision,
            uid: text(&meta["uid"]).into(),
            labels: labels.into(),
            cells: columns::cells(kind, object),
            json: json.into(),
            metadata,
        }
    }

    /// The object as JSON text.
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// The object's metadata as JSON text.
    pub fn metadata(&self) -> &[u8] {
        self.json.get(self.metadata.clone()).unwrap_or(b"{}")
    }

    /// The object as a tree.
    pub fn value(&self) -> Value {
        // The text was written by `new`, so this cannot fail.
        serde_json::from_slice(&self.json).unwrap_or(Value::Null)
    }

    /// Name.
    pub fn name(&self) -> &str {
        &self.key.name
    }

    /// Namespace; empty for cluster-scoped kinds.
    pub fn namespace(&self) -> &str {
        &self.key.namespace
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        let at = self.labels.binary_search_by(|(name, _)| name.as_ref().cmp(key)).ok()?;
        self.labels.get(at).map(|(_, value)| value.as_ref())
    }

    /// Bytes that this version keeps alive, roughly; what the bound of the history counts.
    pub fn weight(&self) -> usize {
        self.json.len() + 256
    }
}

fn write(into: &mut Vec<u8>, value: &Value) {
    // Writing a Value into memory has no way to fail.
    let _ = serde_json::to_writer(into, value);
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_is_a_slice_of_the_text() {
        let object = json!({"kind": "ConfigMap", "apiVersion": "v1", "data": {"a": "b"},
            "metadata": {"name": "c", "namespace": "n", "uid": "u", "labels": {"z": "1", "a": "2"}}});
        let stored = Stored::new(Kind::ConfigMap, &object, 7);
        assert_eq!(stored.value(), object);
        assert_eq!(serde_json::from_slice::<Value>(stored.metadata()).unwrap(), object["metadata"]);
        assert_eq!((stored.label("z"), stored.label("a"), stored.label("b")), (Some("1"), Some("2"), None));
        assert_eq!((stored.namespace(), stored.name()), ("n", "c"));
    }
}
