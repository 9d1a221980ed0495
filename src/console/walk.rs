//! Moving about: in lists, in pages, between views.

use super::action::Action;
use super::command::Command;
use super::filter::Filter;
use super::layout::Form;
use super::state::{Overlay, State};
use super::view::View;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::region::Side;
use crate::playbook::file::Purpose;

impl State {
    /// Goes to a view. The playbook view is the run while there is one to lead, and its list on the second press.
    pub(super) fn go(&mut self, view: View) {
        let open = self.run.as_ref().is_some();
        let view = match view {
            View::Run if !open || self.trail.here() == View::Run => View::Playbooks,
            // Of a run that is over there is nothing to lead, and a fence is wanted.
            View::Run if self.fence_is_wanted() && self.trail.here() != View::Playbooks => View::Playbooks,
            view => view,
        };
        self.leave();
        if view == View::Playbooks && self.trail.here() != view && self.fence_is_wanted() {
            // Nothing else can be declared before that.
            let fence = self.playbooks.iter().position(|playbook| playbook.purpose == Purpose::Fence);
            self.playbook = fence.unwrap_or(self.playbook);
        }
        self.trail.go(view);
        self.arrive();
    }

    fn leave(&mut self) {
        self.chord.clear();
        // What was said was said about what is left.
        self.notice = None;
        self.page.scroll = 0;
    }

    /// The list of runs is kept in order in every view; to go there is no reason to do it again.
    fn arrive(&mut self) {
        self.lists(!self.trail.here().lists_runs());
    }

    /// Moves.
    pub(super) fn walk(&mut self, action: Action) -> Vec<Command> {
        match action {
            Action::Open => return self.open(),
            Action::Back => return self.back(),
            Action::NextPane => self.next_step(1),
            Action::PreviousPane => self.next_step(-1),
            _ => self.scroll(action),
        }
        Vec::new()
    }

