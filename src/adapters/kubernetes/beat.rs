//! Answers of the heartbeat, and what they prove about a watch. Pure.
//!
//! The heartbeat is a consistent read: when it says version 9, nothing that happened before it was asked is newer than 9.
//! A watch that has come to version 9 was therefore complete at that moment, whatever it was silent about.

use crate::domain::Timestamp;
use std::sync::Arc;
use tokio::time::Instant;

/// Answers remembered: two minutes at one every two seconds, more than a bookmark lies back.
const MARKS_MAX: usize = 64;

/// An answered heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// The store's version then; None if it is not a number.
    pub version: Option<u64>,
    /// When it was asked.
    pub asked: Instant,
    /// The same moment by the wall clock.
    pub at: Timestamp,
    /// Versions and times of it and of those before it, newest first, at most [`MARKS_MAX`].
    marks: Arc<[(u64, Timestamp)]>,
}

impl Beat {
    /// An answer to what was asked at `asked` and `at`, after the one `before`.
    #[must_use]
    pub fn new(before: Option<&Beat>, version: Option<u64>, asked: Instant, at: Timestamp) -> Beat {
        let earlier = before.into_iter().flat_map(|before| before.marks.iter().copied());
        let marks = version.map(|version| (version, at)).into_iter().chain(earlier).take(MARKS_MAX).collect();
        Beat { version, asked, at, marks }
    }

    /// The newest moment at which the store held nothing newer than `version`.
    #[must_use]
    pub fn proves(&self, version: u64) -> Option<Timestamp> {
        self.marks.iter().find(|(theirs, _)| *theirs <= version).map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_proven_up_to_the_newest_answer_that_is_not_newer() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut beat = None;
        for (second, version) in [(10, Some(5)), (12, Some(7)), (14, None), (16, Some(7)), (18, Some(9))] {
            beat = Some(Beat::new(beat.as_ref(), version, Instant::now(), at(second)));
        }
        let beat = beat.unwrap();
        for (version, proven) in [(4, None), (5, Some(10)), (6, Some(10)), (7, Some(16)), (8, Some(16)), (9, Some(18))]
        {
            assert_eq!(beat.proves(version), proven.map(at), "version {version}");
        }
        let many = (0..200).fold(beat, |before, n| Beat::new(Some(&before), Some(n + 10), Instant::now(), at(20)));
        assert_eq!(many.marks.len(), MARKS_MAX);
    }
}
