//! The keys, from the live keymap: those of the view one came from first.

use crate::console::action::{Action, Group};
use crate::console::keymap::Mode;
use crate::console::row::{Row, Tone, cut, wrap};
use crate::console::state::State;

pub(super) fn rows(state: &State, columns: usize) -> Vec<Row> {
    let first = state.trail.before().mode();
    let mut modes = vec![first];
    modes.extend(
        [Mode::Table, Mode::Detail, Mode::Playbook, Mode::Confirm, Mode::Text].into_iter().filter(|m| *m != first),
    );
    let mut rows = Vec::new();
    for (at, mode) in modes.into_iter().enumerate() {
        if at > 0 {
            rows.push(Row::new());
        }
        rows.push(Row::of(title(mode), Tone::Strong));
        let mut last = None;
        let mut actions: Vec<Action> = Action::ALL.to_vec();
        // What is done here comes before moving about, which every hand knows.
        actions.sort_by_key(|action| match action.group() {
            Group::Playbook if mode == Mode::Playbook => 0,
            Group::Consent | Group::Text => 1,
            Group::List => 2,
            Group::View => 3,
            Group::Program => 4,
            Group::Playbook => 5,
            Group::Movement => 6,
        });
        for action in &actions {
            let steps = matches!(action, Action::NextPane | Action::PreviousPane);
            if steps && mode != Mode::Playbook {
                continue;
            }
            let keys = state.keymap.keys_for(mode, *action);
            // What works everywhere is said once, with the first.
            let shared = at > 0 && !steps && mode.knows_global() && state.keymap.keys_for(first, *action) == keys;
            if keys.is_empty() || shared {
                continue;
            }
            if last.is_some_and(|group| group != action.group()) && at == 0 {
                rows.push(Row::new());
            }
            last = Some(action.group());
            let tone = if action.is_dangerous() { Tone::Danger } else { Tone::Key };
            for (line, words) in wrap(words(*action), columns.saturating_sub(24)).into_iter().enumerate() {
                let keys = if line == 0 { cut(&keys.join("  "), 21) } else { String::new() };
                rows.push(Row::new().add(format!("  {keys:<22}"), tone).say(words));
            }
        }
    }
    rows.push(Row::new());
    rows.push(Row::of("filters", Tone::Strong));
    for line in [
        "word      in name, namespace, template or message; all words have to match",
        "!word     not",
        "region:east     ns:ml     status:failed     status:unfinished     !ns:ml",
    ] {
        rows.push(Row::new().dim(format!("  {line}")));
    }
    rows
}

fn words(action: Action) -> &'static str {
    match action {
        // What it does here, in the words of what is seen.
        Action::Freeze => "hold the order of the lists still, or let it go on",
        Action::NextPane => "the next step of a run",
        Action::PreviousPane => "the step before",
        other => other.description(),
    }
}

fn title(mode: Mode) -> &'static str {
    match mode {
        Mode::Global => "everywhere",
        Mode::Table => "in lists",
        Mode::Detail => "in one thing opened",
        Mode::Playbook => "with a playbook or its run",
        Mode::Confirm => "at a question",
        Mode::Text => "in a text field: no letter is a command",
    }
}
