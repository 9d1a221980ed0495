//! Which keys ask for what, put together from files. Pure: text in, [`Keymap`] out.
//!
//! The built-in map is a file like any other (`keymaps/default.toml`), so that documentation, help and code can't drift
//! apart. A person's file holds only what differs; what it says replaces the same key in the same section and leaves all
//! else. What can't be meant is refused with its place, and what would be dangerous to guess stops the start.

mod file;
mod resolve;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use super::action::Action;
use super::key::{Key, chord_text};
use crate::domain::problem::Problem;

pub use resolve::{Clash, clash_table};

/// The built-in maps by name, the default first.
pub const PRESETS: [(&str, &str); 3] = [
    ("default", include_str!("../../../keymaps/default.toml")),
    ("vim", include_str!("../../../keymaps/vim.toml")),
    ("k9s", include_str!("../../../keymaps/k9s.toml")),
];

/// What has the focus; a section of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Everywhere but in questions and text fields.
    Global,
    /// A list.
    Table,
    /// One thing opened.
    Detail,
    /// A run.
    Playbook,
    /// A question.
    Confirm,
    /// A text field.
    Text,
}

impl Mode {
    /// All modes, in the order of the file.
    pub const ALL: [Self; 6] = [Self::Global, Self::Table, Self::Detail, Self::Playbook, Self::Confirm, Self::Text];

    /// The section's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Table => "table",
            Self::Detail => "detail",
            Self::Playbook => "playbook",
            Self::Confirm => "confirm",
            Self::Text => "text",
        }
    }

    /// Whether the keys of [`Mode::Global`] work here too. Not where something is typed or asked.
    pub const fn knows_global(self) -> bool {
        matches!(self, Self::Table | Self::Detail | Self::Playbook)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.name())
    }
}

/// What keys typed one after the other come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// They ask for this.
    Action(Action),
    /// They begin a chord; wait for the next key.
    Pending,
    /// They mean nothing here.
    None,
}

/// What one chord does in one section, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The action; `None` where the chord was disabled.
    pub action: Option<Action>,
    /// The file, or the built-in map's name.
    pub file: String,
    /// Its place, for complaints that come later.
    place: Problem,
    /// Higher lies above.
    layer: usize,
}

type Section = BTreeMap<Vec<Key>, Binding>;

/// The resolved map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keymap {
    /// What works in each mode: its own section, and below it the global one where it knows that.
    modes: BTreeMap<Mode, Section>,
    clashes: Vec<Clash>,
}

impl Keymap {
    /// Puts the map together: `layers` are (file name, text), the lowest first, and lie on the built-in default.
    ///
    /// What comes with the map are complaints that did not stop it: the binding complained about is then left out.
    ///
    /// # Errors
    /// All complaints, when one of them is about a text that can't be read, about an action that leads to an effect, or
    /// about the rules for questions (no single printable key may say yes, nor the key that asked).
    pub fn load(layers: &[(&str, &str)]) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        resolve::load(layers)
    }

    /// What `keys`, typed one after the other, come to.
    pub fn lookup(&self, mode: Mode, keys: &[Key]) -> Lookup {
        let Some(section) = self.modes.get(&mode).filter(|_| !keys.is_empty()) else { return Lookup::None };
        if let Some(binding) = section.get(keys) {
            return binding.action.map_or(Lookup::None, Lookup::Action);
        }
        // The map is ordered, so that all chords with this beginning stand together.
        let longer = section.range(keys.to_vec()..).take_while(|(chord, _)| chord.starts_with(keys));
        let pending = longer.filter(|(_, binding)| binding.action.is_some()).count() > 0;
        if pending { Lookup::Pending } else { Lookup::None }
    }

    /// The keys that ask for an action in a mode, as a file would write them, the shortest first.
    pub fn keys_for(&self, mode: Mode, action: Action) -> Vec<String> {
        let mut keys: Vec<&Vec<Key>> =
            self.bindings(mode).filter(|(_, binding)| binding.action == Some(action)).map(|(keys, _)| keys).collect();
        // Of two keys of the same length, the one to be read on the keyboard is the better hint.
        keys.sort_by_key(|keys| (keys.len(), !keys.iter().all(|key| key.is_printable()), keys.to_vec()));
        keys.into_iter().map(|keys| chord_text(keys)).collect()
    }

    /// Everything that works in a mode, for help and for `keymap print`.
    pub fn bindings(&self, mode: Mode) -> impl Iterator<Item = (&Vec<Key>, &Binding)> {
        self.modes.get(&mode).into_iter().flatten().filter(|(_, binding)| binding.action.is_some())
    }

    /// Two bindings that could not both be kept, each with what was done.
    pub fn clashes(&self) -> &[Clash] {
        &self.clashes
    }

    /// The resolved map as a keymap file, which read back gives the same map.
    pub fn print(&self) -> String {
        let mut out = String::from("schema = 1\nextends = \"none\"\n");
        for mode in Mode::ALL {
            out.push_str(&format!("\n{mode}\n"));
            for (keys, binding) in self.bindings(mode) {
                let key = toml::Value::String(chord_text(keys));
                let action = binding.action.map_or("<disabled>", Action::name);
                out.push_str(&format!("{key} = \"{action}\"  # {}\n", binding.file.replace(char::is_control, "·")));
            }
        }
        out
    }
}
