//! What a failover now would need, lose and take.

use crate::console::pages::words::verdict;
use crate::console::row::{Row, Sign, Tone, cut, pad, width};
use crate::console::state::State;
use crate::domain::units::many;
use crate::domain::units::{Bytes, age, clock};
use crate::gates::readiness::State as Verdict;

pub fn title(state: &State) -> Row {
    let (word, tone) = state.readiness_word();
    let row = Row::new().add("readiness", Tone::Strong);
    if state.readiness_note().is_some() && state.derived.readiness.direction.is_some() {
        return row.dim(" · a run is open");
    }
    match state.leads_back_to() {
        Some(name) => row.dim(" · ").say(format!("a failover back to {name}")).dim(" · ").add(word, tone),
        None => row.dim(" · ").add(word, tone),
    }
}

pub fn rows(state: &State, columns: usize, height: usize) -> Vec<Row> {
    let readiness = &state.derived.readiness;
    if readiness.state == Verdict::NoDirection {
        return state.why_no_direction(columns);
    }
    if let Some(note) = state.readiness_note() {
        return vec![Row::of(cut(&note, columns), Tone::Plain)];
    }
    let mut rows = Vec::new();
    // The price keeps the last line but one; what holds comes first.
    let room = height.saturating_sub(1);
    let shown = (room / 2).min(readiness.blocks.len());
    for finding in readiness.blocks.iter().take(shown) {
        let (sign, sign_tone) = verdict(finding.answer.verdict);
        let name = pad(&finding.gate, 20);
        rows.push(Row::new().sign(sign, sign_tone).add(format!(" {name} "), Tone::Strong).say(&*finding.answer.text));
        if !finding.answer.lift.is_empty() {
            rows.push(Row::new().dim(format!("{:23}lift it: {}", "", finding.answer.lift)));
        }
    }
    let (time, loss) = (time(state, "serves again in about "), loss(state, columns));
    // An estimated loss has many words; it then has a line of its own.
    if width(&time.text()) + width(&loss.text()) + 3 > columns && rows.len() + 1 < height {
        rows.extend([time, loss]);
    } else {
        rows.push(time.say("   ").then(loss));
    }
    let left = height.saturating_sub(rows.len());
    let unsaid = readiness.blocks.len() - shown;
    rows.extend(warnings(state, columns, left, unsaid));
    rows
}

/// The price of a failover now: time, after words of the caller's. Nothing without a direction.
pub fn time(state: &State, words: &str) -> Row {
    let readiness = &state.derived.readiness;
    let target = state.fleet.policy.rto_target;
    let caches = readiness.caches_new_after.map(|ttl| format!(", caches new +{}", age(ttl))).unwrap_or_default();
    let takes = if readiness.takes > target { Tone::Warn } else { Tone::Plain };
    if readiness.direction.is_none() {
        return Row::new();
    }
    Row::new().dim(words).add(format!("{} of {}{caches}", clock(readiness.takes), age(target)), takes)
}

/// And what is lost: bytes, then runs; and where it fits, rows and the limit.
pub fn loss(state: &State, columns: usize) -> Row {
    let readiness = &state.derived.readiness;
    if readiness.direction.is_none() {
        return Row::new();
    }
    let (flight, flight_tone) = match readiness.in_flight {
        Some(runs) if fresh(state) => (format!("   {} in flight", many(runs, "run", "runs")), Tone::Plain),
        Some(runs) => (format!("   {} in flight as last known", many(runs, "run", "runs")), Tone::Old),
        None => ("   runs in flight unknown".to_owned(), Tone::Unknown),
    };
    let (row, rest) = match &readiness.loss {
        Some(loss) => {
            let limit = Bytes(state.fleet.policy.loss_bytes_max);
            let over = loss.at_most().is_none_or(|bytes| bytes > limit);
            let verb = if loss.exact { "loses " } else { "may lose " };
            let old = readiness.direction.map_or("it", |way| state.fleet.name(way.from));
            let rows = readiness.loss_rows.map(|rows| {
                format!("   {}", many(usize::try_from(rows).unwrap_or(usize::MAX), "archive row", "archive rows"))
            });
            let tone = if over { Tone::Warn } else { Tone::Plain };
            let rest = format!("{}   limit {limit}", rows.unwrap_or_default());
            let words = loss.short(old);
            let fits = width(verb) + width(&words) + width(&flight) <= columns;
            (Row::new().dim(verb).add(if fits { words } else { loss.range() }, tone), rest)
        }
        None => (Row::of("loss unknown", Tone::Unknown), String::new()),
    };
    let row = row.add(flight, flight_tone);
    if width(&row.text()) + width(&rest) > columns { row } else { row.dim(rest) }
}

/// The runs of the region that would be left are seen as they are now.
fn fresh(state: &State) -> bool {
    state.derived.readiness.direction.is_some_and(|way| {
        let from = state.fleet.region(way.from);
        from.table_freshness(&from.runs, state.fleet.now).usable()
    })
}

/// Warnings, two in a line where they fit.
fn warnings(state: &State, columns: usize, height: usize, unsaid: usize) -> Vec<Row> {
    let warnings = &state.derived.readiness.warnings;
    let half = columns / 2;
    let mut rows: Vec<Row> = Vec::new();
    let mut said = 0;
    for pair in warnings.chunks(2).take(height) {
        let mut row = Row::new();
        for (at, finding) in pair.iter().enumerate() {
            let text = if pair.len() == 1 {
                cut(&finding.answer.text, columns - 3)
            } else {
                pad(&finding.answer.text, half.saturating_sub(3))
            };
            row = row
                .sign(Sign::Warn, Tone::Warn)
                .say(format!(" {}", if at == 1 { text.trim_end().to_owned() } else { text }));
            said += 1;
        }
        rows.push(row);
    }
    let more = warnings.len() - said + unsaid;
    if more > 0
        && let Some(last) = rows.pop().or_else(|| Some(Row::new()))
    {
        rows.push(last.fill().add(format!("and {more} more"), Tone::Warn));
    }
    rows
}
