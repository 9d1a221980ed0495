//! Both databases side by side, line by line, and what lies between them.

use super::words::{moment, role, tone};
use super::writer::Writer;
use crate::console::row::{Piece, Row, Sign, Tone, pad, width, wrap};
use crate::console::state::State;
use crate::domain::database::DatabaseSample;
use crate::domain::fleet::region::Region;
use crate::domain::fleet::replication::{Following, message_age};
use crate::domain::freshness::{Freshness, Source};
use crate::domain::region::{PerSide, Role, Side};
use crate::domain::since;
use crate::domain::units::many;
use crate::domain::units::{Bytes, age, archive_rows, fine};
use std::time::Duration;

const LABEL: usize = 14;

/// A cell: words and what they mean.
type Cell = (String, Tone);

pub(super) fn rows(state: &State, columns: usize) -> Vec<Row> {
    let fleet = &state.fleet;
    let mut table = Table { rows: Vec::new(), cell: columns.saturating_sub(LABEL) / 2 };
    table.add(
        "",
        fleet.regions.map(|side, region| {
            let (word, tone) = role(fleet, side);
            (format!("{} · {word}", region.name), tone)
        }),
    );
    table.add("answers", fleet.regions.map(|side, _| answers(state, side)));
    for (label, what) in FACTS {
        table.add(label, fleet.regions.map(|_, region| fact(state, region, *what)));
    }
    table.add("archive", fleet.regions.map(|_, region| archive(state, region)));
    table.add("newest", fleet.regions.map(|_, region| newest(state, region)));
    table.add("operator", fleet.regions.map(|side, region| operator(state, side, region)));
    let mut rows = Vec::new();
    between(state, columns, &mut rows);
    rows.push(Row::new());
    rows.extend(table.rows);
    for side in Side::BOTH {
        senders(state, side, columns, &mut rows);
    }
    rows
}

struct Table {
    rows: Vec<Row>,
    cell: usize,
}

impl Table {
    fn add(&mut self, label: &str, cells: PerSide<Cell>) {
        let columns = self.cell.saturating_sub(1);
        if columns == 0 {
            return;
        }
        let PerSide { a: (left, left_tone), b: (right, right_tone) } = cells;
        // What is longer than its column goes on below: no fact is cut.
        let (left, right) = (wrap(&left, columns), wrap(&right, columns));
        for line in 0..left.len().max(right.len()) {
            let text = |lines: &[String]| lines.get(line).cloned().unwrap_or_default();
            let label = if line == 0 { label } else { "" };
            self.rows.push(
                Row::new()
                    .dim(format!("{label:<LABEL$}"))
                    .add(pad(&text(&left), columns) + " ", left_tone)
                    .add(text(&right), right_tone),
            );
        }
    }
}

fn answers(state: &State, side: Side) -> Cell {
    let health = state.fleet.health(Source::Database(side));
    let fresh = health.freshness(state.fleet.now);
    match (fresh, &health.error) {
        (Freshness::Live(age_of) | Freshness::Late(age_of), _) => {
            let latency = health.latency.map(|l| format!(", in {}", fine(l))).unwrap_or_default();
            (format!("{} {} ago{latency}", fresh.word(), age(age_of)), Tone::Plain)
        }
        (_, Some(error)) => (format!("{fresh}: {error}"), Tone::Bad),
        (_, None) => (format!("{fresh}: no answer yet"), Tone::Unknown),
    }
}

#[derive(Clone, Copy)]
enum What {
    Server,
    System,
    Timeline,
    Writes,
    Position,
    Replayed,
    Rate,
    Receiver,
    Synchronous,
    Clock,
}

const FACTS: &[(&str, What)] = &[
    ("server", What::Server),
    ("system", What::System),
    ("timeline", What::Timeline),
    ("new sessions", What::Writes),
    ("log position", What::Position),
    ("replayed", What::Replayed),
    ("log written", What::Rate),
    ("receiver", What::Receiver),
    ("commits wait", What::Synchronous),
    ("clock", What::Clock),
];

