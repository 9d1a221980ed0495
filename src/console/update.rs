//! One event in, commands out.

use super::command::Command;
use super::event::{Event, RunNews};
use super::layout::Form;
use super::state::{Access, Followed, Guard, Overlay, State};
use super::tree::Tree;
use super::view::View;
use crate::domain::fleet::happening::Weight;
use crate::domain::observation::{Fact, Observation};
use crate::domain::text::clean_to;
use crate::domain::{Timestamp, since};
use std::time::Duration;

/// After the focus came back, keys that lead to an effect are ignored for this long.
const GUARD: Duration = Duration::from_millis(300);

/// How long a word stays that is only good to know, and one that matters.
const NOTICE: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(15)];

/// Takes one event. Nothing that writes ever comes out of a READ-ONLY console, whatever the keys.
pub fn update(state: &mut State, event: Event) -> Vec<Command> {
    let mut commands = match event {
        Event::Key(key) => super::keys::press(state, key, false),
        Event::Burst(key) => super::keys::press(state, key, true),
        Event::Paste(text) => {
            super::keys::paste(state, &text);
            Vec::new()
        }
        Event::Resize(size) => {
            state.size = size.sane();
            // What was typed while the terminal changed was not read against the new frame.
            if let Overlay::Dialog(dialog) = &mut state.overlay {
                dialog.unpainted();
            }
            state.lists(false);
            Vec::new()
        }
        Event::FocusGained => {
            state.guard = Guard::Armed;
            Vec::new()
        }
        Event::Painted => {
            painted(state);
            Vec::new()
        }
        Event::Tick(now) => tick(state, now),
        Event::Observed(observations) => {
            observed(state, observations);
            details(state)
        }
        Event::Run(news) => run_news(state, news),
        Event::History(history) => {
            state.history = history;
            state.derive_all();
            Vec::new()
        }
        Event::Notice { weight, text } => {
            state.say(weight, text);
            Vec::new()
        }
        Event::Scenario(text) => {
            let line = format!("scenario: {}", clean_to(&text, 300));
            state.fleet.happenings.push(state.fleet.now, None, Weight::Warn, line);
            state.say(Weight::Warn, text);
            state.lists(false);
            Vec::new()
        }
        Event::Settled => {
            state.settled = true;
            state.derive_all();
            Vec::new()
        }
    };
    // A run that is no longer on the way back is no longer watched whole.
    if state.fleet.open_run.is_some() && !state.trail.holds(View::Tree) {
        state.fleet.open_run = None;
        state.tree = Tree::default();
        commands.push(Command::CloseRun);
    }
    if state.access == Access::ReadOnly {
        commands.retain(|command| !command.writes());
    }
    commands
}

/// A frame that has no room for the question has not shown it, and one that shows a part of it has shown that part.
fn painted(state: &mut State) {
    let Some(question) = state.question() else { return };
    let (first, rows) = state.question_window(&question);
    let Overlay::Dialog(dialog) = &mut state.overlay else { return };
    dialog.painted = state.size.form() != Form::TooSmall;
    if dialog.painted && first <= dialog.seen {
        dialog.seen = dialog.seen.max(first + rows);
    }
}

fn tick(state: &mut State, now: Timestamp) -> Vec<Command> {
    state.fleet.tick(now);
    let now = state.fleet.now;
    if let Overlay::Dialog(dialog) = &mut state.overlay {
        dialog.ticked(now);
    }
    state.guard = match state.guard {
        Guard::Armed => Guard::Until(now.saturating_add(GUARD).unwrap_or(now)),
        Guard::Until(until) if now >= until => Guard::Open,
        other => other,
    };
    let expired = state.notice.as_ref().is_some_and(|notice| {
        let [short, long] = NOTICE;
        since(notice.at, now) >= if notice.weight == Weight::Info { short } else { long }
    });
    if expired {
        state.notice = None;
    }
    state.ticked();
    details(state)
}

fn details(state: &mut State) -> Vec<Command> {
    if !state.trail.here().lists_runs() {
        return Vec::new();
    }
    let rows = state.run_rows();
    let wanted = state.runs.details(&state.fleet, rows);
    if wanted.is_empty() { Vec::new() } else { vec![Command::Details(wanted)] }
}

fn observed(state: &mut State, observations: Vec<Observation>) {
    let (mut weighty, mut opened) = (false, false);
    for observation in observations {
        match &observation.fact {
            // These come in floods and change no verdict by themselves.
            Fact::Runs(_) | Fact::RunDetail { .. } | Fact::Answered { .. } | Fact::WatchConfirmed(_) => {}
            Fact::OpenRun(_, run) => {
                opened = true;
                state.tree.gone = run.is_none();
            }
            _ => weighty = true,
        }
        state.fleet.apply(observation);
    }
    if opened {
        let run = state.fleet.open_run.as_ref().and_then(|(_, _, run)| run.as_ref());
        state.tree.rebuild(run);
    }
    state.changed(weighty || opened);
}

fn run_news(state: &mut State, news: RunNews) -> Vec<Command> {
    match news {
        RunNews::Opened { run, driving } => {
            let driving = driving && state.access == Access::MayWrite;
            let before = state.run.as_ref().filter(|followed| followed.run.declared.run == run.declared.run);
            let (known, looked_at) = (before.is_some(), before.and_then(|followed| followed.looked_at));
            let looked_at = looked_at.filter(|_| run.ended.is_none());
            state.run = Some(Followed { run: *run, driving, trouble: None, looked_at });
            if driving && !known {
                state.trail.go(View::Run);
            }
        }
        RunNews::Recorded(record) => {
            let before = state.open_step().map(|(at, _, _)| at);
            let Some(followed) = &mut state.run else { return Vec::new() };
            if let Err(illegal) = followed.run.apply(&record) {
                followed.trouble = Some(clean_to(&format!("a record does not fit the run: {illegal}"), 300));
            }
            // Whoever watches the current step goes on to the next with it.
            if followed.looked_at == before || followed.run.ended.is_some() {
                followed.looked_at = None;
            }
        }
        RunNews::Trouble(text) => {
            if let Some(followed) = &mut state.run {
                followed.trouble = Some(clean_to(&text, 300));
            } else {
                state.say(Weight::Bad, text);
            }
        }
        RunNews::Closed => {
            state.run = None;
            state.trail.forget(View::Run);
        }
    }
    state.derive_all();
    Vec::new()
}
