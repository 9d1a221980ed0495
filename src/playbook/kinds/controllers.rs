//! Stopping and starting workflow controllers.

use super::{Plan, Proof, Replicas, Scene};
use crate::domain::effect::{Effect, Outcome, Previous, Target};
use crate::domain::fleet::region::Stopped;
use crate::domain::freshness::Source;
use crate::domain::kubernetes::Controllers;
use crate::domain::region::Side;
use crate::playbook::run::Run;

/// How many each Deployment is to have: the number of the file, or as many as the old region's had before this run.
fn count(scene: &Scene<'_>, side: Side, replicas: Replicas) -> u32 {
    match replicas {
        Replicas::Count(count) => count,
        Replicas::AsBefore => {
            let before = scene.run.declared.before.replicas.filter(|count| *count > 0);
            before.unwrap_or(scene.fleet.policy.regions.get(side).controller_replicas)
        }
    }
}

fn effects(scene: &Scene<'_>, side: Side, controllers: &Controllers, replicas: u32) -> Vec<Effect> {
    let Some(identity) = &scene.fleet.region(side).identity else { return Vec::new() };
    let changed = controllers.deployments.iter().filter(|deployment| deployment.wanted != replicas);
    let effect = |deployment: &crate::domain::kubernetes::ControllerDeployment| Effect::Scale {
        target: Target {
            side,
            cluster_uid: identity.value.cluster_uid.clone(),
            key: deployment.key.clone(),
            uid: deployment.uid.clone(),
        },
        replicas,
    };
    changed.map(effect).collect()
}

pub fn scale(scene: &Scene<'_>, side: Side, replicas: Replicas) -> Plan {
    let region = scene.fleet.region(side);
    let replicas = count(scene, side, replicas);
    let Some(controllers) = region.live_controllers(scene.fleet.now) else {
        let known = region.controllers.as_ref();
        let tried = known.map(|known| effects(scene, side, &known.value, replicas)).unwrap_or_default();
        return Plan::Unreachable(scene.silence(Source::Kubernetes(side)), tried);
    };
    if controllers.deployments.is_empty() && replicas > 0 {
        return Plan::Impossible(format!("there is no workflow controller's Deployment in {}", scene.name(side)));
    }
    if region.identity.is_none() && controllers.deployments.iter().any(|deployment| deployment.wanted != replicas) {
        return Plan::Impossible(format!("the cluster of {} has not said who it is", scene.name(side)));
    }
    let effects = effects(scene, side, controllers, replicas);
    // Scaled already is not proven already: pods may still be there, or none may lead yet.
    if effects.is_empty() { Plan::Wait } else { Plan::Act(effects) }
}

pub fn scaled(scene: &Scene<'_>, side: Side, replicas: Replicas) -> Proof {
    let source = Source::Kubernetes(side);
    let region = scene.fleet.region(side);
    let Some(controllers) = region.live_controllers(scene.fleet.now) else {
        return Proof::Unreachable(scene.silence(source));
    };
    if !region.controllers.as_ref().is_some_and(|known| scene.after(known.at)) {
        return Proof::NotYet(format!("waiting for a fresh look at {}", scene.name(side)));
    }
    if count(scene, side, replicas) == 0 { stopped(scene, source, side) } else { started(scene, side, controllers) }
}

fn stopped(scene: &Scene<'_>, source: Source, side: Side) -> Proof {
    match scene.fleet.region(side).stopped(scene.fleet.now) {
        Stopped::Yes => {
            Proof::Proven(vec![scene.evidence(source, "0 replicas wanted, no pod there, no Lease renewed")], None)
        }
        Stopped::No(why) => Proof::NotYet(why),
        Stopped::Unknown(why) => Proof::Unreachable(why),
    }
}

/// Leading is a living Lease, a ready pod, and metrics that do not say otherwise. A fresh Lease alone is not health.
fn started(scene: &Scene<'_>, side: Side, controllers: &Controllers) -> Proof {
    let source = Source::Kubernetes(side);
    if let Some(pod) = controllers.pods.iter().find(|pod| pod.waiting.as_deref() == Some("CrashLoopBackOff")) {
        let why = pod.last_end.clone().unwrap_or_default();
        return Proof::NotYet(format!("{} crash-loops: {why}", pod.name));
    }
    let Some(leader) = controllers.leader(scene.fleet.now) else {
        let ready = controllers.ready();
        return Proof::NotYet(format!("{ready} of {} ready, none leads yet", controllers.wanted()));
    };
    let metrics = scene.fleet.region(side).metrics.as_ref().filter(|known| scene.after(known.at));
    let mut evidence = vec![scene.evidence(source, format!("{} is ready and holds the Lease", leader.name))];
    match metrics.and_then(|known| known.value.as_ref()).and_then(|sample| sample.is_leader) {
        Some(false) => {
            return Proof::NotYet(format!("{} holds the Lease, its metrics say that it does not lead", leader.name));
        }
        Some(true) => evidence.push(scene.evidence(Source::Metrics(side), "is_leader 1")),
        None => {}
    }
    Proof::Proven(evidence, None)
}

/// The number that stood there before the first attempt of this step, per Deployment. Where a request was never answered,
/// the number is the one noted when the run began, which is of the old region alone.
pub fn undo(run: &Run, id: &str) -> Vec<Effect> {
    let mut changed: Vec<Effect> = Vec::new();
    for (effect, outcome) in run.outcomes(id) {
        let Effect::Scale { target, .. } = effect else { continue };
        let noted = run.declared.before.replicas.filter(|_| target.side == run.declared.direction.from);
        let before = match outcome {
            Outcome::Done { previous: Some(Previous::Replicas { value }), .. } => Some(*value),
            Outcome::Unknown { .. } => noted,
            _ => None,
        };
        let Some(replicas) = before else { continue };
        if !changed.iter().any(|e| matches!(e, Effect::Scale { target: seen, .. } if seen == target)) {
            changed.push(Effect::Scale { target: target.clone(), replicas });
        }
    }
    changed
}
