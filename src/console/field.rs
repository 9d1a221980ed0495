//! One line of text being typed. Pure.

use crate::domain::text::clean_to;

/// Longest text: a reason for a report fits, a pasted log does not.
pub const CHARS_MAX: usize = 200;

/// The line, with a cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Field {
    text: Vec<char>,
    cursor: usize,
}

impl Field {
    /// A field that holds this, with the cursor at its end.
    #[must_use]
    pub fn holding(text: &str) -> Field {
        let text: Vec<char> = text.chars().take(CHARS_MAX).collect();
        Field { cursor: text.len(), text }
    }

    /// What was typed.
    #[must_use]
    pub fn text(&self) -> String {
        self.text.iter().collect()
    }

    /// What was typed before the cursor, and after it.
    #[must_use]
    pub fn halves(&self) -> (String, String) {
        let (before, after) = self.text.split_at(self.cursor.min(self.text.len()));
        (before.iter().collect(), after.iter().collect())
    }

    /// Nothing was typed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Types a character. Control characters are no text.
    pub fn insert(&mut self, c: char) {
        if self.text.len() < CHARS_MAX && !c.is_control() {
            self.text.insert(self.cursor, c);
            self.cursor += 1;
        }
    }

    /// Types a pasted text, as one clean line.
    pub fn paste(&mut self, text: &str) {
        for c in clean_to(text, CHARS_MAX).chars() {
            self.insert(c);
        }
    }

    /// Deletes before the cursor.
    pub fn delete_back(&mut self) {
        if self.cursor > 0 {
            self.cursor -= 1;
            self.text.remove(self.cursor);
        }
    }

    /// Deletes under the cursor.
    pub fn delete_forward(&mut self) {
        if self.cursor < self.text.len() {
            self.text.remove(self.cursor);
        }
    }

    /// Deletes the word before the cursor.
    pub fn delete_word(&mut self) {
        let before = |field: &Field| field.cursor.checked_sub(1).and_then(|at| field.text.get(at)).copied();
        while before(self).is_some_and(char::is_whitespace) {
            self.delete_back();
        }
        while before(self).is_some_and(|c| !c.is_whitespace()) {
            self.delete_back();
        }
    }

    /// Empties it.
    pub fn clear(&mut self) {
        *self = Field::default();
    }

    /// Moves the cursor.
    pub fn left(&mut self) {
        self.cursor = self.cursor.saturating_sub(1);
    }

    /// Moves the cursor.
    pub fn right(&mut self) {
        self.cursor = (self.cursor + 1).min(self.text.len());
    }

    /// Moves the cursor.
    pub fn start(&mut self) {
        self.cursor = 0;
    }

    /// Moves the cursor.
    pub fn end(&mut self) {
        self.cursor = self.text.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_edited_as_in_a_shell() {
        let mut field = Field::holding("us-east1 db");
        field.delete_word();
        assert_eq!(field.text(), "us-east1 ");
        field.delete_word();
        assert_eq!(field.text(), "");
        field.paste("two\nlines\u{1b}[31m");
        assert_eq!(field.text(), "two lines [31m");
        field.start();
        field.insert('é');
        assert_eq!(field.halves(), ("é".to_owned(), "two lines [31m".to_owned()));
    }

    proptest! {
        #[test]
        fn no_edit_panics_or_outgrows_the_bound(edits in prop::collection::vec(0_u8..9, 0..400)) {
            let mut field = Field::default();
            for edit in edits {
                match edit {
                    0 => field.insert('x'),
                    1 => field.delete_back(),
                    2 => field.delete_forward(),
                    3 => field.delete_word(),
                    4 => field.left(),
                    5 => field.right(),
                    6 => field.start(),
                    7 => field.end(),
                    _ => field.paste("a b c"),
                }
                prop_assert!(field.text().chars().count() <= CHARS_MAX);
            }
        }
    }
}
