//! Leader election by a Lease, as client-go does it. Pure: a state machine that is given the time and the Lease. Like the
//! real one it trusts no clock but its own: a Lease counts as expired when it has not changed for the lease duration
//! since *this* process saw it last, so that a take-over takes a full lease from the newcomer's own first look.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    super::kube::clock,
    json::text,
    names::fnv32a,
    timing::{Timing, after, signed},
};

/// The Lease of Argo's controllers.
pub const LEASE: &str = "workflow-controller";

/// One process's view of the election.
#[derive(Clone, Debug)]
pub struct Election {
    identity: String,
    observed: Option<(Value, Timestamp)>,
    next: Timestamp,
    renewed: Option<Timestamp>,
    looks: u32,
}

/// What a look at the Lease came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Nothing to do now.
    Wait,
    /// Write this Lease: a new one, or one with the resourceVersion it replaces.
    Write(Value),
    /// The Lease is lost: the process ends, with exit code 0.
    Lost,
}

impl Election {
    /// A process that has just started.
    pub fn new(identity: &str, now: Timestamp) -> Self {
        Self { identity: identity.to_owned(), observed: None, next: now, renewed: None, looks: 0 }
    }

    /// Whether this process leads.
    pub fn leads(&self) -> bool {
        self.renewed.is_some()
    }

    /// The Lease could not be written or read for longer than the renew deadline.
    pub fn overdue(&self, now: Timestamp, timing: &Timing) -> bool {
        self.renewed.is_some_and(|renewed| now > after(renewed, signed(timing.deadline)))
    }

    /// Looks at the Lease.
    pub fn look(&mut self, now: Timestamp, lease: Option<&Value>, namespace: &str, timing: &Timing) -> Outcome {
        if now < self.next {
            return Outcome::Wait;
        }
        self.looks = self.looks.wrapping_add(1);
        self.next = after(now, self.pause(timing));
        let Some(lease) = lease else { return Outcome::Write(self.lease(now, namespace, timing, None)) };
        let spec = &lease["spec"];
        if self.observed.as_ref().is_none_or(|(seen, _)| seen != spec) {
            self.observed = Some((spec.clone(), now));
        }
        let holder = text(&spec["holderIdentity"]);
        let mine = holder == self.identity;
        if !mine && self.leads() {
            return Outcome::Lost;
        }
        let seen = self.observed.as_ref().map_or(now, |(_, at)| *at);
        if !mine && !holder.is_empty() && now < after(seen, signed(timing.lease)) {
            return Outcome::Wait;
        }
        Outcome::Write(self.lease(now, namespace, timing, Some(lease)))
    }

    /// The Lease was written.
    pub fn written(&mut self, now: Timestamp, timing: &Timing) {
        self.renewed = Some(now);
        self.next = after(now, signed(timing.retry));
    }

    /// A leader renews at the retry period, a standby waits up to 2.2 times that (`JitterFactor` 1.2).
    fn pause(&self, timing: &Timing) -> jiff::SignedDuration {
        if self.leads() {
            return signed(timing.retry);
        }
        // Deterministic, but different for each process and each look.
        let jitter = f64::from(fnv32a(&format!("{}{}", self.identity, self.looks)) % 1000) / 1000.0;
        signed(timing.retry.mul_f64(1.0 + 1.2 * jitter))
    }

    fn lease(&self, now: Timestamp, namespace: &str, timing: &Timing, old: Option<&Value>) -> Value {
        let spec = old.map_or(&Value::Null, |old| &old["spec"]);
        let mine = text(&spec["holderIdentity"]) == self.identity;
        let transitions = spec["leaseTransitions"].as_i64().unwrap_or(0);
        let taken = old.is_some() && !mine;
        let stamp = clock::micros(now);
        let acquired = if mine { spec["acquireTime"].clone() } else { stamp.clone().into() };
        let mut lease = old.cloned().unwrap_or_else(|| json!({"metadata": {"name": LEASE, "namespace": namespace}}));
        lease["spec"] = json!({"holderIdentity": self.identity,
            "leaseDurationSeconds": timing.lease.as_secs().max(1), "acquireTime": acquired, "renewTime": stamp,
            "leaseTransitions": if taken { transitions + 1 } else { transitions }});
        lease
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn seconds_to_lead(lease: Option<Value>, identity: &str) -> i64 {
        let timing = Timing::real();
        let mut election = Election::new(identity, at(0));
        for second in 0..120 {
            if let Outcome::Write(lease) = election.look(at(second), lease.as_ref(), "argo", &timing) {
                assert_eq!(lease["spec"]["holderIdentity"], identity);
                election.written(at(second), &timing);
                return second;
            }
        }
        120
    }

    fn held(holder: &str) -> Option<Value> {
        Some(json!({"metadata": {"name": LEASE, "namespace": "argo"},
            "spec": {"holderIdentity": holder, "leaseTransitions": 0, "renewTime": "2020-01-01T00:00:00.000000Z"}}))
    }

    #[test]
    fn a_first_leader_does_not_wait_and_a_newcomer_does() {
        assert_eq!(seconds_to_lead(None, "a"), 0);
        assert_eq!(seconds_to_lead(held("a"), "a"), 0, "a restarted container keeps its identity");
        assert_eq!(seconds_to_lead(held(""), "a"), 0, "given up by emptying the holder");
        for identity in ["a", "b", "c", "d", "e"] {
            let waited = seconds_to_lead(held("old"), identity);
            assert!((15..=26).contains(&waited), "{identity} waited {waited} s");
        }
    }

    #[test]
    fn a_lease_that_moves_is_never_taken() {
        let timing = Timing::real();
        let mut election = Election::new("b", at(0));
        for second in 0..300 {
            let mut lease = held("a").unwrap();
            lease["spec"]["renewTime"] = second.into();
            assert_eq!(election.look(at(second), Some(&lease), "argo", &timing), Outcome::Wait);
        }
    }

    #[test]
    fn transitions_and_loss() {
        let timing = Timing::real();
        let mut election = Election::new("b", at(0));
        election.look(at(0), held("a").as_ref(), "argo", &timing);
        let mut second = 1;
        let lease = loop {
            match election.look(at(second), held("a").as_ref(), "argo", &timing) {
                Outcome::Write(lease) => break lease,
                _ => second += 1,
            }
        };
        assert_eq!(lease["spec"]["leaseTransitions"], 1);
        election.written(at(second), &timing);
        assert!(election.leads() && !election.overdue(at(second + 9), &timing));
        assert!(election.overdue(at(second + 11), &timing));
        assert_eq!(election.look(at(second + 5), held("c").as_ref(), "argo", &timing), Outcome::Lost);
    }
}
