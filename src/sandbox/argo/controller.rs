//! A workflow controller that leads: works its queue, fires crons, archives, removes what has outlived its time. Reads and
//! writes the store, but waits for nothing: what takes time (the database) is handed out as a job and comes back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    super::kube::{Kind, ObjectKey, Store, clock},
    archive::{ArchiveError, ArchiveRow},
    change::{Change, apply},
    config::Config,
    cron,
    json::{annotation, items, label, name, namespace, text, values},
    metrics::Counters,
    operate::{self, ARCHIVING, COMPLETED, Gate, PHASE, Surroundings},
    timing::{Timing, after},
    world::World,
};

/// Workflows looked at in one tick; the rest waits for the next.
const WORKFLOWS: usize = 100;
/// Archive writes under way at once.
const WRITES: usize = 4;

/// The working state of a leader; lost with the process.
#[derive(Debug)]
pub struct Controller {
    /// When the crons were looked at last.
    since: Timestamp,
    next_cron: Timestamp,
    /// The holder of each mutex.
    mutexes: BTreeMap<ObjectKey, ObjectKey>,
    /// How long the last succeeded run of an origin took, in seconds.
    durations: BTreeMap<String, i64>,
    to_archive: VecDeque<ObjectKey>,
    archiving: BTreeSet<ObjectKey>,
    expiries: BTreeSet<(Timestamp, ObjectKey)>,
}

/// What a look needs beside the controller itself.
pub struct Desk<'a> {
    /// The queues.
    pub world: &'a mut World,
    /// The counters.
    pub counters: &'a mut Counters,
    /// The configuration.
    pub config: &'a Config,
    /// The region's times.
    pub timing: &'a Timing,
    /// The time.
    pub now: Timestamp,
}

impl Controller {
    /// A controller that has just become leader: it looks at everything unfinished, and archives what still waits for it.
    pub fn new(world: &mut World, now: Timestamp) -> Self {
        let store = world.store().clone();
        let mut controller = Self {
            since: now,
            next_cron: now,
            mutexes: BTreeMap::new(),
            durations: BTreeMap::new(),
            to_archive: VecDeque::new(),
            archiving: BTreeSet::new(),
            expiries: BTreeSet::new(),
        };
        for (key, open) in &mut world.open {
            open.due = now;
            open.own = 0;
            let object = store.get(Kind::Workflow, &key.namespace, &key.name);
            if let Some(object) = object.filter(|object| object.label(PHASE) == Some("Running"))
                && let Some(mutex) = mutex(&object.value())
            {
                controller.mutexes.insert(ObjectKey::new(&key.namespace, &mutex), key.clone());
            }
        }
        let waiting = store.list(Kind::Workflow, None).items;
        controller
            .to_archive
            .extend(waiting.iter().filter(|one| one.label(ARCHIVING) == Some("Pending")).map(|one| one.key.clone()));
        controller
    }