fn fact(state: &State, region: &Region, what: What) -> Cell {
    let now = state.fleet.now;
    let Some(known) = &region.database else { return ("never seen".to_owned(), Tone::Unknown) };
    let fact_tone = tone(region.database_health.freshness(now), known.remembered);
    let sample = &known.value;
    let text = match what {
        What::Server => {
            let tls = if sample.tls { "tls" } else { "NOT encrypted" };
            format!("{}, PostgreSQL {}, {tls}", place(sample), sample.version)
        }
        What::System => sample.identity.system.to_string(),
        What::Timeline => sample.timeline.to_string(),
        What::Writes => match (sample.primary().is_some(), sample.read_only_default) {
            (true, false) => "writable".to_owned(),
            (true, true) => "read-only by default (fenced)".to_owned(),
            (false, _) => "read-only, in recovery".to_owned(),
        },
        What::Position => match (sample.primary(), sample.replica().map(|replica| replica.received)) {
            (Some(primary), _) => format!("{} written", primary.lsn),
            (None, Some(Some(lsn))) => format!("{lsn} received"),
            (None, _) => "not told".to_owned(),
        },
        What::Replayed => match sample.replica() {
            None => "–".to_owned(),
            Some(replica) => {
                let at = replica.replayed.map_or_else(|| "not told".to_owned(), |lsn| lsn.to_string());
                if replica.replay_paused { format!("{at}, PAUSED by hand") } else { at }
            }
        },
        What::Rate => match (sample.primary(), region.log_rate()) {
            (Some(_), Some(rate)) => format!("{}/s at most, of late", bytes(rate)),
            (Some(_), None) => "too few samples".to_owned(),
            (None, _) => "–".to_owned(),
        },
        What::Receiver => receiver(sample),
        What::Synchronous => match sample.synchronous_standby_names.trim() {
            "" => "for no standby".to_owned(),
            names => format!("for {}", crate::domain::text::clean_to(names, 60)),
        },
        What::Clock => {
            let skew = since(known.at.min(sample.server_time), known.at.max(sample.server_time));
            if skew < Duration::from_secs(1) {
                "agrees with ours".to_owned()
            } else {
                format!("{} off ours", age(skew))
            }
        }
    };
    let as_of = if fact_tone == Tone::Old && matches!(what, What::Server) {
        format!("as of {}: ", moment(known.at, now))
    } else {
        String::new()
    };
    (format!("{as_of}{text}"), fact_tone)
}

fn receiver(sample: &DatabaseSample) -> String {
    let Some(replica) = sample.replica() else { return "–".to_owned() };
    let Some(receiver) = &replica.receiver else { return "none: it does not stream".to_owned() };
    let status = receiver.status.as_deref().unwrap_or("state not told");
    let from = receiver.sender.as_ref().map(|sender| format!(" from {sender}")).unwrap_or_default();
    let heard = message_age(sample, replica).map(|heard| format!(", heard {} ago", age(heard))).unwrap_or_default();
    format!("{status}{from}{heard}")
}

fn place(sample: &DatabaseSample) -> String {
    match &sample.identity.address {
        Some(address) => format!("{address}:{}", sample.identity.port),
        None => format!("port {}", sample.identity.port),
    }
}

fn archive(state: &State, region: &Region) -> Cell {
    let Some(known) = &region.archive else { return ("never counted".to_owned(), Tone::Unknown) };
    let rows = known.value.rows.map_or_else(|| "rows not readable".to_owned(), archive_rows);
    let schema = known.value.schema_version.map_or_else(|| "schema unknown".to_owned(), |v| format!("schema {v}"));
    let counted = format!("{rows}, {schema}, counted {} ago", age(known.age(state.fleet.now)));
    (counted, tone(region.database_health.freshness(state.fleet.now), known.remembered))
}

fn newest(state: &State, region: &Region) -> Cell {
    let Some(known) = &region.archive else { return ("never seen".to_owned(), Tone::Unknown) };
    let text = known.value.newest_finished.map_or_else(
        || "no archived run".to_owned(),
        |at| format!("archived run finished {}", moment(at, state.fleet.now)),
    );
    (text, tone(region.database_health.freshness(state.fleet.now), known.remembered))
}

