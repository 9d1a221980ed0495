//! The timeline's window: which lines of what happened are in sight. Pure.

use super::filter::Filter;
use crate::domain::fleet::Fleet;
use crate::domain::fleet::happening::Happening;

/// The window, newest line first.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// The filter in force.
    pub filter: Filter,
    /// The lines in sight.
    pub lines: Vec<Happening>,
    /// Lines that pass the filter.
    pub matching: usize,
    /// All lines.
    pub total: usize,
    /// First line in sight.
    pub offset: usize,
}

impl Timeline {
    /// Cuts the window out again. Whoever has scrolled back keeps looking at the same lines while new ones come.
    pub fn refresh(&mut self, fleet: &Fleet, rows: usize) {
        let passes = |line: &&Happening| {
            let region = line.side.map_or("", |side| fleet.name(side));
            self.filter.is_empty() || self.filter.passes_line(region, &line.text)
        };
        let matching = fleet.happenings.iter().filter(passes).count();
        if self.offset > 0 {
            self.offset += matching.saturating_sub(self.matching);
        }
        self.offset = self.offset.min(matching.saturating_sub(rows));
        self.lines = fleet.happenings.iter().rev().filter(passes).skip(self.offset).take(rows).cloned().collect();
        self.matching = matching;
        self.total = fleet.happenings.iter().len();
    }
}
