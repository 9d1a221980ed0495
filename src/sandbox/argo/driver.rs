//! The async side of a region: ticks the simulation, runs its jobs, and shows its metrics. Everything that decides is
//! elsewhere; this owns the clock, the tasks and the port.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use http::Method;
use jiff::Timestamp;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use super::{
    super::kube::{ApiFault, Kind, Kubelet, LogPage, ObjectKey, ProxyAnswer, ProxyRequest, Store, clock},
    archive::Archive,
    json::text,
    logs::{self, Logs},
    metrics::{self, Counters, Gauges},
    operate::{PHASE, WORKFLOW},
    platform::{Platform, is_controller},
    pod::Container,
    process::{Done, Job, Process, Reach},
    timing::Timing,
    traffic::{Submitter, Traffic},
    world::World,
};

/// The port on which controllers show their metrics.
pub const METRICS_PORT: u16 = 9090;

/// What a controller shows of itself.
#[derive(Clone, Debug, Default)]
struct Shown {
    counters: Counters,
    leader: bool,
    queues: BTreeMap<&'static str, u64>,
    tls: bool,
}

/// What the driver, the kubelets and the metrics port share.
pub struct Shared {
    /// The objects.
    pub store: Store,
    /// The logs.
    pub logs: Logs,
    /// Version of the controllers.
    pub version: String,
    shown: Mutex<BTreeMap<ObjectKey, Shown>>,
    /// Where finished workflows are archived.
    pub archive: RwLock<Option<Arc<dyn Archive>>>,
    /// Whether any controller is up: the plain metrics port is open only then.
    pub up: watch::Sender<bool>,
    /// Whether one of them leads, with its database prepared.
    pub works: watch::Sender<bool>,
}

impl Shared {
    /// Nothing is up yet.
    pub fn new(store: Store, version: &str, archive: Option<Arc<dyn Archive>>) -> Self {
        Self {
            store,
            logs: Logs::default(),
            version: version.to_owned(),
            shown: Mutex::default(),
            archive: RwLock::new(archive),
            up: watch::Sender::new(false),
            works: watch::Sender::new(false),
        }
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, BTreeMap<ObjectKey, Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The metrics of the leader, else of any controller that is up.
    pub fn metrics(&self) -> Option<String> {
        let shown = self.shown();
        let one = shown.values().find(|one| one.leader).or_else(|| shown.values().next())?.clone();
        drop(shown);
        Some(self.text(&one))
    }

    fn text(&self, shown: &Shown) -> String {
        if !shown.leader {
            // A standby serves an empty page.
            return String::new();
        }
        let mut gauges =
            Gauges { leader: true, queues: shown.queues.clone(), version: self.version.clone(), ..Gauges::default() };
        for workflow in self.store.list(Kind::Workflow, None).items {
            if let Some(phase) = workflow.label(PHASE) {
                *gauges.workflows.entry(phase.to_owned()).or_default() += 1;
            }
        }
        for pod in self.store.list(Kind::Pod, None).items.iter().filter(|pod| pod.label(WORKFLOW).is_some()) {
            let object = pod.value();
            *gauges.pods.entry(text(&object["status"]["phase"]).to_owned()).or_default() += 1;
        }
        metrics::text(&shown.counters, &gauges)
    }
}

impl Kubelet for Shared {
    fn log(&self, namespace: &str, pod: &str, container: &str, previous: bool, from: u64) -> Option<LogPage> {
        let key = ObjectKey::new(namespace, pod);
        if let Some(page) = self.logs.read(&key, previous, from) {
            return Some(page);
        }
        let object = self.store.get(Kind::Pod, namespace, pod)?.value();
        if previous { None } else { logs::invented(&object, container, from, clock::now()) }
    }

    fn proxy(&self, request: &ProxyRequest<'_>) -> ProxyAnswer {
        let key = ObjectKey::new(request.namespace, request.pod);
        let Some(shown) = self.shown().get(&key).filter(|_| request.port == METRICS_PORT).cloned() else {
            return ProxyAnswer::Refused;
        };
        match (shown.tls, request.tls) {
            (true, false) => return ProxyAnswer::WantsTls,
            (false, true) => return ProxyAnswer::NoTls,
            _ => {}
        }
        if request.path != "/metrics" || *request.method != Method::GET {
            return ProxyAnswer::NotFound;
        }
        let content_type = "text/plain; version=0.0.4; charset=utf-8".to_owned();
        ProxyAnswer::Body { content_type, body: self.text(&shown).into_bytes() }
    }
}

/// What may be asked of a running region.
#[derive(Debug)]
pub enum Order {
    /// Kill the controllers' processes.
    CrashControllers,
}

/// The moving parts of a region.
pub struct Driver {
    shared: Arc<Shared>,
    timing: Timing,
    fault: Option<watch::Receiver<ApiFault>>,
    world: World,
    platform: Platform,
    processes: BTreeMap<ObjectKey, Process>,
    submitter: Submitter,
    jobs: JoinSet<(ObjectKey, u64, Done)>,
    orders: mpsc::Receiver<Order>,
}

impl Driver {
    /// A driver over these objects.
    pub fn new(
        shared: Arc<Shared>,
        timing: Timing,
        fault: Option<watch::Receiver<ApiFault>>,
        traffic: Traffic,
        orders: mpsc::Receiver<Order>,
    ) -> Self {
        let now = clock::now();
        let world = World::new(shared.store.clone(), now);
        let submitter = Submitter::new(traffic, now);
        Self {
            shared,
            timing,
            fault,
            world,
            platform: Platform::new(now),
            processes: BTreeMap::new(),
            submitter,
            jobs: JoinSet::new(),
            orders,
        }
    }

