//! A lock that is held: renewed in the background, and read back before each request that may change something.

use super::backoff::jitter;
use super::call::Server;
use super::controllers::read_lease;
use super::failure::CallError;
use super::lock::{LEASE, LockError, Redial, Taken, owned, put};
use super::wire::{number_at, text_at};
use crate::domain::kubernetes::ObjectKey;
use crate::domain::{Timestamp, since};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// The lock, held. It renews itself until it is dropped, released or lost.
pub struct Held {
    inner: Arc<Inner>,
    renewing: tokio::task::JoinHandle<()>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Held({} by {})", self.inner.key, self.inner.holder)
    }
}

struct Inner {
    redial: Redial,
    key: ObjectKey,
    holder: String,
    /// `leaseTransitions` since it is ours: rises with each change of hands.
    transitions: u32,
    uid: String,
    state: Mutex<State>,
}

struct State {
    server: Server,
    /// The Lease as last read or written.
    lease: Value,
    /// When the last renewal that the server took was begun, by both clocks: one stands still while a machine sleeps, the
    /// other can be set.
    renewed: (Timestamp, Instant),
    lost: Option<String>,
}

impl State {
    fn left(&self) -> Duration {
        let gone = since(self.renewed.0, crate::adapters::clock::now()).max(self.renewed.1.elapsed());
        LEASE.saturating_sub(gone)
    }
}

impl Held {
    pub(super) fn new(
        server: &Server,
        key: &ObjectKey,
        holder: &str,
        lease: Value,
        renewed: (Timestamp, Instant),
        redial: &Redial,
    ) -> Held {
        let inner = Arc::new(Inner {
            redial: Arc::clone(redial),
            key: key.clone(),
            holder: holder.to_owned(),
            transitions: number_at(&lease, "/spec/leaseTransitions").unwrap_or(0),
            uid: text_at(&lease, "/metadata/uid", 64),
            state: Mutex::new(State { server: server.clone(), lease, renewed, lost: None }),
        });
        Held { renewing: tokio::spawn(keep(Arc::clone(&inner))), inner }
    }

    /// The Lease.
    #[must_use]
    pub fn key(&self) -> &ObjectKey {
        &self.inner.key
    }

    /// Who holds it: we.
    #[must_use]
    pub fn holder(&self) -> &str {
        &self.inner.holder
    }

    /// A number that rises with each change of hands.
    #[must_use]
    pub fn transitions(&self) -> u32 {
        self.inner.transitions
    }

    /// Stops renewing it. Whatever happens then, it runs out by itself.
    pub async fn stop(&self) {
        self.renewing.abort();
        self.inner.state.lock().await.lost.get_or_insert_with(|| "it was given up".to_owned());
    }

    /// Reads the Lease back from the server: it must still be ours, for longer than `more_than`; renews it when less is
    /// left. To be called right before each request that may change something.
    ///
    /// # Errors
    /// It is not ours any more, not for long enough, or the server did not say.
    pub async fn verify(&self, more_than: Duration) -> Result<(), LockError> {
        let inner = &self.inner;
        let mut state = inner.state.lock().await;
        inner.still_ours(&mut state).await?;
        if state.left() <= more_than {
            inner.renew(&mut state).await?;
        }
        let left = state.left();
        if left > more_than {
            return Ok(());
        }
        Err(LockError::TooLittleTime { lease: inner.key.clone(), left, needed: more_than })
    }
}

impl Inner {
    fn lost(&self, state: &mut State, why: String) -> LockError {
        tracing::warn!(lease = %self.key, %why, "the lock was lost");
        state.lost = Some(why.clone());
        LockError::Lost { lease: self.key.clone(), why }
    }

    /// Reads it back.
    async fn still_ours(&self, state: &mut State) -> Result<(), LockError> {
        if let Some(why) = state.lost.clone() {
            return Err(LockError::Lost { lease: self.key.clone(), why });
        }
        let mut lease = read_lease(&state.server, &self.key).await;
        if lease.as_ref().is_err_and(|error| error.code == Some(401))
            && let Some(server) = (self.redial)().await
        {
            state.server = server;
            lease = read_lease(&state.server, &self.key).await;
        }
        let lease = lease.map_err(|error| self.call(error, false))?;
        let Some(lease) = lease else { return Err(self.lost(state, "it was deleted".to_owned())) };
        let holder = text_at(&lease, "/spec/holderIdentity", 253);
        let transitions = number_at(&lease, "/spec/leaseTransitions").unwrap_or(0);
        if text_at(&lease, "/metadata/uid", 64) != self.uid {
            return Err(self.lost(state, "it was deleted and made anew".to_owned()));
        }
        if holder != self.holder || transitions != self.transitions {
            let why = if holder.is_empty() { "it was given up".to_owned() } else { format!("{holder} took it") };
            return Err(self.lost(state, why));
        }
        state.lease = lease;
        Ok(())
    }

    async fn renew(&self, state: &mut State) -> Result<(), LockError> {
        for _ in 0..3 {
            let began = (crate::adapters::clock::now(), Instant::now());
            let body = owned(state.lease.clone(), &self.holder, &Taken::Ours);
            match put(&state.server, &self.key, &body).await {
                Ok(lease) => {
                    state.lease = lease;
                    state.renewed = began;
                    return Ok(());
                }
                // Also when the answer to our own last renewal was lost.
                // Reading it back makes new connections if the credentials have run out.
                Err(error) if matches!(error.code, Some(401 | 409)) => self.still_ours(state).await?,
                Err(error) if error.code == Some(404) => return Err(self.lost(state, "it was deleted".to_owned())),
                Err(error) => return Err(self.call(error, true)),
            }
        }
        let text = "it could not be renewed: its version changed each time".to_owned();
        Err(self.lost(state, text))
    }

    fn call(&self, error: CallError, changing: bool) -> LockError {
        LockError::Call { lease: self.key.clone(), error, changing }
    }
}

/// Renews three times a lease; more often while it does not succeed.
async fn keep(inner: Arc<Inner>) {
    let mut pause = LEASE / 3;
    loop {
        tokio::time::sleep(pause).await;
        let mut state = inner.state.lock().await;
        if state.lost.is_some() {
            return;
        }
        pause = match inner.renew(&mut state).await {
            Ok(()) => LEASE / 3,
            Err(LockError::Lost { .. }) => return,
            Err(error) => {
                tracing::warn!(%error, "the lock could not be renewed");
                Duration::from_secs(1) + jitter(Duration::from_secs(1))
            }
        };
    }
}
