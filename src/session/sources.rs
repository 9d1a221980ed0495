//! Starts every observer. Each is a task that keeps itself alive; all of them end when nobody listens any more. None of
//! them has a client that could write: those are built in `world`, for a run alone.

use super::pod_metrics::PodMetrics;
use super::setup::Setup;
use crate::adapters::kubernetes::{self, Observe, Wanted};
use crate::adapters::{dns, postgres, prometheus};
use crate::domain::fleet::Fleet;
use crate::domain::observation::Observation;
use crate::domain::region::{PerSide, Side};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Observations on their way to the picture. A full queue makes watches wait, and so the servers; a thousand is half a
/// second of the busiest pair that is planned for (1,000 changes a second in both regions together).
const OBSERVATIONS_MAX: usize = 1024;

/// The running observers, and what they can be told.
pub struct Sources {
    /// What they tell.
    pub observations: mpsc::Receiver<Observation>,
    wanted: PerSide<watch::Sender<Wanted>>,
    replicas: PerSide<watch::Sender<Option<u32>>>,
    hurry: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Sources {
    /// Starts them.
    #[must_use]
    pub fn start(setup: &Setup) -> Sources {
        let (out, observations) = mpsc::channel(OBSERVATIONS_MAX);
        let wanted = PerSide::new(watch::Sender::new(Wanted::default()), watch::Sender::new(Wanted::default()));
        let replicas = PerSide::new(watch::Sender::new(None), watch::Sender::new(None));
        let hurry = watch::Sender::new(false);
        let mut tasks = JoinSet::new();
        for side in Side::BOTH {
            region(setup, side, &out, wanted.get(side), replicas.get(side), &hurry, &mut tasks);
        }
        if let Some(endpoints) = setup.endpoints.dns.clone() {
            tasks.spawn(dns::observe(endpoints, setup.endpoints.intervals, out));
        }
        Sources { observations, wanted, replicas, hurry, tasks }
    }

    /// Tells the observers what the operator looks at.
    pub fn want(&self, side: Side, wanted: Wanted) {
        self.wanted.get(side).send_if_modified(|before| {
            let changed = *before != wanted;
            *before = wanted;
            changed
        });
    }

    /// Archive counts are read at the pace of the probes: a canary's row is awaited.
    pub fn hurry(&self, hurry: bool) {
        self.hurry.send_if_modified(|before| std::mem::replace(before, hurry) != hurry);
    }

    /// Passes on what one observer's facts mean for another: how many controllers are to be scraped.
    pub fn feed_back(&self, fleet: &Fleet) {
        for side in Side::BOTH {
            let wanted = fleet.region(side).live_controllers(fleet.now).map(|controllers| controllers.wanted());
            self.replicas.get(side).send_if_modified(|before| std::mem::replace(before, wanted) != wanted);
        }
    }

    /// Ends them at once.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

fn region(
    setup: &Setup,
    side: Side,
    out: &mpsc::Sender<Observation>,
    wanted: &watch::Sender<Wanted>,
    replicas: &watch::Sender<Option<u32>>,
    hurry: &watch::Sender<bool>,
    tasks: &mut JoinSet<()>,
) {
    let endpoints = setup.endpoints.regions.get(side).clone();
    let intervals = setup.endpoints.intervals;
    let (monitor, operator) = (endpoints.database.clone(), endpoints.operator.clone());
    tasks.spawn(postgres::observe(side, monitor, operator, intervals, out.clone(), hurry.subscribe()));
    let proxy: Arc<dyn prometheus::PodProxy> = Arc::new(PodMetrics::new(endpoints.clone(), intervals.timeout));
    let metrics = endpoints.metrics.clone();
    tasks.spawn(prometheus::observe(side, metrics, Some(proxy), intervals, out.clone(), replicas.subscribe()));
    tasks.spawn(kubernetes::observe(Observe {
        endpoints,
        side,
        environment: setup.policy.environment.clone(),
        canary_namespace: Some(setup.policy.canary.namespace.clone()),
        intervals,
        out: out.clone(),
        wanted: wanted.subscribe(),
    }));
}
