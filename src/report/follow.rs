//! What changes, a line each, for people without a screen: the timeline's lines, alarms, and the verdict on a failover. Time
//! is the fleet's. Pure.
//!
//! A line of the timeline may grow while the same goes on ("3 crons suspended: …"): it is told again, but not with every
//! step.

use crate::domain::fleet::Fleet;
use crate::domain::fleet::happening::{Happening, Weight};
use crate::domain::region::Side;
use crate::domain::text::clean;
use crate::domain::{Timestamp, since};
use crate::gates::Finding;
use crate::gates::alarms::Alarm;
use crate::gates::readiness::Readiness;
use std::collections::BTreeMap;
use std::time::Duration;

/// Shortest time between two tellings of a line that grows.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Stands between an alarm and what to do about it.
const ADVICE: &str = " → ";

/// A line of the timeline as it was told.
#[derive(Debug, Clone)]
struct Told {
    line: Happening,
    /// When it was told last, and with what text.
    at: Timestamp,
    text: String,
}

/// What was told.
#[derive(Debug, Clone)]
pub struct Follower {
    lines: Vec<Told>,
    verdict: String,
    alarms: BTreeMap<(String, Option<Side>), String>,
}

impl Follower {
    /// Begins with a picture that has been told as a whole.
    #[must_use]
    pub fn new(fleet: &Fleet, readiness: &Readiness, alarms: &[Alarm]) -> Follower {
        let told = |line: &Happening| Told { line: line.clone(), at: fleet.now, text: line.text.clone() };
        Follower {
            lines: fleet.happenings.iter().map(told).collect(),
            verdict: verdict(readiness),
            alarms: raised(alarms),
        }
    }

    /// Lines for what has changed since, oldest first.
    pub fn news(&mut self, fleet: &Fleet, readiness: &Readiness, alarms: &[Alarm]) -> Vec<String> {
        let mut out = self.happened(fleet);
        let now = fleet.now;
        let raised = raised(alarms);
        for (key, text) in raised.iter().filter(|(key, _)| !self.alarms.contains_key(*key)) {
            out.push(line(fleet, now, "ALARM", key.1, text));
        }
        for (key, text) in self.alarms.iter().filter(|(key, _)| !raised.contains_key(*key)) {
            let text = text.split(ADVICE).next().unwrap_or_default();
            out.push(line(fleet, now, "OVER", key.1, text));
        }
        self.alarms = raised;
        let verdict = verdict(readiness);
        if verdict != self.verdict {
            out.push(line(fleet, now, "STATE", None, &verdict));
            self.verdict = verdict;
        }
        out
    }

    fn happened(&mut self, fleet: &Fleet) -> Vec<String> {
        let now = fleet.now;
        let lines: Vec<&Happening> = fleet.happenings.iter().collect();
        let gone = dropped(&self.lines, &lines);
        self.lines.drain(..gone);
        let mut out = Vec::new();
        for (told, line_now) in self.lines.iter_mut().zip(&lines) {
            if told.text != line_now.text && since(told.at, now) >= AGAIN_AFTER {
                (told.at, told.text) = (now, line_now.text.clone());
                out.push(line(fleet, now, word(line_now.weight), line_now.side, &line_now.text));
            }
        }
        for new in lines.iter().skip(self.lines.len()) {
            out.push(line(fleet, new.at, word(new.weight), new.side, &new.text));
            self.lines.push(Told { line: (*new).clone(), at: now, text: new.text.clone() });
        }
        out
    }
}

/// How many of the told lines are no longer kept: the oldest go when there are too many. A line is known by all but its
/// text, which may grow.
fn dropped(told: &[Told], lines: &[&Happening]) -> usize {
    let same = |told: &Told, line: &Happening| {
        (told.line.at, told.line.side, told.line.weight) == (line.at, line.side, line.weight)
    };
    let fits = |gone: usize| {
        let rest = told.get(gone..).unwrap_or_default();
        rest.len() <= lines.len() && rest.iter().zip(lines).all(|(told, line)| same(told, line))
    };
    (0..told.len()).find(|gone| fits(*gone)).unwrap_or(told.len())
}

fn word(weight: Weight) -> &'static str {
    match weight {
        Weight::Info => "info",
        Weight::Warn => "WARN",
        Weight::Bad => "BAD",
    }
}

fn line(fleet: &Fleet, at: Timestamp, word: &str, side: Option<Side>, text: &str) -> String {
    let place = side.map(|side| format!("{}: ", fleet.name(side))).unwrap_or_default();
    format!("{}  {word:<6}  {place}{}", at.strftime("%Y-%m-%d %H:%M:%SZ"), clean(text))
}

/// The alarms, each with what to do. A cluster or a database that falls silent is a line of the timeline already.
fn raised(alarms: &[Alarm]) -> BTreeMap<(String, Option<Side>), String> {
    let told = |alarm: &&Alarm| !matches!(alarm.id.as_str(), "source-api" | "source-db");
    let text = |alarm: &Alarm| match alarm.advice.as_str() {
        "" => alarm.text.clone(),
        advice => format!("{}{ADVICE}{advice}", alarm.text),
    };
    alarms.iter().filter(told).map(|alarm| ((alarm.id.clone(), alarm.side), text(alarm))).collect()
}