fn operator(state: &State, side: Side, region: &Region) -> Cell {
    if !state.fleet.policy.regions.get(side).operator_configured {
        return ("none configured: can't be promoted from here".to_owned(), Tone::Warn);
    }
    let Some(known) = &region.operator else { return ("not tried yet".to_owned(), Tone::Unknown) };
    let rights = match &known.value {
        Ok(rights) => rights,
        Err(error) => return (format!("can't be tried: {error}"), Tone::Bad),
    };
    let mut may = Vec::new();
    for (has, word) in [(rights.promote, "promote"), (rights.fence, "fence"), (rights.terminate, "end sessions")] {
        may.push(format!("{word} {}", if has { "yes" } else { "NO" }));
    }
    let fact_tone = tone(region.database_health.freshness(state.fleet.now), known.remembered);
    let all = rights.promote && rights.fence && rights.terminate;
    (format!("{}: {}", rights.user, may.join(", ")), if all { fact_tone } else { Tone::Warn })
}

/// The line between them, and how far behind the standby is, in bytes and in time.
fn between(state: &State, columns: usize, rows: &mut Vec<Row>) {
    let fleet = &state.fleet;
    let Some(way) = fleet.direction() else {
        rows.extend(state.why_no_direction(columns));
        return;
    };
    let following = fleet.following(way.to);
    let (word, word_tone) = match following {
        Following::Streaming => ("streaming".to_owned(), Tone::Good),
        Following::Silent(span) => (format!("says it streams, heard nothing for {}", age(span)), Tone::Warn),
        Following::NotStreaming => ("does not stream".to_owned(), Tone::Bad),
        Following::NotAReplica => ("is no replica".to_owned(), Tone::Bad),
        Following::Unknown => ("not known now".to_owned(), Tone::Unknown),
    };
    let rightwards = way.to == Side::B;
    let (left, right) = if rightwards { (way.from, way.to) } else { (way.to, way.from) };
    let width = u16::try_from(columns.saturating_sub(70).clamp(6, 24)).unwrap_or(6);
    rows.push(
        Row::new()
            .dim(format!("{:<LABEL$}", "between"))
            .add(fleet.name(left), Tone::Region(left))
            .say(" ")
            .piece(Piece::Flow { whole: following == Following::Streaming, rightwards, width })
            .say(" ")
            .add(fleet.name(right), Tone::Region(right))
            .say("  ")
            .add(word, word_tone),
    );
    lags(state, way, columns, rows);
}

