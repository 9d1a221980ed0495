//! What can be watched, and what a watch tells. Pure.

use super::wire::{Meta, escape};
use crate::domain::Timestamp;
use crate::domain::freshness::SourceError;
use crate::domain::observation::{Change, Fact, Watched};
use serde_json::Value;

/// Objects asked for in one page. kubectl's and client-go's own number.
pub const PAGE: usize = 500;

/// The form in which objects are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Printed columns and metadata. Falls back to metadata, then to whole objects, if the server has no tables.
    Table,
    /// Metadata only.
    Metadata,
    /// Whole objects.
    Object,
}

impl Form {
    /// Media types of a list, best first.
    #[must_use]
    pub fn list(self) -> &'static str {
        match self {
            Form::Table => {
                "application/json;as=Table;g=meta.k8s.io;v=v1,\
                 application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
            }
            Form::Metadata => "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
            Form::Object => "application/json",
        }
    }

    /// Media types of a watch, best first.
    #[must_use]
    pub fn watch(self) -> &'static str {
        match self {
            Form::Table => {
                "application/json;as=Table;g=meta.k8s.io;v=v1,\
                 application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
            }
            Form::Metadata => "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
            Form::Object => "application/json",
        }
    }
}

/// One object as the server sent it.
#[derive(Debug, Clone, Copy)]
pub enum Item<'a> {
    /// A row of a Table.
    Row {
        /// Headings of the columns.
        columns: &'a [String],
        /// Its cells.
        cells: &'a [Value],
        /// Metadata.
        meta: &'a Meta,
    },
    /// A plain object, whole or metadata only.
    Object(&'a Value),
}

/// A kind that is watched.
pub trait Kind: Send + Sync + 'static {
    /// Key of a row.
    type Key: Ord + Clone + Send + Sync + 'static;
    /// A row.
    type Row: Send + 'static;
    /// Its name in facts.
    const WATCHED: Watched;
    /// The form asked for.
    const FORM: Form;

    /// Reads one object; None if it cannot be told what it is.
    fn read(item: Item<'_>) -> Option<(Self::Key, Self::Row)>;

    /// The fact of a change.
    fn fact(change: Change<Self::Key, Self::Row>) -> Fact;
}

/// What one loop tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Told<K, V> {
    /// The whole list.
    Listed(Vec<(K, V)>),
    /// New or changed.
    Applied(K, V),
    /// Gone.
    Deleted(K),
    /// Complete up to this moment.
    Confirmed(Timestamp),
    /// Cannot be had.
    Refused(SourceError),
    /// The watch is accepted and keeps back what changes. What was listed last is all that is known, until it delivers.
    Stuck(SourceError),
}

/// Rows of a kind.
pub type Rows<K> = Vec<(<K as Kind>::Key, <K as Kind>::Row)>;

/// What one of several loops of a kind tells: which, and what.
pub type Tagged<K> = (usize, Told<<K as Kind>::Key, <K as Kind>::Row>);

/// What a loop watches: a collection's path and a selector, if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Such as `/apis/argoproj.io/v1alpha1/workflows`.
    pub path: String,
    /// Such as `fieldSelector=metadata.name%3Dx`; empty for all.
    pub selector: String,
}

impl Collection {
    /// All objects at `path`.
    #[must_use]
    pub fn all(path: impl Into<String>) -> Collection {
        Collection { path: path.into(), selector: String::new() }
    }

    /// Path of the page of `limit` objects that begins at `next`.
    #[must_use]
    pub fn page(&self, limit: usize, next: &str) -> String {
        let mut path = format!("{}?limit={limit}", self.path);
        if !self.selector.is_empty() {
            path = format!("{path}&{}", self.selector);
        }
        if next.is_empty() { path } else { format!("{path}&continue={}", escape(next)) }
    }

    /// Path of the watch from `version` on.
    #[must_use]
    pub fn watch(&self, version: &str) -> String {
        let mut path = format!("{}?watch=1&allowWatchBookmarks=true&resourceVersion={}", self.path, escape(version));
        if !self.selector.is_empty() {
            path = format!("{path}&{}", self.selector);
        }
        path
    }
}
