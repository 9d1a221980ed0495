//! A key as keymap files write it and as a terminal can send it. Pure; no type of a terminal library is used here.
//!
//! What a terminal without extensions can't send, or sends as another key, is refused with the reason: a binding that
//! never fires is worse than none. The bytes behind that: control and a letter is that letter's code minus 64 (so
//! `ctrl-i` *is* tab, `ctrl-m` enter, `ctrl-[` escape, and upper case does not exist), shift and a letter is the upper
//! case letter, and alt is an escape in front (ECMA-48; XTerm control sequences, "Alt and Meta Keys").

use std::fmt;

use crate::domain::problem::nearest;

/// Which key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// A printable character, as typed: upper case for shift and a letter.
    Char(char),
    /// The enter key.
    Enter,
    /// The escape key.
    Esc,
    /// The tabulator.
    Tab,
    /// Shift and the tabulator.
    BackTab,
    /// Backspace.
    Backspace,
    /// Delete.
    Delete,
    /// Insert.
    Insert,
    /// Home.
    Home,
    /// End.
    End,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Arrow left.
    Left,
    /// Arrow right.
    Right,
    /// A function key, from 1.
    F(u8),
}

/// A key with its modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Which key.
    pub code: Code,
    /// Held with control.
    pub ctrl: bool,
    /// Held with alt.
    pub alt: bool,
    /// Held with shift; never for characters, whose case says it.
    pub shift: bool,
}

/// Why a word is no key, and the nearest that is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyError {
    /// The part of the word that is wrong.
    pub word: String,
    /// Why, or what to write instead.
    pub why: String,
    /// The nearest name of a key.
    pub nearest: Option<String>,
}

/// The longest chord.
pub const CHORD_MAX: usize = 4;

const NAMES: [(&str, Code); 17] = [
    ("enter", Code::Enter),
    ("esc", Code::Esc),
    ("space", Code::Char(' ')),
    ("tab", Code::Tab),
    ("backtab", Code::BackTab),
    ("backspace", Code::Backspace),
    ("delete", Code::Delete),
    ("insert", Code::Insert),
    ("home", Code::Home),
    ("end", Code::End),
    ("pageup", Code::PageUp),
    ("pagedown", Code::PageDown),
    ("up", Code::Up),
    ("down", Code::Down),
    ("left", Code::Left),
    ("right", Code::Right),
    // Last, so that it is read and never printed.
    ("escape", Code::Esc),
];

impl Key {
    /// A key without modifiers.
    pub const fn plain(code: Code) -> Self {
        Self { code, ctrl: false, alt: false, shift: false }
    }

    /// A character without modifiers.
    pub const fn char(c: char) -> Self {
        Self::plain(Code::Char(c))
    }

    /// Control and a character.
    pub const fn ctrl(c: char) -> Self {
        Self { code: Code::Char(c), ctrl: true, alt: false, shift: false }
    }

    /// Whether the key by itself puts a character into a text field.
    pub const fn is_printable(self) -> bool {
        matches!(self.code, Code::Char(_)) && !self.ctrl && !self.alt
    }

