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
    /// An effect that was never started.
    #[error("step {step} has no effect {index}")]
    NoEffect {
        /// Step id.
        step: String,
        /// Its place.
        index: usize,
    },
    /// No fence may be undone once a promotion was started.
    #[error("step {0} can not be undone: the promotion has been started")]
    NoWayBack(String),
}
