//! The environment's lock: a Lease that one driver holds. Every change of it is a PUT with the version that was read, so
//! the server decides between two who want it. It is taken from a holder only when its `renewTime` has not changed for
//! the whole lease *by our clock*; clocks of two machines are never compared.

use super::call::{Ask, JSON, Server};
use super::controllers::read_lease;
use super::failure::{CallError, Reached};
use super::held::Held;
use super::leases::{self, LeaseClock};
use super::wire::{number_at, text_at};
use crate::domain::kubernetes::{LeaseRow, ObjectKey};
use crate::domain::{Timestamp, since};
use futures_util::future::BoxFuture;
use http::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// `leaseDurationSeconds`.
pub const LEASE: Duration = Duration::from_secs(30);

/// Between two looks at a Lease whose holder may be dead.
const LOOK: Duration = Duration::from_secs(1);

/// Why the lock is not ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// Somebody holds it, and may live.
    #[error("{lease} is held by {holder}, not renewed for {} s by our clock; it can be taken over after {} s", .silent.as_secs(), .lease_time.as_secs())]
    Held {
        /// The Lease.
        lease: ObjectKey,
        /// Who holds it.
        holder: String,
        /// How long it looks the same.
        silent: Duration,
        /// How long it must look the same.
        lease_time: Duration,
    },
    /// Somebody holds it and renewed it while we looked.
    #[error("{lease} is held by {holder}, who is alive")]
    Alive {
        /// The Lease.
        lease: ObjectKey,
        /// Who holds it.
        holder: String,
    },
    /// It was ours and is no more.
    #[error("{lease} was lost: {why}")]
    Lost {
        /// The Lease.
        lease: ObjectKey,
        /// What became of it.
        why: String,
    },
    /// It is ours, but not for long enough.
    #[error("{lease} is ours for {} s more; {} s are needed", .left.as_secs(), .needed.as_secs())]
    TooLittleTime {
        /// The Lease.
        lease: ObjectKey,
        /// Time left.
        left: Duration,
        /// Time asked for.
        needed: Duration,
    },
    /// The server did not say.
    #[error("{lease}: {error}")]
    Call {
        /// The Lease.
        lease: ObjectKey,
        /// What happened.
        error: CallError,
        /// It happened to a change, which the server may have taken all the same.
        changing: bool,
    },
}

/// Makes new connections, with credentials read anew.
pub type Redial = Arc<dyn Fn() -> BoxFuture<'static, Option<Server>> + Send + Sync>;

/// How the lock came to be ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// There was no Lease.
    Created,
    /// Nobody held it.
    Free,
    /// It was ours already.
    Ours,
    /// Its holder had been silent for the whole lease.
    From(String),
}

/// Takes the lock, looking at a silent holder until `until` at most. `clock` remembers across calls how long a holder
/// has been silent.
///
/// # Errors
/// Somebody else holds it, or the server did not take it. After [`LockError::Call`] with [`Reached::Perhaps`] it may be
/// ours: take again to find out.
pub async fn take(
    server: &Server,
    key: &ObjectKey,
    holder: &str,
    clock: &mut LeaseClock,
    until: Instant,
    redial: &Redial,
) -> Result<(Held, Taken), LockError> {
    let call = |error, changing| LockError::Call { lease: key.clone(), error, changing };
    let mut first: Option<LeaseRow> = None;
    loop {
        let lease = read_lease(server, key).await.map_err(|error| call(error, false))?;
        let Some(lease) = lease else {
            clock.absent(key);
            let began = (crate::adapters::clock::now(), Instant::now());
            match create(server, key, holder).await {
                Ok(lease) => return Ok((Held::new(server, key, holder, lease, began, redial), Taken::Created)),
                Err(error) if error.code == Some(409) => continue,
                Err(error) => return Err(call(error, true)),
            }
        };
        let row = clock.read(key, &lease, crate::adapters::clock::now());
        let silent = since(row.seen_unchanged_since, crate::adapters::clock::now());
        let lease_time = Duration::from_secs(u64::from(row.duration_seconds));
        let how = match row.holder.as_deref() {
            None => Taken::Free,
            Some(other) if other == holder => Taken::Ours,
            Some(other) if silent >= lease_time => Taken::From(other.to_owned()),
            Some(other) => {
                let holder = other.to_owned();
                if first.as_ref().is_some_and(|first| first.holder == row.holder && first.renewed != row.renewed) {
                    return Err(LockError::Alive { lease: key.clone(), holder });
                }
                first.get_or_insert(row);
                if Instant::now() + LOOK >= until {
                    return Err(LockError::Held { lease: key.clone(), holder, silent, lease_time });
                }
                tokio::time::sleep(LOOK).await;
                continue;
            }
        };
        let began = (crate::adapters::clock::now(), Instant::now());
        match put(server, key, &owned(lease, holder, &how)).await {
            Ok(lease) => return Ok((Held::new(server, key, holder, lease, began, redial), how)),
            // Somebody was faster, or changed something else about it: look again.
            Err(error) if error.code == Some(409) && Instant::now() < until => {}
            Err(error) => return Err(call(error, true)),
        }
    }
}

