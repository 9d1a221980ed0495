//! Reading a TOML text strictly, and turning what the reader says into words for the person who wrote it. Pure.
//!
//! The reader (`toml` over `serde`) gives a message and a span. The span finds the key and the table it stands in; the
//! message is taken apart by the fixed forms of `serde::de::Error` (serde_core 1, `de/mod.rs`), so that a person reads
//! "a table" and not the name of a struct.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Problem, TEXT_MAX, nearest};

/// Reads `text` as a `T`. `file` is only for the error.
///
/// Every struct in `T` should carry `deny_unknown_fields`: a key that nobody reads is a wish that nobody grants. Avoid
/// `untagged` and `flatten` there: both lose the place of the error.
///
/// # Errors
/// The first thing that is wrong, with line, column, bad word and nearest right one.
pub fn parse_toml<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Problem> {
    if text.len() > TEXT_MAX {
        return Err(too_long(file));
    }
    let at = |span: Range<usize>, message: String| Problem::at(file, text, span, message);
    match DeTable::parse(text) {
        Ok(root) => read_table(root, &at),
        Err(error) => Err(not_toml(&error, &at)),
    }
}

pub(super) fn too_long(file: &str) -> Problem {
    Problem::new(file, format!("the file is longer than {} KiB, and no more is read", TEXT_MAX / 1024))
}

/// Checks the version that a file says it is written in. All files that people write are at version 1.
///
/// `at` makes a problem of a place in the file.
///
/// # Errors
/// Another version.
pub fn check_schema(written: &Spanned<u32>, at: &dyn Fn(Range<usize>, String) -> Problem) -> Result<(), Problem> {
    match *written.get_ref() {
        1 => Ok(()),
        other => Err(at(written.span(), format!("schema {other} is not known here; this leeward reads schema 1"))),
    }
}

/// The error of a text that is no TOML at all; `at` makes a problem of a place in it.
pub fn not_toml(error: &toml::de::Error, at: &dyn Fn(Range<usize>, String) -> Problem) -> Problem {
    at(error.span().unwrap_or(0..0), format!("not valid TOML: {}", one_line(error.message())))
}

/// Reads a parsed table as a `T`; for a reader that puts one table together from several texts.
///
/// `at` makes a problem of a span, and so decides what the spans of `root` mean.
///
/// # Errors
/// The first thing that is wrong, as [`parse_toml`] says it.
pub fn read_table<T: DeserializeOwned>(
    root: Spanned<DeTable<'_>>,
    at: &dyn Fn(Range<usize>, String) -> Problem,
) -> Result<T, Problem> {
    let table = root.get_ref().clone();
    T::deserialize(toml::Deserializer::from(root)).map_err(|error| explain(&table, &error, at).0)
}

/// The key that the reader misses.
pub(super) fn missing(error: &toml::de::Error) -> Option<String> {
    ticked(error.message().strip_prefix("missing field ")?).into_iter().next()
}

/// The error in words, the name of the table that it is about, and the key in it, where it is about one that is there.
pub(super) fn explain(
    table: &DeTable<'_>,
    error: &toml::de::Error,
    at: &dyn Fn(Range<usize>, String) -> Problem,
) -> (Problem, String, Option<String>) {
    let span = error.span().unwrap_or(0..0);
    let found = find(table, &span, &mut Vec::new()).unwrap_or_default();
    let (home, key) = match missing(error) {
        Some(_) => (table_name(&found.whole()), None),
        None => (table_name(&found.path), found.key.clone()),
    };
    (words(error.message(), span, &found, at), home, key)
}

fn words(message: &str, span: Range<usize>, found: &Found, at: &dyn Fn(Range<usize>, String) -> Problem) -> Problem {
    let home = table_name(&found.path);
    if let Some(rest) = message.strip_prefix("unknown field ") {
        return unknown_key(span, rest, &home, at);
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        return unknown_word(span, rest, found.key.as_deref(), at);
    }
    if let Some(rest) = message.strip_prefix("missing field ") {
        let key = ticked(rest).into_iter().next().unwrap_or_default();
        let inside = table_name(&found.whole());
        return at(span, format!("missing key \"{key}\" in {inside}")).about("");
    }
    let subject = match &found.key {
        Some(key) => format!("\"{key}\" in {home}"),
        None => home,
    };
    at(span, plain(message, &subject))
}

fn unknown_key(span: Range<usize>, rest: &str, home: &str, at: &dyn Fn(Range<usize>, String) -> Problem) -> Problem {
    let words = ticked(rest);
    let (key, known) = words.split_first().map(|(k, rest)| (k.clone(), rest)).unwrap_or_default();
    let near = nearest(&key, known.iter().map(String::as_str)).map(str::to_owned);
    let list =
        if near.is_none() && !known.is_empty() { format!("; known: {}", known.join(", ")) } else { String::new() };
    let mut problem = at(span, format!("unknown key \"{key}\" in {home}{list}")).about(&key);
    problem.nearest = near;
    problem
}

fn unknown_word(
    span: Range<usize>,
    rest: &str,
    key: Option<&str>,
    at: &dyn Fn(Range<usize>, String) -> Problem,
) -> Problem {
    let words = ticked(rest);
    let (word, known) = words.split_first().map(|(k, rest)| (k.clone(), rest)).unwrap_or_default();
    let near = nearest(&word, known.iter().map(String::as_str)).map(str::to_owned);
    let name = key.map(|k| format!(" for \"{k}\"")).unwrap_or_default();
    let message = format!("\"{word}\" is no valid value{name}; known: {}", known.join(", "));
    let mut problem = at(span, message).about(&word);
    problem.nearest = near;
    problem
}