    /// Runs until it is dropped.
    pub async fn run(mut self) {
        let mut ticks = tokio::time::interval(self.timing.tick);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut open = true;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                order = self.orders.recv(), if open => match order {
                    Some(Order::CrashControllers) => self.crash(),
                    None => open = false,
                },
                Some(done) = self.jobs.join_next(), if !self.jobs.is_empty() => {
                    if let Ok((key, life, done)) = done {
                        self.take(&key, life, done);
                    }
                }
            }
            self.tick(clock::now());
        }
    }

    fn cut_off(&self) -> bool {
        let fault = self.fault.as_ref().map_or(ApiFault::None, |fault| *fault.borrow());
        matches!(fault, ApiFault::Silent | ApiFault::Refused)
    }

    fn tick(&mut self, now: Timestamp) {
        let archive = self.has_archive();
        if self.cut_off() {
            // The whole control plane talks through the API server. Pods run on by themselves.
            for process in self.processes.values_mut() {
                process.cut_off(&Reach {
                    world: &mut self.world,
                    logs: &self.shared.logs,
                    timing: &self.timing,
                    archive,
                    now,
                });
            }
            self.show(now);
            return;
        }
        self.world.refresh(now, &self.timing);
        self.submitter.step(&self.world, &self.timing, now);
        let containers: BTreeMap<ObjectKey, Container> =
            self.processes.iter().map(|(key, process)| (key.clone(), process.container.clone())).collect();
        self.platform.step(&mut self.world, &containers, &self.timing, now);
        self.world.refresh(now, &self.timing);
        self.follow_pods(now);
        let mut jobs = Vec::new();
        for (key, process) in &mut self.processes {
            let before = process.container.clone();
            let mut reach =
                Reach { world: &mut self.world, logs: &self.shared.logs, timing: &self.timing, archive, now };
            jobs.extend(process.step(&mut reach).into_iter().map(|job| (key.clone(), process.life, job)));
            if process.container != before {
                // The kubelet has something to report.
                self.world.pods.insert(key.clone(), now);
            }
        }
        for (key, life, job) in jobs {
            self.start(key, life, job);
        }
        self.show(now);
    }

    fn has_archive(&self) -> bool {
        self.shared.archive.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Starts and drops processes as their pods come and go.
    fn follow_pods(&mut self, now: Timestamp) {
        let pods = self.shared.store.list(Kind::Pod, None).items;
        let candidates = pods.iter().filter(|pod| pod.label("app") == Some("workflow-controller"));
        let running: Vec<ObjectKey> = candidates
            .map(|pod| pod.value())
            .filter(|pod| {
                is_controller(pod)
                    && pod["status"]["phase"] == "Running"
                    && pod["metadata"].get("deletionTimestamp").is_none()
            })
            .map(|pod| ObjectKey::new(super::json::namespace(&pod), super::json::name(&pod)))
            .collect();
        self.processes.retain(|key, _| running.contains(key));
        for key in running {
            self.processes.entry(key.clone()).or_insert_with(|| Process::new(key, now));
        }
    }

    fn start(&mut self, key: ObjectKey, life: u64, job: Job) {
        let archive = self.shared.archive.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(archive) = archive else { return };
        // Bounded by the controllers: one migration or four writes each.
        self.jobs.spawn(async move {
            let done = match job {
                Job::Migrate => Done::Migrated(archive.migrate().await),
                Job::Store(row) => {
                    let of = row.key();
                    Done::Stored(of, archive.store(*row).await)
                }
            };
            (key, life, done)
        });
    }

    fn take(&mut self, key: &ObjectKey, life: u64, done: Done) {
        let archive = self.has_archive();
        let now = clock::now();
        let Some(process) = self.processes.get_mut(key).filter(|process| process.life == life) else { return };
        let mut reach = Reach { world: &mut self.world, logs: &self.shared.logs, timing: &self.timing, archive, now };
        process.done(done, &mut reach);
        self.world.pods.insert(key.clone(), now);
    }

    fn crash(&mut self) {
        let (archive, now) = (self.has_archive(), clock::now());
        for (key, process) in &mut self.processes {
            process.kill(&Reach {
                world: &mut self.world,
                logs: &self.shared.logs,
                timing: &self.timing,
                archive,
                now,
            });
            self.world.pods.insert(key.clone(), now);
        }
    }

    fn show(&self, now: Timestamp) {
        let shown: BTreeMap<ObjectKey, Shown> = self
            .processes
            .iter()
            .filter(|(_, process)| process.up())
            .map(|(key, process)| {
                let shown = Shown {
                    counters: process.counters.clone(),
                    leader: process.leads(),
                    queues: process.depths(&self.world, now),
                    tls: process.config.metrics_tls,
                };
                (key.clone(), shown)
            })
            .collect();
        let up = !shown.is_empty();
        let works = self.processes.values().any(Process::works);
        *self.shared.shown() = shown;
        self.shared.up.send_if_modified(|was| std::mem::replace(was, up) != up);
        self.shared.works.send_if_modified(|was| std::mem::replace(was, works) != works);
    }
}
