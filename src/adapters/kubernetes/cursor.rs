//! Where a watch stands, and what an event of it means. Pure.

use super::inventory::Inventory;
use super::kind::{Item, Kind, Rows, Told};
use super::wire::{Meta, Page, StatusBody, TableRow};
use serde::Deserialize;
use serde_json::Value;

/// Where a watch stands.
#[derive(Debug)]
pub struct Cursor {
    version: String,
    columns: Vec<String>,
    inventory: Inventory,
}

/// What an event meant.
pub enum Event<K, V> {
    /// Changes.
    Told(Vec<Told<K, V>>),
    /// Everything up to the cursor's version has been told.
    Bookmark,
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
    /// At the version of a list that held this.
    #[must_use]
    pub fn at(version: String, inventory: Inventory) -> Cursor {
        Cursor { version, columns: Vec::new(), inventory }
    }

    /// What the list and the watch have told so far.
    #[must_use]
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// The newest version seen.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Takes one event.
    pub fn take<K: Kind>(&mut self, line: &[u8]) -> Event<K::Key, K::Row> {
        let Ok(head) = serde_json::from_slice::<Head>(line) else { return unreadable() };
        match head.event.as_str() {
            "ERROR" => {
                let status = serde_json::from_slice::<Carrying<StatusBody>>(line).map(|c| c.object).unwrap_or_default();
                if status.code == 410 { Event::Relist } else { Event::Error(status) }
            }
            "BOOKMARK" => {
                self.advance(&head.object.metadata.resource_version);
                Event::Bookmark
            }
            "ADDED" | "MODIFIED" | "DELETED" => {
                let gone = head.event == "DELETED";
                let read =
                    if head.object.kind == "Table" { self.table::<K>(line, gone) } else { self.plain::<K>(line, gone) };
                let Some((version, rows)) = read else { return unreadable() };
                self.advance(if version.is_empty() { &head.object.metadata.resource_version } else { &version });
                let told = |(key, row)| if gone { Told::Deleted(key) } else { Told::Applied(key, row) };
                Event::Told(rows.into_iter().map(told).collect())
            }
            // A kind of event that is not known yet. It carries nothing we could act on.
            _ => Event::Told(Vec::new()),
        }
    }

    /// A list of `version` held nothing but what was told already.
    pub fn advance(&mut self, version: &str) {
        if !version.is_empty() {
            version.clone_into(&mut self.version);
        }
    }

    fn note(&mut self, meta: &Meta, gone: bool) {
        if gone {
            self.inventory.remove(&meta.namespace, &meta.name);
        } else {
            self.inventory.insert(&meta.namespace, &meta.name, &meta.resource_version);
        }
    }

    fn table<K: Kind>(&mut self, line: &[u8], gone: bool) -> Option<(String, Rows<K>)> {
        let page = serde_json::from_slice::<Carrying<Page>>(line).ok()?.object;
        if page.column_definitions.as_ref().is_some_and(|columns| !columns.is_empty()) {
            self.columns = columns_of(&page);
        }
        let rows = page.rows.unwrap_or_default();
        for object in rows.iter().filter_map(|row| row.object.as_ref()) {
            self.note(&object.metadata, gone);
        }
        let version = rows.last().and_then(|row| row.object.as_ref()).map(|o| o.metadata.resource_version.clone());
        let read = rows.iter().filter_map(|row| read_row::<K>(&self.columns, row)).collect();
        Some((version.unwrap_or_default(), read))
    }

    fn plain<K: Kind>(&mut self, line: &[u8], gone: bool) -> Option<(String, Rows<K>)> {
        let object = serde_json::from_slice::<Carrying<Value>>(line).ok()?.object;
        let meta = Meta::of(&object)?;
        self.note(&meta, gone);
        Some((meta.resource_version, K::read(Item::Object(&object)).into_iter().collect()))
    }
}

/// An event that cannot be read: what it said is missing now.
fn unreadable<K, V>() -> Event<K, V> {
    tracing::warn!("an event of a watch cannot be read; listing again");
    Event::Relist
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
