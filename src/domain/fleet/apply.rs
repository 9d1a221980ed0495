//! How an observation changes the picture, and which changes are worth a line on the timeline.

use super::Fleet;
use super::happening::Weight;
use super::region::{Pulse, Region, SAMPLES_MAX};
use crate::domain::database::{DatabaseSample, ServerState};
use crate::domain::freshness::{Known, Source, SourceError};
use crate::domain::kubernetes::Controllers;
use crate::domain::metrics::MetricsSample;
use crate::domain::observation::{Fact, Observation, Watched};
use crate::domain::region::Side;
use crate::domain::units::age;
use crate::domain::{Timestamp, since};
use std::collections::VecDeque;

/// Who takes writes, as far as both databases answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writers {
    /// One does, and the other is its replica; or one of the two does not answer.
    Usual,
    /// Both are out of recovery and take writes.
    Both,
    /// Both are out of recovery, one takes writes.
    OneOfTwo,
    /// Both answer and neither does.
    None,
}

impl Fleet {
    /// Takes one observation.
    pub fn apply(&mut self, observation: Observation) {
        let Observation { source, at, fact } = observation;
        self.now = self.now.max(at);
        let writers = self.writers();
        match fact {
            Fact::Answered { latency } => self.answered(source, at, latency),
            Fact::Failed { began, error } => self.failed(source, began, error),
            Fact::Dns(sample) => self.dns_sample(sample, at),
            fact => {
                if let Some(side) = source.side() {
                    self.region_fact(side, at, fact);
                }
            }
        }
        if let Source::Database(_) = source {
            self.writers_changed(writers, at);
        }
    }

    fn writers(&self) -> Writers {
        let of = |side| self.region(side).live_database(self.now);
        let (Some(a), Some(b)) = (of(Side::A), of(Side::B)) else { return Writers::Usual };
        if a.identity.system != b.identity.system {
            return Writers::Usual;
        }
        match (a.primary().is_some() && b.primary().is_some(), a.accepts_writes(), b.accepts_writes()) {
            (true, true, true) => Writers::Both,
            (_, false, false) => Writers::None,
            (true, ..) => Writers::OneOfTwo,
            (false, ..) => Writers::Usual,
        }
    }

    /// The first moment of what nobody wants is a line of its own: reports and reviews begin there.
    fn writers_changed(&mut self, before: Writers, at: Timestamp) {
        let now = self.writers();
        let old = self.older_primary().filter(|_| now == Writers::Both);
        let (weight, text) = match now {
            _ if now == before => return,
            Writers::Both => (Weight::Bad, "two databases are out of recovery, and both take writes"),
            // The old primary is fenced, as it should be while it is not rebuilt.
            Writers::OneOfTwo => (Weight::Warn, "two databases are out of recovery, one of them takes writes"),
            Writers::None => (Weight::Bad, "neither database takes writes"),
            Writers::Usual => return,
        };
        let which = old.map_or_else(String::new, |old| format!("; {} is the older one", self.name(old)));
        self.happenings.push(at, old, weight, format!("{text}{which}"));
    }

    fn health_mut(&mut self, source: Source) -> &mut crate::domain::freshness::SourceHealth {
        match source {
            Source::Kubernetes(side) => &mut self.regions.get_mut(side).api,
            Source::Database(side) => &mut self.regions.get_mut(side).database_health,
            Source::Metrics(side) => &mut self.regions.get_mut(side).metrics_health,
            Source::Dns => &mut self.dns_health,
        }
    }

    #[allow(clippy::cast_precision_loss)]
    fn answered(&mut self, source: Source, at: Timestamp, latency: std::time::Duration) {
        let health = self.health_mut(source);
        let silent = health.failing_since.map(|since_then| since(since_then, at));
        let first = health.last_answer.is_none();
        health.answered(at, latency);
        if let Some(silent) = silent
            && !first
        {
            let text = format!("{} answers again after {}", source.word(), age(silent));
            self.happenings.push(at, source.side(), Weight::Info, text);
        }
        if let Source::Kubernetes(side) = source {
            self.regions.get_mut(side).charts.api_latency.push(at, latency.as_secs_f64() * 1000.0);
        }
    }

    fn failed(&mut self, source: Source, began: Timestamp, error: SourceError) {
        let health = self.health_mut(source);
        let first = health.failing_since.is_none();
        let refused_now = error.refused() && !health.error.as_ref().is_some_and(SourceError::refused);
        health.failed(began, error.clone());
        // One outage is one line, in whatever ways it fails; being refused is another matter. Metrics that are missing
        // are an alarm where a controller should have them, and no event.
        if (first || refused_now) && !matches!(source, Source::Metrics(_)) {
            let text = format!("{} does not answer: {}", source.word(), error.text);
            self.happenings.push(began, source.side(), Weight::Bad, text);
        }
    }

