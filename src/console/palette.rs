//! Typed commands: every action by its name, and a few with words after it. Pure.

use super::action::{Action, Group};
use super::field::Field;
use super::view::View;
use crate::domain::problem::nearest;
use crate::playbook::file::Playbook;

/// Lines offered at once.
pub const OFFERED_MAX: usize = 10;

/// The line being typed, and what it may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Palette {
    /// What is typed.
    pub field: Field,
    /// What fits, best first.
    pub offered: Vec<Offer>,
    /// The selected one.
    pub cursor: usize,
    all: Vec<Offer>,
}

/// A command that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// As it is typed.
    pub name: String,
    /// One line.
    pub description: String,
    choice: Choice,
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// An action.
    Action(Action),
    /// A view.
    View(View),
    /// The workflows, filtered by these words, or the run of that name.
    Workflows(String),
    /// A filter for the list in sight.
    Filter(String),
    /// The playbook at that place.
    Playbook(usize),
}

impl Palette {
    /// An empty line.
    #[must_use]
    pub fn new(playbooks: &[Playbook]) -> Palette {
        let offer =
            |name: String, description: &str, choice| Offer { name, description: description.to_owned(), choice };
        let mut all: Vec<Offer> = playbooks
            .iter()
            .enumerate()
            .map(|(at, book)| offer(format!("playbook run {}", book.name), &book.title, Choice::Playbook(at)))
            .collect();
        all.push(offer("wf".to_owned(), "wf NAME: that run, or the runs that match", Choice::Workflows(String::new())));
        all.push(offer("filter".to_owned(), "filter WORDS: show only what matches", Choice::Filter(String::new())));
        all.extend(View::NAMED.map(|view| offer(format!("view {}", view.name()), "go there", Choice::View(view))));
        let typed = |action: &&Action| {
            !matches!(action.group(), Group::Movement | Group::Consent | Group::Text | Group::View)
                && !matches!(action, Action::Palette | Action::Filter | Action::Interrupt)
        };
        let action = |action: &Action| offer(action.name().to_owned(), action.description(), Choice::Action(*action));
        all.extend(Action::ALL.iter().filter(typed).map(action));
        all.push(offer("help".to_owned(), Action::Help.description(), Choice::Action(Action::Help)));
        let mut palette = Palette { field: Field::default(), offered: Vec::new(), cursor: 0, all };
        palette.find();
        palette
    }

    /// What fits what is typed, best first.
    pub(super) fn find(&mut self) {
        let typed = self.field.text();
        let mut scored: Vec<(i32, usize)> = self
            .all
            .iter()
            .enumerate()
            .filter_map(|(at, offer)| Some((score(&offer.name, typed.trim())?, at)))
            .collect();
        scored.sort_by_key(|(score, at)| (-score, *at));
        let best = scored.into_iter().take(OFFERED_MAX);
        self.offered = best.filter_map(|(_, at)| self.all.get(at).cloned()).collect();
        self.cursor = 0;
    }

    pub(super) fn walk(&mut self, action: Action) {
        match action {
            Action::Up => self.cursor = self.cursor.saturating_sub(1),
            Action::Down => self.cursor = (self.cursor + 1).min(self.offered.len().saturating_sub(1)),
            _ => {}
        }
    }

    pub(super) fn complete(&mut self) {
        if let Some(offer) = self.offered.get(self.cursor) {
            self.field = Field::holding(&format!("{} ", offer.name));
            self.find();
        }
    }

    /// What is chosen: what is written out in full, else the offer under the cursor.
    ///
    /// # Errors
    /// It means nothing; the nearest command is named.
    pub fn choose(&self) -> Result<Choice, String> {
        let text = self.field.text();
        let typed = text.trim();
        let (first, rest) = typed.split_once(' ').map_or((typed, ""), |(first, rest)| (first, rest.trim()));
        match (first, rest) {
            ("", _) => {}
            ("q" | "q!" | "exit", "") => return Ok(Choice::Action(Action::Quit)),
            ("wf" | "workflows" | "workflow", words) => return Ok(Choice::Workflows(words.to_owned())),
            ("filter", words) => return Ok(Choice::Filter(words.to_owned())),
            ("playbook" | "pb", words) if !words.is_empty() => return self.playbook(words),
            ("view", name) if !name.is_empty() => return self.view(name),
            _ => {
                if let Some(offer) = self.all.iter().find(|offer| offer.name == typed) {
                    return Ok(offer.choice.clone());
                }
                if let Some(view) = View::NAMED.into_iter().find(|view| view.name() == typed) {
                    return Ok(Choice::View(view));
                }
            }
        }
        match self.offered.get(self.cursor) {
            Some(offer) => Ok(offer.choice.clone()),
            None => Err(unknown("command", typed, self.all.iter().map(|offer| offer.name.as_str()))),
        }
    }

