//! Drives a run: record, act, record. The runner decides nothing; `playbook::propose` does, and a person's orders do.
//!
//! A record reaches the run only after it is on disk, and no effect is sent before the record that announces it. When a
//! record cannot be written, nothing more is performed.

mod act;
mod drive;
#[cfg(test)]
mod tests;

pub use drive::Driver;

use crate::domain::effect::{Effect, EffectHash, Outcome};
use crate::gates::Finding;
use crate::journal::JournalError;
use crate::playbook::consent::ConsentError;
use crate::playbook::propose::Proposal;
use crate::playbook::record::Record;
use crate::playbook::run::Illegal;
use futures_util::future::BoxFuture;
use std::time::Duration;

/// What the runner needs of the world.
pub trait World: Send + Sync + 'static {
    /// Performs one effect. Never longer than `deadline`, whatever the other side does.
    fn perform<'a>(&'a self, effect: &'a Effect, deadline: Duration) -> BoxFuture<'a, Outcome>;

    /// Reads the environment's lock again, and tells whether it is ours for longer than `more_than`. Whoever holds it
    /// renews it by itself.
    ///
    /// # Errors
    /// Why it is not certain.
    fn lock_holds(&self, more_than: Duration) -> BoxFuture<'_, Result<(), String>>;
}

/// A person's order to the run. At most a few wait at a time: a person types them, and each is answered by a record.
#[derive(Debug, Clone)]
pub enum Order {
    /// Start the current step, or try it again.
    Start {
        /// The step that was on the screen. None: whichever is current, for who answers a proposal at once.
        step: Option<String>,
        /// The consent, where the step asks for one.
        consent: Option<Agreement>,
    },
    /// Go on against a gate.
    Override {
        /// The gate.
        gate: String,
        /// Its answer as it was shown: what is worse by now is not covered. None: whatever it says now.
        shown: Option<Finding>,
        /// Why.
        reason: String,
        /// The person knows that a second one was needed and is not there.
        break_glass: bool,
    },
    /// Go on without the current step, which is optional.
    Leave,
    /// Give the run up.
    Abort {
        /// Why.
        reason: String,
    },
    /// Undo a step.
    Undo {
        /// The step.
        step: String,
        /// The consent.
        consent: Agreement,
    },
    /// Leave the run as it is; it can be resumed.
    Detach,
}

/// A person's agreement to what was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Hash of the effects that were shown.
    pub shown: EffectHash,
    /// What was typed, where a name is asked for.
    pub typed: Option<String>,
}

/// News from the run, in order. Records are never dropped; a proposal is only sent when it changed.
#[derive(Debug, Clone)]
pub enum News {
    /// A record is on disk and in the run.
    Recorded(Record),
    /// What may come next.
    Proposal(Box<Proposal>),
    /// An order was not taken, and why.
    Refused(String),
    /// It waits for something and tries again by itself.
    Waiting(String),
    /// The run stands still: the journal cannot be written, or the lock is lost.
    Trouble(String),
}

/// Why a driver stopped before the run was over.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The journal could not be written: nothing more was performed.
    #[error("the run stands still, because its journal can not be written: {0}")]
    Journal(#[from] JournalError),
    /// A record did not fit: a mistake in the program, found before anything was done on it.
    #[error("the run stands still: {0}")]
    Illegal(#[from] Illegal),
}

/// Why an order was not taken.
#[derive(Debug, thiserror::Error)]
enum OrderError {
    #[error("{0}")]
    Consent(#[from] ConsentError),
    #[error("{0}")]
    Text(String),
    #[error(transparent)]
    Fatal(#[from] DriveError),
}
