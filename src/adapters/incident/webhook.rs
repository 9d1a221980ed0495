//! A generic webhook: one event as JSON in the shape of CloudEvents 1.0, signed, under an idempotency key.
//!
//! The same effect is the same body under the same key, whenever it is sent, so that a receiver tells a retry from a
//! second event. That is why the optional `time` is not in the body: the moment of sending is in the `Date` header, and
//! in the signature.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client, StatusCode, header, redirect};
use serde_json::json;
use sha2::Sha256;
use tokio::time::sleep;

use crate::adapters::http_error::innermost_cause;
use crate::adapters::pace::{Deadline, spread};
use crate::adapters::password;
use crate::domain::Timestamp;
use crate::domain::effect::{Effect, EffectHash, Outcome};
use crate::domain::endpoints::WebhookEndpoint;
use crate::domain::text::clean_to;

/// Tries in all: the first and two more after 429 and 5xx.
const TRIES: u32 = 3;

/// Pause before the second try, doubled before the third, half of it spread. A receiver may ask for a longer one.
const PAUSE: Duration = Duration::from_millis(500);

/// Longest wait for a connection. What ends here was never sent.
const CONNECT_MAX: Duration = Duration::from_secs(3);

/// Bytes read of an answer, and characters of it that are quoted.
const ANSWER_BYTES_MAX: usize = 4096;
const ANSWER_CHARS_MAX: usize = 120;

/// The header that carries the signature: `t=<seconds since 1970>,v1=<hex>`.
const SIGNATURE: &str = "leeward-signature";

/// Sends notifications to the configured receivers.
#[derive(Debug)]
pub struct Notifier {
    client: Client,
    receivers: Vec<WebhookEndpoint>,
    /// Who speaks: the CloudEvents `source`.
    source: String,
}

/// What became of one try.
enum Try {
    /// It is settled.
    Settled(Outcome),
    /// Perhaps later, not before this pause; otherwise this is the outcome.
    Later(Option<Duration>, Outcome),
}

/// One event, ready to be sent any number of times.
struct Event {
    key: String,
    body: String,
}

