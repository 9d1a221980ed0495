//! How a record changes a run, and which records can not. Pure: live and replay go through here, so what is refused here
//! cannot be read back from a journal either.

use super::{Illegal, Run, StepRun, StepState, Undo};
use crate::domain::Timestamp;
use crate::domain::effect::{Effect, Outcome};
use crate::gates::{self, OverrideBy};
use crate::playbook::consent::{Consent, Override, Tier};
use crate::playbook::file::Step;
use crate::playbook::record::{End, Event, Record, StepStarted};

impl Event {
    /// It may come after the run is over: the exact loss is read when the old side returns, and a run that was given up
    /// is taken up again to undo what it has changed.
    fn follows(&self, end: End) -> bool {
        match self {
            Event::LossMeasured(_) => true,
            Event::Resumed | Event::Detached => end == End::Aborted,
            Event::UndoStarted { .. } | Event::UndoEffectEnded { .. } | Event::StepUndone { .. } => end == End::Aborted,
            _ => false,
        }
    }

    pub(super) fn word(&self) -> &'static str {
        match self {
            Event::Declared(_) => "declared",
            Event::StepStarted(_) => "step-started",
            Event::EffectEnded { .. } => "effect-ended",
            Event::StepDone { .. } => "step-done",
            Event::StepUnproven { .. } => "step-unproven",
            Event::StepSkipped { .. } => "step-skipped",
            Event::StepFailed { .. } => "step-failed",
            Event::StepUncertain { .. } => "step-uncertain",
            Event::Overridden(_) => "overridden",
            Event::Detached => "detached",
            Event::Resumed => "resumed",
            Event::UndoStarted { .. } => "undo-started",
            Event::UndoEffectEnded { .. } => "undo-effect-ended",
            Event::StepUndone { .. } => "step-undone",
            Event::LossMeasured(_) => "loss-measured",
            Event::Ended { .. } => "ended",
        }
    }
}

impl Run {
    /// Takes one record. Nothing has changed when it does not fit.
    ///
    /// # Errors
    /// It does not fit.
    pub fn apply(&mut self, record: &Record) -> Result<(), Illegal> {
        let word = record.event.word();
        if matches!(record.event, Event::Declared(_)) {
            return Err(Illegal::DeclaredTwice);
        }
        if let Some((end, _, _)) = &self.ended
            && !record.event.follows(*end)
        {
            return Err(Illegal::Over(word));
        }
        match &record.event {
            Event::StepStarted(start) => self.start(start, record.at)?,
            Event::EffectEnded { step, index, outcome } => self.effect_ended(step, *index, outcome, record.at)?,
            Event::StepDone { step, evidence, note } => {
                let slot = self.told(step, word, |state| matches!(state, StepState::Uncertain(_)))?;
                slot.evidence.clone_from(evidence);
                slot.note = note.as_deref().cloned();
                slot.end(StepState::Done, record.at);
            }
            Event::StepUnproven { step, reason, gate, left } => {
                self.unproven(step, reason, gate.as_deref(), record.at)?;
                self.slot(step)?.1.left = *left;
            }
            Event::StepFailed { step, reason } => {
                self.told(step, word, |_| false)?.leave(StepState::Failed(reason.clone()), record.at);
            }
            Event::StepUncertain { step, reason } => {
                self.told(step, word, |_| false)?.leave(StepState::Uncertain(reason.clone()), record.at);
            }
            Event::StepSkipped { step, reason } => self.skip(step, reason, record.at)?,
            Event::UndoStarted { step, effects, consent } => self.undo_started(step, effects, consent, record.at)?,
            Event::UndoEffectEnded { step, index, outcome } => self.undo_effect_ended(step, *index, outcome)?,
            Event::StepUndone { step } => self.undone(step)?,
            Event::Overridden(decision) => self.overridden(decision)?,
            Event::Resumed => self.resume(record.at),
            Event::LossMeasured(measured) => self.measured = Some(measured.clone()),
            Event::Ended { end, reason } => self.end(*end, reason, record.at)?,
            Event::Detached | Event::Declared(_) => {}
        }
        self.driver.clone_from(&record.by);
        self.last_at = record.at;
        Ok(())
    }

