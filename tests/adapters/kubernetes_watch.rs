//! The watches of a region against a simulated API server whose watches get stuck.

use leeward::adapters::kubernetes::{Observe, Wanted, observe};
use leeward::domain::Timestamp;
use leeward::domain::cron::CronRow;
use leeward::domain::endpoints::{DatabaseEndpoint, Intervals, MetricsEndpoint, PasswordSource, RegionEndpoints};
use leeward::domain::fleet::table::Table;
use leeward::domain::freshness::{ErrorKind, Freshness, SourceError};
use leeward::domain::kubernetes::ObjectKey;
use leeward::domain::observation::{Fact, Observation, Watched};
use leeward::domain::region::Side;
use leeward::sandbox::kube::{ApiFault, ApiServer, ApiServerOptions, Kind, Store, User, clock, kubeconfig};
use serde_json::json;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

struct Bed {
    server: ApiServer,
    facts: mpsc::Receiver<Observation>,
    crons: Table<ObjectKey, CronRow>,
    answered: Option<Timestamp>,
    _told: (watch::Sender<Wanted>, watch::Sender<bool>, tempfile::TempDir),
}

impl Bed {
    async fn start() -> Bed {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let store = Store::default();
        for name in ["argo", "kube-system", "ml"] {
            store.create(Kind::Namespace, json!({"metadata": {"name": name}}), clock::now()).unwrap();
        }
        let cron = json!({"metadata": {"name": "nightly", "namespace": "ml"}, "spec": {"suspend": false}});
        store.create(Kind::CronWorkflow, cron, clock::now()).unwrap();
        let server = ApiServer::start(ApiServerOptions::new("us-central1", store)).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kubeconfig");
        std::fs::write(&file, kubeconfig(&[server.cluster()])).unwrap();
        let (out, facts) = mpsc::channel(256);
        // As while a run is driven: what is silent is looked into after seconds.
        let (wanted, hurry) = (watch::Sender::new(Wanted::default()), watch::Sender::new(true));
        tokio::spawn(observe(Observe {
            endpoints: RegionEndpoints {
                name: "us-central1".into(),
                kubeconfig: Some(file),
                context: User::Viewer.context("us-central1"),
                namespaces: Vec::new(),
                controller_namespace: "argo".into(),
                metrics: MetricsEndpoint::Off,
                database: DatabaseEndpoint { url: String::new(), password: PasswordSource::None },
                operator: None,
            },
            side: Side::A,
            environment: "test".into(),
            canary_namespace: None,
            intervals: Intervals { probe: Duration::from_millis(200), ..Intervals::default() },
            out,
            wanted: wanted.subscribe(),
            hurry: hurry.subscribe(),
        }));
        Bed { server, facts, crons: Table::default(), answered: None, _told: (wanted, hurry, folder) }
    }

    /// Changes the cron on the server.
    fn suspend(&self, suspend: bool) {
        let store = self.server.store();
        let mut cron = store.get(Kind::CronWorkflow, "ml", "nightly").unwrap().value();
        cron["spec"]["suspend"] = suspend.into();
        store.replace(Kind::CronWorkflow, cron).unwrap();
    }

    /// Takes facts until `seen` holds of the crons and the verdict on them.
    async fn until(&mut self, what: &str, mut seen: impl FnMut(Option<bool>, Freshness, Option<&SourceError>) -> bool) {
        let search = async {
            loop {
                let Observation { at, fact, .. } = self.facts.recv().await.expect("the observation ended");
                match fact {
                    Fact::Answered { .. } => self.answered = Some(at),
                    Fact::Crons(change) => self.crons.apply(change, at),
                    Fact::WatchConfirmed(Watched::Crons) => self.crons.confirm(at),
                    Fact::WatchFailed(Watched::Crons, error) => self.crons.error = Some(error),
                    _ => continue,
                }
                let suspended = self.crons.rows().values().next().map(|cron| cron.suspended);
                let server = self.answered.map_or(Freshness::Blind, |_| Freshness::Live(Duration::ZERO));
                let fresh = self.crons.freshness(server, Timestamp::now());
                if seen(suspended, fresh, self.crons.error.as_ref()) {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(180), search).await.unwrap_or_else(|_| panic!("never {what}"));
    }
}

fn live(fresh: Freshness) -> bool {
    matches!(fresh, Freshness::Live(_))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stuck_watch_keeps_back_is_listed_and_never_live_until_a_watch_delivers() {
    let mut bed = Bed::start().await;
    bed.until("listed", |suspended, fresh, _| suspended == Some(false) && live(fresh)).await;
    bed.server.set_fault(ApiFault::StuckWatch);
    for change in [true, false] {
        bed.suspend(change);
        let stuck = |error: Option<&SourceError>| {
            error.is_some_and(|error| error.kind == ErrorKind::Protocol && error.text.starts_with("stuck watch: "))
        };
        bed.until("seen and stale", |suspended, fresh, error| {
            suspended == Some(change) && stuck(error) && matches!(fresh, Freshness::Stale(_))
        })
        .await;
    }
    bed.server.set_fault(ApiFault::None);
    bed.suspend(true);
    bed.until("live again", |suspended, fresh, error| suspended == Some(true) && live(fresh) && error.is_none()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_collection_beside_a_busy_one_is_confirmed_and_its_watch_left_alone() {
    let mut bed = Bed::start().await;
    bed.until("listed", |suspended, fresh, _| suspended == Some(false) && live(fresh)).await;
    let (store, stop) = (bed.server.store().clone(), watch::Sender::new(false));
    let mut stopped = stop.subscribe();
    let busy = tokio::spawn(async move {
        // Leases of other holders are renewed all the time.
        for n in 0_u64.. {
            let lease = json!({"metadata": {"name": format!("other-{n}"), "namespace": "argo"}, "spec": {}});
            store.create(Kind::Lease, lease, clock::now()).unwrap();
            if tokio::time::timeout(Duration::from_millis(50), stopped.wait_for(|stop| *stop)).await.is_ok() {
                return;
            }
        }
    });
    let watches = |bed: &Bed| bed.server.requests().get(&("watch".to_owned(), "cronworkflows".to_owned())).copied();
    let began = Timestamp::now();
    for _ in 0..2 {
        let before = bed.crons.as_of();
        while bed.crons.as_of() <= before {
            bed.until("confirmed", |_, fresh, error| {
                assert!(error.is_none() && live(fresh), "{fresh:?} {error:?}");
                true
            })
            .await;
        }
    }
    assert!(bed.crons.as_of() > Some(began));
    assert_eq!(watches(&bed), Some(1));
    stop.send_replace(true);
    busy.await.unwrap();
}
