//! PodDisruptionBudgets: how many disruptions they allow now. Pure. Source: pkg/controller/disruption.

use serde_json::{Value, json};

use super::{
    super::kube::{Kind, LabelSelector, Stored},
    change::Change,
    json::items,
};

/// Brings the status of a budget up to date.
pub fn status(budget: &Value, pods: &[std::sync::Arc<Stored>]) -> Option<Change> {
    let selector = LabelSelector::from_object(&budget["spec"]["selector"]);
    let guarded: Vec<Value> = pods.iter().filter(|pod| selector.matches(pod)).map(|pod| pod.value()).collect();
    let total = i64::try_from(guarded.len()).unwrap_or(0);
    let healthy =
        guarded.iter().filter(|pod| pod["metadata"].get("deletionTimestamp").is_none() && is_ready(pod)).count();
    let healthy = i64::try_from(healthy).unwrap_or(0);
    let desired = if budget["spec"]["maxUnavailable"].is_null() {
        amount(&budget["spec"]["minAvailable"], total).unwrap_or(1)
    } else {
        total - amount(&budget["spec"]["maxUnavailable"], total).unwrap_or(0)
    };
    let allowed = if total == 0 { 0 } else { (healthy - desired).max(0) };
    let mut after = budget.clone();
    after["status"] = json!({"observedGeneration": budget["metadata"]["generation"], "disruptionsAllowed": allowed,
        "currentHealthy": healthy, "desiredHealthy": desired.max(0), "expectedPods": total,
        "conditions": [{"type": "DisruptionAllowed", "status": if allowed > 0 { "True" } else { "False" },
            "reason": if allowed > 0 { "SufficientPods" } else { "InsufficientPods" }, "message": "",
            "observedGeneration": budget["metadata"]["generation"], "lastTransitionTime": null}]});
    (after != *budget).then_some(Change::Replace(Kind::PodDisruptionBudget, after))
}

/// A count or a percentage, rounded up.
fn amount(value: &Value, total: i64) -> Option<i64> {
    if let Some(percent) = value.as_str().and_then(|text| text.strip_suffix('%')) {
        let percent: i64 = percent.parse().ok()?;
        return Some((total * percent + 99) / 100);
    }
    super::json::number(value)
}

/// Whether a pod is ready.
pub fn is_ready(pod: &Value) -> bool {
    items(&pod["status"]["conditions"]).iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn allowed_disruptions() {
        let pod = |ready: &str| {
            let object = json!({"metadata": {"name": "p", "namespace": "ml", "labels": {"app": "x"}},
                "status": {"conditions": [{"type": "Ready", "status": ready}]}});
            Arc::new(Stored::new(Kind::Pod, &object, 1))
        };
        let pods = [pod("True"), pod("True"), pod("False")];
        for (bound, allowed) in [
            (json!({"minAvailable": 2}), 0),
            (json!({"minAvailable": 1}), 1),
            (json!({"maxUnavailable": 1}), 0),
            (json!({"maxUnavailable": 2}), 1),
            (json!({"minAvailable": "50%"}), 0),
            (json!({"minAvailable": "30%"}), 1),
        ] {
            let mut budget = json!({"metadata": {"name": "b", "generation": 1}, "spec": bound});
            budget["spec"]["selector"] = json!({"matchLabels": {"app": "x"}});
            let Some(Change::Replace(_, after)) = status(&budget, &pods) else { panic!("a status") };
            assert_eq!(after["status"]["disruptionsAllowed"], allowed, "{}", budget["spec"]);
            assert!(status(&after, &pods).is_none(), "nothing more to do");
        }
    }
}
