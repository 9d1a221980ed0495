//! Whose turn it is in the run, and what can be done: read once from the proposal, for keys, hints and words alike.

use super::state::{Access, State};
use crate::playbook::consent::Tier;
use crate::playbook::propose::Next;
use crate::playbook::run::StepState;

/// Whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// There is no run.
    NoRun,
    /// This console can't write.
    ReadOnly,
    /// Somebody else drives, or nobody: it can be taken up.
    NotOurs,
    /// It stands still; it can be taken up again.
    Stands(String),
    /// It is over.
    Over,
    /// All steps are behind.
    Finish,
    /// A gate holds; what it says.
    Held(String),
    /// It is to be started, with this consent.
    Start(Tier),
    /// It is to be tried again, with this consent; or, where it is optional, left.
    Again(Tier, bool),
    /// Its result is to be taken as it is; what it is.
    Accept(String),
    /// The engine is at it; what it does.
    Busy(String),
    /// It can't go on; why.
    Stuck(String),
}

impl State {
    /// Whose turn it is.
    #[must_use]
    pub fn turn(&self) -> Turn {
        let Some(followed) = &self.run else { return Turn::NoRun };
        if followed.run.ended.is_some() {
            return Turn::Over;
        }
        if self.access == Access::ReadOnly {
            return Turn::ReadOnly;
        }
        if let Some(trouble) = &followed.trouble {
            return Turn::Stands(trouble.clone());
        }
        if !followed.driving {
            return Turn::NotOurs;
        }
        self.next_turn()
    }

    fn uncertain(&self) -> bool {
        self.open_step().is_some_and(|(_, _, slot)| matches!(slot.state, StepState::Uncertain(_)))
    }

    fn next_turn(&self) -> Turn {
        let Some(proposal) = &self.derived.proposal else { return Turn::NoRun };
        match &proposal.next {
            Next::Over => Turn::Over,
            Next::Finish => Turn::Finish,
            Next::Held => {
                let says = proposal.held_by().map(|line| line.finding.answer.text.clone());
                Turn::Held(says.unwrap_or_else(|| "a gate holds".to_owned()))
            }
            Next::Skip(reason) => Turn::Busy(format!("does not apply: {reason}")),
            Next::Start { tier, .. } => Turn::Start(*tier),
            Next::Again { tier, optional, .. } => Turn::Again(*tier, *optional || proposal.may_leave()),
            Next::Impossible { reason, .. } if proposal.may_leave() => {
                Turn::Accept(format!("it can not be made ({reason}); an override covers it"))
            }
            Next::Impossible { reason, .. } => Turn::Stuck(reason.clone()),
            Next::Sending => Turn::Busy("is being sent".to_owned()),
            Next::Verifying { missing, left } => {
                Turn::Busy(format!("waits for proof: {missing} ({} left)", crate::domain::units::clock(*left)))
            }
            // Of a step that this driver started, the engine takes the proof itself; after a crash a person does.
            Next::Proven { .. } if self.uncertain() => Turn::Accept("it is proven by what is seen now".to_owned()),
            Next::Proven { .. } => Turn::Busy("is proven".to_owned()),
            Next::Failed(reason) => Turn::Busy(format!("has failed: {reason}")),
            Next::Overdue(missing) => Turn::Busy(format!("no proof came in time: {missing}")),
            Next::Unprovable { reason, gate } if gate.overridden.is_some() => {
                Turn::Accept(format!("it can not be proven ({reason}); an override covers it"))
            }
            Next::Unprovable { reason, .. } => Turn::Held(format!("it can not be proven: {reason}")),
        }
    }
}
