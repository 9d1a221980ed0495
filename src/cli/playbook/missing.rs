//! What a run without a person at the keyboard lacks, and what to do about it: the same command again would stop at the
//! same place.

use crate::gates::OverrideBy;
use crate::playbook::consent::Tier;
use crate::playbook::propose::{Next, Proposal};
use crate::playbook::run::Run;

/// Why a run waits for a person.
#[derive(Debug, Clone)]
pub struct Missing {
    /// In words.
    pub why: String,
    /// What is lacking.
    pub lacks: Lacks,
}

/// What is lacking.
#[derive(Debug, Clone)]
pub enum Lacks {
    /// Nothing: it was left in the middle.
    Nothing,
    /// A consent to this step; with the name of a region, where one has to be given.
    Consent(String, Option<String>),
    /// That a gate does not hold: what would lift it, and, where this person may go on against it, the gate's id and
    /// whether that takes break-glass.
    Gate(String, Option<(String, bool)>),
    /// A person's look at it.
    Look,
}

impl Missing {
    /// It was interrupted.
    pub fn interrupted() -> Missing {
        Missing { why: "it was interrupted".to_owned(), lacks: Lacks::Nothing }
    }

    /// What this proposal lacks.
    pub fn of(why: String, proposal: &Proposal, run: &Run) -> Missing {
        let step = proposal.index.and_then(|at| run.declared.playbook.steps.get(at)).map(|step| step.id.clone());
        let lacks = match (proposal.overridable(), &proposal.next, step) {
            (Some(line), _, _) => {
                let lift = line.finding.answer.lift.clone();
                let own = (line.finding.gate.clone(), line.override_by == OverrideBy::SecondPerson);
                Lacks::Gate(lift, (line.override_by != OverrideBy::Nobody).then_some(own))
            }
            (None, Next::Start { tier, .. }, Some(step)) => {
                Lacks::Consent(step, (*tier == Tier::Region).then(|| run.to_name().to_owned()))
            }
            _ => Lacks::Look,
        };
        Missing { why, lacks }
    }

    /// What to do.
    pub fn advice(&self, run: &Run) -> String {
        let id = &run.declared.run;
        match &self.lacks {
            Lacks::Nothing => format!("leeward playbook resume {id} goes on"),
            Lacks::Consent(step, region) => {
                let region = region.as_ref().map(|name| format!(", region = \"{name}\"")).unwrap_or_default();
                format!(
                    "add [[consent]] step = \"{step}\"{region} to a file of consents (docs/PLAYBOOKS.md), then leeward \
                     playbook resume {id} --consent FILE; or take the run up in the console"
                )
            }
            Lacks::Gate(lift, own) => {
                let lift = if lift.is_empty() { "wait until it does not hold".to_owned() } else { lift.clone() };
                let own = match own {
                    None => "; nobody may override it".to_owned(),
                    Some((gate, glass)) => {
                        let glass = if *glass { ", break_glass = true" } else { "" };
                        format!("; or add [[override]] gate = \"{gate}\", reason = WHY{glass} to the file of consents")
                    }
                };
                format!("to go on: {lift}{own}; then leeward playbook resume {id}")
            }
            Lacks::Look => {
                format!("look at it: leeward journal show {id}; then take it up in the console, or give it up")
            }
        }
    }
}

/// "run 4f7c5e is open at step 3 of 14, suspend-crons".
pub fn open_at(run: &Run) -> String {
    let (id, count) = (&run.declared.run, run.steps.len());
    match run.current() {
        Some((at, step, _)) => format!("run {id} is open at step {} of {count}, {}", at + 1, step.id),
        None => format!("run {id} is open, with every step behind"),
    }
}
