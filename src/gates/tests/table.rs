//! (gate, picture, facts, verdict, part of the text).

use super::*;
use crate::domain::database::Promotion;
use crate::domain::fixtures::*;
use crate::domain::freshness::{ErrorKind, Source, SourceError};
use crate::domain::kubernetes::NodeRow;
use crate::domain::observation::{Change, Fact, Observation, Watched};
use crate::domain::region::PerSide;
use crate::domain::units::{Bytes, Lsn, Timeline};
use crate::domain::workflow::Archiving;
use Side::{A, B};
use Verdict::{Block, Moot, Pass, Unknown, Warn};
use std::time::Duration;

pub struct Case {
    pub gate: &'static str,
    pub sim: fn() -> Sim,
    pub facts: RunFacts,
    pub verdict: Verdict,
    pub says: &'static str,
}

fn case(gate: &'static str, sim: fn() -> Sim, verdict: Verdict, says: &'static str) -> Case {
    Case { gate, sim, facts: RunFacts::default(), verdict, says }
}

impl Case {
    fn promoted(mut self) -> Case {
        self.facts.promoted = true;
        self
    }

    fn ours(mut self) -> Case {
        self.facts.us = Some("op@a/7f3a00".to_owned());
        self.facts.our_lock.clone_from(&self.facts.us);
        self
    }

    fn named(mut self) -> Case {
        self.facts.us = Some("op@a/7f3a00".to_owned());
        self
    }

    fn last(mut self, ago: u64) -> Case {
        self.facts.last_promotion = Some(healthy_pair().now - Duration::from_secs(ago));
        self
    }
}

/// An ordinary day with something different about it, seen for a while.
fn day(change: impl FnOnce(&mut Sim)) -> Sim {
    let mut sim = healthy_pair();
    change(&mut sim);
    sim.go(20);
    sim
}

/// The same, as a change of the newest look alone.
fn now(change: impl FnOnce(&mut Sim)) -> Sim {
    let mut sim = healthy_pair();
    change(&mut sim);
    sim
}

fn dark(source: Source) -> Sim {
    day(|sim| {
        sim.blind(source, ErrorKind::Timeout);
    })
}

fn locked(side: Side, holder: &'static str) -> Sim {
    day(|sim| sim.at(side).lock = Some((holder.to_owned(), sim.now)))
}

fn controllers(change: impl FnOnce(&mut crate::domain::kubernetes::Controllers)) -> Sim {
    now(|sim| {
        let mut told = sim.truth.b.controllers(B);
        change(&mut told);
        sim.tell(Source::Kubernetes(B), Fact::Controllers(told));
    })
}

fn operator_error(side: Side) -> Sim {
    now(|sim| {
        let error = SourceError::new(ErrorKind::Unauthorized, "password authentication failed");
        sim.tell(Source::Database(side), Fact::Operator(Err(error)));
    })
}

fn serves() -> Sim {
    day(|sim| {
        let b = sim.at(B);
        (b.db.primary, b.db.timeline, b.db.receiver, b.wanted) = (true, 2, None, 1);
    })
}

pub fn cases() -> Vec<Case> {
    [who(), standby(), databases(), locks(), old(), rest(), health(), after()].into_iter().flatten().collect()
}

/// B's API says that it is another cluster.
fn cluster(uid: &'static str) -> Sim {
    day(|sim| sim.at(B).cluster_uid = uid.to_owned())
}

fn who() -> Vec<Case> {
    let mut later = case("right-servers", healthy_pair, Block, "us-east1 leads to another cluster than when");
    let mut who = PerSide::new(healthy_pair().fleet.region(A).who.clone(), healthy_pair().fleet.region(B).who.clone());
    if let Some(seen) = &mut who.b.cluster {
        seen.who = "cluster-c".to_owned();
    }
    later.facts.who = Some(who);
    vec![
        later,
        case("right-servers", healthy_pair, Pass, "those seen before"),
        case("right-servers", || dark(Source::Kubernetes(B)), Moot, "us-east1 has not said who it is"),
        case("right-servers", || cluster("cluster-c"), Warn, "us-east1 leads to another cluster than"),
        case("right-servers", || cluster("cluster-a"), Block, "us-central1 and us-east1 lead to one cluster"),
        case(
            "right-servers",
            || day(|sim| std::mem::swap(&mut sim.truth.a.cluster_uid, &mut sim.truth.b.cluster_uid)),
            Block,
            "the context of us-central1 leads to the cluster of us-east1",
        ),
        case(
            "right-servers",
            || {
                now(|sim| {
                    let (a, b) = (sample(&sim.truth.a, A, sim.now), sample(&sim.truth.b, B, sim.now));
                    sim.tell(Source::Database(A), Fact::Database(Box::new(b)));
                    sim.tell(Source::Database(B), Fact::Database(Box::new(a)));
                })
            },
            Block,
            "the database URL of us-central1 leads to the database of us-east1",
        ),
    ]
}

