//! When to ask again, and until when a write may still be sent.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use crate::domain::Timestamp;

/// A fraction from 0 to 1 that differs from process to process and from call to call. Not for secrets: it spreads
/// retries, so that two consoles do not knock in step.
pub fn spread() -> f64 {
    // RandomState draws its keys from the system once a thread and counts on from there.
    let drawn = u32::try_from(RandomState::new().hash_one(0_u8) >> 32).unwrap_or(0);
    f64::from(drawn) / f64::from(u32::MAX)
}

/// How long to wait before the next try after `failures` failed ones in a row: doubling from half of `interval`, and
/// never more than twice `interval`, since the end of an outage must be seen soon.
pub fn back_off(interval: Duration, failures: u32) -> Duration {
    let ceiling = interval.mul_f64(f64::from(2_u32.saturating_pow(failures.min(2))) / 2.0);
    // Half fixed, half spread.
    ceiling.mul_f64(0.5 + spread() / 2.0).min(interval * 2)
}

/// Until when a request may be sent, by two clocks: the monotonic one stands still while a laptop sleeps, the wall
/// clock may be set. Whichever passes first ends it, so that a process that was stopped and goes on does not send what
/// it was about to send before.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    monotonic: Instant,
    wall: Timestamp,
}

impl Deadline {
    /// The deadline that lies `within` from now.
    pub fn within(within: Duration) -> Deadline {
        let (monotonic, wall) = (Instant::now(), crate::adapters::clock::now());
        Deadline {
            monotonic: monotonic.checked_add(within).unwrap_or(monotonic),
            wall: wall.checked_add(within).unwrap_or(wall),
        }
    }

    /// The time left; zero when it has passed.
    pub fn left(&self) -> Duration {
        let wall = crate::domain::since(crate::adapters::clock::now(), self.wall);
        self.monotonic.saturating_duration_since(Instant::now()).min(wall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_come_soon_and_not_in_step() {
        let interval = Duration::from_secs(2);
        for failures in 0..40 {
            let wait = back_off(interval, failures);
            assert!(wait >= interval / 4 && wait <= interval * 2, "{failures}: {wait:?}");
        }
        let some: Vec<Duration> = (0..20).map(|_| back_off(interval, 3)).collect();
        assert!(some.iter().any(|wait| *wait != some[0]));
    }

    #[test]
    fn a_deadline_that_has_passed_stays_so() {
        assert!(Deadline::within(Duration::ZERO).left().is_zero());
        let minute = Deadline::within(Duration::from_secs(60));
        assert!(!minute.left().is_zero());
        let slept = Deadline { wall: Timestamp::UNIX_EPOCH, ..minute };
        assert!(slept.left().is_zero(), "the monotonic clock stood still, the wall clock did not");
    }
}
