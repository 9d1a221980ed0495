//! The same facts as JSON, for scripts. Names are stable within `schema`; times are RFC 3339, ages are seconds, sizes are
//! bytes, and `null` is unknown.

use super::status::UNFINISHED;
use super::{controllers, pair};
use crate::domain::database::ReplicaState;
use crate::domain::fleet::Fleet;
use crate::domain::fleet::happening::Weight;
use crate::domain::fleet::region::Region;
use crate::domain::fleet::replication::Loss;
use crate::domain::freshness::{Known, Source, SourceError};
use crate::domain::region::Side;
use crate::domain::units::Lsn;
use crate::domain::{Timestamp, since};
use crate::gates::Finding;
use crate::gates::alarms::Alarm;
use crate::gates::readiness::Readiness;
use serde_json::{Map, Value, json};

/// Version of this form.
pub const SCHEMA: u32 = 1;

/// The document.
#[must_use]
pub fn json(fleet: &Fleet, readiness: &Readiness, alarms: &[Alarm]) -> Value {
    let regions: Map<String, Value> =
        Side::BOTH.into_iter().map(|side| (fleet.name(side).to_owned(), region(fleet, fleet.region(side)))).collect();
    json!({
        "schema": SCHEMA,
        "environment": fleet.policy.environment,
        "simulated": fleet.policy.simulated,
        "at": fleet.now,
        "regions": regions,
        "database": database(fleet, readiness),
        "dns": dns(fleet),
        "readiness": verdict(fleet, readiness),
        "alarms": alarms.iter().map(|alarm| json!({
            "id": alarm.id,
            "weight": if alarm.weight == Weight::Bad { "bad" } else { "warn" },
            "region": alarm.side.map(|side| fleet.name(side)),
            "text": alarm.text,
            "advice": alarm.advice,
        })).collect::<Vec<_>>(),
    })
}

fn health(fleet: &Fleet, source: Source) -> Value {
    let health = fleet.health(source);
    let fresh = health.freshness(fleet.now);
    json!({
        "freshness": fresh.word(),
        "age": fresh.age().map(|age| age.as_secs()),
        "last_answer": health.last_answer,
        "latency_ms": health.latency.map(|l| l.as_millis()),
        "failing_since": health.failing_since,
        "error": health.error.as_ref().map(|e| json!({"kind": e.kind, "text": e.text})),
    })
}

fn as_of(at: Option<Timestamp>, remembered: bool, now: Timestamp) -> Value {
    json!({"at": at, "age": at.map(|at| since(at, now).as_secs()), "remembered": remembered})
}

fn known<T>(known: Option<&Known<T>>, now: Timestamp, value: impl Fn(&T) -> Value) -> Value {
    match known {
        None => Value::Null,
        Some(known) => {
            let mut value = value(&known.value);
            if let Some(map) = value.as_object_mut() {
                map.insert("as_of".to_owned(), as_of(Some(known.at), known.remembered, now));
            }
            value
        }
    }
}

fn region(fleet: &Fleet, region: &Region) -> Value {
    let now = fleet.now;
    let unfinished = |phase| region.runs.rows().values().filter(|run| run.phase == phase).count();
    let counts = region.run_counts();
    // Notes are of unfinished runs alone: of the others nothing is known.
    let noted = region.runs.remembered.is_some();
    let nodes = region.node_counts();
    let active = region.crons.rows().values().filter(|cron| !cron.suspended).count();
    let error = |error: &Option<SourceError>| error.as_ref().map(|e| json!({"kind": e.kind, "text": e.text}));
    json!({
        "role": region.role(now),
        "old_primary": fleet.old_and_fenced(region.side).map(|fenced| json!({"fenced": fenced})),
        "namespaces": region.scope,
        "api": health(fleet, Source::Kubernetes(region.side)),
        "db": health(fleet, Source::Database(region.side)),
        "metrics": health(fleet, Source::Metrics(region.side)),
        "identity": known(region.identity.as_ref(), now, |i| json!({"cluster_uid": i.cluster_uid, "version": i.version, "user": i.user})),
        "controllers": known(region.controllers.as_ref(), now, |c| json!({
            "wanted": c.wanted(), "ready": c.ready(), "pods": c.pods.len(), "leader": c.leader(now).map(|pod| &pod.name),
            "found": controllers::find(fleet, region, c).word(), "deployments": c.deployments.len(),
            "version": c.deployments.first().and_then(|d| d.version.as_ref()), "waiting": controllers::crash(c),
        })),
        "errors": {
            "nodes": error(&region.nodes.error), "runs": error(&region.runs.error), "crons": error(&region.crons.error),
        },
        "nodes": if region.nodes.known() { json!({
            "total": nodes.total, "ready": nodes.ready, "cordoned": nodes.cordoned, "schedulable": nodes.schedulable,
            "as_of": as_of(region.nodes.as_of(), region.nodes.remembered.is_some(), now),
        }) } else { Value::Null },
        "runs": if region.runs.known() { json!({
            "total": (!noted).then_some(counts.total), "new": unfinished(UNFINISHED[0]), "pending": unfinished(UNFINISHED[1]),
            "running": unfinished(UNFINISHED[2]), "failed": (!noted).then_some(counts.failed),
            "unarchived": (!noted).then_some(counts.unarchived),
            "as_of": as_of(region.runs.as_of(), region.runs.remembered.is_some(), now),
        }) } else { Value::Null },
        "crons": if region.crons.known() { json!({
            "active": active, "suspended": region.crons.rows().len() - active,
            "as_of": as_of(region.crons.as_of(), region.crons.remembered.is_some(), now),
        }) } else { Value::Null },
        "archive": known(region.archive.as_ref(), now, |a| json!({
            "rows": a.rows, "schema_version": a.schema_version, "newest_finished": a.newest_finished,
        })),
    })
}

