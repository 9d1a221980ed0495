//! Where a watch stands, and what an event of it means. Pure.

use super::kind::{Item, Kind, Rows, Told};
use super::wire::{Meta, Page, StatusBody, TableRow};
use crate::domain::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// Where a watch stands.
#[derive(Debug)]
pub struct Cursor {
    version: String,
    columns: Vec<String>,
}

/// What an event meant.
pub enum Event<K, V> {
    /// Changes, or a confirmation.
    Told(Vec<Told<K, V>>),
    /// The server ends the watch.
    Error(StatusBody),
    /// What came since is lost: only a new list is right.
    Relist,
}

/// The beginning of every event: enough to know what follows.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type", default)]
    event: String,
    #[serde(default)]
    object: HeadObject,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HeadObject {
    kind: String,
    metadata: HeadMeta,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HeadMeta {
    resource_version: String,
}

#[derive(Deserialize)]
struct Carrying<T> {
    object: T,
}

impl Cursor {
    /// At the version of a list.
    #[must_use]
    pub fn at(version: String) -> Cursor {
        Cursor { version, columns: Vec::new() }
    }

    /// The newest version seen.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Takes one event that came at `now`.
    pub fn take<K: Kind>(&mut self, line: &[u8], now: Timestamp) -> Event<K::Key, K::Row> {
        let Ok(head) = serde_json::from_slice::<Head>(line) else { return unreadable() };
        match head.event.as_str() {
            "ERROR" => {
                let status = serde_json::from_slice::<Carrying<StatusBody>>(line).map(|c| c.object).unwrap_or_default();
                if status.code == 410 { Event::Relist } else { Event::Error(status) }
            }
            "BOOKMARK" => {
                self.advance(&head.object.metadata.resource_version);
                Event::Told(vec![Told::Confirmed(now)])
            }
            "ADDED" | "MODIFIED" | "DELETED" => {
                let read = if head.object.kind == "Table" { self.table::<K>(line) } else { plain::<K>(line) };
                let Some((version, rows)) = read else { return unreadable() };
                self.advance(if version.is_empty() { &head.object.metadata.resource_version } else { &version });
                let told =
                    |(key, row)| if head.event == "DELETED" { Told::Deleted(key) } else { Told::Applied(key, row) };
                Event::Told(rows.into_iter().map(told).collect())
            }
            // A kind of event that is not known yet. It carries nothing we could act on.
            _ => Event::Told(Vec::new()),
        }
    }

    fn advance(&mut self, version: &str) {
        if !version.is_empty() {
            version.clone_into(&mut self.version);
        }
    }

    fn table<K: Kind>(&mut self, line: &[u8]) -> Option<(String, Rows<K>)> {
        let page = serde_json::from_slice::<Carrying<Page>>(line).ok()?.object;
        if page.column_definitions.as_ref().is_some_and(|columns| !columns.is_empty()) {
            self.columns = columns_of(&page);
        }
        let rows = page.rows.unwrap_or_default();
        let version = rows.last().and_then(|row| row.object.as_ref()).map(|o| o.metadata.resource_version.clone());
        let read = rows.iter().filter_map(|row| read_row::<K>(&self.columns, row)).collect();
        Some((version.unwrap_or_default(), read))
    }
}

/// An event that cannot be read: what it said is missing now.
fn unreadable<K, V>() -> Event<K, V> {
    tracing::warn!("an event of a watch cannot be read; listing again");
    Event::Relist
}

fn plain<K: Kind>(line: &[u8]) -> Option<(String, Rows<K>)> {
    let object = serde_json::from_slice::<Carrying<Value>>(line).ok()?.object;
    let meta = Meta::of(&object)?;
    Some((meta.resource_version, K::read(Item::Object(&object)).into_iter().collect()))
}

/// Headings of a Table.
#[must_use]
pub fn columns_of(page: &Page) -> Vec<String> {
    page.column_definitions.iter().flatten().map(|column| column.name.clone()).collect()
}

/// Reads one row of a Table.
#[must_use]
pub fn read_row<K: Kind>(columns: &[String], row: &TableRow) -> Option<(K::Key, K::Row)> {
    let meta = &row.object.as_ref()?.metadata;
    if meta.name.is_empty() {
        return None;
    }
    K::read(Item::Row { columns, cells: row.cells.as_deref().unwrap_or_default(), meta })
}
