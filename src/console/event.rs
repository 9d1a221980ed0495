//! Everything that can happen to the console. Pure data; the session makes it.

use super::key::Key;
use super::layout::Size;
use crate::domain::Timestamp;
use crate::domain::fleet::happening::Weight;
use crate::domain::observation::Observation;
use crate::playbook::record::Record;
use crate::playbook::run::Run;
use std::collections::BTreeMap;
use std::time::Duration;

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A key was pressed.
    Key(Key),
    /// A key that came in one read with others: pasted by a terminal that does not say so, or typed ahead. Nobody has looked
    /// at what lies between them, so it leads to no effect and says yes to nothing.
    Burst(Key),
    /// A text was pasted (bracketed paste).
    Paste(String),
    /// The terminal has this size now.
    Resize(Size),
    /// The terminal got the focus: what is typed in the next moment may have been meant for another window.
    FocusGained,
    /// A frame of the present state is on the terminal. Questions take keys only after the first of these.
    Painted,
    /// Time goes on. To be sent a few times a second, and before each key so that guards count right.
    Tick(Timestamp),
    /// What sources told.
    Observed(Vec<Observation>),
    /// Something about the run.
    Run(RunNews),
    /// What earlier runs took.
    History(History),
    /// A word to the operator that goes away by itself.
    Notice {
        /// How much it matters.
        weight: Weight,
        /// One line.
        text: String,
    },
    /// What a scenario announced or did. Shown as a word, and kept on the timeline: it must be found again later.
    Scenario(String),
    /// Every source has answered or failed once: from here on an empty list is an empty list.
    Settled,
}

/// Something about the run that this console drives or watches.
#[derive(Debug, Clone)]
pub enum RunNews {
    /// This is the run, up to now.
    Opened {
        /// The run, replayed from its journal.
        run: Box<Run>,
        /// This process drives it.
        driving: bool,
    },
    /// One more record is on disk.
    Recorded(Box<Record>),
    /// The run stands still, and why: the journal can't be written, the lock is lost.
    Trouble(String),
    /// The run is no longer followed.
    Closed,
}

/// What the journals here say about earlier runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// When the last failover of this environment promoted a database.
    pub last_promotion: Option<Timestamp>,
    /// How long each playbook took, by its name, from the declaration to proven service.
    pub takes: BTreeMap<String, Duration>,
    /// How long each step took in the last runs, newest first, by its id.
    pub step_takes: BTreeMap<String, Vec<Duration>>,
}
