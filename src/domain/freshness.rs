//! How old is what a source told us, and may it be believed. Every fact on the screen goes through here.

use super::region::Side;
use super::{Timestamp, since, units};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Something that is asked for facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The Kubernetes API server of a region.
    Kubernetes(Side),
    /// The database of a region, as the monitoring user.
    Database(Side),
    /// The metrics of a region's workflow controller.
    Metrics(Side),
    /// The name servers.
    Dns,
}

impl Source {
    /// Every source there is.
    pub const ALL: [Source; 7] = [
        Source::Kubernetes(Side::A),
        Source::Database(Side::A),
        Source::Metrics(Side::A),
        Source::Kubernetes(Side::B),
        Source::Database(Side::B),
        Source::Metrics(Side::B),
        Source::Dns,
    ];

    /// The region it belongs to, if to one.
    #[must_use]
    pub fn side(self) -> Option<Side> {
        match self {
            Source::Kubernetes(side) | Source::Database(side) | Source::Metrics(side) => Some(side),
            Source::Dns => None,
        }
    }

    /// The short word on the screen.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Source::Kubernetes(_) => "api",
            Source::Database(_) => "db",
            Source::Metrics(_) => "metrics",
            Source::Dns => "dns",
        }
    }
}

/// Why a source gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// No answer in time: nothing is known about the other side.
    Timeout,
    /// The machine answered that nobody listens there, or the connection broke.
    Unreachable,
    /// The name could not be resolved.
    Name,
    /// The certificate or the TLS handshake was not accepted.
    Tls,
    /// The credentials were refused.
    Unauthorized,
    /// The credentials are right and not enough.
    Forbidden,
    /// Somebody answered, and it is not who it should be.
    WrongIdentity,
    /// The answer could not be understood, or said that the server is not well.
    Protocol,
    /// Nothing is configured for this source.
    NotConfigured,
}

/// A failed try, in words fit for the screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct SourceError {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// One clean line that says what was tried and what came back. No secrets.
    pub text: String,
}

impl SourceError {
    /// Makes one; `text` is cleaned.
    #[must_use]
    pub fn new(kind: ErrorKind, text: &str) -> SourceError {
        SourceError { kind, text: super::text::clean_to(text, 300) }
    }

    /// The other side answered and refused us: facts may be old, but it lives.
    #[must_use]
    pub fn refused(&self) -> bool {
        matches!(self.kind, ErrorKind::Unauthorized | ErrorKind::Forbidden | ErrorKind::WrongIdentity)
    }
}

/// The verdict on a source's facts at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state", content = "age")]
pub enum Freshness {
    /// Answered within its limit.
    Live(Duration),
    /// Overdue.
    Late(Duration),
    /// Too old to act on.
    Stale(Duration),
    /// Never seen, or we are refused.
    Blind,
}

impl Freshness {
    /// May a gate rest on it.
    #[must_use]
    pub fn usable(self) -> bool {
        matches!(self, Freshness::Live(_) | Freshness::Late(_))
    }

    /// The word on the screen and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Freshness::Live(_) => "LIVE",
            Freshness::Late(_) => "LATE",
            Freshness::Stale(_) => "STALE",
            Freshness::Blind => "BLIND",
        }
    }

    /// Age of the last answer.
    #[must_use]
    pub fn age(self) -> Option<Duration> {
        match self {
            Freshness::Live(age) | Freshness::Late(age) | Freshness::Stale(age) => Some(age),
            Freshness::Blind => None,
        }
    }
}

impl fmt::Display for Freshness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.age() {
            Some(age) => write!(f, "{} {}", self.word(), units::age(age)),
            None => f.write_str(self.word()),
        }
    }
}

/// After which age an answer is late, and after which it is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// LATE from this age on.
    pub late: Duration,
    /// STALE from this age on.
    pub stale: Duration,
}

impl Limits {
    /// Limits for a source that is asked every `interval`: one lost answer is not worth a mark, the third is late,
    /// and five intervals (ten seconds at the usual two) are too old to act on.
    #[must_use]
    pub fn asked_every(interval: Duration) -> Limits {
        Limits { late: interval * 3, stale: interval * 5 }
    }
}

/// What is known about the answers of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceHealth {
    /// When it last answered.
    pub last_answer: Option<Timestamp>,
    /// How long the last answer took.
    pub latency: Option<Duration>,
    /// When the first try failed since the last answer.
    pub failing_since: Option<Timestamp>,
    /// What the newest failed try said. None while it answers.
    pub error: Option<SourceError>,
    /// The times come from an earlier process's notes: until this process has had an answer, they are never fresh.
    pub remembered: bool,
    /// Its limits.
    pub limits: Limits,
}

impl SourceHealth {
    /// A source that has not been asked yet.
    #[must_use]
    pub fn new(limits: Limits) -> SourceHealth {
        SourceHealth { last_answer: None, latency: None, failing_since: None, error: None, remembered: false, limits }
    }

