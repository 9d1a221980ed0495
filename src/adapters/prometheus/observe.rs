//! Scrapes one region's controller until nobody listens any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::parse::parse;
use super::scrape::Scraper;
use crate::adapters::clock;
use crate::adapters::pace::back_off;
use crate::domain::endpoints::{Intervals, MetricsEndpoint};
use crate::domain::freshness::{ErrorKind, Source, SourceError};
use crate::domain::observation::{Fact, Observation};
use crate::domain::region::Side;

/// Fetches the metrics' text from the controller's pod through the API server. Written beside the Kubernetes adapter,
/// which has the client for it.
pub trait PodProxy: Send + Sync {
    /// The text of `/metrics`; None when there is no pod to ask.
    fn metrics(&self) -> BoxFuture<'_, Result<Option<String>, SourceError>>;
}

enum From {
    Url(Scraper),
    Pod(Arc<dyn PodProxy>),
    Nowhere(SourceError),
}

/// Observes the metrics of a region: `Answered` and `Metrics` every metrics interval, or `Failed`.
///
/// `wanted` is the number of replicas that the controllers' Deployments ask for, when it is known. At 0 nobody listens
/// there, and that is an answer: `Metrics(None)`. It is asked all the same, since a controller that still answers is
/// the very thing to be seen. Ends when `out` has no receiver.
pub async fn observe(
    side: Side,
    endpoint: MetricsEndpoint,
    proxy: Option<Arc<dyn PodProxy>>,
    intervals: Intervals,
    out: mpsc::Sender<Observation>,
    mut wanted: watch::Receiver<Option<u32>>,
) {
    let from = match (endpoint, proxy) {
        (MetricsEndpoint::Url(url), _) => Scraper::new(&url, intervals.timeout).map_or_else(From::Nowhere, From::Url),
        (MetricsEndpoint::PodProxy, Some(proxy)) => From::Pod(proxy),
        (MetricsEndpoint::PodProxy, None) => nowhere("there is no way to the controller's pods"),
        (MetricsEndpoint::Off, _) => nowhere("metrics are switched off in the configuration"),
    };
    tokio::select! {
        () = out.closed() => {}
        () = scrape_loop(side, &from, intervals, &out, &mut wanted) => {}
    }
}

fn nowhere(text: &str) -> From {
    From::Nowhere(SourceError::new(ErrorKind::NotConfigured, text))
}

async fn scrape_loop(
    side: Side,
    from: &From,
    intervals: Intervals,
    out: &mpsc::Sender<Observation>,
    wanted: &mut watch::Receiver<Option<u32>>,
) {
    let tell = async |fact| {
        let told = Observation { source: Source::Metrics(side), at: clock::now(), fact };
        let _ = out.send(told).await;
    };
    let mut failures = 0;
    loop {
        let (began, started) = (clock::now(), Instant::now());
        let got = match from {
            From::Url(scraper) => scraper.fetch().await.map(Some),
            From::Pod(proxy) => by_proxy(proxy.as_ref(), intervals.timeout).await,
            From::Nowhere(error) => {
                tell(Fact::Failed { began, error: error.clone() }).await;
                // It will not change while this process runs.
                return std::future::pending().await;
            }
        };
        let off = *wanted.borrow_and_update() == Some(0);
        let fact = match got {
            Ok(Some(text)) => Ok(Some(parse(&text))),
            Ok(None) if off => Ok(None),
            Err(error) if off && silent(&error) => Ok(None),
            Ok(None) => Err(SourceError::new(ErrorKind::Unreachable, "there is no controller pod to ask")),
            Err(error) => Err(error),
        };
        let wait = match fact {
            Ok(sample) => {
                failures = 0;
                tell(Fact::Answered { latency: started.elapsed() }).await;
                tell(Fact::Metrics(sample)).await;
                intervals.metrics.saturating_sub(started.elapsed())
            }
            Err(error) => {
                failures += 1;
                tell(Fact::Failed { began, error }).await;
                back_off(intervals.metrics, failures)
            }
        };
        tokio::select! {
            () = sleep(wait) => {}
            // How many controllers there are to be decides what an answer means: a standby's silence is an error until it
            // is known that there is nobody to answer, and `status` must not wait a whole interval for that.
            () = changed(wanted) => {}
        }
    }
}

