//! The cases, and what they share. Each begins with a pair as `RESET` makes it and judges by what the servers say.

mod crash;
mod failover;
mod healthy;
mod line;
mod swapped;
mod undo;

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::bench::{Bench, ENVIRONMENT, TARGETS, Told, journal, newest_run, until};
use crate::named;
use crate::servers::{Crons, Standing, dns};

/// One case.
pub struct Case {
    pub name: &'static str,
    pub title: &'static str,
    /// It changes something that only a reset brings back.
    pub destroys: bool,
    pub run: fn(Bench) -> BoxFuture<'static, ()>,
}

macro_rules! case {
    ($name:literal, $title:literal, $destroys:literal, $run:path) => {
        Case { name: $name, title: $title, destroys: $destroys, run: |bench| Box::pin($run(bench)) }
    };
}

pub static CASES: [Case; 14] = [
    case!("status", "a healthy pair is LIVE and READY, as text and as JSON", false, healthy::status),
    case!("plan", "a plan shows every request and sends none", false, healthy::plan),
    case!("line-cut", "our line is cut, the primary lives: nobody may promote", true, line::cut),
    case!("line-half-open", "the same with a line that swallows everything", true, line::half_open),
    case!("failover", "the region is down: failover by break-glass; its return is fenced", true, failover::down),
    case!("returns-in-run", "the old region returns after the promotion, before the end", true, failover::returns),
    case!(
        "failover-consent",
        "without break-glass nothing is promoted; with it the same run goes on",
        true,
        failover::alone
    ),
    case!("planned", "both regions up: every fence acts", true, failover::planned),
    case!("kill-at-start", "kill -9 right after each StepStarted", true, crash::at_start),
    case!("kill-in-effect", "kill -9 a moment later, in the effect", true, crash::in_effect),
    case!("kill-after-effect", "kill -9 after each effect, before its proof", true, crash::after_effect),
    case!("kill-in-outage", "kill -9 right after each StepStarted, with A down", true, crash::in_outage),
    case!("swapped", "swapped contexts or database URLs are refused", true, swapped::refused),
    case!("undo", "undo puts back what was", true, undo::restores),
];

/// Every step of the failover that asks for a consent.
pub const CONSENTS: [&str; 8] = [
    "declare",
    "suspend-crons",
    "fence-controllers",
    "fence-database",
    "promote",
    "start-controllers",
    "switch-dns",
    "activate-crons",
];

/// What an outage of the whole region needs beyond that: nobody can prove its fence, nor what it wrote at the very end.
pub const OVERRIDES: [&str; 2] = ["old-region-fenced", "loss-limit"];

/// The pair as it was before a case.
pub struct Before {
    pub a_crons: Crons,
    pub b_crons: Crons,
    pub a_replicas: u64,
    pub timeline: u32,
    pub serial: u32,
}

impl Before {
    /// Also asserts that it is the pair that a case begins with: A active, B held.
    pub async fn of(bench: &Bench) -> Before {
        let (a_replicas, _) = bench.a.controller().await;
        let (b_replicas, _) = bench.b.controller().await;
        assert!(a_replicas > 0 && b_replicas == 0, "RESET has to give controllers in A and none in B");
        let (a_crons, b_crons) = (bench.a.crons().await, bench.b.crons().await);
        assert!(a_crons.values().any(|off| !off), "RESET has to give an active cron in A");
        assert!(b_crons.values().all(|off| *off), "RESET has to give suspended crons in B");
        let (a, b) = (bench.a.database.standing().await, bench.b.database.standing().await);
        assert!(!a.in_recovery && a.takes_writes && b.in_recovery, "RESET has to give a primary in A: {a:?} {b:?}");
        until("a controller leads in A", Duration::from_secs(60), || leads(&bench.a)).await;
        let serial = dns(bench.names.0.addr, named::ZONE, named::NAME).await.1;
        println!("  {}\n  {}", bench.a.words().await, bench.b.words().await);
        println!("  databases: {} {a:?}; {} {b:?}", bench.a.name, bench.b.name);
        Before { a_crons, b_crons, a_replicas, timeline: a.timeline, serial }
    }

    /// Crons of B as they have to be after a failover: those active that were active in A, all others as they were.
    pub fn b_crons_after(&self) -> Crons {
        let wanted = |(name, off): (&String, &bool)| {
            let active = self.a_crons.get(name) == Some(&false);
            (name.clone(), *off && !active)
        };
        self.b_crons.iter().map(wanted).collect()
    }
}

