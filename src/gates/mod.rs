//! Every question that can hold a failover back, once. Readiness, a step's checks, the alarms and the words on the
//! screen are all read from [`TABLE`]; none of them asks a question again in its own way. Pure.

pub mod alarms;
pub mod readiness;

mod after;
mod dns;
mod health;
mod lock;
mod loss;
mod old;
mod standby;
#[cfg(test)]
pub(crate) mod tests;
mod who;

use crate::domain::Timestamp;
use crate::domain::fleet::Fleet;
use crate::domain::fleet::who::Who;
use crate::domain::freshness::Source;
use crate::domain::region::{Direction, PerSide};
use serde::{Deserialize, Serialize};

/// The answer's weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The question does not arise now; another gate holds the matter. Never drawn as a pass.
    Moot,
    /// As it should be, on fresh evidence.
    Pass,
    /// Goes, at a price that the text names.
    Warn,
    /// Cannot be told on the evidence there is. Holds back like a block.
    Unknown,
    /// As it must not be.
    Block,
}

impl Verdict {
    /// It holds a step back.
    #[must_use]
    pub fn holds(self) -> bool {
        matches!(self, Verdict::Unknown | Verdict::Block)
    }
}

/// Who may go on against a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverrideBy {
    /// Nobody.
    Nobody,
    /// A second person; one alone only where the configuration allows break-glass.
    SecondPerson,
    /// The operator, with a typed reason.
    Reason,
}

impl OverrideBy {
    /// The words on the screen, by whether this environment allows break-glass.
    #[must_use]
    pub fn words(self, break_glass: bool) -> &'static str {
        match self {
            Nobody => "nobody may override this",
            SecondPerson if break_glass => "this takes a second person; one alone may override it by break-glass",
            SecondPerson => "this takes a second person; approval.break_glass is off, so nobody can override it here",
            Reason => "you may override this with a reason",
        }
    }
}

/// One observation that answered a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Who told.
    pub source: Source,
    /// When. None: never.
    pub at: Option<Timestamp>,
    /// What, in words.
    pub text: String,
}

/// The answer to a gate's question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Its weight.
    pub verdict: Verdict,
    /// One line.
    pub text: String,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
    /// What would lift it, in words; empty when nothing has to.
    pub lift: String,
    /// The step of a failover that lifts it, when that step can be done now.
    pub lifted_by: Option<String>,
    /// How much, where the answer is about an amount: bytes that may be lost. An override covers no more than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<u64>,
}

impl Answer {
    fn new(verdict: Verdict, text: impl Into<String>) -> Answer {
        Answer { verdict, text: text.into(), evidence: Vec::new(), lift: String::new(), lifted_by: None, amount: None }
    }

    fn pass(text: impl Into<String>) -> Answer {
        Answer::new(Verdict::Pass, text)
    }

    fn warn(text: impl Into<String>) -> Answer {
        Answer::new(Verdict::Warn, text)
    }

    fn block(text: impl Into<String>) -> Answer {
        Answer::new(Verdict::Block, text)
    }

    fn unknown(text: impl Into<String>) -> Answer {
        Answer::new(Verdict::Unknown, text)
    }

    fn moot(text: impl Into<String>) -> Answer {
        Answer::new(Verdict::Moot, text)
    }

    fn lift(mut self, words: impl Into<String>) -> Answer {
        self.lift = words.into();
        self
    }

    fn by(mut self, step: &str, feasible: bool) -> Answer {
        self.lifted_by = feasible.then(|| step.to_owned());
        self
    }

    fn of(mut self, amount: u64) -> Answer {
        self.amount = Some(amount);
        self
    }

    fn on(mut self, evidence: Evidence) -> Answer {
        self.evidence.push(evidence);
        self
    }
}