fn standby() -> Vec<Case> {
    vec![
        case("standby-api", healthy_pair, Pass, "us-east1 api answers"),
        case("standby-api", || dark(Source::Kubernetes(B)), Block, "us-east1 api has not answered for 20s: no answer"),
        case("standby-api", nothing_known, Block, "has never answered"),
        case("standby-controllers", healthy_pair, Pass, "argo/workflow-controller stands by with 0 wanted"),
        case("standby-controllers", || dark(Source::Kubernetes(B)), Unknown, "has not answered"),
        case("standby-controllers", || controllers(|c| c.deployments.clear()), Block, "namespace argo"),
        case(
            "standby-controllers",
            || controllers(|c| c.deployments.extend(c.deployments.clone())),
            Warn,
            "2 controllers' Deployments",
        ),
        case("controller-version", healthy_pair, Pass, "3.7.4 on both"),
        case("controller-version", || day(|s| s.at(B).version = "3.6.12".into()), Block, "older than the primary's"),
        case("controller-version", || day(|s| s.at(B).version = "3.10.0".into()), Warn, "newer than 3.7.4"),
        case("controller-version", || day(|s| s.at(B).version = "latest".into()), Warn, "can not be compared"),
        case("controller-version", || dark(Source::Kubernetes(B)), Warn, "is not seen now"),
        case("controller-version", started_blind, Warn, "never seen"),
        case("standby-nodes", healthy_pair, Pass, "3 of 3 nodes"),
        case("standby-nodes", || day(|s| s.at(B).nodes.extend([("node-b1".into(), false)])), Warn, "2 of 3 nodes"),
        case("standby-nodes", || day(|s| s.at(B).nodes.values_mut().for_each(|r| *r = false)), Block, "0 of 3"),
        case("standby-nodes", || day(|s| s.at(B).nodes.clear()), Block, "0 of 0"),
        case("standby-nodes", || dark(Source::Kubernetes(B)), Unknown, "has not answered"),
        case(
            "standby-nodes",
            || {
                now(|s| {
                    let mut nodes = s.fleet.regions.b.nodes.rows().clone().into_iter();
                    let (name, node) = nodes.next().unwrap();
                    let cordoned = NodeRow { cordoned: true, ..node };
                    s.tell(Source::Kubernetes(B), Fact::Nodes(Change::Apply(name, cordoned)));
                })
            },
            Warn,
            "2 of 3 nodes of us-east1 take new pods: 3 of 3 ready, 1 cordoned",
        ),
        case(
            "standby-nodes",
            || {
                now(|s| {
                    let error = SourceError::new(ErrorKind::Forbidden, "nodes is forbidden");
                    s.tell(Source::Kubernetes(B), Fact::WatchFailed(Watched::Nodes, error));
                    s.fleet.regions.b.nodes.confirmed = None;
                })
            },
            Unknown,
            "nodes is forbidden",
        ),
        case("api-rights", healthy_pair, Pass, "2 rights granted"),
        case("api-rights", || day(|s| s.at(B).rights = false), Block, "patch deployments.apps/scale, patch cron"),
        case("api-rights", nothing_known, Unknown, "not been asked"),
        case("api-rights", || dark(Source::Kubernetes(B)), Unknown, "has not answered"),
        case("templates", healthy_pair, Pass, "templates 2 = 2"),
        case("templates", || day(|s| s.at(B).templates.clear()), Warn, "lacks template ml/dr-canary and 1 more"),
        case("templates", nothing_known, Warn, "can not be compared"),
        case("canary", healthy_pair, Pass, "template ml/dr-canary is in us-east1"),
        case("canary", || day(|s| s.policy().canary.template = None), Pass, "one step of image alpine:3"),
        case("canary", || day(|s| s.at(B).templates.clear()), Block, "is not in us-east1"),
        case("canary", without_namespace, Block, "namespace ml, where the canary is to run, is not in us-east1"),
        case("api-rights", without_namespace, Pass, "granted"),
        case("canary", || dark(Source::Kubernetes(B)), Warn, "not known now"),
    ]
}