    fn index(&self, id: &str) -> Result<usize, Illegal> {
        self.declared.playbook.step(id).map(|(i, _)| i).ok_or_else(|| Illegal::NoStep(id.to_owned()))
    }

    fn slot(&mut self, id: &str) -> Result<(usize, &mut StepRun), Illegal> {
        let index = self.index(id)?;
        self.steps.get_mut(index).map(|slot| (index, slot)).ok_or_else(|| Illegal::NoStep(id.to_owned()))
    }

    /// A step of which its driver may say what became: it was started and every request of it has ended, or it is in
    /// one of the `other` states.
    fn told(
        &mut self,
        id: &str,
        event: &'static str,
        other: impl Fn(&StepState) -> bool,
    ) -> Result<&mut StepRun, Illegal> {
        let (_, slot) = self.slot(id)?;
        let ended = slot.state == StepState::Started && slot.outcomes.iter().all(Option::is_some);
        if ended || other(&slot.state) {
            Ok(slot)
        } else {
            Err(Illegal::State { step: id.to_owned(), state: slot.state.word(), event })
        }
    }

    fn unproven(&mut self, id: &str, reason: &str, gate: Option<&str>, at: Timestamp) -> Result<(), Illegal> {
        let index = self.index(id)?;
        let step = self.declared.playbook.steps.get(index).ok_or_else(|| Illegal::NoStep(id.to_owned()))?;
        let covered = match gate {
            Some(gate) => {
                let overridden = self.overrides.iter().any(|decision| decision.finding.gate == gate);
                overridden && step.unproven_gate().as_deref() == Some(gate)
            }
            None => step.optional,
        };
        if !covered {
            return Err(Illegal::NotCovered(id.to_owned()));
        }
        // One that can not even be begun is left out in its turn.
        let in_turn = gate.is_some() && self.steps.iter().take(index).all(|slot| slot.state.behind());
        let open = |state: &StepState| match state {
            StepState::Uncertain(_) | StepState::Failed(_) => true,
            StepState::Waiting => in_turn,
            _ => false,
        };
        let slot = self.told(id, "step-unproven", open)?;
        // From the last answer on it was a person's time: whoever decided to go on without a proof.
        if let Some(answered) = slot.answered_at.filter(|_| slot.state == StepState::Started && gate.is_some()) {
            slot.leave(StepState::Unproven(reason.to_owned()), answered.min(at));
        }
        slot.end(StepState::Unproven(reason.to_owned()), at);
        Ok(())
    }

    fn overridden(&mut self, decision: &Override) -> Result<(), Illegal> {
        let allowed = gates::by_id(&decision.finding.gate).is_some_and(|gate| gate.override_by != OverrideBy::Nobody);
        if !allowed || !decision.finding.answer.verdict.holds() {
            return Err(Illegal::NoOverride(decision.finding.gate.clone()));
        }
        self.overrides.push(decision.clone());
        Ok(())
    }

    fn end(&mut self, end: End, reason: &str, at: Timestamp) -> Result<(), Illegal> {
        let open = self.current().map(|(_, step, _)| step.id.clone());
        match open {
            Some(open) if end == End::Done => return Err(Illegal::Open(open)),
            _ => self.ended = Some((end, at, reason.to_owned())),
        }
        // Nobody waits for a proof any more: what was on its way is uncertain, and can be put back.
        self.lose("the run was given up after it was started", at);
        Ok(())
    }

    /// Every gate of the step was asked, and what holds is covered.
    fn passes(&self, step: &Step, start: &StepStarted) -> Result<(), Illegal> {
        let held = |gate: &str| Illegal::Held { step: start.step.clone(), gate: gate.to_owned() };
        for gate in &step.gates {
            let Some(finding) = start.gates.iter().find(|finding| finding.gate == *gate) else {
                return Err(held(gate));
            };
            let covered = self.overrides.iter().any(|decision| decision.covers(finding));
            if finding.answer.verdict.holds() && !covered {
                return Err(held(gate));
            }
        }
        Ok(())
    }

