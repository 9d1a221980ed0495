//! The pair of databases in six lines.

use crate::console::pages::words::{moment, tone};
use crate::console::row::{Piece, Row, Sign, Tone, cut, width};
use crate::console::state::State;
use crate::domain::database::{DatabaseSample, ReplicaState};
use crate::domain::fleet::replication::Following;
use crate::domain::freshness::Source;
use crate::domain::region::{Direction, Side};
use crate::domain::units::{age, archive_rows, count};

pub fn rows(state: &State, columns: u16) -> Vec<Row> {
    let fleet = &state.fleet;
    let Some(way) = fleet.direction() else { return no_direction(state) };
    let live = fleet.region(way.from).live_database(fleet.now).is_some();
    let mut rows = vec![flow(state, way, columns), pair(state, way)];
    if live {
        rows.push(behind(state, way));
        rows.push(spark(state, way, columns));
    } else {
        rows.extend(lost(state, way));
    }
    rows.push(archive(state, way));
    rows.push(if live { writes(state, way) } else { Row::new() });
    rows
}

fn no_direction(state: &State) -> Vec<Row> {
    let fleet = &state.fleet;
    let mut rows = Vec::new();
    rows.push(alone(state));
    for side in Side::BOTH {
        let region = fleet.region(side);
        let name = Row::new().add(&*region.name, Tone::Region(side)).say(" ");
        rows.push(match (&region.database, &region.database_health.error) {
            (Some(known), _) => {
                let what = match (known.value.primary().is_some(), fleet.old_and_fenced(side)) {
                    (true, Some(_)) => "old",
                    (true, None) => "primary",
                    (false, _) => "replica",
                };
                let writes = if known.value.accepts_writes() { "takes writes" } else { "read-only" };
                let fact = tone(fleet.freshness(Source::Database(side)), known.remembered);
                name.add(format!("{what}, timeline {}, {writes}", known.value.timeline), fact)
            }
            (None, Some(error)) => name.sign(Sign::Block, Tone::Bad).add(format!(" {error}"), Tone::Bad),
            (None, None) => name.add("no answer yet", Tone::Unknown),
        });
    }
    rows
}

/// With no direction: what there is instead of a pair.
pub fn alone(state: &State) -> Row {
    let fleet = &state.fleet;
    match fleet.split() {
        Some(split) if split.fenced() => {
            let new = split.old.map_or("?", |old| fleet.name(old.other()));
            Row::new().add(format!("{new} alone, no standby"), Tone::Warn)
        }
        None if fleet.two_systems().is_none() => Row::of(fleet.no_pair(), Tone::Unknown),
        _ => Row::new().sign(Sign::Block, Tone::Bad).add(format!(" {}", fleet.no_pair()), Tone::Bad),
    }
}

/// Who sends to whom, as positions on the screen: the first region is always at the left.
pub fn flow(state: &State, way: Direction, columns: u16) -> Row {
    let fleet = &state.fleet;
    let following = fleet.following(way.to);
    let (word, word_tone) = word(following);
    let rightwards = way.to == Side::B;
    let broken = fleet.region(way.from).live_database(fleet.now).is_none();
    let dead = |side: Side| fleet.region(side).live_database(fleet.now).is_none();
    let marks: usize = Side::BOTH.into_iter().filter(|side| dead(*side)).count() * 2;
    let room = usize::from(columns).saturating_sub(word.len() + 4 + marks);
    let names = width(fleet.name(Side::A)) + width(fleet.name(Side::B));
    let wide = u16::try_from(room.saturating_sub(names).clamp(3, 16)).unwrap_or(3);
    let each = room.saturating_sub(usize::from(wide)) / 2;
    let each = if names + usize::from(wide) <= room { usize::MAX } else { each.max(8) };
    let name = |side: Side| {
        let row = Row::new().add(cut(fleet.name(side), each), Tone::Region(side));
        if dead(side) { row.say(" ").sign(Sign::Block, Tone::Bad) } else { row }
    };
    let whole = following == Following::Streaming && !broken;
    name(Side::A)
        .say(" ")
        .piece(Piece::Flow { whole, rightwards, width: wide })
        .say(" ")
        .then(name(Side::B))
        .fill()
        .add(word, word_tone)
}

/// How the standby follows, in a word or two.
pub fn word(following: Following) -> (String, Tone) {
    match following {
        Following::Streaming => ("streaming".to_owned(), Tone::Good),
        Following::Silent(span) => (format!("silent {}", age(span)), Tone::Warn),
        Following::NotStreaming => ("not streaming".to_owned(), Tone::Bad),
        Following::NotAReplica => ("no replica".to_owned(), Tone::Bad),
        Following::Unknown => ("not known".to_owned(), Tone::Unknown),
    }
}

