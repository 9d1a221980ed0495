//! A run: the state machine of one execution of a playbook. Live and replay share [`Run::apply`]. Pure.

mod apply;
mod illegal;

pub use illegal::Illegal;

use super::consent::Override;
use super::file::Step;
use super::record::{Declared, End, Event, Measured, Note, Record, StepStarted};

use crate::domain::Timestamp;
use crate::domain::effect::{Effect, Outcome};
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
    /// When the newest request of the newest attempt was answered, or given up.
    pub answered_at: Option<Timestamp>,
    /// When it was behind us.
    pub ended_at: Option<Timestamp>,
    /// Only what was observed after this proves anything about it: its start, the start of its undo, or the moment at
    /// which a driver took it over.
    pub proof_from: Option<Timestamp>,
    /// Its attempts that are over, from start to end. What lies between them was not spent in the step.
    pub spans: Vec<(Timestamp, Timestamp)>,
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
    /// A person went on without it, though its target answered: it comes again only where nothing else lifts what
    /// holds the open step.
    pub left: bool,
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
    pub measured: Option<Measured>,
    /// How it is over, when, and why.
    pub ended: Option<(End, Timestamp, String)>,
    /// How often it was taken up again.
    pub resumed: usize,
    /// Time of the newest record.
    pub last_at: Timestamp,
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
            answered_at: None,
            ended_at: None,
            proof_from: None,
            spans: Vec::new(),
            outcomes: Vec::new(),
            earlier: Vec::new(),
            evidence: Vec::new(),
            note: None,
            undo: None,
            left: false,
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

    /// A fence was gone past without a proof: the region that was left may act when it is back.
    #[must_use]
    pub fn unfenced(&self) -> bool {
        let mut steps = self.declared.playbook.steps.iter().zip(&self.steps);
        steps.any(|(step, slot)| step.kind.fences() && matches!(slot.state, StepState::Unproven(_)))
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
