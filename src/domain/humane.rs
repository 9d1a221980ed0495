//! Durations and sizes as people write them in a file: `15m`, `1m30s`, `250ms`; `1MiB`, `512 KiB`, `20MB`. Pure.
//!
//! Strict on purpose: a number without a unit is refused, for nobody remembers at night whether it counted seconds or
//! minutes. What [`duration_text`] and [`size_text`] print, [`duration`] and [`size`] read back to the same value.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// The longest duration that is read: ten years. Longer is a slip, and would overflow times computed from it.
pub const DURATION_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

const DURATION_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("B", 1),
];

/// A duration in a file that serde reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HumaneDuration(pub Duration);

/// A size in bytes in a file that serde reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HumaneSize(pub u64);

/// Reads `1h30m`, `90s`, `250ms`; zero (`0s`) is a duration.
///
/// # Errors
/// What is wrong with it, and how it would be right, for the person who wrote it.
pub fn duration(text: &str) -> Result<Duration, String> {
    let trimmed = text.trim();
    let say = |what: String| format!("\"{text}\" {what}");
    if trimmed.starts_with('-') {
        return Err(say("is negative".to_owned()));
    }
    let mut total: u64 = 0;
    let mut last = u64::MAX;
    let mut rest = trimmed;
    if rest.is_empty() {
        return Err(say("is no duration; write it like \"15m\" or \"1m30s\"".to_owned()));
    }
    while !rest.is_empty() {
        let (number, unit, after) = number_and_unit(rest);
        if number.is_empty() {
            return Err(say("is no duration; write it like \"15m\" or \"1m30s\"".to_owned()));
        }
        if unit == "." || unit == "," {
            return Err(say("has a fraction; write 1h30m for an hour and a half".to_owned()));
        }
        if unit.is_empty() {
            return Err(say(format!("has no unit after {number}; write {number}s, {number}m or {number}h")));
        }
        let Some((_, millis)) = DURATION_UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(say(format!("has the unknown unit \"{unit}\"; units are d, h, m, s, ms")));
        };
        if *millis >= last {
            return Err(say("has its units in the wrong order; the largest comes first, each at most once".to_owned()));
        }
        last = *millis;
        let part = number.parse::<u64>().ok().and_then(|count| count.checked_mul(*millis));
        total = part
            .and_then(|part| total.checked_add(part))
            .filter(|sum| u128::from(*sum) <= DURATION_MAX.as_millis())
            .ok_or_else(|| say("is longer than ten years".to_owned()))?;
        rest = after;
    }
    Ok(Duration::from_millis(total))
}

/// Reads `1MiB`, `512 KiB`, `20MB`, `0B`; units are binary (KiB) or decimal (kB), case does not matter.
///
/// # Errors
/// What is wrong with it, and how it would be right, for the person who wrote it.
pub fn size(text: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    let say = |what: String| format!("\"{text}\" {what}");
    if trimmed.starts_with('-') {
        return Err(say("is negative".to_owned()));
    }
    let (number, unit, rest) = number_and_unit(trimmed);
    if number.is_empty() {
        return Err(say("is no size; write it like \"1MiB\"".to_owned()));
    }
    if unit == "." || unit == "," {
        return Err(say("has a fraction; write a smaller unit, such as 1536KiB".to_owned()));
    }
    if unit.is_empty() {
        return Err(say(format!("has no unit; write {number}B, {number}KiB or {number}MiB")));
    }
    if !rest.is_empty() {
        return Err(say(format!("has \"{rest}\" after its unit")));
    }
    let Some((_, bytes)) = SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) else {
        return Err(say(format!("has the unknown unit \"{unit}\"; units are B, KiB, MiB, GiB, TiB, kB, MB, GB, TB")));
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_mul(*bytes))
        .ok_or_else(|| say("is larger than 16 million TiB".to_owned()))
}

