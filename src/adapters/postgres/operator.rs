//! What the operator's database user may do, asked before it is needed: EXECUTE on `pg_promote` cannot be granted on a
//! replica any more once its primary is gone.

use std::time::Duration;

use serde::Deserialize;

use super::connect::{no_answer, place_of};
use super::read::Monitor;
use super::sample::RawIdentity;
use crate::domain::database::OperatorRights;
use crate::domain::endpoints::DatabaseEndpoint;
use crate::domain::freshness::SourceError;
use crate::domain::text::clean_to;

#[derive(Deserialize)]
struct Raw {
    #[serde(flatten)]
    identity: RawIdentity,
    user: String,
    promote: Option<bool>,
    fence: Option<bool>,
    terminate: Option<bool>,
}

pub(super) fn read(text: &str) -> Result<OperatorRights, String> {
    let raw: Raw = serde_json::from_str(text).map_err(|error| format!("its rights were not understood: {error}"))?;
    Ok(OperatorRights {
        user: clean_to(&raw.user, 64),
        identity: raw.identity.read()?,
        promote: raw.promote == Some(true),
        fence: raw.fence == Some(true),
        terminate: raw.terminate == Some(true),
    })
}

/// Asks for the rights over a session of its own, which is closed again: a powerful login is not kept open for hours.
///
/// # Errors
/// Why they cannot be told; after `timeout` at the latest.
pub async fn operator_rights(operator: &DatabaseEndpoint, timeout: Duration) -> Result<OperatorRights, SourceError> {
    let ask = async {
        let mut session = Monitor::connect(operator, timeout).await?;
        let rights = session.rights().await;
        session.close().await;
        rights
    };
    match tokio::time::timeout(timeout, ask).await {
        Ok(rights) => rights,
        Err(_) => Err(no_answer(&place_of(operator), timeout)),
    }
}