    fn playbook(&self, words: &str) -> Result<Choice, String> {
        let name = words.strip_prefix("run ").unwrap_or(words).trim();
        let books = || self.all.iter().filter_map(|offer| offer.name.strip_prefix("playbook run "));
        let found = self.all.iter().find(|offer| offer.name.strip_prefix("playbook run ") == Some(name));
        found.map(|offer| offer.choice.clone()).ok_or_else(|| unknown("playbook", name, books()))
    }

    fn view(&self, name: &str) -> Result<Choice, String> {
        let found = View::NAMED.into_iter().find(|view| view.name() == name);
        found.map(Choice::View).ok_or_else(|| unknown("view", name, View::NAMED.iter().map(|view| view.name())))
    }
}

fn unknown<'a>(what: &str, typed: &str, known: impl Iterator<Item = &'a str>) -> String {
    match nearest(typed, known) {
        Some(near) => format!("no {what} is called \"{typed}\"; did you mean \"{near}\"?"),
        None => format!("no {what} is called \"{typed}\""),
    }
}

/// How well `typed` fits as a subsequence of `name`; None: not at all. Letters in a row and at the beginning of a word
/// count more, and a short name more than a long one.
fn score(name: &str, typed: &str) -> Option<i32> {
    let mut total = 0;
    let mut run = 0;
    let mut before = ' ';
    let mut wanted = typed.chars().map(|c| c.to_ascii_lowercase()).peekable();
    for c in name.chars() {
        let Some(next) = wanted.peek() else { break };
        if c.to_ascii_lowercase() == *next {
            wanted.next();
            run += 1;
            total += 2 + run * 2 + if matches!(before, ' ' | '-') { 8 } else { 0 };
        } else {
            run = 0;
        }
        before = c;
    }
    if typed.is_empty() {
        return Some(0);
    }
    let length = i32::try_from(name.len()).unwrap_or(i32::MAX / 4);
    wanted.peek().is_none().then(|| total * 4 - length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Palette {
        let books = crate::playbook::builtin().unwrap();
        let mut palette = Palette::new(&books);
        palette.field = Field::holding(text);
        palette.find();
        palette
    }

    #[test]
    fn commands_with_words() {
        let cases = [
            ("view database", Ok(Choice::View(View::Database))),
            ("database", Ok(Choice::View(View::Database))),
            ("wf train-llm", Ok(Choice::Workflows("train-llm".into()))),
            ("playbook run fence", Ok(Choice::Playbook(1))),
            ("pb failover", Ok(Choice::Playbook(0))),
            ("q", Ok(Choice::Action(Action::Quit))),
            ("filter !etl ns:ml", Ok(Choice::Filter("!etl ns:ml".into()))),
            ("refr", Ok(Choice::Action(Action::Refresh))),
            ("vdb", Ok(Choice::View(View::Database))),
        ];
        for (text, expected) in cases {
            assert_eq!(typed(text).choose(), expected, "{text}");
        }
    }

    #[test]
    fn errors_name_the_nearest() {
        for (text, near) in [("view databse", "database"), ("playbook run failovr", "failover"), ("refrezh", "refresh")]
        {
            let error = typed(text).choose().unwrap_err();
            assert!(error.contains(&format!("\"{near}\"")), "{text}: {error}");
        }
    }

    #[test]
    fn the_best_fit_comes_first() {
        assert_eq!(typed("fail").offered[0].name, "start-failover");
        assert_eq!(typed("pb fail").offered[0].name, "playbook run failover");
        assert_eq!(typed("qui").offered[0].name, "quit");
        assert!(score("abc", "abd").is_none());
    }
}
