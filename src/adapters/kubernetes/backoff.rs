//! Pauses between tries.

use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Duration;

/// Pause before the next try: doubles from half a second to fifteen, with full jitter, so that many consoles do not come
/// back to a sick server in step.
#[derive(Debug, Default)]
pub struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The next pause.
    pub fn next(&mut self) -> Duration {
        let whole = Duration::from_millis(500).saturating_mul(1 << self.tries.min(5)).min(Duration::from_secs(15));
        self.tries = self.tries.saturating_add(1);
        jitter(whole)
    }

    /// It works again.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

/// Anything from nothing to `whole`. The standard library's hasher keys are random enough for that.
#[must_use]
pub fn jitter(whole: Duration) -> Duration {
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    whole.mul_f64(f64::from(u32::try_from(random >> 32).unwrap_or(0)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_fifteen_seconds_and_are_spread() {
        let mut backoff = Backoff::default();
        let bounds = [500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000];
        for bound in bounds {
            assert!(backoff.next() <= Duration::from_millis(bound));
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(500));
        let spread: std::collections::BTreeSet<Duration> = (0..20).map(|_| jitter(Duration::from_secs(10))).collect();
        assert!(spread.len() > 10, "{spread:?}");
    }
}
