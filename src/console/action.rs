//! Everything a key can ask for. Pure.
//!
//! The name is what keymap files and the palette call it; the description is what help shows. Both are made from the
//! one table below, so that no action can be without them. Verbs on a selected thing (suspend a run, drain a node) are
//! no actions of keys: they are chosen in the palette, where they are spelled out.

use std::fmt;

use super::keymap::Mode;

/// What kind of thing an action is; help is laid out by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Moving about on a screen.
    Movement,
    /// Going to another view.
    View,
    /// What is done with a list.
    List,
    /// The program itself.
    Program,
    /// Leading a run.
    Playbook,
    /// Answering a question.
    Consent,
    /// Editing a line of text.
    Text,
}

macro_rules! actions {
    ($($variant:ident, $name:literal, $group:ident, $description:literal;)*) => {
        /// Something that a key can ask for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action {
            $(#[doc = $description] $variant,)*
        }

        impl Action {
            /// Every action, in the order of help.
            pub const ALL: &'static [Action] = &[$(Action::$variant,)*];

            /// The name in keymap files and in the palette.
            pub const fn name(self) -> &'static str {
                match self { $(Action::$variant => $name,)* }
            }

            /// One line for help.
            pub const fn description(self) -> &'static str {
                match self { $(Action::$variant => $description,)* }
            }

            /// What kind of thing it is.
            pub const fn group(self) -> Group {
                match self { $(Action::$variant => Group::$group,)* }
            }
        }
    };
}

actions! {
    Up, "up", Movement, "one line up";
    Down, "down", Movement, "one line down";
    PageUp, "page-up", Movement, "one page up";
    PageDown, "page-down", Movement, "one page down";
    HalfPageUp, "half-page-up", Movement, "half a page up";
    HalfPageDown, "half-page-down", Movement, "half a page down";
    Top, "top", Movement, "to the first line";
    Bottom, "bottom", Movement, "to the last line";
    Left, "left", Movement, "to the left";
    Right, "right", Movement, "to the right";
    NextPane, "next-pane", Movement, "to the next pane";
    PreviousPane, "previous-pane", Movement, "to the previous pane";
    Open, "open", Movement, "open what is selected";
    Back, "back", Movement, "back to where you came from";
    ViewOverview, "view-overview", View, "both regions at a glance";
    ViewWorkflows, "view-workflows", View, "the runs of both regions";
    ViewDatabase, "view-database", View, "primary, replica and what lies between them";
    ViewMetrics, "view-metrics", View, "the controllers' metrics over time";
    ViewDns, "view-dns", View, "what the public name answers, and where";
    ViewPlaybooks, "view-playbooks", View, "playbooks and the current run";
    ViewTimeline, "view-timeline", View, "what changed, newest first; no run's start or success";
    Help, "help", View, "the keys that work here";
    Filter, "filter", List, "show only what matches";
    SortNext, "sort-next", List, "sort by the next column";
    SortReverse, "sort-reverse", List, "turn the order round";
    ToggleWide, "toggle-wide", List, "more columns, or fewer";
    CopyName, "copy-name", List, "copy the selected name";
    Palette, "palette", Program, "type a command";
    Refresh, "refresh", Program, "ask every source again now";
    Freeze, "freeze", Program, "hold the picture still, or let it go on";
    Redraw, "redraw", Program, "paint the whole screen again";
    Suspend, "suspend", Program, "to the shell; fg comes back";
    Interrupt, "interrupt", Program, "give up what is open; with nothing open, quit";
    Quit, "quit", Program, "leave leeward; a run goes on being recorded";
    StartFailover, "start-failover", Playbook, "plan a failover: shows what it would need, lose and take";
    RunStep, "run-step", Playbook, "ask for consent to the next step";
    Retry, "retry", Playbook, "ask for consent to try the step again";
    Accept, "accept", Playbook, "take the step's result as it was observed";
    OverrideGate, "override-gate", Playbook, "pass a gate with a reason, on record";
    AbortRun, "abort-run", Playbook, "end the run where it stands";
    Detach, "detach", Playbook, "leave the run, to be resumed by anyone";
    Confirm, "confirm", Consent, "yes, as it is written here";
    Cancel, "cancel", Consent, "no, and nothing is sent";
    Complete, "complete", Text, "complete the word";
    DeleteBack, "delete-back", Text, "delete the character before the cursor";
    DeleteForward, "delete-forward", Text, "delete the character under the cursor";
    DeleteWord, "delete-word", Text, "delete the word before the cursor";
    DeleteLine, "delete-line", Text, "delete the whole line";
    LineStart, "line-start", Text, "to the start of the line";
    LineEnd, "line-end", Text, "to the end of the line";
}

impl Action {
    /// The action of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.name() == name)
    }

    /// Whether the action opens the way to an effect. A clash about such a key is never settled by guessing.
    pub const fn is_dangerous(self) -> bool {
        matches!(self, Self::RunStep | Self::Retry | Self::Accept | Self::OverrideGate | Self::AbortRun | Self::Confirm)
    }

    /// Whether the action means anything in a mode: what could never happen there must not be bound there.
    pub const fn fits(self, mode: Mode) -> bool {
        match (self.group(), mode) {
            (Group::Text, Mode::Text) | (Group::Consent, Mode::Confirm | Mode::Text) => true,
            (Group::Text | Group::Consent, _) => false,
            // A failover can be planned from anywhere; the rest belongs to the run on screen.
            (Group::Playbook, Mode::Confirm | Mode::Text) => false,
            (Group::Playbook, Mode::Playbook) => true,
            (Group::Playbook, _) => matches!(self, Self::StartFailover),
            (Group::Movement, Mode::Text) => {
                matches!(self, Self::Up | Self::Down | Self::PageUp | Self::PageDown | Self::Left | Self::Right)
            }
            (Group::Movement, Mode::Confirm) => !matches!(self, Self::Open | Self::Back),
            (_, Mode::Confirm | Mode::Text) => matches!(self, Self::Redraw | Self::Suspend | Self::Interrupt),
            _ => true,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case_unique_and_found() {
        for (index, action) in Action::ALL.iter().enumerate() {
            let name = action.name();
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{name}");
            assert_eq!(Action::named(name), Some(*action));
            assert!(Action::ALL.iter().skip(index + 1).all(|other| other.name() != name), "{name} twice");
            assert!(action.description().len() <= 60, "{name} is described too long for help");
            assert!(Mode::ALL.iter().any(|mode| action.fits(*mode)), "{name} fits nowhere");
        }
    }
}