fn lsn(lsn: Option<Lsn>) -> Value {
    lsn.map_or(Value::Null, |lsn| json!(lsn.to_string()))
}

fn database(fleet: &Fleet, readiness: &Readiness) -> Value {
    let servers: Map<String, Value> = Side::BOTH
        .into_iter()
        .map(|side| {
            let region = fleet.region(side);
            let server = known(region.database.as_ref(), fleet.now, |d| {
                let replica = d.replica();
                json!({
                    "what": pair::what(fleet, side, d),
                    "system": d.identity.system.to_string(), "timeline": d.timeline, "version": d.version,
                    "in_recovery": d.primary().is_none(), "accepts_writes": d.accepts_writes(), "tls": d.tls,
                    "lsn": lsn(d.primary().map(|p| p.lsn)), "received": lsn(replica.and_then(|r| r.received)),
                    "replayed": lsn(replica.and_then(|r| r.replayed)),
                    "not_replayed": replica.and_then(ReplicaState::to_replay),
                    "replay_paused": replica.map(|r| r.replay_paused),
                    "streaming": replica.map(ReplicaState::streaming),
                })
            });
            (region.name.clone(), server)
        })
        .collect();
    let last: Map<String, Value> = Side::BOTH
        .into_iter()
        .map(|side| {
            let last = fleet.region(side).last_primary_lsn.as_ref();
            (fleet.name(side).to_owned(), known(last, fleet.now, |at| json!({"lsn": at.to_string()})))
        })
        .collect();
    json!({
        "pair": pair::pair_word(fleet, readiness),
        "servers": servers,
        "last_as_primary": last,
        "two_primaries": fleet.two_primaries(),
        "not_replayed": readiness.direction.and_then(|way| pair::not_replayed(fleet, way)),
        "loss": readiness.loss,
    })
}

fn dns(fleet: &Fleet) -> Value {
    let Some(policy) = &fleet.policy.dns else { return Value::Null };
    let answers = fleet.dns.as_ref().map(|known| &known.value.answers);
    json!({
        "name": policy.name,
        "servers": health(fleet, Source::Dns),
        "as_of": as_of(fleet.dns.as_ref().map(|known| known.at), fleet.dns.as_ref().is_some_and(|k| k.remembered), fleet.now),
        "answers": answers.map(|answers| answers.iter().map(|answer| {
            let addresses = answer.result.as_ref().ok().map(|(addresses, _)| addresses);
            json!({
                "server": answer.server, "kind": answer.kind, "serial": answer.serial,
                "addresses": addresses, "ttl": answer.result.as_ref().ok().map(|(_, ttl)| ttl.as_secs()),
                "error": answer.result.as_ref().err(),
                "region": addresses.and_then(|a| policy.meaning(a)).map(|side| fleet.name(side)),
            })
        }).collect::<Vec<_>>()),
    })
}

fn verdict(fleet: &Fleet, readiness: &Readiness) -> Value {
    let list = |findings: &[Finding]| {
        let one = |f: &Finding| json!({"gate": f.gate, "verdict": f.answer.verdict, "text": f.answer.text, "lift": f.answer.lift});
        findings.iter().map(one).collect::<Vec<_>>()
    };
    let (why, todo) = fleet.no_direction().unzip();
    json!({
        "state": readiness.state,
        "why": why,
        "to_do": todo.filter(|todo| !todo.is_empty()),
        "from": readiness.direction.map(|d| fleet.name(d.from)),
        "to": readiness.direction.map(|d| fleet.name(d.to)),
        "takes": readiness.takes.as_secs(),
        "rto_target": fleet.policy.rto_target.as_secs(),
        "caches_new_after": readiness.caches_new_after.map(|ttl| ttl.as_secs()),
        "loss_bytes": readiness.loss.as_ref().and_then(Loss::if_ended).map(|bytes| bytes.0),
        "loss_bytes_if_primary_lives": readiness.loss.as_ref().and_then(Loss::at_most).map(|bytes| bytes.0),
        "loss_exact": readiness.loss.as_ref().map(|loss| loss.exact),
        "loss_rows": readiness.loss_rows,
        "loss_seconds": readiness.direction.zip(readiness.loss.as_ref())
            .and_then(|(way, loss)| pair::lost_time(fleet, way, loss)).map(|lost| lost.as_secs_f64()),
        "rpo_target": fleet.policy.rpo_target.as_secs(),
        "in_flight": readiness.in_flight,
        "headline": readiness.headline(),
        "blocks": list(&readiness.blocks),
        "warnings": list(&readiness.warnings),
        "work": list(&readiness.work),
    })
}
