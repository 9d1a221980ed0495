//! Everything the console can ask the session for. Pure data.

use crate::domain::effect::EffectHash;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::region::Side;
use crate::gates::Finding;
use crate::playbook::record::RunId;

/// Something to be done outside the pure part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Leave. A run that is driven has been detached by a command before this one.
    Quit,
    /// Paint every cell again.
    Redraw,
    /// Give the terminal back to the shell until `fg`.
    Suspend,
    /// Throw away input that was typed and not read yet: a question opens.
    DiscardInput,
    /// Put this on the clipboard.
    Copy(String),
    /// Watch this one run whole.
    OpenRun {
        /// Region.
        side: Side,
        /// Namespace and name.
        key: ObjectKey,
    },
    /// The opened run is no longer on screen.
    CloseRun,
    /// Rows on screen that lack what only a GET tells, or have it from too long ago. At most
    /// [`super::runs::DETAILS_MAX`].
    Details(Vec<(Side, ObjectKey)>),
    /// Ask every source now.
    Refresh,
    /// Declare a run of this playbook. Its first step still asks for its own consent.
    StartRun {
        /// Its name.
        playbook: String,
    },
    /// Take over, or take up again, the run that is shown.
    ResumeRun {
        /// Its id.
        run: RunId,
    },
    /// Start the current step, or try it again.
    Start {
        /// Id of the step that was on the screen; the runner refuses when another one is current.
        step: String,
        /// The consent; None where the step asks for none.
        consent: Option<ConsentGiven>,
    },
    /// Go on against a gate.
    Override {
        /// The gate with its answer, as it was on the screen when the reason was typed.
        shown: Box<Finding>,
        /// Why, as typed.
        reason: String,
        /// One person overrides what asks for two.
        break_glass: bool,
    },
    /// Take the step's result as it is observed: proven after all, or unproven and covered by an override, or optional.
    Accept {
        /// Id of the step.
        step: String,
    },
    /// Give the run up where it stands.
    Abort {
        /// Why, as typed.
        reason: String,
    },
    /// All steps are behind: end the run.
    Finish,
    /// Leave the run so that anyone can resume it.
    Detach,
}

/// What a person agreed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentGiven {
    /// Hash of the effects that were on the screen.
    pub shown: EffectHash,
    /// The typed name, where one was asked for.
    pub typed: Option<String>,
}

impl Command {
    /// It leads to a write: to the journal, to a lock, to a region. Never returned while READ-ONLY.
    #[must_use]
    pub fn writes(&self) -> bool {
        match self {
            Command::StartRun { .. }
            | Command::ResumeRun { .. }
            | Command::Start { .. }
            | Command::Override { .. }
            | Command::Accept { .. }
            | Command::Abort { .. }
            | Command::Finish
            | Command::Detach => true,
            Command::Quit
            | Command::Redraw
            | Command::Suspend
            | Command::DiscardInput
            | Command::Copy(_)
            | Command::OpenRun { .. }
            | Command::CloseRun
            | Command::Details(_)
            | Command::Refresh => false,
        }
    }
}