fn lags(state: &State, way: crate::domain::region::Direction, columns: usize, rows: &mut Vec<Row>) {
    let fleet = &state.fleet;
    let (from, to) = (fleet.region(way.from), fleet.region(way.to));
    let loss = fleet.loss(way);
    let values = |series: &crate::domain::metrics::Series| series.points().map(|point| point.1).collect::<Vec<f64>>();
    let in_time = |behind: Option<Bytes>| {
        let rate = from.log_rate().filter(|rate| *rate > 1.0 && behind.is_some_and(|bytes| bytes.0 > 0))?;
        #[allow(clippy::cast_precision_loss)]
        let seconds = behind?.0 as f64 / rate;
        Duration::try_from_secs_f64(seconds).ok().map(|span| format!(" = {} of log", fine(span)))
    };
    let verb = if loss.exact { "" } else { " at last look" };
    let received = match loss.bytes {
        Some(bytes) => (
            format!("{bytes}{verb}{}", in_time(Some(bytes)).unwrap_or_default()),
            if loss.exact { Tone::Plain } else { Tone::Old },
        ),
        None => ("not known".to_owned(), Tone::Unknown),
    };
    let replica = to.live_database(fleet.now).and_then(DatabaseSample::replica);
    let replayed = match replica.and_then(crate::domain::database::ReplicaState::to_replay) {
        Some(bytes) => (format!("{bytes}{}", in_time(Some(bytes)).unwrap_or_default()), Tone::Plain),
        None => ("not known".to_owned(), Tone::Unknown),
    };
    // The charts begin beside the longer of the two.
    let words = width(&received.0).max(width(&replayed.0)).max(27) + 1;
    let spark = u16::try_from(columns.saturating_sub(LABEL + words + 2).min(60)).unwrap_or(20);
    let row = |label: &str, (text, tone): Cell, series| {
        Row::new().dim(format!("{label:<LABEL$}")).add(pad(&text, words), tone).say(" ").piece(Piece::Spark(
            values(series),
            spark,
            Tone::Plain,
        ))
    };
    rows.push(row("not received", received, &to.charts.unreceived));
    if let (false, Some(at)) = (loss.exact, loss.primary_at) {
        let old = fleet.name(way.from);
        let after = loss.after.map(|bytes| format!(": about {bytes}")).unwrap_or_default();
        let writing = loss.writing.map(|bytes| format!(", up to {bytes} if it wrote on")).unwrap_or_default();
        let words = format!("and what {old} wrote after {}{after}{writing}", at.strftime("%H:%M:%S"));
        rows.extend(beside("", &words, Tone::Warn, columns));
    }
    rows.push(row("not replayed", replayed, &to.charts.unreplayed));
    if let Some(at) = replica.and_then(|replica| replica.last_transaction) {
        let text =
            format!("committed {} ago (ages on an idle primary though nothing is missing)", age(since(at, fleet.now)));
        rows.extend(beside("last replayed", &text, Tone::Dim, columns));
    }
}

/// Words that wrap beside their label.
fn beside(label: &str, words: &str, tone: Tone, columns: usize) -> Vec<Row> {
    let mut page = Writer { columns, rows: Vec::new() };
    page.labelled_by(LABEL, label, words, tone);
    page.rows
}

fn senders(state: &State, side: Side, columns: usize, rows: &mut Vec<Row>) {
    let region = state.fleet.region(side);
    let Some(known) = &region.database else { return };
    let Some(primary) = known.value.primary() else { return };
    let fact_tone = tone(region.database_health.freshness(state.fleet.now), known.remembered);
    rows.push(Row::new());
    let role = region.role(state.fleet.now);
    let as_of =
        if role == Role::Primary { String::new() } else { format!(", as of {}", moment(known.at, state.fleet.now)) };
    rows.push(Row::of(
        format!(
            "{} sends to {}, keeps {}{as_of}",
            region.name,
            many(primary.senders.len(), "standby", "standbys"),
            many(primary.slots.len(), "slot", "slots")
        ),
        Tone::Strong,
    ));
    for sender in &primary.senders {
        let behind = |lsn: Option<crate::domain::units::Lsn>| {
            lsn.map_or_else(|| "?".to_owned(), |lsn| primary.lsn.ahead_of(lsn).to_string())
        };
        let text = format!(
            "{} {}, {}; not sent {}, not flushed {}, not replayed {}",
            sender.application,
            sender.state.as_deref().unwrap_or("state not told"),
            sender.sync_state.as_deref().unwrap_or("?"),
            behind(sender.sent),
            behind(sender.flushed),
            behind(sender.replayed)
        );
        rows.extend(beside("  sender", &text, fact_tone, columns));
    }
    if primary.senders.is_empty() {
        rows.push(Row::new().say("  ").sign(Sign::Warn, Tone::Warn).add(" no standby is connected to it", Tone::Warn));
    }
    for slot in &primary.slots {
        let lost = matches!(slot.wal_status.as_deref(), Some("lost" | "unreserved"));
        let text = format!(
            "{} {}, {}; keeps {}",
            slot.name,
            if slot.active { "in use" } else { "not in use" },
            slot.wal_status.as_deref().unwrap_or("never used"),
            slot.retained.map_or_else(|| "?".to_owned(), |bytes| bytes.to_string())
        );
        rows.extend(beside("  slot", &text, if lost || !slot.active { Tone::Warn } else { fact_tone }, columns));
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn bytes(rate: f64) -> Bytes {
    Bytes(rate.max(0.0) as u64)
}
