//! Leases as elections and locks use them, and the only age of theirs that means something: how long *we* have seen the
//! same `renewTime`. The holder's clock is never compared with ours.

use super::wire::{number_at, text_at, time_at};
use crate::domain::Timestamp;
use crate::domain::kubernetes::{LeaseRow, ObjectKey};
use serde_json::Value;
use std::collections::BTreeMap;

/// Longest holder identity kept.
const HOLDER_CHARS_MAX: usize = 253;

/// `leaseDurationSeconds` taken for a Lease that has none: long, so that nobody is declared dead early.
const DURATION_DEFAULT: u32 = 30;

/// Path of a Lease.
#[must_use]
pub fn path(key: &ObjectKey) -> String {
    format!("{}/{}", collection(&key.namespace), super::wire::escape(&key.name))
}

/// Path of a namespace's Leases.
#[must_use]
pub fn collection(namespace: &str) -> String {
    format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", super::wire::escape(namespace))
}

/// Name of an environment's lock.
#[must_use]
pub fn lock_name(environment: &str) -> String {
    format!("leeward-{environment}")
}

/// Remembers since when each Lease looks as it does.
#[derive(Debug, Default)]
pub struct LeaseClock {
    seen: BTreeMap<ObjectKey, (String, Timestamp)>,
}

impl LeaseClock {
    /// Reads a Lease that was got at `now`.
    pub fn read(&mut self, key: &ObjectKey, lease: &Value, now: Timestamp) -> LeaseRow {
        let holder = text_at(lease, "/spec/holderIdentity", HOLDER_CHARS_MAX);
        let renewed = text_at(lease, "/spec/renewTime", 64);
        let uid = text_at(lease, "/metadata/uid", 64);
        let look = format!("{uid} {renewed} {holder}");
        let since = match self.seen.get(key) {
            Some((before, since)) if *before == look => *since,
            _ => {
                self.seen.insert(key.clone(), (look, now));
                now
            }
        };
        LeaseRow {
            holder: Some(holder).filter(|holder| !holder.is_empty()),
            duration_seconds: number_at(lease, "/spec/leaseDurationSeconds").unwrap_or(DURATION_DEFAULT),
            renewed: time_at(lease, "/spec/renewTime"),
            seen_unchanged_since: since,
            transitions: number_at(lease, "/spec/leaseTransitions").unwrap_or(0),
        }
    }

    /// The Lease is not there.
    pub fn absent(&mut self, key: &ObjectKey) {
        self.seen.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_age_of_a_lease_is_counted_by_our_clock_and_begins_anew_with_each_renewal() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let lease = |renewed: &str, holder: &str| {
            json!({"metadata": {"uid": "u"}, "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15,
                "renewTime": renewed, "leaseTransitions": 3}})
        };
        let key = ObjectKey::new("argo", "workflow-controller");
        let mut clock = LeaseClock::default();
        // The holder's clock is hours off; that must not matter.
        let row = clock.read(&key, &lease("2020-01-01T00:00:00.000000Z", "a"), at(100));
        assert_eq!(
            (row.seen_unchanged_since, row.living_holder(at(114)), row.living_holder(at(115))),
            (at(100), Some("a"), None)
        );
        assert_eq!(clock.read(&key, &lease("2020-01-01T00:00:00.000000Z", "a"), at(110)).seen_unchanged_since, at(100));
        assert_eq!(clock.read(&key, &lease("2020-01-01T00:00:05.000000Z", "a"), at(111)).seen_unchanged_since, at(111));
        assert_eq!(clock.read(&key, &lease("2020-01-01T00:00:05.000000Z", "b"), at(112)).seen_unchanged_since, at(112));
        clock.absent(&key);
        assert_eq!(clock.read(&key, &lease("2020-01-01T00:00:05.000000Z", "b"), at(113)).seen_unchanged_since, at(113));
        assert_eq!(clock.read(&key, &json!({"spec": "odd"}), at(114)).holder, None);
    }
}
