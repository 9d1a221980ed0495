//! What follows from the picture: readiness, alarms, what the run may do next. Made here, once per change, and kept;
//! what is painted only reads it. Pure.

use super::dialog::Ask;
use super::state::{Overlay, State};
use super::view::View;
use crate::domain::fleet::Fleet;
use crate::domain::fleet::happening::Weight;
use crate::domain::region::{PerSide, Side};
use crate::domain::{Timestamp, since};
use crate::gates::RunFacts;
use crate::gates::alarms::{Alarm, alarms};
use crate::gates::readiness::{Readiness, readiness};
use crate::playbook::consent::no_worse;
use crate::playbook::figures::Figures;
use crate::playbook::propose::{Next, Proposal, facts, propose};
use std::time::Duration;

/// Unless something weighty changed, this often at most: four times a second is quicker than anybody reads, and the
/// gates look at every run.
const EVERY: Duration = Duration::from_millis(250);

/// Crons of a region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CronCounts {
    /// Not suspended.
    pub active: usize,
    /// Suspended.
    pub suspended: usize,
}

/// What follows from the picture.
#[derive(Debug, Clone)]
pub struct Derived {
    /// What a failover now would need, lose and take.
    pub readiness: Readiness,
    /// What is wrong now, loudest first.
    pub alarms: Vec<Alarm>,
    /// What the run may do next.
    pub proposal: Option<Proposal>,
    /// The run's figures.
    pub figures: Option<Figures>,
    /// Crons.
    pub crons: PerSide<CronCounts>,
    at: Timestamp,
    dirty: bool,
}

impl Derived {
    /// What follows from nothing.
    pub(super) fn nothing(fleet: &Fleet) -> Derived {
        let facts = RunFacts::default();
        Derived {
            readiness: readiness(fleet, &facts, Duration::ZERO),
            alarms: Vec::new(),
            proposal: None,
            figures: None,
            crons: PerSide::default(),
            at: fleet.now,
            dirty: true,
        }
    }
}

impl State {
    /// How long a failover is expected to take: by this environment's own history, else by what its steps say.
    #[must_use]
    pub fn takes(&self) -> Duration {
        let Some((_, playbook)) = self.failover() else { return Duration::ZERO };
        self.history.takes.get(&playbook.name).copied().unwrap_or_else(|| playbook.expect())
    }

    /// Something changed. `weighty`: at once; else when the last time is long enough ago.
    pub(super) fn changed(&mut self, weighty: bool) {
        self.derived.dirty = true;
        if weighty || since(self.derived.at, self.fleet.now) >= EVERY {
            self.derive_all();
        }
    }

    /// Time went on: ages in words change too.
    pub(super) fn ticked(&mut self) {
        let spent = since(self.derived.at, self.fleet.now);
        if spent >= Duration::from_secs(1) || (self.derived.dirty && spent >= EVERY) {
            self.derive_all();
        }
    }

    pub(super) fn derive_all(&mut self) {
        let (run, driven) = match &self.run {
            Some(followed) => (Some(&followed.run), followed.run.ended.is_none()),
            None => (None, false),
        };
        let idle = RunFacts { last_promotion: self.history.last_promotion, ..RunFacts::default() };
        let run_facts = run.map(|run| facts(run, self.history.last_promotion));
        let asked = run_facts.as_ref().filter(|_| driven).unwrap_or(&idle);
        let takes = self.takes();
        self.derived.readiness = readiness(&self.fleet, asked, takes);
        self.derived.alarms = alarms(&self.fleet, asked);
        self.derived.proposal = run.zip(run_facts.as_ref()).map(|(run, facts)| propose(run, &self.fleet, facts));
        self.derived.figures = run.map(Figures::of);
        for side in Side::BOTH {
            let mut counts = CronCounts::default();
            for cron in self.fleet.region(side).crons.rows().values() {
                if cron.suspended {
                    counts.suspended += 1;
                } else {
                    counts.active += 1;
                }
            }
            *self.derived.crons.get_mut(side) = counts;
        }
        self.derived.at = self.fleet.now;
        self.derived.dirty = false;
        self.hold_dialog_to_facts();
        self.lists(false);
    }

    /// Brings lists and pages in step. `at_once`: a key asked for it.
    pub(super) fn lists(&mut self, at_once: bool) {
        let here = self.trail.here();
        let rows = self.run_rows();
        if !self.held || at_once {
            self.runs.refresh(&self.fleet, rows, at_once && here.lists_runs());
        }
        if here.lists_runs() {
            self.runs.fit(rows);
        }
        if here == View::Timeline && (!self.held || at_once) {
            let rows = self.body_rows();
            let columns = self.body_columns();
            self.timeline.refresh(&self.fleet, rows, columns);
        }
        if here == View::Tree {
            let rows = self.tree_rows();
            self.tree.fit(rows);
        }
        self.turn_page();
    }

    /// A question about a step that is no longer the question, or about effects that have changed, is void.
    pub(super) fn hold_dialog_to_facts(&mut self) {
        let current = self.open_step().map(|(_, step, _)| step.id.clone());
        let proposal = self.derived.proposal.as_ref();
        let Overlay::Dialog(dialog) = &mut self.overlay else { return };
        let gone = match &mut dialog.ask {
            Ask::Consent { step, attempt, shown, .. } => {
                let startable = proposal.filter(|p| matches!(p.next, Next::Start { .. } | Next::Again { .. }));
                match (startable.and_then(Proposal::hash), startable) {
                    (Some(now), Some(p)) if current.as_ref() == Some(&*step) && p.attempt == *attempt => {
                        if now != *shown {
                            let why = format!(
                                "what would be sent has changed ({} then, {} now): look again",
                                shown.short(),
                                now.short()
                            );
                            *shown = now;
                            dialog.void(&why);
                        }
                        None
                    }
                    _ => Some("the step can not be started any more as it was asked: the question is closed"),
                }
            }
            Ask::Override { shown, .. } => match proposal.and_then(Proposal::overridable) {
                Some(line) if line.finding.gate == shown.gate => {
                    // What was painted stays, and is what is decided on, until the answer is worse than that.
                    if !no_worse(&line.finding, shown) {
                        **shown = line.finding.clone();
                        dialog.void("what is asked is worse than when it was opened: look again");
                    }
                    None
                }
                _ => Some("the gate does not hold any more: the question is closed"),
            },
            Ask::Resume { .. } | Ask::Abort { .. } | Ask::Detach | Ask::Accept { .. } if self.run.is_none() => {
                Some("the run is no longer followed: the question is closed")
            }
            Ask::Accept { step, .. } if current.as_ref() != Some(&*step) => {
                Some("the step is behind: the question is closed")
            }
            _ => None,
        };
        if let Some(why) = gone {
            self.overlay = Overlay::None;
            self.say(Weight::Warn, why);
        }
    }
}
