//! A run: the state machine of one execution of a playbook. Live and replay share [`Run::apply`]. Pure.

use super::consent::Override;
use super::file::Step;
use super::record::{Declared, End, Event, Note, Record, StepStarted};
use crate::domain::Timestamp;
use crate::domain::effect::{Effect, Outcome};
use crate::domain::fleet::replication::Loss;
use crate::gates::Evidence;

/// Where a step is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepState {
    /// Not begun.
    Waiting,
    /// Begun by the driver that drives now; effects are being sent or proof is awaited.
    Started,
    /// Begun, and what became of it is not known: the driver was lost, or no proof came in time.
    Uncertain(String),
    /// Proven.
    Done,
    /// Not proven, covered by an override. Never a pass.
    Unproven(String),
    /// Does not apply.
    Skipped(String),
    /// Refused; the world is as before.
    Failed(String),
    /// Done, then undone.
    Undone,
}

impl StepState {
    /// The run may go on to the next step.
    #[must_use]
    pub fn behind(&self) -> bool {
        matches!(self, StepState::Done | StepState::Unproven(_) | StepState::Skipped(_))
    }

    /// The word on the screen.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            StepState::Waiting => "waiting",
            StepState::Started => "running",
            StepState::Uncertain(_) => "uncertain",
            StepState::Done => "done",
            StepState::Unproven(_) => "unproven",
            StepState::Skipped(_) => "skipped",
            StepState::Failed(_) => "failed",
            StepState::Undone => "undone",
        }
    }
}

/// A step of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRun {
    /// Where it is.
    pub state: StepState,
    /// The newest start, with the effects, gates and consent.
    pub started: Option<StepStarted>,
    /// When the newest attempt began.
    pub started_at: Option<Timestamp>,
    /// When it was behind us.
    pub ended_at: Option<Timestamp>,
    /// What became of each effect of the newest attempt.
    pub outcomes: Vec<Option<Outcome>>,
    /// Outcomes of earlier attempts: a retry must not forget what stood there before the first.
    pub earlier: Vec<(Effect, Outcome)>,
    /// What proved it.
    pub evidence: Vec<Evidence>,
    /// What it found out.
    pub note: Option<Note>,
    /// An undo that was begun.
    pub undo: Option<Undo>,
}

/// An undo that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo {
    /// When.
    pub at: Timestamp,
    /// What it does.
    pub effects: Vec<Effect>,
    /// What became of each.
    pub outcomes: Vec<Option<Outcome>>,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// How it began.
    pub declared: Declared,
    /// When it began.
    pub declared_at: Timestamp,
    /// Who drives, or drove last.
    pub driver: String,
    /// Its steps, beside those of the playbook.
    pub steps: Vec<StepRun>,
    /// Overrides, in order.
    pub overrides: Vec<Override>,
    /// The loss, read after the old side's return.
    pub measured: Option<(Loss, Option<u64>)>,
    /// How it is over, when, and why.
    pub ended: Option<(End, Timestamp, String)>,
    /// How often it was taken up again.
    pub resumed: usize,
    /// Time of the newest record.
    pub last_at: Timestamp,
}

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

impl Event {
    /// It may come after the run is over: the exact loss is read when the old side returns, and what a given-up run
    /// has changed can still be undone.
    fn follows(&self, end: End) -> bool {
        let undo = matches!(self, Event::UndoStarted { .. } | Event::UndoEffectEnded { .. } | Event::StepUndone { .. });
        matches!(self, Event::LossMeasured { .. }) || (undo && end == End::Aborted)
    }