    fn open(&mut self) -> Vec<Command> {
        match self.trail.here() {
            View::Overview | View::Workflows => match self.runs.selected.clone() {
                Some((side, key)) => self.open_run(side, key),
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn open_run(&mut self, side: Side, key: ObjectKey) -> Vec<Command> {
        self.fleet.open_run = Some((side, key.clone(), None));
        self.tree = super::tree::Tree::default();
        self.go(View::Tree);
        vec![Command::OpenRun { side, key }]
    }

    fn back(&mut self) -> Vec<Command> {
        if self.filter().is_some_and(|filter| !filter.text.is_empty()) {
            self.set_filter(Filter::default());
            return Vec::new();
        }
        self.leave();
        self.trail.back();
        self.arrive();
        Vec::new()
    }

    /// Opens the list of workflows with these words as its filter, or the one run that is called so.
    pub(super) fn workflows(&mut self, words: &str) -> Vec<Command> {
        let exact = Side::BOTH.into_iter().find_map(|side| {
            let rows = self.fleet.region(side).runs.rows();
            rows.keys().find(|key| key.name == words || key.to_string() == words).map(|key| (side, key.clone()))
        });
        self.go(View::Workflows);
        if let Some((side, key)) = exact {
            return self.open_run(side, key);
        }
        self.set_filter(Filter::read(words));
        Vec::new()
    }

    /// In a run, the step that is looked at; elsewhere nothing.
    fn next_step(&mut self, by: isize) {
        let (in_sight, current) = (self.step_in_sight(), self.open_step().map(|(at, _, _)| at));
        if self.trail.here() == View::Run
            && let Some(followed) = &mut self.run
        {
            let count = followed.run.steps.len();
            let at = in_sight.unwrap_or(count);
            let to = at.saturating_add_signed(by).min(count.saturating_sub(1));
            followed.looked_at = Some(to).filter(|to| Some(*to) != current);
            // Past the last step of a run that is over lies its end.
            if by > 0 && followed.run.ended.is_some() && at + 1 >= count {
                followed.looked_at = None;
            }
            self.page.scroll = 0;
            self.turn_page();
        }
    }

    fn scroll(&mut self, action: Action) {
        if let Overlay::Palette(palette) = &mut self.overlay {
            palette.walk(action);
            return;
        }
        if let Some(question) = self.question() {
            let (first, rows) = self.question_window(&question);
            if rows < question.rows.len() {
                let to = target(action, first, question.rows.len() - rows + 1, rows);
                if let Overlay::Dialog(dialog) = &mut self.overlay {
                    dialog.scroll = to;
                }
                return;
            }
        }
        let here = self.trail.here();
        match here {
            View::Overview | View::Workflows => {
                let rows = self.run_rows();
                let to = target(action, self.runs.cursor, self.runs.matching, rows);
                self.runs.go(to, &self.fleet, rows);
            }
            View::Tree => {
                let rows = self.tree_rows();
                let to = target(action, self.tree.cursor, self.tree.lines.len(), rows);
                self.tree.select(to);
                self.tree.fit(rows);
            }
            View::Timeline => {
                let rows = self.body_rows();
                let page = self.timeline.lines.len();
                self.timeline.offset = target(action, self.timeline.offset, self.timeline.matching, page);
                let columns = self.body_columns();
                self.timeline.refresh(&self.fleet, rows, columns);
            }
            View::Playbooks if matches!(action, Action::Up | Action::Down | Action::Top | Action::Bottom) => {
                self.playbook = target(action, self.playbook, self.playbooks.len(), 1);
                self.page.scroll = 0;
                self.turn_page();
            }
            View::Run if self.overlay == Overlay::None && matches!(action, Action::Up | Action::Down) => {
                self.next_step(if action == Action::Up { -1 } else { 1 });
            }
            _ => {
                let rows = self.page_rows();
                let last = self.page.rows.len().saturating_sub(rows);
                self.page.scroll = target(action, self.page.scroll, last + 1, rows);
            }
        }
    }

    /// Where the open question does not fit: which of its rows are in sight, and with which key the others come.
    #[must_use]
    pub fn question_place(&self) -> Option<String> {
        let question = self.question()?;
        let (first, rows) = self.question_window(&question);
        let total = question.rows.len();
        let action = if first + rows < total { Action::Down } else { Action::Up };
        let key = super::hints::best(self.keymap.keys_for(self.mode(), action)).unwrap_or_else(|| "no key".to_owned());
        (rows < total).then(|| format!("{}-{} of {total}, {key} shows more", first + 1, first + rows))
    }

    /// Why the open question can not be answered yet: not all of it has been on the screen.
    pub(super) fn more_of_question(&self) -> Option<String> {
        let (dialog, question) = (self.dialog()?, self.question()?);
        let key = super::hints::best(self.keymap.keys_for(self.mode(), Action::Down));
        let key = key.unwrap_or_else(|| Action::Down.name().to_owned());
        (dialog.seen < question.rows.len()).then(|| format!("{key} shows the rest of the question"))
    }

    /// The name that is copied.
    pub(super) fn name_in_sight(&self) -> Option<String> {
        match self.trail.here() {
            View::Overview | View::Workflows => self.runs.selected.as_ref().map(|(_, key)| key.name.clone()),
            View::Tree => {
                self.tree.selected.clone().or_else(|| self.fleet.open_run.as_ref().map(|(_, key, _)| key.name.clone()))
            }
            View::Run => self.run.as_ref().map(|followed| followed.run.declared.run.to_string()),
            View::Playbooks => self.selected_playbook().map(|playbook| playbook.name.clone()),
            View::Dns => self.fleet.policy.dns.as_ref().map(|dns| dns.name.clone()),
            _ => None,
        }
    }

    /// Lines of the tree in sight: its pane has lines of its own above it.
    #[must_use]
    pub fn tree_rows(&self) -> usize {
        let above = if self.size.form() == Form::Wide { 4 } else { 3 };
        self.body_rows().saturating_sub(above)
    }
}

/// Where a movement leads from a place among so many.
fn target(action: Action, at: usize, count: usize, rows: usize) -> usize {
    let page = rows.max(1);
    let half = (page / 2).max(1);
    let to = match action {
        Action::Up => at.saturating_sub(1),
        Action::Down => at + 1,
        Action::PageUp => at.saturating_sub(page),
        Action::PageDown => at + page,
        Action::HalfPageUp => at.saturating_sub(half),
        Action::HalfPageDown => at + half,
        Action::Top => 0,
        Action::Bottom => usize::MAX,
        _ => at,
    };
    to.min(count.saturating_sub(1))
}
