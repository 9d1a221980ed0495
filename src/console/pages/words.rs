//! Words that several pages and panes share: moments, ages of evidence, verdicts. Pure.

use crate::console::row::{Sign, Tone};
use crate::domain::freshness::Freshness;
use crate::domain::units::age;
use crate::domain::{Timestamp, since};
use crate::gates::{Answer, Verdict};

/// A moment as it is read on a wall: `14:09:11`, with the date where it is not today's. Always UTC.
#[must_use]
pub fn moment(at: Timestamp, now: Timestamp) -> String {
    let day = |t: Timestamp| t.strftime("%Y-%m-%d").to_string();
    if day(at) == day(now) { at.strftime("%H:%M:%S").to_string() } else { at.strftime("%Y-%m-%d %H:%M:%S").to_string() }
}

/// Age of the oldest observation that an answer rests on.
#[must_use]
pub fn evidence_age(answer: &Answer, now: Timestamp) -> Option<String> {
    if answer.evidence.iter().any(|evidence| evidence.at.is_none()) {
        return Some("never seen".to_owned());
    }
    let oldest = answer.evidence.iter().filter_map(|evidence| evidence.at).min()?;
    Some(age(since(oldest, now)))
}

/// Sign and tone of a verdict.
#[must_use]
pub fn verdict(verdict: Verdict) -> (Sign, Tone) {
    match verdict {
        Verdict::Pass => (Sign::Pass, Tone::Good),
        Verdict::Warn => (Sign::Warn, Tone::Warn),
        Verdict::Block => (Sign::Block, Tone::Bad),
        Verdict::Unknown => (Sign::Unknown, Tone::Unknown),
        Verdict::Moot => (Sign::Moot, Tone::Dim),
    }
}

/// Tone of facts whose source stands so. What comes from notes is old whatever the source says now.
#[must_use]
pub fn tone(freshness: Freshness, remembered: bool) -> Tone {
    if remembered || !freshness.usable() { Tone::Old } else { Tone::Plain }
}
