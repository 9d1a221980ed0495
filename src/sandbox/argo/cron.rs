//! CronWorkflows: when one fires, what it makes, and what it keeps. Pure. Source: workflow/cron/operator.go: a child is
//! named after the second it was scheduled for, so that two controllers make the same name; a missed run is made up for
//! only where the cron has run before and its deadline has not passed.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    super::kube::{Kind, ObjectKey, clock},
    change::Change,
    json::{annotation, items, label, mark, name, namespace, owner, text},
    operate::{ARGO, COMPLETED, PHASE},
    schedule::{Schedule, ScheduleError},
    timing::after,
};

/// The annotation that says with which schedule a cron last ran.
const LAST_USED: &str = "cronworkflows.argoproj.io/last-used-schedule";

/// What a look at a cron came to.
#[derive(Debug, Default)]
pub struct Look {
    /// What has to be done.
    pub changes: Vec<Change>,
    /// How many workflows were started.
    pub triggered: u64,
    /// How often the concurrency policy kept one from starting.
    pub held: u64,
    /// The schedule makes no sense.
    pub error: Option<ScheduleError>,
}

/// The label of a cron's children.
pub fn origin_label() -> String {
    format!("{ARGO}/cron-workflow")
}

/// Looks at a cron. `children`: its workflows. `since`: what fell due before this moment is made up for by the deadline
/// rule only; the controller took over then, or looked last.
pub fn look(cron: &Value, children: &[Value], since: Timestamp, now: Timestamp) -> Look {
    let mut look = Look::default();
    let mut after = cron.clone();
    settle(&mut after, children);
    let schedules = match schedules(cron) {
        Ok(schedules) => schedules,
        Err(error) => {
            after["status"]["conditions"] =
                json!([{"type": "SpecError", "status": "True", "message": error.to_string()}]);
            look.error = Some(error);
            Vec::new()
        }
    };
    if cron["spec"]["suspend"] != true
        && let Some(due) = schedules.iter().filter_map(|schedule| due(cron, schedule, since, now)).max()
    {
        fire(&mut look, &mut after, children, due);
    }
    look.changes.extend(beyond_history(cron, children));
    if after != *cron {
        look.changes.push(Change::Replace(Kind::CronWorkflow, after));
    }
    look
}

fn texts(cron: &Value) -> Vec<&str> {
    let spec = &cron["spec"];
    // `schedules` since 3.6, `schedule` before 4.0.
    if spec["schedules"].is_array() {
        items(&spec["schedules"]).iter().map(text).collect()
    } else {
        vec![text(&spec["schedule"])]
    }
}

fn schedules(cron: &Value) -> Result<Vec<Schedule>, ScheduleError> {
    texts(cron).into_iter().map(|one| Schedule::parse(one, text(&cron["spec"]["timezone"]))).collect()
}

/// The scheduled time that is to be run now.
fn due(cron: &Value, schedule: &Schedule, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let last = cron["status"]["lastScheduledTime"].as_str().and_then(clock::parse);
    let fresh = schedule.last_between(since, now).filter(|due| last.is_none_or(|last| last < *due));
    if fresh.is_some() {
        return fresh;
    }
    // A missed one: only the latest, only with a status, the same schedule and a deadline.
    let deadline = cron["spec"]["startingDeadlineSeconds"].as_i64()?;
    if annotation(cron, LAST_USED) != texts(cron).join(",") {
        return None;
    }
    let missed = schedule.last_between(last?, now)?;
    (now < after(missed, jiff::SignedDuration::from_secs(deadline))).then_some(missed)
}

/// Takes finished children out of `active` and counts them.
fn settle(cron: &mut Value, children: &[Value]) {
    let active = items(&cron["status"]["active"]).to_vec();
    if active.is_empty() {
        return;
    }
    let (mut kept, mut succeeded, mut failed) = (Vec::new(), 0, 0);
    for reference in active {
        let child = children.iter().find(|child| child["metadata"]["uid"] == reference["uid"]);
        match child {
            Some(child) if label(child, COMPLETED) != "true" => kept.push(reference),
            Some(child) if label(child, PHASE) == "Succeeded" => succeeded += 1,
            Some(_) => failed += 1,
            None => {}
        }
    }
    let status = &mut cron["status"];
    status["succeeded"] = json!(status["succeeded"].as_i64().unwrap_or(0) + succeeded);
    status["failed"] = json!(status["failed"].as_i64().unwrap_or(0) + failed);
    if kept.is_empty() {
        if let Some(fields) = status.as_object_mut() {
            fields.remove("active");
        }
    } else {
        status["active"] = kept.into();
    }
}

fn fire(look: &mut Look, cron: &mut Value, children: &[Value], due: Timestamp) {
    let running: Vec<&Value> = children.iter().filter(|child| label(child, COMPLETED) != "true").collect();
    let policy = text(&cron["spec"]["concurrencyPolicy"]).to_owned();
    let mut run = true;
    if !running.is_empty() {
        match policy.as_str() {
            "Forbid" => {
                run = false;
                look.held += 1;
            }
            "Replace" => {
                look.held += 1;
                for child in running {
                    let mut child = child.clone();
                    child["spec"]["shutdown"] = "Terminate".into();
                    look.changes.push(Change::Replace(Kind::Workflow, child));
                }
            }
            _ => {}
        }
    }
    if !cron["status"].is_object() {
        cron["status"] = json!({});
    }
    cron["status"]["phase"] = "Active".into();
    if !run {
        return;
    }
    let child = child(cron, due);
    look.triggered += 1;
    look.changes.push(Change::Create(Kind::Workflow, child));
    cron["status"]["lastScheduledTime"] = clock::seconds(due).into();
    let used = texts(cron).join(",");
    mark(cron, "annotations", LAST_USED, &used);
}

