//! What a failover now would need, lose and take, and why: the gate table read as one verdict.

use super::{Finding, OverrideBy, Question, RunFacts, TABLE, Verdict, ask};
use crate::domain::fleet::Fleet;
use crate::domain::fleet::replication::Loss;
use crate::domain::region::Direction;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// A failover can be led to its end.
    Ready,
    /// The same, at a price that the warnings name.
    ReadyWithWarnings,
    /// Something holds it back that no step lifts.
    Blocked,
    /// No primary has ever been seen, or two are: there is no direction.
    NoDirection,
}

/// The whole answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// The verdict.
    pub state: State,
    /// From where to where. None: not known.
    pub direction: Option<Direction>,
    /// Gates that hold and that no step lifts.
    pub blocks: Vec<Finding>,
    /// Gates that warn.
    pub warnings: Vec<Finding>,
    /// Gates that hold and that a step of the playbook lifts: work, not an obstacle.
    pub work: Vec<Finding>,
    /// Expected time from the declaration to proven service.
    pub takes: Duration,
    /// After that, until every well-behaved cache has the new address. None: not known.
    pub caches_new_after: Option<Duration>,
    /// What would be lost. None: no direction.
    pub loss: Option<Loss>,
    /// Archive rows that the replica lacks, at the last look at both. None: not known.
    pub loss_rows: Option<u64>,
    /// Runs in flight in the old region, as last known. None: never seen.
    pub in_flight: Option<usize>,
}

impl Readiness {
    /// The verdict in words.
    #[must_use]
    pub fn headline(&self) -> String {
        let warnings = match self.warnings.len() {
            0 => String::new(),
            1 => ", 1 warning".to_owned(),
            n => format!(", {n} warnings"),
        };
        match self.state {
            State::Ready => "READY".to_owned(),
            State::ReadyWithWarnings => format!("READY{warnings}"),
            State::Blocked => format!("BLOCKED by {}{warnings}", self.blocks.len()),
            State::NoDirection => "NO DIRECTION".to_owned(),
        }
    }
}

/// Reads the table. `takes` is the expected time of the playbook, from its own history.
#[must_use]
pub fn readiness(fleet: &Fleet, facts: &RunFacts, takes: Duration) -> Readiness {
    let caches_new_after = fleet.dns.as_ref().and_then(|known| known.value.authoritative()).map(|(_, ttl)| ttl);
    let Some(direction) = fleet.direction() else {
        return Readiness {
            state: State::NoDirection,
            direction: None,
            blocks: Vec::new(),
            warnings: Vec::new(),
            work: Vec::new(),
            takes,
            caches_new_after,
            loss: None,
            loss_rows: None,
            in_flight: None,
        };
    };
    let question = Question { fleet, direction, facts };
    let (mut blocks, mut warnings, mut work) = (Vec::new(), Vec::new(), Vec::new());
    for gate in TABLE.iter().filter(|gate| gate.readiness) {
        let finding = ask(gate, &question);
        match finding.answer.verdict {
            Verdict::Moot | Verdict::Pass => {}
            Verdict::Warn => warnings.push(finding),
            _ if finding.answer.lifted_by.is_some() => work.push(finding),
            Verdict::Block if gate.needed => blocks.push(finding),
            // What a reason lifts costs a sentence, not the failover.
            _ if gate.override_by == OverrideBy::Reason => warnings.push(finding),
            _ => blocks.push(finding),
        }
    }
    let state = match (blocks.is_empty(), warnings.is_empty()) {
        (false, _) => State::Blocked,
        (true, false) => State::ReadyWithWarnings,
        (true, true) => State::Ready,
    };
    let from = fleet.region(direction.from);
    let rows = |side| fleet.region(side).archive.as_ref().and_then(|known| known.value.rows);
    Readiness {
        state,
        direction: Some(direction),
        blocks,
        warnings,
        work,
        takes,
        caches_new_after,
        loss: Some(fleet.loss(direction)),
        loss_rows: rows(direction.from).zip(rows(direction.to)).map(|(from, to)| from.saturating_sub(to)),
        in_flight: from.runs.known().then(|| from.run_counts().unfinished()),
    }
}
