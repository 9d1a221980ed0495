//! The forms in which objects are sent: whole, metadata only, or as rows of a Table; alone, in a list, or as watch events.
//! Pure. Everything is written as text from the stored text, without a tree in between, so that a list of 20,000 costs
//! little more than copying it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    columns,
    kinds::Kind,
    store::{Change, Stored},
};

/// A form that the client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The whole object.
    Full,
    /// `PartialObjectMetadata`.
    Metadata,
    /// `Table`.
    Table,
}

/// What a Table's rows carry beside their cells (`includeObject`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncludeObject {
    /// Nothing.
    None,
    /// The metadata.
    #[default]
    Metadata,
    /// The whole object.
    Object,
}

impl IncludeObject {
    /// Reads the query parameter; `None` for a value that the server refuses.
    pub fn parse(text: Option<&str>) -> Option<Self> {
        match text {
            None | Some("Metadata") => Some(Self::Metadata),
            Some("None") => Some(Self::None),
            Some("Object") => Some(Self::Object),
            Some(_) => None,
        }
    }
}

/// Picks a form from an `Accept` header: the first media type that can be served. `None`: 406.
pub fn negotiate(accept: Option<&str>) -> Option<Form> {
    let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else { return Some(Form::Full) };
    accept.split(',').find_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        if !matches!(parts.next()?, "application/json" | "*/*" | "application/*") {
            return None;
        }
        let (mut form, mut group, mut version) = (None, None, None);
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name.trim() {
                "as" => form = Some(value.trim()),
                "g" => group = Some(value.trim()),
                "v" => version = Some(value.trim()),
                _ => {}
            }
        }
        match form {
            None => Some(Form::Full),
            Some(_) if group != Some("meta.k8s.io") || version != Some("v1") => None,
            Some("Table") => Some(Form::Table),
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") => Some(Form::Metadata),
            Some(_) => None,
        }
    })
}

/// How one answer writes its objects.
#[derive(Clone, Copy, Debug)]
pub struct Writer {
    /// The form.
    pub form: Form,
    /// What rows carry.
    pub include: IncludeObject,
    /// The kind of all objects in the answer.
    pub kind: Kind,
    /// The moment from which ages count.
    pub now: Timestamp,
}

/// The metadata of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListMeta {
    /// The revision.
    pub revision: u64,
    /// The token for the next page.
    pub next: Option<String>,
    /// How many follow, if that is known.
    pub remaining: Option<usize>,
}

impl ListMeta {
    fn value(&self) -> Value {
        let mut meta = json!({"resourceVersion": self.revision.to_string()});
        if let Some(next) = &self.next {
            meta["continue"] = next.as_str().into();
        }
        if let Some(remaining) = self.remaining {
            meta["remainingItemCount"] = remaining.into();
        }
        meta
    }
}

const PARTIAL: &[u8] = b"{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":";

impl Writer {
    /// One object alone.
    pub fn object(&self, object: &Stored) -> Vec<u8> {
        let mut text = Vec::with_capacity(object.json().len() + 256);
        match self.form {
            Form::Full => text.extend_from_slice(object.json()),
            Form::Metadata => partial(&mut text, object),
            Form::Table => self.table_of(&mut text, object, true),
        }
        text
    }

    /// The text before the items of a list.
    pub fn head(&self, meta: &ListMeta) -> Vec<u8> {
        let of = self.kind.meta();
        let meta = meta.value();
        match self.form {
            Form::Full => format!(
                "{{\"kind\":\"{}List\",\"apiVersion\":\"{}\",\"metadata\":{meta},\"items\":[",
                of.kind,
                of.api_version()
            ),
            Form::Metadata => format!(
                "{{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{meta},\"items\":["
            ),
            Form::Table => format!(
                "{{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{meta},\"columnDefinitions\":{},\"rows\":[",
                self.definitions()
            ),
        }
        .into_bytes()
    }

    /// One item of a list.
    pub fn item(&self, text: &mut Vec<u8>, object: &Stored) {
        match self.form {
            Form::Full if self.kind.meta().custom => text.extend_from_slice(object.json()),
            // Items of built-in lists carry neither kind nor apiVersion.
            Form::Full => {
                let mut value = object.value();
                if let Some(fields) = value.as_object_mut() {
                    fields.remove("kind");
                    fields.remove("apiVersion");
                }
                text.extend_from_slice(value.to_string().as_bytes());
            }
            Form::Metadata => partial(text, object),
            Form::Table => self.row(text, object),
        }
    }

