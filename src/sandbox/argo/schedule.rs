//! Cron schedules: five fields, `@hourly` and its kin, `@every 30s`. Pure. Source: robfig/cron v3, which Argo uses.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp, ToSpan, Zoned, civil::Weekday, tz::TimeZone};

/// Why a schedule makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The text does not follow the grammar.
    #[error("cron schedule {0} is malformed")]
    Malformed(String),
    /// There is no such time zone.
    #[error("unknown time zone {0}")]
    Zone(String),
}

/// A schedule in its time zone.
#[derive(Clone, Debug)]
pub struct Schedule {
    kind: Kind,
    zone: TimeZone,
}

#[derive(Clone, Debug)]
enum Kind {
    Every(SignedDuration),
    Fields { minutes: BTreeSet<i8>, hours: BTreeSet<i8>, days: Days, months: BTreeSet<i8> },
}

#[derive(Clone, Debug)]
struct Days {
    of_month: BTreeSet<i8>,
    of_week: BTreeSet<i8>,
    /// Both are restricted: then either suffices.
    either: bool,
}

/// The search for the next time ends here: `30 2 29 2 1` may be years away, `0 0 31 2 *` never comes.
const HORIZON_DAYS: usize = 366 * 5;

impl Schedule {
    /// Reads a schedule; an empty zone is UTC.
    pub fn parse(text: &str, zone: &str) -> Result<Self, ScheduleError> {
        let wrong = || ScheduleError::Malformed(text.to_owned());
        let zone = match zone {
            "" | "UTC" => TimeZone::UTC,
            name => TimeZone::get(name).map_err(|_| ScheduleError::Zone(name.to_owned()))?,
        };
        let text = text.trim();
        if let Some(every) = text.strip_prefix("@every ") {
            let seconds = super::operate::seconds(every.trim()).filter(|seconds| *seconds >= 1.0).ok_or_else(wrong)?;
            let every = SignedDuration::try_from_secs_f64(seconds.trunc()).map_err(|_| wrong())?;
            return Ok(Self { kind: Kind::Every(every), zone });
        }
        let fields = match text {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let parts: Vec<&str> = fields.split_whitespace().collect();
        let [minutes, hours, of_month, months, of_week] = parts.as_slice() else { return Err(wrong()) };
        let either = !starred(of_month) && !starred(of_week);
        let mut week = field(of_week, 0, 7).ok_or_else(wrong)?;
        if week.remove(&7) {
            week.insert(0);
        }
        let days = Days { of_month: field(of_month, 1, 31).ok_or_else(wrong)?, of_week: week, either };
        let kind = Kind::Fields {
            minutes: field(minutes, 0, 59).ok_or_else(wrong)?,
            hours: field(hours, 0, 23).ok_or_else(wrong)?,
            days,
            months: field(months, 1, 12).ok_or_else(wrong)?,
        };
        Ok(Self { kind, zone })
    }

    /// The first time after `time`; none if it never comes.
    pub fn next(&self, time: Timestamp) -> Option<Timestamp> {
        match &self.kind {
            Kind::Every(every) => {
                let whole = Timestamp::from_second(time.as_second()).ok()?;
                whole.checked_add(*every).ok()
            }
            Kind::Fields { minutes, hours, days, months } => {
                let mut at = time.to_zoned(self.zone.clone());
                at = at.with().second(0).subsec_nanosecond(0).build().ok()?.checked_add(1.minute()).ok()?;
                for _ in 0..HORIZON_DAYS {
                    if months.contains(&at.month())
                        && days.contains(&at)
                        && let Some(found) = within(&at, hours, minutes)
                    {
                        return Some(found);
                    }
                    at = at.start_of_day().ok()?.tomorrow().ok()?.start_of_day().ok()?;
                }
                None
            }
        }
    }

    /// The last time after `from` and not after `to`, looking at most a thousand times ahead.
    pub fn last_between(&self, from: Timestamp, to: Timestamp) -> Option<Timestamp> {
        let (mut found, mut at) = (None, from);
        for _ in 0..1000 {
            match self.next(at) {
                Some(next) if next <= to => (found, at) = (Some(next), next),
                _ => break,
            }
        }
        found
    }
}

/// The first minute of the rest of the day.
fn within(at: &Zoned, hours: &BTreeSet<i8>, minutes: &BTreeSet<i8>) -> Option<Timestamp> {
    for hour in hours.range(at.hour()..) {
        let from = if *hour == at.hour() { at.minute() } else { 0 };
        if let Some(minute) = minutes.range(from..).next() {
            let found = at.with().hour(*hour).minute(*minute).build().ok()?;
            return Some(found.timestamp());
        }
    }
    None
}

impl Days {
    fn contains(&self, at: &Zoned) -> bool {
        let month = self.of_month.contains(&at.day());
        let week = self.of_week.contains(&weekday(at.weekday()));
        if self.either { month || week } else { month && week }
    }
}

fn weekday(day: Weekday) -> i8 {
    day.to_sunday_zero_offset()
}

fn starred(field: &str) -> bool {
    field.starts_with(['*', '?'])
}

fn field(text: &str, low: i8, high: i8) -> Option<BTreeSet<i8>> {
    let mut set = BTreeSet::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<i8>().ok().filter(|step| *step > 0)?)),
            None => (part, None),
        };
        let (from, to) = match range {
            "*" | "?" => (low, high),
            _ => match range.split_once('-') {
                Some((from, to)) => (named(from)?, named(to)?),
                // `5/10` means from 5 to the end.
                None => (named(range)?, if step.is_some() { high } else { named(range)? }),
            },
        };
        if from < low || to > high || from > to {
            return None;
        }
        let step = usize::try_from(step.unwrap_or(1)).ok()?;
        set.extend((from..=to).step_by(step));
    }
    Some(set)
}

