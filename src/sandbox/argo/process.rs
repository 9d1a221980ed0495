//! One workflow-controller process in its pod: reads its configuration, waits for the Lease, prepares the database, leads,
//! and ends: with 1 when something is fatal, with 0 when it loses the Lease. The kubelet starts it again with a growing
//! back-off. Reads and writes the store; what takes time is handed out as a job.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    super::kube::{Kind, ObjectKey, Store, StoreError},
    archive::{ArchiveError, ArchiveRow},
    config::Config,
    controller::{Controller, Desk},
    election::{Election, LEASE, Outcome},
    logs::Logs,
    metrics::Counters,
    pod::{Container, Ended, State},
    timing::{Timing, after, signed},
    world::World,
};

/// The ConfigMap of a plain installation.
pub const CONFIG_MAP: &str = "workflow-controller-configmap";

/// A container that ran so long starts with a short back-off again.
const HEALTHY: SignedDuration = SignedDuration::from_secs(600);

/// Work that takes time.
#[derive(Debug)]
pub enum Job {
    /// Prepare the database.
    Migrate,
    /// Store a row.
    Store(Box<ArchiveRow>),
}

/// A job that ended.
#[derive(Debug)]
pub enum Done {
    /// The database is prepared, or not.
    Migrated(Result<(), ArchiveError>),
    /// A row is stored, or not.
    Stored(ObjectKey, Result<(), ArchiveError>),
}

#[derive(Debug)]
enum Stage {
    /// Waits for the Lease.
    Standby,
    /// Leads, and prepares the database.
    Preparing,
    /// Leads and works.
    Working(Box<Controller>),
}

/// A controller's process.
#[derive(Debug)]
pub struct Process {
    /// Its pod.
    pub key: ObjectKey,
    /// The state of its container.
    pub container: Container,
    /// What it has counted.
    pub counters: Counters,
    /// Its configuration.
    pub config: Config,
    /// Rises with each start, so that a job of an earlier life is not taken for one of this.
    pub life: u64,
    crashes: u32,
    stage: Stage,
    election: Election,
    seen_config: Option<u64>,
}

/// What a process can see and reach.
pub struct Reach<'a> {
    /// The queues.
    pub world: &'a mut World,
    /// The logs.
    pub logs: &'a Logs,
    /// The region's times.
    pub timing: &'a Timing,
    /// Whether there is an archive to write to.
    pub archive: bool,
    /// The time.
    pub now: Timestamp,
}

impl Process {
    /// A process that starts now.
    pub fn new(key: ObjectKey, now: Timestamp) -> Self {
        let election = Election::new(&key.name, now);
        Self {
            key,
            container: Container { restarts: 0, state: State::Up(now), last: None },
            counters: Counters::default(),
            config: Config::default(),
            life: 0,
            crashes: 0,
            stage: Stage::Standby,
            election,
            seen_config: None,
        }
    }

    /// Whether it runs.
    pub fn up(&self) -> bool {
        matches!(self.container.state, State::Up(_))
    }

    /// Whether it holds the Lease.
    pub fn leads(&self) -> bool {
        self.up() && self.election.leads()
    }

    /// Whether it leads and has its database prepared.
    pub fn works(&self) -> bool {
        self.up() && matches!(self.stage, Stage::Working(_))
    }

