//! A running region: its driver and its plain metrics port. Dropping it ends both.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, PoisonError},
    time::Duration,
};

use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
};

use super::{
    super::kube::{ApiFault, Kubelet, Store},
    archive::Archive,
    driver::{Driver, Order, Shared},
    timing::Timing,
    traffic::Traffic,
};

/// How a region is to be run.
pub struct RegionOptions {
    /// The objects; see [`super::seed_region`].
    pub store: Store,
    /// Where finished workflows are archived; none: they are not.
    pub archive: Option<Arc<dyn Archive>>,
    /// The region's times.
    pub timing: Timing,
    /// How lively it is.
    pub traffic: Traffic,
    /// The faults of its API server: a silent or dead one cuts the whole control plane off. See
    /// `ApiServer::fault_watch`.
    pub fault: Option<watch::Receiver<ApiFault>>,
    /// Version of the controllers, `v4.0.5`.
    pub version: String,
}

impl RegionOptions {
    /// Options of a lively region in real time, without an archive.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            archive: None,
            timing: Timing::real(),
            traffic: Traffic { every: Some(Duration::from_secs(45)) },
            fault: None,
            version: super::seed::ARGO_VERSION.to_owned(),
        }
    }
}

/// Why a region did not start.
#[derive(Debug, thiserror::Error)]
pub enum RegionError {
    /// No port for the metrics.
    #[error("listening for metrics on loopback: {0}")]
    Listen(#[from] io::Error),
    /// No controller leads after some time.
    #[error("its workflow controller did not come up")]
    NotWorking,
}

/// A running region.
pub struct Region {
    shared: Arc<Shared>,
    metrics: SocketAddr,
    orders: mpsc::Sender<Order>,
    tasks: [JoinHandle<()>; 2],
}

/// A first controller is up within a second: nobody else holds the Lease.
const SETTLE: Duration = Duration::from_secs(60);

/// Orders that may wait: a click or two ahead of a tick.
const ORDERS: usize = 8;

impl Region {
    /// Starts a region over seeded objects. Must be called within a tokio runtime.
    pub async fn start(options: RegionOptions) -> Result<Self, RegionError> {
        let shared = Arc::new(Shared::new(options.store, &options.version, options.archive));
        // The port is chosen now and opened when a controller is up.
        let metrics = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?;
        let (orders, incoming) = mpsc::channel(ORDERS);
        let driver = Driver::new(Arc::clone(&shared), options.timing, options.fault, options.traffic, incoming);
        let tasks = [tokio::spawn(driver.run()), tokio::spawn(serve(Arc::clone(&shared), metrics))];
        Ok(Self { shared, metrics, orders, tasks })
    }

    /// The kubelets, for `ApiServer::set_kubelet`.
    pub fn kubelet(&self) -> Arc<dyn Kubelet> {
        Arc::clone(&self.shared) as Arc<dyn Kubelet>
    }

    /// `http://127.0.0.1:port/metrics` of the leading controller; refused while none is up.
    pub fn metrics_url(&self) -> String {
        format!("http://{}/metrics", self.metrics)
    }

    /// Waits until a controller leads and works, as in a region that has been there for weeks.
    ///
    /// # Errors
    /// It takes far longer than even a busy machine needs.
    pub async fn settle(&self) -> Result<(), RegionError> {
        let mut works = self.shared.works.subscribe();
        let settled = tokio::time::timeout(SETTLE, works.wait_for(|works| *works)).await;
        if matches!(settled, Ok(Ok(_))) { Ok(()) } else { Err(RegionError::NotWorking) }
    }

    /// Puts another archive in place; a running controller uses it for its next write.
    pub fn set_archive(&self, archive: Option<Arc<dyn Archive>>) {
        *self.shared.archive.write().unwrap_or_else(PoisonError::into_inner) = archive;
    }

    /// Kills the controllers' processes (exit code 137); the kubelet starts them again with its back-off.
    pub fn crash_controllers(&self) {
        // A full queue holds the same order already.
        let _ = self.orders.try_send(Order::CrashControllers);
    }

    /// Ends the region and waits until its port is closed.
    pub async fn stop(mut self) {
        for task in &mut self.tasks {
            task.abort();
            // The only outcomes are "cancelled" and "done already".
            let _ = task.await;
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Scrapes at once; beyond that somebody leaks connections.
const SCRAPES: usize = 32;

async fn serve(shared: Arc<Shared>, address: SocketAddr) {
    let mut up = shared.up.subscribe();
    loop {
        if up.wait_for(|up| *up).await.is_err() {
            return;
        }
        let Ok(listener) = TcpListener::bind(address).await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let mut scrapes = JoinSet::new();
        loop {
            tokio::select! {
                ended = up.wait_for(|up| !*up) => match ended {
                    // The process is gone, and its port with it.
                    Ok(_) => break,
                    Err(_) => return,
                },
                accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                    while scrapes.try_join_next().is_some() {}
                    if scrapes.len() < SCRAPES {
                        scrapes.spawn(scrape(Arc::clone(&shared), stream));
                    }
                },
            }
        }
    }
}

async fn scrape(shared: Arc<Shared>, stream: TcpStream) {
    let service = service_fn(move |request: Request<Incoming>| {
        let text = (request.uri().path() == "/metrics").then(|| shared.metrics()).flatten();
        let found = text.is_some();
        let mut response =
            Response::new(Full::new(Bytes::from(text.unwrap_or_else(|| "404 page not found\n".to_owned()))));
        if !found {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        let plain = http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, plain);
        async move { Ok::<_, Infallible>(response) }
    });
    // An error here is a scraper that went away.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
