//! The list of runs of both regions: which rows there are, in what order, and which are in sight. Pure.
//!
//! With 40,000 rows and a thousand changes a second the list is never sorted whole, not even for its end: one pass counts,
//! filters and gives each row a number that sorts it, and only the [`WINDOW`] rows around the selected one are picked out,
//! sorted and kept.

use super::filter::{Filter, Subject};
use crate::domain::fleet::Fleet;
use crate::domain::fleet::region::RunCounts;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::region::{PerSide, Side};
use crate::domain::workflow::{Archiving, Phase, RunRow};
use crate::domain::{Timestamp, since};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

/// Rows kept in order around the selected one: twice what the highest terminal shows, so that a page either way is there.
pub const WINDOW: usize = 1_000;

/// Runs asked for their detail at once. A screen of 60 rows is filled in three seconds.
pub const DETAILS_MAX: usize = 20;

/// A row's detail is asked again after this long.
const DETAIL_AGE: Duration = Duration::from_secs(15);

/// Details are asked no more often than this.
const DETAILS_EVERY: Duration = Duration::from_secs(1);

/// The list is put in order again no more often than this while changes pour in.
const ORDER_EVERY: Duration = Duration::from_millis(300);

/// What the list is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// Unfinished first, then the newest.
    #[default]
    Age,
    /// Name.
    Name,
    /// Phase: what needs a look first.
    Status,
    /// Region.
    Region,
}

impl Sort {
    /// The next one.
    #[must_use]
    pub fn next(self) -> Sort {
        match self {
            Sort::Age => Sort::Name,
            Sort::Name => Sort::Status,
            Sort::Status => Sort::Region,
            Sort::Region => Sort::Age,
        }
    }

    /// In words.
    #[must_use]
    pub fn words(self, reverse: bool) -> &'static str {
        match (self, reverse) {
            (Sort::Age, false) => "unfinished first, newest first",
            (Sort::Age, true) => "unfinished first, oldest first",
            (Sort::Name, false) => "by name",
            (Sort::Name, true) => "by name, Z to A",
            (Sort::Status, false) => "by status",
            (Sort::Status, true) => "by status, turned round",
            (Sort::Region, false) => "by region",
            (Sort::Region, true) => "by region, turned round",
        }
    }
}

/// Names a row.
pub type RowKey = (Side, ObjectKey);

/// The list.
#[derive(Debug, Clone, Default)]
pub struct Runs {
    /// The filter in force.
    pub filter: Filter,
    /// What it is sorted by.
    pub sort: Sort,
    /// Turned round.
    pub reverse: bool,
    /// More columns.
    pub wide: bool,
    /// The rows around the selected one, in order.
    pub entries: Vec<RowKey>,
    /// Place of the first of `entries` among the rows that pass.
    first: usize,
    /// Rows that pass the filter.
    pub matching: usize,
    /// Rows that pass the filter and are unfinished.
    pub matching_unfinished: usize,
    /// Runs by what they do, whatever the filter.
    pub counts: PerSide<RunCounts>,
    /// The selected row, by key: it stays selected wherever it moves.
    pub selected: Option<RowKey>,
    /// Its place among the rows that pass.
    pub cursor: usize,
    /// Place of the first row in sight.
    pub offset: usize,
    /// Somebody has moved the selection; until then it stays on the first row, whichever that is.
    moved: bool,
    built: Option<((u64, u64), Timestamp)>,
    asked: BTreeMap<RowKey, Timestamp>,
    asked_at: Option<Timestamp>,
}

impl Runs {
    /// Puts the list in order again, when it has changed and the last time is long enough ago; at once when `at_once` says
    /// that a key asked for it, or when of `rows` in sight not all are at hand. True: it was done.
    pub fn refresh(&mut self, fleet: &Fleet, rows: usize, at_once: bool) -> bool {
        let version = (fleet.region(Side::A).runs.version, fleet.region(Side::B).runs.version);
        let due = match self.built {
            None => true,
            Some((built, at)) => {
                at_once || !self.at_hand(rows) || (built != version && since(at, fleet.now) >= ORDER_EVERY)
            }
        };
        if due {
            self.build(fleet);
            self.built = Some((version, fleet.now));
        }
        due
    }

