//! Telling the receivers. Nothing can be observed of it: the receiver's answer is all the proof there is.

use super::{Plan, Proof, Scene};
use crate::domain::effect::Effect;
use crate::domain::since;
use crate::domain::units::clock;
use crate::playbook::record::Note;
use crate::playbook::run::StepRun;

pub fn plan(scene: &Scene<'_>) -> Plan {
    let policy = &scene.fleet.policy;
    if policy.notify.is_empty() {
        return Plan::Skip("no receiver is configured".to_owned());
    }
    let run = scene.run;
    let drill = if run.declared.simulated { "[DRILL] " } else { "" };
    let title = &run.declared.playbook.name;
    let summary =
        format!("{drill}{}: {title} {} → {} serves again", run.declared.environment, run.from_name(), run.to_name());
    let mut details = vec![
        ("run".to_owned(), run.declared.run.0.clone()),
        ("driver".to_owned(), run.driver.clone()),
        ("since_first_failed_probe".to_owned(), clock(since(run.t0(), run.last_at))),
        ("overrides".to_owned(), run.overrides.len().to_string()),
    ];
    let loss = run.steps.iter().find_map(|slot| match &slot.note {
        Some(Note::Loss { loss, .. }) => Some(loss.words()),
        _ => None,
    });
    details.extend(loss.map(|words| ("loss".to_owned(), words)));
    // Whoever may have got it already gets the very same again, which a receiver can know as such; figures made anew
    // would be other news, since time went on and perhaps somebody else drives.
    let announced: Vec<&Effect> = run.current().map(|(_, _, slot)| announced(slot).collect()).unwrap_or_default();
    let to = |effect: &&&Effect, name: &str| matches!(effect, Effect::Notify { receiver, .. } if receiver == name);
    let notify = |receiver: &String| match announced.iter().find(|effect| to(effect, receiver)) {
        Some(effect) => (*effect).clone(),
        None => Effect::Notify {
            receiver: receiver.clone(),
            dedup_key: format!("leeward/{}/{}", run.declared.environment, run.declared.run),
            summary: summary.clone(),
            details: details.clone(),
        },
    };
    Plan::Act(policy.notify.iter().map(notify).collect())
}

/// What the attempts at a step have announced, the first one first.
fn announced(slot: &StepRun) -> impl Iterator<Item = &Effect> {
    slot.earlier.iter().map(|(effect, _)| effect).chain(slot.started.iter().flat_map(|start| &start.effects))
}

pub fn told(scene: &Scene<'_>) -> Proof {
    let Some((_, _, slot)) = scene.run.current() else { return Proof::NotYet("not started".to_owned()) };
    let open = slot.outcomes.iter().filter(|outcome| outcome.is_none()).count();
    let failed: Vec<String> = slot.outcomes.iter().flatten().filter(|o| !o.took()).map(|o| o.text()).collect();
    if slot.outcomes.is_empty() || open > 0 {
        Proof::NotYet(format!("{open} receivers have not answered"))
    } else if failed.is_empty() {
        // The receivers' answers stand in the record; no source observes them, so there is no evidence to name.
        Proof::Proven(Vec::new(), None)
    } else {
        Proof::Wrong(failed.join("; "))
    }
}
