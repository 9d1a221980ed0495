//! Questions to the operator. Pure.
//!
//! A question takes keys only once it has been painted, and what was typed before is thrown away: nobody agrees to what
//! they have not seen. What is asked for consent is kept by its hash; when that changes, what was typed is void.

use super::field::Field;
use super::key::Key;
use crate::domain::Timestamp;
use crate::domain::effect::EffectHash;
use crate::gates::Finding;
use crate::playbook::consent::Tier;
use crate::playbook::record::RunId;
use std::time::Duration;

/// After a question was painted, enter is not taken for this long: nobody reads it in less.
const READING: Duration = Duration::from_millis(500);

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialog {
    /// What is asked.
    pub ask: Ask,
    /// It has been on the screen since it was opened or changed.
    pub painted: bool,
    /// What is wrong with the answer, or has changed meanwhile.
    pub note: Option<String>,
    /// The key that opened it; that key never says yes.
    pub opened_by: Option<Key>,
    /// A key was pressed that is no answer: whoever presses enter now ends a line that was meant for something else.
    pub stray: bool,
    /// First row in sight, where there is no room for all of them.
    pub scroll: usize,
    /// Rows from the first on that have been on the screen: enter is not taken before all have.
    pub(super) seen: usize,
    /// From when on enter is taken. None: the first tick after the frame says.
    yes_from: Option<Timestamp>,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Declare a run of this playbook?
    StartRun {
        /// Its name.
        playbook: String,
    },
    /// Take the run over, or up again?
    Resume {
        /// Its id.
        run: RunId,
    },
    /// Send this?
    Consent {
        /// Id of the step.
        step: String,
        /// Attempt it would be.
        attempt: u32,
        /// What is asked for.
        tier: Tier,
        /// Hash of what would be sent.
        shown: EffectHash,
        /// The name that has to be typed, where one has to.
        region: String,
        /// What has been typed.
        field: Field,
    },
    /// Go on against this gate?
    Override {
        /// The gate with its answer, as it was painted: this is what the decision is about.
        shown: Box<Finding>,
        /// One person overrides what asks for two.
        break_glass: bool,
        /// The reason.
        field: Field,
    },
    /// Take the result as it is observed?
    Accept {
        /// Id of the step.
        step: String,
        /// What is accepted.
        what: String,
    },
    /// Give the run up?
    Abort {
        /// The reason.
        field: Field,
    },
    /// Leave the run to others?
    Detach,
    /// Leave leeward while a run is driven?
    Quit,
}

impl Dialog {
    /// A question that has not been painted yet.
    #[must_use]
    pub fn new(ask: Ask, opened_by: Option<Key>) -> Dialog {
        Dialog { ask, painted: false, note: None, opened_by, stray: false, scroll: 0, seen: 0, yes_from: None }
    }

    /// Time goes on. What a frame shows can be agreed to half a second after it.
    pub(super) fn ticked(&mut self, now: Timestamp) {
        if self.painted && self.yes_from.is_none() {
            self.yes_from = Some(now.saturating_add(READING).unwrap_or(now));
        }
    }

    /// It has been on the screen for long enough to be read.
    #[must_use]
    pub fn readable(&self, now: Timestamp) -> bool {
        self.painted && self.yes_from.is_some_and(|from| now >= from)
    }

    /// It is not as it was painted any more, or was not painted at all.
    pub(super) fn unpainted(&mut self) {
        self.painted = false;
        self.yes_from = None;
        self.scroll = 0;
        self.seen = 0;
    }

    /// The text field it has, if it has one.
    #[must_use]
    pub fn field(&self) -> Option<&Field> {
        match &self.ask {
            Ask::Consent { tier: Tier::Region, field, .. } | Ask::Override { field, .. } | Ask::Abort { field } => {
                Some(field)
            }
            _ => None,
        }
    }

    /// The text field it has, to be typed into.
    pub fn field_mut(&mut self) -> Option<&mut Field> {
        match &mut self.ask {
            Ask::Consent { tier: Tier::Region, field, .. } | Ask::Override { field, .. } | Ask::Abort { field } => {
                Some(field)
            }
            _ => None,
        }
    }

    /// What has changed meanwhile makes the answer void: it begins anew.
    pub fn void(&mut self, why: &str) {
        if let Some(field) = self.field_mut() {
            field.clear();
        }
        self.unpainted();
        self.note = Some(why.to_owned());
    }
}