/// What a gate may know besides the fleet: facts of the run that asks, or of the last one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFacts {
    /// Name that the run that asks gives as holder of a lock, whether it has one or not.
    pub us: Option<String>,
    /// Holder name of our own lock in the region being activated, once it was asked for.
    pub our_lock: Option<String>,
    /// When the last failover of this environment promoted a database.
    pub last_promotion: Option<Timestamp>,
    /// The run that asks has promoted already.
    pub promoted: bool,
    /// The region that the run activates: after its promotion the other one is the standby.
    pub activates: Option<crate::domain::region::Side>,
    /// Who the regions' servers were when the run was declared.
    pub who: Option<PerSide<Who>>,
    /// First failed probe of the region being left, as recorded when the run was declared.
    pub failing_since: Option<Timestamp>,
    /// The timeline that both databases were on when the run was declared.
    pub timeline: Option<crate::domain::units::Timeline>,
}

/// Everything a gate may look at.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The picture.
    pub fleet: &'a Fleet,
    /// From where to where.
    pub direction: Direction,
    /// Facts of the run.
    pub facts: &'a RunFacts,
}

impl Question<'_> {
    fn evidence(&self, source: Source, text: impl Into<String>) -> Evidence {
        Evidence { source, at: self.fleet.health(source).last_answer, text: text.into() }
    }

    fn name(&self, side: crate::domain::region::Side) -> &str {
        self.fleet.name(side)
    }

    /// The way on against a gate that asks for two persons.
    fn way_on(&self) -> &'static str {
        if self.fleet.policy.break_glass {
            "or override this by break-glass"
        } else {
            "nobody can override this: approval.break_glass is off"
        }
    }

    /// How a region that acts beside the primary is fenced. An open run keeps every other one out, and does it itself.
    fn fence_advice(&self) -> &'static str {
        if self.facts.our_lock.is_some() {
            "the fence steps of the open run, which come again by themselves"
        } else {
            "leeward playbook run fence"
        }
    }

    /// "us-central1 db has not answered for 41s: connection refused".
    fn silence(&self, source: Source) -> String {
        let health = self.fleet.health(source);
        let name = source.side().map(|side| format!("{} ", self.name(side))).unwrap_or_default();
        let why = health.error.as_ref().map(|e| format!(": {}", e.text)).unwrap_or_default();
        match health.last_answer {
            Some(at) => {
                let age = crate::domain::units::age(crate::domain::since(at, self.fleet.now));
                format!("{name}{} has not answered for {age}{why}", source.word())
            }
            None => format!("{name}{} has never answered{why}", source.word()),
        }
    }
}