    /// How many workflows are due and how many wait for the archive.
    pub fn depths(&self, world: &World, now: Timestamp) -> BTreeMap<&'static str, u64> {
        let count = |length: usize| u64::try_from(length).unwrap_or(0);
        let due = world.open.values().filter(|open| open.due <= now).count();
        BTreeMap::from([
            ("workflow_queue", count(due)),
            ("workflow_archive_queue", count(self.to_archive.len())),
            ("workflow_ttl_queue", count(self.expiries.len())),
        ])
    }

    /// One step. Answers the rows to be archived.
    pub fn step(&mut self, desk: &mut Desk<'_>) -> Vec<ArchiveRow> {
        let due: Vec<ObjectKey> = desk
            .world
            .open
            .iter()
            .filter(|(_, open)| open.due <= desk.now)
            .map(|(key, _)| key.clone())
            .take(WORKFLOWS)
            .collect();
        for key in due {
            self.work(&key, desk);
        }
        if desk.now >= self.next_cron || desk.world.crons {
            desk.world.crons = false;
            self.crons(desk);
            self.next_cron = after(desk.now, desk.timing.scaled(10.0));
        }
        self.expire(desk);
        self.rows(desk)
    }

    fn work(&mut self, key: &ObjectKey, desk: &mut Desk<'_>) {
        let store = desk.world.store().clone();
        let Some(object) = store.get(Kind::Workflow, &key.namespace, &key.name).map(|one| one.value()) else {
            desk.world.open.remove(key);
            return;
        };
        let pods = pods_of(&store, desk.world, key);
        let find = |named: &str, cluster: bool| template(&store, &key.namespace, named, cluster);
        let around = Surroundings {
            now: desk.now,
            pods,
            template: &find,
            estimate: self.durations.get(&origin(&object)).copied(),
            gate: self.gate(key, &object, desk),
            archive: desk.config.archive,
            timing: desk.timing,
        };
        let outcome = operate::operate(&object, &around);
        desk.counters.operations.0 += 1;
        desk.counters.operations.1 += 0.004;
        *desk.counters.queued.entry("workflow_queue").or_default() += 1;
        for change in &outcome.changes {
            if let Change::Create(Kind::Pod, pod) = change {
                desk.counters.request("pods", "Create", 201);
                *desk.counters.pods.entry(("Pending".to_owned(), namespace(pod).to_owned())).or_default() += 1;
            }
        }
        // The pods first: a node without a pod would read as "pod deleted".
        let (stops, creates) =
            outcome.changes.into_iter().partition::<Vec<_>, _>(|change| !matches!(change, Change::Create(..)));
        apply(&store, creates, desk.now);
        let mut own = desk.world.open.get(key).map_or(0, |open| open.own);
        if let Some(after) = outcome.workflow {
            match store.replace(Kind::Workflow, after.clone()) {
                Ok(written) => {
                    own = written.revision;
                    desk.counters.request("workflows", "Update", 200);
                    self.note(key, &object, &after, desk);
                }
                Err(_) => {
                    // Somebody changed it: look again, and leave its pods alone until then.
                    desk.counters.request("workflows", "Update", 409);
                    return;
                }
            }
        }
        apply(&store, stops, desk.now);
        if let Some(open) = desk.world.open.get_mut(key) {
            open.last = desk.now;
            open.own = own;
            open.due = outcome.requeue.unwrap_or(Timestamp::MAX);
        }
    }

    fn gate(&self, key: &ObjectKey, workflow: &Value, desk: &Desk<'_>) -> Gate {
        if !matches!(text(&workflow["status"]["phase"]), "" | "Pending") {
            return Gate::Open;
        }
        if let Some(mutex) = mutex(workflow)
            && self.mutexes.get(&ObjectKey::new(&key.namespace, &mutex)).is_some_and(|holder| holder != key)
        {
            return Gate::Mutex(mutex);
        }
        let Some(limit) = desk.config.parallelism else { return Gate::Open };
        let store = desk.world.store();
        let running = desk.world.open.keys().filter(|key| {
            let object = store.get(Kind::Workflow, &key.namespace, &key.name);
            object.is_some_and(|object| object.label(PHASE) == Some("Running"))
        });
        if running.count() >= limit { Gate::Parallelism } else { Gate::Open }
    }

    /// Keeps count of what happened to a workflow.
    fn note(&mut self, key: &ObjectKey, before: &Value, after_look: &Value, desk: &mut Desk<'_>) {
        let phase = label(after_look, PHASE);
        if label(before, PHASE) != phase {
            *desk.counters.phases.entry((phase.to_owned(), key.namespace.to_string())).or_default() += 1;
            if phase == "Running" {
                let named = text(&after_look["spec"]["workflowTemplateRef"]["name"]);
                if !named.is_empty() {
                    let count = desk.counters.templates.entry((named.to_owned(), key.namespace.to_string()));
                    *count.or_default() += 1;
                }
            }
        }
        let mutex = mutex(after_look).map(|mutex| ObjectKey::new(&key.namespace, &mutex));
        if label(after_look, COMPLETED) != "true" {
            if let Some(mutex) = mutex.filter(|_| phase == "Running") {
                self.mutexes.insert(mutex, key.clone());
            }
            return;
        }
        if let Some(mutex) = mutex.filter(|mutex| self.mutexes.get(mutex) == Some(key)) {
            self.mutexes.remove(&mutex);
        }
        let store = desk.world.store().clone();
        // Whoever waits may begin now.
        for (waiting, open) in &mut desk.world.open {
            let object = store.get(Kind::Workflow, &waiting.namespace, &waiting.name);
            if object.is_some_and(|object| object.label(PHASE) == Some("Pending")) {
                open.due = desk.now;
            }
        }
        if desk.config.archive {
            self.to_archive.push_back(key.clone());
            *desk.counters.queued.entry("workflow_archive_queue").or_default() += 1;
        }
        let status = &after_look["status"];
        let time = |field: &str| clock::parse(text(&status[field]));
        if let (true, Some(from), Some(to)) = (phase == "Succeeded", time("startedAt"), time("finishedAt")) {
            self.durations.insert(origin(after_look), to.duration_since(from).as_secs());
        }
        if let Some(seconds) = ttl(after_look, phase) {
            self.expiries.insert((after(desk.now, desk.timing.scaled(seconds)), key.clone()));
        }
    }

    fn crons(&mut self, desk: &mut Desk<'_>) {
        let store = desk.world.store().clone();
        let origin = cron::origin_label();
        for cron in values(&store.list(Kind::CronWorkflow, None).items) {
            let all = store.list(Kind::Workflow, Some(namespace(&cron))).items;
            let children = values(all.iter().filter(|child| child.label(&origin) == Some(name(&cron))));
            let look = cron::look(&cron, &children, self.since, desk.now);
            let key = (name(&cron).to_owned(), namespace(&cron).to_owned());
            if look.triggered > 0 {
                *desk.counters.crons.entry(key.clone()).or_default() += look.triggered;
                desk.counters.request("workflows", "Create", 201);
            }
            if look.held > 0 {
                let policy = text(&cron["spec"]["concurrencyPolicy"]).to_owned();
                *desk.counters.held.entry((key.0, key.1, policy)).or_default() += look.held;
            }
            if look.error.is_some() && cron["status"]["conditions"].is_null() {
                *desk.counters.errors.entry("CronWorkflowSpecError").or_default() += 1;
            }
            let fired = look.triggered > 0;
            apply(&store, look.changes, desk.now);
            if fired {
                activate(&store, &cron, desk.now);
            }
        }
        self.since = desk.now;
    }

    fn expire(&mut self, desk: &mut Desk<'_>) {
        let store = desk.world.store().clone();
        while let Some((at, key)) = self.expiries.first().cloned() {
            if at > desk.now {
                break;
            }
            self.expiries.pop_first();
            let Some(object) = store.get(Kind::Workflow, &key.namespace, &key.name) else { continue };
            if object.label(ARCHIVING) == Some("Pending") {
                // Never before it is archived; asked again in a while.
                self.expiries.insert((after(desk.now, SignedDuration::from_secs(60)), key));
            } else if object.label(COMPLETED) == Some("true") {
                desk.counters.request("workflows", "Delete", 200);
                apply(&store, vec![Change::Remove(Kind::Workflow, key)], desk.now);
            }
        }
    }

    fn rows(&mut self, desk: &mut Desk<'_>) -> Vec<ArchiveRow> {
        let mut rows = Vec::new();
        while self.archiving.len() < WRITES {
            let Some(key) = self.to_archive.pop_front() else { break };
            let object = desk.world.store().get(Kind::Workflow, &key.namespace, &key.name);
            let Some(object) = object.filter(|object| object.label(ARCHIVING) == Some("Pending")) else { continue };
            if desk.config.archive && self.archiving.insert(key) {
                rows.push(ArchiveRow::of(&desk.config.cluster, &object.value()));
            }
        }
        rows
    }

    /// An archive write ended. Answers what the controller logs about it. A failed one is not tried again: the label stays
    /// `Pending` until the controller starts anew (3.7.4 does the same).
    pub fn archived(
        &mut self,
        key: &ObjectKey,
        result: &Result<(), ArchiveError>,
        store: &Store,
        counters: &mut Counters,
    ) -> Option<String> {
        self.archiving.remove(key);
        if let Err(error) = result {
            return Some(format!("Failed to archive workflow {}/{}: {error}", key.namespace, key.name));
        }
        for _ in 0..5 {
            let mut object = store.get(Kind::Workflow, &key.namespace, &key.name)?.value();
            super::json::mark(&mut object, "labels", ARCHIVING, "Archived");
            if store.replace(Kind::Workflow, object).is_ok() {
                counters.request("workflows", "Patch", 200);
                break;
            }
        }
        None
    }
}

