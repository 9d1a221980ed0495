//! Watches over everything that is observed in one region: starts it, restarts what ends, makes new connections when old
//! ones are dead and reads credentials again when they are refused, and stops it all when nobody listens any more.

use super::backoff::Backoff;
use super::beat::Beat;
use super::call::Server;
use super::client::Dialer;
use super::crons::Crons;
use super::details::{self, Noted};
use super::kind::{Collection, Kind, Tagged};
use super::merge::Merge;
use super::nodes::Nodes;
use super::open_run;
use super::probe;
use super::read_only::Access;
use super::rights::{self, argo_path};
use super::runs::Runs;
use super::templates::Templates;
use super::watch::{Closed, Follow, PACE, Setup};
use crate::domain::Timestamp;
use crate::domain::endpoints::{Intervals, RegionEndpoints};
use crate::domain::freshness::{ErrorKind, Source, SourceError};
use crate::domain::kubernetes::ObjectKey;
use crate::domain::observation::{Change, Fact, Observation, Watched};
use crate::domain::region::Side;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Facts of one watch on their way to the merger. Small: a relist is one of them, and a full one makes the server wait.
const TOLD_MAX: usize = 64;

/// What a part asks of the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The connections may be dead: make new ones.
    FreshConnections,
    /// The credentials were refused: read the kubeconfig again.
    ReadCredentials,
    /// Another cluster answers: forget what was listed.
    StartOver,
}

/// What the operator looks at, so that it is asked for first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Runs on the screen.
    pub runs: Vec<ObjectKey>,
    /// The opened run.
    pub open: Option<ObjectKey>,
}

/// What is observed and for whom.
#[derive(Clone)]
pub struct Observe {
    /// The region.
    pub endpoints: RegionEndpoints,
    /// Its side.
    pub side: Side,
    /// The environment's name, for its lock.
    pub environment: String,
    /// Where the canary is to run, if anywhere.
    pub canary_namespace: Option<String>,
    /// How often.
    pub intervals: Intervals,
    /// Where observations go. Bounded by the caller; when it is full, watches wait and so does the server.
    pub out: mpsc::Sender<Observation>,
    /// What the operator looks at.
    pub wanted: watch::Receiver<Wanted>,
    /// A run is driven: silent watches are looked into sooner, since a proof waits for them.
    pub hurry: watch::Receiver<bool>,
}

/// What every part needs.
#[derive(Clone)]
pub(super) struct Post {
    pub side: Side,
    pub endpoints: Arc<RegionEndpoints>,
    pub environment: Arc<str>,
    pub canary_namespace: Option<Arc<str>>,
    pub intervals: Intervals,
    pub out: mpsc::Sender<Observation>,
    pub servers: watch::Receiver<Server>,
    pub beats: watch::Receiver<Option<Beat>>,
    pub hurry: watch::Receiver<bool>,
    orders: mpsc::Sender<Order>,
}

impl Post {
    /// Tells a fact of now.
    pub async fn tell(&self, fact: Fact) -> Result<(), Closed> {
        self.tell_at(crate::adapters::clock::now(), fact).await
    }

    /// Tells a fact that was true at `at`.
    pub async fn tell_at(&self, at: Timestamp, fact: Fact) -> Result<(), Closed> {
        let observation = Observation { source: Source::Kubernetes(self.side), at, fact };
        self.out.send(observation).await.map_err(|_| Closed)
    }

    /// Asks the supervisor. An order that finds its queue full is not needed: the same one waits there already.
    pub fn order(&self, order: Order) {
        let _ = self.orders.try_send(order);
    }

    /// Waits for a heartbeat that has not been seen here.
    pub async fn next_beat(&mut self) -> Result<(), Closed> {
        loop {
            tokio::select! {
                changed = self.beats.changed() => match changed {
                    Ok(()) if self.beats.borrow_and_update().is_some() => return Ok(()),
                    Ok(()) => {}
                    Err(_) => return Err(Closed),
                },
                () = self.out.closed() => return Err(Closed),
            }
        }
    }

    /// Waits, unless nobody listens any more.
    pub async fn sleep(&self, pause: Duration) -> Result<(), Closed> {
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.out.closed() => Err(Closed),
        }
    }
}

/// Observes a region until `out` closes. It can only read: its client has no way to write.
pub async fn observe(setup: Observe) {
    let out = setup.out.clone();
    let mut backoff = Backoff::default();
    loop {
        let Ok((dialer, server)) = dial(&setup, &mut backoff).await else { return };
        backoff.reset();
        // Only when another cluster answers does it come back here.
        let ended = run(&setup, dialer, server).await;
        if ended.is_err() || out.is_closed() {
            return;
        }
    }
}

