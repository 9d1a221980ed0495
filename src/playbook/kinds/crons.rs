//! Suspending the old region's crons, and activating exactly those in the new one.

use super::{Plan, Proof, Scene};
use crate::domain::cron::CronRow;
use crate::domain::effect::{Effect, Outcome, Previous, Target};
use crate::domain::freshness::Source;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::region::Side;
use crate::domain::units::many;
use crate::playbook::record::Note;
use crate::playbook::run::Run;
use std::collections::BTreeSet;

fn set(scene: &Scene<'_>, side: Side, key: &ObjectKey, cron: &CronRow, suspend: bool) -> Option<Effect> {
    let cluster_uid = scene.fleet.region(side).identity.as_ref()?.value.cluster_uid.clone();
    Some(Effect::SuspendCron { target: Target { side, cluster_uid, key: key.clone(), uid: cron.uid.clone() }, suspend })
}

pub fn suspend(scene: &Scene<'_>, side: Side) -> Plan {
    let region = scene.fleet.region(side);
    let effects = region
        .crons
        .rows()
        .iter()
        .filter(|(_, cron)| !cron.suspended)
        .filter_map(|(key, cron)| set(scene, side, key, cron, true))
        .collect::<Vec<_>>();
    if region.live_crons(scene.fleet.now).is_none() {
        let why =
            region.crons.error.as_ref().map_or_else(|| scene.silence(Source::Kubernetes(side)), ToString::to_string);
        return Plan::Unreachable(why, effects);
    }
    let active = region.crons.rows().values().filter(|cron| !cron.suspended).count();
    if effects.len() < active {
        return nameless(scene, side);
    }
    if effects.is_empty() { Plan::Done } else { Plan::Act(effects) }
}

/// Every write names the cluster it is meant for; without the name there is none.
fn nameless(scene: &Scene<'_>, side: Side) -> Plan {
    Plan::Impossible(format!("the cluster of {} has not said who it is", scene.name(side)))
}

pub fn suspended(scene: &Scene<'_>, side: Side) -> Proof {
    let source = Source::Kubernetes(side);
    let Some(table) =
        scene.fleet.region(side).live_crons(scene.fleet.now).filter(|_| scene.fleet.freshness(source).usable())
    else {
        return Proof::Unreachable(scene.silence(source));
    };
    if !table.as_of().is_some_and(|at| scene.after(at)) {
        return Proof::NotYet(format!("waiting for a fresh look at the crons of {}", scene.name(side)));
    }
    match table.rows().values().filter(|cron| !cron.suspended).count() {
        0 => Proof::Proven(
            vec![scene.evidence(source, format!("{}, all suspended", many(table.rows().len(), "cron", "crons")))],
            None,
        ),
        n => Proof::NotYet(format!("{} still active", many(n, "cron", "crons"))),
    }
}

/// The crons that were active in the old region: as noted when the run began, and those that this run has suspended.
fn wanted(run: &Run) -> BTreeSet<ObjectKey> {
    let mut keys: BTreeSet<ObjectKey> = run.declared.before.crons_active.iter().cloned().collect();
    for step in &run.declared.playbook.steps {
        for (effect, outcome) in run.outcomes(&step.id) {
            if let (
                Effect::SuspendCron { target, suspend: true },
                Outcome::Done { previous: Some(Previous::Suspended { value: false }), .. },
            ) = (effect, outcome)
                && target.side == run.declared.direction.from
            {
                keys.insert(target.key.clone());
            }
        }
    }
    keys
}

pub fn activate(scene: &Scene<'_>) -> Plan {
    let to = scene.direction().to;
    let region = scene.fleet.region(to);
    let Some(table) = region.live_crons(scene.fleet.now) else {
        return Plan::Impossible(format!("crons of {} are not known now", scene.name(to)));
    };
    let wanted = wanted(scene.run);
    let asleep = wanted.iter().filter_map(|key| Some((key, table.get(key)?))).filter(|(_, cron)| cron.suspended);
    let Some(effects) = asleep.map(|(key, cron)| set(scene, to, key, cron, false)).collect::<Option<Vec<Effect>>>()
    else {
        return nameless(scene, to);
    };
    if effects.is_empty() { Plan::Done } else { Plan::Act(effects) }
}

pub fn activated(scene: &Scene<'_>) -> Proof {
    let to = scene.direction().to;
    let source = Source::Kubernetes(to);
    let Some(table) = scene.fleet.region(to).live_crons(scene.fleet.now) else {
        return Proof::NotYet(scene.silence(source));
    };
    if !table.as_of().is_some_and(|at| scene.after(at)) {
        return Proof::NotYet(format!("waiting for a fresh look at the crons of {}", scene.name(to)));
    }
    let wanted = wanted(scene.run);
    let (there, missing): (Vec<ObjectKey>, Vec<ObjectKey>) =
        wanted.into_iter().partition(|key| table.get(key).is_some());
    let still = there.iter().filter(|key| table.get(key).is_some_and(|cron| cron.suspended)).count();
    if still > 0 {
        return Proof::NotYet(format!("{} still suspended", many(still, "cron", "crons")));
    }
    let words = match missing.len() {
        0 => format!("{} active", many(there.len(), "cron", "crons")),
        n => format!("{} active, {n} not in {}", many(there.len(), "cron", "crons"), scene.name(to)),
    };
    Proof::Proven(vec![scene.evidence(source, words)], Some(Box::new(Note::Crons { active: there, missing })))
}

/// What was, not a default: only crons that this step changed are changed back, to what stood there before its first
/// attempt. A request that was never answered may have been taken; it was only made because the other value stood there.
pub fn undo(run: &Run, id: &str) -> Vec<Effect> {
    let mut changed: Vec<Effect> = Vec::new();
    for (effect, outcome) in run.outcomes(id) {
        let Effect::SuspendCron { target, suspend } = effect else { continue };
        let before = match outcome {
            Outcome::Done { previous: Some(Previous::Suspended { value }), .. } => *value,
            Outcome::Unknown { .. } => !suspend,
            _ => continue,
        };
        if !changed.iter().any(|e| matches!(e, Effect::SuspendCron { target: seen, .. } if seen == target)) {
            changed.push(Effect::SuspendCron { target: target.clone(), suspend: before });
        }
    }
    changed
}