/// Notes a cron's new child in its `active` list, now that it has a uid.
fn activate(store: &Store, cron: &Value, now: Timestamp) {
    let Some(mut cron) = store.get(Kind::CronWorkflow, namespace(cron), name(cron)).map(|one| one.value()) else {
        return;
    };
    let scheduled = text(&cron["status"]["lastScheduledTime"]);
    let Some(scheduled) = clock::parse(scheduled) else { return };
    let child = format!("{}-{}", name(&cron), scheduled.as_second());
    let Some(child) = store.get(Kind::Workflow, namespace(&cron), &child) else { return };
    let mut active = items(&cron["status"]["active"]).to_vec();
    active.push(json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": child.name(),
        "namespace": child.namespace(), "uid": &*child.uid, "resourceVersion": child.revision.to_string()}));
    cron["status"]["active"] = active.into();
    apply(store, vec![Change::Replace(Kind::CronWorkflow, cron)], now);
}

fn pods_of(store: &Store, world: &World, workflow: &ObjectKey) -> BTreeMap<String, Value> {
    let keys = world.pods_of.get(workflow);
    keys.into_iter()
        .flatten()
        .filter_map(|key| store.get(Kind::Pod, &key.namespace, &key.name))
        .map(|pod| pod.value())
        .map(|pod| (annotation(&pod, "workflows.argoproj.io/node-id").to_owned(), pod))
        .collect()
}