    fn start(&mut self, start: &StepStarted, at: Timestamp) -> Result<(), Illegal> {
        let index = self.index(&start.step)?;
        let playbook = &self.declared.playbook;
        for (step, slot) in playbook.steps.iter().zip(&self.steps).take(index) {
            if !slot.state.behind() {
                return Err(Illegal::Order { step: start.step.clone(), before: step.id.clone() });
            }
        }
        let Some(step) = playbook.steps.get(index) else { return Err(Illegal::NoStep(start.step.clone())) };
        let needed = if start.effects.is_empty() { Tier::None } else { step.consent };
        if !start.consent.covers(needed, &start.effects) {
            return Err(Illegal::NoConsent(start.step.clone()));
        }
        self.passes(step, start)?;
        let reopens = self.steps.get(index).is_some_and(|slot| slot.reopens(step));
        self.alone(&start.step)?;
        let (_, slot) = self.slot(&start.step)?;
        if slot.state.behind() && !reopens || slot.state == StepState::Started {
            return Err(Illegal::State { step: start.step.clone(), state: slot.state.word(), event: "step-started" });
        }
        slot.begin(start, at);
        Ok(())
    }

    /// One step at a time.
    fn alone(&self, step: &str) -> Result<(), Illegal> {
        let steps = self.declared.playbook.steps.iter().zip(&self.steps);
        let mut on_their_way = steps.filter(|(_, slot)| slot.state == StepState::Started);
        match on_their_way.find(|(other, _)| other.id != step) {
            Some((other, _)) => Err(Illegal::OnItsWay { step: step.to_owned(), other: other.id.clone() }),
            None => Ok(()),
        }
    }

    fn effect_ended(&mut self, step: &str, index: usize, outcome: &Outcome, at: Timestamp) -> Result<(), Illegal> {
        let (_, slot) = self.slot(step)?;
        if slot.state != StepState::Started {
            return Err(Illegal::State { step: step.to_owned(), state: slot.state.word(), event: "effect-ended" });
        }
        put(&mut slot.outcomes, step, index, outcome)?;
        slot.answered_at = Some(at);
        Ok(())
    }

    fn skip(&mut self, step: &str, reason: &str, at: Timestamp) -> Result<(), Illegal> {
        let index = self.index(step)?;
        if let Some(before) =
            self.declared.playbook.steps.iter().zip(&self.steps).take(index).find(|(_, s)| !s.state.behind())
        {
            return Err(Illegal::Order { step: step.to_owned(), before: before.0.id.clone() });
        }
        let (_, slot) = self.slot(step)?;
        if !matches!(slot.state, StepState::Waiting | StepState::Undone) {
            return Err(Illegal::State { step: step.to_owned(), state: slot.state.word(), event: "step-skipped" });
        }
        slot.end(StepState::Skipped(reason.to_owned()), at);
        Ok(())
    }

    fn undo_started(
        &mut self,
        step: &str,
        effects: &[Effect],
        consent: &Consent,
        at: Timestamp,
    ) -> Result<(), Illegal> {
        let from = self.declared.direction.from;
        if self.promotion_started() && effects.iter().any(|effect| effect.side() == Some(from)) {
            return Err(Illegal::NoWayBack(step.to_owned()));
        }
        if effects.is_empty() || !consent.covers(Tier::Confirm, effects) {
            return Err(Illegal::NoConsent(step.to_owned()));
        }
        self.alone(step)?;
        let done = |state: &StepState| {
            matches!(state, StepState::Done | StepState::Unproven(_) | StepState::Uncertain(_) | StepState::Failed(_))
        };
        let slot = self.told(step, "undo-started", done)?;
        // From here on it is neither as the step wanted it nor as it was before.
        slot.leave(StepState::Uncertain("its undo was begun".to_owned()), at);
        slot.proof_from = Some(at);
        slot.ended_at = None;
        slot.undo = Some(Undo { at, effects: effects.to_vec(), outcomes: vec![None; effects.len()] });
        Ok(())
    }

