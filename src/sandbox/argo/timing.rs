//! How fast a simulated region lives. Pure. What belongs to workflows is divided by a pace, so that a drill is quick; the
//! election keeps its own times, because a failover waits for it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The times of a region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// How many times faster than a real one workflows, pods and schedules' checks run. Schedules themselves keep the
    /// wall clock.
    pub pace: f64,
    /// `leaseDuration` of the controller's election.
    pub lease: Duration,
    /// `renewDeadline`: a controller that cannot renew for so long ends.
    pub deadline: Duration,
    /// `retryPeriod`: how often the leader renews and a standby looks; stretched by a jitter of up to 1.2 for a standby.
    pub retry: Duration,
    /// The kubelet's first back-off for a container that keeps failing; doubled up to 30 times itself.
    pub crash_backoff: Duration,
    /// How often the simulation looks at its region.
    pub tick: Duration,
}

impl Timing {
    /// Real times: a step takes at least 10 s (`DEFAULT_REQUEUE_TIME`), a take-over of the Lease up to 26 s.
    pub const fn real() -> Self {
        Self {
            pace: 1.0,
            lease: Duration::from_secs(15),
            deadline: Duration::from_secs(10),
            retry: Duration::from_secs(5),
            crash_backoff: Duration::from_secs(10),
            tick: Duration::from_millis(200),
        }
    }

    /// Times of a drill: a canary is done in seconds; the election is the real one.
    pub const fn drill() -> Self {
        Self { pace: 8.0, tick: Duration::from_millis(100), ..Self::real() }
    }

    /// Times of a test: everything within a second or two.
    pub const fn quick() -> Self {
        Self {
            pace: 100.0,
            lease: Duration::from_millis(600),
            deadline: Duration::from_millis(400),
            retry: Duration::from_millis(100),
            crash_backoff: Duration::from_millis(200),
            tick: Duration::from_millis(20),
        }
    }

    /// So many seconds of workflow time as a span of wall time.
    pub fn scaled(&self, seconds: f64) -> SignedDuration {
        let seconds = (seconds / self.pace.max(0.001)).clamp(0.0, 1e9);
        SignedDuration::try_from_secs_f64(seconds).unwrap_or(SignedDuration::ZERO)
    }
}

/// `time + span`, at the end of time `time`.
pub fn after(time: Timestamp, span: SignedDuration) -> Timestamp {
    time.checked_add(span).unwrap_or(time)
}

/// A `Duration` as a `SignedDuration`.
pub fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
