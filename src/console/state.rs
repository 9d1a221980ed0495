//! Everything the screen is painted from. Changed by [`super::update`] alone.

use super::derive::Derived;
use super::dialog::Dialog;
use super::event::History;
use super::field::Field;
use super::key::Key;
use super::keymap::{Keymap, Mode};
use super::layout::Size;
use super::pages::Page;
use super::palette::Palette;
use super::runs::Runs;
use super::timeline::Timeline;
use super::tree::Tree;
use super::view::{Trail, View};
use crate::domain::Timestamp;
use crate::domain::fleet::Fleet;
use crate::domain::fleet::happening::Weight;
use crate::domain::region::{Direction, Side};
use crate::domain::text::clean_to;
use crate::playbook::declare::{DeclareError, direction};
use crate::playbook::file::{Playbook, Purpose, Step};
use crate::playbook::kinds::Kind;
use crate::playbook::run::{Run, StepRun, StepState};

/// Whether this console may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It may.
    MayWrite,
    /// It can't: the clients under it are built without writes.
    ReadOnly,
}

/// What a console begins with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The picture so far; its policy says the environment and whether it is simulated.
    pub fleet: Fleet,
    /// The keys.
    pub keymap: Keymap,
    /// Who sits here: `operator@host`.
    pub identity: String,
    /// Whether it may write.
    pub access: Access,
    /// The playbooks there are.
    pub playbooks: Vec<Playbook>,
    /// The terminal.
    pub size: Size,
}

/// What lies over the view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overlay {
    /// Nothing.
    None,
    /// The filter of the list is being typed; what stood there before is kept for escape.
    Filter {
        /// The field.
        field: Field,
        /// The filter before.
        before: String,
    },
    /// A command is being typed.
    Palette(Palette),
    /// A question.
    Dialog(Box<Dialog>),
}

/// A word that goes away by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How much it matters.
    pub weight: Weight,
    /// One line.
    pub text: String,
    /// Since when it is shown.
    pub at: Timestamp,
}

/// The run that is driven or watched.
#[derive(Debug, Clone)]
pub struct Followed {
    /// The run.
    pub run: Run,
    /// This process drives it.
    pub driving: bool,
    /// Why it stands still, when something is wrong with it.
    pub trouble: Option<String>,
    /// The step that is looked at; None: the current one.
    pub looked_at: Option<usize>,
}

impl Followed {
    /// The line under the header speaks of it: it is not over, or something is wrong.
    #[must_use]
    pub fn shown_in_line(&self) -> bool {
        self.run.ended.is_none() || self.trouble.is_some()
    }
}

/// How far the guard after a regained focus has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// Nothing is held back.
    Open,
    /// The focus was regained; the next tick says when.
    Armed,
    /// Held back until then.
    Until(Timestamp),
}

/// The state.
#[derive(Debug, Clone)]
pub struct State {
    /// The picture.
    pub fleet: Fleet,
    /// The keys.
    pub keymap: Keymap,
    /// Who sits here.
    pub identity: String,
    /// Whether it may write.
    pub access: Access,
    /// The playbooks there are.
    pub playbooks: Vec<Playbook>,
    /// The terminal.
    pub size: Size,
    /// What earlier runs took.
    pub history: History,
    /// Where one is.
    pub trail: Trail,
    /// What lies over it.
    pub overlay: Overlay,
    /// The run that is driven or watched.
    pub run: Option<Followed>,
    /// What follows from the picture.
    pub derived: Derived,
    /// The list of runs.
    pub runs: Runs,
    /// The timeline's window.
    pub timeline: Timeline,
    /// The opened run's tree.
    pub tree: Tree,
    /// The page of the present view, where it has one.
    pub page: Page,
    /// Place of the selected playbook.
    pub playbook: usize,
    /// The lists stand still, though their rows change.
    pub held: bool,
    /// Every source has answered or failed once.
    pub settled: bool,
    /// A word that goes away by itself.
    pub notice: Option<Notice>,
    /// Keys of a chord that is not complete.
    pub chord: Vec<Key>,
    pub(super) guard: Guard,
}

