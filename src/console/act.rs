//! What an action does where one is.

use super::action::{Action, Group};
use super::command::{Command, ConsentGiven};
use super::dialog::{Ask, Dialog};
use super::field::Field;
use super::filter::Filter;
use super::guide::Turn;
use super::key::Key;
use super::palette::{Choice, Palette};
use super::state::{Access, Overlay, State};
use super::view::View;
use crate::domain::fleet::happening::Weight;
use crate::playbook::consent::{REASON_CHARS_MIN, Tier};
use crate::playbook::propose::{Next, Proposal};

pub(super) fn act(state: &mut State, action: Action, key: Key) -> Vec<Command> {
    match action.group() {
        Group::Movement => state.walk(action),
        Group::View => {
            state.go(view_of(action));
            Vec::new()
        }
        Group::List => list(state, action),
        Group::Program => program(state, action, key),
        Group::Playbook => playbook(state, action, key),
        Group::Consent | Group::Text => answer(state, action, key),
    }
}

fn view_of(action: Action) -> View {
    match action {
        Action::ViewWorkflows => View::Workflows,
        Action::ViewDatabase => View::Database,
        Action::ViewMetrics => View::Metrics,
        Action::ViewDns => View::Dns,
        Action::ViewPlaybooks => View::Run,
        Action::ViewTimeline => View::Timeline,
        Action::Help => View::Help,
        _ => View::Overview,
    }
}

fn list(state: &mut State, action: Action) -> Vec<Command> {
    match action {
        // Also where there is nothing to filter: whoever searches types on, and none of that may be a command.
        Action::Filter => {
            let before = state.filter().map(|filter| filter.text.clone()).unwrap_or_default();
            state.overlay = Overlay::Filter { field: Field::holding(&before), before };
        }
        Action::SortNext if state.trail.here().lists_runs() => {
            state.runs.sort = state.runs.sort.next();
            state.lists(true);
        }
        Action::SortReverse if state.trail.here().lists_runs() => {
            state.runs.reverse = !state.runs.reverse;
            state.lists(true);
        }
        Action::ToggleWide => state.runs.wide = !state.runs.wide,
        Action::CopyName => {
            if let Some(name) = state.name_in_sight() {
                state.say(Weight::Info, format!("copied {name}"));
                return vec![Command::Copy(name)];
            }
        }
        _ => {}
    }
    Vec::new()
}

fn program(state: &mut State, action: Action, key: Key) -> Vec<Command> {
    match action {
        Action::Palette => state.overlay = Overlay::Palette(Palette::new(&state.playbooks)),
        Action::Refresh => {
            state.say(Weight::Info, "every source is asked now");
            return vec![Command::Refresh];
        }
        Action::Freeze => {
            state.held = !state.held;
            if !state.held {
                state.lists(true);
            }
        }
        Action::Redraw => return vec![Command::Redraw],
        Action::Suspend => return vec![Command::Suspend],
        Action::Interrupt if state.overlay != Overlay::None => state.close_overlay(),
        Action::Interrupt | Action::Quit => return state.quit(key),
        _ => {}
    }
    Vec::new()
}

impl State {
    fn quit(&mut self, key: Key) -> Vec<Command> {
        if self.drives() {
            return self.ask(Ask::Quit, Some(key));
        }
        vec![Command::Quit]
    }

    pub(super) fn close_overlay(&mut self) {
        self.notice = None;
        let overlay = std::mem::replace(&mut self.overlay, Overlay::None);
        if let Overlay::Filter { before, .. } = overlay {
            self.set_filter(Filter::read(&before));
        }
        self.turn_page();
    }

    pub(super) fn set_filter(&mut self, filter: Filter) {
        match self.trail.here() {
            View::Timeline => {
                self.timeline.filter = filter;
                self.timeline.offset = 0;
            }
            here if here.lists_runs() => {
                self.runs.filter = filter;
                self.runs.offset = 0;
            }
            _ => {}
        }
        self.lists(true);
    }

    /// Opens a question. What was typed and not read yet is thrown away.
    pub(super) fn ask(&mut self, ask: Ask, opened_by: Option<Key>) -> Vec<Command> {
        self.notice = None;
        self.overlay = Overlay::Dialog(Box::new(Dialog::new(ask, opened_by)));
        self.turn_page();
        vec![Command::DiscardInput]
    }
}

