//! How the screen is divided: sizes only, no cells. Pure. Update needs them to keep a selection in sight, and what is
//! painted follows the same numbers.

use super::pages::words::alarm_lines;
use super::row::{cut, wrap};
use super::state::State;
use super::view::View;

/// The terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

/// Least size at which anything but a notice is painted.
pub const LEAST: Size = Size { columns: 60, rows: 15 };

/// Least size at which every fact has its place; below it the screen says what it has and needs.
pub const FULL: Size = Size { columns: 80, rows: 24 };

/// Least size at which regions stand side by side: with fewer rows the panes would leave none for the runs.
const WIDE: Size = Size { columns: 120, rows: 30 };

/// Which of the three layouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Panes side by side.
    Wide,
    /// One column, every fact.
    Dense,
    /// A notice.
    TooSmall,
}

/// No terminal is larger; what claims to be would only cost memory.
const MOST: Size = Size { columns: 1_000, rows: 500 };

impl Size {
    /// This size within what any terminal has.
    #[must_use]
    pub fn sane(self) -> Size {
        Size { columns: self.columns.min(MOST.columns), rows: self.rows.min(MOST.rows) }
    }

    /// Facts are cut at this size.
    #[must_use]
    pub fn below_full(self) -> bool {
        self.columns < FULL.columns || self.rows < FULL.rows
    }

    /// The layout that fits.
    #[must_use]
    pub fn form(self) -> Form {
        let fits = |least: Size| self.columns >= least.columns && self.rows >= least.rows;
        if fits(WIDE) {
            Form::Wide
        } else if fits(LEAST) {
            Form::Dense
        } else {
            Form::TooSmall
        }
    }
}

/// Heights from top to bottom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bands {
    /// Header, with its rule where it has one.
    pub header: u16,
    /// The line of the run that is driven or watched; 0 without one.
    pub run: u16,
    /// The view.
    pub body: u16,
    /// Keys, with the rule where it has one.
    pub footer: u16,
}

/// Heights of the wide overview.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overview {
    /// The three panes of regions and database.
    pub regions: u16,
    /// Readiness.
    pub readiness: u16,
    /// Alarms and what changed.
    pub alarms: u16,
    /// Runs.
    pub runs: u16,
}

/// Lines of the dense overview above the runs, without rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DenseOverview {
    /// The two regions.
    pub regions: u16,
    /// Database, readiness, what holds, alarms.
    pub middle: u16,
    /// Runs, with the head of the table.
    pub runs: u16,
}

impl State {
    /// Heights from top to bottom.
    #[must_use]
    pub fn bands(&self) -> Bands {
        let (header, footer) = match self.size.form() {
            Form::Wide => (1, 1),
            Form::Dense | Form::TooSmall => (3, 2),
        };
        let run = u16::from(self.run.as_ref().is_some_and(|run| run.shown_in_line()));
        Bands { header, run, body: self.size.rows.saturating_sub(header + run + footer), footer }
    }

    /// Heights of the wide overview, for what there is to say now.
    #[must_use]
    pub fn overview(&self) -> Overview {
        let body = self.bands().body;
        let regions = 8.min(body);
        let holds = u16::try_from(self.derived.readiness.blocks.len()).unwrap_or(u16::MAX);
        let warns = u16::try_from(self.derived.readiness.warnings.len()).unwrap_or(u16::MAX);
        // What holds takes two lines each, question and way out; warnings stand two in a line.
        let room = body.saturating_sub(regions);
        // What is lost has a line of its own where it is an estimate.
        let estimated = self.derived.readiness.loss.as_ref().is_some_and(|loss| !loss.exact);
        let wanted = match self.why_no_direction(self.body_columns()).len() {
            0 if self.run_is_open() => 3,
            0 => 3 + u16::from(estimated) + holds.min(3) * 2 + warns.min(6).div_ceil(2).min(3),
            lines => 2 + u16::try_from(lines).unwrap_or(u16::MAX).min(4),
        };
        let readiness = wanted.min(room / 2).max(3.min(room));
        let left = room.saturating_sub(readiness);
        let said = self.derived.alarms.iter().take(4).map(|alarm| alarm_lines(alarm, self.alarm_columns()).len());
        let lines = u16::try_from(said.sum::<usize>()).unwrap_or(u16::MAX).min(6) + 3;
        let alarms = (lines + 2).min(left / 2);
        Overview { regions, readiness, alarms, runs: left.saturating_sub(alarms) }
    }