    fn undo_effect_ended(&mut self, step: &str, index: usize, outcome: &Outcome) -> Result<(), Illegal> {
        let (_, slot) = self.slot(step)?;
        match &mut slot.undo {
            Some(undo) if matches!(slot.state, StepState::Uncertain(_)) => {
                put(&mut undo.outcomes, step, index, outcome)
            }
            _ => Err(Illegal::NoEffect { step: step.to_owned(), index }),
        }
    }

    fn undone(&mut self, step: &str) -> Result<(), Illegal> {
        let (_, slot) = self.slot(step)?;
        let Some(undo) = slot.undo.as_ref().filter(|_| matches!(slot.state, StepState::Uncertain(_))) else {
            return Err(Illegal::State { step: step.to_owned(), state: slot.state.word(), event: "step-undone" });
        };
        if !undo.outcomes.iter().all(|outcome| outcome.as_ref().is_some_and(Outcome::took)) {
            return Err(Illegal::NotUndone(step.to_owned()));
        }
        slot.state = StepState::Undone;
        Ok(())
    }

    /// Nobody drove between the last record and this one: what was on its way then is unknown, and only what is seen
    /// from now on tells what became of it.
    fn resume(&mut self, at: Timestamp) {
        self.resumed += 1;
        self.lose("the driver was lost after it was started", at);
    }

    /// What became of what was started is not known from here on.
    fn lose(&mut self, why: &str, at: Timestamp) {
        let last = self.last_at;
        let lost = || Some(Outcome::Unknown { reason: "the driver was lost before an answer was noted".to_owned() });
        for slot in &mut self.steps {
            if slot.state == StepState::Started {
                slot.leave(StepState::Uncertain(why.to_owned()), last);
                slot.proof_from = Some(at);
            }
            let undo = slot.undo.iter_mut().flat_map(|undo| &mut undo.outcomes);
            slot.outcomes.iter_mut().chain(undo).filter(|outcome| outcome.is_none()).for_each(|o| *o = lost());
        }
    }
}

fn put(outcomes: &mut [Option<Outcome>], step: &str, index: usize, outcome: &Outcome) -> Result<(), Illegal> {
    match outcomes.get_mut(index) {
        Some(place) if place.is_none() => {
            *place = Some(outcome.clone());
            Ok(())
        }
        _ => Err(Illegal::NoEffect { step: step.to_owned(), index }),
    }
}

impl StepRun {
    /// A fence that may be set again, left or proven. Whether there is a reason to, `propose` says.
    #[must_use]
    pub fn reopens(&self, step: &Step) -> bool {
        step.kind.fences() && matches!(self.state, StepState::Unproven(_) | StepState::Done)
    }

    fn begin(&mut self, start: &StepStarted, at: Timestamp) {
        let undone = std::mem::replace(&mut self.state, StepState::Started) == StepState::Undone;
        let outcomes = std::mem::take(&mut self.outcomes);
        if let Some(before) = self.started.take() {
            let ended = before.effects.into_iter().zip(outcomes);
            self.earlier.extend(ended.filter_map(|(effect, outcome)| Some((effect, outcome?))));
        }
        if undone {
            // What stood there before the first attempt stands there again; from here on the next one counts. Only a
            // promotion is never taken back, whatever was undone beside it.
            self.earlier.retain(|(effect, _)| matches!(effect, Effect::Promote { .. }));
        }
        self.outcomes = vec![None; start.effects.len()];
        self.started = Some(start.clone());
        self.started_at = Some(at);
        self.answered_at = Some(at);
        self.proof_from = Some(at);
        self.ended_at = None;
        self.undo = None;
        self.left = false;
        self.note = None;
        self.evidence.clear();
    }

    /// The attempt is over, whatever came of it.
    fn leave(&mut self, state: StepState, at: Timestamp) {
        if let Some(began) = self.started_at.filter(|_| self.state == StepState::Started) {
            self.spans.push((began, at));
        }
        self.state = state;
    }

    fn end(&mut self, state: StepState, at: Timestamp) {
        self.leave(state, at);
        self.ended_at = Some(at);
    }
}
