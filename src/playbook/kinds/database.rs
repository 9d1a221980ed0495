//! Fencing the old database, letting the replica catch up, and promoting it.

use super::{Plan, Proof, Scene};
use crate::domain::effect::{Effect, Outcome, Previous};
use crate::domain::freshness::Source;
use crate::domain::units::Lsn;
use crate::playbook::record::Note;
use crate::playbook::run::Run;

pub fn fence(scene: &Scene<'_>) -> Plan {
    let side = scene.direction().from;
    let region = scene.fleet.region(side);
    if let Some(why) = region.stands_in(scene.fleet.now) {
        return Plan::Unreachable(why, Vec::new());
    }
    match region.live_database(scene.fleet.now) {
        Some(sample) if sample.primary().is_none() => Plan::Done,
        // Read-only for new sessions is not the whole fence: this run has to have ended the old sessions.
        Some(sample) if !sample.accepts_writes() && ended_sessions(scene) => Plan::Done,
        Some(_) if !scene.fleet.policy.regions.get(side).operator_configured => Plan::Impossible(format!(
            "no database user that may fence is configured: set regions.{}.database.operator",
            scene.name(side)
        )),
        Some(sample) => Plan::Act(vec![Effect::FenceDatabase { side, identity: sample.identity.clone() }]),
        None => {
            let known = region.database.as_ref();
            let tried = known.map(|known| Effect::FenceDatabase { side, identity: known.value.identity.clone() });
            Plan::Unreachable(scene.silence(Source::Database(side)), tried.into_iter().collect())
        }
    }
}

pub fn fenced(scene: &Scene<'_>) -> Proof {
    let side = scene.direction().from;
    let source = Source::Database(side);
    let region = scene.fleet.region(side);
    let Some(sample) = region.live_database(scene.fleet.now) else { return Proof::Unreachable(scene.silence(source)) };
    if let Some(why) = region.stands_in(scene.fleet.now) {
        return Proof::Unreachable(why);
    }
    if !region.database.as_ref().is_some_and(|known| scene.after(known.at)) {
        return Proof::NotYet(format!("waiting for a fresh look at {}", scene.name(side)));
    }
    if sample.accepts_writes() {
        return Proof::NotYet("new sessions may still write".to_owned());
    }
    if sample.primary().is_some() && !ended_sessions(scene) {
        return Proof::NotYet("new sessions are read-only, whether the old ones were ended is not known".to_owned());
    }
    let words = if sample.primary().is_none() { "in recovery" } else { "default_transaction_read_only = on" };
    Proof::Proven(vec![scene.evidence(source, words)], None)
}

/// A fence of this run went through to its end: the last thing it does is to end the other sessions.
fn ended_sessions(scene: &Scene<'_>) -> bool {
    let steps = scene.run.declared.playbook.steps.iter();
    steps.flat_map(|step| scene.run.outcomes(&step.id)).any(|(effect, outcome)| {
        matches!((effect, outcome), (Effect::FenceDatabase { .. }, Outcome::Done { .. } | Outcome::Already { .. }))
    })
}

/// A server that was read-only before the run stays so: what stood there is put back, not a default.
pub fn undo_fence(run: &Run, id: &str) -> Vec<Effect> {
    if run.declared.before.read_only == Some(true) {
        return Vec::new();
    }
    let mut done = run.outcomes(id).into_iter().filter_map(|(effect, outcome)| match (effect, outcome) {
        (Effect::FenceDatabase { side, identity }, Outcome::Done { .. } | Outcome::Unknown { .. }) => {
            Some(Effect::UnfenceDatabase { side: *side, identity: identity.clone() })
        }
        _ => None,
    });
    // One fence however often it was set.
    done.next().into_iter().collect()
}

/// The end of the old log, read after the fence: then the loss can be exact.
fn fenced_end(run: &Run) -> Option<Lsn> {
    let steps = run.declared.playbook.steps.iter();
    let mut ends = steps.flat_map(|step| run.outcomes(&step.id)).filter_map(|(_, outcome)| match outcome {
        Outcome::Done { previous: Some(Previous::LogEnd { value, .. }), .. } => Some(*value),
        _ => None,
    });
    ends.next_back()
}

/// The end of the old log: where our fence stopped it, and where a primary that answers and takes no writes says it is.
fn old_end(scene: &Scene<'_>) -> Option<Lsn> {
    let sample = scene.fleet.region(scene.direction().from).live_database(scene.fleet.now);
    let answers = sample.filter(|sample| !sample.accepts_writes()).and_then(|sample| sample.primary());
    fenced_end(scene.run).max(answers.map(|primary| primary.lsn))
}

