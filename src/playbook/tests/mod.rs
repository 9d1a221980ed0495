//! The run under every order of things: what may happen does, what may not is refused, and what is replayed is what was.

mod driven;
mod figures;
mod overrides;

mod undo;
mod walk;
mod ways_on;
mod wild;

use super::builtin;
use super::consent::{Consent, ConsentError, Override, Tier};
use super::file::Playbook;
use super::propose::{Next, Proposal, facts, propose};
use super::record::{Before, Declared, Event, Record, RunId, StepStarted};
use super::run::{Illegal, Run, StepState};
use crate::domain::Timestamp;
use crate::domain::effect::{Effect, EffectHash, Outcome};
use crate::domain::fixtures::Sim;
use crate::domain::region::{Direction, Side};
use crate::gates::{self, Question};

pub const BY: &str = "op@bastion";
pub const TO_B: Direction = Direction { from: Side::A, to: Side::B };

pub fn failover() -> Playbook {
    builtin().unwrap().remove(0)
}

/// The declaration of a failover of this pair to B, as of its moment.
pub fn declared(sim: &Sim, playbook: Playbook) -> Declared {
    let from = sim.fleet.region(Side::A);
    let active = from.crons.rows().iter().filter(|(_, cron)| !cron.suspended).map(|(key, _)| key.clone());
    Declared {
        run: RunId("7f3a00".to_owned()),
        playbook,
        environment: "prod".to_owned(),
        regions: sim.fleet.policy.regions.map(|_, region| region.name.clone()),
        direction: TO_B,
        simulated: false,
        failing_since: sim.fleet.failing_since(Side::A),
        before: Before {
            who: None,
            read_only: None,
            crons_active: active.collect(),
            crons_at: from.crons.as_of(),
            replicas: from.controllers.as_ref().map(|known| known.value.wanted()),
            timeline: from.database.as_ref().map(|known| known.value.timeline),
            rows_behind: Some(0),
        },
    }
}

/// A run over a simulated pair, driven by hand: every record is applied as the driver would, and kept.
pub struct Story {
    pub sim: Sim,
    pub run: Run,
    pub records: Vec<Record>,
    /// The run after each record.
    pub states: Vec<Run>,
}

impl Story {
    pub fn new(sim: Sim, playbook: Playbook) -> Story {
        let event = Event::Declared(Box::new(declared(&sim, playbook)));
        let first = Record { at: sim.now, by: BY.to_owned(), event };
        let run = Run::begin(&first).unwrap();
        Story { sim, states: vec![run.clone()], run, records: vec![first] }
    }

    pub fn proposal(&self) -> Proposal {
        propose(&self.run, &self.sim.fleet, &facts(&self.run, None))
    }

    /// Id of the open step, and what may come next.
    pub fn next(&self) -> (String, Next) {
        let proposal = self.proposal();
        let step = proposal.index.map(|i| self.run.declared.playbook.steps[i].id.clone());
        (step.unwrap_or_default(), proposal.next)
    }

    pub fn state(&self, id: &str) -> &StepState {
        &self.run.step(id).unwrap().1.state
    }

    /// Takes a record; a refused one must have changed nothing.
    pub fn record(&mut self, event: Event) -> Result<(), Illegal> {
        let record = Record { at: self.sim.now, by: BY.to_owned(), event };
        let before = self.run.clone();
        let taken = self.run.apply(&record);
        match &taken {
            Ok(()) => {
                self.records.push(record);
                self.states.push(self.run.clone());
            }
            Err(why) => assert_eq!(self.run, before, "refused ({why}), and changed all the same"),
        }
        taken
    }

    pub fn consent(&self, tier: Tier, effects: &[Effect]) -> Result<Consent, ConsentError> {
        let shown = EffectHash::of(effects);
        Consent::give(tier, effects, &shown, Some(self.run.to_name()), self.run.to_name(), BY, self.sim.now)
    }

    /// Starts the open step, sends what it would send, and notes what came back.
    pub fn start(&mut self) -> Result<(), Illegal> {
        self.announce()?;
        self.send()
    }

    /// Only the record of the start.
    pub fn announce(&mut self) -> Result<(), Illegal> {
        let proposal = self.proposal();
        let (Next::Start { effects, tier, unreachable } | Next::Again { effects, tier, unreachable, .. }) =
            &proposal.next
        else {
            panic!("nothing to start: {:?}", proposal.next)
        };
        let started = StepStarted {
            step: self.next().0,
            attempt: proposal.attempt,
            effects: effects.clone(),
            gates: proposal.gates.iter().map(|line| line.finding.clone()).collect(),
            consent: self.consent(*tier, effects).unwrap(),
            unreachable: unreachable.clone(),
            mirrored: false,
        };
        self.record(Event::StepStarted(Box::new(started)))
    }

    /// Sends what the open step has announced.
    pub fn send(&mut self) -> Result<(), Illegal> {
        let (step, _) = self.next();
        let effects = self.run.step(&step).unwrap().1.started.as_ref().unwrap().effects.clone();
        for (index, effect) in effects.iter().enumerate() {
            let outcome = self.sim.perform(effect);
            self.record(Event::EffectEnded { step: step.clone(), index, outcome })?;
        }
        Ok(())
    }

    /// What the driver does by itself, without a person. False: nothing.
    pub fn follow(&mut self) -> bool {
        let (step, next) = self.next();
        let event = match next {
            Next::Skip(reason) => Event::StepSkipped { step, reason },
            Next::Start { tier: Tier::None, .. } => {
                self.start().unwrap();
                return true;
            }
            Next::Proven { evidence, note } => Event::StepDone { step, evidence, note },
            Next::Failed(reason) => Event::StepFailed { step, reason },
            Next::Overdue(reason) => Event::StepUncertain { step, reason },
            Next::Unprovable { reason, gate } if gate.overridden.is_some() => {
                Event::StepUnproven { step, reason, gate: Some(gate.finding.gate), left: false }
            }
            _ => return false,
        };
        self.record(event).unwrap();
        true
    }

