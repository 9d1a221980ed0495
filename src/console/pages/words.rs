//! Words that several pages and panes share: moments, ages of evidence, verdicts. Pure.

use crate::console::row::{Row, Sign, Tone, cut, width, wrap};
use crate::console::state::State;
use crate::domain::fleet::Fleet;
use crate::domain::freshness::Freshness;
use crate::domain::region::Side;
use crate::domain::units::{age, clock};
use crate::domain::{Timestamp, since};
use crate::gates::alarms::Alarm;
use crate::gates::{Answer, Verdict};
use crate::playbook::file::Purpose;
use crate::playbook::run::Run;

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

/// What a region is, as observed: of two primaries the older one is told apart, since it is the one to fence.
#[must_use]
pub fn role(fleet: &Fleet, side: Side) -> (&'static str, Tone) {
    match fleet.old_and_fenced(side) {
        Some(false) => ("OLD PRIMARY, NOT FENCED", Tone::Bad),
        Some(true) => ("fenced, to be rebuilt", Tone::Region(side)),
        None => (fleet.region(side).role(fleet.now).word(), Tone::Region(side)),
    }
}

/// Lines that an alarm's own words may take; its advice comes after them and is never cut off by them.
const ALARM_LINES: usize = 2;

/// An alarm in lines of so many columns: what is wrong, then what to do.
#[must_use]
pub fn alarm_lines(alarm: &Alarm, columns: usize) -> Vec<String> {
    let fit = |text: &str| {
        let mut lines = wrap(text, columns);
        if lines.len() > ALARM_LINES {
            let rest = lines.split_off(ALARM_LINES - 1).join(" ");
            lines.push(cut(&rest, columns));
        }
        lines
    };
    let mut lines = fit(&alarm.text);
    if alarm.advice.is_empty() {
        return lines;
    }
    let aside = format!("  ({})", alarm.advice);
    match lines.as_mut_slice() {
        [only] if width(only) + width(&aside) <= columns => only.push_str(&aside),
        _ => lines.extend(fit(&format!("lift it: {}", alarm.advice))),
    }
    lines
}

/// Where a run leads: `us-central1 → us-east1`, or the region that is fenced.
#[must_use]
pub fn way(run: &Run) -> Row {
    let row = Row::new();
    if run.declared.playbook.purpose == Purpose::Fence {
        return row.add(run.from_name(), Tone::Strong);
    }
    let row = row.add(format!("{} ", run.from_name()), Tone::Strong).sign(Sign::Arrow, Tone::Strong);
    row.add(format!(" {}", run.to_name()), Tone::Strong)
}

/// How long a run has taken, or took; of the target, where it brings a service back.
#[must_use]
pub fn run_clock(state: &State, run: &Run) -> String {
    let until = run.ended.as_ref().map_or(state.fleet.now, |(_, at, _)| *at);
    if run.declared.playbook.purpose == Purpose::Fence {
        // It is not the outage that counts here, but the fence.
        return clock(since(run.declared_at, until));
    }
    format!("{} of {}", clock(since(run.t0(), until)), age(state.fleet.policy.rto_target))
}
