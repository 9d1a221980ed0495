//! One table out of a file and any number of `--set path=value`, that still knows where each value was written. Pure.
//!
//! Every text has its own stretch of one long line of offsets: the file from 0, then each override. A span of the merged
//! table therefore says which text it is of, and an error about an override shows the override.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::domain::problem::{Problem, TEXT_MAX, not_toml};

/// The texts, each with the name that errors call it and the offset of its first byte.
#[derive(Debug)]
pub(super) struct Sources {
    texts: Vec<(String, String, usize)>,
}

impl Sources {
    /// The file's text under its name, and each `--set` argument.
    pub(super) fn new(file: &str, text: &str, overrides: &[String]) -> Self {
        let mut texts = Vec::with_capacity(overrides.len() + 1);
        let mut start = 0;
        let named = std::iter::once((file, text)).chain(overrides.iter().map(|set| ("--set", set.as_str())));
        for (name, text) in named {
            texts.push((name.to_owned(), text.to_owned(), start));
            // One more than its length: an empty span at the end of a text is not one at the start of the next.
            start += text.len() + 1;
        }
        Self { texts }
    }

    /// A problem at a span of the merged table.
    pub(super) fn problem(&self, span: Range<usize>, message: impl Into<String>) -> Problem {
        let owner = self.texts.iter().rev().find(|(_, _, start)| *start <= span.start);
        match owner {
            Some((name, text, start)) => Problem::at(name, text, span.start - start..span.end - start, message),
            None => Problem::new("configuration", message),
        }
    }

    /// Whether the value at `span` was written in an override, and not in the file.
    pub(super) fn is_override(&self, span: &Range<usize>) -> bool {
        self.texts.get(1).is_some_and(|(_, _, start)| *start <= span.start)
    }

    /// The merged table.
    ///
    /// # Errors
    /// The file is no TOML, or an override has no `path=`.
    pub(super) fn merged(&self) -> Result<Spanned<DeTable<'_>>, Problem> {
        let mut texts = self.texts.iter();
        let Some((file, text, _)) = texts.next() else { return Ok(Spanned::new(0..0, DeTable::new())) };
        if text.len() > TEXT_MAX {
            return Err(Problem::new(
                file,
                format!("the file is longer than {} KiB, and no more is read", TEXT_MAX / 1024),
            ));
        }
        let mut root =
            DeTable::parse(text).map_err(|error| not_toml(&error, &|span, said| self.problem(span, said)))?;
        for (_, text, start) in texts {
            let layer = self.override_table(text, *start)?;
            merge(root.get_mut(), layer);
        }
        Ok(root)
    }

    fn override_table<'a>(&self, text: &'a str, start: usize) -> Result<DeTable<'a>, Problem> {
        let whole = start..start + text.len();
        let Some(equals) = equals_sign(text) else {
            return Err(self.problem(whole, "a setting is given as path=value, such as regions.us-east1.context=blue"));
        };
        let (path, value) = (text.get(..equals).unwrap_or_default(), text.get(equals + 1..).unwrap_or_default());
        let wrong = || {
            self.problem(start..start + equals, "this is no path of a setting; write it like regions.us-east1.context")
        };
        if path.contains(['\n', '#', '[']) || path.trim().is_empty() {
            return Err(wrong());
        }
        let line = format!("{path}=0");
        let keys = DeTable::parse(&line).map_err(|_| wrong())?.into_inner();
        let offset = start + equals + 1;
        let value = match DeValue::parse(value.trim()) {
            Ok(parsed) => moved(parsed, offset + (value.len() - value.trim_start().len())),
            // What is no TOML value is a text: nobody should have to quote twice in a shell.
            Err(_) => Spanned::new(offset..offset + value.len(), DeValue::String(Cow::Borrowed(value))),
        };
        Ok(path_table(&keys, start, value))
    }
}

/// The first `=` outside quotes.
fn equals_sign(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '=') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

/// The tables that the one path in `keys` names, with `value` at its end.
fn path_table<'a>(keys: &DeTable<'_>, start: usize, value: Spanned<DeValue<'a>>) -> DeTable<'a> {
    let mut out = DeTable::new();
    let Some((key, below)) = keys.iter().next() else { return out };
    let moved_span = |span: Range<usize>| span.start + start..span.end + start;
    let value = match below.get_ref() {
        DeValue::Table(inner) => {
            let table = path_table(inner, start, value);
            Spanned::new(moved_span(below.span()), DeValue::Table(table))
        }
        _ => value,
    };
    out.insert(Spanned::new(moved_span(key.span()), Cow::Owned(key.get_ref().to_string())), value);
    out
}

/// Lays `layer` over `base`: tables are merged, all else replaced.
fn merge<'a>(base: &mut DeTable<'a>, layer: DeTable<'a>) {
    for (key, value) in layer {
        let below = base.get_mut(key.get_ref().as_ref());
        match (below, value) {
            (Some(below), value) => {
                let span = value.span();
                match (below.get_mut(), value.into_inner()) {
                    (DeValue::Table(below), DeValue::Table(above)) => merge(below, above),
                    (_, above) => *below = Spanned::new(span, above),
                }
            }
            (None, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// The same value with every span moved on by `by`.
fn moved(value: Spanned<DeValue<'_>>, by: usize) -> Spanned<DeValue<'_>> {
    let span = value.span();
    let inner = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(moved_table(table, by)),
        DeValue::Array(items) => DeValue::Array(items.into_iter().map(|item| moved(item, by)).collect()),
        other => other,
    };
    Spanned::new(span.start + by..span.end + by, inner)
}

fn moved_table(table: DeTable<'_>, by: usize) -> DeTable<'_> {
    let mut out = DeTable::new();
    for (key, value) in table {
        let span = key.span();
        out.insert(Spanned::new(span.start + by..span.end + by, key.into_inner()), moved(value, by));
    }
    out
}