/// The workflow that a cron makes for a scheduled time.
pub fn child(cron: &Value, due: Timestamp) -> Value {
    let given = &cron["spec"]["workflowMetadata"];
    let mut child = json!({
        "metadata": {"name": format!("{}-{}", name(cron), due.as_second()), "namespace": namespace(cron),
            "labels": given["labels"].as_object().cloned().unwrap_or_default(),
            "annotations": given["annotations"].as_object().cloned().unwrap_or_default(),
            "ownerReferences": owner(Kind::CronWorkflow, cron)},
        "spec": cron["spec"]["workflowSpec"],
    });
    mark(&mut child, "labels", &origin_label(), name(cron));
    mark(&mut child, "annotations", &format!("{ARGO}/scheduled-time"), &clock::seconds(due));
    child
}

/// Finished children beyond the limits of the cron's history.
fn beyond_history(cron: &Value, children: &[Value]) -> Vec<Change> {
    let mut changes = Vec::new();
    for (good, field, default) in [(true, "successfulJobsHistoryLimit", 3), (false, "failedJobsHistoryLimit", 1)] {
        let limit = usize::try_from(cron["spec"][field].as_i64().unwrap_or(default)).unwrap_or(0);
        let mut done: Vec<&Value> = children
            .iter()
            .filter(|child| label(child, COMPLETED) == "true" && (label(child, PHASE) == "Succeeded") == good)
            // Argo never deletes what still has to be archived.
            .filter(|child| label(child, super::operate::ARCHIVING) != "Pending")
            .collect();
        done.sort_by_key(|child| std::cmp::Reverse(text(&child["status"]["finishedAt"]).to_owned()));
        changes.extend(
            done.iter()
                .skip(limit)
                .map(|child| Change::Remove(Kind::Workflow, ObjectKey::new(namespace(child), name(child)))),
        );
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        clock::parse(text).unwrap()
    }

    fn cron() -> Value {
        json!({"metadata": {"name": "heartbeat", "namespace": "ml", "uid": "c"},
            "spec": {"schedules": ["*/5 * * * *"], "concurrencyPolicy": "Forbid", "startingDeadlineSeconds": 60,
                "workflowSpec": {"entrypoint": "main"}}})
    }

    fn created(look: &Look) -> Vec<String> {
        look.changes
            .iter()
            .filter_map(|change| match change {
                Change::Create(Kind::Workflow, child) => Some(name(child).to_owned()),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_child_is_named_after_its_second() {
        let look = look(&cron(), &[], at("2026-11-24T10:04:55Z"), at("2026-11-24T10:05:05Z"));
        assert_eq!(created(&look), ["heartbeat-1795514700"]);
        let Some(Change::Replace(_, after)) = look.changes.last() else { panic!("the cron is updated") };
        assert_eq!(after["status"]["lastScheduledTime"], "2026-11-24T10:05:00Z");
        assert_eq!(annotation(after, LAST_USED), "*/5 * * * *");
        // The same look again makes nothing.
        let again = super::look(after, &[], at("2026-11-24T10:04:55Z"), at("2026-11-24T10:05:06Z"));
        assert!(created(&again).is_empty());
    }

    #[test]
    fn suspended_and_forbidden_crons_do_not_fire() {
        let (since, now) = (at("2026-11-24T10:04:55Z"), at("2026-11-24T10:05:05Z"));
        let mut suspended = cron();
        suspended["spec"]["suspend"] = true.into();
        assert!(look(&suspended, &[], since, now).changes.is_empty());
        let running = json!({"metadata": {"name": "heartbeat-1", "namespace": "ml", "labels": {COMPLETED: "false"}}});
        let held = look(&cron(), std::slice::from_ref(&running), since, now);
        assert!(created(&held).is_empty() && held.held == 1);
        let mut replacing = cron();
        replacing["spec"]["concurrencyPolicy"] = "Replace".into();
        let replaced = look(&replacing, &[running], since, now);
        assert!(replaced.changes.iter().any(
            |change| matches!(change, Change::Replace(Kind::Workflow, child) if child["spec"]["shutdown"] == "Terminate")
        ));
        assert_eq!(created(&replaced).len(), 1);
    }

    #[test]
    fn a_missed_run_is_made_up_for_only_within_its_deadline() {
        let took_over = at("2026-11-24T10:30:20Z");
        let mut ran_before = cron();
        ran_before["status"] = json!({"lastScheduledTime": "2026-11-24T10:00:00Z"});
        mark(&mut ran_before, "annotations", LAST_USED, "*/5 * * * *");
        assert_eq!(created(&look(&ran_before, &[], took_over, took_over)), ["heartbeat-1795516200"]);
        let late = at("2026-11-24T10:31:20Z");
        assert!(created(&look(&ran_before, &[], late, late)).is_empty(), "the deadline has passed");
        assert!(created(&look(&cron(), &[], took_over, took_over)).is_empty(), "never ran here: no catching up");
    }

    #[test]
    fn history_is_kept_short() {
        let child = |number: i64, phase: &str| {
            json!({"metadata": {"name": format!("h-{number}"), "namespace": "ml",
                "labels": {COMPLETED: "true", PHASE: phase}}, "status": {"finishedAt": format!("2026-11-24T09:0{number}:00Z")}})
        };
        let children: Vec<Value> = (0..5).map(|number| child(number, "Succeeded")).collect();
        let removed: Vec<Change> = beyond_history(&cron(), &children);
        assert_eq!(removed.len(), 2);
        assert!(removed.contains(&Change::Remove(Kind::Workflow, ObjectKey::new("ml", "h-0"))));
    }
}
