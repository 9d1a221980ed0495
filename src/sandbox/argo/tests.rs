//! A whole region: the driver over a seeded store, the server in front of it, and a real PostgreSQL behind it.

mod database;
mod region;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{
    archive::{Archive, ArchiveError, ArchiveRow},
    operate::{ARCHIVING, PHASE},
    *,
};
use crate::sandbox::kube::{Kind, Store, clock};

/// An archive in memory that can be read-only or gone.
#[derive(Default)]
struct MemoryArchive {
    state: AtomicU8,
    rows: Mutex<Vec<ArchiveRow>>,
}

const WRITABLE: u8 = 0;
const READ_ONLY: u8 = 1;
const GONE: u8 = 2;

impl MemoryArchive {
    fn set(&self, state: u8) {
        self.state.store(state, Ordering::SeqCst);
    }

    fn check(&self) -> Result<(), ArchiveError> {
        match self.state.load(Ordering::SeqCst) {
            WRITABLE => Ok(()),
            READ_ONLY => {
                Err(ArchiveError::ReadOnly("cannot execute CREATE TABLE in a read-only transaction".to_owned()))
            }
            _ => Err(ArchiveError::Unreachable("connection refused".to_owned())),
        }
    }

    fn names(&self) -> Vec<String> {
        self.rows.lock().unwrap().iter().map(|row| row.name.clone()).collect()
    }
}

impl Archive for MemoryArchive {
    fn migrate(&self) -> BoxFuture<'_, Result<(), ArchiveError>> {
        Box::pin(async { self.check() })
    }

    fn ping_write(&self) -> BoxFuture<'_, Result<(), ArchiveError>> {
        Box::pin(async { self.check() })
    }

    fn store(&self, row: ArchiveRow) -> BoxFuture<'_, Result<(), ArchiveError>> {
        Box::pin(async {
            self.check()?;
            self.rows.lock().unwrap().push(row);
            Ok(())
        })
    }
}

/// Waits until something is so; fails after a time that only a hang needs.
async fn until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

fn seeded(role: Role, runs: Runs) -> Store {
    let store = Store::default();
    let seed = RegionSeed {
        runs,
        database: Some(("127.0.0.1".to_owned(), 5432)),
        timing: Timing::quick(),
        ..RegionSeed::new("us-central1", role)
    };
    seed_region(&store, &seed).unwrap();
    store
}

async fn start(store: &Store, archive: &Arc<MemoryArchive>) -> Region {
    let options = RegionOptions {
        timing: Timing::quick(),
        traffic: Traffic::default(),
        archive: Some(Arc::clone(archive) as Arc<dyn Archive>),
        ..RegionOptions::new(store.clone())
    };
    Region::start(options).await.unwrap()
}

fn get(store: &Store, kind: Kind, namespace: &str, name: &str) -> Value {
    store.get(kind, namespace, name).map_or(Value::Null, |object| object.value())
}

fn submit(store: &Store, name: &str, template: &str, mode: &str) {
    let mut run =
        json!({"metadata": {"name": name, "namespace": "ml"}, "spec": {"workflowTemplateRef": {"name": template}}});
    if !mode.is_empty() {
        run["spec"]["arguments"] = json!({"parameters": [{"name": "mode", "value": mode}]});
    }
    store.create(Kind::Workflow, run, clock::now()).unwrap();
}

fn phase(store: &Store, name: &str) -> String {
    store.get(Kind::Workflow, "ml", name).and_then(|run| run.label(PHASE).map(str::to_owned)).unwrap_or_default()
}

fn archiving(store: &Store, name: &str) -> String {
    store.get(Kind::Workflow, "ml", name).and_then(|run| run.label(ARCHIVING).map(str::to_owned)).unwrap_or_default()
}

fn scale(store: &Store, replicas: i64) {
    loop {
        let mut deployment = get(store, Kind::Deployment, "argo", "workflow-controller");
        deployment["spec"]["replicas"] = json!(replicas);
        if store.replace(Kind::Deployment, deployment).is_ok() {
            return;
        }
    }
}

/// The controller's pod.
fn controller(store: &Store) -> Value {
    let pods = store.list(Kind::Pod, Some("argo")).items;
    pods.iter().find(|pod| pod.label("app") == Some("workflow-controller")).map_or(Value::Null, |pod| pod.value())
}

fn restarts(store: &Store) -> i64 {
    controller(store)["status"]["containerStatuses"][0]["restartCount"].as_i64().unwrap_or(0)
}

fn holder(store: &Store) -> String {
    let lease = get(store, Kind::Lease, "argo", "workflow-controller");
    lease["spec"]["holderIdentity"].as_str().unwrap_or("").to_owned()
}
