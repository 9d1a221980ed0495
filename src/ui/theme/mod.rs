//! Colours by what they mean. Pure: text in, [`Theme`] out.
//!
//! A theme file has a palette (at most sixteen colours, each for terminals of every ability) and roles made of it. The
//! code asks for a role and never for a colour. Beside its colour a role has an attribute and, where it is a state, a
//! mark (`glyphs`), so that a screen reads the same without any colour.
//!
//! What each level sends: `TrueColour` 24-bit colours; `Indexed` those of the 256 that every terminal shows alike (16 and
//! above, unless the theme asks for one of the first sixteen); `Ansi16` the first sixteen, which crossterm sends as
//! `38;5;N` and not as `31` (its `style/types/colored.rs`), so that this level is only for terminals which know that form;
//! `Mono` no colour at all, only bold, dim, italic, underline and reverse. At `Mono` crossterm must be told to leave
//! `NO_COLOR` to us (`force_color_output(true)`): else it turns each colour command, resets among them, into a bare
//! `CSI m`, which also wipes bold and reverse.

mod colour;
mod file;
#[cfg(test)]
mod tests;

use ratatui::style::{Color, Modifier, Style};

use super::glyphs::{self, GlyphSet, Mark};
use crate::domain::problem::Problem;

/// The built-in themes by name, the default first.
pub const BUILT_IN: [(&str, &str); 6] = [
    ("default-dark", include_str!("../../../themes/default-dark.toml")),
    ("default-light", include_str!("../../../themes/default-light.toml")),
    ("ansi16", include_str!("../../../themes/ansi16.toml")),
    ("mono", include_str!("../../../themes/mono.toml")),
    ("high-contrast", include_str!("../../../themes/high-contrast.toml")),
    ("cvd-safe", include_str!("../../../themes/cvd-safe.toml")),
];

/// How many colours the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// None; attributes only.
    Mono,
    /// Sixteen, as the terminal's own theme has them.
    Ansi16,
    /// 256.
    Indexed,
    /// 24 bits.
    TrueColour,
}

impl Level {
    /// All of them, the poorest first.
    pub const ALL: [Self; 4] = [Self::Mono, Self::Ansi16, Self::Indexed, Self::TrueColour];

    /// The word for `--colour` and for `doctor`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mono => "mono",
            Self::Ansi16 => "16",
            Self::Indexed => "256",
            Self::TrueColour => "truecolor",
        }
    }
}

macro_rules! roles {
    ($($variant:ident, $name:literal, $mark:expr, $meaning:literal;)*) => {
        /// What a piece of the screen means.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Role {
            $(#[doc = $meaning] $variant,)*
        }

        impl Role {
            /// Every role.
            pub const ALL: &'static [Role] = &[$(Role::$variant,)*];

            /// The name in theme files.
            pub const fn name(self) -> &'static str {
                match self { $(Role::$variant => $name,)* }
            }

            /// The mark that stands beside the colour, for roles that are a state.
            pub const fn mark(self) -> Option<Mark> {
                match self { $(Role::$variant => $mark,)* }
            }
        }
    };
}

roles! {
    Text, "text", None, "What is read; also the ground under everything.";
    Dim, "dim", None, "What is said beside: labels, units, old news.";
    Title, "title", None, "The title of a pane.";
    Header, "header", None, "The first line, and the heads of columns.";
    Key, "key", None, "A key in a hint.";
    Border, "border", None, "The frame of a pane.";
    FocusBorder, "focus-border", None, "The frame of the pane that has the keys.";
    DangerBorder, "danger-border", None, "The frame around what can't be undone.";
    Selected, "selected", None, "The line under the cursor.";
    Good, "good", Some(glyphs::PASS), "As it should be, on fresh evidence.";
    Warn, "warn", Some(glyphs::WARN), "Goes, at a price.";
    Bad, "bad", Some(glyphs::BLOCK), "As it must not be.";
    Unknown, "unknown", Some(glyphs::UNKNOWN), "Can't be told.";
    Overridden, "overridden", Some(glyphs::OVERRIDDEN), "Passed over by a person.";
    Stale, "stale", Some(glyphs::STALE), "A fact too old to act on.";
    Late, "late", Some(glyphs::LATE), "A source overdue.";
    Running, "running", Some(glyphs::ALIVE), "At work.";
    Pending, "pending", Some(glyphs::TO_COME), "Waiting, or still to come.";
    RegionA, "region-a", None, "Whatever belongs to the first region.";
    RegionB, "region-b", None, "Whatever belongs to the second region.";
    Chart, "chart", None, "The line of a chart.";
    ChartLimit, "chart-limit", None, "The limit in a chart.";
    Input, "input", None, "A text field.";
    Banner, "banner", None, "Read-only, drill, frozen: what the whole screen must be read under.";
}

