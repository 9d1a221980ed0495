//! Charts, one line each: what is drawn larger where there is room, and the whole of it where there is not.

use super::words::tone;
use crate::console::row::{Piece, Row, Sign, Tone, pad};
use crate::console::state::State;
use crate::domain::fleet::region::Region;
use crate::domain::metrics::Series;
use crate::domain::region::Side;
use crate::domain::units::{Bytes, age};

/// A chart of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chart {
    /// Unfinished runs.
    Unfinished,
    /// Depth of the controller's queue.
    Queue,
    /// Busy workers.
    Workers,
    /// Errors per minute.
    Errors,
    /// Requests to the API per second.
    Requests,
    /// Latency of the API.
    Latency,
    /// Bytes not received.
    Unreceived,
    /// Bytes not replayed.
    Unreplayed,
}

impl Chart {
    /// All of them, in drawing order.
    pub const ALL: [Chart; 8] = [
        Chart::Unfinished,
        Chart::Queue,
        Chart::Workers,
        Chart::Errors,
        Chart::Requests,
        Chart::Latency,
        Chart::Unreceived,
        Chart::Unreplayed,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Chart::Unfinished => "unfinished runs",
            Chart::Queue => "queue depth",
            Chart::Workers => "busy workers",
            Chart::Errors => "errors",
            Chart::Requests => "api requests",
            Chart::Latency => "api latency",
            Chart::Unreceived => "not received",
            Chart::Unreplayed => "not replayed",
        }
    }

    /// Its series in a region.
    #[must_use]
    pub fn series(self, region: &Region) -> &Series {
        let charts = &region.charts;
        match self {
            Chart::Unfinished => &charts.unfinished,
            Chart::Queue => &charts.queue,
            Chart::Workers => &charts.workers,
            Chart::Errors => &charts.errors,
            Chart::Requests => &charts.requests,
            Chart::Latency => &charts.api_latency,
            Chart::Unreceived => &charts.unreceived,
            Chart::Unreplayed => &charts.unreplayed,
        }
    }

    /// A value with its unit.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn value(self, value: f64) -> String {
        match self {
            Chart::Unfinished | Chart::Queue | Chart::Workers => format!("{value:.0}"),
            Chart::Errors => format!("{value:.1}/min"),
            Chart::Requests => format!("{value:.1}/s"),
            Chart::Latency => format!("{value:.0} ms"),
            Chart::Unreceived | Chart::Unreplayed => Bytes(value.max(0.0) as u64).to_string(),
        }
    }

    /// It comes from the database, or from the API, and not from the controller's metrics.
    fn source_usable(self, state: &State, side: Side) -> bool {
        use crate::domain::freshness::Source;
        let source = match self {
            Chart::Latency => Source::Kubernetes(side),
            Chart::Unreceived | Chart::Unreplayed => Source::Database(side),
            _ => Source::Metrics(side),
        };
        state.fleet.freshness(source).usable()
    }
}

/// The newest value with its unit and how it stands; or why there is none.
#[must_use]
pub fn newest(state: &State, side: Side, chart: Chart) -> (String, Tone) {
    match chart.series(state.fleet.region(side)).last() {
        None => (why_empty(state, side, chart), Tone::Unknown),
        Some((at, value)) => {
            let age_of = crate::domain::since(at, state.fleet.now);
            // A chart that no longer grows shows the past.
            if chart.source_usable(state, side) && age_of.as_secs() < 30 {
                (chart.value(value), Tone::Plain)
            } else {
                (format!("{} {} ago", chart.value(value), age(age_of)), Tone::Old)
            }
        }
    }
}

/// Why a chart has no point.
#[must_use]
pub fn why_empty(state: &State, side: Side, chart: Chart) -> String {
    let region = state.fleet.region(side);
    let (health, none) = match chart {
        Chart::Latency => (&region.api, "no answer yet"),
        Chart::Unreceived | Chart::Unreplayed => {
            match region.database.as_ref().map(|known| known.value.primary().is_some()) {
                Some(true) => return "it is the primary: nothing to receive".to_owned(),
                _ => (&region.database_health, "no sample yet"),
            }
        }
        _ => match region.metrics.as_ref().map(|known| known.value.is_some()) {
            Some(false) => return "no controller runs here".to_owned(),
            Some(true) => (&region.metrics_health, "this controller does not export it"),
            None => (&region.metrics_health, "not scraped yet"),
        },
    };
    health.error.as_ref().map_or_else(|| none.to_owned(), |error| error.text.clone())
}

pub(super) fn rows(state: &State, columns: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for side in Side::BOTH {
        let region = state.fleet.region(side);
        rows.push(head(state, side));
        for chart in Chart::ALL {
            let (text, tone) = newest(state, side, chart);
            let name = Row::new().dim(format!("  {:<17}", chart.name()));
            let series = chart.series(region);
            if series.last().is_none() {
                rows.push(name.add(text, tone));
                continue;
            }
            let values: Vec<f64> = series.points().map(|point| point.1).collect();
            let most = series.max().map(|max| format!("most {}", chart.value(max))).unwrap_or_default();
            let spark = u16::try_from(columns.saturating_sub(19 + 18 + 18)).unwrap_or(8);
            rows.push(
                name.add(pad(&text, 17), tone).say(" ").piece(Piece::Spark(values, spark, tone)).fill().dim(most),
            );
        }
    }
    rows
}

/// The region with what its metrics are worth.
#[must_use]
pub fn head(state: &State, side: Side) -> Row {
    let region = state.fleet.region(side);
    let fresh = region.metrics_health.freshness(state.fleet.now);
    let row = Row::new()
        .add(format!("{} · {}", region.name, region.role(state.fleet.now).word()), Tone::Region(side))
        .dim("  metrics ");
    match region.metrics.as_ref() {
        Some(known) if known.value.is_none() && fresh.usable() => row.dim("no controller runs here"),
        Some(known) => {
            let version = known.value.as_ref().and_then(|sample| sample.version.clone());
            let version = version.map(|version| format!("  {version}")).unwrap_or_default();
            row.add(format!("{fresh}{version}"), tone(fresh, known.remembered))
        }
        None => {
            let why = region.metrics_health.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
            row.sign(Sign::Unknown, Tone::Unknown).add(format!(" {fresh}{why}"), Tone::Unknown)
        }
    }
}