/// One line of the table.
#[derive(Clone, Copy)]
pub struct Gate {
    /// Id, as playbook files and overrides name it.
    pub id: &'static str,
    /// What passing means, in a few words.
    pub title: &'static str,
    /// The question.
    pub ask: fn(&Question<'_>) -> Answer,
    /// Who may go on against it.
    pub override_by: OverrideBy,
    /// Readiness asks it.
    pub readiness: bool,
    /// No reason makes it possible: while it blocks, readiness is blocked, whoever may override it in a run.
    pub needed: bool,
    /// How loud the answer is as an alarm, when it holds.
    pub alarm: Option<crate::domain::fleet::happening::Weight>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}

const fn gate(
    id: &'static str,
    title: &'static str,
    ask: fn(&Question<'_>) -> Answer,
    override_by: OverrideBy,
) -> Gate {
    Gate { id, title, ask, override_by, readiness: true, needed: false, alarm: None }
}

const fn run_only(gate: Gate) -> Gate {
    Gate { readiness: false, ..gate }
}

const fn needed(gate: Gate) -> Gate {
    Gate { needed: true, ..gate }
}

const fn alarming(gate: Gate, weight: crate::domain::fleet::happening::Weight) -> Gate {
    Gate { alarm: Some(weight), ..gate }
}

use crate::domain::fleet::happening::Weight::{Bad, Warn};
use OverrideBy::{Nobody, Reason, SecondPerson};

/// The gate that every step asks before its own: with it, no fact and no request can be about another region.
pub const RIGHT_SERVERS: &str = "right-servers";

/// The gate whose override covers a fence that cannot be proven.
pub const OLD_REGION_FENCED: &str = "old-region-fenced";

/// Every gate, in the order in which a person would ask.
pub static TABLE: &[Gate] = &[
    alarming(gate(RIGHT_SERVERS, "each region's servers are those seen before", who::right_servers, Nobody), Bad),
    gate("standby-api", "the standby's API answers", standby::api, Nobody),
    gate("standby-database", "the standby's database answers and is a replica", standby::database, Nobody),
    gate("same-system", "both databases are one system", standby::same_system, Nobody),
    gate("timeline", "the replica is not on a diverged timeline", standby::timeline, Nobody),
    gate("no-other-driver", "nobody else drives this environment", lock::no_other_driver, Nobody),
    run_only(gate("lock-held", "the environment's lock is ours", lock::held, Nobody)),
    gate("old-primary-writes", "the old primary does not accept writes", old::writes, Nobody),
    gate("proof-of-life", "the old primary shows no sign of life", old::proof_of_life, Nobody),
    gate(OLD_REGION_FENCED, "the old region is proven fenced", old::fenced, SecondPerson),
    gate("loss-limit", "the loss is within the limit", loss::limit, SecondPerson),
    gate("anti-flap", "the last failover is long enough ago", loss::anti_flap, SecondPerson),
    needed(gate("promote-right", "our database user may promote the replica", standby::promote_right, Reason)),
    gate("fence-right", "our database user may fence the old primary", old::fence_right, Reason),
    gate("replay-running", "the replica replays what it receives", standby::replay, Reason),
    needed(gate("standby-controllers", "the standby has a workflow controller to start", standby::controllers, Reason)),
    gate("controller-version", "the standby's controller is not older", standby::version, Reason),
    needed(gate("standby-nodes", "the standby has nodes to run on", standby::nodes, Reason)),
    needed(gate("api-rights", "we may do in the standby what the steps need", standby::rights, Reason)),
    gate("crons-known", "which crons were active is known", old::crons_known, Reason),
    gate("templates", "the standby has the primary's templates", standby::templates, Reason),
    gate("canary", "the canary can be run", standby::canary, Reason),
    gate("dns", "the name in front can be switched", dns::switchable, Reason),
    gate("dns-ttl", "the name's time to live is short enough", dns::ttl, Reason),
    alarming(gate("following", "the replica follows", health::following, Reason), Warn),
    alarming(gate("slot", "the primary keeps the log for the replica", health::slot, Reason), Warn),
    alarming(gate("archive-backlog", "finished runs reach the archive", health::archive_backlog, Reason), Warn),
    gate("clocks", "the clocks agree", health::clocks, Reason),
    alarming(run_only(gate("primary-leads", "the primary's controllers have a leader", health::leads, Reason)), Warn),
    alarming(gate("standby-quiet", "nothing acts in the standby", health::standby_quiet, Reason), Bad),
    alarming(run_only(gate("one-primary", "there is one primary database", health::one_primary, Nobody)), Bad),
    run_only(gate("promoted", "the promoted database accepts writes", after::promoted, Reason)),
    run_only(gate("synchronous-standbys", "commits wait for no standby that is gone", after::synchronous, Reason)),
    run_only(gate("controllers-lead", "the started controllers have a leader", after::leads, Reason)),
    run_only(gate(STEP_PROVEN, "the step is proven", after::proven, Reason)),
];

/// The gate of a step's own proof; with a colon and the step's id behind it, of that step's. The run answers it.
pub const STEP_PROVEN: &str = "step-proven";

/// Id of the gate that asks whether this step is proven.
#[must_use]
pub fn step_proven(step: &str) -> String {
    format!("{STEP_PROVEN}:{step}")
}

/// The gate of that id.
#[must_use]
pub fn by_id(id: &str) -> Option<&'static Gate> {
    let of_a_step = id.split_once(':').is_some_and(|(gate, step)| gate == STEP_PROVEN && !step.is_empty());
    let id = if of_a_step { STEP_PROVEN } else { id };
    TABLE.iter().find(|gate| gate.id == id)
}

/// A gate with its answer at a moment, as it stands in a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The gate.
    pub gate: String,
    /// Its answer.
    pub answer: Answer,
}

/// Asks one gate.
#[must_use]
pub fn ask(gate: &Gate, question: &Question<'_>) -> Finding {
    Finding { gate: gate.id.to_owned(), answer: (gate.ask)(question) }
}
