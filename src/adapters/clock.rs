//! The clock by which everything that is seen and done is stamped. It starts with the machine's, goes on evenly from there,
//! also while the machine sleeps, and is never set back: a wall clock that is would make what is long silent look fresh,
//! for as long as it was set back. One that is set ahead is followed; ages are then too long for once, which is safe.
//!
//! What others read by their own clocks (a Lease's `renewTime`, the time in a signature) is told by the machine's.

use crate::domain::Timestamp;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What the machine's clock and its time since the start said together.
type Anchor = Option<(Timestamp, Duration)>;

static ANCHOR: Mutex<Anchor> = Mutex::new(None);

/// The moment.
#[must_use]
pub fn now() -> Timestamp {
    let mut anchor = ANCHOR.lock().unwrap_or_else(PoisonError::into_inner);
    step(&mut anchor, Timestamp::now(), since_start())
}

fn step(anchor: &mut Anchor, wall: Timestamp, since_start: Duration) -> Timestamp {
    let (at, began) = *anchor.get_or_insert((wall, since_start));
    let even = at.checked_add(since_start.saturating_sub(began)).unwrap_or(at);
    if wall > even {
        *anchor = Some((wall, since_start));
        return wall;
    }
    even
}

/// Time since the machine was started, sleep included.
fn since_start() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let clock = rustix::time::ClockId::Boottime;
    // Elsewhere the monotonic clock goes on while the machine sleeps.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let clock = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(clock);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn it_goes_on_evenly_when_the_machine_s_clock_is_set_back_and_follows_it_ahead() {
        let mut anchor = None;
        let mut told = |wall: i64, up: u64| step(&mut anchor, at(wall), Duration::from_secs(up)).as_second();
        assert_eq!(told(1_000, 50), 1_000);
        assert_eq!(told(1_010, 60), 1_010);
        // Set back by an hour: a source that is silent since then grows old all the same.
        assert_eq!(told(1_010 - 3_590, 70), 1_020);
        assert_eq!(told(1_010 - 3_500, 160), 1_110);
        // The machine slept for an hour with its clock right.
        assert_eq!(told(4_710, 3_760), 4_710);
        // Set ahead.
        assert_eq!(told(9_000, 3_770), 9_000);
        assert_eq!(told(9_010, 3_780), 9_010);
    }

    #[test]
    fn it_never_goes_back() {
        let mut last = now();
        for _ in 0..1_000 {
            let next = now();
            assert!(next >= last);
            last = next;
        }
    }
}