/// Tries until there is a client. Each failure is told, so that the console shows why it is blind.
async fn dial(setup: &Observe, backoff: &mut Backoff) -> Result<(Dialer, Server), Closed> {
    loop {
        let began = crate::adapters::clock::now();
        let opened = Dialer::open(&setup.endpoints, Access::ReadOnly, setup.intervals.timeout).await;
        let error = match opened.and_then(|dialer| dialer.dial().map(|server| (dialer, server))) {
            Ok(ready) => return Ok(ready),
            Err(error) => error,
        };
        let fact = Fact::Failed { began, error };
        let observation =
            Observation { source: Source::Kubernetes(setup.side), at: crate::adapters::clock::now(), fact };
        setup.out.send(observation).await.map_err(|_| Closed)?;
        tokio::select! {
            () = tokio::time::sleep(setup.intervals.probe + backoff.next()) => {}
            () = setup.out.closed() => return Err(Closed),
        }
    }
}

/// Everything, until nobody listens (`Err`) or all must begin anew (`Ok`).
async fn run(setup: &Observe, mut dialer: Dialer, server: Server) -> Result<(), Closed> {
    let (servers, servers_seen) = watch::channel(server);
    let (beats, beats_seen) = watch::channel(None);
    // One of each kind of order at most makes sense.
    let (orders, mut ordered) = mpsc::channel(3);
    let post = Post {
        side: setup.side,
        endpoints: Arc::new(setup.endpoints.clone()),
        environment: setup.environment.as_str().into(),
        canary_namespace: setup.canary_namespace.as_deref().map(Into::into),
        intervals: setup.intervals,
        out: setup.out.clone(),
        servers: servers_seen,
        beats: beats_seen,
        hurry: setup.hurry.clone(),
        orders,
    };
    // Dropping the set ends every part.
    let mut parts = JoinSet::new();
    parts.spawn(keep("heartbeat", post.clone(), None, move |post| probe::heartbeat(post, beats.clone())));
    parts.spawn(keep("controllers and lock", post.clone(), None, probe::after_each_beat));
    parts.spawn(keep("identity and rights", post.clone(), None, probe::now_and_then));
    let wanted = setup.wanted.clone();
    parts.spawn(keep("opened run", post.clone(), None, move |post| open_run::follow(post, wanted.clone())));
    parts.spawn(watches(post.clone(), setup.wanted.clone()));
    let mut read_at = Instant::now();
    loop {
        let order = tokio::select! {
            () = setup.out.closed() => return Err(Closed),
            order = ordered.recv() => order.unwrap_or(Order::StartOver),
            () = expiry(dialer.valid_until) => Order::ReadCredentials,
        };
        match order {
            Order::StartOver => return Ok(()),
            Order::FreshConnections => {}
            // A plugin may cost seconds and a person's patience: not more often than every five seconds.
            Order::ReadCredentials if read_at.elapsed() < Duration::from_secs(5) => continue,
            Order::ReadCredentials => {
                read_at = Instant::now();
                match Dialer::open(&setup.endpoints, Access::ReadOnly, setup.intervals.timeout).await {
                    Ok(new) => dialer = new,
                    Err(error) => {
                        // Not before the next refusal: an expiry that has passed must not be asked about at once again.
                        dialer.valid_until = None;
                        post.tell(Fact::Failed { began: crate::adapters::clock::now(), error }).await?;
                    }
                }
            }
        }
        match dialer.dial() {
            Ok(server) => drop(servers.send_replace(server)),
            Err(error) => post.tell(Fact::Failed { began: crate::adapters::clock::now(), error }).await?,
        }
    }
}

/// A minute before the credentials end; never, if they do not.
async fn expiry(valid_until: Option<Timestamp>) {
    match valid_until {
        None => std::future::pending().await,
        Some(at) => {
            let left = crate::domain::since(Timestamp::now(), at).saturating_sub(Duration::from_secs(60));
            tokio::time::sleep(left.max(Duration::from_secs(5))).await;
        }
    }
}