/// The verdict with the gates that make it. Their texts count seconds; a line a second helps nobody.
fn verdict(readiness: &Readiness) -> String {
    let list = |word: &str, findings: &[Finding]| {
        let gates: Vec<&str> = findings.iter().map(|finding| finding.gate.as_str()).collect();
        if gates.is_empty() { String::new() } else { format!("; {word}: {}", gates.join(", ")) }
    };
    format!(
        "readiness {}{}{}",
        readiness.headline(),
        list("blocked by", &readiness.blocks),
        list("warnings", &readiness.warnings)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fixtures::{Sim, healthy_pair};
    use crate::domain::fleet::happening::Did;
    use crate::domain::freshness::{ErrorKind, Source};
    use crate::gates::RunFacts;
    use crate::gates::alarms::alarms;
    use crate::gates::readiness::readiness;

    fn read(fleet: &Fleet) -> (Readiness, Vec<Alarm>) {
        let facts = RunFacts::default();
        (readiness(fleet, &facts, Duration::from_secs(110)), alarms(fleet, &facts))
    }

    fn begun(sim: &Sim) -> Follower {
        let (readiness, alarms) = read(&sim.fleet);
        Follower::new(&sim.fleet, &readiness, &alarms)
    }

    fn news(follower: &mut Follower, fleet: &Fleet) -> Vec<String> {
        let (readiness, alarms) = read(fleet);
        follower.news(fleet, &readiness, &alarms)
    }

    fn a_minute(sim: &mut Sim, follower: &mut Follower) -> Vec<String> {
        let looks = (0..30).flat_map(|_| {
            sim.go(2);
            news(follower, &sim.fleet)
        });
        looks.collect()
    }

    #[test]
    fn a_quiet_pair_says_nothing_and_each_change_is_said_once() {
        let mut sim = healthy_pair();
        let mut follower = begun(&sim);
        for _ in 0..60 {
            sim.go(2);
            assert_eq!(news(&mut follower, &sim.fleet), Vec::<String>::new());
        }
        sim.blind_region(Side::A, ErrorKind::Timeout);
        sim.db(Side::A).up = false;
        let said = a_minute(&mut sim, &mut follower);
        let with = |words: &str| said.iter().filter(|line| line.contains(words)).count();
        assert_eq!(with("  BAD     us-central1: api does not answer"), 1, "{said:#?}");
        assert_eq!(with("  BAD     us-central1: db does not answer"), 1, "{said:#?}");
        assert!(with("STATE   readiness BLOCKED by") >= 1 && with("old-region-fenced") >= 1, "{said:#?}");
        assert!(said.len() < 15, "{said:#?}");
        assert!(said.iter().all(|line| line.starts_with("2026-03-01 10:")), "{said:#?}");
        sim.see_all();
        sim.db(Side::A).up = true;
        let said = a_minute(&mut sim, &mut follower);
        let with = |words: &str| said.iter().filter(|line| line.contains(words)).count();
        assert_eq!(with("us-central1: api answers again after"), 1, "{said:#?}");
        assert_eq!(with("OVER"), with("OVER  "), "{said:#?}");
        assert!(said.last().unwrap().contains("readiness READY"), "{said:#?}");
    }

    #[test]
    fn a_line_that_grows_is_told_again_and_not_with_every_step() {
        let mut sim = healthy_pair();
        let mut follower = begun(&sim);
        let did = Did(Weight::Warn, ["cron", "crons"], "suspended");
        let mut said = Vec::new();
        for n in 0..200 {
            let at = sim.fleet.now;
            sim.fleet.happenings.add(at, Side::A, did, &format!("ml/cron-{n}"));
            if n % 20 == 19 {
                sim.go(2);
            }
            said.extend(news(&mut follower, &sim.fleet));
        }
        sim.go(10);
        said.extend(news(&mut follower, &sim.fleet));
        assert!(said[0].ends_with("us-central1: cron ml/cron-0 suspended"), "{said:#?}");
        assert!(said.last().unwrap().contains("200 crons suspended: ml/cron-0"), "{said:#?}");
        assert!(said.len() < 8, "{said:#?}");
    }

    #[test]
    fn lines_that_are_no_longer_kept_are_not_told_again() {
        let mut sim = healthy_pair();
        let mut follower = begun(&sim);
        let mut said = 0;
        for n in 0..6_000_i64 {
            let at = sim.fleet.now + Duration::from_millis(n.unsigned_abs());
            sim.fleet.happenings.push(at, None, Weight::Info, format!("line {n}"));
            if n % 500 == 499 {
                said += news(&mut follower, &sim.fleet).len();
            }
        }
        assert_eq!(said, 6_000);
        assert!(follower.lines.len() <= 5_000);
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_told() {
        let mut sim = healthy_pair();
        let mut follower = begun(&sim);
        let now = sim.fleet.now;
        sim.fleet.happenings.push(now, None, Weight::Bad, "\u{1b}]0;title\u{7}a\nb\u{202e}".to_owned());
        let said = news(&mut follower, &sim.fleet);
        assert_eq!(said.len(), 1);
        assert!(!said[0].chars().any(|c| c.is_control() || c == '\u{202e}'), "{said:?}");
        let (readiness, alarms) = read(&sim.fleet);
        let mut controllers = sim.truth.a.controllers(Side::A);
        controllers.pods[0].waiting = Some("\u{1b}[2J".to_owned());
        sim.tell(Source::Kubernetes(Side::A), crate::domain::observation::Fact::Controllers(controllers));
        let text = crate::report::status::text(&sim.fleet, &readiness, &alarms);
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    }
}
