//! The opened run's tree: its lines, which one is selected, which are in sight. Pure.
//!
//! The lines are made once per change of the run; how long a node has been running is told when it is painted.

use super::runs::window_start;
use crate::domain::workflow::{OpenRun, TreeLine};

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Id of the node.
    pub id: String,
    /// For each level above: whether a later sibling follows there.
    pub bars: Vec<bool>,
    /// Last child of its parent.
    pub last: bool,
    /// Attempt number, for an attempt of a Retry node.
    pub attempt: Option<usize>,
    /// Drawn before under another parent.
    pub seen: bool,
}

/// The tree.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// Its lines.
    pub lines: Vec<Line>,
    /// The selected one, by the node's id.
    pub selected: Option<String>,
    /// Its place.
    pub cursor: usize,
    /// First line in sight.
    pub offset: usize,
    /// The server says that there is no such run any more.
    pub gone: bool,
}

impl Tree {
    /// Makes the lines anew.
    pub fn rebuild(&mut self, run: Option<&OpenRun>) {
        let line = |line: TreeLine<'_>| Line {
            id: line.node.id.clone(),
            bars: line.bars,
            last: line.last,
            attempt: line.attempt,
            seen: line.seen,
        };
        self.lines = run.map(|run| run.tree().into_iter().map(line).collect()).unwrap_or_default();
        let at = self.selected.as_ref().and_then(|id| self.lines.iter().position(|line| line.id == *id));
        self.select(at.unwrap_or(self.cursor));
    }

    /// Selects the line at a place, or the last one.
    pub fn select(&mut self, at: usize) {
        self.cursor = at.min(self.lines.len().saturating_sub(1));
        self.selected = self.lines.get(self.cursor).map(|line| line.id.clone());
    }

    /// Keeps the selection in sight, with `rows` in sight.
    pub fn fit(&mut self, rows: usize) {
        self.offset = window_start(self.offset, self.cursor, self.lines.len(), rows);
    }

    /// The lines in sight.
    #[must_use]
    pub fn in_sight(&self, rows: usize) -> &[Line] {
        let end = (self.offset + rows).min(self.lines.len());
        self.lines.get(self.offset..end).unwrap_or_default()
    }
}
