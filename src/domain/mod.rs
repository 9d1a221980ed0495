//! Nouns of the product: what was observed, and what may be done. Pure: no clock, no file, no socket.
//!
//! `observation` is the only way in (what a source told us), `fleet` is the one picture made of it, `effect` is the
//! only way out (what may be done to the world). Everything else names the things those three speak of.

pub mod cron;
pub mod database;
pub mod dns;
pub mod effect;
pub mod endpoints;
#[cfg(test)]
pub mod fixtures;
pub mod fleet;
pub mod freshness;
pub mod humane;
pub mod kubernetes;
pub mod memory;
pub mod metrics;
pub mod observation;
pub mod policy;
pub mod problem;
pub mod region;
pub mod secret;
pub mod text;
pub mod units;
pub mod workflow;

/// A moment in time. Always the clock of the machine leeward runs on, unless a field says whose clock it is.
pub use jiff::Timestamp;

use std::time::Duration;

/// Time from `earlier` to `later`; zero when `later` is not later.
#[must_use]
pub fn since(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or(Duration::ZERO)
}