/// Reads back a lock that a lost answer left in doubt, and empties one that is ours.
///
/// # Errors
/// Somebody else holds it, or the server did not take it.
pub async fn release(server: &Server, key: &ObjectKey, holder: &str) -> Result<bool, LockError> {
    let call = |error, changing| LockError::Call { lease: key.clone(), error, changing };
    let mut tries = 0;
    loop {
        let Some(mut lease) = read_lease(server, key).await.map_err(|error| call(error, false))? else {
            return Ok(false);
        };
        match text_at(&lease, "/spec/holderIdentity", 253) {
            other if other.is_empty() => return Ok(false),
            other if other != holder => return Err(LockError::Alive { lease: key.clone(), holder: other }),
            _ => {}
        }
        if let Some(spec) = lease.get_mut("spec").and_then(Value::as_object_mut) {
            // Absent rather than an empty text: what client-go does, and newer servers demand.
            spec.remove("holderIdentity");
            spec.insert("renewTime".to_owned(), json!(micro_time(Timestamp::now())));
        }
        match put(server, key, &lease).await {
            Ok(_) => return Ok(true),
            Err(error) if error.code == Some(409) && tries < 3 => tries += 1,
            Err(error) => return Err(call(error, true)),
        }
    }
}

fn micro_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// The Lease as it is to be when it is ours.
pub(super) fn owned(mut lease: Value, holder: &str, how: &Taken) -> Value {
    let now = micro_time(Timestamp::now());
    let transitions = number_at(&lease, "/spec/leaseTransitions").unwrap_or(0);
    if !lease.get("spec").is_some_and(Value::is_object)
        && let Some(object) = lease.as_object_mut()
    {
        object.insert("spec".to_owned(), json!({}));
    }
    if let Some(spec) = lease.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert("holderIdentity".to_owned(), json!(holder));
        spec.insert("leaseDurationSeconds".to_owned(), json!(LEASE.as_secs()));
        spec.insert("renewTime".to_owned(), json!(now));
        if *how != Taken::Ours {
            spec.insert("acquireTime".to_owned(), json!(now));
            spec.insert("leaseTransitions".to_owned(), json!(transitions.saturating_add(1)));
        }
    }
    lease
}

async fn create(server: &Server, key: &ObjectKey, holder: &str) -> Result<Value, CallError> {
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": key.name, "namespace": key.namespace,
            "labels": {"app.kubernetes.io/managed-by": "leeward"}}, "spec": {}});
    let body = owned(lease, holder, &Taken::Created);
    server.ask(Ask::with_body(Method::POST, &leases::collection(&key.namespace), JSON, &body)).await
}

pub(super) async fn put(server: &Server, key: &ObjectKey, lease: &Value) -> Result<Value, CallError> {
    server.ask(Ask::with_body(Method::PUT, &leases::path(key), JSON, lease)).await
}

impl LockError {
    /// Whether a change that failed may have been taken all the same.
    #[must_use]
    pub fn in_doubt(&self) -> bool {
        match self {
            LockError::Call { error, changing: true, .. } => match error.reached {
                Reached::Never => false,
                Reached::Perhaps => true,
                // An answer that cannot be read, or one of a server whose store may have taken it.
                Reached::Answered => error.code.is_none_or(|code| code >= 500),
            },
            _ => false,
        }
    }
}
