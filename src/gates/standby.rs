//! Gates about the region being activated.

use super::{Answer, Question};
use crate::domain::database::ReplicaState;
use crate::domain::freshness::Source;
use crate::domain::kubernetes::FIND;
use crate::domain::units::count;

pub fn api(q: &Question<'_>) -> Answer {
    let source = Source::Kubernetes(q.direction.to);
    if q.fleet.freshness(source).usable() {
        Answer::pass(format!("{} api answers", q.name(q.direction.to))).on(q.evidence(source, "answers"))
    } else {
        Answer::block(q.silence(source)).lift("it has to answer: the lock and the controllers are there")
    }
}

pub fn database(q: &Question<'_>) -> Answer {
    let (to, source) = (q.direction.to, Source::Database(q.direction.to));
    let Some(sample) = q.fleet.region(to).live_database(q.fleet.now) else {
        return Answer::block(q.silence(source)).lift("it has to answer: there is nothing else to promote");
    };
    match sample.replica() {
        Some(_) => {
            let text = format!("in recovery, timeline {}, system {}", sample.timeline, sample.identity.system.short());
            Answer::pass(format!("{} is {text}", q.name(to))).on(q.evidence(source, text))
        }
        None if q.facts.promoted => Answer::pass(format!("{} was promoted by this run", q.name(to))),
        None if promoted_by_others(q) => Answer::warn(format!(
            "{} was promoted meanwhile, by somebody else: timeline {}",
            q.name(to),
            sample.timeline
        ))
        .lift("find out who did, and whether they go on"),
        None => Answer::block(format!("{} db is no replica: it is out of recovery already", q.name(to)))
            .lift("find out who promoted it; two primaries must not both take writes"),
    }
}

pub fn same_system(q: &Question<'_>) -> Answer {
    let system = |side| q.fleet.region(side).database.as_ref().map(|known| known.value.identity.system);
    match (system(q.direction.from), system(q.direction.to)) {
        (Some(from), Some(to)) if from != to => Answer::block(format!(
            "{} is system {from}, {} is system {to}: neither is a copy of the other",
            q.name(q.direction.from),
            q.name(q.direction.to)
        ))
        .lift("check the database URLs of both regions in the configuration"),
        (Some(from), Some(_)) if live(q) => Answer::pass(format!("both are system {}", from.short()))
            .on(q.evidence(Source::Database(q.direction.to), format!("system {from}"))),
        (None, Some(_)) => Answer::unknown(format!("{} db was never seen", q.name(q.direction.from)))
            .lift("it has to be seen once, by this console or an earlier one"),
        _ => Answer::unknown(q.silence(Source::Database(q.direction.to))).lift("it has to answer"),
    }
}

/// The replica of this run is out of recovery, on a timeline that was begun after the run was declared, and not by it:
/// nothing is left to hold a promotion back for.
pub(super) fn promoted_by_others(q: &Question<'_>) -> bool {
    let to = q.direction.to;
    let sample = q.fleet.region(to).live_database(q.fleet.now).filter(|sample| sample.primary().is_some());
    let newer = sample.zip(q.facts.timeline).is_some_and(|(sample, before)| sample.timeline > before);
    newer && q.facts.activates == Some(to) && !q.facts.promoted
}

/// The replica answers now. What it said earlier may be another server's by now, and lets nothing pass.
fn live(q: &Question<'_>) -> bool {
    q.fleet.region(q.direction.to).live_database(q.fleet.now).is_some()
}

pub fn timeline(q: &Question<'_>) -> Answer {
    let known = |side| q.fleet.region(side).database.as_ref().map(|known| known.value.timeline);
    match (known(q.direction.from), known(q.direction.to)) {
        _ if q.facts.promoted => Answer::pass("this run has started the new timeline"),
        _ if promoted_by_others(q) => Answer::warn("a promotion that is not of this run has started a new timeline"),
        (Some(from), Some(to)) if to < from => Answer::block(format!(
            "{} replays timeline {to}, {} was on {from}: it does not follow this primary",
            q.name(q.direction.to),
            q.name(q.direction.from)
        ))
        .lift("rebuild the replica, or wait until it has followed the switch of timeline"),
        (Some(from), Some(to)) if to > from => Answer::block(format!(
            "{} is on timeline {to}, ahead of {} on {from}: the two have parted",
            q.name(q.direction.to),
            q.name(q.direction.from)
        ))
        .lift("one of them has to be rebuilt from the other"),
        (Some(from), Some(_)) if live(q) => Answer::pass(format!("timeline {from} on both"))
            .on(q.evidence(Source::Database(q.direction.to), format!("timeline {from}"))),
        (Some(_), Some(_)) => Answer::unknown(q.silence(Source::Database(q.direction.to))).lift("it has to answer"),
        _ => Answer::unknown("the timeline of one side was never seen").lift("both have to be seen once"),
    }
}

