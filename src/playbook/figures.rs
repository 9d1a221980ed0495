//! The recovery figures, from the journal alone: how long each part took, and what was lost. Pure.

use super::consent::Override;
use super::file::StepPhase;
use super::record::{End, Measured, Note};
use super::run::{Run, StepState};
use crate::domain::fleet::replication::Loss;
use crate::domain::{Timestamp, since};
use std::time::Duration;

/// The figures of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// From the first failed probe to the declaration.
    pub detect: Duration,
    /// Waiting for a person: the time between attempts at steps.
    pub decide: Duration,
    /// In steps that do.
    pub execute: Duration,
    /// In steps that prove.
    pub verify: Duration,
    /// From the first failed probe to proven service (the last step that proves), or to the newest record.
    pub total: Duration,
    /// Service is proven.
    pub proven: bool,
    /// When every well-behaved cache has the new address.
    pub caches_new_by: Option<Timestamp>,
    /// The loss in log and in archive rows: as it was measured, or else as it was estimated before the promotion.
    pub loss: Option<(Loss, Option<u64>)>,
    /// What the old side told afterwards.
    pub measured: Option<Measured>,
    /// Runs that were in flight, and of when the list is.
    pub in_flight: Option<(usize, Timestamp)>,
    /// Overrides.
    pub overrides: Vec<Override>,
    /// Steps that could not be proven: id and why.
    pub unproven: Vec<(String, String)>,
    /// How the run is over.
    pub end: Option<End>,
}

impl Figures {
    /// Reads a run.
    #[must_use]
    pub fn of(run: &Run) -> Figures {
        let mut figures = Figures {
            detect: since(run.t0(), run.declared_at),
            decide: Duration::ZERO,
            execute: Duration::ZERO,
            verify: Duration::ZERO,
            total: Duration::ZERO,
            proven: false,
            caches_new_by: None,
            loss: run.measured.as_ref().map(|measured| (measured.loss.clone(), measured.rows)),
            measured: run.measured.clone(),
            in_flight: None,
            overrides: run.overrides.clone(),
            unproven: Vec::new(),
            end: run.ended.as_ref().map(|(end, _, _)| *end),
        };
        let proven_by = proven_by(run);
        figures.proven = proven_by.is_some();
        // A clock that was set back must not make a part longer than the whole.
        let last = proven_by.unwrap_or(run.last_at).max(run.declared_at);
        figures.total = since(run.t0(), last);
        figures.times(run, last);
        for (step, slot) in run.declared.playbook.steps.iter().zip(&run.steps) {
            if let StepState::Unproven(why) = &slot.state {
                figures.unproven.push((step.id.clone(), why.clone()));
            }
            match &slot.note {
                Some(Note::Loss { loss, rows, .. }) if figures.loss.is_none() => {
                    figures.loss = Some((loss.clone(), *rows));
                }
                Some(Note::Inventory { at, runs }) => figures.in_flight = Some((runs.len(), *at)),
                Some(Note::Dns { caches_new_by }) => figures.caches_new_by = Some(*caches_new_by),
                _ => {}
            }
        }
        figures
    }

    /// Attempts take what they take; what lies between them is a person's time. The attempts are laid on one line in the
    /// order of time, not of the playbook: a step that was undone is tried again after later ones.
    fn times(&mut self, run: &Run, until: Timestamp) {
        let mut attempts: Vec<(Timestamp, Timestamp, StepPhase)> = Vec::new();
        for (step, slot) in run.declared.playbook.steps.iter().zip(&run.steps) {
            let open = slot.started_at.filter(|_| slot.state == StepState::Started).map(|began| (began, run.last_at));
            attempts.extend(slot.spans.iter().copied().chain(open).map(|(began, ended)| (began, ended, step.phase)));
        }
        attempts.sort_by_key(|(began, ended, _)| (*began, *ended));
        let mut mark = run.declared_at;
        for (began, ended, phase) in attempts {
            let (began, ended) = (began.max(mark).min(until), ended.max(mark).min(until));
            self.decide += since(mark, began);
            let spent = since(began, ended);
            match phase {
                StepPhase::Execute => self.execute += spent,
                StepPhase::Verify => self.verify += spent,
            }
            mark = mark.max(ended).max(began);
        }
        self.decide += since(mark, until);
    }
}

/// When the last step that proves was behind us, if every one of them is and at least one is done. A playbook without
/// such steps is proven by its last step.
fn proven_by(run: &Run) -> Option<Timestamp> {
    let all: Vec<_> = run.declared.playbook.steps.iter().zip(&run.steps).collect();
    let mut proofs: Vec<_> = all.iter().filter(|(step, _)| step.phase == StepPhase::Verify).collect();
    if proofs.is_empty() {
        proofs = all.iter().collect();
    }
    let done = proofs.iter().any(|(_, slot)| slot.state == StepState::Done);
    let behind = proofs.iter().all(|(_, slot)| matches!(slot.state, StepState::Done | StepState::Skipped(_)));
    (done && behind).then(|| proofs.iter().filter_map(|(_, slot)| slot.ended_at).max()).flatten()
}
