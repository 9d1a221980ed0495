//! Files over files: what replaces what, and what can't stand together. Pure.
//!
//! Two chords can't stand together when one begins the other: the shorter would fire before the longer is typed. Of two
//! files the higher wins. Within one file nobody can say which was meant: both are left out and what lay below stays,
//! unless one of them leads to an effect, which stops the start.

use std::collections::BTreeMap;

use super::{Binding, Keymap, Mode, PRESETS, Section, file, rules};
use crate::console::action::Action;
use crate::console::key::{Key, chord_text};
use crate::domain::problem::Problem;

/// Two bindings that could not both be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    /// The shorter chord, as a file would write it.
    pub keys: String,
    /// Where.
    pub mode: Mode,
    /// One action, its chord and its file.
    pub first: (Option<Action>, String, String),
    /// The other action, its chord and its file.
    pub second: (Option<Action>, String, String),
}

/// The clashes as a table of key, mode, action (file), action (file).
pub fn clash_table(clashes: &[Clash]) -> String {
    let side = |(action, keys, file): &(Option<Action>, String, String)| {
        format!("{} on {keys} ({file})", action.map_or("<disabled>", Action::name))
    };
    let mut rows = vec![["KEY".to_owned(), "MODE".to_owned(), "ONE".to_owned(), "OTHER".to_owned()]];
    rows.extend(
        clashes
            .iter()
            .map(|clash| [clash.keys.clone(), clash.mode.name().to_owned(), side(&clash.first), side(&clash.second)]),
    );
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..4).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// The sections as the files write them, before the global one is laid below the others.
type Sections = BTreeMap<Mode, Section>;

#[derive(Default)]
struct State {
    sections: Sections,
    problems: Vec<Problem>,
    clashes: Vec<Clash>,
    grave: bool,
}

pub(super) fn load(layers: &[(&str, &str)]) -> Result<(Keymap, Vec<Problem>), Vec<Problem>> {
    let mut state = State::default();
    preset("default", &mut state).map_err(|problem| vec![problem])?;
    let mut unread = Vec::new();
    for (index, (name, text)) in layers.iter().enumerate() {
        // Built-in maps are layers 0 and 1: a preset lies on the default.
        if let Err(problem) = layer(name, text, index + 2, &mut state) {
            unread.push(problem);
        }
    }
    let modes = effective(&mut state);
    if !unread.is_empty() {
        unread.extend(state.problems);
        return Err(unread);
    }
    let broken = rules::broken(&modes);
    if state.grave || !broken.is_empty() {
        state.problems.extend(broken);
        return Err(state.problems);
    }
    Ok((Keymap { modes, clashes: state.clashes }, state.problems))
}

/// Lays a built-in map (and what it extends) over nothing.
fn preset(name: &str, state: &mut State) -> Result<(), Problem> {
    state.sections = Sections::new();
    for part in PRESETS.iter().filter(|(preset, _)| *preset == "default" || *preset == name) {
        let (part_name, text) = part;
        let read = file::read(part_name, text, usize::from(*part_name != "default"))?;
        lay(read.lines, state);
    }
    Ok(())
}

fn layer(name: &str, text: &str, index: usize, state: &mut State) -> Result<(), Problem> {
    let read = file::read(name, text, index)?;
    match read.extends.as_deref() {
        None => {}
        Some("none") => state.sections = Sections::new(),
        Some(base) => preset(base, state)?,
    }
    state.problems.extend(read.problems);
    state.grave |= read.grave;
    lay(read.lines, state);
    Ok(())
}

