//! Reading a TOML table and going on after what is wrong in it, so that a file is mended in one go. Pure.
//!
//! The reader of `serde` stops at its first error. What it stopped at is noted and struck from the table, or called by its
//! right name, and the whole is read again: each error says its own place, and no key is missed that was only struck.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::explain::{explain, holds, missing, not_toml, too_long};
use super::{Problem, TEXT_MAX};

/// Problems told of one text. More help nobody, and each costs a reading of the whole.
const PROBLEMS_MAX: usize = 50;

/// Reads `text` as a `T` and tells everything that is wrong in its form; `file` is only for the errors.
///
/// With problems there is a `T` too where one can be made of the rest: enough for further checks, and for nothing else.
pub fn parse_all<T: DeserializeOwned>(file: &str, text: &str) -> (Option<T>, Vec<Problem>) {
    let at = |span: Range<usize>, message: String| Problem::at(file, text, span, message);
    if text.len() > TEXT_MAX {
        return (None, vec![too_long(file)]);
    }
    match DeTable::parse(text) {
        Ok(root) => read_all(root, &at),
        Err(error) => (None, vec![not_toml(&error, &at)]),
    }
}

/// The same for a table that was parsed before; `at` makes a problem of a span.
pub fn read_all<T: DeserializeOwned>(
    root: Spanned<DeTable<'_>>,
    at: &dyn Fn(Range<usize>, String) -> Problem,
) -> (Option<T>, Vec<Problem>) {
    let whole = root.get_ref().clone();
    let mut left = root;
    let mut problems = Vec::new();
    // Tables by name, and the keys that were struck from them.
    let mut struck: Vec<(String, String)> = Vec::new();
    while problems.len() < PROBLEMS_MAX {
        let error = match T::deserialize(toml::Deserializer::from(left.clone())) {
            Ok(read) => return (Some(read), problems),
            Err(error) => error,
        };
        let (problem, table, key) = explain(&whole, &error, at);
        // Told already: it misses because it was struck.
        let told = missing(&error).is_some_and(|key| struck.contains(&(table.clone(), key)));
        let meant = problem.nearest.clone().filter(|_| error.message().starts_with("unknown field "));
        if !told {
            problems.push(problem);
        }
        if let Some(key) = key {
            struck.push((table, key));
        }
        let Some(span) = error.span() else { break };
        if !strike(left.get_mut(), &span, meant.as_deref()) {
            break;
        }
    }
    (None, problems)
}

/// Takes the deepest key or element at `span` out of the table. A key whose right name is known takes that instead, so
/// that its value is looked at as well.
fn strike(table: &mut DeTable<'_>, span: &Range<usize>, meant: Option<&str>) -> bool {
    let named = table.iter().find(|(key, _)| key.span() == *span).map(|(key, _)| key.get_ref().to_string());
    if let Some(key) = named {
        let Some(value) = table.remove(key.as_str()) else { return false };
        if let Some(meant) = meant.filter(|meant| !table.contains_key(*meant)) {
            table.insert(Spanned::new(span.clone(), Cow::Owned(meant.to_owned())), value);
        }
        return true;
    }
    let mut holder = None;
    for (key, value) in table.iter_mut() {
        let here = holds(&value.span(), span);
        let below = match value.get_mut() {
            DeValue::Table(inner) => strike(inner, span, meant),
            DeValue::Array(items) => strike_in_list(items, span, meant),
            _ => false,
        };
        if below {
            return true;
        }
        if here {
            holder = Some(key.get_ref().to_string());
        }
    }
    holder.is_some_and(|key| table.remove(key.as_str()).is_some())
}

fn strike_in_list<'a>(items: &mut DeArray<'a>, span: &Range<usize>, meant: Option<&str>) -> bool {
    for item in items.iter_mut() {
        if let DeValue::Table(inner) = item.get_mut()
            && strike(inner, span, meant)
        {
            return true;
        }
    }
    let before = items.len();
    let all: DeArray<'a> = std::mem::replace(items, DeArray::new());
    let kept: Vec<Spanned<DeValue<'a>>> = all.into_iter().filter(|item| !holds(&item.span(), span)).collect();
    kept.into_iter().for_each(|item| items.push(item));
    items.len() < before
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct File {
        schema: u32,
        name: String,
        #[serde(default)]
        step: Vec<Spanned<Step>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Step {
        id: String,
        count: Option<u8>,
        #[serde(default)]
        words: Vec<String>,
    }

    #[test]
    fn every_error_of_the_form_is_told_with_its_own_place() {
        let text = "schema = \"one\"\nnmae = \"x\"\n\n[[step]]\nid = 3\n\n[[step]]\nid = \"b\"\ncuont = 1\nwords = [\"a\", 4]\n\
            \n[[step]]\ncount = 1\n\n[[step]]\nid = \"d\"\ncount = \"many\"\n";
        let (read, problems) = parse_all::<File>("f.toml", text);
        assert!(read.is_none(), "the schema was struck");
        let said: Vec<String> = problems.iter().map(Problem::headline).collect();
        for wanted in [
            "f.toml:1:10: \"schema\" in the top level must be a whole number",
            "f.toml:2:1: unknown key \"nmae\" in the top level; did you mean \"name\"?",
            "f.toml:5:6: \"id\" in [[step]] number 1 must be a string",
            "f.toml:9:1: unknown key \"cuont\" in [[step]] number 2; did you mean \"count\"?",
            "f.toml:10:15: ",
            "f.toml:12:1: missing key \"id\" in [[step]] number 3",
            "f.toml:17:9: \"count\" in [[step]] number 4",
        ] {
            assert!(said.iter().any(|line| line.contains(wanted)), "{wanted} is not in {said:#?}");
        }
        assert_eq!(said.len(), 7, "{said:#?}");
    }

    #[test]
    fn what_is_left_is_read_for_further_checks() {
        let (read, problems) = parse_all::<File>("f.toml", "schema = 1\nname = \"n\"\n[[step]]\nid = \"a\"\nx = 1\n");
        assert_eq!((read.unwrap().step.len(), problems.len()), (1, 1));
        let many = format!("schema = 1\nname = \"n\"\n{}", "[[step]]\nid = 1\n".repeat(400));
        assert_eq!(parse_all::<File>("f.toml", &many).1.len(), PROBLEMS_MAX);
        assert!(parse_all::<File>("f.toml", "schema = ").1.len() == 1);
    }
}
