//! Shapes of the Kubernetes API as far as they are read here. Lenient on purpose: a field that is missing or odd in one
//! object must not hide the others.

use crate::domain::Timestamp;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::text::clean_to;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;

/// Longest name kept: a DNS subdomain.
const NAME_CHARS_MAX: usize = 253;

/// `meta/v1.Status`, the body of an error and of a watch's ERROR event.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct StatusBody {
    /// HTTP code.
    #[serde(deserialize_with = "lenient")]
    pub code: u16,
    /// For people.
    #[serde(deserialize_with = "lenient")]
    pub message: String,
    /// For programs.
    #[serde(deserialize_with = "lenient")]
    pub reason: String,
}

/// `meta/v1.ObjectMeta`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// UID.
    pub uid: String,
    /// Version of the object.
    pub resource_version: String,
    /// Rises with each change of the spec.
    pub generation: i64,
    /// When it was created.
    pub creation_timestamp: Option<String>,
    /// When its deletion was asked for.
    pub deletion_timestamp: Option<String>,
    /// Labels.
    pub labels: Option<BTreeMap<String, String>>,
}

impl Meta {
    /// Its key.
    #[must_use]
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(clean_to(&self.namespace, NAME_CHARS_MAX), clean_to(&self.name, NAME_CHARS_MAX))
    }

    /// When it was created; the epoch if the server's word cannot be read, which is never hidden by looking recent.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.creation_timestamp.as_deref().and_then(|at| at.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// A label, cleaned; empty when it is not there.
    #[must_use]
    pub fn label(&self, name: &str) -> String {
        self.labels
            .as_ref()
            .and_then(|labels| labels.get(name))
            .map(|value| clean_to(value, NAME_CHARS_MAX))
            .unwrap_or_default()
    }

    /// The metadata of any object.
    #[must_use]
    pub fn of(object: &Value) -> Option<Meta> {
        Meta::deserialize(object.get("metadata")?).ok()
    }
}

/// `meta/v1.ListMeta`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListMeta {
    /// Version of the whole list.
    #[serde(deserialize_with = "lenient")]
    pub resource_version: String,
    /// Where the next page begins.
    #[serde(rename = "continue", deserialize_with = "lenient")]
    pub next: String,
    /// How many objects come after this page. Told where nothing is selected.
    #[serde(deserialize_with = "lenient")]
    pub remaining_item_count: Option<usize>,
}

/// A column of a Table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Column {
    /// Its heading.
    pub name: String,
}

/// A row of a Table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct TableRow {
    /// Cells, in the order of the columns.
    pub cells: Option<Vec<Value>>,
    /// The object's metadata.
    pub object: Option<RowObject>,
}

/// What stands beside a row's cells: PartialObjectMetadata.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RowObject {
    /// Metadata.
    pub metadata: Meta,
}

/// A page of a list, or the object of a watch event, whichever form the server chose.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Page {
    /// `Table`, or `XList`.
    pub kind: String,
    /// Metadata of the list.
    pub metadata: ListMeta,
    /// Columns; a watch sends them with the first event only.
    pub column_definitions: Option<Vec<Column>>,
    /// Rows of a Table.
    pub rows: Option<Vec<TableRow>>,
    /// Objects of a plain list.
    pub items: Option<Vec<Value>>,
}

/// A value of any kind, or the default when it is null or of another type.
fn lenient<'de, D: Deserializer<'de>, T: Default + serde::de::DeserializeOwned>(from: D) -> Result<T, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(T::deserialize(value).unwrap_or_default())
}

/// Text at a JSON pointer, cleaned and bounded; empty when it is not there.
#[must_use]
pub fn text_at(object: &Value, pointer: &str, chars_max: usize) -> String {
    object.pointer(pointer).and_then(Value::as_str).map(|text| clean_to(text, chars_max)).unwrap_or_default()
}

/// A time at a JSON pointer.
#[must_use]
pub fn time_at(object: &Value, pointer: &str) -> Option<Timestamp> {
    object.pointer(pointer)?.as_str()?.parse().ok()
}

/// A number from 0 at a JSON pointer, held within 32 bits.
#[must_use]
pub fn number_at(object: &Value, pointer: &str) -> Option<u32> {
    Some(u32::try_from(object.pointer(pointer)?.as_u64()?).unwrap_or(u32::MAX))
}

/// The elements of a list at a JSON pointer.
pub fn list_at<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// A part of a path or query, with everything but unreserved characters escaped (RFC 3986).
#[must_use]
pub fn escape(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
