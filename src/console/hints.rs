//! The last line: keys that do something here and now, from the live keymap. Pure.

use super::action::Action;
use super::guide::Turn;
use super::state::{Overlay, State};
use super::view::View;

/// A key and what it does here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// As the keymap writes it.
    pub keys: String,
    /// What it does.
    pub words: &'static str,
}

/// Of several keys the one that is easiest to remember: a letter before a digit, a name before a held key.
#[must_use]
pub fn best(keys: Vec<String>) -> Option<String> {
    let worth = |keys: &String| match keys.as_str() {
        one if one.chars().all(char::is_alphabetic) && one.len() == 1 => 0,
        one if one.chars().all(|c| c.is_ascii_digit()) => 2,
        one if one.contains("ctrl-") => 3,
        _ => 1,
    };
    keys.into_iter().min_by_key(worth)
}

impl State {
    /// The hints, the most useful first: what does not fit is left out from the end.
    #[must_use]
    pub fn hints(&self) -> Vec<Hint> {
        let mode = self.mode();
        self.useful()
            .into_iter()
            .filter_map(|(action, words)| {
                let keys = best(self.keymap.keys_for(mode, action))?;
                Some(Hint { keys, words })
            })
            .collect()
    }

    fn useful(&self) -> Vec<(Action, &'static str)> {
        match &self.overlay {
            Overlay::Filter { .. } => return vec![(Action::Confirm, "keep"), (Action::Cancel, "as it was")],
            Overlay::Palette(_) => {
                return vec![(Action::Confirm, "run"), (Action::Complete, "complete"), (Action::Cancel, "close")];
            }
            Overlay::Dialog(dialog) if dialog.stray => return vec![(Action::Cancel, "not now")],
            Overlay::Dialog(dialog) => {
                let yes = if dialog.field().is_some() { "send what is typed" } else { "yes, as written" };
                return vec![(Action::Confirm, yes), (Action::Cancel, "not now")];
            }
            Overlay::None => {}
        }
        let mut hints = Vec::new();
        if self.fence_is_wanted() && self.trail.here() != View::Playbooks {
            hints.push((Action::ViewPlaybooks, "fence the old primary"));
        }
        match self.trail.here() {
            View::Overview | View::Workflows => {
                if self.runs.selected.is_some() {
                    hints.push((Action::Open, "open"));
                }
                hints.push((Action::Filter, "filter"));
                if self.runs.matching > 1 {
                    hints.push((Action::SortNext, "sort"));
                }
            }
            View::Tree => hints.push((Action::CopyName, "copy")),
            View::Timeline => hints.push((Action::Filter, "filter")),
            View::Playbooks => {
                let may = self.access == super::state::Access::MayWrite && !self.run_is_open();
                if may && self.selected_playbook().is_some() {
                    hints.push((Action::RunStep, "declare a run"));
                }
                if self.page.rows.len() > self.page_rows() {
                    hints.push((Action::PageDown, "more"));
                }
            }
            View::Run => hints.extend(self.run_hints()),
            View::Database | View::Metrics | View::Dns | View::Help => {}
        }
        if self.trail.here() != View::Overview {
            hints.push((Action::Back, "back"));
        }
        hints.push((Action::Palette, "command"));
        if self.trail.here() != View::Run {
            let open = self.run.as_ref().is_some_and(|followed| followed.run.ended.is_none());
            hints.push(if open { (Action::ViewPlaybooks, "run") } else { (Action::StartFailover, "failover") });
        }
        for (action, view, words) in [
            (Action::ViewDatabase, View::Database, "database"),
            (Action::ViewWorkflows, View::Workflows, "workflows"),
            (Action::ViewMetrics, View::Metrics, "metrics"),
            (Action::ViewDns, View::Dns, "dns"),
            (Action::ViewTimeline, View::Timeline, "timeline"),
        ] {
            if self.trail.here() != view {
                hints.push((action, words));
            }
        }
        if self.trail.here() != View::Help {
            // Never the one that is left out.
            hints.insert(hints.len().min(4), (Action::Help, "help"));
        }
        hints
    }

    fn run_hints(&self) -> Vec<(Action, &'static str)> {
        match self.turn() {
            Turn::NotOurs => vec![(Action::RunStep, "take over")],
            Turn::Stands(_) => vec![(Action::RunStep, "take up again"), (Action::AbortRun, "abort")],
            Turn::Finish => vec![(Action::RunStep, "finish")],
            Turn::Held(_) if self.may_override() => {
                vec![(Action::OverrideGate, "go on with a reason"), (Action::AbortRun, "abort")]
            }
            Turn::Held(_) => vec![(Action::AbortRun, "abort")],
            Turn::Start(_) => vec![(Action::RunStep, "start the step"), (Action::AbortRun, "abort")],
            Turn::Again(_, true) => {
                vec![(Action::Retry, "retry"), (Action::Accept, "go on without"), (Action::AbortRun, "abort")]
            }
            Turn::Again(_, false) if self.may_override() => {
                vec![(Action::Retry, "retry"), (Action::OverrideGate, "go on without it"), (Action::AbortRun, "abort")]
            }
            Turn::Stuck(_) if self.may_override() => {
                vec![(Action::OverrideGate, "go on without it"), (Action::AbortRun, "abort")]
            }
            Turn::Again(_, false) => vec![(Action::Retry, "retry"), (Action::AbortRun, "abort")],
            Turn::Accept(_) => vec![(Action::Accept, "accept"), (Action::AbortRun, "abort")],
            Turn::Busy(_) | Turn::Stuck(_) => vec![(Action::AbortRun, "abort")],
            Turn::NoRun | Turn::ReadOnly | Turn::Over => Vec::new(),
        }
    }
}
