//! What changed, as a list of lines with a time: the timeline.

use crate::domain::region::Side;
use crate::domain::{Timestamp, since};
use std::collections::VecDeque;
use std::time::Duration;

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
    /// What several things did that share this line.
    several: Option<Several>,
}

/// What things of a kind did: its weight, the kind's name for one and for many, and the deed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Did(pub Weight, pub [&'static str; 2], pub &'static str);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Several {
    did: Did,
    count: usize,
    /// The first of them, at most [`NAMES_MAX`].
    names: Vec<String>,
}

impl Several {
    fn text(&self) -> String {
        let Did(_, [one, many], deed) = self.did;
        let names = self.names.join(", ");
        match self.count {
            1 => format!("{one} {names} {deed}"),
            count if count > self.names.len() => format!("{count} {many} {deed}: {names} …"),
            count => format!("{count} {many} {deed}: {names}"),
        }
    }
}

/// Names in a line that is about several things.
const NAMES_MAX: usize = 3;

/// What the same kind of thing does in the same region within a minute is one line: a namespace that is deleted, or the
/// clean-up of an hour's runs, must not push out what matters. One line a minute and kind is below 500 in a night.
const TOGETHER: Duration = Duration::from_secs(60);

/// Lines among which that one is looked for: more kinds of deeds than there are do not come between.
const LOOK_BACK: usize = 32;

/// Lines kept: a long night at one change a second is far below it in what matters, and 5,000 lines are under 1 MiB.
const HAPPENINGS_MAX: usize = 5_000;

/// The newest lines, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Happenings(VecDeque<Happening>);

impl Happenings {
    /// Adds a line and drops the oldest over the bound.
    pub fn push(&mut self, at: Timestamp, side: Option<Side>, weight: Weight, text: String) {
        self.put(Happening { at, side, weight, text, several: None });
    }

    /// Adds that `name` did this: to the line of those that did the same within the minute, or as a line of its own.
    pub fn add(&mut self, at: Timestamp, side: Side, did: Did, name: &str) {
        for line in self.0.iter_mut().rev().take(LOOK_BACK) {
            if line.side == Some(side)
                && since(line.at, at) < TOGETHER
                && let Some(several) = line.several.as_mut().filter(|several| several.did == did)
            {
                several.count += 1;
                if several.names.len() < NAMES_MAX {
                    several.names.push(name.to_owned());
                }
                line.text = several.text();
                return;
            }
        }
        let several = Several { did, count: 1, names: vec![name.to_owned()] };
        self.put(Happening { at, side: Some(side), weight: did.0, text: several.text(), several: Some(several) });
    }

    fn put(&mut self, line: Happening) {
        if self.0.len() >= HAPPENINGS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(line);
    }

    /// The lines, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Happening> + ExactSizeIterator {
        self.0.iter()
    }
}