    fn dns_sample(&mut self, sample: crate::domain::dns::DnsSample, at: Timestamp) {
        let answer = |sample: &crate::domain::dns::DnsSample| sample.authoritative().map(|(a, _)| a.to_vec());
        let (before, now) = (self.dns.as_ref().and_then(|known| answer(&known.value)), answer(&sample));
        if let (Some(before), Some(now)) = (before, now)
            && before != now
        {
            let list = |a: &[std::net::IpAddr]| a.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            let text = format!("dns answer changed from {} to {}", list(&before), list(&now));
            self.happenings.push(at, None, Weight::Warn, text);
        }
        self.dns = Some(Known::seen(sample, at));
    }

    fn region_fact(&mut self, side: Side, at: Timestamp, fact: Fact) {
        match fact {
            Fact::Database(sample) => return self.database_sample(side, *sample, at),
            Fact::Controllers(controllers) => return self.controllers(side, controllers, at),
            Fact::Runs(change) => return self.runs(side, change, at),
            Fact::Nodes(change) => return self.nodes(side, change, at),
            Fact::Crons(change) => return self.crons(side, change, at),
            Fact::Templates(change) => return self.templates(side, change, at),
            Fact::OpenRun(key, run) => {
                if let Some((s, k, shown)) = &mut self.open_run
                    && *s == side
                    && *k == key
                {
                    *shown = run.map(|run| *run);
                }
                return;
            }
            _ => {}
        }
        // Whoever is known as the other region's is never taken for this one's, however old that is.
        let others = self.regions.get(side.other()).who.cluster.as_ref().map(|seen| seen.who.clone());
        let region = self.regions.get_mut(side);
        match fact {
            Fact::Identity(identity) => {
                if others.as_ref() != Some(&identity.cluster_uid) {
                    region.who.cluster_seen(&identity.cluster_uid, at);
                }
                region.identity = Some(Known::seen(identity, at));
            }
            Fact::Rights(rights) => region.rights = Some(Known::seen(rights, at)),
            Fact::Scope(namespaces) => region.scope = Some(namespaces),
            Fact::Lock(lease) => region.lock = Some(Known::seen(lease, at)),
            // Nothing said is no news: what is known stands as long as its timeline does.
            Fact::Promotion(promotion) => region.promotion = promotion.or(region.promotion),
            Fact::Archive(facts) => region.archive = Some(Known::seen(facts, at)),
            Fact::Operator(rights) => region.operator = Some(Known::seen(rights, at)),
            Fact::Metrics(sample) => metrics(region, sample, at),
            Fact::WatchConfirmed(kind) => confirm(region, kind, at),
            Fact::WatchFailed(kind, error) => watch_failed(region, kind, error),
            Fact::RunDetail { key, uid, detail } => region.runs.amend(&key, |run| {
                if run.uid == uid {
                    run.detail = Some(detail);
                }
            }),
            _ => {}
        }
    }

    #[allow(clippy::cast_precision_loss)]
    fn database_sample(&mut self, side: Side, mut sample: DatabaseSample, at: Timestamp) {
        sample.keep_timeline(self.regions.get(side).database.as_ref().map(|known| &known.value));
        let before = self.regions.get(side).database.as_ref().filter(|known| !known.remembered);
        let lines = before.map(|known| database_changes(&known.value, &sample)).unwrap_or_default();
        for (weight, text) in lines {
            self.happenings.push(at, Some(side), weight, text);
        }
        let others = self.regions.get(side.other()).who.database.as_ref().map(|seen| seen.who.clone());
        let other_lsn = self.regions.get(side.other()).last_primary_lsn.as_ref().map(|known| known.value);
        let region = self.regions.get_mut(side);
        match &sample.state {
            ServerState::Primary(state) => {
                region.last_primary_lsn = Some(Known::seen(state.lsn, at));
                push_bounded(&mut region.log, (at, state.lsn));
            }
            ServerState::Replica(state) => {
                let pulse = Pulse {
                    at,
                    received: state.received,
                    last_message: state.receiver.as_ref().and_then(|r| r.last_message),
                    streaming: state.streaming(),
                };
                push_bounded(&mut region.pulses, pulse);
                if let (Some(primary), Some(has)) = (other_lsn, state.has()) {
                    region.charts.unreceived.push(at, primary.ahead_of(has).0 as f64);
                }
                if let Some(bytes) = state.to_replay() {
                    region.charts.unreplayed.push(at, bytes.0 as f64);
                }
            }
        }
        if others.as_ref() != Some(&sample.identity) {
            region.who.database_seen(&sample.identity, at);
            if sample.primary().is_some() {
                region.who.primary_seen(&sample.identity, at);
            }
        }
        region.database = Some(Known::seen(sample, at));
    }

