//! What is in Argo's tables. Each question stands alone, since one that is not permitted or takes too long must not take
//! the others with it.

use serde::Deserialize;

use super::read::{Monitor, ReadError};
use super::statements::Read;
use crate::domain::Timestamp;
use crate::domain::database::{ArchiveFacts, NEWEST_ROWS_MAX};
use crate::domain::text::clean_to;

/// Length of the column.
const UID_CHARS_MAX: usize = 128;

#[derive(Deserialize)]
struct Tables {
    archive: bool,
    history: bool,
}

#[derive(Deserialize)]
struct Row {
    uid: String,
    finished: Option<Timestamp>,
}

/// Looks at the tables that are there.
pub(super) async fn look(monitor: &mut Monitor) -> Result<ArchiveFacts, ReadError> {
    let mut facts = ArchiveFacts { schema_version: None, rows: None, newest_finished: None, newest: Vec::new() };
    let tables = monitor.one(Read::Tables).await?.and_then(|text| serde_json::from_str::<Tables>(&text).ok());
    let Some(tables) = tables else { return Ok(facts) };
    if tables.history {
        facts.schema_version = maybe(monitor, Read::SchemaVersion).await?.and_then(|text| text.parse().ok());
    }
    if tables.archive {
        let newest = maybe(monitor, Read::ArchiveNewest).await?;
        let rows: Vec<Row> = newest.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        facts.newest_finished = rows.first().and_then(|row| row.finished);
        facts.newest = rows.into_iter().take(NEWEST_ROWS_MAX).map(|row| clean_to(&row.uid, UID_CHARS_MAX)).collect();
        facts.rows = maybe(monitor, Read::ArchiveRows).await?.and_then(|text| text.parse().ok());
    }
    Ok(facts)
}

/// Runs a statement that may be refused: not permitted, table gone meanwhile, too slow, or in the way of replay. Then
/// the fact is unknown.
async fn maybe(monitor: &mut Monitor, read: Read) -> Result<Option<String>, ReadError> {
    match monitor.one(read).await {
        // insufficient_privilege, undefined_table, undefined_column, query_canceled, serialization_failure (a conflict
        // with recovery on a replica), object_not_in_prerequisite_state
        Err(why) if ["42501", "42P01", "42703", "57014", "40001", "55000"].contains(&why.code.as_str()) => {
            tracing::debug!(?read, code = why.code, "left unknown: {}", why.error);
            monitor.give_up_transaction().await?;
            Ok(None)
        }
        other => other,
    }
}
