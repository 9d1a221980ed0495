//! The runs in flight, noted before their region is gone for good.

use super::{Proof, Scene};
use crate::domain::freshness::Source;
use crate::playbook::record::{InventoryRow, Note};

/// Nothing is sent: the list is what is known now, or what was last known, and says of when it is. A run whose details
/// have not been read is still on it.
pub fn taken(scene: &Scene<'_>) -> Proof {
    let from = scene.direction().from;
    let region = scene.fleet.region(from);
    let Some(at) = region.runs.as_of() else {
        let note = Note::Inventory { at: scene.fleet.began, runs: Vec::new() };
        let words = format!("runs of {} were never seen: the inventory is empty", region.name);
        return Proof::Proven(vec![scene.evidence(Source::Kubernetes(from), words)], Some(Box::new(note)));
    };
    let runs: Vec<InventoryRow> = region
        .runs
        .rows()
        .iter()
        .filter(|(_, run)| !run.phase.finished())
        .map(|(key, run)| {
            let detail = run.detail.as_ref();
            InventoryRow {
                key: key.clone(),
                uid: run.uid.clone(),
                template: detail
                    .map(|d| d.template.clone())
                    .filter(|t| !t.is_empty())
                    .unwrap_or_else(|| run.template.clone()),
                progress: detail.map(|d| d.progress.clone()).unwrap_or_default(),
                parameters: detail
                    .map(|d| d.parameters.iter().map(|(name, _)| name.clone()).collect())
                    .unwrap_or_default(),
            }
        })
        .collect();
    let as_of = at.strftime("%H:%M:%SZ");
    let words = format!("{} in flight, as of {as_of}", crate::domain::units::many(runs.len(), "run", "runs"));
    Proof::Proven(vec![scene.evidence(Source::Kubernetes(from), words)], Some(Box::new(Note::Inventory { at, runs })))
}