impl Notifier {
    /// A notifier for these receivers, speaking for `environment`.
    ///
    /// # Errors
    /// The TLS of this machine cannot be set up.
    pub fn new(receivers: Vec<WebhookEndpoint>, environment: &str) -> Result<Notifier, String> {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_MAX)
            .user_agent(concat!("leeward/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("cannot set up notifications: {}", innermost_cause(&error)))?;
        Ok(Notifier { client, receivers, source: format!("/leeward/{environment}") })
    }

    /// Performs an effect within `deadline`.
    pub async fn perform(&self, effect: &Effect, deadline: Duration) -> Outcome {
        let deadline = Deadline::within(deadline);
        let Effect::Notify { receiver, dedup_key, summary, details } = effect else {
            return Outcome::NotSent { reason: "this is no notification".to_owned() };
        };
        let Some(endpoint) = self.receivers.iter().find(|endpoint| endpoint.name == *receiver) else {
            return Outcome::NotSent { reason: format!("no receiver is called {receiver}") };
        };
        let event = event(effect, &self.source, dedup_key, summary, details);
        let mut pause = PAUSE;
        for left in (0..TRIES).rev() {
            let (asked, outcome) = match self.send(endpoint, &event, deadline).await {
                Try::Settled(outcome) => return outcome,
                Try::Later(asked, outcome) => (asked, outcome),
            };
            let wait = pause.mul_f64(0.5 + spread() / 2.0).max(asked.unwrap_or_default());
            if left == 0 || wait >= deadline.left() {
                return outcome;
            }
            sleep(wait).await;
            pause *= 2;
        }
        Outcome::NotSent { reason: "not tried".to_owned() }
    }

    async fn send(&self, endpoint: &WebhookEndpoint, event: &Event, deadline: Deadline) -> Try {
        let not_sent = |reason: String| Try::Settled(Outcome::NotSent { reason });
        let secret = match password::fetch(&endpoint.secret).await {
            Ok(secret) => secret,
            Err(error) => return not_sent(format!("{}: {error}", endpoint.name)),
        };
        let now = Timestamp::now();
        let mut request = self
            .client
            .post(&endpoint.url)
            .header(header::CONTENT_TYPE, "application/cloudevents+json; charset=utf-8")
            .header(header::DATE, now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
            .header("idempotency-key", &event.key)
            .body(event.body.clone());
        if let Some(secret) = secret {
            let seconds = now.as_second();
            let hex = signature(secret.reveal().as_bytes(), seconds, event.body.as_bytes());
            request = request.header(SIGNATURE, format!("t={seconds},v1={hex}"));
        }
        let left = deadline.left();
        if left.is_zero() {
            return not_sent(format!("{}: its time was over before it could be sent", endpoint.name));
        }
        match request.timeout(left).send().await {
            Ok(response) => judge(&endpoint.name, response).await,
            Err(error) => lost(&endpoint.name, &error),
        }
    }
}

/// The event. Its id and its key are made of the effect, so that they are the same in every process that sends it.
fn event(effect: &Effect, source: &str, dedup_key: &str, summary: &str, details: &[(String, String)]) -> Event {
    let key = EffectHash::of(std::slice::from_ref(effect)).0;
    let details: serde_json::Map<String, serde_json::Value> =
        details.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let body = json!({
        "specversion": "1.0",
        "type": "dev.leeward.run.notice",
        "source": source,
        "id": key,
        "subject": dedup_key,
        "datacontenttype": "application/json",
        "data": { "dedup_key": dedup_key, "summary": summary, "details": details },
    });
    Event { key, body: body.to_string() }
}

/// HMAC-SHA256 over `<timestamp>.<body>` in hex: a receiver that keeps the timestamp can tell a replay.
#[must_use]
pub fn signature(key: &[u8], seconds: i64, body: &[u8]) -> String {
    // A key of any length is taken (RFC 2104 section 2).
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What an answer means.
async fn judge(name: &str, response: reqwest::Response) -> Try {
    let status = response.status();
    if status.is_success() {
        let reply = format!("{name} took it (HTTP {})", status.as_u16());
        return Try::Settled(Outcome::Done { reply, previous: None });
    }
    let asked = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let asked = asked.map(Duration::from_secs);
    let reason = format!("{name}: HTTP {}{}", status.as_u16(), quote(response).await);
    match status {
        // Both say that it was not taken.
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Try::Later(asked, Outcome::Refused { reason })
        }
        // Whether it was taken before it went wrong is not said.
        status if status.is_server_error() => Try::Later(asked, Outcome::Unknown { reason }),
        _ => Try::Settled(Outcome::Refused { reason }),
    }
}

/// The beginning of what an error page says, cleaned.
async fn quote(mut response: reqwest::Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER_BYTES_MAX
        && let Ok(Some(chunk)) = response.chunk().await
    {
        bytes.extend(chunk.iter().take(ANSWER_BYTES_MAX - bytes.len()));
    }
    let text = clean_to(&String::from_utf8_lossy(&bytes), ANSWER_CHARS_MAX);
    if text.is_empty() { text } else { format!(": {text}") }
}

/// What it means that no answer came.
fn lost(name: &str, error: &reqwest::Error) -> Try {
    let reason = format!("{name}: {}", innermost_cause(error));
    if error.is_connect() || error.is_builder() {
        return Try::Later(None, Outcome::NotSent { reason });
    }
    if error.is_timeout() {
        return Try::Settled(Outcome::Unknown { reason: format!("{name}: it was sent, and no answer came in time") });
    }
    Try::Settled(Outcome::Unknown { reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_hmac_sha256() {
        // The same by `printf '1732000000.{}' | openssl dgst -sha256 -hmac key`.
        let hex = signature(b"key", 1_732_000_000, b"{}");
        assert_eq!(hex, "6368c6d930d348770b732fc324b81a05e201aef436187b52c8071e23b29d7e21");
        assert_ne!(hex, signature(b"key", 1_732_000_001, b"{}"), "the moment is signed, too");
    }

    #[test]
    fn the_same_effect_is_the_same_event() {
        let effect = |summary: &str| Effect::Notify {
            receiver: "ops".to_owned(),
            dedup_key: "leeward/prod/r1".to_owned(),
            summary: summary.to_owned(),
            details: vec![("run".to_owned(), "r1".to_owned())],
        };
        let of = |effect: &Effect| match effect {
            Effect::Notify { dedup_key, summary, details, .. } => {
                event(effect, "/leeward/prod", dedup_key, summary, details)
            }
            _ => unreachable!(),
        };
        let (one, same, other) = (of(&effect("a")), of(&effect("a")), of(&effect("b")));
        assert_eq!((&one.key, &one.body), (&same.key, &same.body));
        assert_ne!(one.key, other.key);
    }
}