    /// The text after the items of a list.
    pub const fn tail(&self) -> &'static [u8] {
        b"]}\n"
    }

    /// A watch event. `first`: the stream's first Table carries the column definitions, later ones `null`.
    pub fn event(&self, change: Change, object: &Stored, first: bool) -> Vec<u8> {
        let name = match change {
            Change::Added => "ADDED",
            Change::Modified => "MODIFIED",
            Change::Deleted => "DELETED",
        };
        let mut text = format!("{{\"type\":\"{name}\",\"object\":").into_bytes();
        match self.form {
            Form::Full => text.extend_from_slice(object.json()),
            Form::Metadata => partial(&mut text, object),
            Form::Table => self.table_of(&mut text, object, first),
        }
        text.extend_from_slice(b"}\n");
        text
    }

    /// A bookmark: an object of nothing but a resourceVersion. `initial_end` marks the end of the initial events.
    pub fn bookmark(&self, revision: u64, first: bool, initial_end: bool) -> Vec<u8> {
        let of = self.kind.meta();
        let mut meta = json!({"resourceVersion": revision.to_string()});
        if initial_end {
            meta["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = match self.form {
            Form::Full => json!({"kind": of.kind, "apiVersion": of.api_version(), "metadata": meta}).to_string(),
            Form::Metadata => {
                json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta}).to_string()
            }
            Form::Table => {
                let mut cells = Vec::new();
                write_cells(&mut cells, &columns::empty_row(self.kind), self.now);
                let cells = String::from_utf8_lossy(&cells).into_owned();
                let object = match self.include {
                    IncludeObject::None => "null".to_owned(),
                    _ => json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta})
                        .to_string(),
                };
                let definitions = if first { self.definitions() } else { Value::Null };
                format!(
                    "{{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{{\"resourceVersion\":\"{revision}\"}},\
                     \"columnDefinitions\":{definitions},\"rows\":[{{\"cells\":{cells},\"object\":{object}}}]}}"
                )
            }
        };
        format!("{{\"type\":\"BOOKMARK\",\"object\":{object}}}\n").into_bytes()
    }

    fn definitions(&self) -> Value {
        let columns = columns::columns(self.kind).iter().map(|column| {
            json!({"name": column.name, "type": column.kind, "format": column.format, "description": "",
                "priority": column.priority})
        });
        Value::Array(columns.collect())
    }

    fn table_of(&self, text: &mut Vec<u8>, object: &Stored, first: bool) {
        let definitions = if first { self.definitions() } else { Value::Null };
        let head = format!(
            "{{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{{\"resourceVersion\":\"{}\"}},\
             \"columnDefinitions\":{definitions},\"rows\":[",
            object.revision
        );
        text.extend_from_slice(head.as_bytes());
        self.row(text, object);
        text.extend_from_slice(b"]}");
    }

    fn row(&self, text: &mut Vec<u8>, object: &Stored) {
        text.extend_from_slice(b"{\"cells\":");
        write_cells(text, &object.cells, self.now);
        text.extend_from_slice(b",\"object\":");
        match self.include {
            IncludeObject::None => text.extend_from_slice(b"null"),
            IncludeObject::Metadata => partial(text, object),
            IncludeObject::Object => text.extend_from_slice(object.json()),
        }
        text.push(b'}');
    }
}

fn write_cells(text: &mut Vec<u8>, cells: &[columns::Cell], now: Timestamp) {
    text.push(b'[');
    for (number, cell) in cells.iter().enumerate() {
        if number > 0 {
            text.push(b',');
        }
        cell.write(text, now);
    }
    text.push(b']');
}

