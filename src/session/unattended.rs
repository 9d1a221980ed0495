//! Answers a run's questions from consents that were given beforehand, and says when there is none.

use crate::playbook::consent::Tier;
use crate::playbook::consents::Consents;
use crate::playbook::propose::{Next, Proposal};
use crate::playbook::run::Run;
use crate::runner::{Agreement, Order};

/// What the run needs next.
#[derive(Debug, Clone)]
pub enum Answer {
    /// This order.
    Order(Order),
    /// Nothing: it goes on by itself, or by time.
    Wait,
    /// A person: this is missing.
    Person(String),
}

/// Answers one proposal. A step that failed or is uncertain is tried again `retries` times at most: whatever made it
/// fail twice is for a person to see.
#[must_use]
pub fn answer(run: &Run, proposal: &Proposal, consents: &Consents, retries: u32) -> Answer {
    let Some(step) = proposal.index.and_then(|i| run.declared.playbook.steps.get(i)) else { return Answer::Wait };
    if let Some(line) = proposal.held_by() {
        return match consents.gate(&line.finding.gate) {
            Some(decision) => Answer::Order(Order::Override {
                gate: decision.gate.clone(),
                reason: decision.reason.clone(),
                break_glass: decision.break_glass,
            }),
            None => held(&step.id, line),
        };
    }
    match &proposal.next {
        Next::Start { tier: Tier::None, .. } => Answer::Wait,
        Next::Start { .. } => start(&step.id, proposal, consents),
        Next::Again { reason, .. } if proposal.attempt > retries + 1 => {
            Answer::Person(format!("{} was tried {} times: {reason}", step.id, proposal.attempt - 1))
        }
        // What sends nothing the driver looks at once more by itself.
        Next::Again { tier: Tier::None, effects, .. } if effects.is_empty() && proposal.attempt <= 2 => Answer::Wait,
        // A step that asks nobody the first time has no consent in any file; to try it again is an order all the same.
        Next::Again { tier: Tier::None, .. } => Answer::Order(Order::Start { consent: None }),
        Next::Again { .. } => start(&step.id, proposal, consents),
        Next::Impossible(why) => Answer::Person(format!("{}: {why}", step.id)),
        _ => Answer::Wait,
    }
}

/// Some gates are lifted by time or by a fresh look; the caller decides how long to wait for that.
fn held(step: &str, line: &crate::playbook::propose::GateLine) -> Answer {
    Answer::Person(format!("{step} is held by {}: {}", line.finding.gate, line.finding.answer.text))
}

fn start(step: &str, proposal: &Proposal, consents: &Consents) -> Answer {
    let Some(shown) = proposal.hash() else { return Answer::Wait };
    let Some(consent) = consents.step(step) else { return Answer::Person(format!("{step} asks for a consent")) };
    if let Some(pinned) = consent.effect.as_ref().filter(|pinned| !shown.0.starts_with(pinned.as_str())) {
        return Answer::Person(format!("{step} would send {}, the consent is for {pinned}", shown.short()));
    }
    Answer::Order(Order::Start { consent: Some(Agreement { shown, typed: consent.region.clone() }) })
}
