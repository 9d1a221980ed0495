//! Pages: the views that are read from top to bottom. Each is written as rows for a width; the painter shows a window
//! of them. Pure.

mod database;
mod dialog;
mod dns;
mod end;
mod help;
pub mod metrics;
mod plan;
mod step;
mod why;
pub mod words;
mod writer;

pub use step::step_rows;

use super::layout::Form;
use super::row::Row;
use super::state::{Overlay, State};
use super::view::View;

/// The page of the present view.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// Its title.
    pub title: String,
    /// What it is about cannot be undone: its frame says so.
    pub danger: bool,
    /// Its lines.
    pub rows: Vec<Row>,
    /// First line in sight.
    pub scroll: usize,
    about: Option<(View, Option<usize>)>,
}

/// An open question.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Question {
    /// What is asked. It scrolls where there is no room for all of it.
    pub rows: Vec<Row>,
    /// What is always in sight: what is typed, what is wrong with it, the keys.
    pub foot: Vec<Row>,
}

impl Page {
    /// The lines in sight.
    #[must_use]
    pub fn in_sight(&self, rows: usize) -> &[Row] {
        let end = (self.scroll + rows).min(self.rows.len());
        self.rows.get(self.scroll..end).unwrap_or_default()
    }
}

impl State {
    /// Writes the page of the present view anew and keeps its scroll, unless it is about something else now.
    pub(super) fn turn_page(&mut self) {
        let here = self.trail.here();
        let step = match here {
            View::Run => self.step_in_sight(),
            View::Playbooks => Some(self.playbook),
            _ => None,
        };
        let columns = self.page_columns();
        let mut danger = false;
        let (title, rows) = match here {
            View::Overview | View::Workflows | View::Tree | View::Timeline => (String::new(), Vec::new()),
            View::Database => ("databases".to_owned(), database::rows(self, columns)),
            View::Metrics => ("controllers and lag, last ten minutes".to_owned(), metrics::rows(self, columns)),
            View::Dns => ("name in front".to_owned(), dns::rows(self, columns)),
            View::Playbooks => plan::rows(self, columns),
            View::Run => match step {
                Some(at) => {
                    let (title, irreversible, rows) = step::rows(self, at, columns);
                    danger = irreversible;
                    (title, rows)
                }
                None => end::rows(self, columns),
            },
            View::Help => ("keys".to_owned(), help::rows(self, columns)),
        };
        let about = Some((here, step));
        let scroll = if self.page.about == about { self.page.scroll } else { 0 };
        let last = rows.len().saturating_sub(self.page_rows());
        self.page = Page { title, danger, rows, scroll: scroll.min(last), about };
    }

    /// Columns of the page.
    #[must_use]
    pub fn page_columns(&self) -> usize {
        let list = match self.trail.here() {
            View::Run | View::Playbooks => usize::from(self.step_list_columns()),
            _ => 0,
        };
        self.body_columns().saturating_sub(list)
    }

    /// Lines of the page in sight.
    #[must_use]
    pub fn page_rows(&self) -> usize {
        let rows = match (self.size.form(), self.trail.here()) {
            (Form::Dense, View::Run) => self.body_rows().saturating_sub(1),
            (Form::Dense, View::Playbooks) => self.body_rows().saturating_sub(self.playbook_lines()),
            _ => self.body_rows(),
        };
        rows.saturating_sub(usize::from(self.dialog_height()))
    }

    /// Lines of the list of playbooks above a dense plan.
    #[must_use]
    pub fn playbook_lines(&self) -> usize {
        self.playbooks.len().clamp(1, 4)
    }

    /// The open question, for its width. None: there is no question.
    #[must_use]
    pub fn question(&self) -> Option<Question> {
        let Overlay::Dialog(dialog) = &self.overlay else { return None };
        Some(dialog::question(self, dialog, self.dialog_columns()))
    }

    /// Rows of the open question that are in sight: from which on, and how many. One at least, so that all can be reached.
    #[must_use]
    pub fn question_window(&self, question: &Question) -> (usize, usize) {
        let rows = usize::from(self.dialog_height()).saturating_sub(2 + question.foot.len());
        let rows = rows.max(1).min(question.rows.len());
        let scroll = self.dialog().map_or(0, |dialog| dialog.scroll);
        (scroll.min(question.rows.len() - rows), rows)
    }

    /// Height of the open question with its frame; 0 without one. It covers the lower part of the view.
    #[must_use]
    pub fn dialog_height(&self) -> u16 {
        let Some(question) = self.question() else { return 0 };
        u16::try_from(question.rows.len() + question.foot.len() + 2).unwrap_or(u16::MAX).min(self.bands().body)
    }

    /// Columns inside the open question.
    #[must_use]
    pub fn dialog_columns(&self) -> usize {
        let list = if self.trail.here() == View::Run { self.step_list_columns() } else { 0 };
        usize::from(self.size.columns.saturating_sub(list + 4))
    }
}
