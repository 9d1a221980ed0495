//! One keymap file as it is written. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::{Binding, Mode, PRESETS};
use crate::console::action::Action;
use crate::console::key::{Key, parse_chord};
use crate::domain::problem::{Problem, check_schema, parse_toml};

type Lines = BTreeMap<Spanned<String>, Spanned<String>>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: Spanned<u32>,
    extends: Option<Spanned<String>>,
    #[serde(default)]
    global: Lines,
    #[serde(default)]
    table: Lines,
    #[serde(default)]
    detail: Lines,
    #[serde(default)]
    playbook: Lines,
    #[serde(default)]
    confirm: Lines,
    #[serde(default)]
    text: Lines,
}

/// What one file says, and what is wrong in it.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub extends: Option<String>,
    pub lines: Vec<(Mode, Vec<Key>, Binding)>,
    pub problems: Vec<Problem>,
    /// A line that can't be read names an action that leads to an effect: better not to start than to guess.
    pub grave: bool,
}

/// Reads one file.
///
/// # Errors
/// The text can't be read at all.
pub(super) fn read(file: &str, text: &str, layer: usize) -> Result<Layer, Problem> {
    let written: File = parse_toml(file, text)?;
    check_schema(&written.schema, &|span, message| Problem::at(file, text, span, message))?;
    let mut out = Layer::default();
    if let Some(name) = written.extends {
        let known = || PRESETS.iter().map(|(name, _)| *name).chain(["none"]);
        if !known().any(|preset| preset == name.get_ref()) {
            let all: Vec<&str> = known().collect();
            let message = format!("no keymap \"{}\" to extend; there are {}", name.get_ref(), all.join(", "));
            return Err(Problem::at(file, text, name.span(), message).about(name.get_ref()).among(known()));
        }
        out.extends = Some(name.into_inner());
    }
    let sections = [
        (Mode::Global, written.global),
        (Mode::Table, written.table),
        (Mode::Detail, written.detail),
        (Mode::Playbook, written.playbook),
        (Mode::Confirm, written.confirm),
        (Mode::Text, written.text),
    ];
    for (mode, lines) in sections {
        let mut lines: Vec<_> = lines.into_iter().collect();
        lines.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in lines {
            match line(file, text, mode, &key, &value, layer) {
                Ok((keys, binding)) => {
                    if keys.iter().any(|key| key.alt) {
                        let message = "alt is sent as escape and the key; on a slow line they may be read apart";
                        out.problems.push(Problem::at(file, text, key.span(), message));
                    }
                    out.lines.push((mode, keys, binding));
                }
                Err(problem) => {
                    out.grave |= Action::named(value.get_ref()).is_some_and(Action::is_dangerous);
                    out.problems.push(problem);
                }
            }
        }
    }
    Ok(out)
}

fn line(
    file: &str,
    text: &str,
    mode: Mode,
    key: &Spanned<String>,
    value: &Spanned<String>,
    layer: usize,
) -> Result<(Vec<Key>, Binding), Problem> {
    let keys = parse_chord(key.get_ref()).map_err(|error| {
        let mut problem = Problem::at(file, text, key.span(), format!("\"{}\": {}", key.get_ref(), error.why));
        problem = problem.about(&error.word);
        problem.nearest = error.nearest;
        problem
    })?;
    let name = value.get_ref().as_str();
    let place = Problem::at(file, text, key.span(), "");
    if name == "<disabled>" {
        return Ok((keys, Binding { action: None, file: file.to_owned(), place, layer }));
    }
    let Some(action) = Action::named(name) else {
        let names = Action::ALL.iter().map(|action| action.name()).chain(["<disabled>"]);
        return Err(Problem::at(file, text, value.span(), format!("no action \"{name}\"")).about(name).among(names));
    };
    if !action.fits(mode) {
        let homes: Vec<String> = Mode::ALL.iter().filter(|m| action.fits(**m)).map(Mode::to_string).collect();
        let message = format!("{name} has no meaning in {mode}; it has one in {}", homes.join(", "));
        return Err(Problem::at(file, text, value.span(), message));
    }
    Ok((keys, Binding { action: Some(action), file: file.to_owned(), place, layer }))
}