/// The words between backticks of a message of serde.
fn ticked(message: &str) -> Vec<String> {
    message.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// `invalid type: integer `5`, expected a string` becomes `"key" in [table] must be a string, not the integer 5`.
fn plain(message: &str, subject: &str) -> String {
    for (form, sort) in [("invalid type: ", true), ("invalid value: ", false)] {
        let Some((found, wanted)) = message.strip_prefix(form).and_then(|rest| rest.rsplit_once(", expected ")) else {
            continue;
        };
        let found = if sort { found_words(found) } else { found.replace('`', "") };
        return format!("{subject} must be {}, not {found}", wanted_words(wanted));
    }
    if let Some((length, wanted)) =
        message.strip_prefix("invalid length ").and_then(|rest| rest.split_once(", expected "))
    {
        return format!("{subject} has {length} elements, expected {wanted}");
    }
    if message == "wanted string or table" {
        return format!("{subject} must be a string or a table");
    }
    format!("{subject}: {}", one_line(message))
}

fn found_words(found: &str) -> String {
    match found.split_once(' ') {
        // What the string says stands on the line that is shown; quoted here it would escape the masking of secrets.
        Some(("string", _)) => "a string".to_owned(),
        None => match found {
            "map" => "a table".to_owned(),
            "sequence" => "a list".to_owned(),
            other => format!("a {other}"),
        },
        Some((sort, value)) => format!("the {sort} {}", value.trim_matches('`')),
    }
}

fn wanted_words(wanted: &str) -> String {
    let plain = match wanted {
        "a map" => "a table",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a borrowed string" | "string" => "a string",
        other if other.starts_with("struct ") => "a table",
        other if other.starts_with("enum ") || other.starts_with("variant ") => "one of the known words",
        other => other,
    };
    plain.to_owned()
}

fn one_line(message: &str) -> String {
    message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(", ")
}

/// A table on the way to a place, or an element of a list of tables (counted from 1).
#[derive(Debug, Clone)]
enum Part {
    Key(String),
    Element(String, usize),
}

#[derive(Debug, Default)]
struct Found {
    /// The tables around the place.
    path: Vec<Part>,
    /// The key at the place.
    key: Option<String>,
}

impl Found {
    /// The path of the value at the place itself.
    fn whole(&self) -> Vec<Part> {
        let mut path = self.path.clone();
        path.extend(self.key.clone().map(Part::Key));
        path
    }
}

/// The key whose name or value stands at `span`, deepest first.
fn find(table: &DeTable<'_>, span: &Range<usize>, path: &mut Vec<Part>) -> Option<Found> {
    for (key, value) in table {
        let name = key.get_ref().to_string();
        let here = || Some(Found { path: path.clone(), key: Some(name.clone()) });
        if key.span() == *span {
            return here();
        }
        match value.get_ref() {
            DeValue::Table(inner) => {
                path.push(Part::Key(name.clone()));
                let found = find(inner, span, path);
                path.pop();
                if found.is_some() {
                    return found;
                }
            }
            DeValue::Array(items) => {
                if let Some(found) = find_in_list(items, span, &name, path) {
                    return Some(found);
                }
            }
            _ => {}
        }
        if holds(&value.span(), span) {
            return Some(Found { path: path.clone(), key: Some(name) });
        }
    }
    None
}

fn find_in_list(
    items: &[Spanned<DeValue<'_>>],
    span: &Range<usize>,
    name: &str,
    path: &mut Vec<Part>,
) -> Option<Found> {
    for (index, item) in items.iter().enumerate() {
        let DeValue::Table(inner) = item.get_ref() else { continue };
        path.push(Part::Element(name.to_owned(), index + 1));
        let found = find(inner, span, path).or_else(|| {
            let whole = holds(&item.span(), span);
            whole.then(|| Found { path: path.clone(), key: None })
        });
        path.pop();
        if found.is_some() {
            return found;
        }
    }
    None
}

pub(super) fn holds(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    !outer.is_empty() && outer.start <= inner.start && inner.end <= outer.end
}

/// `[regions.us-east1]`, `[[step]] number 3`, `the top level`.
fn table_name(path: &[Part]) -> String {
    if path.is_empty() {
        return "the top level".to_owned();
    }
    let names: Vec<String> = path.iter().map(|part| quoted_key(part.name())).collect();
    let numbers: Vec<String> = path
        .iter()
        .filter_map(|part| match part {
            Part::Element(name, number) => Some(format!("{} number {number}", quoted_key(name))),
            Part::Key(_) => None,
        })
        .collect();
    match path.last() {
        Some(Part::Element(_, number)) if numbers.len() == 1 => format!("[[{}]] number {number}", names.join(".")),
        _ if numbers.is_empty() => format!("[{}]", names.join(".")),
        _ => format!("[{}] ({})", names.join("."), numbers.join(", ")),
    }
}

impl Part {
    fn name(&self) -> &str {
        match self {
            Self::Key(name) | Self::Element(name, _) => name,
        }
    }
}

fn quoted_key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if bare { name.to_owned() } else { format!("\"{name}\"") }
}