async fn changed(wanted: &mut watch::Receiver<Option<u32>>) {
    if wanted.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Nobody answered; an answer that says no is from somebody who is there.
fn silent(error: &SourceError) -> bool {
    matches!(error.kind, ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::Name)
}

async fn by_proxy(proxy: &dyn PodProxy, limit: Duration) -> Result<Option<String>, SourceError> {
    match timeout(limit, proxy.metrics()).await {
        Ok(got) => got,
        Err(_) => Err(SourceError::new(ErrorKind::Timeout, "the controller's pod gave no answer in time")),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn quick() -> Intervals {
        let short = Duration::from_millis(20);
        Intervals { metrics: short, timeout: Duration::from_secs(2), ..Intervals::default() }
    }

    async fn serve(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/metrics", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        url
    }

    async fn first_fact(endpoint: MetricsEndpoint, wanted: Option<u32>) -> Fact {
        let (out, mut told) = mpsc::channel(8);
        let (_keep, wanted) = watch::channel(wanted);
        let task = tokio::spawn(observe(Side::A, endpoint, None, quick(), out, wanted));
        let mut fact = told.recv().await.unwrap().fact;
        if matches!(fact, Fact::Answered { .. }) {
            fact = told.recv().await.unwrap().fact;
        }
        drop(told);
        task.await.unwrap();
        fact
    }

    #[tokio::test]
    async fn an_empty_answer_of_a_standby_is_a_sample_without_numbers() {
        let url = serve("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        let fact = first_fact(MetricsEndpoint::Url(url), Some(1)).await;
        assert_eq!(fact, Fact::Metrics(Some(crate::domain::metrics::MetricsSample::default())));
    }

    #[tokio::test]
    async fn nobody_there_is_a_failure_unless_nobody_is_wanted_there() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = MetricsEndpoint::Url(format!("http://{}/metrics", listener.local_addr().unwrap()));
        drop(listener);
        assert_eq!(first_fact(endpoint.clone(), Some(0)).await, Fact::Metrics(None));
        for wanted in [None, Some(1)] {
            let Fact::Failed { error, .. } = first_fact(endpoint.clone(), wanted).await else { panic!("{wanted:?}") };
            assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
        }
    }

    #[tokio::test]
    async fn a_controller_that_still_answers_is_seen_though_none_is_wanted() {
        let url =
            serve("HTTP/1.1 200 OK\r\ncontent-length: 27\r\nconnection: close\r\n\r\nargo_workflows_is_leader 1\n")
                .await;
        let Fact::Metrics(Some(sample)) = first_fact(MetricsEndpoint::Url(url), Some(0)).await else { panic!() };
        assert_eq!(sample.is_leader, Some(true));
    }

    #[tokio::test]
    async fn a_server_that_says_no_is_quoted_and_bounded() {
        let url = serve(
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 48\r\nconnection: close\r\n\r\nClient sent an HTTP request to an HTTPS server.\u{1b}",
        )
        .await;
        let Fact::Failed { error, .. } = first_fact(MetricsEndpoint::Url(url), None).await else { panic!() };
        assert!(error.text.contains("HTTP 400: Client sent an HTTP request to an HTTPS server."), "{error}");
    }

    #[tokio::test]
    async fn what_is_not_configured_says_so_once() {
        let Fact::Failed { error, .. } = first_fact(MetricsEndpoint::Off, None).await else { panic!() };
        assert_eq!(error.kind, ErrorKind::NotConfigured);
        let secret = MetricsEndpoint::Url("https://user:hunter2@metrics.example/metrics".to_owned());
        let Fact::Failed { error, .. } = first_fact(secret, None).await else { panic!() };
        assert_eq!(error.kind, ErrorKind::NotConfigured);
        assert!(!error.text.contains("hunter2"), "{error}");
    }
}
