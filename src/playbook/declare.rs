//! How a run begins: from where to where, and what has to be noted before the region being left is gone. Pure.

use super::file::{Playbook, Purpose};
use super::record::{Before, Declared, RunId};
use super::run::{Run, StepState};
use crate::domain::effect::{Effect, Outcome, Previous};
use crate::domain::fleet::Fleet;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::region::{Direction, PerSide, Side};

/// Why a run cannot be declared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeclareError {
    /// No primary has ever been seen.
    #[error("no primary database has been seen, by this console or an earlier one: there is no direction")]
    NoPrimary,
    /// Both databases are out of recovery, and one has to be chosen by a person.
    #[error("two databases are out of recovery on the same timeline {0}: find out which one is the primary first")]
    TwoPrimaries(u32),
    /// Both are, and they are no pair.
    #[error("the two databases are of different systems, neither is a copy of the other: check their URLs")]
    TwoSystems,
    /// Both are, on different timelines: only a fence makes sense.
    #[error("two databases are out of recovery: fence the older one first (leeward playbook run fence)")]
    FenceFirst,
}

/// From where to where a playbook of this purpose goes now.
///
/// # Errors
/// The roles observed do not give a direction.
pub fn direction(purpose: Purpose, fleet: &Fleet) -> Result<Direction, DeclareError> {
    let timeline = |side: Side| {
        let sample = fleet.region(side).live_database(fleet.now)?;
        sample.primary().map(|_| sample.timeline)
    };
    match (timeline(Side::A), timeline(Side::B)) {
        (Some(_), Some(_)) if fleet.two_systems().is_some() => Err(DeclareError::TwoSystems),
        (Some(a), Some(b)) => match purpose {
            _ if a == b => Err(DeclareError::TwoPrimaries(a.0)),
            // The older timeline is the old primary's: it did not follow the promotion.
            Purpose::Fence => Ok(Direction::activating(if a > b { Side::A } else { Side::B })),
            Purpose::Planned | Purpose::Unplanned => Err(DeclareError::FenceFirst),
        },
        _ => match (purpose, fleet.direction()) {
            (_, None) => Err(DeclareError::NoPrimary),
            // Away from the region that is not the primary, and the lock is taken where the primary is.
            (Purpose::Fence, Some(direction)) => Ok(Direction { from: direction.to, to: direction.from }),
            (Purpose::Planned | Purpose::Unplanned, Some(direction)) => Ok(direction),
        },
    }
}

/// Crons of the region being left that earlier runs suspended and nobody has put back: they were active before the first
/// of those runs, though they are not now. `runs` newest first; a failover that was done has moved them for good.
#[must_use]
pub fn left_suspended(runs: &[Run], from: Side) -> Vec<ObjectKey> {
    let mut keys = Vec::new();
    for run in runs.iter().take_while(|run| !run.promotion_started()) {
        for (step, slot) in run.declared.playbook.steps.iter().zip(&run.steps) {
            if slot.state == StepState::Undone {
                continue;
            }
            for (effect, outcome) in run.outcomes(&step.id) {
                if let (
                    Effect::SuspendCron { target, suspend: true },
                    Outcome::Done { previous: Some(Previous::Suspended { value: false }), .. },
                ) = (effect, outcome)
                    && target.side == from
                    && !keys.contains(&target.key)
                {
                    keys.push(target.key.clone());
                }
            }
        }
    }
    keys
}

/// The first record's content.
#[must_use]
pub fn declare(fleet: &Fleet, playbook: Playbook, run: RunId, direction: Direction) -> Declared {
    let from = fleet.region(direction.from);
    let active = from.crons.rows().iter().filter(|(_, cron)| !cron.suspended).map(|(key, _)| key.clone());
    let rows = |side| fleet.region(side).archive.as_ref().and_then(|known| known.value.rows);
    let before = Before {
        crons_active: active.collect(),
        crons_at: from.crons.as_of(),
        replicas: from.controllers.as_ref().map(|known| known.value.wanted()),
        timeline: fleet.region(direction.to).database.as_ref().map(|known| known.value.timeline),
        read_only: from.live_database(fleet.now).map(|sample| sample.read_only_default),
        who: Some(PerSide::new(fleet.region(Side::A).who.clone(), fleet.region(Side::B).who.clone())),
        rows_behind: rows(direction.from).zip(rows(direction.to)).map(|(from, to)| from.saturating_sub(to)),
    };
    Declared {
        run,
        playbook,
        environment: fleet.policy.environment.clone(),
        regions: PerSide::new(fleet.name(Side::A).to_owned(), fleet.name(Side::B).to_owned()),
        direction,
        simulated: fleet.policy.simulated,
        failing_since: fleet.failing_since(direction.from),
        before,
    }
}