    /// Heights of the dense overview.
    #[must_use]
    pub fn dense_overview(&self) -> DenseOverview {
        let body = self.bands().body;
        let holds = u16::try_from(self.held_by_lines().len()).unwrap_or(u16::MAX);
        let first = self.derived.alarms.first().map_or(0, |alarm| alarm_lines(alarm, self.alarm_columns()).len());
        let alarms = u16::try_from(first).unwrap_or(0);
        let regions = 5.min(body);
        let verdict = match self.why_no_direction(self.body_columns()).len() {
            0 if self.run_is_open() => 2,
            0 => 3 + holds,
            lines => 2 + u16::try_from(lines).unwrap_or(0),
        };
        let middle = (verdict + alarms).min(body.saturating_sub(regions + 1));
        DenseOverview { regions, middle, runs: body.saturating_sub(regions + middle + 2) }
    }

    /// What holds a failover back, in lines of the dense overview: the first of it, and in full where two lines are enough.
    #[must_use]
    pub fn held_by_lines(&self) -> Vec<String> {
        let Some(first) = self.derived.readiness.blocks.first().filter(|_| !self.run_is_open()) else {
            return Vec::new();
        };
        let columns = self.body_columns().saturating_sub(6);
        let mut lines = wrap(&format!("{}: {}", first.gate, first.answer.text), columns);
        if lines.len() > 2 {
            let rest = lines.split_off(1).join(" ");
            lines.push(cut(&rest, columns));
        }
        lines
    }

    /// Columns of the words of an alarm, beside its weight and its region.
    #[must_use]
    pub fn alarm_columns(&self) -> usize {
        let beside = match self.size.form() {
            Form::Wide => 9 + 8 + self.region_columns() + 2,
            // The region stands before the words.
            Form::Dense | Form::TooSmall => 8 + self.region_columns() + 1,
        };
        self.body_columns().saturating_sub(beside).max(20)
    }

    /// Columns of a region's name: the longer of both, within reason.
    #[must_use]
    pub fn region_columns(&self) -> usize {
        super::timeline::region_columns(&self.fleet)
    }

    /// Rows of the list of runs that are in sight.
    #[must_use]
    pub fn run_rows(&self) -> usize {
        let height = match (self.trail.here(), self.size.form()) {
            (_, Form::TooSmall) => 0,
            (View::Overview, Form::Wide) => self.overview().runs.saturating_sub(3),
            (View::Overview, Form::Dense) => self.dense_overview().runs.saturating_sub(1),
            (_, Form::Wide) => self.bands().body.saturating_sub(3),
            (_, Form::Dense) => self.bands().body.saturating_sub(2),
        };
        usize::from(height)
    }

    /// Lines of a page or list that fills the body.
    #[must_use]
    pub fn body_rows(&self) -> usize {
        let frame = if self.size.form() == Form::Wide { 2 } else { 1 };
        usize::from(self.bands().body.saturating_sub(frame))
    }

    /// Columns inside a pane that fills the body.
    #[must_use]
    pub fn body_columns(&self) -> usize {
        usize::from(self.size.columns.saturating_sub(if self.size.form() == Form::Wide { 4 } else { 2 }))
    }

    /// Columns of the list of steps, with its frame; 0 where it is one line above the page.
    #[must_use]
    pub fn step_list_columns(&self) -> u16 {
        match self.size.form() {
            Form::Wide => (self.size.columns / 3).clamp(44, 60),
            Form::Dense | Form::TooSmall => 0,
        }
    }
}