/// The holder of the controllers' Lease is a pod that is there, and renewed it just now.
pub async fn leads(region: &crate::servers::Region) -> bool {
    let (_, pods) = region.controller().await;
    let Some((holder, renewed)) = region.leader().await else { return false };
    let age = jiff::Timestamp::now().duration_since(renewed).as_secs();
    pods.iter().any(|pod| holder.starts_with(pod.as_str())) && age < 30
}

/// Everything that has to be so in B, and around it, after a failover that was DONE.
pub async fn failed_over(bench: &Bench, before: &Before, run: &str) {
    let b = bench.b.database.standing().await;
    let wanted = Standing { in_recovery: false, timeline: before.timeline + 1, read_only: false, takes_writes: true };
    assert_eq!(b, wanted, "the database of B");
    assert_eq!(bench.b.controller().await.0, before.a_replicas, "controllers of B");
    assert!(leads(&bench.b).await, "the controller of B leads");
    let canaries = bench.b.workflows_of(run).await;
    let [(name, uid, phase)] = canaries.as_slice() else { panic!("one canary, not {canaries:?}") };
    assert_eq!(phase, "Succeeded", "{name}");
    assert!(bench.b.database.archived(uid).await, "{name} {uid} is not in the archive of B");
    assert_eq!(bench.b.crons().await, before.b_crons_after(), "crons of B");
    for server in [bench.names.0.addr, bench.names.1.addr] {
        let (addresses, serial) = dns(server, named::ZONE, named::NAME).await;
        assert_eq!(addresses, [TARGETS[1].parse::<std::net::IpAddr>().unwrap()], "{server}");
        assert_eq!(serial, before.serial + 1, "the zone was changed once, says {server}");
    }
    assert_eq!(bench.b.lease(&lock()).await, None, "the lock is given up");
    println!("  seen: {}", bench.b.words().await);
    println!("  seen: {} database {b:?}; canary {name} {phase}, row {uid} in its archive", bench.b.name);
    println!("  seen: both name servers answer {}; lock {} held by nobody", TARGETS[1], lock());
    let verified = bench.leeward(&["journal", "verify", run]).await;
    assert_eq!(verified.code, 0);
}

pub fn lock() -> String {
    format!("leeward-{ENVIRONMENT}")
}

/// The webhook got one message, or the same message again; never two different ones.
pub fn told_once(bench: &Bench, run: &str, tries_max: u64) {
    let got = bench.webhook.received();
    assert!(!got.is_empty() && bench.webhook.count() <= tries_max, "{} messages", bench.webhook.count());
    let key = |message: &leeward::sandbox::webhook::Received| message.headers["idempotency-key"].clone();
    for message in &got {
        assert_eq!((key(message), &message.body), (key(&got[0]), &got[0].body), "the same message");
    }
    let event = got[0].json().unwrap();
    assert_eq!(event["data"]["details"]["run"], run);
    println!("  seen: webhook {}: {}", bench.webhook.count(), event["data"]["summary"]);
}

/// Looks until the pair reads READY, and prints that look: right after a reset a busy machine answers late.
pub async fn ready(bench: &Bench) -> Told {
    let look = || async { bench.quietly("leeward.toml", &["status"]).await.code == 0 };
    until("READY", Duration::from_secs(60), look).await;
    let told = bench.leeward(&["status"]).await;
    assert_eq!(told.code, 0);
    told
}

/// The newest run, which has to be there.
pub fn run_of(bench: &Bench) -> String {
    newest_run(&bench.runs_folder()).expect("a run in the journal's folder")
}

/// Effects of the whole run that a server took, as JSON: an effect that stands here twice was performed twice.
pub fn taken(bench: &Bench, run: &str) -> Vec<Value> {
    let mut effects: Vec<Value> = Vec::new();
    let mut taken = Vec::new();
    for record in journal(&bench.runs_folder(), run) {
        match record["event"]["event"].as_str() {
            Some("step-started") => effects = record["event"]["effects"].as_array().cloned().unwrap_or_default(),
            Some("effect-ended") if record["event"]["outcome"]["outcome"] == "done" => {
                let index = usize::try_from(record["event"]["index"].as_u64().unwrap()).unwrap();
                taken.push(effects[index].clone());
            }
            _ => {}
        }
    }
    taken
}

pub fn has(told: &Told, words: &str) {
    assert!(told.text.contains(words), "the output lacks {words:?}");
}

/// Gate ids in a list of the status document.
pub fn gates(document: &Value, list: &str) -> Vec<String> {
    let rows = document["readiness"][list].as_array().cloned().unwrap_or_default();
    rows.iter().filter_map(|row| row["gate"].as_str().map(str::to_owned)).collect()
}
