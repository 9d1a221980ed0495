//! Pointing the name in front at the new region, and watching it arrive.

use super::{Plan, Proof, Scene};
use crate::domain::effect::{Effect, Outcome, Previous};
use crate::domain::freshness::Source;
use crate::playbook::record::Note;
use crate::playbook::run::Run;
use std::net::IpAddr;
use std::time::Duration;

fn target(scene: &Scene<'_>) -> Option<IpAddr> {
    *scene.fleet.policy.dns.as_ref()?.targets.get(scene.direction().to)
}

pub fn switch(scene: &Scene<'_>) -> Plan {
    let Some(policy) = &scene.fleet.policy.dns else { return Plan::Skip("no name in front is configured".to_owned()) };
    if !policy.can_switch {
        return Plan::Skip(format!("{} is switched by hand: dns.provider = none", policy.name));
    }
    let Some(target) = target(scene) else {
        return Plan::Impossible(format!("dns.targets has no address for {}", scene.name(scene.direction().to)));
    };
    let known = scene.fleet.dns.as_ref().filter(|_| scene.fleet.freshness(Source::Dns).usable());
    let Some((addresses, _)) = known.and_then(|known| known.value.authoritative()) else {
        return Plan::Impossible(format!(
            "what {} answers now is not known, so it can not be changed safely",
            policy.name
        ));
    };
    if addresses == [target] {
        return Plan::Done;
    }
    Plan::Act(vec![Effect::SwitchDns {
        name: policy.name.clone(),
        expected: addresses.to_vec(),
        wanted: vec![target],
        ttl_seconds: u32::try_from(policy.ttl.as_secs()).unwrap_or(60),
        server: policy.server.clone(),
    }])
}

/// Proven when every authoritative server gives the new address. Caches follow within the old time to live, which is
/// told and not waited for: the service is proven, and who still has the old address is not served worse by a wait.
pub fn switched(scene: &Scene<'_>) -> Proof {
    let Some(target) = target(scene) else { return Proof::Wrong("dns.targets has no address".to_owned()) };
    let Some(known) = scene.fleet.dns.as_ref().filter(|known| scene.after(known.at)) else {
        return Proof::NotYet("waiting for a fresh look at the name servers".to_owned());
    };
    if !known.value.everywhere(&[target]) {
        let behind = known.value.answers.iter().filter(|a| a.kind == crate::domain::dns::ServerKind::Authoritative);
        let behind = behind.filter(|a| !a.result.as_ref().is_ok_and(|(got, _)| *got == [target])).count();
        let servers = crate::domain::units::many(behind, "authoritative server does", "authoritative servers do");
        return Proof::NotYet(format!("{servers} not answer {target} yet"));
    }
    if let Some(why) = &known.value.unlisted {
        return Proof::NotYet(format!("which servers the zone has is not known, so not all were asked: {why}"));
    }
    let old_ttl =
        scene.run.declared.playbook.steps.iter().flat_map(|s| scene.run.outcomes(&s.id)).find_map(|(_, outcome)| {
            match outcome {
                Outcome::Done { previous: Some(Previous::Addresses { ttl_seconds, .. }), .. } => Some(*ttl_seconds),
                _ => None,
            }
        });
    // Where the reply was lost, or somebody else switched it, the old time to live was not told: the longest that is seen.
    let seen = known.value.answers.iter().filter_map(|answer| answer.result.as_ref().ok()).map(|(_, ttl)| *ttl);
    let own = scene.fleet.policy.dns.as_ref().map(|policy| policy.ttl);
    let ttl = old_ttl.map(|seconds| Duration::from_secs(u64::from(seconds))).or(seen.chain(own).max());
    let ttl = ttl.unwrap_or_default();
    let switched_at = scene.since.unwrap_or(known.at);
    let caches_new_by = switched_at.checked_add(ttl).unwrap_or(switched_at);
    let asked = known.value.answers.iter().filter(|a| a.kind == crate::domain::dns::ServerKind::Authoritative).count();
    let silent: Vec<&str> = known.value.silent().collect();
    let words = if silent.is_empty() {
        let servers = crate::domain::units::many(asked, "authoritative server answers", "authoritative servers answer");
        format!("{servers} {target}")
    } else {
        let (answer, silent) = (asked - silent.len(), silent.join(", "));
        format!("{answer} of {asked} authoritative servers answer {target}; no answer of {silent}")
    };
    Proof::Proven(vec![scene.evidence(Source::Dns, words)], Some(Box::new(Note::Dns { caches_new_by })))
}

/// Back to what stood there before the first attempt. The server refuses when something else stands there by then.
pub fn undo(run: &Run, id: &str) -> Vec<Effect> {
    let back = run.outcomes(id).into_iter().find_map(|(effect, outcome)| {
        let Effect::SwitchDns { name, expected, wanted, ttl_seconds, server } = effect else { return None };
        let (before, ttl) = match outcome {
            Outcome::Done { previous: Some(Previous::Addresses { value, ttl_seconds }), .. } => (value, ttl_seconds),
            Outcome::Unknown { .. } => (expected, ttl_seconds),
            _ => return None,
        };
        Some(Effect::SwitchDns {
            name: name.clone(),
            expected: wanted.clone(),
            wanted: before.clone(),
            ttl_seconds: *ttl,
            server: server.clone(),
        })
    });
    back.into_iter().collect()
}
