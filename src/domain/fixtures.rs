//! A pair of regions for tests: what is true in each of them, and what our looks at them tell. Pure: time goes on only by
//! [`Sim::go`]. Every picture is made the way real ones are, from observations through `Fleet::apply`, so that a test
//! cannot hold a picture that the product could never see.

mod observe;
mod perform;
mod scenes;

pub use observe::{identity, sample};
pub use scenes::*;

use super::database::Receiver;
use super::endpoints::Intervals;
use super::fleet::Fleet;
use super::freshness::{ErrorKind, Source};
use super::kubernetes::ObjectKey;
use super::policy::{CanaryPolicy, DnsPolicy, Policy, RegionPolicy};
use super::region::{PerSide, Side};
use super::workflow::{Archiving, Phase, RunRow};
use super::{Timestamp, since};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Seconds between two looks, as the console's own default.
pub const LOOK_SECONDS: u64 = 2;

/// `wal_receiver_timeout` of PostgreSQL's default.
pub const RECEIVER_TIMEOUT: Duration = Duration::from_secs(60);

/// System identifier that both databases share.
pub const SYSTEM: u64 = 7_421_123_456_789_903;

/// The first moment of every story: 2026-03-01T10:00:00Z.
#[must_use]
pub fn start() -> Timestamp {
    Timestamp::from_second(1_772_359_200).unwrap()
}

/// What is true, and what is known of it.
#[derive(Debug, Clone)]
pub struct Sim {
    /// What is known.
    pub fleet: Fleet,
    /// What is true.
    pub truth: PerSide<Truth>,
    /// Sources that do not answer us, and how they fail. The rest answers.
    pub dark: BTreeMap<Source, ErrorKind>,
    /// The line between the two databases carries.
    pub replication: bool,
    /// Bytes of log that the primary writes between two looks.
    pub log_per_look: u64,
    /// Addresses that the name servers give.
    pub addresses: Vec<IpAddr>,
    /// Why it is not known which name servers the zone has.
    pub unlisted: Option<String>,
    /// Regions whose API server refuses our writes.
    pub forbidden: std::collections::BTreeSet<Side>,
    /// Whoever holds an environment's lock goes on renewing it.
    pub locks_renewed: bool,
    /// The moment.
    pub now: Timestamp,
    /// Every effect that was performed, in order.
    pub performed: Vec<super::effect::Effect>,
}

/// A region as it is.
#[derive(Debug, Clone)]
pub struct Truth {
    /// UID of its kube-system namespace.
    pub cluster_uid: String,
    /// Replicas wanted of its workflow controller.
    pub wanted: u32,
    /// Pods of its workflow controller, by name; those that are no more wanted go at the next look.
    pub pods: Vec<String>,
    /// Its controller's version.
    pub version: String,
    /// Who leads and when the Lease was last renewed.
    pub leader: Option<(String, Timestamp)>,
    /// Crons: suspended or not.
    pub crons: BTreeMap<ObjectKey, bool>,
    /// Runs.
    pub runs: BTreeMap<ObjectKey, RunRow>,
    /// Templates.
    pub templates: Vec<ObjectKey>,
    /// Nodes: ready or not.
    pub nodes: BTreeMap<String, bool>,
    /// Holder of the environment's lock and its last renewal.
    pub lock: Option<(String, Timestamp)>,
    /// Rights are granted.
    pub rights: bool,
    /// Our operator's user may promote and fence.
    pub operator: bool,
    /// Its database.
    pub db: Database,
}

/// A database as it is.
#[derive(Debug, Clone)]
pub struct Database {
    /// It runs.
    pub up: bool,
    /// It is stopped by a signal: connections stay, nothing comes.
    pub frozen: bool,
    /// System identifier.
    pub system: u64,
    /// Timeline.
    pub timeline: u32,
    /// Out of recovery.
    pub primary: bool,
    /// `default_transaction_read_only`.
    pub read_only: bool,
    /// End of its own log, as a primary.
    pub lsn: u64,
    /// Where its newest checkpoint begins, as a primary.
    pub redo: Option<u64>,
    /// When its server was started.
    pub started: Option<Timestamp>,
    /// As a replica; None: it does not say.
    pub received: Option<u64>,
    /// As a replica; None: it does not say.
    pub replayed: Option<u64>,
    /// Replay is paused.
    pub paused: bool,
    /// Its receiver.
    pub receiver: Option<Receiver>,
    /// Its `wal_receiver_timeout`.
    pub receiver_timeout: Duration,
    /// Its `synchronous_standby_names`.
    pub synchronous: String,
    /// UIDs in its archive.
    pub archive: Vec<String>,
    /// Its clock is ahead of ours by this many seconds.
    pub clock_ahead: i64,
}

