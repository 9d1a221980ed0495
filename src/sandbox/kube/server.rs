//! The simulated API server: the handle, the listener and the connections. Not pure: sockets, TLS and tasks. All tasks
//! belong to one set that dies with the handle.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt::Write as _,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use hyper::{rt::Executor, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use super::{
    access::User,
    fault::{ApiFault, FaultStream},
    handlers,
    kubeconfig::{Cluster, kubeconfig},
    kubelet::Kubelet,
    random,
    store::Store,
    tls::{self, TlsError},
};

/// At most this many connections at once. A console holds a handful, kubectl one; beyond that somebody leaks.
const CONNECTIONS: usize = 512;

/// How a server is to be started.
#[derive(Clone, Debug)]
pub struct ApiServerOptions {
    /// The region's name; it stands in the certificates and in the kubeconfig.
    pub region: String,
    /// A fixed port, or 0 for any.
    pub port: u16,
    /// The objects.
    pub store: Store,
    /// How often a watch that wants bookmarks gets one. A real server: about once a minute.
    pub bookmark_every: Duration,
    /// How long a watch without `timeoutSeconds` lives. A real server: 30 to 60 minutes.
    pub watch_timeout: Duration,
    /// Whether `sendInitialEvents` is served. Without it it is refused with 422, as by a server whose WatchList gate is
    /// off, and clients fall back to a list.
    pub watch_list: bool,
}

