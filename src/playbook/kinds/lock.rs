//! Taking the environment's lock, and giving it up.

use super::{Plan, Proof, Scene};
use crate::domain::effect::Effect;
use crate::domain::freshness::Source;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::region::Side;
use crate::playbook::run::Run;

/// Name of our holder in the Lease: who drives, and which run.
#[must_use]
pub fn holder(run: &Run) -> String {
    format!("{}/{}", run.driver, run.declared.run)
}

fn lease(scene: &Scene<'_>, side: Side) -> ObjectKey {
    let policy = &scene.fleet.policy;
    ObjectKey::new(&policy.regions.get(side).controller_namespace, format!("leeward-{}", policy.environment))
}

fn take(scene: &Scene<'_>, side: Side) -> Effect {
    let identity = scene.fleet.region(side).identity.as_ref();
    Effect::TakeLock {
        side,
        cluster_uid: identity.map(|known| known.value.cluster_uid.clone()),
        lease: lease(scene, side),
        holder: holder(scene.run),
    }
}

/// The lock that counts is the one in the region being activated; the other's is a courtesy where it is reached.
pub fn acquire(scene: &Scene<'_>) -> Plan {
    let direction = scene.direction();
    let mut effects = vec![take(scene, direction.to)];
    if scene.fleet.freshness(Source::Kubernetes(direction.from)).usable() {
        effects.push(take(scene, direction.from));
    }
    Plan::Act(effects)
}

/// Proven when the lock is seen as ours.
pub fn acquired(scene: &Scene<'_>) -> Proof {
    let to = scene.direction().to;
    let source = Source::Kubernetes(to);
    if !scene.fresh(source) {
        return Proof::NotYet(format!("waiting for a fresh look at {}", scene.name(to)));
    }
    let from = scene.direction().from;
    let there = scene.fleet.region(from).lock.as_ref().filter(|known| scene.after(known.at));
    let driver = there.and_then(|known| known.value.as_ref()?.living_holder(scene.fleet.now));
    if let Some(other) = driver.filter(|other| *other != holder(scene.run)) {
        return Proof::Wrong(format!("{other} holds the lock in {}", scene.name(from)));
    }
    let known = scene.fleet.region(to).lock.as_ref().filter(|known| scene.after(known.at));
    let seen = known.and_then(|known| known.value.as_ref()?.living_holder(scene.fleet.now));
    match seen {
        Some(seen) if seen == holder(scene.run) => {
            Proof::Proven(vec![scene.evidence(source, format!("lock held by {seen}"))], None)
        }
        Some(other) => Proof::Wrong(format!("{other} holds the lock in {}", scene.name(to))),
        None => Proof::NotYet(format!("the lock is not seen as ours in {} yet", scene.name(to))),
    }
}

/// Gives it up where it was taken.
pub fn release(scene: &Scene<'_>) -> Plan {
    let direction = scene.direction();
    let sides = [direction.to, direction.from];
    let effects = sides
        .into_iter()
        .filter(|side| *side == direction.to || scene.fleet.freshness(Source::Kubernetes(*side)).usable())
        .map(|side| Effect::ReleaseLock { side, lease: lease(scene, side), holder: holder(scene.run) })
        .collect();
    Plan::Act(effects)
}

/// Proven when the lock is seen as not ours.
pub fn released(scene: &Scene<'_>) -> Proof {
    let to = scene.direction().to;
    let known = scene.fleet.region(to).lock.as_ref().filter(|known| scene.after(known.at));
    match known.map(|known| known.value.as_ref().and_then(|lease| lease.living_holder(scene.fleet.now))) {
        Some(Some(seen)) if seen == holder(scene.run) => Proof::NotYet("the lock is still ours".to_owned()),
        Some(_) => Proof::Proven(vec![scene.evidence(Source::Kubernetes(to), "lock given up")], None),
        None => Proof::NotYet(format!("waiting for a fresh look at {}", scene.name(to))),
    }
}