fn without_namespace() -> Sim {
    now(|sim| {
        let rights = &sim.fleet.regions.b.rights.as_ref().unwrap().value;
        let gone = crate::domain::kubernetes::Right {
            verb: crate::domain::kubernetes::FIND.into(),
            resource: "namespaces".into(),
            namespace: "ml".into(),
            allowed: false,
        };
        let rights = rights.iter().cloned().chain([gone]).collect();
        sim.tell(Source::Kubernetes(B), Fact::Rights(rights));
    })
}

fn databases() -> Vec<Case> {
    vec![
        case("standby-database", healthy_pair, Pass, "in recovery, timeline 1, system 7421…9903"),
        case("standby-database", || dark(Source::Database(B)), Block, "us-east1 db has not answered for 20s"),
        case("standby-database", serves, Block, "out of recovery already"),
        case("standby-database", serves, Pass, "promoted by this run").promoted(),
        case("same-system", healthy_pair, Pass, "both are system"),
        case("same-system", started_after_outage, Pass, "both are system"),
        case("same-system", foreign_standby, Block, "neither is a copy of the other"),
        case("same-system", started_blind, Unknown, "us-central1 db was never seen"),
        case("same-system", || dark(Source::Database(B)), Unknown, "us-east1 db has not answered"),
        case("timeline", healthy_pair, Pass, "timeline 1 on both"),
        case("timeline", || outage(20), Pass, "timeline 1 on both"),
        case("timeline", diverged_timeline, Block, "on timeline 3, ahead of us-central1 on 2"),
        case("timeline", || day(|s| s.db(A).timeline = 2), Block, "does not follow this primary"),
        case("timeline", serves, Pass, "this run has started").promoted(),
        case("timeline", started_blind, Unknown, "never seen"),
        case("timeline", || dark(Source::Database(B)), Unknown, "has not answered"),
        case("replay-running", healthy_pair, Pass, "all that was received is replayed"),
        case("replay-running", || day(|s| s.db(B).paused = true), Block, "paused by hand"),
        case("replay-running", || now(|s| s.say(B, |d| replica(d).replayed = Some(Lsn(7)))), Pass, "to go"),
        case("replay-running", || now(|s| s.say(B, |d| replica(d).replayed = None)), Unknown, "not known"),
        case("replay-running", serves, Moot, "no replica"),
        case("replay-running", || dark(Source::Database(B)), Unknown, "has not answered"),
        case("promote-right", healthy_pair, Pass, "leeward_operator may run pg_promote in us-east1"),
        case("promote-right", || day(|s| s.at(B).operator = false), Block, "may not run pg_promote"),
        case("promote-right", || operator_error(B), Block, "password authentication failed"),
        case("promote-right", || dark(Source::Database(B)), Unknown, "has not answered"),
        case("promote-right", nothing_known, Unknown, "not been tried"),
        case("promote-right", || day(|s| s.policy().regions.b.operator_configured = false), Block, "is configured"),
        case("loss-limit", healthy_pair, Pass, "loses 0 B of 1.0 MiB allowed"),
        case("loss-limit", || outage(20), Pass, "may lose about "),
        case("loss-limit", far_behind, Block, "over the limit of 1.0 MiB"),
        case("loss-limit", started_blind, Unknown, "the log of us-central1 was never seen"),
        case("loss-limit", || outage(600), Block, "if it wrote on, which is over the limit of 1.0 MiB"),
        case("loss-limit", || lost_after_fence(600), Pass, "may lose about "),
        case("loss-limit", started_after_outage, Block, "if it wrote on, which is over"),
        case("loss-limit", without_pace, Unknown, "how fast it wrote before was not seen"),
        case("loss-limit", || now(|s| s.say(B, blank)), Unknown, "does not say what it has received"),
        case("loss-limit", serves, Moot, "behind us").promoted(),
    ]
}

fn replica(sample: &mut crate::domain::database::DatabaseSample) -> &mut crate::domain::database::ReplicaState {
    match &mut sample.state {
        crate::domain::database::ServerState::Replica(state) => state,
        crate::domain::database::ServerState::Primary(_) => panic!("a primary"),
    }
}

fn primary(sample: &mut crate::domain::database::DatabaseSample) -> &mut crate::domain::database::PrimaryState {
    match &mut sample.state {
        crate::domain::database::ServerState::Primary(state) => state,
        crate::domain::database::ServerState::Replica(_) => panic!("a replica"),
    }
}

