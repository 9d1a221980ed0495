//! What changed, as a list of lines with a time: the timeline.

use crate::domain::Timestamp;
use crate::domain::region::Side;
use std::collections::VecDeque;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Good to know.
    Info,
    /// Worth a look.
    Warn,
    /// Worth waking somebody.
    Bad,
}

/// One thing that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// When we saw it.
    pub at: Timestamp,
    /// Where, if in one region.
    pub side: Option<Side>,
    /// How much it matters.
    pub weight: Weight,
    /// One clean line.
    pub text: String,
}

/// Lines kept: a long night at one change a second is far below it in what matters, and 5,000 lines are under 1 MiB.
const HAPPENINGS_MAX: usize = 5_000;

/// The newest lines, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Happenings(VecDeque<Happening>);

impl Happenings {
    /// Adds a line and drops the oldest over the bound.
    pub fn push(&mut self, at: Timestamp, side: Option<Side>, weight: Weight, text: String) {
        if self.0.len() >= HAPPENINGS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Happening { at, side, weight, text });
    }

    /// The lines, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Happening> + ExactSizeIterator {
        self.0.iter()
    }
}
