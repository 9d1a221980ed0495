//! Every gate with every verdict it can give, on pictures made of observations.

mod life;
mod readiness;
pub(crate) mod table;

use super::*;
use crate::domain::fixtures::Sim;
use crate::domain::region::{Direction, Side};
use std::collections::{BTreeMap, BTreeSet};

const TO_B: Direction = Direction { from: Side::A, to: Side::B };

/// The answer of a gate on a picture.
pub(crate) fn answer(gate: &str, sim: &Sim, facts: &RunFacts) -> Answer {
    let question = Question { fleet: &sim.fleet, direction: TO_B, facts };
    ask(by_id(gate).unwrap_or_else(|| panic!("no gate {gate}")), &question).answer
}

fn verdicts() -> BTreeMap<&'static str, BTreeSet<Verdict>> {
    let mut seen: BTreeMap<&str, BTreeSet<Verdict>> = BTreeMap::new();
    for case in table::cases() {
        seen.entry(case.gate).or_default().insert(case.verdict);
    }
    seen
}

#[test]
fn every_gate_answers_as_the_table_says() {
    let mut wrong = Vec::new();
    for case in table::cases() {
        let got = answer(case.gate, &(case.sim)(), &case.facts);
        if got.verdict != case.verdict || !got.text.contains(case.says) {
            wrong.push(format!(
                "{}: {:?} {:?} is not {:?} …{}…",
                case.gate, got.verdict, got.text, case.verdict, case.says
            ));
        }
        if got.verdict.holds() && got.lift.is_empty() {
            wrong.push(format!("{}: {:?} does not say what would lift it", case.gate, got.text));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_has_every_gate() {
    let tried = verdicts();
    // A step's own proof is asked of the run.
    for gate in TABLE.iter().filter(|gate| gate.id != STEP_PROVEN) {
        let tried = tried.get(gate.id).unwrap_or_else(|| panic!("{} is not in the table", gate.id));
        assert!(tried.len() > 1, "{} is only seen as {tried:?}", gate.id);
    }
    assert_eq!(TABLE.iter().map(|gate| gate.id).collect::<BTreeSet<_>>().len(), TABLE.len(), "an id twice");
}

#[test]
fn a_gate_that_holds_anything_back_does_so_when_nothing_is_known() {
    let sim = crate::domain::fixtures::nothing_known();
    for gate in TABLE {
        let got = answer(gate.id, &sim, &RunFacts::default());
        // No earlier failover in the journals is known from the journals, which are ours.
        let known_anyway = ["anti-flap"].contains(&gate.id);
        assert!(known_anyway || got.verdict != Verdict::Pass, "{} passes on nothing: {}", gate.id, got.text);
    }
}

#[test]
fn nothing_passes_on_stale_evidence() {
    // An hour after the last answer of anything.
    let mut sim = crate::domain::fixtures::healthy_pair();
    sim.wait(3600);
    for gate in TABLE {
        let facts = RunFacts { our_lock: Some("op@a/7f3a00".to_owned()), ..RunFacts::default() };
        let got = answer(gate.id, &sim, &facts);
        let known_anyway = ["anti-flap"].contains(&gate.id);
        assert!(known_anyway || got.verdict != Verdict::Pass, "{} passes on stale evidence: {}", gate.id, got.text);
    }
}
