//! Whose turn it is in the run, and what can be done: read once from the proposal, for keys, hints and words alike.

use super::action::Action;
use super::state::{Access, State};
use crate::domain::fleet::replication::Following;
use crate::gates::OverrideBy;
use crate::playbook::consent::Tier;
use crate::playbook::propose::{Next, Proposal};
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

    /// Whether a person can go on from here against the gate that holds.
    #[must_use]
    pub fn may_override(&self) -> bool {
        let line = self.derived.proposal.as_ref().and_then(Proposal::overridable);
        line.is_some_and(|line| match line.override_by {
            OverrideBy::Nobody => false,
            OverrideBy::SecondPerson => self.fleet.policy.break_glass,
            OverrideBy::Reason => true,
        })
    }

    /// How one goes on against the gate that holds, with the live key.
    #[must_use]
    pub fn way_on(&self) -> String {
        let Some(line) = self.derived.proposal.as_ref().and_then(Proposal::overridable) else { return String::new() };
        let keys = self.keymap.keys_for(super::view::View::Run.mode(), Action::OverrideGate);
        let key = super::hints::best(keys).unwrap_or_else(|| Action::OverrideGate.name().to_owned());
        match line.override_by {
            OverrideBy::Nobody => "nobody can go on against this".to_owned(),
            OverrideBy::SecondPerson if !self.fleet.policy.break_glass => {
                "this takes a second person, and approval.break_glass is off: nobody can go on against it here"
                    .to_owned()
            }
            OverrideBy::SecondPerson => format!("{key} goes on ALONE, by break-glass, with a reason"),
            OverrideBy::Reason => format!("{key} goes on with a reason"),
        }
    }

    /// A failover from a region that was lost, and that now answers again as a primary which the standby follows, before
    /// anything was promoted: to go on may be the greater harm.
    #[must_use]
    pub fn came_back(&self) -> bool {
        let Some(run) = self.run.as_ref().map(|followed| &followed.run).filter(|run| run.ended.is_none()) else {
            return false;
        };
        let way = run.declared.direction;
        let lives = self.fleet.region(way.from).live_database(self.fleet.now);
        run.declared.failing_since.is_some()
            && !run.promotion_started()
            && lives.is_some_and(|sample| sample.primary().is_some())
            && self.fleet.following(way.to) == Following::Streaming
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
                Turn::Busy(format!("waits for proof: {missing}; gives up in {}", crate::domain::units::clock(*left)))
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