    /// Follows the driver until a person is needed, letting `seconds` pass at most.
    pub fn settle(&mut self, seconds: u64) -> (String, Next) {
        for _ in 0..seconds.div_ceil(2) {
            while self.follow() {}
            if !matches!(self.next().1, Next::Verifying { .. }) {
                break;
            }
            self.sim.go(2);
        }
        while self.follow() {}
        self.next()
    }

    /// A person overrides a gate, as it answers now.
    pub fn go_on_against(&mut self, id: &str) -> Result<(), ConsentError> {
        let facts = facts(&self.run, None);
        let question = Question { fleet: &self.sim.fleet, direction: TO_B, facts: &facts };
        let gate = gates::by_id(id).unwrap();
        let reason = "the region is gone, says its provider";
        let shown = self.proposal().line(id).map(|line| line.finding.clone());
        let finding = shown.unwrap_or_else(|| gates::ask(gate, &question));
        let decision = Override::decide(gate, finding, "us-central1", reason, BY, true, self.sim.now)?;
        self.record(Event::Overridden(Box::new(decision))).unwrap();
        Ok(())
    }

    /// A person goes on without the open step, which an override covers.
    pub fn leave(&mut self) -> Result<(), Illegal> {
        let (step, proposal) = (self.next().0, self.proposal());
        let gate = proposal.without().filter(|line| line.overridden.is_some()).map(|line| line.finding.gate.clone());
        self.record(Event::StepUnproven { step, reason: "left".to_owned(), gate, left: true })
    }

    /// A person undoes a step.
    pub fn undo(&mut self, id: &str) -> Result<(), Illegal> {
        let (step, _) = self.run.step(id).unwrap();
        let effects = step.kind.undo(&self.run, id).unwrap_or_default();
        let consent = self.consent(Tier::Confirm, &effects).unwrap();
        self.record(Event::UndoStarted { step: id.to_owned(), effects: effects.clone(), consent })?;
        let mut all = true;
        for (index, effect) in effects.iter().enumerate() {
            let outcome = self.sim.perform(effect);
            all &= outcome.took();
            self.record(Event::UndoEffectEnded { step: id.to_owned(), index, outcome })?;
        }
        if all { self.record(Event::StepUndone { step: id.to_owned() }) } else { Ok(()) }
    }

    /// Every beginning of the journal, read back from its text, is the run as it was then.
    pub fn replays(&self) {
        let texts: Vec<String> = self.records.iter().map(|r| serde_json::to_string(r).unwrap()).collect();
        let read: Vec<Record> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        assert_eq!(read, self.records, "a record does not survive its text");
        for (k, state) in self.states.iter().enumerate() {
            let replayed = Run::replay(&read[..=k]).unwrap().unwrap();
            assert_eq!(replayed, *state, "after {} records", k + 1);
        }
    }
}

/// What must hold of every journal, whoever wrote it.
pub fn rules(records: &[Record], states: &[Run]) {
    let mut promoting = false;
    for (record, after) in records.iter().zip(states) {
        match &record.event {
            Event::StepStarted(start) => {
                let (_, step) = after.declared.playbook.step(&start.step).unwrap();
                let tier = if start.effects.is_empty() { Tier::None } else { step.consent };
                assert!(start.consent.covers(tier, &start.effects), "{} was sent without a consent", step.id);
                for gate in &step.gates {
                    let finding = start.gates.iter().find(|f| f.gate == *gate).expect("a gate was not asked");
                    let covered = after.overrides.iter().any(|decision| decision.covers(finding));
                    assert!(!finding.answer.verdict.holds() || covered, "{} was sent against {gate}", step.id);
                }
                promoting |= start.effects.iter().any(|effect| matches!(effect, Effect::Promote { .. }));
            }
            Event::UndoStarted { step, effects, consent } => {
                assert!(consent.covers(Tier::Confirm, effects), "{step} was undone without a consent");
                let fence = effects.iter().any(|effect| effect.side() == Some(Side::A));
                assert!(!(promoting && fence), "the fence {step} was taken off after a promotion was started");
            }
            Event::Resumed => {
                assert!(after.steps.iter().all(|slot| slot.state != StepState::Started), "started, after a take-over");
            }
            Event::StepUnproven { step, gate, .. } => {
                let optional = after.step(step).is_some_and(|(step, _)| step.optional);
                let covered = gate.as_ref().is_some_and(|g| after.overrides.iter().any(|o| o.finding.gate == *g));
                assert!(covered || gate.is_none() && optional, "{step} was left unproven by nobody's decision");
            }
            Event::Overridden(decision) => {
                let gate = gates::by_id(&decision.finding.gate).unwrap();
                assert_ne!(gate.override_by, gates::OverrideBy::Nobody, "{} was overridden", gate.id);
            }
            _ => {}
        }
        assert_eq!(promoting, after.promotion_started(), "a promotion that was started is forgotten");
        // No step goes before an earlier one is behind, and what is overridden never reads done.
        let open = after.steps.iter().position(|slot| !slot.state.behind()).unwrap_or(after.steps.len());
        assert!(after.steps.iter().skip(open + 1).all(|slot| slot.state != StepState::Started), "two steps at once");
    }
}

/// The effects that a step has sent, with what became of them.
pub fn sent(run: &Run, id: &str) -> Vec<(Effect, Outcome)> {
    run.outcomes(id).into_iter().map(|(effect, outcome)| (effect.clone(), outcome.clone())).collect()
}

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(crate::domain::fixtures::start().as_second() + second).unwrap()
}