    /// With the selected row anywhere among `rows` in sight, all of them are kept.
    fn at_hand(&self, rows: usize) -> bool {
        let rows = rows.max(1);
        let end = self.first + self.entries.len();
        let above = self.first == 0 || self.cursor + 1 >= self.first + rows;
        above && (end >= self.matching || self.cursor + rows <= end)
    }

    fn build(&mut self, fleet: &Fleet) {
        let mut lines: Vec<Line<'_>> = Vec::with_capacity(self.matching);
        let by = (self.sort, self.reverse);
        self.matching_unfinished = 0;
        for side in Side::BOTH {
            let region = fleet.region(side);
            let mut counts = RunCounts::default();
            for (key, row) in region.runs.rows() {
                count(&mut counts, row);
                if self.filter.passes(&Subject { region: &region.name, key, row }) {
                    self.matching_unfinished += usize::from(!row.phase.finished());
                    lines.push(Line::new(by, side, key, row));
                }
            }
            *self.counts.get_mut(side) = counts;
        }
        self.matching = lines.len();
        let selected = self.selected.as_ref().filter(|_| self.moved);
        let mut selected = selected.and_then(|(side, key)| {
            let row = fleet.region(*side).runs.get(key)?;
            Some(Line::new(by, *side, key, row))
        });
        if self.sort == Sort::Name {
            number_names(lines.iter_mut().chain(&mut selected), self.reverse);
        }
        self.cursor = match &selected {
            _ if !self.moved => 0,
            Some(line) => lines.iter().filter(|other| other.order(line, by).is_lt()).count(),
            // It is gone: what stands in its place now is selected.
            None => self.cursor,
        };
        let last = self.matching.saturating_sub(WINDOW);
        self.first = self.cursor.saturating_sub(WINDOW / 2).min(last);
        let window = window(&mut lines, self.first, |a, b| a.order(b, by));
        self.entries = window.iter().map(|line| (line.side, line.key.clone())).collect();
        self.select(self.cursor);
    }

    /// Selects the row at a place, or the last one.
    pub fn select(&mut self, at: usize) {
        self.cursor = at.min(self.matching.saturating_sub(1));
        self.selected = self.cursor.checked_sub(self.first).and_then(|at| self.entries.get(at)).cloned();
    }

    /// Moves the selection, with `rows` in sight.
    pub fn go(&mut self, to: usize, fleet: &Fleet, rows: usize) {
        self.moved = to > 0;
        self.select(to);
        self.refresh(fleet, rows, false);
        self.fit(rows);
    }

    /// Keeps the selection in sight, with `rows` in sight.
    pub fn fit(&mut self, rows: usize) {
        self.offset = window_start(self.offset, self.cursor, self.matching, rows);
    }

    /// The keys in sight.
    #[must_use]
    pub fn in_sight(&self, rows: usize) -> &[RowKey] {
        let start = self.offset.saturating_sub(self.first).min(self.entries.len());
        let end = (start + rows).min(self.entries.len());
        self.entries.get(start..end).unwrap_or_default()
    }

    /// Unfinished rows in sight whose detail is missing or old, once a second at most.
    pub fn details(&mut self, fleet: &Fleet, rows: usize) -> Vec<RowKey> {
        let now = fleet.now;
        if self.asked_at.is_some_and(|at| since(at, now) < DETAILS_EVERY) {
            return Vec::new();
        }
        let wanted: Vec<RowKey> = self
            .in_sight(rows)
            .iter()
            .filter(|(side, key)| {
                let region = fleet.region(*side);
                region.runs.get(key).is_some_and(|row| !row.phase.finished())
                    && region.runs.confirmed.is_some()
                    && region.api.usable(now)
            })
            .filter(|entry| self.asked.get(*entry).is_none_or(|at| since(*at, now) >= DETAIL_AGE))
            .take(DETAILS_MAX)
            .cloned()
            .collect();
        if !wanted.is_empty() {
            self.asked_at = Some(now);
            // What left the screen is forgotten with its time, so the map holds a few screens at most.
            self.asked.retain(|_, at| since(*at, now) < DETAIL_AGE * 2);
            self.asked.extend(wanted.iter().cloned().map(|entry| (entry, now)));
        }
        wanted
    }
}