    fn controllers(&mut self, side: Side, controllers: Controllers, at: Timestamp) {
        let region = self.regions.get_mut(side);
        if let Some(before) = region.controllers.as_ref().filter(|known| !known.remembered) {
            let before = &before.value;
            let mut say = |weight, text| self.happenings.push(at, Some(side), weight, text);
            if before.wanted() != controllers.wanted() {
                say(Weight::Warn, format!("controllers scaled from {} to {}", before.wanted(), controllers.wanted()));
            }
            let leader = |c: &Controllers| c.leader(at).map(|pod| pod.name.clone());
            match (leader(before), leader(&controllers)) {
                (Some(old), None) => say(Weight::Warn, format!("leader {old} is gone")),
                (old, Some(new)) if old.as_ref() != Some(&new) => say(Weight::Info, format!("{new} leads")),
                _ => {}
            }
            for pod in controllers.pods.iter().filter(|pod| pod.waiting.as_deref() == Some("CrashLoopBackOff")) {
                if before.pods.iter().any(|old| old.name == pod.name && old.restarts < pod.restarts) {
                    let why = pod.last_end.clone().unwrap_or_default();
                    say(Weight::Bad, format!("controller {} crashed, restart {}: {why}", pod.name, pod.restarts));
                }
            }
        }
        region.controllers = Some(Known::seen(controllers, at));
    }
}

fn database_changes(before: &DatabaseSample, now: &DatabaseSample) -> Vec<(Weight, String)> {
    let mut lines = Vec::new();
    match (before.primary().is_some(), now.primary().is_some()) {
        (false, true) => lines.push((Weight::Warn, format!("database promoted, timeline {}", now.timeline))),
        (true, false) => lines.push((Weight::Warn, "database is a replica now".to_owned())),
        _ => {}
    }
    if before.read_only_default != now.read_only_default {
        let word = if now.read_only_default { "read-only" } else { "writable" };
        lines.push((Weight::Warn, format!("new sessions of the database are {word}")));
    }
    if let (Some(old), Some(new)) = (before.replica(), now.replica()) {
        if old.streaming() != new.streaming() {
            let (weight, word) = if new.streaming() {
                (Weight::Info, "streams again")
            } else {
                (Weight::Bad, "does not stream any more")
            };
            lines.push((weight, format!("replica {word}")));
        }
        if old.replay_paused != new.replay_paused {
            let word = if new.replay_paused { "paused" } else { "resumed" };
            lines.push((Weight::Warn, format!("replay {word}")));
        }
    }
    lines
}

fn metrics(region: &mut Region, sample: Option<MetricsSample>, at: Timestamp) {
    if let Some(new) = &sample {
        let charts = &mut region.charts;
        let unfinished = ["Running", "Pending"].iter().filter_map(|phase| new.runs_by_phase.get(*phase)).sum();
        charts.unfinished.push(at, unfinished);
        if let Some(depth) = new.queue_depth {
            charts.queue.push(at, depth);
        }
        if let Some(busy) = new.workers_busy {
            charts.workers.push(at, busy);
        }
        if let Some(before) = region.metrics.as_ref().and_then(|known| Some((known.at, known.value.as_ref()?))) {
            let seconds = since(before.0, at).as_secs_f64();
            let rate = |new: Option<f64>, old: Option<f64>| {
                // A counter that fell was reset by a restart; its next difference counts from zero.
                Some((new? - old?).max(0.0) / seconds).filter(|rate| rate.is_finite())
            };
            if let Some(rate) = rate(new.errors_total, before.1.errors_total) {
                charts.errors.push(at, rate * 60.0);
            }
            if let Some(rate) = rate(new.k8s_requests_total, before.1.k8s_requests_total) {
                charts.requests.push(at, rate);
            }
        }
    }
    region.metrics = Some(Known::seen(sample, at));
}

fn confirm(region: &mut Region, kind: Watched, at: Timestamp) {
    match kind {
        Watched::Runs => region.runs.confirm(at),
        Watched::Crons => region.crons.confirm(at),
        Watched::Templates => region.templates.confirm(at),
        Watched::Nodes => region.nodes.confirm(at),
    }
}

fn watch_failed(region: &mut Region, kind: Watched, error: SourceError) {
    let slot = match kind {
        Watched::Runs => &mut region.runs.error,
        Watched::Crons => &mut region.crons.error,
        Watched::Templates => &mut region.templates.error,
        Watched::Nodes => &mut region.nodes.error,
    };
    *slot = Some(error);
}

fn push_bounded<T>(samples: &mut VecDeque<T>, sample: T) {
    if samples.len() >= SAMPLES_MAX {
        samples.pop_front();
    }
    samples.push_back(sample);
}