pub fn replay(q: &Question<'_>) -> Answer {
    let (to, source) = (q.direction.to, Source::Database(q.direction.to));
    let Some(sample) = q.fleet.region(to).live_database(q.fleet.now) else {
        return Answer::unknown(q.silence(source)).lift("it has to answer");
    };
    match sample.replica() {
        None => Answer::moot("it is no replica"),
        Some(replica) if replica.replay_paused => Answer::block("replay is paused by hand on the replica")
            .lift("SELECT pg_wal_replay_resume(); a promotion would end the pause by itself")
            .on(q.evidence(source, "replay paused")),
        Some(replica) => replayed(q, replica, source),
    }
}

fn replayed(q: &Question<'_>, replica: &ReplicaState, source: Source) -> Answer {
    match replica.to_replay() {
        None => Answer::unknown("how much is left to replay is not known").lift("the monitoring user needs pg_monitor"),
        Some(bytes) if bytes.0 == 0 => {
            Answer::pass("all that was received is replayed").on(q.evidence(source, "0 B to replay"))
        }
        Some(bytes) => Answer::pass(format!("replays, {bytes} to go")).on(q.evidence(source, format!("{bytes} to go"))),
    }
}

pub fn promote_right(q: &Question<'_>) -> Answer {
    let to = q.direction.to;
    if !q.fleet.policy.regions.get(to).operator_configured {
        return Answer::block(format!("no database user that may promote {} is configured", q.name(to)))
            .lift(format!("set regions.{}.database.operator", q.name(to)));
    }
    match q.fleet.region(to).operator.as_ref().map(|known| &known.value) {
        Some(Ok(rights)) if rights.promote && live(q) => {
            Answer::pass(format!("{} may run pg_promote in {}", rights.user, q.name(to)))
        }
        Some(Ok(rights)) if rights.promote => Answer::unknown(q.silence(Source::Database(to))).lift("it has to answer"),
        Some(Ok(rights)) => Answer::block(format!("{} may not run pg_promote in {}", rights.user, q.name(to)))
            .lift(format!("on the primary: GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO {}", rights.user)),
        Some(Err(error)) => {
            Answer::block(format!("the operator's database user can not be tried in {}: {error}", q.name(to)))
                .lift("its URL and password have to work before the outage")
        }
        None => Answer::unknown("the operator's database user has not been tried yet").lift("wait for the first try"),
    }
}

pub fn controllers(q: &Question<'_>) -> Answer {
    let to = q.direction.to;
    let Some(controllers) = q.fleet.region(to).live_controllers(q.fleet.now) else {
        return Answer::unknown(q.silence(Source::Kubernetes(to))).lift("it has to answer");
    };
    let source = Source::Kubernetes(to);
    match controllers.deployments.as_slice() {
        [] => {
            let namespace = &q.fleet.policy.regions.get(to).controller_namespace;
            Answer::block(format!("no workflow controller's Deployment in {} namespace {namespace}", q.name(to)))
                .lift("install Argo Workflows there with 0 replicas, or correct controller.namespace")
        }
        [one] => Answer::pass(format!("{} stands by with {} wanted", one.key, one.wanted))
            .on(q.evidence(source, format!("{} of {} ready", one.ready, one.wanted))),
        many => Answer::warn(format!("{} controllers' Deployments; all of them will be started", many.len())),
    }
}