/// Keys that lead a run.
pub(super) fn playbook(state: &mut State, action: Action, key: Key) -> Vec<Command> {
    if action == Action::StartFailover {
        return plan_failover(state);
    }
    if state.access == Access::ReadOnly {
        state.say(Weight::Warn, "READ-ONLY: nothing is written from here");
        return Vec::new();
    }
    let turn = state.turn();
    if state.trail.here() == View::Playbooks && action == Action::RunStep {
        return declare(state, key);
    }
    if let (Some(followed), true) = (&mut state.run, action != Action::Detach) {
        // What is asked is asked about the current step: it has to be the one on the screen.
        followed.looked_at = None;
        state.trail.go(View::Run);
        state.lists(false);
    }
    match (action, turn) {
        (_, Turn::NoRun) => nothing(state, "no run is open; choose a playbook first"),
        (_, Turn::Over) => nothing(state, "the run is over"),
        (Action::RunStep | Action::Retry, Turn::NotOurs | Turn::Stands(_)) => resume(state, key),
        (_, Turn::NotOurs) => nothing(state, "this console only watches the run; take it up first"),
        (Action::AbortRun, _) => state.ask(Ask::Abort { field: Field::default() }, Some(key)),
        (Action::Detach, _) => state.ask(Ask::Detach, Some(key)),
        (_, Turn::Stands(why)) => nothing(state, &format!("the run stands still: {why}")),
        (Action::RunStep, Turn::Finish) => vec![Command::Finish],
        (Action::RunStep, Turn::Start(tier)) | (Action::Retry, Turn::Again(tier, _)) => consent(state, tier, key),
        (Action::RunStep, Turn::Again(..)) => nothing(state, "it was tried: retry it, which asks again"),
        (Action::Retry, Turn::Start(_)) => nothing(state, "it has not been tried yet: start it"),
        (Action::OverrideGate, _) => override_gate(state, key),
        (Action::Accept, Turn::Accept(what)) => accept(state, what, key),
        (Action::Accept, Turn::Again(_, true)) => {
            accept(state, "it failed; the run goes on without it".to_owned(), key)
        }
        (Action::Accept, _) => nothing(state, "there is no result to accept now"),
        (_, Turn::Accept(what)) => nothing(state, &format!("accept it: {what}")),
        (_, Turn::Held(says)) => nothing(state, &format!("held: {says}")),
        (_, Turn::Busy(what)) => nothing(state, &format!("the step {what}")),
        (_, Turn::Stuck(why)) => nothing(state, &format!("it can not go on: {why}")),
        (_, Turn::ReadOnly | Turn::Finish) => nothing(state, "nothing to do here"),
        _ => Vec::new(),
    }
}

fn nothing(state: &mut State, why: &str) -> Vec<Command> {
    state.say(Weight::Warn, why);
    Vec::new()
}

fn plan_failover(state: &mut State) -> Vec<Command> {
    if state.run.as_ref().is_some_and(|followed| followed.run.ended.is_none()) {
        state.go(View::Run);
        return Vec::new();
    }
    let Some((at, _)) = state.failover() else { return nothing(state, "there is no playbook for a failover") };
    state.playbook = at;
    state.go(View::Playbooks);
    Vec::new()
}

fn declare(state: &mut State, key: Key) -> Vec<Command> {
    if state.run.as_ref().is_some_and(|followed| followed.run.ended.is_none()) {
        return nothing(state, "a run is open already: one at a time in an environment");
    }
    let Some(playbook) = state.selected_playbook().map(|playbook| playbook.name.clone()) else {
        return nothing(state, "there is no playbook");
    };
    if let Some(Err(why)) = state.way() {
        return nothing(state, &why.to_string());
    }
    state.ask(Ask::StartRun { playbook }, Some(key))
}

fn resume(state: &mut State, key: Key) -> Vec<Command> {
    match &state.run {
        Some(followed) => {
            let run = followed.run.declared.run.clone();
            state.ask(Ask::Resume { run }, Some(key))
        }
        None => Vec::new(),
    }
}

fn consent(state: &mut State, tier: Tier, key: Key) -> Vec<Command> {
    let Some((step, region)) = state.current_step() else { return Vec::new() };
    if tier == Tier::None {
        return vec![Command::Start { step, consent: None }];
    }
    let proposal = state.derived.proposal.as_ref();
    let Some((attempt, shown)) = proposal.and_then(|p| Some((p.attempt, p.hash()?))) else { return Vec::new() };
    state.ask(Ask::Consent { step, attempt, tier, shown, region, field: Field::default() }, Some(key))
}

fn accept(state: &mut State, what: String, key: Key) -> Vec<Command> {
    match state.current_step() {
        Some((step, _)) => state.ask(Ask::Accept { step, what }, Some(key)),
        None => Vec::new(),
    }
}

fn override_gate(state: &mut State, key: Key) -> Vec<Command> {
    use crate::gates::OverrideBy;
    let Some(line) = state.derived.proposal.as_ref().and_then(Proposal::overridable) else {
        return nothing(state, "no gate holds the step");
    };
    let (shown, by) = (Box::new(line.finding.clone()), line.override_by);
    let (gate, says) = (&shown.gate, &shown.answer.text);
    match by {
        OverrideBy::Nobody => nothing(state, &format!("{gate} may not be overridden by anybody: {says}")),
        OverrideBy::SecondPerson if !state.fleet.policy.break_glass => nothing(
            state,
            &format!("{gate} takes a second person, and approval.break_glass is off in this environment: {says}"),
        ),
        by => {
            let break_glass = by == OverrideBy::SecondPerson;
            state.ask(Ask::Override { shown, break_glass, field: Field::default() }, Some(key))
        }
    }
}

