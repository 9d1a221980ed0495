//! One line of a run's history. What is not recorded has not happened to the run. Pure.

use super::consent::{Consent, Override};
use super::file::Playbook;
use crate::domain::Timestamp;
use crate::domain::effect::{Effect, Outcome};
use crate::domain::fleet::replication::Loss;
use crate::domain::fleet::who::Who;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::region::{Direction, PerSide};
use crate::domain::units::{Bytes, Timeline};
use crate::gates::{Evidence, Finding};
use serde::{Deserialize, Serialize};

/// Names a run: six hexadecimal digits, for people to say over the phone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When it was written.
    pub at: Timestamp,
    /// Who drove.
    pub by: String,
    /// What.
    pub event: Event,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// The run begins.
    Declared(Box<Declared>),
    /// A step is about to act: written before the first request.
    StepStarted(Box<StepStarted>),
    /// One effect of the step has ended.
    EffectEnded {
        /// Step id.
        step: String,
        /// Place of the effect.
        index: usize,
        /// What became of it.
        outcome: Outcome,
    },
    /// The step is proven by fresh observations.
    StepDone {
        /// Step id.
        step: String,
        /// What proves it.
        evidence: Vec<Evidence>,
        /// What was found out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<Box<Note>>,
    },
    /// The step cannot be proven and the run goes on by an override. Never a pass.
    StepUnproven {
        /// Step id.
        step: String,
        /// Why not.
        reason: String,
        /// Gate whose override covers it; None for an optional step.
        gate: Option<String>,
        /// A person went on without it, though its target answered. Absent in journals of earlier versions.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        left: bool,
    },
    /// The step does not apply here.
    StepSkipped {
        /// Step id.
        step: String,
        /// Why not.
        reason: String,
    },
    /// The effect was refused: the world is as before.
    StepFailed {
        /// Step id.
        step: String,
        /// Why.
        reason: String,
    },
    /// It was sent, and neither an answer nor a proof came in time.
    StepUncertain {
        /// Step id.
        step: String,
        /// Why.
        reason: String,
    },
    /// A gate was overridden.
    Overridden(Box<Override>),
    /// The driver went away in good order.
    Detached,
    /// A driver took the run up again. Steps that were started read uncertain from here on.
    Resumed,
    /// An undo is about to act.
    UndoStarted {
        /// Step id.
        step: String,
        /// What it will do.
        effects: Vec<Effect>,
        /// The consent.
        consent: Consent,
    },
    /// One effect of the undo has ended.
    UndoEffectEnded {
        /// Step id.
        step: String,
        /// Place of the effect.
        index: usize,
        /// What became of it.
        outcome: Outcome,
    },
    /// The undo is proven.
    StepUndone {
        /// Step id.
        step: String,
    },
    /// The exact loss, read from the old side after its return; read once more when it is fenced after that.
    LossMeasured(Measured),
    /// The run is over.
    Ended {
        /// How.
        end: End,
        /// Why, for an abort.
        reason: String,
    },
}

/// What the old side tells after its return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// What was lost at the switch; with what was written since, where that can not be told apart.
    pub loss: Loss,
    /// Archive rows that the new side did not get, as far as they can be counted.
    pub rows: Option<u64>,
    /// Log that it wrote between its return and this look, which the new side has not either. None: it was never away,
    /// only out of sight, so that one log runs through; or absent in journals of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrote_on: Option<Bytes>,
    /// It was fenced at this look, so that the numbers are final. Absent in journals of earlier versions, which looked
    /// once.
    #[serde(default = "looked_once")]
    pub fenced: bool,
}

impl Measured {
    /// What the number of rows covers besides those of the switch, in words that follow it. The newest rows carry no time
    /// here, so that they are not told apart as the log is.
    #[must_use]
    pub fn rows_cover(&self) -> &'static str {
        if self.wrote_on.is_some_and(|wrote| wrote.0 > 0) { ", with those since its return" } else { "" }
    }

    /// What the old side, `old`, wrote after its return, in words. None: it was not away, or it was fenced before it
    /// wrote anything.
    #[must_use]
    pub fn wrote_on_words(&self, old: &str) -> Option<String> {
        let wrote = self.wrote_on.filter(|wrote| wrote.0 > 0 || !self.fenced)?;
        let more = if self.fenced { "" } else { ", and more until it is fenced" };
        Some(format!("{wrote} of log written in {old} since its return{more}"))
    }
}

fn looked_once() -> bool {
    true
}

/// How a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Every step is done, skipped or covered by an override.
    Done,
    /// Given up by a person.
    Aborted,
}

/// How a run begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// Its id.
    pub run: RunId,
    /// The playbook, whole: a file that is edited later changes nothing about this run.
    pub playbook: Playbook,
    /// The environment.
    pub environment: String,
    /// Names of the regions.
    pub regions: PerSide<String>,
    /// From where to where.
    pub direction: Direction,
    /// A simulation.
    pub simulated: bool,
    /// First failed probe of the region being left. None: nothing had failed, a planned run.
    pub failing_since: Option<Timestamp>,
    /// What the run may have to know after the region is gone.
    pub before: Before,
}

/// The region being left, as last known when the run began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Crons that were active.
    pub crons_active: Vec<ObjectKey>,
    /// As of when. None: never seen.
    pub crons_at: Option<Timestamp>,
    /// Replicas its controllers had.
    pub replicas: Option<u32>,
    /// The timeline both were on.
    pub timeline: Option<Timeline>,
    /// The database of the region being left was read-only for new sessions already. None: it was not seen, or absent in
    /// journals of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// Who both regions' servers were. Absent in journals of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<PerSide<Who>>,
    /// Archive rows the standby lacked, at the last look at both.
    pub rows_behind: Option<u64>,
}

/// A step is about to act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepStarted {
    /// Step id.
    pub step: String,
    /// Attempt, from 1.
    pub attempt: u32,
    /// Exactly what will be sent.
    pub effects: Vec<Effect>,
    /// What the gates said.
    pub gates: Vec<Finding>,
    /// The consent.
    pub consent: Consent,
    /// The target could not be reached when it began: one short attempt is made.
    pub unreachable: Option<String>,
    /// Whether the journal's mirror in the region being activated has this record. Always `false` until there is one.
    pub mirrored: bool,
}

/// What a step found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "note")]
pub enum Note {
    /// The inventory of runs in flight.
    Inventory {
        /// As of when.
        at: Timestamp,
        /// The runs.
        runs: Vec<InventoryRow>,
    },
    /// What the promotion will lose, and archive rows by the last counts.
    Loss {
        /// The loss.
        loss: Loss,
        /// Archive rows, an estimate.
        rows: Option<u64>,
        /// UIDs of the newest archive rows that the new side had: what the old one has more than these was lost.
        #[serde(default)]
        newest: Vec<String>,
    },
    /// Crons that were activated, and those that the new region lacks.
    Crons {
        /// Activated.
        active: Vec<ObjectKey>,
        /// Not there.
        missing: Vec<ObjectKey>,
    },
    /// The name in front answers the new address; caches are new by then.
    Dns {
        /// When every well-behaved cache has the new address.
        caches_new_by: Timestamp,
    },
}

/// A run in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryRow {
    /// Namespace and name.
    pub key: ObjectKey,
    /// UID: the key of its recovery.
    pub uid: String,
    /// Template, or empty.
    pub template: String,
    /// Progress, or empty.
    pub progress: String,
    /// Names of its arguments' parameters. Their values may be secrets, so they stay in the cluster.
    pub parameters: Vec<String>,
}
