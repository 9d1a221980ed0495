//! What may come next in a run, as it is drawn and followed. Pure.

use super::consent::{Override, Tier};
use super::record::Note;
use crate::domain::effect::{Effect, EffectHash};
use crate::gates::{Evidence, Finding, OverrideBy};
use std::time::Duration;

/// A gate of the current step, answered now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateLine {
    /// Its answer.
    pub finding: Finding,
    /// Who may override it.
    pub override_by: OverrideBy,
    /// The override that covers it now.
    pub overridden: Option<Override>,
}

impl GateLine {
    /// It holds the step back, and nothing covers it.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.finding.answer.verdict.holds() && self.overridden.is_none()
    }
}

/// What may come next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // there is one of it at a time
pub enum Next {
    /// Nothing: the run is over.
    Over,
    /// All steps are behind: the run can be ended.
    Finish,
    /// Gates hold: wait for them, lift them, or override.
    Held,
    /// It does not apply here.
    Skip(String),
    /// It is to be started. `effects` may be empty: then only its proof is awaited.
    Start {
        /// What would be sent.
        effects: Vec<Effect>,
        /// The consent it takes.
        tier: Tier,
        /// Its target does not answer: one short try.
        unreachable: Option<String>,
    },
    /// It cannot be made on what is known.
    Impossible {
        /// Why.
        reason: String,
        /// The gate whose override lets the run go on without it, where there is one.
        without: Option<GateLine>,
    },
    /// Effects are being sent.
    Sending,
    /// Sent; proof is awaited.
    Verifying {
        /// What is missing.
        missing: String,
        /// Time left.
        left: Duration,
    },
    /// Proven.
    Proven {
        /// By what.
        evidence: Vec<Evidence>,
        /// What was found out.
        note: Option<Box<Note>>,
    },
    /// The server refused, or it came out wrong.
    Failed(String),
    /// No proof came in time: what became of it is not known.
    Overdue(String),
    /// Its target is out of reach, so it cannot be proven; the override of this gate covers it, or is asked for.
    Unprovable {
        /// Why.
        reason: String,
        /// The gate.
        gate: GateLine,
    },
    /// It failed, or is uncertain and not proven: retry or abort.
    Again {
        /// What is known.
        reason: String,
        /// What a retry would send.
        effects: Vec<Effect>,
        /// The consent it takes.
        tier: Tier,
        /// Its target does not answer: one short try.
        unreachable: Option<String>,
        /// The run may go on without it.
        optional: bool,
        /// The gate whose override lets the run go on without it, where there is one.
        without: Option<GateLine>,
    },
}

/// The current step with its gates, and what may come next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Place of the step; None when the run has none open.
    pub index: Option<usize>,
    /// Attempt that a start would be.
    pub attempt: u32,
    /// Its gates.
    pub gates: Vec<GateLine>,
    /// What may come next.
    pub next: Next,
}

impl Proposal {
    /// Hash of what a start would send: what a consent has to name.
    #[must_use]
    pub fn hash(&self) -> Option<EffectHash> {
        match &self.next {
            Next::Start { effects, .. } | Next::Again { effects, .. } => Some(EffectHash::of(effects)),
            _ => None,
        }
    }

    /// A driver does it without an order: it asks for no consent, or sends nothing. What sends nothing may be looked at
    /// again, but after a second try only at the order of a person: a loop that nobody sees is not a wait.
    #[must_use]
    pub fn by_itself(&self) -> bool {
        match &self.next {
            Next::Start { tier, .. } => *tier == Tier::None,
            Next::Again { effects, .. } => effects.is_empty() && self.attempt <= 2,
            _ => false,
        }
    }

    /// The gate whose override lets the run go on without the step.
    #[must_use]
    pub fn without(&self) -> Option<&GateLine> {
        match &self.next {
            Next::Again { without, .. } | Next::Impossible { without, .. } => without.as_ref(),
            _ => None,
        }
    }

    /// An override lets the run go on without the step, if a person says so.
    #[must_use]
    pub fn may_leave(&self) -> bool {
        self.without().is_some_and(|line| line.overridden.is_some())
    }

    /// What a person may override now: the first gate that holds, or the one that stands for a proof.
    #[must_use]
    pub fn overridable(&self) -> Option<&GateLine> {
        self.held_by().or_else(|| self.without().filter(|line| line.overridden.is_none()))
    }

    /// What stands on the screen about a gate of the step.
    #[must_use]
    pub fn line(&self, gate: &str) -> Option<&GateLine> {
        let unprovable = match &self.next {
            Next::Unprovable { gate, .. } => Some(gate),
            _ => None,
        };
        let mut lines = self.gates.iter().chain(unprovable).chain(self.without());
        lines.find(|line| line.finding.gate == gate)
    }

    /// The first gate that holds.
    #[must_use]
    pub fn held_by(&self) -> Option<&GateLine> {
        match &self.next {
            Next::Unprovable { gate, .. } if gate.overridden.is_none() => Some(gate),
            _ => self.gates.iter().find(|line| line.holds()),
        }
    }
}
