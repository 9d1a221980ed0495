//! A theme as it is written, and what is refused. Pure.

use std::collections::BTreeMap;

use ratatui::style::Modifier;
use serde::Deserialize;
use toml::Spanned;

use super::{BUILT_IN, Level, Look, Role, Slot, Theme, colour};
use crate::domain::problem::{Problem, check_schema, parse_toml};

/// More colours than this nobody tells apart.
const PALETTE_MAX: usize = 16;

const ATTRIBUTES: [(&str, Modifier); 5] = [
    ("bold", Modifier::BOLD),
    ("dim", Modifier::DIM),
    ("italic", Modifier::ITALIC),
    ("underline", Modifier::UNDERLINED),
    ("reverse", Modifier::REVERSED),
];

/// Roles that must not look the same anywhere: a mistake between them is a mistake about where one acts, or whether it
/// can be undone.
const APART: [(Role, Role); 3] =
    [(Role::RegionA, Role::RegionB), (Role::DangerBorder, Role::Border), (Role::DangerBorder, Role::FocusBorder)];

type Text = Spanned<String>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: Spanned<u32>,
    name: Option<String>,
    extends: Option<Text>,
    #[serde(default)]
    palette: BTreeMap<Text, SlotFile>,
    #[serde(default)]
    roles: BTreeMap<Text, LookFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SlotFile {
    rgb: Option<Text>,
    ansi256: Option<Spanned<u8>>,
    ansi16: Option<Text>,
    #[serde(default)]
    mono: Vec<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LookFile {
    fg: Option<Text>,
    bg: Option<Text>,
    #[serde(default)]
    attributes: Vec<Text>,
    mono: Option<Vec<Text>>,
}

/// The palette so far and the roles so far, each with what stands below it.
#[derive(Default)]
struct Building {
    palette: BTreeMap<String, Slot>,
    /// How each role is written: slots by name, so that a theme which changes a colour of the palette changes the roles.
    looks: BTreeMap<&'static str, Written>,
    problems: Vec<Problem>,
}

#[derive(Clone, Default)]
struct Written {
    fg: Option<String>,
    bg: Option<String>,
    attributes: Modifier,
    mono: Option<Modifier>,
}

pub(super) fn load(file: &str, text: &str) -> Result<Theme, Vec<Problem>> {
    let mut building = Building::default();
    let name = lay(file, text, &mut building, 0).map_err(|problem| vec![problem])?;
    if !building.problems.is_empty() {
        return Err(building.problems);
    }
    let theme = Theme { name, looks: building.looks() };
    let alike = alike(file, &theme);
    if alike.is_empty() { Ok(theme) } else { Err(alike) }
}

/// Lays one file over what it extends. Built-in themes extend nothing, so that this goes no deeper than one.
fn lay(file: &str, text: &str, building: &mut Building, depth: usize) -> Result<String, Problem> {
    let written: File = parse_toml(file, text)?;
    let wrong = |span, message: String| Problem::at(file, text, span, message);
    check_schema(&written.schema, &wrong)?;
    let is_built_in = BUILT_IN.iter().any(|(_, built_in)| *built_in == text);
    let base = match &written.extends {
        Some(name) => {
            let base = BUILT_IN.iter().find(|(known, _)| known == name.get_ref());
            let known = BUILT_IN.iter().map(|(known, _)| *known);
            let list: Vec<&str> = known.clone().collect();
            let message = format!("no theme \"{}\" to extend; there are {}", name.get_ref(), list.join(", "));
            Some(*base.ok_or_else(|| wrong(name.span(), message).about(name.get_ref()).among(known))?)
        }
        None if is_built_in => None,
        None => BUILT_IN.first().copied(),
    };
    if let (Some((name, text)), 0) = (base, depth) {
        lay(name, text, building, depth + 1)?;
    }
    for (name, slot) in written.palette {
        let slot = read_slot(&slot, building, &wrong);
        building.palette.insert(name.into_inner(), slot);
    }
    if building.palette.len() > PALETTE_MAX {
        let count = building.palette.len();
        building.problems.push(Problem::new(file, format!("a palette of {count} colours; at most {PALETTE_MAX}")));
    }
    for (name, look) in written.roles {
        let Some(role) = Role::named(name.get_ref()) else {
            let roles = Role::ALL.iter().map(|role| role.name());
            let message = format!("no role \"{}\"", name.get_ref());
            building.problems.push(wrong(name.span(), message).about(name.get_ref()).among(roles));
            continue;
        };
        let read = read_look(&look, building, &wrong);
        building.looks.insert(role.name(), read);
    }
    let stem = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".toml");
    Ok(written.name.unwrap_or_else(|| stem.to_owned()))
}

