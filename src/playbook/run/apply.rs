//! How a record changes a run, and which records can not. Pure: live and replay go through here, so what is refused here
//! cannot be read back from a journal either.

use super::{Illegal, Run, StepRun, StepState, Undo};
use crate::domain::Timestamp;
use crate::domain::effect::{Effect, Outcome};
use crate::playbook::consent::Tier;
use crate::playbook::record::{End, Event, Record, StepStarted};

impl Event {
    /// It may come after the run is over: the exact loss is read when the old side returns, and what a given-up run
    /// has changed can still be undone.
    fn follows(&self, end: End) -> bool {
        let undo = matches!(self, Event::UndoStarted { .. } | Event::UndoEffectEnded { .. } | Event::StepUndone { .. });
        matches!(self, Event::LossMeasured { .. }) || (undo && end == End::Aborted)
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
            Event::LossMeasured { .. } => "loss-measured",
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
            Event::EffectEnded { step, index, outcome } => self.effect_ended(step, *index, outcome)?,
            Event::StepDone { step, evidence, note } => {
                let slot = self.open_step(step, word)?;
                slot.evidence.clone_from(evidence);
                slot.note = note.as_deref().cloned();
                slot.end(StepState::Done, record.at);
            }
            Event::StepUnproven { step, reason, .. } => {
                self.open_step(step, word)?.end(StepState::Unproven(reason.clone()), record.at);
            }
            Event::StepFailed { step, reason } => {
                self.open_step(step, word)?.state = StepState::Failed(reason.clone());
            }
            Event::StepUncertain { step, reason } => {
                self.open_step(step, word)?.state = StepState::Uncertain(reason.clone());
            }
            Event::StepSkipped { step, reason } => self.skip(step, reason, record.at)?,
            Event::UndoStarted { step, effects, .. } => self.undo_started(step, effects, record.at)?,
            Event::UndoEffectEnded { step, index, outcome } => self.undo_effect_ended(step, *index, outcome)?,
            Event::StepUndone { step } => self.undone(step)?,
            Event::Overridden(decision) => self.overrides.push((**decision).clone()),
            Event::Resumed => self.resume(),
            Event::LossMeasured { loss, rows } => self.measured = Some((loss.clone(), *rows)),
            Event::Ended { end, reason } => self.ended = Some((*end, record.at, reason.clone())),
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

    /// A step that has begun and is not behind us.
    fn open_step(&mut self, id: &str, event: &'static str) -> Result<&mut StepRun, Illegal> {
        let (_, slot) = self.slot(id)?;
        match slot.state {
            StepState::Started | StepState::Uncertain(_) | StepState::Failed(_) => Ok(slot),
            _ => Err(Illegal::State { step: id.to_owned(), state: slot.state.word(), event }),
        }
    }

    fn start(&mut self, start: &StepStarted, at: Timestamp) -> Result<(), Illegal> {
        let index = self.index(&start.step)?;
        let playbook = &self.declared.playbook;
        for (step, slot) in playbook.steps.iter().zip(&self.steps).take(index) {
            if !slot.state.behind() {
                return Err(Illegal::Order { step: start.step.clone(), before: step.id.clone() });
            }
        }
        let tier = playbook.steps.get(index).map(|step| step.consent).unwrap_or_default();
        let needed = if start.effects.is_empty() { Tier::None } else { tier };
        if !start.consent.covers(needed, &start.effects) {
            return Err(Illegal::NoConsent(start.step.clone()));
        }
        let (_, slot) = self.slot(&start.step)?;
        if slot.state.behind() || slot.state == StepState::Started {
            return Err(Illegal::State { step: start.step.clone(), state: slot.state.word(), event: "step-started" });
        }
        if let Some(before) = slot.started.take() {
            let ended = before.effects.into_iter().zip(std::mem::take(&mut slot.outcomes));
            slot.earlier.extend(ended.filter_map(|(effect, outcome)| Some((effect, outcome?))));
        }
        slot.outcomes = vec![None; start.effects.len()];
        slot.started = Some(start.clone());
        slot.started_at = Some(at);
        slot.state = StepState::Started;
        Ok(())
    }

    fn effect_ended(&mut self, step: &str, index: usize, outcome: &Outcome) -> Result<(), Illegal> {
        let slot = self.open_step(step, "effect-ended")?;
        let place = slot.outcomes.get_mut(index).ok_or_else(|| Illegal::NoEffect { step: step.to_owned(), index })?;
        *place = Some(outcome.clone());
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
        if slot.state != StepState::Waiting {
            return Err(Illegal::State { step: step.to_owned(), state: slot.state.word(), event: "step-skipped" });
        }
        slot.end(StepState::Skipped(reason.to_owned()), at);
        Ok(())
    }

    fn undo_started(&mut self, step: &str, effects: &[Effect], at: Timestamp) -> Result<(), Illegal> {
        if self.promotion_started() {
            return Err(Illegal::NoWayBack(step.to_owned()));
        }
        let (_, slot) = self.slot(step)?;
        if matches!(slot.state, StepState::Waiting | StepState::Skipped(_) | StepState::Undone) {
            return Err(Illegal::State { step: step.to_owned(), state: slot.state.word(), event: "undo-started" });
        }
        slot.undo = Some(Undo { at, effects: effects.to_vec(), outcomes: vec![None; effects.len()] });
        Ok(())
    }

    fn undo_effect_ended(&mut self, step: &str, index: usize, outcome: &Outcome) -> Result<(), Illegal> {
        let (_, slot) = self.slot(step)?;
        let place = slot.undo.as_mut().and_then(|undo| undo.outcomes.get_mut(index));
        *place.ok_or_else(|| Illegal::NoEffect { step: step.to_owned(), index })? = Some(outcome.clone());
        Ok(())
    }

    fn undone(&mut self, step: &str) -> Result<(), Illegal> {
        let (_, slot) = self.slot(step)?;
        if slot.undo.is_none() {
            return Err(Illegal::State { step: step.to_owned(), state: slot.state.word(), event: "step-undone" });
        }
        slot.state = StepState::Undone;
        Ok(())
    }

    fn resume(&mut self) {
        self.resumed += 1;
        for slot in &mut self.steps {
            if slot.state == StepState::Started {
                slot.state = StepState::Uncertain("the driver was lost after it was started".to_owned());
            }
        }
    }
}

impl StepRun {
    fn end(&mut self, state: StepState, at: Timestamp) {
        self.state = state;
        self.ended_at = Some(at);
    }
}