impl State {
    /// A console at its overview.
    #[must_use]
    pub fn new(setup: Setup) -> State {
        let Setup { fleet, keymap, identity, access, playbooks, size } = setup;
        let mut state = State {
            derived: Derived::nothing(&fleet),
            fleet,
            keymap,
            identity: clean_to(&identity, 60),
            access,
            playbooks,
            size: size.sane(),
            history: History::default(),
            trail: Trail::default(),
            overlay: Overlay::None,
            run: None,
            runs: Runs::default(),
            timeline: Timeline::default(),
            tree: Tree::default(),
            page: Page::default(),
            playbook: 0,
            held: false,
            settled: false,
            notice: None,
            chord: Vec::new(),
            guard: Guard::Open,
        };
        state.derive_all();
        state
    }

    /// The section of the keymap that works now.
    #[must_use]
    pub fn mode(&self) -> Mode {
        match &self.overlay {
            Overlay::None => self.trail.here().mode(),
            Overlay::Filter { .. } | Overlay::Palette(_) => Mode::Text,
            Overlay::Dialog(dialog) if dialog.field().is_some() => Mode::Text,
            Overlay::Dialog(_) => Mode::Confirm,
        }
    }

    /// A run is driven from here and is not over.
    #[must_use]
    pub fn drives(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.driving && run.run.ended.is_none())
    }

    /// The run has taken the environment's lock, or tried to: before that nobody else is kept out.
    fn locked(&self) -> bool {
        let Some(run) = self.run.as_ref().map(|followed| &followed.run) else { return false };
        let mut steps = run.declared.playbook.steps.iter().zip(&run.steps);
        !steps.any(|(step, slot)| step.kind == Kind::LockAcquire && slot.state == StepState::Waiting)
    }

    /// The step that the run is at, with its place: the one that may come next. None: no run, or it is over.
    #[must_use]
    pub fn open_step(&self) -> Option<(usize, &Step, &StepRun)> {
        let run = self.run.as_ref().map(|followed| &followed.run).filter(|run| run.ended.is_none())?;
        let proposed = self.derived.proposal.as_ref().and_then(|proposal| proposal.index);
        let at = proposed.or_else(|| run.current().map(|(at, _, _)| at))?;
        Some((at, run.declared.playbook.steps.get(at)?, run.steps.get(at)?))
    }

    /// Place of the step that is looked at. None: no run, or its end is looked at.
    #[must_use]
    pub fn step_in_sight(&self) -> Option<usize> {
        let followed = self.run.as_ref()?;
        let last = followed.run.steps.len().saturating_sub(1);
        followed.looked_at.map(|at| at.min(last)).or_else(|| self.open_step().map(|(at, _, _)| at))
    }

    /// The question that is open.
    #[must_use]
    pub fn dialog(&self) -> Option<&Dialog> {
        match &self.overlay {
            Overlay::Dialog(dialog) => Some(dialog),
            _ => None,
        }
    }

    /// The playbook that `f` and readiness speak of: the first for an unplanned failover.
    #[must_use]
    pub fn failover(&self) -> Option<(usize, &Playbook)> {
        self.playbooks.iter().enumerate().find(|(_, playbook)| playbook.purpose == Purpose::Unplanned)
    }

    /// From where to where the selected playbook would go now, or why it would not; by the same rule as the run.
    #[must_use]
    pub fn way(&self) -> Option<Result<Direction, DeclareError>> {
        self.selected_playbook().map(|playbook| direction(playbook.purpose, &self.fleet))
    }

    /// The selected playbook.
    #[must_use]
    pub fn selected_playbook(&self) -> Option<&Playbook> {
        self.playbooks.get(self.playbook)
    }

    /// The word for what may be done from here.
    #[must_use]
    pub fn access_word(&self) -> &'static str {
        match self.access {
            Access::ReadOnly => "READ-ONLY",
            Access::MayWrite if self.drives() && !self.locked() => "declares",
            Access::MayWrite if self.drives() => "DRIVES",
            Access::MayWrite => "may write",
        }
    }

    /// Finished runs that are there and not in the list: only the newest are kept.
    #[must_use]
    pub fn let_go(&self) -> usize {
        Side::BOTH.into_iter().map(|side| self.fleet.region(side).runs.let_go).sum()
    }

    pub(super) fn say(&mut self, weight: Weight, text: impl Into<String>) {
        let text = clean_to(&text.into(), 300);
        self.notice = Some(Notice { weight, text, at: self.fleet.now });
    }

    /// The filter of the list in sight.
    #[must_use]
    pub fn filter(&self) -> Option<&super::filter::Filter> {
        match self.trail.here() {
            View::Overview | View::Workflows => Some(&self.runs.filter),
            View::Timeline => Some(&self.timeline.filter),
            _ => None,
        }
    }
}
