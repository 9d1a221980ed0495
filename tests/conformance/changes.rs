//! Counts what really changed: a watch of its own on crons and controllers of both regions. An effect that was performed
//! twice shows as a value that went there, back, and there again, or as an object made twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use kube::api::{Api, DynamicObject, ListParams, WatchEvent, WatchParams};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::servers::{Region, key, resource};

/// Changes of a field, in order: "us-east1 CronWorkflow ml/heartbeat" → [(true, false)].
pub type Changes = BTreeMap<String, Vec<(Value, Value)>>;

/// A running count. Dropping it ends it.
pub struct Counting {
    seen: Arc<Mutex<Changes>>,
    _tasks: JoinSet<()>,
}

impl Counting {
    pub async fn start(regions: &[&Region]) -> Counting {
        let seen = Arc::new(Mutex::new(Changes::new()));
        let mut tasks = JoinSet::new();
        for region in regions {
            for (kind, field) in [("CronWorkflow", "/spec/suspend"), ("Deployment", "/spec/replicas")] {
                let api = Api::all_with(region.client.clone(), &resource(kind));
                let list = api.list(&ListParams::default()).await.unwrap();
                let now = list.iter().map(|object| (key(object), value(object, field))).collect();
                let version = list.metadata.resource_version.clone().unwrap();
                let name = format!("{} {kind}", region.name);
                tasks.spawn(follow(api, version, name, field, now, Arc::clone(&seen)));
            }
        }
        Counting { seen, _tasks: tasks }
    }

    pub fn changes(&self) -> Changes {
        self.seen.lock().unwrap().clone()
    }
}

/// A cron that says nothing is active.
fn value(object: &DynamicObject, field: &str) -> Value {
    object.data.pointer(field).cloned().unwrap_or(Value::Bool(false))
}

async fn follow(
    api: Api<DynamicObject>,
    mut version: String,
    name: String,
    field: &'static str,
    mut now: BTreeMap<String, Value>,
    seen: Arc<Mutex<Changes>>,
) {
    loop {
        // A server that is stopped ends the watch; it goes on where it was as soon as the server is back.
        if let Ok(stream) = api.watch(&WatchParams::default().timeout(200), &version).await {
            let mut stream = std::pin::pin!(stream);
            while let Some(Ok(event)) = stream.next().await {
                match event {
                    WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                        version = object.metadata.resource_version.clone().unwrap_or(version);
                        let (of, new) = (key(&object), value(&object, field));
                        let old = now.insert(of.clone(), new.clone());
                        if let Some(old) = old.filter(|old| *old != new) {
                            seen.lock().unwrap().entry(format!("{name} {of}")).or_default().push((old, new));
                        }
                    }
                    WatchEvent::Bookmark(mark) => version = mark.metadata.resource_version,
                    WatchEvent::Deleted(_) => {}
                    WatchEvent::Error(error) => panic!("{name}: {error:?}"),
                }
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
}
