//! The canary: a workflow that has to succeed in the new region, and whose row has to be in the promoted database.

use super::{Plan, Proof, Scene};
use crate::domain::effect::Effect;
use crate::domain::freshness::Source;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::policy::CanaryPolicy;
use crate::domain::workflow::Phase;
use crate::playbook::run::StepState;
use serde_json::json;

/// Label that says which run made an object.
pub const RUN_LABEL: &str = "leeward.dev/run";

/// The canary that was made, or is to be made. One that failed is not asked again under its name; one of which nothing was
/// heard is, so that a retry meets it.
fn key(scene: &Scene<'_>) -> ObjectKey {
    let name = |suffix: String| {
        ObjectKey::new(&scene.fleet.policy.canary.namespace, format!("dr-canary-{}{suffix}", scene.run.declared.run))
    };
    let slot = scene.run.current().map(|(_, _, slot)| slot);
    let Some((start, state)) = slot.and_then(|slot| Some((slot.started.as_ref()?, &slot.state))) else {
        return name(String::new());
    };
    let made = start.effects.iter().find_map(|effect| match effect {
        Effect::CreateCanary { key, .. } => Some(key.clone()),
        _ => None,
    });
    match (made, state) {
        (Some(key), StepState::Started | StepState::Uncertain(_)) => key,
        (Some(_), _) => name(format!("-{}", start.attempt + 1)),
        (None, _) => name(String::new()),
    }
}

fn manifest(canary: &CanaryPolicy, key: &ObjectKey, run: &str) -> serde_json::Value {
    let spec = match &canary.template {
        Some(template) => json!({"workflowTemplateRef": {"name": template}}),
        None => json!({
            "entrypoint": "canary",
            "serviceAccountName": canary.service_account,
            "templates": [{"name": "canary", "container": {"image": canary.image, "command": canary.command}}],
        }),
    };
    let mut spec = spec;
    if let Some(map) = spec.as_object_mut() {
        map.retain(|_, value| !value.is_null());
        map.insert("ttlStrategy".to_owned(), json!({"secondsAfterCompletion": 86_400}));
    }
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": key.name, "namespace": key.namespace, "labels": {RUN_LABEL: run}},
        "spec": spec,
    })
}

pub fn plan(scene: &Scene<'_>) -> Plan {
    let side = scene.direction().to;
    let Some(identity) = &scene.fleet.region(side).identity else {
        return Plan::Impossible(format!("the cluster of {} has not said who it is", scene.name(side)));
    };
    let key = key(scene);
    let manifest = manifest(&scene.fleet.policy.canary, &key, &scene.run.declared.run.0);
    Plan::Act(vec![Effect::CreateCanary { side, cluster_uid: identity.value.cluster_uid.clone(), key, manifest }])
}

pub fn proof(scene: &Scene<'_>) -> Proof {
    let side = scene.direction().to;
    let region = scene.fleet.region(side);
    let key = key(scene);
    let Some(run) = region.runs.get(&key) else { return Proof::NotYet(format!("{key} is not seen yet")) };
    match run.phase {
        Phase::Failed | Phase::Error => return Proof::Wrong(format!("{key} {}: {}", run.phase.word(), run.message)),
        Phase::Succeeded => {}
        phase => {
            let progress = run.detail.as_ref().map(|d| d.progress.as_str()).unwrap_or_default();
            return Proof::NotYet(format!("{key} {} {progress}", phase.word()));
        }
    }
    let Some(archive) = &region.archive else { return Proof::NotYet("the archive has not been read yet".to_owned()) };
    if !archive.value.newest.contains(&run.uid) {
        return Proof::NotYet(format!("{key} succeeded, its row is not in the archive yet"));
    }
    let evidence = vec![
        scene.evidence(Source::Kubernetes(side), format!("{key} Succeeded")),
        scene.evidence(Source::Database(side), format!("its row {} is in the archive", run.uid)),
    ];
    Proof::Proven(evidence, None)
}