fn named(text: &str) -> Option<i8> {
    const NAMES: [(&str, i8); 19] = [
        ("sun", 0),
        ("mon", 1),
        ("tue", 2),
        ("wed", 3),
        ("thu", 4),
        ("fri", 5),
        ("sat", 6),
        ("jan", 1),
        ("feb", 2),
        ("mar", 3),
        ("apr", 4),
        ("may", 5),
        ("jun", 6),
        ("jul", 7),
        ("aug", 8),
        ("sep", 9),
        ("oct", 10),
        ("nov", 11),
        ("dec", 12),
    ];
    let lower = text.to_ascii_lowercase();
    let named = NAMES.iter().find(|(name, _)| *name == lower).map(|(_, number)| *number);
    named.or_else(|| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_times() {
        // 2026-11-24 is a Tuesday.
        for (text, zone, from, expected) in [
            ("*/5 * * * *", "", "2026-11-24T10:01:30Z", "2026-11-24T10:05:00Z"),
            ("*/5 * * * *", "", "2026-11-24T10:05:00Z", "2026-11-24T10:10:00Z"),
            ("0 2 * * *", "UTC", "2026-11-24T10:00:00Z", "2026-11-25T02:00:00Z"),
            ("0 2 * * *", "America/Chicago", "2026-11-24T10:00:00Z", "2026-11-25T08:00:00Z"),
            ("30 6 * * mon-fri", "", "2026-11-27T07:00:00Z", "2026-11-30T06:30:00Z"),
            ("0 0 1 jan *", "", "2026-11-24T10:00:00Z", "2027-01-01T00:00:00Z"),
            ("0 0 13 * 5", "", "2026-11-24T10:00:00Z", "2026-11-27T00:00:00Z"),
            ("5/20 * * * *", "", "2026-11-24T10:26:00Z", "2026-11-24T10:45:00Z"),
            ("0 0 29 2 *", "", "2026-11-24T10:00:00Z", "2028-02-29T00:00:00Z"),
            ("@hourly", "", "2026-11-24T10:00:01Z", "2026-11-24T11:00:00Z"),
            ("@every 30s", "", "2026-11-24T10:00:01Z", "2026-11-24T10:00:31Z"),
            ("59 23 * * 7", "", "2026-11-24T10:00:01Z", "2026-11-29T23:59:00Z"),
        ] {
            let schedule = Schedule::parse(text, zone).unwrap();
            let from: Timestamp = from.parse().unwrap();
            assert_eq!(schedule.next(from).unwrap().to_string(), expected, "{text} {zone}");
        }
        assert!(Schedule::parse("0 0 31 2 *", "").unwrap().next("2026-11-24T10:00:00Z".parse().unwrap()).is_none());
    }

    #[test]
    fn the_latest_missed_one() {
        let schedule = Schedule::parse("*/5 * * * *", "").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let missed = schedule.last_between(at("2026-11-24T10:00:00Z"), at("2026-11-24T10:17:00Z"));
        assert_eq!(missed, Some(at("2026-11-24T10:15:00Z")));
        assert_eq!(schedule.last_between(at("2026-11-24T10:00:00Z"), at("2026-11-24T10:04:00Z")), None);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "* * * *", "60 * * * *", "*/0 * * * *", "5-1 * * * *", "x * * * *", "@every x", "@every 0s"] {
            assert!(Schedule::parse(text, "").is_err(), "{text}");
        }
        assert!(Schedule::parse("* * * * *", "Mars/Olympus").is_err());
    }
}
