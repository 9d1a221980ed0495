//! Where the operator is: views, and the way back. Pure.

use super::keymap::Mode;

/// A screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum View {
    /// Both regions at a glance.
    Overview,
    /// The runs of both regions.
    Workflows,
    /// One run's tree of nodes.
    Tree,
    /// Both databases and what lies between them.
    Database,
    /// Charts.
    Metrics,
    /// What the name in front answers, and where.
    Dns,
    /// The playbooks there are, and what one would do.
    Playbooks,
    /// The run that is driven or watched.
    Run,
    /// Everything that changed.
    Timeline,
    /// The keys that work where one came from.
    Help,
}

impl View {
    /// Every view that can be gone to by name.
    pub const NAMED: [View; 8] = [
        View::Overview,
        View::Workflows,
        View::Database,
        View::Metrics,
        View::Dns,
        View::Playbooks,
        View::Run,
        View::Timeline,
    ];

    /// The word in the header and in the palette.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            View::Overview => "overview",
            View::Workflows => "workflows",
            View::Tree => "run",
            View::Database => "database",
            View::Metrics => "metrics",
            View::Dns => "dns",
            View::Playbooks => "playbooks",
            View::Run => "playbook-run",
            View::Timeline => "timeline",
            View::Help => "help",
        }
    }

    /// The section of the keymap that works there.
    #[must_use]
    pub fn mode(self) -> Mode {
        match self {
            View::Overview | View::Workflows | View::Timeline => Mode::Table,
            View::Tree | View::Database | View::Metrics | View::Dns | View::Help => Mode::Detail,
            View::Playbooks | View::Run => Mode::Playbook,
        }
    }

    /// It shows the list of runs.
    #[must_use]
    pub fn lists_runs(self) -> bool {
        matches!(self, View::Overview | View::Workflows)
    }
}

/// The views that were gone through, the present one last. Never empty, no view twice: so it is bounded by their
/// number, and back always leads to the overview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trail(Vec<View>);

impl Default for Trail {
    fn default() -> Trail {
        Trail(vec![View::Overview])
    }
}

impl Trail {
    /// Where one is.
    #[must_use]
    pub fn here(&self) -> View {
        self.0.last().copied().unwrap_or(View::Overview)
    }

    /// Where one came from.
    #[must_use]
    pub fn before(&self) -> View {
        self.0.len().checked_sub(2).and_then(|at| self.0.get(at)).copied().unwrap_or(View::Overview)
    }

    /// Goes to a view; one that was gone through is gone back to.
    pub fn go(&mut self, view: View) {
        match self.0.iter().position(|seen| *seen == view) {
            Some(at) => self.0.truncate(at + 1),
            None => self.0.push(view),
        }
    }

    /// Goes back. False: this is where it began.
    pub fn back(&mut self) -> bool {
        self.0.len() > 1 && self.0.pop().is_some()
    }

    /// The view is here, or on the way back.
    #[must_use]
    pub fn holds(&self, view: View) -> bool {
        self.0.contains(&view)
    }

    /// Leaves a view that no longer has anything to show.
    pub fn forget(&mut self, view: View) {
        if view != View::Overview {
            self.0.retain(|seen| *seen != view);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_always_ends_at_the_overview() {
        let mut trail = Trail::default();
        for view in [View::Workflows, View::Tree, View::Database, View::Workflows, View::Timeline] {
            trail.go(view);
        }
        assert_eq!(trail.here(), View::Timeline);
        assert!(trail.back());
        assert_eq!(trail.here(), View::Workflows);
        assert!(trail.back());
        assert_eq!(trail.here(), View::Overview);
        assert!(!trail.back());
    }
}