/// The policy of every story.
#[must_use]
pub fn policy() -> Policy {
    let region = |name: &str| RegionPolicy {
        name: name.to_owned(),
        controller_namespace: "argo".to_owned(),
        controller_replicas: 1,
        operator_configured: true,
    };
    Policy {
        environment: "prod".to_owned(),
        regions: PerSide::new(region("us-central1"), region("us-east1")),
        rto_target: Duration::from_secs(900),
        rpo_target: Duration::from_secs(60),
        loss_bytes_max: 1 << 20,
        anti_flap: Duration::from_secs(600),
        finished_runs: 5_000,
        break_glass: true,
        simulated: false,
        dns: Some(DnsPolicy {
            name: "workflows.example.com".to_owned(),
            can_switch: true,
            trouble: None,
            targets: PerSide::new(Some(address(Side::A)), Some(address(Side::B))),
            ttl: Duration::from_secs(30),
            server: "192.0.2.53:53".to_owned(),
        }),
        canary: CanaryPolicy {
            namespace: "ml".to_owned(),
            template: Some("dr-canary".to_owned()),
            image: "alpine:3".to_owned(),
            command: vec!["true".to_owned()],
            service_account: None,
        },
        notify: vec!["oncall".to_owned(), "status-page".to_owned()],
    }
}

/// The address that means a region.
#[must_use]
pub fn address(side: Side) -> IpAddr {
    match side {
        Side::A => [192, 0, 2, 10].into(),
        Side::B => [198, 51, 100, 10].into(),
    }
}

/// A key in the namespace of every story.
#[must_use]
pub fn key(name: &str) -> ObjectKey {
    ObjectKey::new("ml", name)
}

fn run(uid: &str, phase: Phase, created: Timestamp) -> RunRow {
    let archiving = if phase.finished() { Archiving::Archived } else { Archiving::None };
    RunRow {
        uid: uid.to_owned(),
        phase,
        created,
        message: String::new(),
        archiving,
        template: "train".to_owned(),
        cron: String::new(),
        detail: None,
    }
}

impl Truth {
    fn new(side: Side) -> Truth {
        let active = side == Side::A;
        let word = if active { "a" } else { "b" };
        let pod = format!("workflow-controller-{word}1");
        let runs = [("train-1", Phase::Running), ("train-2", Phase::Pending), ("train-0", Phase::Succeeded)];
        Truth {
            cluster_uid: format!("cluster-{word}"),
            wanted: u32::from(active),
            pods: if active { vec![pod.clone()] } else { Vec::new() },
            version: "3.7.4".to_owned(),
            leader: active.then(|| (pod, start())),
            crons: [("nightly", !active), ("hourly", !active), ("old-report", true)]
                .map(|(name, suspended)| (key(name), suspended))
                .into(),
            runs: if active {
                runs.into_iter().map(|(name, phase)| (key(name), run(&format!("uid-{name}"), phase, start()))).collect()
            } else {
                BTreeMap::new()
            },
            templates: vec![key("dr-canary"), key("train")],
            nodes: [1, 2, 3].map(|n| (format!("node-{word}{n}"), true)).into(),
            lock: None,
            rights: true,
            operator: true,
            db: Database::new(active),
        }
    }
}

impl Database {
    fn new(primary: bool) -> Database {
        let lsn = 0x5A4_1B28;
        let receiver = Receiver {
            status: Some("streaming".to_owned()),
            timeline: Some(super::units::Timeline(1)),
            sender: Some("db-a.internal:5432".to_owned()),
            last_message: Some(start()),
        };
        Database {
            up: true,
            frozen: false,
            system: SYSTEM,
            timeline: 1,
            primary,
            read_only: false,
            lsn,
            redo: None,
            started: Some(start()),
            received: Some(lsn),
            replayed: Some(lsn),
            paused: false,
            receiver: (!primary).then_some(receiver),
            receiver_timeout: RECEIVER_TIMEOUT,
            synchronous: String::new(),
            archive: vec!["uid-train-0".to_owned()],
            clock_ahead: 0,
        }
    }

    /// What a replica has for good.
    #[must_use]
    pub fn has(&self) -> Option<u64> {
        self.received.max(self.replayed)
    }
}

impl Sim {
    /// Two regions, A the primary, of which nothing has been seen yet.
    #[must_use]
    pub fn unseen() -> Sim {
        Sim::of(policy())
    }

    /// The same under another policy.
    #[must_use]
    pub fn of(policy: Policy) -> Sim {
        let intervals =
            Intervals { metrics: Duration::from_secs(2), dns: Duration::from_secs(2), ..Intervals::default() };
        Sim {
            fleet: Fleet::new(Arc::new(policy), &intervals, start()),
            truth: PerSide::new(Truth::new(Side::A), Truth::new(Side::B)),
            dark: BTreeMap::new(),
            replication: true,
            log_per_look: 0,
            addresses: vec![address(Side::A)],
            unlisted: None,
            forbidden: std::collections::BTreeSet::new(),
            locks_renewed: true,
            now: start(),
            performed: Vec::new(),
        }
    }

    /// The truth of a side, to be changed.
    pub fn at(&mut self, side: Side) -> &mut Truth {
        self.truth.get_mut(side)
    }

    /// The database of a side, to be changed.
    pub fn db(&mut self, side: Side) -> &mut Database {
        &mut self.truth.get_mut(side).db
    }

