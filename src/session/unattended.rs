//! Answers a run's questions from consents that were given beforehand, and says when there is none.

use crate::playbook::consent::Tier;
use crate::playbook::consents::Consents;
use crate::playbook::propose::{GateLine, Next, Proposal};
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
        return against(line, consents).unwrap_or_else(|| held(&step.id, line));
    }
    match &proposal.next {
        _ if proposal.by_itself() => Answer::Wait,
        Next::Start { .. } => start(&step.id, proposal, consents),
        Next::Again { reason, .. } if proposal.attempt > retries + 1 => {
            let tried = format!("{} was tried {} times: {reason}", step.id, proposal.attempt - 1);
            left_out(proposal, consents, tried)
        }
        // A step without a consent is tried again without one; only that it happens takes an order.
        Next::Again { tier: Tier::None, .. } => Answer::Order(Order::Start { step: None, consent: None }),
        Next::Again { .. } => start(&step.id, proposal, consents),
        Next::Impossible { reason, .. } => left_out(proposal, consents, format!("{}: {reason}", step.id)),
        _ => Answer::Wait,
    }
}

/// A step that can not be done or proven: the run goes on without it where the consents say so.
fn left_out(proposal: &Proposal, consents: &Consents, why: String) -> Answer {
    match proposal.without() {
        Some(line) if line.overridden.is_some() => Answer::Order(Order::Leave),
        Some(line) => against(line, consents).unwrap_or(Answer::Person(why)),
        None => Answer::Person(why),
    }
}

/// The override of a gate, where the consents have one.
fn against(line: &GateLine, consents: &Consents) -> Option<Answer> {
    let decision = consents.gate(&line.finding.gate)?;
    Some(Answer::Order(Order::Override {
        gate: decision.gate.clone(),
        shown: Some(line.finding.clone()),
        reason: decision.reason.clone(),
        break_glass: decision.break_glass,
    }))
}

/// Some gates are lifted by time or by a fresh look; the caller decides how long to wait for that.
fn held(step: &str, line: &GateLine) -> Answer {
    Answer::Person(format!("{step} is held by {}: {}", line.finding.gate, line.finding.answer.text))
}

fn start(step: &str, proposal: &Proposal, consents: &Consents) -> Answer {
    let Some(shown) = proposal.hash() else { return Answer::Wait };
    let Some(consent) = consents.step(step) else { return Answer::Person(format!("{step} asks for a consent")) };
    if let Some(pinned) = consent.effect.as_ref().filter(|pinned| !shown.0.starts_with(pinned.as_str())) {
        return Answer::Person(format!("{step} would send {}, the consent is for {pinned}", shown.short()));
    }
    Answer::Order(Order::Start { step: None, consent: Some(Agreement { shown, typed: consent.region.clone() }) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::effect::Effect;
    use crate::domain::fixtures::healthy_pair;
    use crate::domain::region::{Direction, Side};
    use crate::playbook::declare::declare;
    use crate::playbook::record::{Event, Record, RunId};

    fn again(step: &str, tier: Tier, effects: Vec<Effect>, attempt: u32) -> Answer {
        let sim = healthy_pair();
        let playbook = crate::playbook::builtin().unwrap().remove(0);
        let index = playbook.step(step).map(|(index, _)| index);
        let declared = declare(&sim.fleet, playbook, RunId("7f3a00".to_owned()), Direction::activating(Side::B));
        let record = Record { at: sim.now, by: "op@a".to_owned(), event: Event::Declared(Box::new(declared)) };
        let next =
            Next::Again { reason: String::new(), effects, tier, unreachable: None, optional: false, without: None };
        let proposal = Proposal { index, attempt, gates: Vec::new(), next };
        answer(&Run::begin(&record).unwrap(), &proposal, &Consents::default(), 2)
    }

    /// After a crash in a step that asks for no consent, nobody is asked for one.
    #[test]
    fn a_step_without_consent_is_tried_again_without_one() {
        let notify = || {
            let (receiver, dedup_key, summary) = ("ops".to_owned(), "key".to_owned(), "text".to_owned());
            vec![Effect::Notify { receiver, dedup_key, summary, details: Vec::new() }]
        };
        assert!(matches!(again("catch-up", Tier::None, Vec::new(), 2), Answer::Wait));
        for (step, effects, attempt) in [("catch-up", Vec::new(), 3), ("notify", notify(), 2)] {
            let told = again(step, Tier::None, effects, attempt);
            assert!(matches!(told, Answer::Order(Order::Start { step: None, consent: None })), "{step} {told:?}");
        }
        assert!(matches!(again("catch-up", Tier::None, Vec::new(), 4), Answer::Person(_)));
        assert!(matches!(again("suspend-crons", Tier::Confirm, notify(), 2), Answer::Person(_)));
    }
}