fn blank(sample: &mut crate::domain::database::DatabaseSample) {
    (replica(sample).received, replica(sample).replayed) = (None, None);
}

/// The replica was cut off while the primary wrote on, then the region was lost.
fn far_behind() -> Sim {
    let mut sim = healthy_pair();
    (sim.replication, sim.log_per_look) = (false, 1 << 20);
    sim.go(20).blind_region(A, ErrorKind::Timeout).go(20);
    sim
}

/// The primary is cut off from us and lives; behind its name a local standby of it answers.
fn stood_in_for() -> Sim {
    let mut sim = line_cut(20);
    sim.see_all();
    let standby = sample(&sim.truth.b, A, sim.now);
    sim.tell(Source::Database(A), Fact::Answered { latency: Duration::from_millis(1) });
    sim.say(A, |told| {
        told.state = standby.state;
        told.identity.address = Some("10.1.0.6".to_owned());
    });
    sim
}

/// The primary took no more writes when it was last seen.
fn lost_after_fence(seconds: u64) -> Sim {
    let mut sim = day(|sim| sim.db(A).read_only = true);
    sim.blind_region(A, ErrorKind::Timeout);
    sim.db(A).frozen = true;
    sim.go(seconds);
    sim
}

fn locks() -> Vec<Case> {
    vec![
        case("no-other-driver", healthy_pair, Pass, "nobody else drives"),
        case("no-other-driver", || locked(B, "op@a/7f3a00"), Pass, "nobody else drives").ours(),
        case(
            "no-other-driver",
            || locked(B, "eve@b/111111"),
            Block,
            "eve@b/111111 drives this environment, says us-east1",
        ),
        case("no-other-driver", || locked(A, "eve@b/111111"), Block, "says us-central1").ours(),
        case("no-other-driver", || locked(B, "op@a/7f3a00"), Block, "op@a/7f3a00 drives"),
        case("no-other-driver", nothing_known, Unknown, "has not been read"),
        case("no-other-driver", || dark(Source::Kubernetes(B)), Unknown, "has not been read"),
        case("lock-held", healthy_pair, Block, "does not hold the lock"),
        case("lock-held", || locked(B, "op@a/7f3a00"), Pass, "held in us-east1").ours(),
        case("lock-held", || locked(B, "eve@b/111111"), Block, "eve@b/111111 holds the lock").ours(),
        case("lock-held", healthy_pair, Unknown, "not seen as held").ours(),
        // The courtesy lock of a first try, of which the other request came to nothing.
        case("no-other-driver", || locked(A, "op@a/7f3a00"), Pass, "nobody else drives").named(),
        case(
            "lock-held",
            || {
                let mut sim = locked(B, "op@a/7f3a00");
                sim.locks_renewed = false;
                sim.go(32);
                sim
            },
            Unknown,
            "not seen as held",
        )
        .ours(),
        case("anti-flap", healthy_pair, Pass, "no earlier failover"),
        case("anti-flap", healthy_pair, Block, "was 5m ago, within 10m").last(300),
        case("anti-flap", healthy_pair, Pass, "was 10m ago").last(600),
        case("anti-flap", healthy_pair, Moot, "behind us").last(300).promoted(),
        case("anti-flap", || promoted(1, 120), Block, "the promotion of us-central1 was 2m ago, within 10m"),
        case("anti-flap", || promoted(1, 120), Block, "the promotion of us-central1 was 2m ago").last(300),
        case("anti-flap", || promoted(1, 300), Block, "the last failover was 2m ago").last(120),
        case("anti-flap", || promoted(1, 660), Pass, "was 11m ago"),
        // Told of a timeline before this one.
        case("anti-flap", || promoted(7, 120), Pass, "no earlier failover"),
    ]
}

/// The primary says that it was promoted so long ago, and to which timeline.
fn promoted(timeline: u32, ago: u64) -> Sim {
    let mut sim = healthy_pair();
    let promotion = Promotion { timeline: Timeline(timeline), at: sim.now - Duration::from_secs(ago) };
    sim.fleet.apply(Observation { source: Source::Database(A), at: sim.now, fact: Fact::Promotion(Some(promotion)) });
    sim
}