impl Role {
    /// The role of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|role| role.name() == name)
    }
}

/// One colour of the palette, for terminals of every ability. What is absent is the terminal's own colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Slot {
    rgb: Option<(u8, u8, u8)>,
    indexed: Option<u8>,
    ansi16: Option<u8>,
    mono: Modifier,
}

/// How a role looks, before the terminal's ability is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Look {
    fg: Option<Slot>,
    bg: Option<Slot>,
    attributes: Modifier,
    /// In place of the attributes where there is no colour.
    mono: Option<Modifier>,
}

/// A theme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theme {
    name: String,
    /// One for each of [`Role::ALL`], in its order.
    looks: Vec<Look>,
}

impl Theme {
    /// Reads a theme; `file` is its name in errors. A theme may say `extends = "default-light"` and hold only what differs;
    /// without that word it extends the default.
    ///
    /// # Errors
    /// All that is wrong with it, among it a theme in which the two regions, or a frame of danger and any other frame,
    /// look the same on some terminal.
    pub fn load(file: &str, text: &str) -> Result<Self, Vec<Problem>> {
        file::load(file, text)
    }

    /// A built-in theme.
    ///
    /// # Errors
    /// There is none of that name; the problem names the nearest.
    pub fn built_in(name: &str) -> Result<Self, Vec<Problem>> {
        match BUILT_IN.iter().find(|(known, _)| *known == name) {
            Some((known, text)) => file::load(known, text),
            None => {
                let names = || BUILT_IN.iter().map(|(known, _)| *known);
                let list: Vec<&str> = names().collect();
                let message = format!("no theme \"{name}\"; there are {}", list.join(", "));
                Err(vec![Problem::new("theme", message).about(name).among(names())])
            }
        }
    }

    /// The theme's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How a role looks on a terminal. A role without a ground of its own leaves that of what it is painted on.
    pub fn style(&self, role: Role, level: Level) -> Style {
        let look = self.looks.get(role as usize).copied().unwrap_or_default();
        let slots = [look.fg, look.bg];
        let attributes = match (level, look.mono) {
            (Level::Mono, Some(own)) => own,
            (Level::Mono, None) => slots.iter().flatten().fold(look.attributes, |all, slot| all | slot.mono),
            _ => look.attributes,
        };
        Style {
            fg: look.fg.and_then(|slot| slot.colour(level)),
            bg: look.bg.and_then(|slot| slot.colour(level)),
            ..Style::default()
        }
        .add_modifier(attributes)
    }

    /// The mark of a role that is a state, for the signs that the terminal can show; empty for any other role.
    pub const fn mark(role: Role, set: GlyphSet) -> &'static str {
        match role.mark() {
            Some(mark) => mark.in_set(set),
            None => "",
        }
    }
}

impl Slot {
    /// The colour at a level, or the next poorer one that the slot has.
    fn colour(self, level: Level) -> Option<Color> {
        let ansi16 = || self.ansi16.map_or(Color::Reset, named);
        match level {
            Level::Mono => None,
            Level::Ansi16 => Some(ansi16()),
            Level::Indexed => {
                let index = self.indexed.or_else(|| self.rgb.map(colour::nearest_indexed));
                Some(index.map_or_else(ansi16, Color::Indexed))
            }
            Level::TrueColour => match self.rgb {
                Some((red, green, blue)) => Some(Color::Rgb(red, green, blue)),
                None => Some(self.indexed.map_or_else(ansi16, Color::Indexed)),
            },
        }
    }
}

/// One of the first sixteen.
const fn named(index: u8) -> Color {
    match index {
        0 => Color::Black,
        1 => Color::Red,
        2 => Color::Green,
        3 => Color::Yellow,
        4 => Color::Blue,
        5 => Color::Magenta,
        6 => Color::Cyan,
        7 => Color::Gray,
        8 => Color::DarkGray,
        9 => Color::LightRed,
        10 => Color::LightGreen,
        11 => Color::LightYellow,
        12 => Color::LightBlue,
        13 => Color::LightMagenta,
        14 => Color::LightCyan,
        _ => Color::White,
    }
}