/// The digits at the front, the unit after them, and the rest. A lone `.` or `,` is given back as the unit.
fn number_and_unit(text: &str) -> (&str, &str, &str) {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    let rest = rest.trim_start();
    if rest.starts_with(['.', ',']) {
        let (mark, after) = rest.split_at(1);
        return (number, mark, after);
    }
    let letters = rest.find(|c: char| c.is_ascii_digit() || c.is_whitespace()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(letters);
    (number, unit, rest.trim_start())
}

/// A duration as it would be written in a file: `15m`, `1m30s`. Below a millisecond is dropped.
pub fn duration_text(duration: Duration) -> String {
    let mut millis = duration.as_millis();
    let mut text = String::new();
    for (unit, size) in DURATION_UNITS {
        let count = millis / u128::from(size);
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
            millis %= u128::from(size);
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// A size as it would be written in a file, in the largest unit that loses nothing.
pub fn size_text(bytes: u64) -> String {
    for (unit, size) in SIZE_UNITS {
        if bytes >= size && bytes.is_multiple_of(size) {
            return format!("{}{unit}", bytes / size);
        }
    }
    "0B".to_owned()
}

impl<'de> Deserialize<'de> for HumaneDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = HumaneDuration;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration like \"15m\"")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                duration(text).map(HumaneDuration).map_err(E::custom)
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                let number = number.unsigned_abs();
                Err(E::custom(format!("a number has no unit; write \"{number}s\", \"{number}m\" or \"{number}h\"")))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for HumaneSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = HumaneSize;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size like \"1MiB\"")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                size(text).map(HumaneSize).map_err(E::custom)
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                let number = number.unsigned_abs();
                Err(E::custom(format!("a number has no unit; write \"{number}B\", \"{number}KiB\" or \"{number}MiB\"")))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_people_write() {
        let good = [
            ("15m", 900_000),
            ("1m30s", 90_000),
            ("1h 30m", 5_400_000),
            (" 2d ", 172_800_000),
            ("250ms", 250),
            ("1s250ms", 1250),
            ("90s", 90_000),
            ("0s", 0),
        ];
        for (text, millis) in good {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        let bad = [
            ("", "is no duration"),
            ("soon", "is no duration"),
            ("15", "has no unit after 15; write 15s, 15m or 15h"),
            ("1h30", "has no unit after 30"),
            ("15 minutes", "unknown unit \"minutes\""),
            ("15M", "unknown unit \"M\""),
            ("1.5h", "has a fraction"),
            ("-5m", "is negative"),
            ("30s1m", "wrong order"),
            ("1m1m", "wrong order"),
            ("4000d", "longer than ten years"),
            ("99999999999999999999h", "longer than ten years"),
            ("5м", "unknown unit \"м\""),
        ];
        for (text, wanted) in bad {
            let said = duration(text).unwrap_err();
            assert!(said.contains(wanted), "{text}: {said}");
        }
    }

    #[test]
    fn sizes_people_write() {
        let good = [("1MiB", 1 << 20), ("512 KiB", 512 << 10), ("20MB", 20_000_000), ("0B", 0), ("3gib", 3 << 30)];
        for (text, bytes) in good {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        let bad = [
            ("", "is no size"),
            ("MiB", "is no size"),
            ("10", "has no unit; write 10B"),
            ("10M", "unknown unit \"M\""),
            ("1.5MiB", "has a fraction"),
            ("-1MiB", "is negative"),
            ("1MiB 3KiB", "after its unit"),
            ("99999999TiB", "is larger"),
        ];
        for (text, wanted) in bad {
            let said = size(text).unwrap_err();
            assert!(said.contains(wanted), "{text}: {said}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(millis in 0..=DURATION_MAX.as_millis() as u64, bytes: u64) {
            let length = Duration::from_millis(millis);
            prop_assert_eq!(duration(&duration_text(length)), Ok(length));
            prop_assert_eq!(size(&size_text(bytes)), Ok(bytes));
        }

        #[test]
        fn no_text_is_a_panic(text in "\\PC{0,12}|[0-9.msh -]{0,24}") {
            let _ = (duration(&text), size(&text));
        }
    }
}
