//! What the terminal can show, told from the environment alone. The decision is pure; the environment is handed in.
//!
//! Nothing is asked of the terminal itself: over SSH an answer comes late and reads as keys. So this is a ladder of hints,
//! the strongest first (`no-color.org`; `COLORTERM` as termcap's "truecolor" convention; the names of terminfo).
//!
//! `Level::Ansi16` is given only where the terminal is believed to understand `38;5;N`, for that is what crossterm sends
//! for the first sixteen colours too (its `style/types/colored.rs`); a terminal that does not would read the 5 as blink.
//! Those get `Level::Mono`. Whatever the level, the session tells crossterm `force_color_output(true)`, since `NO_COLOR`
//! is answered here: crossterm 0.29 would otherwise turn each colour command into a bare `CSI m` and wipe bold and reverse.

use crate::ui::glyphs::GlyphSet;
use crate::ui::theme::Level;

/// What a person said on the command line or in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wishes {
    /// The flag for colours.
    pub level_flag: Option<Level>,
    /// The colours that the configuration asks for; below `NO_COLOR`, which is said for this one call.
    pub level_file: Option<Level>,
    /// The flag for signs.
    pub glyphs_flag: Option<GlyphSet>,
}

/// What will be sent, and why: the reasons are for `doctor`, where people look when the screen looks wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder {
    /// Colours.
    pub level: Level,
    /// Why so many.
    pub level_why: String,
    /// Signs.
    pub glyphs: GlyphSet,
    /// Why these.
    pub glyphs_why: String,
}

/// Terminals of terminfo that know no `38;5;N`. `screen`, `linux` and xterm's kin do.
const NO_INDEXED: [&str; 12] =
    ["dumb", "unknown", "vt", "ansi", "cons25", "sun", "cygwin", "wyse", "hp", "ibm", "tvi", "adm"];

/// Decides by wishes and environment.
pub fn decide(wishes: Wishes, env: &dyn Fn(&str) -> Option<String>) -> Ladder {
    let (level, level_why) = level(wishes, env);
    let (glyphs, glyphs_why) = glyphs(wishes, env);
    Ladder { level, level_why, glyphs, glyphs_why }
}

fn level(wishes: Wishes, env: &dyn Fn(&str) -> Option<String>) -> (Level, String) {
    if let Some(level) = wishes.level_flag {
        return (level, "asked for by flag".to_owned());
    }
    // The convention counts it only when it is not empty.
    if set(env, "NO_COLOR").is_some() {
        return (Level::Mono, "NO_COLOR is set".to_owned());
    }
    if let Some(level) = wishes.level_file {
        return (level, "asked for by the configuration".to_owned());
    }
    let Some(term) = set(env, "TERM") else { return (Level::Mono, "TERM is not set".to_owned()) };
    let name = term.to_ascii_lowercase();
    if let Some(level) = by_suffix(&name) {
        // A suffix is of the terminal itself, so it bounds what COLORTERM may claim only below.
        if level == Level::Indexed && believable(&name) && truecolour(env) {
            return (Level::TrueColour, "COLORTERM".to_owned());
        }
        return (level, format!("TERM={}", shown(&term)));
    }
    if believable(&name) && truecolour(env) {
        return (Level::TrueColour, "COLORTERM".to_owned());
    }
    let old = NO_INDEXED.iter().any(|prefix| is_of(&name, prefix));
    let level = if old { Level::Mono } else { Level::Ansi16 };
    (level, format!("TERM={}", shown(&term)))
}

/// What the name itself says of colours.
fn by_suffix(name: &str) -> Option<Level> {
    if name.ends_with("-mono") || name.ends_with("-m") {
        Some(Level::Mono)
    } else if name.ends_with("-direct") || name.ends_with("-truecolor") {
        Some(Level::TrueColour)
    } else if name.ends_with("-256color") {
        Some(Level::Indexed)
    } else if name.ends_with("-16color") || name.ends_with("-88color") {
        Some(Level::Ansi16)
    } else {
        None
    }
}

/// Whether `COLORTERM` may be believed. GNU screen hands on the one it was started under and shows fewer colours
/// (derailed/k9s#2810); the kernel's console, serial lines and dumb terminals inherit it over `ssh -o SendEnv`.
fn believable(name: &str) -> bool {
    !["screen", "linux", "dumb", "unknown", "vt"].iter().any(|prefix| is_of(name, prefix))
}

/// `vt220` and `vt100-w` are of `vt`; `vte-256color` is not.
fn is_of(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.chars().next().is_none_or(|c| !c.is_ascii_alphabetic()))
}

fn truecolour(env: &dyn Fn(&str) -> Option<String>) -> bool {
    set(env, "COLORTERM").is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "truecolor" | "24bit"))
}

fn glyphs(wishes: Wishes, env: &dyn Fn(&str) -> Option<String>) -> (GlyphSet, String) {
    if let Some(glyphs) = wishes.glyphs_flag {
        return (glyphs, "asked for by flag".to_owned());
    }
    // POSIX: the first of these that is set and not empty decides, whatever the later ones say.
    for name in ["LC_ALL", "LC_CTYPE", "LANG"] {
        let Some(value) = set(env, name) else { continue };
        let charset = value.rsplit('.').next().unwrap_or_default();
        // `de_DE.UTF-8@euro`; macOS sends a bare `UTF-8` in LC_CTYPE.
        let charset = charset.split('@').next().unwrap_or_default().to_ascii_lowercase();
        let utf8 = matches!(charset.as_str(), "utf8" | "utf-8");
        let set = if utf8 { GlyphSet::Unicode } else { GlyphSet::Ascii };
        return (set, format!("{name}={}", shown(&value)));
    }
    (GlyphSet::Ascii, "neither LC_ALL, LC_CTYPE nor LANG is set".to_owned())
}