pub fn caught_up(scene: &Scene<'_>) -> Proof {
    let direction = scene.direction();
    let source = Source::Database(direction.to);
    let region = scene.fleet.region(direction.to);
    let Some(sample) = region.live_database(scene.fleet.now) else { return Proof::NotYet(scene.silence(source)) };
    if !region.database.as_ref().is_some_and(|known| scene.after(known.at)) {
        return Proof::NotYet(format!("waiting for a fresh look at {}", scene.name(direction.to)));
    }
    let Some(replica) = sample.replica() else {
        if scene.run.declared.before.timeline.is_some_and(|before| sample.timeline > before) {
            let words = format!("promoted already, by somebody else, on timeline {}", sample.timeline);
            return Proof::Proven(vec![scene.evidence(source, words)], None);
        }
        return Proof::Wrong(format!("{} is no replica", scene.name(direction.to)));
    };
    let Some(has) = replica.has() else {
        return Proof::NotYet("the replica does not say what it has received".to_owned());
    };
    if let Some(end) = old_end(scene).filter(|end| has < *end && replica.streaming()) {
        return Proof::NotYet(format!("{} to receive from the fenced primary", end.ahead_of(has)));
    }
    match replica.to_replay() {
        // A promotion ends a pause by itself and replays what was received first.
        Some(left) if left.0 > 0 && !replica.replay_paused => return Proof::NotYet(format!("{left} to replay")),
        _ => {}
    }
    let loss = scene.fleet.loss(direction);
    let rows = scene.run.declared.before.rows_behind;
    let newest = region.archive.as_ref().map(|known| known.value.newest.clone()).unwrap_or_default();
    let words = format!("has {has}, loses {}", loss.words());
    Proof::Proven(vec![scene.evidence(source, words)], Some(Box::new(Note::Loss { loss, rows, newest })))
}

pub fn promote(scene: &Scene<'_>) -> Plan {
    let side = scene.direction().to;
    let Some(sample) = scene.fleet.region(side).live_database(scene.fleet.now) else {
        return Plan::Impossible(scene.silence(Source::Database(side)));
    };
    if !scene.fleet.policy.regions.get(side).operator_configured {
        let text = "no database user that may promote is configured: set regions";
        return Plan::Impossible(format!("{text}.{}.database.operator", scene.name(side)));
    }
    let Some(replica) = sample.replica() else { return Plan::Wait };
    let Some(has) = replica.has() else {
        return Plan::Impossible(
            "the replica does not say what it has received; the monitoring user needs pg_monitor".to_owned(),
        );
    };
    // What it had when the loss was measured: less than that is not the replica that was looked at. A bound that stands
    // still, so that what is consented to does not change with every record that still arrives.
    let at_least = caught_up_at(scene.run).unwrap_or(has);
    Plan::Act(vec![Effect::Promote { side, identity: sample.identity.clone(), at_least }])
}

/// What the replica had when the loss was measured.
fn caught_up_at(run: &Run) -> Option<Lsn> {
    run.steps.iter().find_map(|slot| match &slot.note {
        Some(Note::Loss { loss, .. }) => loss.replica_lsn,
        _ => None,
    })
}

pub fn promoted(scene: &Scene<'_>) -> Proof {
    let side = scene.direction().to;
    let source = Source::Database(side);
    let region = scene.fleet.region(side);
    let Some(sample) = region.live_database(scene.fleet.now) else { return Proof::NotYet(scene.silence(source)) };
    if !region.database.as_ref().is_some_and(|known| scene.after(known.at)) {
        return Proof::NotYet(format!("waiting for a fresh look at {}", scene.name(side)));
    }
    if sample.primary().is_none() {
        return Proof::NotYet("still in recovery".to_owned());
    }
    if scene.run.declared.before.timeline.is_some_and(|before| sample.timeline <= before) {
        return Proof::Wrong(format!("it is out of recovery on timeline {}, which is not a new one", sample.timeline));
    }
    if !sample.accepts_writes() {
        return Proof::NotYet("out of recovery, but new sessions are read-only".to_owned());
    }
    let words =
        format!("out of recovery, writable, timeline {}, system {}", sample.timeline, sample.identity.system.short());
    Proof::Proven(vec![scene.evidence(source, words)], None)
}