/// Lays the lines of one file over what is there.
fn lay(lines: Vec<(Mode, Vec<Key>, Binding)>, state: &mut State) {
    let mut own: BTreeMap<Mode, Section> = BTreeMap::new();
    let mut dropped: Vec<(Mode, Vec<Key>)> = Vec::new();
    for (mode, keys, binding) in lines {
        let section = own.entry(mode).or_default();
        let rival = section.iter().find(|(other, rival)| {
            rival.action != binding.action
                && binding.action.is_some()
                && rival.action.is_some()
                && overlap(other, &keys)
        });
        let same_key = section.get_key_value(&keys);
        if let Some((other, rival)) = rival.or(same_key) {
            state.grave |= [rival.action, binding.action].iter().flatten().any(|action| action.is_dangerous());
            note(mode, (&keys, &binding), (other, rival), "neither is taken", state);
            dropped.push((mode, keys.clone()));
            dropped.push((mode, other.clone()));
        }
        section.insert(keys, binding);
    }
    for (mode, keys) in dropped {
        own.entry(mode).or_default().remove(&keys);
    }
    for (mode, section) in own {
        // What the file switches off first: it is then no rival of what the same file binds.
        let (off, on): (Vec<_>, Vec<_>) = section.into_iter().partition(|(_, binding)| binding.action.is_none());
        for (keys, binding) in off.into_iter().chain(on) {
            let below = state.sections.entry(mode).or_default();
            let rivals: Vec<Vec<Key>> = below
                .keys()
                .filter(|other| **other != keys && binding.action.is_some() && overlap(other, &keys))
                .cloned()
                .collect();
            for other in rivals {
                let removed = state.sections.entry(mode).or_default().remove(&other);
                if let Some(rival) = removed.filter(|rival| rival.action.is_some()) {
                    note(mode, (&keys, &binding), (&other, &rival), "the first is taken", state);
                }
            }
            state.sections.entry(mode).or_default().insert(keys, binding);
        }
    }
}

/// Whether one chord begins with the other.
fn overlap(one: &[Key], other: &[Key]) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

fn note(mode: Mode, one: (&[Key], &Binding), other: (&[Key], &Binding), outcome: &str, state: &mut State) {
    let side = |(keys, binding): (&[Key], &Binding)| (binding.action, chord_text(keys), binding.file.clone());
    let (first, second) = (side(one), side(other));
    let shorter = if one.0.len() <= other.0.len() { &first.1 } else { &second.1 };
    let name = |action: Option<Action>| action.map_or("<disabled>", Action::name);
    let mut problem = one.1.place.clone();
    problem.message = format!(
        "clash on \"{shorter}\" in {mode}: {} on \"{}\" ({}) and {} on \"{}\" ({}); {outcome}",
        name(first.0),
        first.1,
        first.2,
        name(second.0),
        second.1,
        second.2
    );
    state.problems.push(problem);
    state.clashes.push(Clash { keys: shorter.clone(), mode, first, second });
}

/// What works in each mode: its own section over the global one, where it knows that.
fn effective(state: &mut State) -> BTreeMap<Mode, Section> {
    let mut modes = BTreeMap::new();
    let sections = std::mem::take(&mut state.sections);
    let global = sections.get(&Mode::Global).cloned().unwrap_or_default();
    for mode in Mode::ALL {
        let mut section = sections.get(&mode).cloned().unwrap_or_default();
        if mode.knows_global() {
            let mut below = Vec::new();
            for (keys, binding) in &global {
                let over = section.iter().find(|(own, _)| overlap(own, keys));
                match over {
                    None => below.push((keys.clone(), binding.clone())),
                    // A key that a person gave a meaning everywhere, hidden here by a map that they did not write.
                    Some((own, hiding)) if binding.layer > hiding.layer && hiding.action != binding.action => {
                        note(mode, (keys, binding), (own, hiding), "here the second is taken", state);
                    }
                    // A disabled chord hides itself, and no longer chord that begins with it.
                    Some((own, hiding)) if hiding.action.is_none() && own != keys => {
                        below.push((keys.clone(), binding.clone()));
                    }
                    Some(_) => {}
                }
            }
            section.extend(below);
        }
        modes.insert(mode, section);
    }
    modes
}