fn partial(text: &mut Vec<u8>, object: &Stored) {
    text.extend_from_slice(PARTIAL);
    text.extend_from_slice(object.metadata());
    text.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::kube::clock;

    fn workflow() -> Stored {
        let object = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
            "metadata": {"name": "w", "namespace": "ml", "resourceVersion": "7", "uid": "u"},
            "spec": {}, "status": {"phase": "Running", "startedAt": "2026-11-24T09:59:00Z", "nodes": {"w": {}}}});
        Stored::new(Kind::Workflow, &object, 7)
    }

    fn writer(form: Form, include: IncludeObject) -> Writer {
        Writer { form, include, kind: Kind::Workflow, now: clock::parse("2026-11-24T10:00:00Z").unwrap() }
    }

    fn read(text: &[u8]) -> Value {
        serde_json::from_slice(text).unwrap()
    }

    #[test]
    fn accept_headers() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,\
                     application/json";
        for (accept, form) in [
            (None, Some(Form::Full)),
            (Some("*/*"), Some(Form::Full)),
            (Some(table), Some(Form::Table)),
            (Some("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"), Some(Form::Metadata)),
            (Some("application/vnd.kubernetes.protobuf,application/json"), Some(Form::Full)),
            (Some("application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"), Some(Form::Full)),
            (
                Some("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"),
                Some(Form::Full),
            ),
            (Some("application/json;stream=watch"), Some(Form::Full)),
            (Some("text/html"), None),
        ] {
            assert_eq!(negotiate(accept), form, "{accept:?}");
        }
    }

    #[test]
    fn a_table_list() {
        let writer = writer(Form::Table, IncludeObject::Metadata);
        let meta = ListMeta { revision: 9, next: Some("t".to_owned()), remaining: Some(3) };
        let mut text = writer.head(&meta);
        writer.item(&mut text, &workflow());
        text.extend_from_slice(writer.tail());
        let table = read(&text);
        assert_eq!(table["metadata"], json!({"resourceVersion": "9", "continue": "t", "remainingItemCount": 3}));
        assert_eq!(table["columnDefinitions"][2]["name"], "Age");
        assert_eq!(table["columnDefinitions"][0]["format"], "name");
        assert_eq!(table["rows"][0]["cells"], json!(["w", "Running", "60s", null]));
        assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
        assert_eq!(table["rows"][0]["object"]["metadata"]["uid"], "u");
        assert!(table["rows"][0]["object"].get("status").is_none());
    }

    #[test]
    fn include_object() {
        for (include, expected) in [(IncludeObject::None, Value::Null), (IncludeObject::Object, workflow().value())] {
            let table = read(&writer(Form::Table, include).object(&workflow()));
            assert_eq!(table["rows"][0]["object"], expected);
        }
        assert_eq!(IncludeObject::parse(Some("All")), None);
    }

    #[test]
    fn only_the_first_table_event_defines_columns() {
        let writer = writer(Form::Table, IncludeObject::Metadata);
        let first = read(&writer.event(Change::Added, &workflow(), true));
        let later = read(&writer.event(Change::Modified, &workflow(), false));
        assert_eq!((&first["type"], &later["type"]), (&json!("ADDED"), &json!("MODIFIED")));
        assert_eq!(first["object"]["columnDefinitions"].as_array().map(Vec::len), Some(4));
        assert!(later["object"]["columnDefinitions"].is_null());
        assert_eq!(later["object"]["metadata"]["resourceVersion"], "7");
    }

    #[test]
    fn bookmarks() {
        let table = read(&writer(Form::Table, IncludeObject::Metadata).bookmark(11, false, false));
        assert_eq!(table["type"], "BOOKMARK");
        assert_eq!(table["object"]["metadata"]["resourceVersion"], "11");
        assert_eq!(table["object"]["rows"][0]["cells"], json!(["", null, null, null]));
        let full = read(&writer(Form::Full, IncludeObject::Metadata).bookmark(11, false, true));
        assert_eq!(full["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
        assert_eq!(full["object"]["kind"], "Workflow");
    }

    #[test]
    fn metadata_and_builtin_lists() {
        let partial = read(&writer(Form::Metadata, IncludeObject::Metadata).object(&workflow()));
        assert_eq!(partial["kind"], "PartialObjectMetadata");
        assert!(partial.get("spec").is_none());
        let object = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}});
        let node = Stored::new(Kind::Node, &object, 1);
        let mut text = Vec::new();
        Writer { kind: Kind::Node, ..writer(Form::Full, IncludeObject::Metadata) }.item(&mut text, &node);
        assert_eq!(read(&text), json!({"metadata": {"name": "n"}}));
    }
}
