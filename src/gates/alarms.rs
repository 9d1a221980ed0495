//! What is wrong now, loudest first: gates that say so, and sources that are silent.

use super::{Question, RunFacts, TABLE, Verdict};
use crate::domain::fleet::Fleet;
use crate::domain::fleet::happening::Weight;
use crate::domain::freshness::{ErrorKind, Freshness, Source, SourceError};
use crate::domain::region::{Direction, Side};

/// One thing that is wrong now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// What raised it: a gate's id, or a source's.
    pub id: String,
    /// How loud.
    pub weight: Weight,
    /// Where, if in one region.
    pub side: Option<Side>,
    /// One line.
    pub text: String,
    /// What to do, where something can be said; may be empty.
    pub advice: String,
}

/// Everything that is wrong now.
#[must_use]
pub fn alarms(fleet: &Fleet, facts: &RunFacts) -> Vec<Alarm> {
    let mut alarms: Vec<Alarm> = Source::ALL.into_iter().filter_map(|source| silent(fleet, source)).collect();
    alarms.extend(Side::BOTH.into_iter().flat_map(|side| held_back(fleet, side)));
    // With two primaries there is no direction. The old one is then what should be quiet; where the two can not be told
    // apart, the gates are still asked, from either side.
    let old = || fleet.older_primary().map(Direction::activating);
    let direction = fleet.direction().or_else(old).unwrap_or(Direction::activating(Side::B));
    let question = Question { fleet, direction, facts };
    for gate in TABLE {
        let Some(weight) = gate.alarm else { continue };
        let answer = (gate.ask)(&question);
        if matches!(answer.verdict, Verdict::Warn | Verdict::Block) {
            // Two primaries of which one is fenced are work for tomorrow; the others warn as loudly as they block.
            let weight =
                if gate.id == "one-primary" && answer.verdict == Verdict::Warn { Weight::Warn } else { weight };
            alarms.push(Alarm { id: gate.id.to_owned(), weight, side: None, text: answer.text, advice: answer.lift });
        }
    }
    alarms.sort_by_key(|alarm| std::cmp::Reverse(alarm.weight));
    alarms
}

fn silent(fleet: &Fleet, source: Source) -> Option<Alarm> {
    let health = fleet.health(source);
    let error = health.error.as_ref()?;
    // Metrics and names may be left out; a cluster or a database whose configuration is of no use is silent as well.
    let optional = matches!(source, Source::Metrics(_) | Source::Dns);
    if optional && error.kind == ErrorKind::NotConfigured
        || matches!(source, Source::Metrics(_)) && nothing_to_scrape(fleet, source)
    {
        return None;
    }
    let fresh = health.freshness(fleet.now);
    let loud = matches!(source, Source::Kubernetes(_) | Source::Database(_));
    let weight = match fresh {
        Freshness::Live(_) => return None,
        Freshness::Stale(_) | Freshness::Blind if loud => Weight::Bad,
        _ => Weight::Warn,
    };
    Some(Alarm {
        id: format!("source-{}", source.word()),
        weight,
        side: source.side(),
        text: format!("{} {fresh}: {}", source.word(), error.text),
        advice: String::new(),
    })
}

/// Kinds of objects of a region that answers, of which what changes is not told: a watch that is stuck, or refused.
fn held_back(fleet: &Fleet, side: Side) -> Vec<Alarm> {
    let region = fleet.region(side);
    if !fleet.freshness(Source::Kubernetes(side)).usable() {
        return Vec::new();
    }
    let kinds = [
        ("crons", region.crons.error.as_ref(), Weight::Bad),
        ("runs", region.runs.error.as_ref(), Weight::Bad),
        ("templates", region.templates.error.as_ref(), Weight::Warn),
        ("nodes", region.nodes.error.as_ref(), Weight::Warn),
    ];
    let told = kinds.into_iter().filter_map(|(kind, error, weight)| Some((kind, error?, weight)));
    let alarm = |(kind, error, weight): (&str, &SourceError, Weight)| Alarm {
        id: format!("source-{kind}"),
        weight,
        side: Some(side),
        text: format!("{kind} are not known now: {}", error.text),
        advice: String::new(),
    };
    told.map(alarm).collect()
}

/// Controllers that are held at 0 have no metrics, and that is as it should be.
fn nothing_to_scrape(fleet: &Fleet, source: Source) -> bool {
    let region = source.side().map(|side| fleet.region(side));
    region.and_then(|region| region.live_controllers(fleet.now)).is_some_and(|controllers| controllers.wanted() == 0)
}
