//! The layer below everything else that talks to an API server. A client built read-only cannot write: what is not a
//! read is refused here, before a byte is sent, whatever the code above asks for.

use http::{Method, Request};
use kube::client::Body;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower::{BoxError, Service};

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reads, watches and the questions of `REVIEWS`.
    ReadOnly,
    /// Writes too.
    MayWrite,
}

/// The only POSTs that change nothing: questions about ourselves.
pub const REVIEWS: [&str; 3] = [
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
    "/apis/authentication.k8s.io/v1/selfsubjectreviews",
];

/// A request that a read-only client was asked to send.
#[derive(Debug, thiserror::Error)]
#[error("this console is read-only: {method} {path} was not sent")]
pub struct ReadOnlyRefused {
    /// Method.
    pub method: String,
    /// Path, without its query.
    pub path: String,
}

/// Whether a read-only client may send this. `path` is relative to the server's own base path.
///
/// A GET is not always a read: `exec`, `attach` and `portforward` are GETs that upgrade to a stream into a container, and
/// a GET through `proxy` reaches whatever the pod serves; of those only the two that Argo documents pass.
#[must_use]
pub fn is_read(method: &Method, path: &str, upgrades: bool) -> bool {
    if *method == Method::POST {
        return REVIEWS.contains(&path);
    }
    if (*method != Method::GET && *method != Method::HEAD) || upgrades {
        return false;
    }
    let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
    while let Some(part) = parts.next() {
        match part {
            "exec" | "attach" | "portforward" if parts.peek().is_none() => return false,
            "proxy" => return matches!((parts.next(), parts.next()), (Some("metrics" | "healthz"), None)),
            _ => {}
        }
    }
    true
}

/// The layer itself.
#[derive(Debug, Clone)]
pub struct Guard<S> {
    access: Access,
    /// Path of the server's URL, which stands before every request's path; without a trailing slash.
    base: String,
    inner: S,
}

impl<S> Guard<S> {
    /// Puts the guard before `inner`; `base` is the path of the server's URL.
    pub fn new(access: Access, base: &str, inner: S) -> Guard<S> {
        Guard { access, base: base.trim_end_matches('/').to_owned(), inner }
    }

    fn passes(&self, request: &Request<Body>) -> bool {
        if self.access == Access::MayWrite {
            return true;
        }
        let upgrades = request.headers().contains_key(http::header::UPGRADE);
        let path = request.uri().path();
        path.strip_prefix(self.base.as_str()).is_some_and(|path| is_read(request.method(), path, upgrades))
    }
}

impl<S> Service<Request<Body>> for Guard<S>
where
    S: Service<Request<Body>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if !self.passes(&request) {
            let refused =
                ReadOnlyRefused { method: request.method().to_string(), path: request.uri().path().to_owned() };
            return Box::pin(async move { Err(refused.into()) });
        }
        let answer = self.inner.call(request);
        Box::pin(async move { answer.await.map_err(Into::into) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tower::ServiceExt as _;

    const PATHS: [&str; 14] = [
        "/apis/argoproj.io/v1alpha1/namespaces/ml/workflows",
        "/apis/argoproj.io/v1alpha1/namespaces/ml/workflows/a",
        "/apis/argoproj.io/v1alpha1/namespaces/argo/cronworkflows/nightly",
        "/apis/apps/v1/namespaces/argo/deployments/workflow-controller/scale",
        "/apis/coordination.k8s.io/v1/namespaces/argo/leases/leeward-prod",
        "/api/v1/namespaces/argo/pods/p/eviction",
        "/api/v1/namespaces/argo/serviceaccounts/default/token",
        "/api/v1/nodes/n",
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        "/apis/authentication.k8s.io/v1/tokenreviews",
        "/version",
    ];

    /// Sends through the guard; `true` when it reached the service below.
    async fn reaches(access: Access, base: &str, method: &str, path: &str, upgrade: bool) -> bool {
        let reached = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&reached);
        let below = tower::service_fn(move |_: Request<Body>| {
            count.fetch_add(1, Ordering::SeqCst);
            async { Ok::<_, BoxError>(()) }
        });
        let mut request = Request::builder().method(method).uri(format!("https://server{base}{path}"));
        if upgrade {
            request = request.header("upgrade", "websocket");
        }
        let answer = Guard::new(access, base, below).oneshot(request.body(Body::empty()).unwrap()).await;
        if let Err(error) = &answer {
            assert!(error.is::<ReadOnlyRefused>(), "{error}");
        }
        assert_eq!(answer.is_ok(), reached.load(Ordering::SeqCst) == 1);
        answer.is_ok()
    }

    #[tokio::test]
    async fn every_verb_on_every_path() {
        for base in ["", "/k8s/clusters/c-1"] {
            for path in PATHS {
                for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "ODD"] {
                    let read = matches!(method, "GET" | "HEAD") || (method == "POST" && REVIEWS.contains(&path));
                    let reached = reaches(Access::ReadOnly, base, method, path, false).await;
                    assert_eq!(reached, read, "{method} {base}{path}");
                    assert!(reaches(Access::MayWrite, base, method, path, false).await, "{method} {base}{path}");
                }
            }
        }
    }

    #[tokio::test]
    async fn reviews_pass_only_at_their_exact_path() {
        for review in REVIEWS {
            for path in [format!("{review}/"), format!("{review}/x"), format!("/{review}"), format!("/x{review}")] {
                assert!(!reaches(Access::ReadOnly, "", "POST", &path, false).await, "{path}");
            }
            assert!(reaches(Access::ReadOnly, "", "POST", &format!("{review}?dryRun=All"), false).await);
        }
    }

    #[tokio::test]
    async fn gets_that_are_no_reads_are_refused() {
        let pod = "/api/v1/namespaces/argo/pods/p";
        for (path, read) in [
            (format!("{pod}/exec"), false),
            (format!("{pod}/exec?command=sh"), false),
            (format!("{pod}/attach"), false),
            (format!("{pod}/portforward"), false),
            (format!("{pod}/log"), true),
            (format!("{pod}:9090/proxy/metrics"), true),
            (format!("{pod}/proxy"), false),
            (format!("{pod}/proxy/api/v1/workflows"), false),
            ("/api/v1/nodes/n/proxy/run/ns/pod/c".to_owned(), false),
            ("/api/v1/namespaces/argo/services/s/proxy/metrics/x".to_owned(), false),
        ] {
            assert_eq!(reaches(Access::ReadOnly, "", "GET", &path, false).await, read, "{path}");
        }
        assert!(!reaches(Access::ReadOnly, "", "GET", &format!("{pod}/log"), true).await, "an upgrade");
    }
}
