//! The timeline's window: which lines of what happened are in sight, each in full however many rows it takes. Pure.

use super::filter::Filter;
use super::pages::words::moment;
use super::row::{width, wrap};
use crate::domain::fleet::Fleet;
use crate::domain::fleet::happening::Happening;
use crate::domain::region::Side;

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
    pub fn refresh(&mut self, fleet: &Fleet, rows: usize, columns: usize) {
        let passes = |line: &&Happening| {
            let region = line.side.map_or("", |side| fleet.name(side));
            self.filter.is_empty() || self.filter.passes_line(region, &line.text)
        };
        let matching = fleet.happenings.iter().filter(passes).count();
        if self.offset > 0 {
            self.offset += matching.saturating_sub(self.matching);
        }
        // The last page is full, and no line of it is cut off.
        let fits = |mut room: usize| {
            move |line: &&Happening| {
                let height = in_rows(fleet, line, columns).1.len();
                room.checked_sub(height).map(|left| room = left).is_some()
            }
        };
        let last_page = fleet.happenings.iter().filter(passes).take_while(fits(rows)).count().max(1);
        self.offset = self.offset.min(matching.saturating_sub(last_page));
        let from = fleet.happenings.iter().rev().filter(passes).skip(self.offset);
        self.lines = from.take_while(fits(rows)).cloned().collect();
        self.matching = matching;
        self.total = fleet.happenings.iter().len();
    }
}

/// Columns of the sign and the word of a weight.
pub const WEIGHT: usize = 8;

/// Columns before the words of a line, and its words in rows.
#[must_use]
pub fn in_rows(fleet: &Fleet, line: &Happening, columns: usize) -> (usize, Vec<String>) {
    let before = width(&moment(line.at, fleet.now)) + 1 + WEIGHT + region_columns(fleet) + 2;
    (before, wrap(&line.text, columns.saturating_sub(before).max(20)))
}

/// Columns of a region's name: the longer of both, within reason.
#[must_use]
pub fn region_columns(fleet: &Fleet) -> usize {
    let names = Side::BOTH.into_iter().map(|side| width(fleet.name(side)));
    names.max().unwrap_or(0).clamp(6, 18)
}