    /// Reads one key: `g`, `G`, `enter`, `ctrl-x`, `<ctrl-x>`, `shift-up`, `f5`.
    ///
    /// # Errors
    /// A word that is no key, or a key that a terminal can't send.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let inner = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).filter(|inner| !inner.is_empty());
        let mut rest = inner.unwrap_or(text);
        let mut key = Self::plain(Code::Esc);
        while let Some((word, after)) = modifier(rest) {
            match word {
                "ctrl" => key.ctrl = true,
                "alt" => key.alt = true,
                _ => key.shift = true,
            }
            rest = after;
        }
        key.code = code(rest, text)?;
        key.sendable().map_err(|why| KeyError { word: text.to_owned(), why, nearest: None })
    }

    /// The key as a terminal sends it, or why it can't.
    fn sendable(self) -> Result<Self, String> {
        let Self { code, ctrl, shift, .. } = self;
        if let Code::Char(c) = code {
            if shift {
                let upper: String = c.to_uppercase().collect();
                return Err(format!("a terminal sends shift and a character as the character itself; write {upper:?}"));
            }
            if ctrl {
                return match c {
                    'i' => Err("a terminal sends ctrl-i as tab; write \"tab\"".to_owned()),
                    'm' => Err("a terminal sends ctrl-m as enter; write \"enter\"".to_owned()),
                    'h' => Err("many terminals send ctrl-h as backspace; take another key".to_owned()),
                    '[' => Err("a terminal sends ctrl-[ as escape; write \"esc\"".to_owned()),
                    'a'..='z' | ' ' => Ok(self),
                    c if c.is_ascii_uppercase() => {
                        let lower = c.to_ascii_lowercase();
                        Err(format!(
                            "a terminal sends the same for upper and lower case with ctrl; write \"ctrl-{lower}\""
                        ))
                    }
                    _ => Err("a terminal can't send ctrl with this character".to_owned()),
                };
            }
            return Ok(self);
        }
        if code == Code::Tab && shift && !ctrl {
            return Ok(Self { code: Code::BackTab, shift: false, ..self });
        }
        let editing = matches!(code, Code::Enter | Code::Esc | Code::Tab | Code::BackTab | Code::Backspace);
        if editing && (ctrl || shift) {
            return Err("a terminal sends this key the same with and without the modifier; take another key".to_owned());
        }
        Ok(self)
    }
}

/// A modifier in front of something else. `-` alone is a key, and so is `ctrl` never one.
fn modifier(text: &str) -> Option<(&'static str, &str)> {
    let at = text.find(['-', '+']).filter(|at| *at > 0 && at + 1 < text.len())?;
    let word = match text.get(..at)?.to_ascii_lowercase().as_str() {
        "ctrl" | "control" => "ctrl",
        "alt" | "meta" => "alt",
        "shift" => "shift",
        _ => return None,
    };
    Some((word, text.get(at + 1..)?))
}

fn code(text: &str, whole: &str) -> Result<Code, KeyError> {
    let mut chars = text.chars();
    if let (Some(c), None) = (chars.next(), chars.next()) {
        if c.is_control() || c.is_whitespace() {
            let why = "a key that can't be seen; write its name, such as \"space\" or \"tab\"".to_owned();
            return Err(KeyError { word: whole.to_owned(), why, nearest: None });
        }
        return Ok(Code::Char(c));
    }
    let lower = text.to_ascii_lowercase().replace(['-', '_'], "");
    let lower = match lower.as_str() {
        "return" => "enter",
        "del" => "delete",
        "ins" => "insert",
        "pgup" => "pageup",
        "pgdn" | "pgdown" => "pagedown",
        other => other,
    };
    if let Some((_, code)) = NAMES.iter().find(|(name, _)| *name == lower) {
        return Ok(*code);
    }
    if let Some(number) = lower.strip_prefix('f').and_then(|digits| digits.parse::<u8>().ok())
        && (1..=12).contains(&number)
    {
        return Ok(Code::F(number));
    }
    let near = nearest(lower, NAMES.iter().map(|(name, _)| *name)).map(str::to_owned);
    let letters: Vec<String> = text.chars().map(String::from).collect();
    let why = if near.is_none() && (2..=CHORD_MAX).contains(&letters.len()) {
        format!("no key; the keys of a chord are set apart: \"{}\"", letters.join(" "))
    } else {
        "no key".to_owned()
    };
    Err(KeyError { word: text.to_owned(), why, nearest: near })
}

/// Reads a chord: keys set apart by spaces, `g g`.
///
/// # Errors
/// The first key that is none, an empty chord, one of more than [`CHORD_MAX`] keys.
pub fn parse_chord(text: &str) -> Result<Vec<Key>, KeyError> {
    let keys: Vec<Key> = text.split_whitespace().map(Key::parse).collect::<Result<_, _>>()?;
    let wrong = |why: &str| Err(KeyError { word: text.to_owned(), why: why.to_owned(), nearest: None });
    match keys.len() {
        0 => wrong("no key at all; the space bar is written \"space\""),
        1..=CHORD_MAX => Ok(keys),
        _ => wrong("a chord of more than 4 keys"),
    }
}

