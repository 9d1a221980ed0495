//! The filter of a list: plain words, all of which have to match. Pure.
//!
//! `train` in name or message; `!etl` not; `region:us-east1`, `ns:ml`, `status:failed` (also `phase:`), each with `!`
//! in front too. `status:unfinished` and `status:finished` are groups. No regular expressions: nobody should have to
//! escape a dot at night.

use crate::domain::kubernetes::ObjectKey;
use crate::domain::workflow::RunRow;

/// A filter, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// As typed.
    pub text: String,
    terms: Vec<Term>,
    /// What was typed and can't be meant.
    pub complaint: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    wanted: bool,
    field: Field,
    word: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Any,
    Region,
    Namespace,
    Status,
}

/// What a row offers to a filter.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Name of the region.
    pub region: &'a str,
    /// Namespace and name.
    pub key: &'a ObjectKey,
    /// The row.
    pub row: &'a RunRow,
}

impl Filter {
    /// Reads what was typed.
    #[must_use]
    pub fn read(text: &str) -> Filter {
        let mut filter = Filter { text: text.to_owned(), ..Filter::default() };
        for typed in text.split_whitespace() {
            let (wanted, rest) = typed.strip_prefix('!').map_or((true, typed), |rest| (false, rest));
            let (field, word) = match rest.split_once(':') {
                Some(("region" | "r", word)) => (Field::Region, word),
                Some(("ns" | "namespace", word)) => (Field::Namespace, word),
                Some(("status" | "phase" | "s", word)) => (Field::Status, word),
                Some((other, _)) => {
                    filter.complaint = Some(format!("no field is called \"{other}\": region, ns, status"));
                    continue;
                }
                None => (Field::Any, rest),
            };
            // Half a term, while it is typed, hides nothing.
            if !word.is_empty() {
                filter.terms.push(Term { wanted, field, word: word.to_ascii_lowercase() });
            }
        }
        filter
    }

    /// It lets everything through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The run passes.
    #[must_use]
    pub fn passes(&self, subject: &Subject<'_>) -> bool {
        self.terms.iter().all(|term| term.found(subject) == term.wanted)
    }

    /// A line of text passes; fields other than the region mean nothing there and are taken as words.
    #[must_use]
    pub fn passes_line(&self, region: &str, text: &str) -> bool {
        self.terms.iter().all(|term| {
            let found = match term.field {
                Field::Region => contains(region, &term.word),
                _ => contains(text, &term.word) || contains(region, &term.word),
            };
            found == term.wanted
        })
    }
}

impl Term {
    fn found(&self, subject: &Subject<'_>) -> bool {
        let Subject { region, key, row } = subject;
        match self.field {
            Field::Region => contains(region, &self.word),
            Field::Namespace => contains(&key.namespace, &self.word),
            Field::Status => match self.word.as_str() {
                "finished" | "done" => row.phase.finished(),
                "unfinished" | "open" => !row.phase.finished(),
                word => starts(row.phase.word(), word),
            },
            Field::Any => {
                [&key.name, &key.namespace, &row.message, &row.template, &row.cron]
                    .into_iter()
                    .any(|text| contains(text, &self.word))
                    || starts(row.phase.word(), &self.word)
            }
        }
    }
}

fn starts(text: &str, lower: &str) -> bool {
    text.len() >= lower.len() && text.as_bytes().iter().zip(lower.as_bytes()).all(|(a, b)| a.eq_ignore_ascii_case(b))
}

/// `lower` stands in `text`, whatever its case. Without making a copy: it is asked of every row at each typed key.
fn contains(text: &str, lower: &str) -> bool {
    let (text, lower) = (text.as_bytes(), lower.as_bytes());
    let Some(first) = lower.first() else { return true };
    text.len() >= lower.len()
        && text.windows(lower.len()).any(|window| {
            window.first().is_some_and(|c| c.eq_ignore_ascii_case(first)) && window.eq_ignore_ascii_case(lower)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use crate::domain::workflow::{Archiving, Phase};
    use proptest::prelude::*;

    fn row(phase: Phase, message: &str) -> RunRow {
        RunRow {
            uid: "u".into(),
            phase,
            created: Timestamp::UNIX_EPOCH,
            message: message.into(),
            archiving: Archiving::None,
            template: "train".into(),
            cron: String::new(),
            detail: None,
        }
    }

    #[test]
    fn words_and_fields() {
        let key = ObjectKey::new("ml", "train-llm-8k2");
        let row = row(Phase::Running, "Retrying shard-3");
        let subject = Subject { region: "us-east1", key: &key, row: &row };
        let cases = [
            ("", true),
            ("llm", true),
            ("LLM shard", true),
            ("llm other", false),
            ("!llm", false),
            ("!etl", true),
            ("region:east", true),
            ("region:central", false),
            ("!region:central", true),
            ("ns:ml status:run", true),
            ("status:failed", false),
            ("phase:unfinished", true),
            ("status:", true),
            ("running", true),
        ];
        for (text, expected) in cases {
            assert_eq!(Filter::read(text).passes(&subject), expected, "{text:?}");
        }
        assert!(Filter::read("nmae:x").complaint.is_some_and(|c| c.contains("nmae")));
        assert!(Filter::read("http://x").complaint.is_some());
    }

    proptest! {
        #[test]
        fn searching_ignores_case_and_nothing_else(text in "\\PC{0,20}", word in "[a-z0-9é-]{1,4}") {
            prop_assert_eq!(contains(&text, &word), text.to_ascii_lowercase().contains(&word));
        }
    }
}
