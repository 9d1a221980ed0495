//! Rows of a page being written: labels, signs, words that wrap. Pure.

use crate::console::row::{Row, Sign, Tone, wrap};

/// Columns kept free for a sign: as an ASCII word it takes up to four.
const SIGN: usize = 7;

/// Rows being written, with wrapping.
pub(super) struct Writer {
    pub columns: usize,
    pub rows: Vec<Row>,
}

impl Writer {
    pub fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub fn blank(&mut self) {
        self.rows.push(Row::new());
    }

    /// A label of twelve columns and words that wrap beside it.
    pub fn labelled(&mut self, label: &str, text: &str, tone: Tone) {
        self.labelled_by(12, label, text, tone);
    }

    /// A label of so many columns and words that wrap beside it.
    pub fn labelled_by(&mut self, label_columns: usize, label: &str, text: &str, tone: Tone) {
        for (at, line) in wrap(text, self.columns.saturating_sub(label_columns)).into_iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            self.rows.push(Row::new().dim(format!("{label:<label_columns$}")).add(line, tone));
        }
    }

    /// A sign, words that wrap beside it, and something at the right edge of the first line.
    pub fn signed(&mut self, (sign, tone): (Sign, Tone), text: &str, words: Tone, right: &str) {
        let room = self.columns.saturating_sub(SIGN + if right.is_empty() { 0 } else { right.len() + 2 });
        for (at, line) in wrap(text, room).into_iter().enumerate() {
            let row = match at {
                0 => Row::new().say("  ").sign(sign, tone).say(" ").add(line, words).fill().dim(right),
                _ => Row::new().say("    ").add(line, words),
            };
            self.rows.push(row);
        }
    }

    /// Words that wrap, set in.
    pub fn inset(&mut self, text: &str, tone: Tone) {
        for line in wrap(text, self.columns.saturating_sub(4)) {
            self.rows.push(Row::new().say("    ").add(line, tone));
        }
    }

    pub fn head(&mut self, text: &str) {
        self.rows.push(Row::of(text, Tone::Strong));
    }

    /// Words that wrap, not set in.
    pub fn inset_none(&mut self, text: &str, tone: Tone) {
        for line in wrap(text, self.columns) {
            self.push(Row::of(line, tone));
        }
    }
}