fn old() -> Vec<Case> {
    vec![
        case("old-primary-writes", healthy_pair, Block, "us-central1 answers and accepts writes"),
        case("old-primary-writes", || operator_error(A), Block, "and the operator's database user can not be tried"),
        case("old-primary-writes", || day(|s| s.db(A).read_only = true), Block, "controllers are not proven gone"),
        case("old-primary-writes", fenced_region, Pass, "read-only for new sessions and its controllers are gone"),
        case("old-primary-writes", || day(|s| s.db(A).primary = false), Pass, "is a replica itself"),
        case("old-primary-writes", stood_in_for, Moot, "10.1.0.6:5432 answers for us-central1, in recovery"),
        case("old-region-fenced", stood_in_for, Unknown, "the primary was 10.1.0.5:5432"),
        case("proof-of-life", stood_in_for, Block, "us-central1 lives"),
        case("loss-limit", stood_in_for, Pass, "if the old primary ended"),
        case("old-primary-writes", || outage(20), Moot, "asked by old-region-fenced"),
        case(
            "old-region-fenced",
            healthy_pair,
            Block,
            "2 crons active, controllers 1 wanted, 1 there, database writable",
        ),
        case("old-region-fenced", fenced_region, Pass, "crons suspended, controllers gone, database read-only"),
        case("old-region-fenced", || outage(20), Unknown, "crons unknown, controllers unknown, database unknown"),
        case("old-region-fenced", || crashed_primary(20), Block, "database unknown"),
        case("old-region-fenced", just_stopped, Block, "the Lease of workflow-controller-a1 is not over yet"),
        case("old-region-fenced", no_deployment, Unknown, "no workflow controller's Deployment found"),
        case("fence-right", healthy_pair, Pass, "may fence us-central1"),
        case("fence-right", || day(|s| s.at(A).operator = false), Warn, "may not fence"),
        case("fence-right", || operator_error(A), Warn, "password authentication failed"),
        case("fence-right", || day(|s| s.policy().regions.a.operator_configured = false), Warn, "is configured"),
        case("fence-right", || outage(20), Moot, "can not be fenced from here"),
        case("fence-right", || now(|s| s.fleet.regions.a.operator = None), Unknown, "not been tried"),
        case("crons-known", healthy_pair, Pass, "2 crons active in us-central1"),
        case("crons-known", || outage(20), Warn, "2 crons were active in us-central1 20s ago"),
        case("crons-known", started_after_outage, Warn, "2 crons were active"),
        case("crons-known", started_blind, Unknown, "was never seen"),
    ]
}

/// Everything of A is fenced and has been seen so.
pub fn fenced_region() -> Sim {
    let mut sim = healthy_pair();
    let a = sim.at(A);
    (a.wanted, a.db.read_only) = (0, true);
    a.crons.values_mut().for_each(|suspended| *suspended = true);
    sim.go(30);
    sim
}

fn just_stopped() -> Sim {
    let mut sim = fenced_region();
    let at = sim.now;
    sim.at(A).leader = Some(("workflow-controller-a1".to_owned(), at));
    sim.go(4);
    sim
}

fn no_deployment() -> Sim {
    let mut sim = fenced_region();
    sim.tell(Source::Kubernetes(A), Fact::Controllers(crate::domain::kubernetes::Controllers::default()));
    sim
}

fn rest() -> Vec<Case> {
    vec![
        case("dns", healthy_pair, Pass, "workflows.example.com means us-central1"),
        case("dns", || day(|s| s.policy().dns = None), Warn, "no name in front"),
        case(
            "dns",
            || day(|s| s.policy().dns.as_mut().unwrap().trouble = Some("no key".into())),
            Block,
            "can not be changed: no key",
        ),
        case("dns", || day(|s| s.policy().dns.as_mut().unwrap().can_switch = false), Warn, "by hand"),
        case("dns", || day(|s| s.policy().dns.as_mut().unwrap().targets.b = None), Block, "no address for us-east1"),
        case("dns", || dark(Source::Dns), Warn, "is not known"),
        case("dns", || day(|s| s.unlisted = Some("no NS".into())), Warn, "arrived everywhere can not be proven"),
        case("dns", || day(|s| s.addresses = vec![[203, 0, 113, 9].into()]), Warn, "which is neither region"),
        case("dns-ttl", healthy_pair, Pass, "dns ttl 1m"),
        case("dns-ttl", || day(|s| s.policy().rto_target = Duration::from_secs(120)), Warn, "more than a quarter"),
        case("dns-ttl", || dark(Source::Dns), Moot, "not known"),
    ]
}

