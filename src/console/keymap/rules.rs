//! What no keymap may do, whoever wrote it. Pure.
//!
//! A person answers a question under stress, and may be typing already when it opens. So yes is never one printable key,
//! and never the key that asked; in a text field no character is a command; and there is always a key for no, and a way
//! out.

use std::collections::BTreeMap;

use super::{Binding, Mode, Section};
use crate::console::action::Action;
use crate::console::key::{Code, Key, chord_text};
use crate::domain::problem::Problem;

/// Actions that open a question whose answer leads to an effect.
const TRIGGERS: [Action; 5] = [Action::RunStep, Action::Retry, Action::Accept, Action::OverrideGate, Action::AbortRun];

/// What must have a key, and where.
const NEEDED: [(Mode, &[Action]); 4] = [
    (Mode::Global, &[Action::Quit, Action::Interrupt]),
    (Mode::Confirm, &[Action::Confirm]),
    (Mode::Confirm, &[Action::Cancel]),
    (Mode::Text, &[Action::Cancel]),
];

pub(super) fn broken(modes: &BTreeMap<Mode, Section>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let triggers = triggers(modes);
    for mode in [Mode::Confirm, Mode::Text] {
        for (keys, binding) in modes.get(&mode).into_iter().flatten() {
            let Some(action) = binding.action else { continue };
            if let Some(why) = forbidden(mode, keys, action, &triggers) {
                problems.push(Problem { message: why, ..binding.place.clone() });
            }
        }
    }
    for (mode, any) in NEEDED {
        let section = modes.get(&mode);
        let bound = section.into_iter().flatten().any(|(_, b)| b.action.is_some_and(|action| any.contains(&action)));
        if !bound {
            let names: Vec<&str> = any.iter().map(|action| action.name()).collect();
            problems.push(Problem::new("keymap", format!("{mode} has no key for {}", names.join(" or "))));
        }
    }
    problems
}

/// The chords that open a question, with what they ask for and who says so.
fn triggers(modes: &BTreeMap<Mode, Section>) -> Vec<(&Vec<Key>, Action, &Binding)> {
    let all = modes.values().flatten();
    all.filter_map(|(keys, binding)| {
        binding.action.filter(|action| TRIGGERS.contains(action)).map(|action| (keys, action, binding))
    })
    .collect()
}

fn forbidden(mode: Mode, keys: &[Key], action: Action, triggers: &[(&Vec<Key>, Action, &Binding)]) -> Option<String> {
    let first = keys.first()?;
    if mode == Mode::Text && first.is_printable() {
        return Some(format!(
            "\"{}\" is typed into the field in [text]; no such key can be a command there",
            chord_text(keys)
        ));
    }
    if action != Action::Confirm {
        return None;
    }
    if keys.len() == 1 && first.is_printable() {
        return Some(format!("\"{first}\" can't be confirm: a single printable key would say yes by a slip"));
    }
    if keys.iter().any(|key| matches!(key.code, Code::Esc) || *key == Key::ctrl('c')) {
        return Some(format!("\"{}\" can't be confirm: it is the key by which people say no", chord_text(keys)));
    }
    // The last key of the trigger may still be held or repeated when the question opens.
    let (_, trigger, binding) = triggers.iter().find(|(other, _, _)| other.last() == Some(first))?;
    Some(format!(
        "\"{first}\" can't begin confirm: it is {trigger} too ({}), and pressing twice would say yes",
        binding.file
    ))
}