/// Runs a part, and again when it panics or ends while somebody still listens; says so.
async fn keep<F, Fut>(name: &'static str, post: Post, watched: Option<Watched>, part: F)
where
    F: Fn(Post) -> Fut,
    Fut: Future<Output = Closed> + Send + 'static,
{
    let mut backoff = Backoff::default();
    loop {
        let began = Instant::now();
        // A set of one, so that dropping this future ends the part too.
        let mut running = JoinSet::new();
        running.spawn(part(post.clone()));
        let ended = running.join_next().await;
        if post.out.is_closed() {
            return;
        }
        tracing::error!(part = name, ?ended, "a part of the observation ended and is started again");
        let text = format!("observing {name} stopped unexpectedly and was started again");
        let error = SourceError::new(ErrorKind::Protocol, &text);
        let fact = match watched {
            Some(watched) => Fact::WatchFailed(watched, error),
            None => Fact::Failed { began: crate::adapters::clock::now(), error },
        };
        if post.tell(fact).await.is_err() {
            return;
        }
        if began.elapsed() > Duration::from_secs(60) {
            backoff.reset();
        }
        if post.sleep(backoff.next()).await.is_err() {
            return;
        }
    }
}

/// Finds out what may be watched and watches it.
async fn watches(mut post: Post, wanted: watch::Receiver<Wanted>) {
    let scope = loop {
        if post.next_beat().await.is_err() {
            return;
        }
        let server = post.servers.borrow().clone();
        match rights::scope(&server, &post.endpoints, post.canary_namespace.as_deref()).await {
            Ok(scope) => break scope,
            Err(error) if error.lasting() => break post.endpoints.namespaces.clone(),
            Err(error) => tracing::debug!(%error, "what may be watched cannot be asked for"),
        }
    };
    if post.tell(Fact::Scope(scope.clone())).await.is_err() {
        return;
    }
    let argo = |plural: &str| -> Vec<Collection> {
        match scope.as_slice() {
            [] => vec![Collection::all(argo_path(None, plural))],
            some => some.iter().map(|namespace| Collection::all(argo_path(Some(namespace), plural))).collect(),
        }
    };
    let mut templates = argo("workflowtemplates");
    templates.push(Collection::all(argo_path(None, "clusterworkflowtemplates")));
    // Unfinished runs on their way to the part that asks for their details.
    let (notes, noted) = mpsc::channel(TOLD_MAX);
    let mut parts = JoinSet::new();
    parts.spawn(kind::<Crons>("cronworkflows", post.clone(), argo("cronworkflows"), None));
    parts.spawn(kind::<Templates>("workflowtemplates", post.clone(), templates, None));
    parts.spawn(kind::<Nodes>("nodes", post.clone(), vec![Collection::all("/api/v1/nodes")], None));
    parts.spawn(kind::<Runs>("workflows", post.clone(), argo("workflows"), Some(notes)));
    let noted = Arc::new(tokio::sync::Mutex::new(noted));
    parts.spawn(keep("details of runs", post, None, move |post| {
        let (noted, wanted) = (Arc::clone(&noted), wanted.clone());
        async move { details::fetch(post, &mut *noted.lock().await, wanted).await }
    }));
    while parts.join_next().await.is_some() {}
}

async fn kind<K: Kind>(
    name: &'static str,
    post: Post,
    collections: Vec<Collection>,
    notes: Option<mpsc::Sender<Noted>>,
) {
    keep(name, post, Some(K::WATCHED), move |post| follow_all::<K>(post, collections.clone(), notes.clone())).await;
}

/// Follows every collection of a kind and tells their merged changes.
async fn follow_all<K: Kind>(post: Post, collections: Vec<Collection>, notes: Option<mpsc::Sender<Noted>>) -> Closed {
    let (out, mut told) = mpsc::channel::<Tagged<K>>(TOLD_MAX);
    let mut merge = Merge::<K>::new(collections.len());
    let mut loops = JoinSet::new();
    for (index, collection) in collections.into_iter().enumerate() {
        let (servers, beats, hurry) = (post.servers.clone(), post.beats.clone(), post.hurry.clone());
        let setup = Setup { collection, index, servers, beats, hurry, out: out.clone(), pace: PACE };
        loops.spawn(Follow::<K>::new(setup).run());
    }
    drop(out);
    loop {
        tokio::select! {
            // A loop that panicked: end, so that all of this kind begins anew.
            Some(_) = loops.join_next() => return Closed,
            () = post.out.closed() => return Closed,
            next = told.recv() => {
                let Some((index, told)) = next else { return Closed };
                for (at, fact) in merge.take(index, told, crate::adapters::clock::now()) {
                    if let (Some(notes), Some(note)) = (&notes, note_of(&fact)) {
                        // Nobody fetches details any more only when everything ends.
                        let _ = notes.send(note).await;
                    }
                    if post.tell_at(at, fact).await.is_err() {
                        return Closed;
                    }
                }
            }
        }
    }
}

fn note_of(fact: &Fact) -> Option<Noted> {
    let Fact::Runs(change) = fact else { return None };
    Some(match change {
        Change::Reset(rows) => {
            let unfinished = rows.iter().filter(|(_, row)| !row.phase.finished());
            Noted::All(unfinished.map(|(key, row)| (key.clone(), row.uid.clone())).collect())
        }
        Change::Apply(key, row) if row.phase.finished() => Noted::Gone(key.clone()),
        Change::Apply(key, row) => Noted::Seen(key.clone(), row.uid.clone()),
        Change::Delete(key) => Noted::Gone(key.clone()),
    })
}
