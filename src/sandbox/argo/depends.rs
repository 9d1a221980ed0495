//! The `depends` expression of a DAG task: names of tasks, optionally with a state, joined by `&&`, `||`, `!` and
//! parentheses. Pure. Source: workflow/common/ancestry.go and docs/enhanced-depends-logic.md of Argo Workflows.

use serde_json::Value;

use super::json::{items, text};

/// The expression of a task: `depends`, or the older `dependencies` joined by "and".
pub fn expression(task: &Value) -> String {
    match text(&task["depends"]) {
        "" => items(&task["dependencies"]).iter().map(text).collect::<Vec<_>>().join(" && "),
        depends => depends.to_owned(),
    }
}

/// The tasks that an expression names, each once, in order.
pub fn names(expression: &str) -> Vec<String> {
    let mut names = Vec::new();
    for word in words(expression) {
        if let Word::Task(name, _) = word
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

/// What the expression says, given each task's phase (empty: no node). `None` if it makes no sense.
pub fn evaluate(expression: &str, phase: &dyn Fn(&str) -> String) -> Option<bool> {
    let words = words(expression);
    let mut parser = Parser { words: &words, phase, depth: 0 };
    let value = parser.either()?;
    parser.words.is_empty().then_some(value)
}

#[derive(Clone, Debug, PartialEq)]
enum Word {
    Task(String, String),
    And,
    Or,
    Not,
    Open,
    Close,
    Unknown,
}

fn words(text: &str) -> Vec<Word> {
    let (mut words, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        let (word, length) = if rest.starts_with("&&") {
            (Word::And, 2)
        } else if rest.starts_with("||") {
            (Word::Or, 2)
        } else {
            match first {
                '!' => (Word::Not, 1),
                '(' => (Word::Open, 1),
                ')' => (Word::Close, 1),
                _ => {
                    let length = rest
                        .find(|one: char| !(one.is_ascii_alphanumeric() || "-_.".contains(one)))
                        .unwrap_or(rest.len());
                    let (name, state) = rest[..length].split_once('.').unwrap_or((&rest[..length], ""));
                    if name.is_empty() {
                        (Word::Unknown, first.len_utf8())
                    } else {
                        (Word::Task(name.to_owned(), state.to_owned()), length)
                    }
                }
            }
        };
        words.push(word);
        rest = rest[length..].trim_start();
    }
    words
}

struct Parser<'a> {
    words: &'a [Word],
    phase: &'a dyn Fn(&str) -> String,
    depth: usize,
}

impl Parser<'_> {
    fn next(&mut self) -> Option<Word> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first.clone())
    }

    fn either(&mut self) -> Option<bool> {
        let mut value = self.both()?;
        while self.words.first() == Some(&Word::Or) {
            self.next();
            value |= self.both()?;
        }
        Some(value)
    }

    fn both(&mut self) -> Option<bool> {
        let mut value = self.single()?;
        while self.words.first() == Some(&Word::And) {
            self.next();
            value &= self.single()?;
        }
        Some(value)
    }

    fn single(&mut self) -> Option<bool> {
        // Nobody nests deeper; text from outside must not exhaust the stack.
        self.depth += 1;
        if self.depth > 64 {
            return None;
        }
        let value = match self.next()? {
            Word::Not => !self.single()?,
            Word::Open => {
                let value = self.either()?;
                if self.next()? != Word::Close {
                    return None;
                }
                value
            }
            Word::Task(name, state) => {
                let phase = (self.phase)(&name);
                match state.as_str() {
                    "" => matches!(phase.as_str(), "Succeeded" | "Skipped"),
                    "Succeeded" => phase == "Succeeded",
                    "Failed" => phase == "Failed",
                    "Errored" => phase == "Error",
                    "Skipped" => phase == "Skipped",
                    "Omitted" => phase == "Omitted",
                    "Daemoned" => false,
                    _ => return None,
                }
            }
            _ => return None,
        };
        self.depth -= 1;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(task: &str) -> String {
        match task {
            "ok" => "Succeeded",
            "bad" => "Failed",
            "skip" => "Skipped",
            _ => "",
        }
        .to_owned()
    }

    #[test]
    fn expressions() {
        for (text, expected) in [
            ("ok", Some(true)),
            ("skip", Some(true)),
            ("bad", Some(false)),
            ("bad.Failed", Some(true)),
            ("ok && bad", Some(false)),
            ("ok || bad && bad", Some(true)),
            ("(ok || bad) && bad", Some(false)),
            ("!bad && ok.Succeeded", Some(true)),
            ("", None),
            ("ok &&", None),
            ("ok ok", None),
            ("ok.What", None),
            ("(ok", None),
            ("§", None),
        ] {
            assert_eq!(evaluate(text, &of), expected, "{text}");
        }
        assert!(evaluate(&"(".repeat(1000), &of).is_none());
    }

    #[test]
    fn named_tasks() {
        assert_eq!(names("a && (b.Failed || a) && !c-d"), ["a", "b", "c-d"]);
        let task = serde_json::json!({"dependencies": ["a", "b"]});
        assert_eq!(expression(&task), "a && b");
    }
}