    /// Takes an answer that came at `at`.
    pub fn answered(&mut self, at: Timestamp, latency: Duration) {
        self.last_answer = Some(self.last_answer.map_or(at, |before| before.max(at)));
        self.latency = Some(latency);
        self.failing_since = None;
        self.error = None;
        self.remembered = false;
    }

    /// Takes a failed try that began at `began`: that is the moment from which nothing is known any more.
    pub fn failed(&mut self, began: Timestamp, error: SourceError) {
        self.failing_since.get_or_insert(began);
        self.error = Some(error);
    }

    /// Takes an earlier process's notes, unless this one has had an answer. Its own first failure stands, since nothing
    /// failed between the two that it knows of; the noted one is earlier and starts the outage.
    pub fn recall(&mut self, noted: Heard) {
        if self.last_answer.is_none() {
            self.last_answer = noted.last_answer;
            self.failing_since = noted.failing_since.or(self.failing_since);
            self.remembered = true;
        }
    }

    /// What to note for a later process.
    #[must_use]
    pub fn heard(&self) -> Heard {
        Heard { last_answer: self.last_answer, failing_since: self.failing_since }
    }

    /// The verdict at `now`.
    #[must_use]
    pub fn freshness(&self, now: Timestamp) -> Freshness {
        if self.error.as_ref().is_some_and(SourceError::refused) {
            return Freshness::Blind;
        }
        match self.last_answer {
            None => Freshness::Blind,
            Some(at) => {
                let age = since(at, now);
                if self.remembered || age >= self.limits.stale {
                    Freshness::Stale(age)
                } else if age >= self.limits.late {
                    Freshness::Late(age)
                } else {
                    Freshness::Live(age)
                }
            }
        }
    }

    /// Answers in time at `now`.
    #[must_use]
    pub fn usable(&self, now: Timestamp) -> bool {
        self.freshness(now).usable()
    }
}

/// When a source last answered, and since when it does not: what outlives a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// Last answer.
    pub last_answer: Option<Timestamp>,
    /// First failed try since then.
    pub failing_since: Option<Timestamp>,
}

/// A value with the moment it was true, and whether it comes from this process or from an earlier one's notes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known<T> {
    /// The value.
    pub value: T,
    /// When the source said so.
    pub at: Timestamp,
    /// It was read from the notes of an earlier process and has not been confirmed since.
    #[serde(default)]
    pub remembered: bool,
}

impl<T> Known<T> {
    /// A value seen at `at`.
    pub fn seen(value: T, at: Timestamp) -> Known<T> {
        Known { value, at, remembered: false }
    }

    /// Its age at `now`.
    pub fn age(&self, now: Timestamp) -> Duration {
        since(self.at, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_source_ages_from_live_to_stale_and_is_blind_before_its_first_answer() {
        let mut health = SourceHealth::new(Limits::asked_every(Duration::from_secs(2)));
        assert_eq!(health.freshness(at(100)), Freshness::Blind);
        health.answered(at(100), Duration::from_millis(38));
        for (now, word) in [(100, "LIVE"), (105, "LIVE"), (106, "LATE"), (109, "LATE"), (110, "STALE"), (999, "STALE")]
        {
            assert_eq!(health.freshness(at(now)).word(), word, "at {now}");
        }
    }

    #[test]
    fn the_first_failure_is_kept_until_the_next_answer() {
        let mut health = SourceHealth::new(Limits::asked_every(Duration::from_secs(2)));
        health.answered(at(100), Duration::ZERO);
        health.failed(at(102), SourceError::new(ErrorKind::Timeout, "no answer in 3 s"));
        health.failed(at(107), SourceError::new(ErrorKind::Unreachable, "connection refused"));
        assert_eq!(health.failing_since, Some(at(102)));
        health.answered(at(120), Duration::ZERO);
        assert_eq!((health.failing_since, health.error.clone()), (None, None));
    }

    #[test]
    fn what_an_earlier_process_heard_is_never_fresh_and_starts_the_outage() {
        let mut health = SourceHealth::new(Limits::asked_every(Duration::from_secs(2)));
        health.recall(Heard { last_answer: Some(at(99)), failing_since: Some(at(100)) });
        assert_eq!(health.freshness(at(100)), Freshness::Stale(Duration::from_secs(1)));
        health.failed(at(110), SourceError::new(ErrorKind::Timeout, "no answer"));
        assert_eq!(health.failing_since, Some(at(100)));
        health.answered(at(120), Duration::ZERO);
        assert_eq!(health.freshness(at(120)).word(), "LIVE");
    }

    #[test]
    fn refused_credentials_blind_at_once_whatever_was_seen() {
        let mut health = SourceHealth::new(Limits::asked_every(Duration::from_secs(2)));
        health.answered(at(100), Duration::ZERO);
        health.failed(at(101), SourceError::new(ErrorKind::Unauthorized, "401"));
        assert_eq!(health.freshness(at(101)), Freshness::Blind);
    }
}
