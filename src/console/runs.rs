//! The list of runs of both regions: which rows there are, in what order, and which are in sight. Pure.
//!
//! With 40,000 rows and a thousand changes a second the list is not sorted whole: one pass counts and filters, the
//! first [`WINDOW`] rows are picked out and sorted, and only their keys are kept. Whoever scrolls further gets more.

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

/// Rows sorted at first; a person looks at fewer than a hundred.
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
    /// The first rows in order.
    pub entries: Vec<RowKey>,
    /// Rows that pass the filter.
    pub matching: usize,
    /// Rows that pass the filter and are unfinished.
    pub matching_unfinished: usize,
    /// Runs by what they do, whatever the filter.
    pub counts: PerSide<RunCounts>,
    /// The selected row, by key: it stays selected wherever it moves.
    pub selected: Option<RowKey>,
    /// Its place in `entries`.
    pub cursor: usize,
    /// First row in sight.
    pub offset: usize,
    /// Somebody has moved the selection; until then it stays on the first row, whichever that is.
    moved: bool,
    window: usize,
    built: Option<((u64, u64), Timestamp)>,
    asked: BTreeMap<RowKey, Timestamp>,
    asked_at: Option<Timestamp>,
}

impl Runs {
    /// Puts the list in order again, when it has changed and the last time is long enough ago; at once when `now` is
    /// asked for by a key. True: it was done.
    pub fn refresh(&mut self, fleet: &Fleet, at_once: bool) -> bool {
        let version = (fleet.region(Side::A).runs.version, fleet.region(Side::B).runs.version);
        let due = match self.built {
            None => true,
            Some((built, at)) => at_once || (built != version && since(at, fleet.now) >= ORDER_EVERY),
        };
        if due {
            self.build(fleet);
            self.built = Some((version, fleet.now));
        }
        due
    }

    fn build(&mut self, fleet: &Fleet) {
        let mut rows: Vec<(Side, &ObjectKey, &RunRow)> = Vec::new();
        self.matching_unfinished = 0;
        for side in Side::BOTH {
            let region = fleet.region(side);
            let mut counts = RunCounts::default();
            for (key, row) in region.runs.rows() {
                count(&mut counts, row);
                if self.filter.passes(&Subject { region: &region.name, key, row }) {
                    self.matching_unfinished += usize::from(!row.phase.finished());
                    rows.push((side, key, row));
                }
            }
            *self.counts.get_mut(side) = counts;
        }
        self.matching = rows.len();
        let window = self.window.max(WINDOW).min(rows.len());
        let (sort, reverse) = (self.sort, self.reverse);
        if window < rows.len() && window > 0 {
            rows.select_nth_unstable_by(window - 1, |a, b| order(sort, reverse, a, b));
            rows.truncate(window);
        }
        rows.sort_unstable_by(|a, b| order(sort, reverse, a, b));
        self.entries = rows.into_iter().map(|(side, key, _)| (side, key.clone())).collect();
        if !self.moved {
            self.select(0);
        } else if let Some(selected) = &self.selected {
            match self.entries.iter().position(|entry| entry == selected) {
                Some(at) => self.cursor = at,
                // It is gone: what stands in its place now is selected.
                None => self.select(self.cursor),
            }
        }
    }

    /// Selects the row at a place, or the last one.
    pub fn select(&mut self, at: usize) {
        self.cursor = at.min(self.entries.len().saturating_sub(1));
        self.selected = self.entries.get(self.cursor).cloned();
    }

    /// Moves the selection, sorting further where the end of what is sorted comes near.
    pub fn go(&mut self, to: usize, fleet: &Fleet) {
        if to + WINDOW / 2 > self.entries.len() && self.entries.len() < self.matching {
            self.window = to.saturating_add(WINDOW).min(self.matching);
            self.refresh(fleet, true);
        } else if to == 0 {
            self.window = 0;
        }
        self.select(to);
        self.moved = to > 0;
    }

    /// Keeps the selection in sight, with `rows` in sight.
    pub fn fit(&mut self, rows: usize) {
        if self.selected.is_none() || self.cursor >= self.entries.len() {
            self.select(self.cursor);
        }
        self.offset = window_start(self.offset, self.cursor, self.entries.len(), rows);
    }

    /// The keys in sight.
    #[must_use]
    pub fn in_sight(&self, rows: usize) -> &[RowKey] {
        let end = (self.offset + rows).min(self.entries.len());
        self.entries.get(self.offset..end).unwrap_or_default()
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

fn rank(phase: Phase) -> u8 {
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

fn order(sort: Sort, reverse: bool, a: &(Side, &ObjectKey, &RunRow), b: &(Side, &ObjectKey, &RunRow)) -> Ordering {
    let turn = |order: Ordering| if reverse { order.reverse() } else { order };
    let unfinished = || a.2.phase.finished().cmp(&b.2.phase.finished());
    let newest = || b.2.created.cmp(&a.2.created);
    let name = || a.1.name.cmp(&b.1.name);
    let first = match sort {
        Sort::Age => unfinished().then_with(|| turn(newest())),
        Sort::Name => turn(name()),
        Sort::Status => turn(rank(a.2.phase).cmp(&rank(b.2.phase))).then_with(newest),
        Sort::Region => turn(a.0.cmp(&b.0)).then_with(unfinished).then_with(newest),
    };
    // Total, so that rows never change places without a reason.
    first.then_with(|| a.0.cmp(&b.0)).then_with(|| a.1.cmp(b.1))
}