fn set(env: &dyn Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    env(name).filter(|value| !value.is_empty())
}

/// A variable comes from the other end of an SSH connection; it is shown, so it is cleaned.
fn shown(value: &str) -> String {
    crate::domain::problem::printable(value, 40)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(wishes: Wishes, vars: &[(&str, &str)]) -> Ladder {
        decide(wishes, &|name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn colours() {
        use Level::{Ansi16, Indexed, Mono, TrueColour};
        let table: &[(&[(&str, &str)], Level)] = &[
            (&[], Mono),
            (&[("TERM", "")], Mono),
            (&[("TERM", "xterm")], Ansi16),
            (&[("TERM", "xterm-256color")], Indexed),
            (&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")], TrueColour),
            (&[("TERM", "xterm-256color"), ("COLORTERM", "24bit")], TrueColour),
            (&[("TERM", "xterm-256color"), ("COLORTERM", "yes")], Indexed),
            (&[("TERM", "xterm-kitty"), ("COLORTERM", "truecolor")], TrueColour),
            (&[("TERM", "xterm-direct")], TrueColour),
            (&[("TERM", "tmux-256color"), ("COLORTERM", "truecolor")], TrueColour),
            (&[("TERM", "screen"), ("COLORTERM", "truecolor")], Ansi16),
            (&[("TERM", "screen-256color"), ("COLORTERM", "truecolor")], Indexed),
            (&[("TERM", "screen.xterm-256color"), ("COLORTERM", "truecolor")], Indexed),
            (&[("TERM", "linux"), ("COLORTERM", "truecolor")], Ansi16),
            (&[("TERM", "linux-16color")], Ansi16),
            (&[("TERM", "vte-256color"), ("COLORTERM", "truecolor")], TrueColour),
            (&[("TERM", "vte")], Ansi16),
            (&[("TERM", "vt100"), ("COLORTERM", "truecolor")], Mono),
            (&[("TERM", "vt220")], Mono),
            (&[("TERM", "DUMB"), ("COLORTERM", "truecolor")], Mono),
            (&[("TERM", "ansi")], Mono),
            (&[("TERM", "xterm-mono")], Mono),
            (&[("TERM", "rxvt-16color")], Ansi16),
            (&[("TERM", "alacritty"), ("NO_COLOR", "1"), ("COLORTERM", "truecolor")], Mono),
            (&[("TERM", "xterm-256color"), ("NO_COLOR", "")], Indexed),
        ];
        for (vars, wanted) in table {
            assert_eq!(decided(Wishes::default(), vars).level, *wanted, "{vars:?}");
        }
    }

    #[test]
    fn a_flag_is_above_all_and_no_color_above_the_file() {
        let vars: &[(&str, &str)] = &[("TERM", "dumb"), ("NO_COLOR", "1"), ("LANG", "C")];
        let flag = Wishes {
            level_flag: Some(Level::Indexed),
            level_file: Some(Level::TrueColour),
            glyphs_flag: Some(GlyphSet::Unicode),
        };
        let ladder = decided(flag, vars);
        assert_eq!((ladder.level, ladder.glyphs), (Level::Indexed, GlyphSet::Unicode));
        let file = Wishes { level_file: Some(Level::Ansi16), ..Wishes::default() };
        assert_eq!(decided(file, vars).level, Level::Mono);
        assert_eq!(decided(file, &vars[..1]).level, Level::Ansi16);
    }

    #[test]
    fn signs() {
        use GlyphSet::{Ascii, Unicode};
        let table: &[(&[(&str, &str)], GlyphSet)] = &[
            (&[], Ascii),
            (&[("LANG", "en_US.UTF-8")], Unicode),
            (&[("LANG", "en_US.utf8")], Unicode),
            (&[("LANG", "de_DE.UTF-8@euro")], Unicode),
            (&[("LC_CTYPE", "UTF-8")], Unicode),
            (&[("LANG", "C")], Ascii),
            (&[("LANG", "C.UTF-8")], Unicode),
            (&[("LANG", "POSIX")], Ascii),
            (&[("LANG", "en_US.ISO-8859-1")], Ascii),
            (&[("LANG", "en_US.UTF-8"), ("LC_ALL", "C")], Ascii),
            (&[("LANG", "C"), ("LC_CTYPE", "en_US.UTF-8")], Unicode),
            (&[("LANG", "en_US.UTF-8"), ("LC_ALL", "")], Unicode),
            (&[("LANG", "en_US.UTF-16")], Ascii),
        ];
        for (vars, wanted) in table {
            assert_eq!(decided(Wishes::default(), vars).glyphs, *wanted, "{vars:?}");
        }
    }

    #[test]
    fn the_reasons_name_the_variable_and_are_clean() {
        let ladder = decided(Wishes::default(), &[("TERM", "x\u{1b}[2J"), ("LANG", "C")]);
        assert_eq!((ladder.level_why.as_str(), ladder.glyphs_why.as_str()), ("TERM=x·[2J", "LANG=C"));
    }
}