type Wrong<'a> = dyn Fn(std::ops::Range<usize>, String) -> Problem + 'a;

fn read_slot(written: &SlotFile, building: &mut Building, wrong: &Wrong<'_>) -> Slot {
    let mut slot = Slot { mono: attributes(&written.mono, building, wrong), ..Slot::default() };
    if let Some(text) = &written.rgb {
        slot.rgb = colour::rgb(text.get_ref());
        if slot.rgb.is_none() {
            building.problems.push(wrong(text.span(), format!("{:?} is no colour like \"#1d2b3a\"", text.get_ref())));
        }
    }
    slot.indexed = written.ansi256.as_ref().map(|index| *index.get_ref());
    if let Some(text) = written.ansi16.as_ref().filter(|text| text.get_ref() != "default") {
        let index = colour::NAMES_16.iter().position(|name| name == text.get_ref());
        slot.ansi16 = index.and_then(|index| u8::try_from(index).ok());
        if index.is_none() {
            let message = format!("no colour \"{}\" among the sixteen", text.get_ref());
            let names = colour::NAMES_16.into_iter().chain(["default"]);
            building.problems.push(wrong(text.span(), message).about(text.get_ref()).among(names));
        }
    }
    slot
}

fn read_look(written: &LookFile, building: &mut Building, wrong: &Wrong<'_>) -> Written {
    for slot in [&written.fg, &written.bg].into_iter().flatten() {
        if !building.palette.contains_key(slot.get_ref()) {
            let message = format!("no colour \"{}\" in the palette", slot.get_ref());
            let problem = wrong(slot.span(), message).about(slot.get_ref());
            let problem = problem.among(building.palette.keys().map(String::as_str));
            building.problems.push(problem);
        }
    }
    Written {
        fg: written.fg.as_ref().map(|text| text.get_ref().clone()),
        bg: written.bg.as_ref().map(|text| text.get_ref().clone()),
        attributes: attributes(&written.attributes, building, wrong),
        mono: written.mono.as_ref().map(|list| attributes(list, building, wrong)),
    }
}

fn attributes(words: &[Text], building: &mut Building, wrong: &Wrong<'_>) -> Modifier {
    let mut all = Modifier::empty();
    for word in words {
        match ATTRIBUTES.iter().find(|(name, _)| name == word.get_ref()) {
            Some((_, attribute)) => all |= *attribute,
            None if word.get_ref().contains("blink") => {
                building.problems.push(wrong(word.span(), "nothing blinks here; take reverse or bold".to_owned()));
            }
            None => {
                let names = ATTRIBUTES.iter().map(|(name, _)| *name);
                let problem = wrong(word.span(), format!("no attribute \"{}\"", word.get_ref()));
                building.problems.push(problem.about(word.get_ref()).among(names));
            }
        }
    }
    all
}

impl Building {
    fn looks(&self) -> Vec<Look> {
        let slot = |name: &Option<String>| name.as_ref().and_then(|name| self.palette.get(name)).copied();
        let look = |role: &Role| {
            let written = self.looks.get(role.name()).cloned().unwrap_or_default();
            Look { fg: slot(&written.fg), bg: slot(&written.bg), attributes: written.attributes, mono: written.mono }
        };
        Role::ALL.iter().map(look).collect()
    }
}

/// Pairs that must stand apart and do not, at the first level where they do not.
fn alike(file: &str, theme: &Theme) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (one, other) in APART {
        let level = Level::ALL.into_iter().find(|level| theme.style(one, *level) == theme.style(other, *level));
        if let Some(level) = level {
            let message = format!(
                "{} and {} look the same on a terminal of {} colours; give one of them another attribute",
                one.name(),
                other.name(),
                level.word()
            );
            problems.push(Problem::new(file, message));
        }
    }
    problems
}
