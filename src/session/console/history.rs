//! What the journals say about how long things take.

use crate::console::History;
use crate::journal::last_promotion;
use crate::playbook::figures::Figures;
use crate::playbook::run::{Run, StepState};

/// From every run that can be read, newest first.
pub fn of(runs: &[Run]) -> History {
    // A run that is open does not stand in its own way.
    let over = runs.iter().filter(|run| run.ended.is_some());
    let mut history = History { last_promotion: last_promotion(over), ..History::default() };
    for run in runs {
        let figures = Figures::of(run);
        if figures.proven {
            history.takes.entry(run.declared.playbook.name.clone()).or_insert(figures.total);
        }
        for (step, slot) in run.declared.playbook.steps.iter().zip(&run.steps) {
            if let (StepState::Done, Some(began), Some(ended)) = (&slot.state, slot.started_at, slot.ended_at) {
                let took = crate::domain::since(began, ended);
                history.step_takes.entry(step.id.clone()).or_default().push(took);
            }
        }
    }
    history
}