    /// The depths of its queues.
    pub fn depths(&self, world: &World, now: Timestamp) -> std::collections::BTreeMap<&'static str, u64> {
        match &self.stage {
            Stage::Working(controller) => controller.depths(world, now),
            _ => std::collections::BTreeMap::new(),
        }
    }

    fn log(&mut self, reach: &Reach<'_>, level: &'static str, message: &str) {
        reach.logs.write(&self.key, reach.now, level, message);
        let counted = if level == "fatal" { "error" } else { level };
        *self.counters.logs.entry(counted).or_default() += 1;
    }

    /// One step. Answers the jobs to be done.
    pub fn step(&mut self, reach: &mut Reach<'_>) -> Vec<Job> {
        if let State::Down(until) = self.container.state {
            if reach.now < until {
                return Vec::new();
            }
            self.start(reach);
        }
        if let Err(why) = self.read_config(reach) {
            self.log(reach, "fatal", &format!("Failed to register watch for controller config map: {why}"));
            self.exit(reach, 1);
            return Vec::new();
        }
        let mut jobs = Vec::new();
        if !self.elect(reach, &mut jobs) {
            return Vec::new();
        }
        if let Stage::Working(controller) = &mut self.stage {
            let mut desk = Desk {
                world: reach.world,
                counters: &mut self.counters,
                config: &self.config,
                timing: reach.timing,
                now: reach.now,
            };
            jobs.extend(controller.step(&mut desk).into_iter().map(|row| Job::Store(Box::new(row))));
        }
        jobs
    }

    /// The API server cannot be reached: a leader that cannot renew ends, and nothing else happens.
    pub fn cut_off(&mut self, reach: &Reach<'_>) {
        if self.up() && self.election.overdue(reach.now, reach.timing) {
            self.log(reach, "info", "stopped leading");
            self.exit(reach, 0);
        }
    }

    /// Ends the process as a signal would.
    pub fn kill(&mut self, reach: &Reach<'_>) {
        if self.up() {
            self.exit(reach, 137);
        }
    }

    fn start(&mut self, reach: &Reach<'_>) {
        self.life += 1;
        self.container.restarts += 1;
        self.container.state = State::Up(reach.now);
        self.counters = Counters::default();
        self.stage = Stage::Standby;
        self.election = Election::new(&self.key.name, reach.now);
        self.seen_config = None;
        reach.logs.restart(&self.key);
    }

    fn exit(&mut self, reach: &Reach<'_>, code: i64) {
        let started = match self.container.state {
            State::Up(since) => since,
            State::Down(_) => reach.now,
        };
        if reach.now.duration_since(started) > HEALTHY {
            self.crashes = 0;
        }
        let base = signed(reach.timing.crash_backoff);
        let pause = match self.crashes {
            // The first time a kubelet starts it again at once.
            0 => SignedDuration::from_millis(200),
            crashes => base.saturating_mul(1 << (crashes - 1).min(5)).min(base.saturating_mul(30)),
        };
        self.crashes = self.crashes.saturating_add(1);
        self.container.last = Some(Ended { code, started, finished: reach.now });
        self.container.state = State::Down(after(reach.now, pause));
        self.stage = Stage::Standby;
        // A dead process leads nothing, whatever the Lease still says.
        self.election = Election::new(&self.key.name, reach.now);
    }

    fn read_config(&mut self, reach: &Reach<'_>) -> Result<(), String> {
        let map = reach.world.store().get(Kind::ConfigMap, &self.key.namespace, CONFIG_MAP);
        let revision = map.as_ref().map(|map| map.revision);
        if revision.is_some() && revision == self.seen_config {
            return Ok(());
        }
        self.config = Config::read(map.map(|map| map.value()).as_ref())?;
        self.seen_config = revision;
        Ok(())
    }

    /// Takes part in the election. Answers whether the process still runs.
    fn elect(&mut self, reach: &mut Reach<'_>, jobs: &mut Vec<Job>) -> bool {
        let store = reach.world.store().clone();
        let namespace = self.key.namespace.to_string();
        let lease = store.get(Kind::Lease, &namespace, LEASE).map(|lease| lease.value());
        let led = self.election.leads();
        match self.election.look(reach.now, lease.as_ref(), &namespace, reach.timing) {
            Outcome::Wait => {}
            Outcome::Lost => {
                self.log(reach, "info", "stopped leading");
                self.exit(reach, 0);
                return false;
            }
            Outcome::Write(wanted) => match write_lease(&store, wanted, lease.is_some(), reach.now) {
                Ok(()) => {
                    self.counters.request("leases", "Update", 200);
                    self.election.written(reach.now, reach.timing);
                }
                Err(_) => self.counters.request("leases", "Update", 409),
            },
        }
        if !led && self.election.leads() {
            self.log(reach, "info", &format!("successfully acquired lease {namespace}/{LEASE}"));
            if self.config.archive && reach.archive {
                self.stage = Stage::Preparing;
                self.log(reach, "info", "Creating DB session");
                jobs.push(Job::Migrate);
            } else {
                self.lead(reach);
            }
        }
        true
    }

    fn lead(&mut self, reach: &mut Reach<'_>) {
        self.log(reach, "info", "started leading");
        self.stage = Stage::Working(Box::new(Controller::new(reach.world, reach.now)));
    }

    /// Takes the end of a job.
    pub fn done(&mut self, done: Done, reach: &mut Reach<'_>) {
        match done {
            Done::Migrated(Ok(())) if matches!(self.stage, Stage::Preparing) => self.lead(reach),
            Done::Migrated(Err(error)) if matches!(self.stage, Stage::Preparing) => {
                self.log(reach, "fatal", &format!("Failed to init db: {error}"));
                self.exit(reach, 1);
            }
            Done::Migrated(_) => {}
            Done::Stored(key, result) => {
                let Stage::Working(controller) = &mut self.stage else { return };
                let store = reach.world.store().clone();
                if let Some(message) = controller.archived(&key, &result, &store, &mut self.counters) {
                    self.log(reach, "error", &message);
                }
            }
        }
    }
}

fn write_lease(store: &Store, lease: Value, exists: bool, now: Timestamp) -> Result<(), StoreError> {
    if exists { store.replace(Kind::Lease, lease) } else { store.create(Kind::Lease, lease, now) }.map(|_| ())
}
