//! How a connection to an API server is made: direct or through a proxy, and within a time limit that covers the TLS
//! handshake too. A stopped server's kernel still accepts connections, so a limit on TCP alone would wait for ever.

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tower::{BoxError, Service};

type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// The way to the server.
#[derive(Clone)]
pub enum Route {
    /// Straight.
    Direct(HttpConnector),
    /// By CONNECT through an HTTP proxy.
    Tunnel(Box<Tunnel<HttpConnector>>),
    /// Through a SOCKS 5 proxy.
    Socks(Box<SocksV5<HttpConnector>>),
}

/// A proxy of a kind that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("proxy {0}: only http:// and socks5:// proxies can be used")]
pub struct ProxyUnusable(String);

impl Route {
    /// The way to `server`: through the cluster's own `proxy-url`, else as HTTPS_PROXY and NO_PROXY say. As client-go
    /// does, a loopback address is never asked of the environment's proxy.
    ///
    /// # Errors
    /// The proxy is of a kind that cannot be used.
    pub fn to(server: &Uri, cluster_proxy: Option<&Uri>, connect_timeout: Duration) -> Result<Route, ProxyUnusable> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout));
        tcp.set_keepalive(Some(Duration::from_secs(15)));
        // A line that was cut without a word: what was written and not acknowledged for this long ends the connection.
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(Duration::from_secs(30)));
        let environment =
            || Matcher::from_env().intercept(server).map(|found| (found.uri().clone(), found.basic_auth().cloned()));
        let proxy = match cluster_proxy {
            Some(proxy) => Some((proxy.clone(), None)),
            None if loopback(server) => None,
            None => environment(),
        };
        let Some((proxy, auth)) = proxy else { return Ok(Route::Direct(tcp)) };
        match proxy.scheme_str() {
            Some("http") => {
                let mut tunnel = Tunnel::new(proxy, tcp);
                if let Some(auth) = auth {
                    tunnel = tunnel.with_auth(auth);
                }
                Ok(Route::Tunnel(Box::new(tunnel)))
            }
            Some("socks5" | "socks5h") => Ok(Route::Socks(Box::new(SocksV5::new(proxy, tcp)))),
            // Host and port only: the rest of a proxy's URL may hold a password.
            _ => Err(ProxyUnusable(proxy.host().unwrap_or("of an unknown host").to_owned())),
        }
    }
}

fn loopback(server: &Uri) -> bool {
    let host = server.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Service<Uri> for Route {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Route::Direct(tcp) => tcp.poll_ready(context).map_err(Into::into),
            Route::Tunnel(tunnel) => tunnel.poll_ready(context).map_err(Into::into),
            Route::Socks(socks) => socks.poll_ready(context).map_err(Into::into),
        }
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        match self {
            Route::Direct(tcp) => boxed(tcp.call(server)),
            Route::Tunnel(tunnel) => boxed(tunnel.call(server)),
            Route::Socks(socks) => boxed(socks.call(server)),
        }
    }
}

fn boxed<T, E: Into<BoxError>>(connecting: impl Future<Output = Result<T, E>> + Send + 'static) -> Connecting<T> {
    Box::pin(async move { connecting.await.map_err(Into::into) })
}

/// The connection, TLS included, was not made in time. Nothing of a request has been sent.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no connection in {} s", .0.as_secs_f32())]
pub struct ConnectTimedOut(pub Duration);

/// A connector with a limit over everything that the inner one does.
#[derive(Clone)]
pub struct Patient<C> {
    inner: C,
    limit: Duration,
}

impl<C> Patient<C> {
    /// Limits `inner` to `limit`.
    pub fn new(inner: C, limit: Duration) -> Patient<C> {
        Patient { inner, limit }
    }
}

impl<C> Service<Uri> for Patient<C>
where
    C: Service<Uri>,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Connecting<C::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let (connecting, limit) = (self.inner.call(server), self.limit);
        Box::pin(async move {
            match tokio::time::timeout(limit, connecting).await {
                Ok(connected) => connected.map_err(Into::into),
                Err(_) => Err(ConnectTimedOut(limit).into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_by_scheme() {
        let server = Uri::from_static("https://10.0.0.1:6443");
        for (proxy, expected) in [("http://p:3128", "tunnel"), ("socks5://p:1080", "socks"), ("https://u:pw@p", "no")] {
            let proxy = Uri::from_static(proxy);
            let route = match Route::to(&server, Some(&proxy), Duration::from_secs(1)) {
                Ok(Route::Direct(_)) => "direct".to_owned(),
                Ok(Route::Tunnel(_)) => "tunnel".to_owned(),
                Ok(Route::Socks(_)) => "socks".to_owned(),
                Err(error) => {
                    assert!(!error.to_string().contains("pw"), "{error}");
                    "no".to_owned()
                }
            };
            assert_eq!(route, expected, "{proxy}");
        }
    }

    #[test]
    fn loopback_is_known_by_address_and_name() {
        for (server, expected) in [
            ("https://127.0.0.1:6443", true),
            ("https://[::1]:6443", true),
            ("https://localhost", true),
            ("https://10.0.0.1", false),
        ] {
            assert_eq!(loopback(&Uri::from_static(server)), expected, "{server}");
        }
    }
}