/// A chord as a keymap file would write it.
pub fn chord_text(keys: &[Key]) -> String {
    keys.iter().map(Key::to_string).collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (held, name) in [(self.ctrl, "ctrl-"), (self.alt, "alt-"), (self.shift, "shift-")] {
            if held {
                f.write_str(name)?;
            }
        }
        match (self.code, NAMES.iter().find(|(_, code)| *code == self.code)) {
            (_, Some((name, _))) => f.write_str(name),
            (Code::Char(c), _) => write!(f, "{c}"),
            (Code::F(number), _) => write!(f, "f{number}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_people_write() {
        let with = |code, ctrl, alt, shift| Key { code, ctrl, alt, shift };
        let good = [
            ("g", Key::char('g'), "g"),
            ("G", Key::char('G'), "G"),
            ("-", Key::char('-'), "-"),
            ("+", Key::char('+'), "+"),
            ("<", Key::char('<'), "<"),
            ("?", Key::char('?'), "?"),
            ("é", Key::char('é'), "é"),
            ("ctrl-x", Key::ctrl('x'), "ctrl-x"),
            ("Ctrl+x", Key::ctrl('x'), "ctrl-x"),
            ("<ctrl-x>", Key::ctrl('x'), "ctrl-x"),
            ("ctrl-space", Key::ctrl(' '), "ctrl-space"),
            ("space", Key::char(' '), "space"),
            ("Enter", Key::plain(Code::Enter), "enter"),
            ("return", Key::plain(Code::Enter), "enter"),
            ("escape", Key::plain(Code::Esc), "esc"),
            ("page-up", Key::plain(Code::PageUp), "pageup"),
            ("shift-tab", Key::plain(Code::BackTab), "backtab"),
            ("f12", Key::plain(Code::F(12)), "f12"),
            ("shift-up", with(Code::Up, false, false, true), "shift-up"),
            ("ctrl-left", with(Code::Left, true, false, false), "ctrl-left"),
            ("alt-x", with(Code::Char('x'), false, true, false), "alt-x"),
            ("alt--", with(Code::Char('-'), false, true, false), "alt--"),
        ];
        for (text, key, shown) in good {
            assert_eq!(Key::parse(text), Ok(key), "{text}");
            assert_eq!(key.to_string(), shown);
        }
        let bad = [
            ("<shift+a>", "write \"A\""),
            ("ctrl-A", "write \"ctrl-a\""),
            ("ctrl-i", "write \"tab\""),
            ("ctrl-m", "write \"enter\""),
            ("ctrl-[", "write \"esc\""),
            ("ctrl-h", "backspace"),
            ("ctrl-1", "can't send ctrl"),
            ("ctrl-enter", "the same with and without"),
            ("shift-esc", "the same with and without"),
            ("gg", "set apart: \"g g\""),
            ("f13", "no key"),
            ("banana", "no key"),
        ];
        for (text, wanted) in bad {
            let error = Key::parse(text).unwrap_err();
            assert!(error.why.contains(wanted), "{text}: {}", error.why);
        }
        assert_eq!(Key::parse("pgedown").unwrap_err().nearest.as_deref(), Some("pagedown"));
        assert_eq!(Key::parse("ctrl-entre").unwrap_err().nearest.as_deref(), Some("enter"));
    }

    #[test]
    fn chords_have_one_to_four_keys() {
        assert_eq!(parse_chord("g  g"), Ok(vec![Key::char('g'), Key::char('g')]));
        assert!(parse_chord(" ").unwrap_err().why.contains("no key at all"));
        assert!(parse_chord("a b c d e").unwrap_err().why.contains("more than 4"));
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(text in "(<?(ctrl|alt|shift)[-+])?([!-~]|up|tab|f[0-9]{1,2}|\\PC{1,3})>?") {
            if let Ok(key) = Key::parse(&text) {
                prop_assert_eq!(Key::parse(&key.to_string()), Ok(key));
            }
        }
    }
}
