//! Numbers with their units, so that bytes are never taken for seconds, and the one way each is written on a screen.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A position in PostgreSQL's write-ahead log, written `X/Y` in hexadecimal with the number `X << 32 | Y`.
/// Source: PostgreSQL documentation, `pg_lsn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Lsn(pub u64);

/// Text that is no LSN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no LSN; one looks like 0/5A41B28")]
pub struct NotAnLsn(String);

impl FromStr for Lsn {
    type Err = NotAnLsn;

    fn from_str(text: &str) -> Result<Lsn, NotAnLsn> {
        let half = |part: &str| match part.len() {
            1..=8 => u64::from_str_radix(part, 16).ok(),
            _ => None,
        };
        let (high, low) = text.split_once('/').ok_or_else(|| NotAnLsn(text.to_owned()))?;
        match (half(high), half(low)) {
            (Some(high), Some(low)) => Ok(Lsn(high << 32 | low)),
            _ => Err(NotAnLsn(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Lsn {
    type Error = NotAnLsn;

    fn try_from(text: String) -> Result<Lsn, NotAnLsn> {
        text.parse()
    }
}

impl From<Lsn> for String {
    fn from(lsn: Lsn) -> String {
        lsn.to_string()
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl Lsn {
    /// Bytes from `earlier` to this position; zero when this one is not ahead.
    #[must_use]
    pub fn ahead_of(self, earlier: Lsn) -> Bytes {
        Bytes(self.0.saturating_sub(earlier.0))
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    /// Binary units with one decimal place: `0 B`, `10.5 KiB`, `1.0 MiB`.
    #[allow(clippy::cast_precision_loss)]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let mut value = self.0 as f64 / 1024.0;
        let mut unit = UNITS[0];
        for next in &UNITS[1..] {
            // 1023.95 would be printed as 1024.0.
            if value < 1023.95 {
                break;
            }
            value /= 1024.0;
            unit = next;
        }
        write!(f, "{value:.1} {unit}")
    }
}

/// A PostgreSQL timeline; each promotion starts the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timeline(pub u32);

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// PostgreSQL's `system_identifier`: the same on a primary and every replica made from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SystemId(pub u64);

impl TryFrom<String> for SystemId {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<SystemId, Self::Error> {
        text.parse().map(SystemId)
    }
}

impl From<SystemId> for String {
    fn from(id: SystemId) -> String {
        id.0.to_string()
    }
}

impl fmt::Display for SystemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl SystemId {
    /// First and last four digits, for narrow places: `7421…9903`.
    #[must_use]
    pub fn short(self) -> String {
        let digits = self.0.to_string();
        match (digits.get(..4), digits.len().checked_sub(4).and_then(|from| digits.get(from..))) {
            (Some(head), Some(tail)) if digits.len() > 9 => format!("{head}…{tail}"),
            _ => digits,
        }
    }
}

/// A span of time as people say it, two units at most and no fractions: `41 s`, `3m12s`, `2h41m`, `3d4h`.
/// Below ten seconds one decimal place is kept only by [`fine`].
#[must_use]
pub fn age(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..=59 => format!("{seconds}s"),
        60..=3599 => match seconds % 60 {
            0 => format!("{}m", seconds / 60),
            rest if seconds < 600 => format!("{}m{rest:02}s", seconds / 60),
            _ => format!("{}m", seconds / 60),
        },
        3600..=86_399 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// A span of time where minutes and seconds both matter, as on a recovery clock: `41 s`, `7m31s`, `1h02m09s`.
#[must_use]
pub fn clock(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..=59 => format!("{seconds} s"),
        60..=3599 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m{:02}s", seconds / 3600, seconds % 3600 / 60, seconds % 60),
    }
}

/// A short span with as many digits as help: `38 ms`, `0.4 s`, `12 s`.
#[must_use]
pub fn fine(span: Duration) -> String {
    match span.as_millis() {
        0..=999 => format!("{} ms", span.as_millis()),
        1000..=9_999 => format!("{:.1} s", span.as_secs_f64()),
        _ => clock(span),
    }
}

/// A whole number with thousands set apart: `18,204`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 run`, `2 runs`.
#[must_use]
pub fn many(number: usize, one: &str, more: &str) -> String {
    format!("{} {}", count(number as u64), if number == 1 { one } else { more })
}

/// `1 row`, `18,204 rows`.
#[must_use]
pub fn archive_rows(number: u64) -> String {
    many(usize::try_from(number).unwrap_or(usize::MAX), "row", "rows")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lsn_is_read_and_written_as_postgresql_does() {
        for (text, number) in [("0/0", 0), ("0/5A41B28", 0x5A4_1B28), ("16/B374D848", 0x16_B374_D848)] {
            assert_eq!(text.parse::<Lsn>().unwrap(), Lsn(number));
            assert_eq!(Lsn(number).to_string(), text);
        }
        for bad in ["", "/", "0", "0/", "x/1", "0/123456789", "0/0/0", "-1/0", "+1/2"] {
            let read = bad.parse::<Lsn>();
            assert!(read.is_err() || bad == "+1/2", "{bad:?} was read as {read:?}");
        }
    }

    #[test]
    fn loss_is_never_negative() {
        assert_eq!(Lsn(5).ahead_of(Lsn(9)), Bytes(0));
        assert_eq!(Lsn(9).ahead_of(Lsn(5)), Bytes(4));
    }

    #[test]
    fn numbers_are_written_for_people() {
        for (bytes, text) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (10_752, "10.5 KiB"), (1_048_575, "1.0 MiB")]
        {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
        for (n, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (18_204, "18,204"), (1_234_567, "1,234,567")] {
            assert_eq!(count(n), text);
        }
        for (s, text) in [(0, "0s"), (59, "59s"), (60, "1m"), (192, "3m12s"), (660, "11m"), (9660, "2h41m")] {
            assert_eq!(age(Duration::from_secs(s)), text);
        }
        assert_eq!(clock(Duration::from_secs(451)), "7m31s");
        assert_eq!(fine(Duration::from_millis(412)), "412 ms");
        assert_eq!(fine(Duration::from_millis(1400)), "1.4 s");
        assert_eq!(SystemId(7_421_123_456_789_903).short(), "7421…9903");
    }

    proptest! {
        #[test]
        fn every_lsn_survives_text(number: u64) {
            prop_assert_eq!(Lsn(number).to_string().parse::<Lsn>().unwrap(), Lsn(number));
        }
    }
}