fn health() -> Vec<Case> {
    vec![
        case("following", healthy_pair, Pass, "us-east1 streams"),
        case("following", || frozen_primary(50), Warn, "has heard nothing for"),
        case("following", || crashed_primary(20), Warn, "does not stream"),
        case("following", serves, Warn, "is no replica"),
        case("following", serves, Moot, "promoted").promoted(),
        case("following", || dark(Source::Database(B)), Unknown, "has not answered"),
        case("following", || now(|s| s.say(B, life::hide)), Unknown, "does not show its receiver"),
        case("slot", healthy_pair, Pass, "reserved and in use"),
        case("slot", || outage(20), Moot, "does not answer"),
        case("slot", || now(|s| s.say(A, |d| primary(d).slots.clear())), Warn, "no replication slot"),
        case("slot", || now(|s| s.say(A, lost_slot)), Warn, "slot dr is lost"),
        case("slot", || now(|s| s.say(A, idle_slot)), Warn, "not in use, 5.0 GiB of log kept"),
        case("archive-backlog", healthy_pair, Pass, "are archived"),
        case("archive-backlog", || outage(20), Moot, "not known now"),
        case("archive-backlog", || day(unarchived), Warn, "1 finished runs"),
        case("clocks", healthy_pair, Pass, "agree"),
        case("clocks", || day(|s| s.db(B).clock_ahead = 9), Warn, "the clock of us-east1 db differs from ours by 9s"),
        case("clocks", || day(|s| s.db(A).clock_ahead = -60), Warn, "us-central1 db differs"),
        case("clocks", nothing_known, Unknown, "no database's clock"),
        case("primary-leads", healthy_pair, Pass, "workflow-controller-a1 leads"),
        case("primary-leads", || day(|s| s.at(A).wanted = 0), Block, "nothing moves on"),
        case("primary-leads", || outage(20), Moot, "does not answer"),
        case("standby-quiet", healthy_pair, Pass, "nothing acts in us-east1"),
        case("standby-quiet", || day(|s| s.at(B).wanted = 2), Warn, "acts beside the primary: 2 controllers"),
        case("standby-quiet", || day(|s| s.at(B).crons.extend([(key("x"), false)])), Warn, "1 active cron"),
        case("standby-quiet", || dark(Source::Kubernetes(B)), Unknown, "not both seen"),
        case("standby-quiet", serves, Moot, "activates it").promoted(),
        case("one-primary", healthy_pair, Pass, "us-central1 alone accepts writes"),
        case("one-primary", fenced_region, Block, "no database accepts writes: nothing is served"),
        case("one-primary", old_region_returned, Block, "us-central1 timeline 1 takes writes, us-east1 timeline 2"),
        case("one-primary", || outage(20), Unknown, "not both"),
        case("one-primary", two_systems, Block, "neither is a copy of the other"),
    ]
    .into_iter()
    .chain(life::cases())
    .collect()
}

fn lost_slot(sample: &mut crate::domain::database::DatabaseSample) {
    primary(sample).slots[0].wal_status = Some("lost".to_owned());
}

fn idle_slot(sample: &mut crate::domain::database::DatabaseSample) {
    let slot = &mut primary(sample).slots[0];
    (slot.active, slot.retained) = (false, Some(Bytes(5 << 30)));
}

fn unarchived(sim: &mut Sim) {
    sim.at(A).runs.get_mut(&key("train-0")).unwrap().archiving = Archiving::Pending;
}

fn after() -> Vec<Case> {
    vec![
        case("promoted", serves, Pass, "us-east1 accepts writes on timeline 2"),
        case("promoted", healthy_pair, Block, "still a replica"),
        case("promoted", || day(|s| (s.db(B).primary, s.db(B).read_only) = (true, true)), Block, "read-only"),
        case("promoted", || dark(Source::Database(B)), Unknown, "has not answered"),
        case("synchronous-standbys", serves, Pass, "wait for no standby"),
        case("synchronous-standbys", || day(|s| s.db(B).synchronous = "ANY 1 (a)".into()), Block, "'ANY 1 (a)'"),
        case("synchronous-standbys", || dark(Source::Database(B)), Unknown, "has not answered"),
        case("controllers-lead", serves, Pass, "leads"),
        case("controllers-lead", healthy_pair, Block, "no controller leads in us-east1"),
        case("controllers-lead", || dark(Source::Kubernetes(B)), Unknown, "has not answered"),
    ]
}

/// Notes of an earlier console that had seen the primary's log only once.
fn without_pace() -> Sim {
    let mut sim = started_after_outage();
    sim.fleet.regions.get_mut(A).log.clear();
    sim
}
