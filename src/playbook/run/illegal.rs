//! Why a record does not fit a run. Pure.

/// A record that does not fit the run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// The first record is not a declaration.
    #[error("a run begins with its declaration, not with {0}")]
    NotDeclared(&'static str),
    /// A second declaration.
    #[error("the run is declared already")]
    DeclaredTwice,
    /// The run is over.
    #[error("the run is over; {0} can not follow")]
    Over(&'static str),
    /// There is no such step.
    #[error("the playbook has no step {0:?}")]
    NoStep(String),
    /// The step is not where the record needs it.
    #[error("step {step} is {state}; {event} can not follow")]
    State {
        /// Step id.
        step: String,
        /// Where it is.
        state: &'static str,
        /// What cannot follow.
        event: &'static str,
    },
    /// An earlier step is open.
    #[error("step {step} can not start before {before} is behind")]
    Order {
        /// Step id.
        step: String,
        /// The open one.
        before: String,
    },
    /// The effects are not those that were agreed to.
    #[error("step {0}: the consent does not cover what would be sent")]
    NoConsent(String),
    /// A gate holds the step back and nothing covers it, or it was not asked.
    #[error("step {step} can not start: {gate} holds it back")]
    Held {
        /// Step id.
        step: String,
        /// The gate.
        gate: String,
    },
    /// Nothing allows for going on without a proof.
    #[error("step {0} is not optional, and no override covers it")]
    NotCovered(String),
    /// A gate that nobody may override, or that holds nothing back.
    #[error("{0} may not be overridden")]
    NoOverride(String),
    /// A step is open.
    #[error("the run can not be done while {0} is open")]
    Open(String),
    /// Requests of an undo were not taken.
    #[error("step {0} is not undone: not every request of its undo was taken")]
    NotUndone(String),
    /// An effect that was never started, or that has ended.
    #[error("step {step} has no effect {index} that is on its way")]
    NoEffect {
        /// Step id.
        step: String,
        /// Its place.
        index: usize,
    },
    /// One thing at a time.
    #[error("step {step} can not be undone while {other} is on its way")]
    OnItsWay {
        /// Step id.
        step: String,
        /// The other one.
        other: String,
    },
    /// No fence may be undone once a promotion was started.
    #[error("step {0} can not be undone: the promotion has been started")]
    NoWayBack(String),
}
