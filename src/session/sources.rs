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
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Observations on their way to the picture. A full queue makes watches wait, and so the servers; a thousand is half a
/// second of the busiest pair that is planned for (1,000 changes a second in both regions together).
const OBSERVATIONS_MAX: usize = 1024;

/// Wait before an observer that panicked is started again: one that does so at once must not cost a whole core.
const START_AGAIN: Duration = Duration::from_secs(1);

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
            let intervals = setup.endpoints.intervals;
            keep(&mut tasks, "names", move || dns::observe(endpoints.clone(), intervals, out.clone()));
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

    /// Archive counts are read at the pace of the probes, since a canary's row is awaited, and silent watches are looked
    /// into sooner, since a proof may wait for what they tell.
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
    let (to, hurried) = (out.clone(), hurry.subscribe());
    keep(tasks, "database", move || {
        postgres::observe(side, monitor.clone(), operator.clone(), intervals, to.clone(), hurried.clone())
    });
    let proxy: Arc<dyn prometheus::PodProxy> = Arc::new(PodMetrics::new(endpoints.clone(), intervals.timeout));
    let (to, metrics, replicas) = (out.clone(), endpoints.metrics.clone(), replicas.subscribe());
    keep(tasks, "metrics", move || {
        let proxy = Some(Arc::clone(&proxy));
        prometheus::observe(side, metrics.clone(), proxy, intervals, to.clone(), replicas.clone())
    });
    let observe = Observe {
        endpoints,
        side,
        environment: setup.policy.environment.clone(),
        canary_namespace: Some(setup.policy.canary.namespace.clone()),
        intervals,
        out: out.clone(),
        wanted: wanted.subscribe(),
        hurry: hurry.subscribe(),
    };
    keep(tasks, "kubernetes", move || kubernetes::observe(observe.clone()));
}

/// Keeps an observer going. One that panics is a mistake in the program; its facts grow old on the screen until it is
/// back, and nothing else ends with it.
fn keep<F>(tasks: &mut JoinSet<()>, name: &'static str, observe: impl Fn() -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    tasks.spawn(async move {
        loop {
            // A set of one, so that it ends with us.
            let mut one = JoinSet::new();
            one.spawn(observe());
            match one.join_next().await {
                Some(Err(error)) if error.is_panic() => {
                    tracing::error!(observer = name, %error, "it is started again");
                    tokio::time::sleep(START_AGAIN).await;
                }
                _ => return,
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn an_observer_that_panics_is_started_again_and_one_that_is_done_is_not() {
        let (starts, (tell, mut told)) = (Arc::new(AtomicUsize::new(0)), mpsc::channel(1));
        let mut tasks = JoinSet::new();
        let count = Arc::clone(&starts);
        keep(&mut tasks, "test", move || {
            let (nth, tell) = (count.fetch_add(1, Ordering::SeqCst), tell.clone());
            async move {
                assert!(nth > 0, "a panic that is part of the test");
                tell.send(nth).await.unwrap();
            }
        });
        assert_eq!(told.recv().await, Some(1));
        assert!(tasks.join_next().await.unwrap().is_ok() && tasks.is_empty());
        assert_eq!(starts.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn an_observer_ends_with_its_set() {
        let (tell, mut told) = mpsc::channel::<()>(1);
        let mut tasks = JoinSet::new();
        keep(&mut tasks, "test", move || {
            let tell = tell.clone();
            async move {
                std::future::pending::<()>().await;
                drop(tell);
            }
        });
        tokio::task::yield_now().await;
        tasks.shutdown().await;
        assert_eq!(told.recv().await, None);
    }
}