impl ApiServerOptions {
    /// The options of a server that behaves like a real one of Kubernetes 1.33.
    pub fn new(region: &str, store: Store) -> Self {
        Self {
            region: region.to_owned(),
            port: 0,
            store,
            bookmark_every: Duration::from_secs(60),
            watch_timeout: Duration::from_secs(45 * 60),
            watch_list: true,
        }
    }
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ApiServerError {
    /// No certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No port.
    #[error("listening on loopback: {0}")]
    Listen(#[source] io::Error),
    /// No tokens.
    #[error("making bearer tokens: no secure randomness")]
    Randomness,
}

/// What all requests share.
pub(super) struct Shared {
    pub(super) options: ApiServerOptions,
    pub(super) address: SocketAddr,
    pub(super) fault: watch::Receiver<ApiFault>,
    tokens: RwLock<BTreeMap<String, User>>,
    kubelet: RwLock<Option<Arc<dyn Kubelet>>>,
    /// Requests by verb and resource; bounded, since both come from closed sets.
    requests: Mutex<BTreeMap<(String, String), u64>>,
}

impl Shared {
    /// Whose token this is.
    pub(super) fn user(&self, token: &str) -> Option<User> {
        self.tokens.read().unwrap_or_else(PoisonError::into_inner).get(token).copied()
    }

    /// The kubelets, if there are any.
    pub(super) fn kubelet(&self) -> Option<Arc<dyn Kubelet>> {
        self.kubelet.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a request.
    pub(super) fn count(&self, verb: &str, resource: &str) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((verb.to_owned(), resource.to_owned())).or_default() += 1;
    }

    /// What the server shows of itself: the requests it got, by the name that a real one has for that.
    pub(super) fn metrics(&self) -> String {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text =
            "# HELP apiserver_request_total [STABLE] Counter of apiserver requests broken out for each verb \
                        and resource.\n# TYPE apiserver_request_total counter\n"
                .to_owned();
        for ((verb, resource), count) in requests.iter() {
            let (resource, sub) = resource.split_once('/').unwrap_or((resource, ""));
            let verb = verb.to_uppercase();
            let labels = format!("resource=\"{resource}\",subresource=\"{sub}\",verb=\"{verb}\"");
            // Writing to a String cannot fail.
            let _ = writeln!(text, "apiserver_request_total{{{labels}}} {count}");
        }
        text
    }
}

/// A running server. Dropping it ends every task and closes the port.
pub struct ApiServer {
    shared: Arc<Shared>,
    authority: String,
    tokens: Vec<(User, String)>,
    fault: watch::Sender<ApiFault>,
    accepting: JoinHandle<()>,
}

impl ApiServer {
    /// Starts a server on loopback. Must be called within a tokio runtime.
    pub async fn start(options: ApiServerOptions) -> Result<Self, ApiServerError> {
        let certificates = tls::certificates(&options.region)?;
        let listener = listen(options.port).await.map_err(ApiServerError::Listen)?;
        let address = listener.local_addr().map_err(ApiServerError::Listen)?;
        let mut tokens = Vec::new();
        for user in User::ALL {
            tokens.push((user, random::token().ok_or(ApiServerError::Randomness)?));
        }
        let (fault, seen) = watch::channel(ApiFault::None);
        let shared = Arc::new(Shared {
            options,
            address,
            fault: seen,
            tokens: RwLock::new(by_token(&tokens)),
            kubelet: RwLock::new(None),
            requests: Mutex::default(),
        });
        let acceptor = TlsAcceptor::from(certificates.server);
        let accepting = tokio::spawn(accept(Arc::clone(&shared), listener, acceptor));
        Ok(Self { shared, authority: certificates.authority, tokens, fault, accepting })
    }

    /// `https://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("https://{}", self.shared.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// The authority's certificate as PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The bearer token of a user. A secret.
    pub fn token(&self, user: User) -> &str {
        self.tokens.iter().find(|(one, _)| *one == user).map_or("", |(_, token)| token)
    }

    /// The objects.
    pub fn store(&self) -> &Store {
        &self.shared.options.store
    }

    /// What a kubeconfig says of this server; see [`kubeconfig`].
    pub fn cluster(&self) -> Cluster {
        Cluster {
            region: self.shared.options.region.clone(),
            url: self.url(),
            authority: self.authority.clone(),
            tokens: self.tokens.clone(),
        }
    }

    /// The text of a kubeconfig for this server alone. Holds secrets.
    pub fn kubeconfig(&self) -> String {
        kubeconfig(&[self.cluster()])
    }

    /// Makes something wrong with the server, or makes it well again.
    pub fn set_fault(&self, fault: ApiFault) {
        self.fault.send_replace(fault);
    }

    /// What is wrong now.
    pub fn fault(&self) -> ApiFault {
        *self.fault.borrow()
    }

    /// Follows the faults: what lives behind this server is cut off by some of them.
    pub fn fault_watch(&self) -> watch::Receiver<ApiFault> {
        self.fault.subscribe()
    }

    /// Lets every token expire (401), or makes them valid again.
    pub fn expire_credentials(&self, expired: bool) {
        let tokens = if expired { BTreeMap::new() } else { by_token(&self.tokens) };
        *self.shared.tokens.write().unwrap_or_else(PoisonError::into_inner) = tokens;
    }

    /// Puts kubelets behind the server: logs and pod ports.
    pub fn set_kubelet(&self, kubelet: Arc<dyn Kubelet>) {
        *self.shared.kubelet.write().unwrap_or_else(PoisonError::into_inner) = Some(kubelet);
    }

    /// How many requests there were, by verb (as RBAC names it) and resource.
    pub fn requests(&self) -> BTreeMap<(String, String), u64> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the server and waits until its port is closed.
    pub async fn stop(mut self) {
        self.accepting.abort();
        // The only outcomes are "cancelled" and "done already".
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn by_token(tokens: &[(User, String)]) -> BTreeMap<String, User> {
    tokens.iter().map(|(user, token)| (token.clone(), *user)).collect()
}

async fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

/// The set of all tasks of a server. hyper spawns the streams of HTTP/2 through it, so that they too end with it.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl Tasks {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> usize {
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while set.try_join_next().is_some() {}
        set.spawn(task);
        set.len()
    }

    fn abort(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

impl<F> Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        self.spawn(async move {
            future.await;
        });
    }
}

/// Ends the tasks when the accepting task is dropped, wherever it stands.
struct EndTasks(Tasks);

impl Drop for EndTasks {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, acceptor: TlsAcceptor) {
    let mut fault = shared.fault.clone();
    let mut listener = Some(listener);
    let tasks = Tasks::default();
    let _end = EndTasks(tasks.clone());
    loop {
        if *fault.borrow() == ApiFault::Refused {
            listener = None;
            // Each connection's socket is set to reset when it is closed.
            tasks.abort();
            if fault.wait_for(|fault| *fault != ApiFault::Refused).await.is_err() {
                return;
            }
        }
        let Some(open) = &listener else {
            match listen(shared.address.port()).await {
                Ok(open) => listener = Some(open),
                Err(error) => {
                    tracing::warn!(%error, port = shared.address.port(), "sandbox API server cannot listen again");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
            continue;
        };
        tokio::select! {
            changed = fault.changed() => if changed.is_err() { return },
            accepted = open.accept() => match accepted {
                Ok((stream, _)) => {
                    let connection = connection(Arc::clone(&shared), stream, acceptor.clone(), tasks.clone());
                    if tasks.spawn(connection) > CONNECTIONS {
                        tracing::warn!("sandbox API server has too many tasks; connections are dropped");
                        tasks.abort();
                    }
                }
                // Out of file descriptors, most likely: wait for some to be closed.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
}

async fn connection(shared: Arc<Shared>, stream: TcpStream, acceptor: TlsAcceptor, tasks: Tasks) {
    let _ = stream.set_nodelay(true);
    let stream = FaultStream::new(stream, shared.fault.clone());
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(handlers::answer(shared, request).await) }
    });
    let mut builder = auto::Builder::new(tasks);
    builder.http1().timer(TokioTimer::new());
    builder.http2().timer(TokioTimer::new());
    // An error here is a client that went away, or a fault that was asked for.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}
