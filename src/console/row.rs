//! A line of a pane, said and not yet painted: words with what they mean. Pure.
//!
//! Pages that scroll are written by the console, since update has to know their length; how a meaning looks (colour,
//! sign, ASCII word) is decided where it is painted.

use crate::domain::region::Side;
use unicode_width::UnicodeWidthChar;

/// What a piece of text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// A fact that holds now.
    #[default]
    Plain,
    /// Beside the facts: labels, units.
    Dim,
    /// A fact that is no longer known to hold.
    Old,
    /// What the eye should find first.
    Strong,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// As it must not be.
    Bad,
    /// Not known.
    Unknown,
    /// Passed over by a person.
    Overridden,
    /// Whatever belongs to that region.
    Region(Side),
    /// A key of the keyboard.
    Key,
    /// What can't be undone.
    Danger,
    /// A text field.
    Field,
}

/// A sign beside words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Passed.
    Pass,
    /// Goes, at a price.
    Warn,
    /// As it must not be.
    Block,
    /// Can't be told.
    Unknown,
    /// Passed over by a person.
    Overridden,
    /// The question does not arise.
    Moot,
    /// Still to come.
    ToCome,
    /// At this one now.
    Here,
    /// From here to there.
    Arrow,
    /// The cursor of a text field.
    Cursor,
}

/// A piece of a line.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// Words.
    Text(String, Tone),
    /// A sign.
    Sign(Sign, Tone),
    /// A sign and its word in so many columns; in ASCII, where the sign is a word itself, the word alone.
    Word(Sign, &'static str, usize, Tone),
    /// A small chart of these values, this many columns wide, the newest at the right.
    Spark(Vec<f64>, u16, Tone),
    /// The line of replication, this many columns wide: whole or broken.
    Flow {
        /// It flows.
        whole: bool,
        /// Towards the right.
        rightwards: bool,
        /// Columns.
        width: u16,
    },
    /// A bar of this many columns.
    Bar(u16, Tone),
    /// What follows stands at the right edge.
    Fill,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row(pub Vec<Piece>);

impl Row {
    /// An empty line.
    #[must_use]
    pub fn new() -> Row {
        Row::default()
    }

    /// A line of one tone.
    #[must_use]
    pub fn of(text: impl Into<String>, tone: Tone) -> Row {
        Row::new().add(text, tone)
    }

    /// Adds words.
    #[must_use]
    pub fn add(mut self, text: impl Into<String>, tone: Tone) -> Row {
        self.0.push(Piece::Text(text.into(), tone));
        self
    }

    /// Adds words of the usual tone.
    #[must_use]
    pub fn say(self, text: impl Into<String>) -> Row {
        self.add(text, Tone::Plain)
    }

    /// Adds words beside the facts.
    #[must_use]
    pub fn dim(self, text: impl Into<String>) -> Row {
        self.add(text, Tone::Dim)
    }

    /// Adds a sign.
    #[must_use]
    pub fn sign(mut self, sign: Sign, tone: Tone) -> Row {
        self.0.push(Piece::Sign(sign, tone));
        self
    }

    /// Adds any piece.
    #[must_use]
    pub fn piece(mut self, piece: Piece) -> Row {
        self.0.push(piece);
        self
    }

    /// Adds the pieces of another line.
    #[must_use]
    pub fn then(mut self, other: Row) -> Row {
        self.0.extend(other.0);
        self
    }

    /// What follows stands at the right edge.
    #[must_use]
    pub fn fill(mut self) -> Row {
        self.0.push(Piece::Fill);
        self
    }

    /// The words alone, for tests and for searching.
    #[must_use]
    pub fn text(&self) -> String {
        self.0
            .iter()
            .filter_map(|piece| if let Piece::Text(text, _) = piece { Some(text.as_str()) } else { None })
            .collect()
    }
}

/// Columns that a text takes.
#[must_use]
pub fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// A text in exactly so many columns: cut with an ellipsis, or filled with blanks.
#[must_use]
pub fn pad(text: &str, columns: usize) -> String {
    let mut text = cut(text, columns);
    let used = width(&text);
    text.extend(std::iter::repeat_n(' ', columns.saturating_sub(used)));
    text
}

/// A text in at most so many columns, cut with an ellipsis.
#[must_use]
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let (mut head, _) = split_at_width(text, columns.saturating_sub(1));
    if columns > 0 && width(&head) < columns {
        head.push('…');
    } else {
        head.clear();
    }
    head
}

/// Units that stay on the line of their number, when at a break either would be read wrongly.
const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "ms", "s"];

/// The words of a text, a number with its unit as one.
fn words(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = Vec::new();
    let mut from = 0;
    for (at, _) in text.match_indices(' ').chain([(text.len(), "")]) {
        let word = text.get(from..at).unwrap_or_default();
        let (begin, next) = (from, text.get(at + 1..).unwrap_or_default());
        let unit = next.split(' ').next().unwrap_or_default().trim_end_matches([',', '.', ';', ':', ')']);
        if word.ends_with(|c: char| c.is_ascii_digit()) && at < text.len() && UNITS.contains(&unit) {
            continue;
        }
        words.push(text.get(begin..at).unwrap_or_default());
        from = at + 1;
    }
    words
}

/// A text in lines of at most `columns`, broken at blanks where there are any.
#[must_use]
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in words(text) {
        let gap = usize::from(!line.is_empty());
        if !line.is_empty() && width(&line) + gap + width(word) > columns {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        while width(&line) > columns {
            let (head, tail) = split_at_width(&line, columns);
            lines.push(head);
            line = tail;
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// A text divided after so many columns.
pub(super) fn split_at_width(text: &str, columns: usize) -> (String, String) {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        let next = used + c.width().unwrap_or(0);
        // The first character goes along even where it is too wide, so that there is always progress.
        if next > columns && at > 0 {
            return (text.get(..at).unwrap_or_default().to_owned(), text.get(at..).unwrap_or_default().to_owned());
        }
        used = next;
    }
    (text.to_owned(), String::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_kept_together() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("no answer in 3 s", 14), ["no answer in", "3 s"]);
        assert_eq!(wrap("up to 1,458.8 KiB, or so", 14), ["up to", "1,458.8 KiB,", "or so"]);
    }

    proptest! {
        #[test]
        fn no_line_is_too_wide_and_nothing_is_lost(text in "[a-zé ]{0,80}", columns in 1_usize..30) {
            let lines = wrap(&text, columns);
            prop_assert!(lines.iter().all(|line| width(line) <= columns));
            let letters = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
        }
    }
}
