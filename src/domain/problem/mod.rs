//! What is wrong with a text that a person wrote, said so that it can be mended at once. Pure.
//!
//! Settings, playbooks, keymaps and themes are all TOML and all read by [`parse_toml`]: one strict reader, one shape of
//! error. A [`Problem`] names file, line and column, the bad word and the nearest right one, and shows the line itself.
//! It is shown on terminals and in logs, so what it quotes is bounded, stripped of control characters and of passwords.

mod explain;
mod gather;
mod quote;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

pub use explain::{check_schema, not_toml, parse_toml, read_table};
pub use gather::{parse_all, read_all};
pub use quote::printable;

/// The longest text [`parse_toml`] reads, in bytes. A person writes no longer one; a wrong path may name one.
pub const TEXT_MAX: usize = 1024 * 1024;

/// The longest word that [`nearest`] compares, in characters: the comparison costs the product of both lengths.
const WORD_MAX: usize = 64;

/// One thing that is wrong with one text.
///
/// `Display` is the headline and, where the line is known, the line with a caret under the bad word. [`Problem::headline`]
/// is the first line alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file as the user named it, or what stands for one (`--set`, `LEEWARD_CONFIG`).
    pub file: String,
    /// Counted from 1; 0 where the trouble has no place in the text.
    pub line: usize,
    /// Counted from 1, in characters; 0 where the trouble has no place in the text.
    pub column: usize,
    /// The bad word itself, empty where it is something missing.
    pub word: String,
    /// What is wrong, without the place and without the suggestion.
    pub message: String,
    /// The word that was probably meant.
    pub nearest: Option<String>,
    /// The offending line, printable and with passwords masked.
    /// Boxed, since a `Problem` is the error of many small functions.
    pub source: Option<Box<SourceLine>>,
}

/// A line of the text, cut to a width that fits a terminal, and where in it the bad word stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// The line, or the part of it around the word.
    pub text: String,
    /// Columns before the word, as a terminal counts them.
    pub indent: usize,
    /// Columns of the word, at least 1.
    pub width: usize,
}

impl Problem {
    /// A problem without a place in the text.
    pub fn new(file: &str, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: 0,
            column: 0,
            word: String::new(),
            message: quote::masked_urls(&message.into()),
            nearest: None,
            source: None,
        }
    }

    /// A problem at the bytes `span` of `text`, whose word is what stands there.
    ///
    /// A span beyond the text, or not on a character's edge, is moved to the nearest place that is. A span that
    /// reaches over several lines names its first line.
    pub fn at(file: &str, text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let start = floor_edge(text, span.start);
        let end = floor_edge(text, span.end.max(start));
        let (line, column) = place(text, start);
        let written = text.get(start..end).unwrap_or_default();
        let written = written.lines().next().unwrap_or_default();
        Self {
            file: file.to_owned(),
            line,
            column,
            word: quote::word(text, start, written),
            message: quote::masked_urls(&message.into()),
            nearest: None,
            source: Some(Box::new(quote::source_line(text, start, written.len()))),
        }
    }

    /// The same with another bad word than what stands at the place.
    #[must_use]
    pub fn about(mut self, word: &str) -> Self {
        self.word = quote::masked_urls(&printable(word, 80));
        self
    }

    /// The same with the candidate nearest to the bad word, if one is near.
    #[must_use]
    pub fn among<'a>(mut self, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        self.nearest = nearest(&self.word, candidates).map(str::to_owned);
        self
    }

    /// `file:line:column: message; did you mean "word"?`, in one line.
    pub fn headline(&self) -> String {
        let file = printable(&self.file, 200);
        let place = if self.line == 0 { String::new() } else { format!(":{}:{}", self.line, self.column) };
        let hint = match &self.nearest {
            Some(word) => format!("; did you mean \"{word}\"?"),
            None => String::new(),
        };
        format!("{file}{place}: {}{hint}", printable(&self.message, 600))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline())?;
        let Some(source) = &self.source else { return Ok(()) };
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        write!(f, "\n {number} | {}", source.text)?;
        write!(f, "\n {gutter} | {}{}", " ".repeat(source.indent), "^".repeat(source.width.max(1)))
    }
}

impl std::error::Error for Problem {}

/// Line and column of a byte offset, both from 1; the column counts characters.
pub fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..floor_edge(text, offset)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// The candidate that was probably meant by `word`, if one is near enough to be worth a suggestion.
///
/// Near: the same but for case, `-` and `_`; or a slip of about one letter in four; or cut short.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = folded(word);
    let length = wanted.chars().count();
    if length == 0 || length > WORD_MAX {
        return None;
    }
    let slips = if length < 3 { 1 } else { 1 + length / 4 };
    let mut best: Option<(usize, f64, &str)> = None;
    for candidate in candidates {
        let known = folded(candidate);
        if known.chars().count() > WORD_MAX {
            continue;
        }
        let mut distance = strsim::damerau_levenshtein(&wanted, &known);
        if distance > slips && length >= 3 && known.starts_with(&wanted) {
            distance = slips;
        }
        // A word all of whose letters must change is another word, however short it is.
        if distance > slips || distance >= length.max(2) {
            continue;
        }
        let likeness = strsim::jaro_winkler(&wanted, &known);
        if best.is_none_or(|(d, l, _)| distance < d || (distance == d && likeness > l)) {
            best = Some((distance, likeness, candidate));
        }
    }
    best.map(|(_, _, candidate)| candidate)
}

fn folded(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

/// The last character's edge at or before `offset`.
fn floor_edge(text: &str, offset: usize) -> usize {
    let mut edge = offset.min(text.len());
    while !text.is_char_boundary(edge) {
        edge -= 1;
    }
    edge
}
