//! Against real API servers, only when `LEEWARD_TEST_KUBECONFIG` names a kubeconfig. `LEEWARD_TEST_CONTEXT` (default
//! `us-central1`) is a context with every right in a cluster with Argo's definitions and a namespace `argo`.

use super::*;
use crate::domain::endpoints::{DatabaseEndpoint, Intervals, MetricsEndpoint, PasswordSource, RegionEndpoints};
use crate::domain::observation::{Change, Fact, Observation};
use crate::domain::region::Side;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

pub(super) fn endpoints(suffix: &str) -> Option<RegionEndpoints> {
    let kubeconfig = std::env::var_os("LEEWARD_TEST_KUBECONFIG")?;
    let context = std::env::var("LEEWARD_TEST_CONTEXT").unwrap_or_else(|_| "us-central1".to_owned());
    Some(RegionEndpoints {
        name: context.clone(),
        kubeconfig: Some(kubeconfig.into()),
        context: format!("{context}{suffix}"),
        namespaces: Vec::new(),
        controller_namespace: "argo".into(),
        metrics: MetricsEndpoint::Off,
        database: DatabaseEndpoint { url: String::new(), password: PasswordSource::None },
        operator: None,
    })
}

pub(super) struct Seen {
    facts: mpsc::Receiver<Observation>,
    pub wanted: watch::Sender<Wanted>,
}

impl Seen {
    pub fn start(endpoints: RegionEndpoints) -> Seen {
        let (out, facts) = mpsc::channel(256);
        let (wanted, wanted_seen) = watch::channel(Wanted::default());
        tokio::spawn(observe(Observe {
            endpoints,
            side: Side::A,
            environment: "leeward-test".into(),
            canary_namespace: Some("argo".into()),
            intervals: Intervals::default(),
            out,
            wanted: wanted_seen,
        }));
        Seen { facts, wanted }
    }

    /// The first fact that `pick` takes; panics after a minute without one.
    pub async fn until<T>(&mut self, what: &str, mut pick: impl FnMut(Observation) -> Option<T>) -> T {
        let search = async {
            loop {
                let fact = self.facts.recv().await.expect("the observation ended");
                if let Some(found) = pick(fact) {
                    return found;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), search).await.unwrap_or_else(|_| panic!("no {what}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_is_observed() {
    let Some(endpoints) = endpoints("") else { return };
    let mut seen = Seen::start(endpoints);
    let mut missing =
        vec!["answered", "identity", "rights", "controllers", "lock", "scope", "runs", "crons", "templates", "nodes"];
    let mut details = 0;
    while !missing.is_empty() {
        let name = seen
            .until(&format!("{missing:?}"), |observation| {
                let name = match &observation.fact {
                    Fact::Answered { latency } => {
                        eprintln!("{latency:?}");
                        "answered"
                    }
                    Fact::Identity(identity) => {
                        eprintln!("{identity:?}");
                        "identity"
                    }
                    Fact::Rights(rights) => {
                        eprintln!("{rights:?}");
                        "rights"
                    }
                    Fact::Controllers(controllers) => {
                        eprintln!("{controllers:?}");
                        "controllers"
                    }
                    Fact::Lock(lock) => {
                        eprintln!("{lock:?}");
                        "lock"
                    }
                    Fact::Scope(scope) => {
                        eprintln!("{scope:?}");
                        "scope"
                    }
                    Fact::Runs(Change::Reset(rows)) => {
                        eprintln!("{} runs {:?}", rows.len(), rows.first());
                        "runs"
                    }
                    Fact::Crons(Change::Reset(rows)) => {
                        eprintln!("{rows:?}");
                        "crons"
                    }
                    Fact::Templates(Change::Reset(rows)) => {
                        eprintln!("{rows:?}");
                        "templates"
                    }
                    Fact::Nodes(Change::Reset(rows)) => {
                        eprintln!("{} nodes {:?}", rows.len(), rows.first());
                        "nodes"
                    }
                    Fact::RunDetail { .. } => {
                        details += 1;
                        return None;
                    }
                    Fact::Failed { error, .. } | Fact::WatchFailed(_, error) => panic!("{error}"),
                    _ => return None,
                };
                Some(name)
            })
            .await;
        missing.retain(|other| *other != name);
    }
    eprintln!("{details} details");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_rights_is_told_so_and_not_that_the_server_is_down() {
    let Some(endpoints) = endpoints("-nobody") else { return };
    let mut seen = Seen::start(endpoints);
    let error = seen
        .until("refusal", |observation| match observation.fact {
            Fact::Failed { error, .. } => Some(error),
            Fact::Answered { .. } => panic!("it is not permitted to ask"),
            _ => None,
        })
        .await;
    eprintln!("{error}");
    assert_eq!(error.kind, crate::domain::freshness::ErrorKind::Forbidden);
}