    fn word(&self) -> &'static str {
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
    /// A run from its first record.
    ///
    /// # Errors
    /// The record is no declaration.
    pub fn begin(record: &Record) -> Result<Run, Illegal> {
        let Event::Declared(declared) = &record.event else { return Err(Illegal::NotDeclared(record.event.word())) };
        let blank = || StepRun {
            state: StepState::Waiting,
            started: None,
            started_at: None,
            ended_at: None,
            outcomes: Vec::new(),
            earlier: Vec::new(),
            evidence: Vec::new(),
            note: None,
            undo: None,
        };
        Ok(Run {
            steps: declared.playbook.steps.iter().map(|_| blank()).collect(),
            declared: (**declared).clone(),
            declared_at: record.at,
            driver: record.by.clone(),
            overrides: Vec::new(),
            measured: None,
            ended: None,
            resumed: 0,
            last_at: record.at,
        })
    }

    /// A run from all its records.
    ///
    /// # Errors
    /// The first record that does not fit.
    pub fn replay<'a>(records: impl IntoIterator<Item = &'a Record>) -> Result<Option<Run>, Illegal> {
        let mut records = records.into_iter();
        let Some(first) = records.next() else { return Ok(None) };
        let mut run = Run::begin(first)?;
        for record in records {
            run.apply(record)?;
        }
        Ok(Some(run))
    }

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
        let needed = if start.effects.is_empty() { super::consent::Tier::None } else { tier };
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

    /// The first step that is not behind us, with its place. None: all are.
    #[must_use]
    pub fn current(&self) -> Option<(usize, &Step, &StepRun)> {
        self.declared
            .playbook
            .steps
            .iter()
            .zip(&self.steps)
            .enumerate()
            .map(|(i, (step, slot))| (i, step, slot))
            .find(|(_, _, slot)| !slot.state.behind())
    }

    /// The step of that id with its state.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<(&Step, &StepRun)> {
        let (index, step) = self.declared.playbook.step(id)?;
        Some((step, self.steps.get(index)?))
    }

    /// A promotion was started, whatever became of it: from then on no fence of the old side may be undone.
    #[must_use]
    pub fn promotion_started(&self) -> bool {
        self.started_kind(|effect| matches!(effect, Effect::Promote { .. }))
    }

    /// The promotion is proven.
    #[must_use]
    pub fn promoted(&self) -> bool {
        let steps = self.declared.playbook.steps.iter().zip(&self.steps);
        steps.into_iter().any(|(step, slot)| step.kind.irreversible() && slot.state == StepState::Done)
    }

    fn started_kind(&self, is: impl Fn(&Effect) -> bool) -> bool {
        let sent = |slot: &StepRun| {
            slot.started.iter().flat_map(|s| &s.effects).chain(slot.earlier.iter().map(|(e, _)| e)).any(&is)
        };
        self.steps.iter().any(sent)
    }

    /// Every effect of a step that ended, over all attempts, oldest first.
    pub fn outcomes<'a>(&'a self, id: &str) -> Vec<(&'a Effect, &'a Outcome)> {
        let Some((_, slot)) = self.step(id) else { return Vec::new() };
        let newest = slot.started.iter().flat_map(|s| &s.effects).zip(&slot.outcomes);
        let earlier = slot.earlier.iter().map(|(effect, outcome)| (effect, outcome));
        earlier.chain(newest.filter_map(|(effect, outcome)| Some((effect, outcome.as_ref()?)))).collect()
    }

    /// Name of the region being left.
    #[must_use]
    pub fn from_name(&self) -> &str {
        self.declared.regions.get(self.declared.direction.from)
    }

    /// Name of the region being activated.
    #[must_use]
    pub fn to_name(&self) -> &str {
        self.declared.regions.get(self.declared.direction.to)
    }

    /// A text of the playbook with the regions' names in it.
    #[must_use]
    pub fn words(&self, text: &str) -> String {
        text.replace("{from}", self.from_name()).replace("{to}", self.to_name())
    }

    /// The start of the recovery clock: the first failed probe, or the declaration.
    #[must_use]
    pub fn t0(&self) -> Timestamp {
        self.declared.failing_since.map_or(self.declared_at, |at| at.min(self.declared_at))
    }
}

impl StepRun {
    fn end(&mut self, state: StepState, at: Timestamp) {
        self.state = state;
        self.ended_at = Some(at);
    }
}
