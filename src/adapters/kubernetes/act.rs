//! What may be changed in the regions. Every write goes the same way: prove which cluster answers, read the object,
//! compare its UID, look whether it is so already, read the lock back, and then send one request with a precondition that
//! the server checks. And every outcome is called what it is: what was certainly not sent is not sent, what was answered is
//! done or refused, anything else is unknown.

use super::attempt::{Attempt, refused};
use super::call::Server;
use super::client::Dialer;
use super::held::Held;
use super::leases::LeaseClock;
use super::lock::{LockError, Redial};
use super::read_only::Access;
use crate::domain::Timestamp;
use crate::domain::effect::{Effect, Outcome};
use crate::domain::endpoints::RegionEndpoints;
use crate::domain::region::{PerSide, Side};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long the lock of the region being left is waited for: it is a courtesy, and its region may be dying.
const COURTESY_WAIT: Duration = Duration::from_millis(500);

/// Writes to the regions' API servers.
pub struct Actuator {
    endpoints: PerSide<RegionEndpoints>,
    access: Access,
    timeout: Duration,
    dialers: PerSide<Mutex<Option<Dialer>>>,
    pub(super) locks: Mutex<Locks>,
}

#[derive(Default)]
pub(super) struct Locks {
    /// The region whose lock was ordered first: the one being activated, whose lock counts.
    pub counts: Option<Side>,
    /// Held locks with their region, in the order in which they were taken.
    pub held: Vec<(Side, Arc<Held>)>,
    /// How long other holders have been silent.
    pub clocks: PerSide<LeaseClock>,
}

impl Actuator {
    /// For both regions. With [`Access::ReadOnly`] no effect is ever sent. `timeout` is the limit of one connect or read.
    #[must_use]
    pub fn new(endpoints: PerSide<RegionEndpoints>, access: Access, timeout: Duration) -> Actuator {
        Actuator { endpoints, access, timeout, dialers: PerSide::default(), locks: Mutex::default() }
    }

    /// Performs one effect within `deadline`. Effects other than taking the lock need it to be held, see
    /// [`Actuator::verify_lock`].
    pub async fn perform(&self, effect: &Effect, deadline: Duration) -> Outcome {
        let side = match effect {
            Effect::TakeLock { side, .. } | Effect::ReleaseLock { side, .. } | Effect::CreateCanary { side, .. } => {
                *side
            }
            Effect::SuspendCron { target, .. } | Effect::Scale { target, .. } => target.side,
            _ => return refused("this is nothing that a Kubernetes API server does"),
        };
        if matches!(effect, Effect::TakeLock { .. }) {
            self.locks.lock().await.counts.get_or_insert(side);
        }
        let until = Instant::now() + deadline;
        let server = match self.server(side).await {
            Ok(server) => server,
            Err(outcome) => return outcome,
        };
        let attempt = Attempt { actuator: self, server, until };
        let result = match effect {
            Effect::TakeLock { cluster_uid, lease, holder, .. } => {
                attempt.take_lock(side, cluster_uid.as_deref(), lease, holder).await
            }
            Effect::ReleaseLock { lease, holder, .. } => attempt.release_lock(side, lease, holder).await,
            Effect::SuspendCron { target, suspend } => attempt.suspend(target, *suspend).await,
            Effect::Scale { target, replicas } => attempt.scale(target, *replicas).await,
            Effect::CreateCanary { cluster_uid, key, manifest, .. } => attempt.canary(cluster_uid, key, manifest).await,
            _ => Ok(refused("this is nothing that a Kubernetes API server does")),
        };
        result.unwrap_or_else(|outcome| outcome)
    }

    /// Reads the lock back from the server, for longer than `more_than`. The one that was *ordered* first, in the region
    /// being activated, must be proven ours, whichever was had first; a second one, in the region that is left, may be out
    /// of reach but not lost, and is not waited for.
    ///
    /// # Errors
    /// Why nothing may be sent, in words.
    pub async fn verify_lock(&self, more_than: Duration) -> Result<(), String> {
        let (counts, held) = {
            let locks = self.locks.lock().await;
            (locks.counts, locks.held.clone())
        };
        let of = |side: &Side| Some(*side) == counts;
        let Some((_, lock)) = held.iter().find(|(side, _)| of(side)) else {
            return Err("the environment's lock is not held".to_owned());
        };
        lock.verify(more_than).await.map_err(|error| error.to_string())?;
        for (_, other) in held.iter().filter(|(side, _)| !of(side)) {
            match tokio::time::timeout(COURTESY_WAIT, other.verify(more_than)).await {
                Err(_) | Ok(Ok(()) | Err(LockError::Call { .. } | LockError::TooLittleTime { .. })) => {}
                Ok(Err(error)) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    /// The lock held in a region.
    pub async fn held(&self, side: Side) -> Option<Arc<Held>> {
        let locks = self.locks.lock().await;
        locks.held.iter().find(|(of, _)| *of == side).map(|(_, lock)| Arc::clone(lock))
    }

    /// A server over connections of its own: what proves the identity is what gets the write.
    async fn server(&self, side: Side) -> Result<Server, Outcome> {
        let mut slot = self.dialers.get(side).lock().await;
        let soon = Timestamp::now() + Duration::from_secs(60);
        if slot.as_ref().is_some_and(|dialer| dialer.valid_until.is_some_and(|at| at < soon)) {
            *slot = None;
        }
        let not_sent = |error: crate::domain::freshness::SourceError| Outcome::NotSent { reason: error.text };
        let dialer = match &*slot {
            Some(dialer) => dialer.clone(),
            None => Dialer::open(self.endpoints.get(side), self.access, self.timeout).await.map_err(not_sent)?,
        };
        let server = dialer.dial().map_err(not_sent)?;
        *slot = Some(dialer);
        Ok(server)
    }

    pub(super) fn redial(&self, side: Side) -> Redial {
        let (endpoints, access, timeout) = (self.endpoints.get(side).clone(), self.access, self.timeout);
        Arc::new(move || {
            let endpoints = endpoints.clone();
            Box::pin(async move { Dialer::open(&endpoints, access, timeout).await.ok()?.dial().ok() })
        })
    }

    /// The next attempt reads the kubeconfig anew.
    pub(super) async fn forget_credentials(&self, server: &Server) {
        for side in Side::BOTH {
            let mut slot = self.dialers.get(side).lock().await;
            if self.endpoints.get(side).context == server.context() {
                *slot = None;
            }
        }
    }
}
