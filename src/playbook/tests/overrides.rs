//! Gates and playbooks fit each other, and what nobody may override nobody can.

use crate::gates::OverrideBy::{Nobody, Reason, SecondPerson};
use crate::gates::tests::{answer, table};
use crate::gates::{Answer, Finding, TABLE, Verdict, by_id};
use crate::playbook::builtin;
use crate::playbook::consent::{ConsentError, Override};
use std::collections::BTreeSet;

#[test]
fn what_nobody_may_override_nobody_can() {
    for gate in TABLE {
        for verdict in [Verdict::Unknown, Verdict::Block] {
            for break_glass in [false, true] {
                let finding = Finding { gate: gate.id.to_owned(), answer: plain(verdict) };
                let at = crate::domain::fixtures::start();
                let reason = "the region is on fire and will not come back";
                let decided = Override::decide(gate, finding.clone(), "us-central1", reason, "op", break_glass, at);
                match gate.override_by {
                    Nobody => assert_eq!(decided, Err(ConsentError::Nobody(gate.id.to_owned()))),
                    SecondPerson if !break_glass => {
                        assert_eq!(decided, Err(ConsentError::SecondPerson(gate.id.to_owned())));
                    }
                    SecondPerson => assert!(decided.is_ok_and(|decision| decision.break_glass)),
                    Reason => assert!(decided.is_ok_and(|decision| !decision.break_glass)),
                }
                let short = Override::decide(gate, finding, "us-central1", "  because\u{200b} ", "op", true, at);
                assert!(short.is_err(), "{} takes no reason for a reason", gate.id);
            }
        }
    }
}

#[test]
fn playbooks_name_only_gates_that_are_and_every_gate_is_asked_somewhere() {
    let mut asked: BTreeSet<String> = BTreeSet::new();
    for playbook in builtin().unwrap() {
        for step in playbook.steps {
            for gate in step.gates {
                assert!(by_id(&gate).is_some(), "{} names no gate {gate}", step.id);
                asked.insert(gate);
            }
        }
    }
    for gate in TABLE {
        let of_a_step = gate.id == crate::gates::STEP_PROVEN;
        assert!(
            of_a_step || gate.readiness || gate.alarm.is_some() || asked.contains(gate.id),
            "nobody asks {}",
            gate.id
        );
    }
}

#[test]
fn every_gate_that_a_step_is_said_to_lift_is_lifted_by_a_step_that_is() {
    let failover = builtin().unwrap().remove(0);
    for case in table::cases() {
        if let Some(step) = answer(case.gate, &(case.sim)(), &case.facts).lifted_by {
            assert!(failover.step(&step).is_some(), "{} is lifted by no step: {step}", case.gate);
        }
    }
}

fn plain(verdict: Verdict) -> Answer {
    Answer { verdict, text: "x".to_owned(), evidence: Vec::new(), lift: String::new(), lifted_by: None, amount: None }
}