pub fn version(q: &Question<'_>) -> Answer {
    let version = |side| {
        let known = q.fleet.region(side).controllers.as_ref()?;
        known.value.deployments.first()?.version.clone()
    };
    let (from, to) = (version(q.direction.from), version(q.direction.to));
    if q.fleet.region(q.direction.to).live_controllers(q.fleet.now).is_none() {
        return Answer::warn(format!("the controller of {} is not seen now", q.name(q.direction.to)));
    }
    let parts = |text: &str| -> Option<Vec<u32>> { text.split('.').map(|part| part.parse().ok()).collect() };
    match (&from, &to) {
        (Some(from), Some(to)) => match (parts(from), parts(to)) {
            (Some(a), Some(b)) if b < a => Answer::block(format!(
                "the standby's controller {to} is older than the primary's {from}: it may misread the newer schema"
            ))
            .lift("bring both to one version"),
            (Some(a), Some(b)) if b > a => Answer::warn(format!(
                "the standby's controller {to} is newer than {from}: it migrates the schema at start"
            )),
            (Some(_), Some(_)) => Answer::pass(format!("controller {from} on both")),
            _ if from == to => Answer::pass(format!("controller {from} on both")),
            _ => Answer::warn(format!("controllers {from} and {to} can not be compared")),
        },
        _ => Answer::warn("a controller's version was never seen"),
    }
}

pub fn nodes(q: &Question<'_>) -> Answer {
    let region = q.fleet.region(q.direction.to);
    let source = Source::Kubernetes(q.direction.to);
    if !region.table_freshness(&region.nodes, q.fleet.now).usable() {
        let why = region.nodes.error.as_ref().map_or_else(|| q.silence(source), ToString::to_string);
        return Answer::unknown(format!("nodes of {}: {why}", region.name)).lift("nodes have to be readable");
    }
    let counts = region.node_counts();
    let (fit, all) = (counts.schedulable, counts.total);
    let why = if fit < all { format!(": {counts}") } else { String::new() };
    let text = format!("{fit} of {all} nodes of {} take new pods{why}", region.name);
    if fit == 0 {
        Answer::block(text).lift("nodes have to be ready and not cordoned")
    } else if fit < all {
        Answer::warn(text)
    } else {
        Answer::pass(text.clone()).on(q.evidence(source, text))
    }
}

pub fn rights(q: &Question<'_>) -> Answer {
    let to = q.direction.to;
    let Some(known) = &q.fleet.region(to).rights else {
        return Answer::unknown("our rights have not been asked yet").lift("the API has to answer");
    };
    let missing: Vec<String> = known
        .value
        .iter()
        .filter(|r| !r.allowed && r.verb != FIND)
        .map(|r| format!("{} {}", r.verb, r.resource))
        .collect();
    if missing.is_empty() && !q.fleet.freshness(Source::Kubernetes(to)).usable() {
        Answer::unknown(q.silence(Source::Kubernetes(to))).lift("the API has to answer")
    } else if missing.is_empty() {
        Answer::pass(format!("{} rights granted", known.value.len()))
    } else {
        Answer::block(format!("{} refuses us: {}", q.name(to), missing.join(", "))).lift("grant them to our user there")
    }
}

pub fn templates(q: &Question<'_>) -> Answer {
    let (from, to) = (q.fleet.region(q.direction.from), q.fleet.region(q.direction.to));
    if !to.table_freshness(&to.templates, q.fleet.now).usable() || !from.templates.known() {
        return Answer::warn("templates of both regions are not known, so they can not be compared");
    }
    let missing: Vec<String> =
        from.templates.rows().keys().filter(|key| to.templates.get(key).is_none()).map(ToString::to_string).collect();
    match missing.as_slice() {
        [] => Answer::pass(format!("templates {n} = {n}", n = from.templates.rows().len())),
        [first, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!(" and {} more", count(rest.len() as u64)) };
            Answer::warn(format!("{} lacks template {first}{more}", to.name))
        }
    }
}

pub fn canary(q: &Question<'_>) -> Answer {
    let region = q.fleet.region(q.direction.to);
    let canary = &q.fleet.policy.canary;
    let rights = region.rights.iter().flat_map(|known| &known.value);
    if rights.into_iter().any(|right| right.verb == FIND && right.namespace == canary.namespace) {
        let text = format!("namespace {}, where the canary is to run, is not in {}", canary.namespace, region.name);
        return Answer::block(text).lift("create it there, or change canary.namespace");
    }
    match &canary.template {
        None => Answer::pass(format!("one step of image {} in namespace {}", canary.image, canary.namespace)),
        Some(_) if !region.table_freshness(&region.templates, q.fleet.now).usable() => {
            Answer::warn("templates are not known now")
        }
        Some(name) => {
            let key = crate::domain::kubernetes::ObjectKey::new(&canary.namespace, name);
            if region.templates.get(&key).is_some() {
                Answer::pass(format!("template {key} is in {}", region.name))
            } else {
                Answer::block(format!("template {key} is not in {}", region.name))
                    .lift("create it there, or change canary.template")
            }
        }
    }
}