fn template(store: &Store, namespace: &str, named: &str, cluster: bool) -> Option<Value> {
    let object = if cluster {
        store.get(Kind::ClusterWorkflowTemplate, "", named)
    } else {
        store.get(Kind::WorkflowTemplate, namespace, named)
    };
    object.map(|object| object.value()["spec"].clone())
}

/// What a workflow is a run of: its template or its cron.
fn origin(workflow: &Value) -> String {
    let template = text(&workflow["spec"]["workflowTemplateRef"]["name"]);
    let cron = label(workflow, &cron::origin_label());
    format!("{}/{template}/{cron}", namespace(workflow))
}

/// The mutex a workflow asks for.
fn mutex(workflow: &Value) -> Option<String> {
    let synchronization = &workflow["spec"]["synchronization"];
    let named = synchronization["mutexes"][0]["name"].as_str().or(synchronization["mutex"]["name"].as_str());
    named.map(str::to_owned)
}

/// Seconds after which a finished workflow is removed.
fn ttl(workflow: &Value, phase: &str) -> Option<f64> {
    let own = &workflow["spec"]["ttlStrategy"];
    let strategy = if own.is_object() { own } else { &workflow["status"]["storedWorkflowTemplateSpec"]["ttlStrategy"] };
    let special = if phase == "Succeeded" { "secondsAfterSuccess" } else { "secondsAfterFailure" };
    strategy[special].as_f64().or(strategy["secondsAfterCompletion"].as_f64())
}