/// Yes, no, and the palette's tab.
fn answer(state: &mut State, action: Action, key: Key) -> Vec<Command> {
    match action {
        Action::Cancel => {
            state.close_overlay();
            Vec::new()
        }
        Action::Complete => {
            if let Overlay::Palette(palette) = &mut state.overlay {
                palette.complete();
            }
            Vec::new()
        }
        Action::Confirm => match std::mem::replace(&mut state.overlay, Overlay::None) {
            Overlay::Dialog(dialog) => yes(state, *dialog),
            Overlay::Palette(palette) => match palette.choose() {
                Ok(choice) => run_choice(state, choice, key),
                Err(why) => {
                    state.say(Weight::Warn, why);
                    state.overlay = Overlay::Palette(palette);
                    Vec::new()
                }
            },
            Overlay::Filter { .. } | Overlay::None => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn yes(state: &mut State, mut dialog: Dialog) -> Vec<Command> {
    let commands = match &dialog.ask {
        Ask::StartRun { playbook } => Ok(vec![Command::StartRun { playbook: playbook.clone() }]),
        Ask::Resume { run } => Ok(vec![Command::ResumeRun { run: run.clone() }]),
        Ask::Accept { step, .. } => Ok(vec![Command::Accept { step: step.clone() }]),
        Ask::Detach => Ok(vec![Command::Detach]),
        Ask::Quit => Ok(vec![Command::Detach, Command::Quit]),
        Ask::Abort { field } => reason(field).map(|reason| vec![Command::Abort { reason }]),
        Ask::Override { shown, break_glass, field } => reason(field)
            .map(|reason| vec![Command::Override { shown: shown.clone(), reason, break_glass: *break_glass }]),
        Ask::Consent { step, tier, shown, region, field, .. } => {
            let typed = (*tier == Tier::Region).then(|| field.text().trim().to_owned());
            match &typed {
                Some(name) if name != region => Err(format!("\"{name}\" is not {region}")),
                _ => Ok(vec![Command::Start {
                    step: step.clone(),
                    consent: Some(ConsentGiven { shown: shown.clone(), typed }),
                }]),
            }
        }
    };
    match commands {
        Ok(commands) => {
            state.turn_page();
            commands
        }
        Err(why) => {
            dialog.note = Some(why);
            state.overlay = Overlay::Dialog(Box::new(dialog));
            Vec::new()
        }
    }
}

fn reason(field: &Field) -> Result<String, String> {
    let text = field.text().trim().to_owned();
    match text.chars().count() {
        length if length >= REASON_CHARS_MIN => Ok(text),
        _ => Err(format!("a reason of at least {REASON_CHARS_MIN} characters: it stands in the report")),
    }
}

/// What was chosen in the palette. It goes where a question would be asked and never asks one itself that enter alone
/// could answer: enter has just been pressed.
fn run_choice(state: &mut State, choice: Choice, key: Key) -> Vec<Command> {
    match choice {
        Choice::View(view) => state.go(view),
        Choice::Workflows(words) => return state.workflows(&words),
        Choice::Filter(words) => {
            if !state.trail.here().lists_runs() && state.trail.here() != View::Timeline {
                state.go(View::Workflows);
            }
            state.set_filter(Filter::read(&words));
        }
        Choice::Playbook(at) => {
            state.playbook = at;
            state.go(View::Playbooks);
        }
        Choice::Action(action) => match action {
            Action::RunStep | Action::Retry | Action::Accept | Action::Detach => {
                state.go(View::Run);
                press_here(state, action);
            }
            Action::Quit if state.drives() => press_here(state, action),
            _ => return act(state, action, key),
        },
    }
    Vec::new()
}

fn press_here(state: &mut State, action: Action) {
    let keys = crate::console::hints::best(state.keymap.keys_for(state.mode(), action));
    let keys = keys.unwrap_or_else(|| "no key".to_owned());
    state.say(Weight::Info, format!("press {keys} here: {}", action.description()));
}

impl State {
    /// Id of the current step, and the region that it acts on.
    fn current_step(&self) -> Option<(String, String)> {
        let run = &self.run.as_ref()?.run;
        let (_, step, _) = self.open_step()?;
        let effects = match &self.derived.proposal.as_ref()?.next {
            Next::Start { effects, .. } | Next::Again { effects, .. } => effects.as_slice(),
            _ => &[],
        };
        let side = effects.iter().find_map(|effect| effect.side()).unwrap_or(run.declared.direction.to);
        Some((step.id.clone(), run.declared.regions.get(side).clone()))
    }
}
