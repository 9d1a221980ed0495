//! Fetches `/metrics` from a URL.
//!
//! Controllers of 3.6 and newer serve it by HTTPS with a certificate of their own making, so any certificate is
//! accepted; in return nothing secret is ever sent, and redirects are not followed.

use std::time::Duration;

use reqwest::{Client, Url, redirect};

use super::BODY_BYTES_MAX;
use crate::adapters::http_error::innermost_cause;
use crate::domain::freshness::{ErrorKind, SourceError};
use crate::domain::text::clean_to;

/// Fetches from one URL, keeping its connection.
#[derive(Debug)]
pub struct Scraper {
    client: Client,
    url: Url,
    place: String,
}

impl Scraper {
    /// A scraper of `url`; no fetch takes longer than `limit`.
    ///
    /// # Errors
    /// The URL is none, or carries a user or a password.
    pub fn new(url: &str, limit: Duration) -> Result<Scraper, SourceError> {
        let wrong = |text: &str| SourceError::new(ErrorKind::NotConfigured, &format!("the metrics URL: {text}"));
        let url = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("neither http nor https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it must carry no user and no password: the server's certificate is not checked"));
        }
        let host = url.host_str().unwrap_or_default();
        let place = url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let client = Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .redirect(redirect::Policy::none())
            .timeout(limit)
            .user_agent(concat!("leeward/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| wrong(&error.to_string()))?;
        Ok(Scraper { client, url, place })
    }

    /// Fetches the text.
    ///
    /// # Errors
    /// What came back instead.
    pub async fn fetch(&self) -> Result<String, SourceError> {
        let mut response = self.client.get(self.url.clone()).send().await.map_err(|e| self.explain(e))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.explain(e))? {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(self.say(ErrorKind::Protocol, "more than 8 MiB of metrics"));
            }
            body.extend_from_slice(&chunk);
        }
        let text = String::from_utf8_lossy(&body);
        if !status.is_success() {
            // Go's servers say here when the scheme is the wrong one.
            let words = clean_to(&text, 80);
            return Err(self.say(ErrorKind::Protocol, &format!("HTTP {}: {words}", status.as_u16())));
        }
        Ok(text.into_owned())
    }

    fn say(&self, kind: ErrorKind, text: &str) -> SourceError {
        SourceError::new(kind, &format!("{}: {text}", self.place))
    }

    fn explain(&self, error: reqwest::Error) -> SourceError {
        let words = innermost_cause(&error);
        let kind = if error.is_timeout() {
            return self.say(ErrorKind::Timeout, "no answer in time");
        } else if error.is_dns() || words.contains("failed to lookup address") {
            ErrorKind::Name
        } else if error.is_connect()
            && (words.contains("tls") || words.contains("certificate") || words.contains("corrupt message"))
        {
            ErrorKind::Tls
        } else if error.is_connect() || error.is_request() || error.is_body() {
            ErrorKind::Unreachable
        } else {
            ErrorKind::Protocol
        };
        self.say(kind, &words)
    }
}