fn pair(state: &State, way: Direction) -> Row {
    let fleet = &state.fleet;
    let timeline = |side: Side| {
        fleet.region(side).database.as_ref().map_or_else(|| "?".to_owned(), |known| known.value.timeline.to_string())
    };
    let (from, to) = (timeline(way.from), timeline(way.to));
    let same = from == to;
    let row = Row::new().dim("timeline ").add(
        if same { format!("{from} = {to}") } else { format!("{from}, standby {to}") },
        if same { Tone::Plain } else { Tone::Warn },
    );
    let Some(primary) = fleet.region(way.from).live_database(fleet.now).and_then(DatabaseSample::primary) else {
        return row;
    };
    match primary.slots.iter().find(|slot| slot.active).or(primary.slots.first()) {
        None => row.add("   no slot", Tone::Warn),
        Some(slot) => {
            let status = slot.wal_status.as_deref().unwrap_or("never used");
            let good = slot.active && status == "reserved";
            let used = if slot.active { "" } else { ", not in use" };
            row.add(format!("   slot {status}{used}"), if good { Tone::Plain } else { Tone::Warn })
        }
    }
}

fn behind(state: &State, way: Direction) -> Row {
    let fleet = &state.fleet;
    let bytes = fleet.loss(way).bytes;
    let replica = fleet.region(way.to).live_database(fleet.now).and_then(DatabaseSample::replica);
    let amount = |bytes: Option<crate::domain::units::Bytes>| match bytes {
        Some(bytes) => (bytes.to_string(), Tone::Plain),
        None => ("unknown".to_owned(), Tone::Unknown),
    };
    let (received, tone) = amount(bytes);
    let (replayed, other) = amount(replica.and_then(ReplicaState::to_replay));
    let paused = replica.is_some_and(|replica| replica.replay_paused);
    let row = Row::new().dim("not received ").add(received, tone).dim("   not replayed ").add(replayed, other);
    if paused { row.add(" PAUSED", Tone::Warn) } else { row }
}

fn spark(state: &State, way: Direction, columns: u16) -> Row {
    let series = &state.fleet.region(way.to).charts.unreceived;
    let values: Vec<f64> = series.points().map(|point| point.1).collect();
    let label = Row::new().dim("not received ");
    if values.is_empty() {
        return label.add("no sample of both yet", Tone::Dim);
    }
    label.piece(Piece::Spark(values, columns.saturating_sub(13).min(30), Tone::Plain))
}

/// With the primary gone: what the standby has, where the primary was last seen, and what that means.
fn lost(state: &State, way: Direction) -> Vec<Row> {
    let fleet = &state.fleet;
    // The same numbers as in readiness, which is asked less often than this is drawn.
    let loss = state.derived.readiness.loss.clone().unwrap_or_else(|| fleet.loss(way));
    let replica = fleet.region(way.to).live_database(fleet.now).and_then(DatabaseSample::replica);
    let lsn = |lsn: Option<crate::domain::units::Lsn>| lsn.map_or_else(|| "?".to_owned(), |lsn| lsn.to_string());
    let has = match replica {
        Some(replica) => {
            Row::new().dim("received ").say(lsn(replica.received)).dim("  replayed ").say(lsn(replica.replayed))
        }
        None => Row::of("what the standby has is not known now", Tone::Unknown),
    };
    let last = match &fleet.region(way.from).last_primary_lsn {
        Some(known) => {
            let from = if known.remembered { ", from notes" } else { "" };
            Row::of(format!("primary last at {}, {}{from}", known.value, moment(known.at, fleet.now)), Tone::Old)
        }
        None => Row::of("the primary's log was never seen", Tone::Unknown),
    };
    let words = loss.range();
    let tone = if loss.bytes.is_some() { Tone::Warn } else { Tone::Unknown };
    vec![has, last, Row::new().dim("may lose ").add(words, tone)]
}

fn archive(state: &State, way: Direction) -> Row {
    let fleet = &state.fleet;
    let rows = |side: Side| fleet.region(side).archive.as_ref().and_then(|known| known.value.rows);
    let label = Row::new().dim("archive ");
    let (from, to) = (rows(way.from), rows(way.to));
    let old = fleet.region(way.from).live_database(fleet.now).is_none();
    match (from, to) {
        (Some(from), Some(to)) if old => {
            label.say(format!("{} here", archive_rows(to))).add(format!(", {} there", count(from)), Tone::Old)
        }
        (Some(from), Some(to)) if from == to => label.say(format!("{} = {}", count(from), archive_rows(to))),
        (Some(from), Some(to)) => label.say(format!("{}, standby {}", archive_rows(from), count(to))),
        (None, Some(to)) => label.say(format!("{} on the standby", archive_rows(to))),
        (Some(from), None) => label.say(archive_rows(from)).add(", standby not counted", Tone::Dim),
        (None, None) => label.add("not counted yet", Tone::Dim),
    }
}

fn writes(state: &State, way: Direction) -> Row {
    let fleet = &state.fleet;
    let word = |side: Side| match fleet.region(side).live_database(fleet.now) {
        Some(sample) if sample.accepts_writes() => ("writable", Tone::Plain),
        Some(_) => ("read-only", Tone::Plain),
        None => ("unknown", Tone::Unknown),
    };
    let (from, from_tone) = word(way.from);
    let (to, to_tone) = word(way.to);
    let to_tone = if to == "writable" { Tone::Bad } else { to_tone };
    Row::new().dim("primary ").add(from, from_tone).dim("   standby ").add(to, to_tone)
}
