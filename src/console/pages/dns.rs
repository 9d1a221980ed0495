//! What the name in front answers, server by server, and which region that means.

use super::words::moment;
use crate::console::row::{Row, Sign, Tone, pad, wrap};
use crate::console::state::State;
use crate::domain::dns::{DnsAnswer, ServerKind};
use crate::domain::freshness::Source;
use crate::domain::policy::DnsPolicy;
use crate::domain::region::Side;
use crate::domain::units::age;

/// Columns from which on there is room for serials.
const SERIALS: usize = 90;

pub(super) fn rows(state: &State, columns: usize) -> Vec<Row> {
    let fleet = &state.fleet;
    let Some(policy) = &fleet.policy.dns else {
        return vec![
            Row::of("No name in front is configured ([dns] in the configuration).", Tone::Unknown),
            Row::of("Clients are moved by hand, and leeward can't tell where they go.", Tone::Dim),
        ];
    };
    let mut rows = vec![Row::new().add(&*policy.name, Tone::Strong).dim(format!(
        "   {}",
        if policy.can_switch {
            format!("changed at {}", policy.server)
        } else {
            "changed by hand: dns.provider = none".to_owned()
        }
    ))];
    for side in Side::BOTH {
        let target = policy.targets.get(side).map_or_else(|| "no address configured".to_owned(), |a| a.to_string());
        rows.push(Row::new().say("  ").add(pad(fleet.name(side), 18), Tone::Region(side)).say(format!("is {target}")));
    }
    rows.push(Row::new());
    let fresh = fleet.freshness(Source::Dns);
    let Some(known) = &fleet.dns else {
        let why = fleet.dns_health.error.as_ref().map_or_else(|| "no answer yet".to_owned(), ToString::to_string);
        rows.push(Row::new().sign(Sign::Unknown, Tone::Unknown).add(format!(" {fresh}: {why}"), Tone::Unknown));
        return rows;
    };
    let old = !fresh.usable();
    rows.push(verdict(state, policy, old));
    if let Some(error) = fleet.dns_health.error.as_ref().filter(|_| old) {
        rows.push(Row::new().add(format!("below: as of {}; now {error}", moment(known.at, fleet.now)), Tone::Warn));
    }
    rows.push(Row::new());
    let serial = if columns < SERIALS { "" } else { "SERIAL" };
    let head =
        format!("{:<10}{:<24}{:<18}{:>7}  {}{serial}", "KIND", "SERVER", "ANSWER", "TTL", means("MEANS", columns, 18));
    rows.push(Row::of(head, Tone::Strong));
    for answer in &known.value.answers {
        rows.extend(line(state, policy, answer, old, columns));
    }
    if known.value.answers.is_empty() {
        rows.push(Row::of("No server is configured to be asked.", Tone::Unknown));
    }
    rows
}

fn verdict(state: &State, policy: &DnsPolicy, old: bool) -> Row {
    let sample = state.fleet.dns.as_ref().map(|known| &known.value);
    let Some((addresses, ttl)) = sample.and_then(|sample| sample.authoritative()) else {
        return Row::new()
            .sign(Sign::Warn, Tone::Warn)
            .add(" the servers of the zone do not agree, or do not answer", Tone::Warn);
    };
    let caches = format!("; caches have a change {} after it is made", age(ttl));
    let was = if old { "meant" } else { "means" };
    match policy.meaning(addresses) {
        Some(side) => Row::new()
            .add(format!("it {was} "), if old { Tone::Old } else { Tone::Plain })
            .add(state.fleet.name(side), Tone::Region(side))
            .dim(caches),
        None => Row::new().sign(Sign::Warn, Tone::Warn).add(" it means neither region", Tone::Warn).dim(caches),
    }
}

/// What stands before the serial is filled up only where there is one.
fn means(name: &str, columns: usize, wide: usize) -> String {
    if columns < SERIALS { name.to_owned() } else { pad(name, wide) }
}

fn line(state: &State, policy: &DnsPolicy, answer: &DnsAnswer, old: bool, columns: usize) -> Vec<Row> {
    let kind = match answer.kind {
        ServerKind::Authoritative => "zone",
        ServerKind::Resolver => "resolver",
    };
    let tone = if old { Tone::Old } else { Tone::Plain };
    let row = Row::new().dim(format!("{kind:<10}")).add(pad(&answer.server, 23), tone).say(" ");
    let (addresses, ttl) = match &answer.result {
        Ok(found) => found,
        Err(why) => {
            // A sign may be a word of four letters.
            let mut lines = wrap(why, columns.saturating_sub(34 + 5)).into_iter();
            let first = lines.next().unwrap_or_default();
            let row = row.sign(Sign::Unknown, Tone::Warn).add(format!(" {first}"), Tone::Warn);
            return std::iter::once(row)
                .chain(lines.map(|line| Row::of(format!("{:36}{line}", ""), Tone::Warn)))
                .collect();
        }
    };
    let list = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let list = if list.is_empty() { "no address".to_owned() } else { list };
    let row = row.add(format!("{}{:>8}  ", pad(&list, 17), age(*ttl)), tone);
    let row = match policy.meaning(addresses) {
        Some(side) => row.add(means(state.fleet.name(side), columns, 18), Tone::Region(side)),
        None => row.sign(Sign::Warn, Tone::Warn).add(means(" neither", columns, 17), Tone::Warn),
    };
    let serial = answer.serial.filter(|_| columns >= SERIALS);
    vec![row.add(serial.map_or_else(String::new, |serial| serial.to_string()), tone)]
}