    /// The policy, to be changed.
    pub fn policy(&mut self) -> &mut Policy {
        Arc::make_mut(&mut self.fleet.policy)
    }

    /// The database of a side tells something else than it is, this once.
    pub fn say(&mut self, side: Side, change: impl FnOnce(&mut super::database::DatabaseSample)) {
        let mut told = sample(self.truth.get(side), side, self.now);
        change(&mut told);
        self.tell(Source::Database(side), super::observation::Fact::Database(Box::new(told)));
    }

    /// Our looks at this source fail from now on.
    pub fn blind(&mut self, source: Source, kind: ErrorKind) -> &mut Sim {
        self.dark.insert(source, kind);
        self
    }

    /// Our looks at everything of a region fail from now on.
    pub fn blind_region(&mut self, side: Side, kind: ErrorKind) -> &mut Sim {
        for source in [Source::Kubernetes(side), Source::Database(side), Source::Metrics(side)] {
            self.dark.insert(source, kind);
        }
        self
    }

    /// Everything answers us again.
    pub fn see_all(&mut self) -> &mut Sim {
        self.dark.clear();
        self
    }

    /// Time goes on and everything is looked at in its rhythm.
    pub fn go(&mut self, seconds: u64) -> &mut Sim {
        let looks = seconds.div_ceil(LOOK_SECONDS);
        for _ in 0..looks {
            self.wait(LOOK_SECONDS);
            self.look();
        }
        self
    }

    /// Time goes on and nothing is looked at.
    pub fn wait(&mut self, seconds: u64) -> &mut Sim {
        self.now += Duration::from_secs(seconds);
        self.live();
        self.fleet.tick(self.now);
        self
    }

    /// The world goes on by itself.
    fn live(&mut self) {
        let now = self.now;
        for side in Side::BOTH {
            let renewed = self.locks_renewed;
            let truth = self.truth.get_mut(side);
            if let Some((_, at)) = truth.lock.as_mut().filter(|_| renewed) {
                *at = now;
            }
            truth.controllers_live(now);
            let db = &mut truth.db;
            if db.up && !db.frozen && db.primary && !db.read_only {
                db.lsn += self.log_per_look;
            }
        }
        for side in Side::BOTH {
            self.stream(side);
        }
        for side in Side::BOTH {
            self.truth.get_mut(side).runs_live();
        }
    }

    /// The replica of a side receives, goes on waiting, or gives up.
    fn stream(&mut self, replica: Side) {
        let (now, line) = (self.now, self.replication);
        let primary = self.truth.get(replica.other()).db.clone();
        let db = &mut self.truth.get_mut(replica).db;
        if db.primary || !db.up {
            return;
        }
        let sends = primary.up && primary.primary && !primary.frozen && line && primary.system == db.system;
        if sends && primary.timeline == db.timeline {
            let heard = db.receiver.as_ref().and_then(|r| r.last_message);
            let new = db.received < Some(primary.lsn);
            // A primary that has nothing to send sends a keepalive at half of wal_sender_timeout.
            let due = heard.is_none_or(|at| since(at, now) >= RECEIVER_TIMEOUT / 2);
            let receiver = db.receiver.get_or_insert_with(|| Receiver {
                status: Some("streaming".to_owned()),
                timeline: None,
                sender: None,
                last_message: None,
            });
            receiver.status = Some("streaming".to_owned());
            if new || due {
                receiver.last_message = Some(now);
                db.received = db.received.max(Some(primary.lsn));
            }
        } else {
            // A process that died closes its connections; a frozen one, or a cut line, leaves them open.
            let closed = !primary.up && line || primary.system != db.system;
            let waited = db.receiver.as_ref().and_then(|r| r.last_message).map(|at| since(at, now));
            let gave_up = !db.receiver_timeout.is_zero() && waited.is_none_or(|w| w >= db.receiver_timeout);
            if closed || gave_up {
                db.receiver = None;
            }
        }
        if !db.paused {
            db.replayed = db.replayed.max(db.received);
        }
    }
}

impl Truth {
    fn controllers_live(&mut self, now: Timestamp) {
        let wanted = usize::try_from(self.wanted).unwrap_or(0);
        self.pods.truncate(wanted);
        while self.pods.len() < wanted {
            let name = format!("workflow-controller-{}{}", self.cluster_uid, self.pods.len() + 1);
            self.pods.push(name);
        }
        // Without a pod the Lease stays behind with its last holder, and is not renewed.
        if let Some(pod) = self.pods.first() {
            self.leader = Some((pod.clone(), now));
        }
    }

    fn runs_live(&mut self) {
        let works = !self.pods.is_empty() && self.db.primary && !self.db.read_only;
        if !works {
            return;
        }
        for (key, run) in &mut self.runs {
            if key.name.starts_with("dr-canary-") && run.phase != Phase::Succeeded {
                run.phase = Phase::Succeeded;
                run.archiving = Archiving::Archived;
                self.db.archive.insert(0, run.uid.clone());
            }
        }
    }
}