/// First line in sight so that `cursor` is: it moves as little as it can.
#[must_use]
pub fn window_start(offset: usize, cursor: usize, total: usize, rows: usize) -> usize {
    let last = total.saturating_sub(rows);
    let offset = if cursor < offset {
        cursor
    } else if rows > 0 && cursor >= offset + rows {
        cursor + 1 - rows
    } else {
        offset
    };
    offset.min(last)
}

fn count(counts: &mut RunCounts, row: &RunRow) {
    counts.total += 1;
    match row.phase {
        Phase::Running => counts.running += 1,
        Phase::New | Phase::Pending => counts.pending += 1,
        Phase::Failed | Phase::Error => counts.failed += 1,
        _ => {}
    }
    counts.unarchived += usize::from(row.phase.finished() && row.archiving == Archiving::Pending);
}

fn rank(phase: Phase) -> u64 {
    match phase {
        Phase::Error => 0,
        Phase::Failed => 1,
        Phase::Pending => 2,
        Phase::New => 3,
        Phase::Running => 4,
        Phase::Succeeded => 5,
        Phase::Skipped | Phase::Omitted => 6,
    }
}

/// A row while the list is put in order: no more than it takes, since all of them are gone through at a key.
struct Line<'a> {
    /// Sorts it; where two are alike, name and region do.
    number: u128,
    side: Side,
    key: &'a ObjectKey,
}

impl<'a> Line<'a> {
    fn new((sort, reverse): (Sort, bool), side: Side, key: &'a ObjectKey, row: &RunRow) -> Line<'a> {
        let turn = |first: u64| if reverse { !first } else { first };
        let two = |first: u64, then: u64| u128::from(first) << 64 | u128::from(then);
        let finished = u64::from(row.phase.finished());
        // By the microsecond, and as an unsigned number in the same order: the newest has the smallest.
        let newest = !(row.created.as_microsecond().cast_unsigned() ^ (1 << 63));
        let number = match sort {
            Sort::Age => two(finished, turn(newest)),
            // See `number_names`.
            Sort::Name => 0,
            Sort::Status => two(turn(rank(row.phase)), newest),
            Sort::Region => two(turn(u64::from(side == Side::B)) << 1 | finished, newest),
        };
        Line { number, side, key }
    }

    /// Total, so that rows never change places without a reason.
    fn order(&self, other: &Line<'_>, (sort, reverse): (Sort, bool)) -> Ordering {
        let name = || match (sort, reverse) {
            (Sort::Name, false) => self.key.name.cmp(&other.key.name),
            (Sort::Name, true) => other.key.name.cmp(&self.key.name),
            _ => Ordering::Equal,
        };
        let rest = || self.side.cmp(&other.side).then_with(|| self.key.cmp(other.key));
        self.number.cmp(&other.number).then_with(name).then_with(rest)
    }
}

/// Numbers lines by the first letters of their names after those that all of them share: names of generated runs begin
/// alike, and to compare the names themselves is to look each one up.
fn number_names<'l, 'a: 'l>(lines: impl IntoIterator<Item = &'l mut Line<'a>>, reverse: bool) {
    let lines: Vec<&mut Line<'_>> = lines.into_iter().collect();
    let Some(first) = lines.first().map(|line| line.key.name.as_bytes()) else { return };
    let alike = |shared: usize, line: &&mut Line<'_>| {
        first.iter().zip(line.key.name.as_bytes()).take(shared).take_while(|(a, b)| a == b).count()
    };
    let shared = lines.iter().fold(first.len(), alike);
    for line in lines {
        let mut start = [0; 16];
        start.iter_mut().zip(line.key.name.bytes().skip(shared)).for_each(|(to, byte)| *to = byte);
        let start = u128::from_be_bytes(start);
        line.number = if reverse { !start } else { start };
    }
}

/// Of all lines those from place `first` on, [`WINDOW`] at most, in order. The others are not sorted.
fn window<T>(lines: &mut [T], first: usize, order: impl Fn(&T, &T) -> Ordering) -> &mut [T] {
    if first > 0 && first < lines.len() {
        lines.select_nth_unstable_by(first, &order);
    }
    let rest = lines.get_mut(first..).unwrap_or_default();
    if rest.len() > WINDOW {
        rest.select_nth_unstable_by(WINDOW, &order);
    }
    let end = rest.len().min(WINDOW);
    let window = rest.get_mut(..end).unwrap_or_default();
    window.sort_unstable_by(order);
    window
}

#[cfg(test)]
mod tests;
