//! Kinds of steps. Each answers four pure questions: is it done already, and if not, what exactly would it send
//! ([`Kind::plan`]); what proves it ([`Kind::proof`]); how is it undone ([`Kind::undo`]). The one effect is an adapter's.

mod canary;
mod controllers;
mod crons;
mod database;
mod dns;
mod inventory;
pub mod lock;
mod notify;

use super::file::RawWith;
use super::record::Note;
use super::run::Run;
use crate::domain::effect::Effect;
use crate::domain::fleet::Fleet;
use crate::domain::problem::Problem;
use crate::domain::region::{Direction, Side};
use crate::domain::{Timestamp, freshness::Source};
use crate::gates::Evidence;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use toml::Spanned;

/// One end of the direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The region being left.
    From,
    /// The region being activated.
    To,
}

impl End {
    fn side(self, direction: Direction) -> Side {
        match self {
            End::From => direction.from,
            End::To => direction.to,
        }
    }
}

/// How many replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replicas {
    /// That many.
    Count(u32),
    /// As many as the region being left had.
    AsBefore,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Kind {
    /// Take the environment's lock.
    LockAcquire,
    /// Nothing but its gates.
    Check,
    /// Suspend every active cron of a region.
    CronsSuspend {
        /// Which.
        region: End,
    },
    /// Scale the workflow controllers of a region.
    ControllersScale {
        /// Which.
        region: End,
        /// To what.
        replicas: Replicas,
    },
    /// Note the runs in flight.
    Inventory,
    /// Make the old database refuse writes.
    DatabaseFence,
    /// Wait until what was received is replayed, and measure the loss.
    DatabaseCatchUp,
    /// Promote the replica.
    DatabasePromote,
    /// Run the canary.
    Canary,
    /// Switch the name in front.
    DnsSwitch,
    /// Activate the crons that were active in the old region.
    CronsActivate,
    /// Tell the receivers.
    Notify,
    /// Give the lock up.
    Report,
}

/// What a step would do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// It is so already.
    Done,
    /// It does not apply here.
    Skip(String),
    /// It would send this.
    Act(Vec<Effect>),
    /// It sends nothing and waits for its proof.
    Wait,
    /// Its target is not reached. What is known of it from before would be tried once, for a moment.
    Unreachable(String, Vec<Effect>),
    /// It cannot be made on what is known.
    Impossible(String),
}

/// Whether a step is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// By this, and this was found out.
    Proven(Vec<Evidence>, Option<Box<Note>>),
    /// What is missing.
    NotYet(String),
    /// The target is not reached, so it cannot be told.
    Unreachable(String),
    /// It has come out wrong for good.
    Wrong(String),
}

/// What a kind may look at.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The picture.
    pub fleet: &'a Fleet,
    /// The run.
    pub run: &'a Run,
    /// Only observations from here on prove anything. None: the step has not been started.
    pub since: Option<Timestamp>,
}

impl Scene<'_> {
    fn direction(&self) -> Direction {
        self.run.declared.direction
    }

    /// The source has answered after the step was started.
    fn fresh(&self, source: Source) -> bool {
        let health = self.fleet.health(source);
        health.usable(self.fleet.now) && self.since.is_none_or(|since| health.last_answer.is_some_and(|at| at > since))
    }

    fn after(&self, at: Timestamp) -> bool {
        self.since.is_none_or(|since| at > since)
    }

    fn evidence(&self, source: Source, text: impl Into<String>) -> Evidence {
        Evidence { source, at: self.fleet.health(source).last_answer, text: text.into() }
    }

    fn name(&self, side: Side) -> &str {
        self.fleet.name(side)
    }

    fn silence(&self, source: Source) -> String {
        let name = source.side().map(|side| format!("{} ", self.name(side))).unwrap_or_default();
        let error = self.fleet.health(source).error.as_ref().map(|e| format!(": {e}")).unwrap_or_default();
        format!("{name}{} does not answer{error}", source.word())
    }
}

/// Every word of `do`.
pub const WORDS: [&str; 13] = [
    "lock.acquire",
    "check",
    "crons.suspend",
    "controllers.scale",
    "inventory",
    "database.fence",
    "database.catch-up",
    "database.promote",
    "canary",
    "dns.switch",
    "crons.activate",
    "notify",
    "report",
];

impl Kind {
    /// Reads `do` and `with`.
    ///
    /// # Errors
    /// A word that is not known, missing or too many.
    pub fn read(
        word: &Spanned<String>,
        with: &RawWith,
        at: &dyn Fn(Range<usize>, String) -> Problem,
    ) -> Result<Kind, Problem> {
        let kind = match word.get_ref().as_str() {
            "lock.acquire" => Kind::LockAcquire,
            "check" => Kind::Check,
            "crons.suspend" => Kind::CronsSuspend { region: region(word, with, at)? },
            "controllers.scale" => {
                Kind::ControllersScale { region: region(word, with, at)?, replicas: replicas(word, with, at)? }
            }
            "inventory" => Kind::Inventory,
            "database.fence" => Kind::DatabaseFence,
            "database.catch-up" => Kind::DatabaseCatchUp,
            "database.promote" => Kind::DatabasePromote,
            "canary" => Kind::Canary,
            "dns.switch" => Kind::DnsSwitch,
            "crons.activate" => Kind::CronsActivate,
            "notify" => Kind::Notify,
            "report" => Kind::Report,
            other => {
                let problem = at(word.span(), format!("no kind of step is called \"{other}\""));
                return Err(problem.about(other).among(WORDS));
            }
        };
        let takes_region = matches!(kind, Kind::CronsSuspend { .. } | Kind::ControllersScale { .. });
        if let Some(extra) = with.region.as_ref().filter(|_| !takes_region) {
            return Err(at(extra.span(), format!("\"{}\" takes no region", word.get_ref())));
        }
        if let Some(extra) = with.replicas.as_ref().filter(|_| !matches!(kind, Kind::ControllersScale { .. })) {
            return Err(at(extra.span(), format!("\"{}\" takes no replicas", word.get_ref())));
        }
        Ok(kind)
    }

    /// It cannot be undone.
    #[must_use]
    pub fn irreversible(&self) -> bool {
        matches!(self, Kind::DatabasePromote)
    }

    /// It keeps the region being left from acting.
    #[must_use]
    pub fn fences(&self) -> bool {
        match self {
            Kind::CronsSuspend { region } => *region == End::From,
            Kind::ControllersScale { region, replicas } => *region == End::From && *replicas == Replicas::Count(0),
            Kind::DatabaseFence => true,
            _ => false,
        }
    }

    /// What it would do now.
    #[must_use]
    pub fn plan(&self, scene: &Scene<'_>) -> Plan {
        match self {
            Kind::LockAcquire => lock::acquire(scene),
            Kind::Check => Plan::Done,
            Kind::CronsSuspend { region } => crons::suspend(scene, region.side(scene.direction())),
            Kind::ControllersScale { region, replicas } => {
                controllers::scale(scene, region.side(scene.direction()), *replicas)
            }
            Kind::Inventory | Kind::DatabaseCatchUp => Plan::Wait,
            Kind::DatabaseFence => database::fence(scene),
            Kind::DatabasePromote => database::promote(scene),
            Kind::Canary => canary::plan(scene),
            Kind::DnsSwitch => dns::switch(scene),
            Kind::CronsActivate => crons::activate(scene),
            Kind::Notify => notify::plan(scene),
            Kind::Report => lock::release(scene),
        }
    }

    /// Whether it is proven now.
    #[must_use]
    pub fn proof(&self, scene: &Scene<'_>) -> Proof {
        match self {
            Kind::LockAcquire => lock::acquired(scene),
            Kind::Check => Proof::Proven(Vec::new(), None),
            Kind::CronsSuspend { region } => crons::suspended(scene, region.side(scene.direction())),
            Kind::ControllersScale { region, replicas } => {
                controllers::scaled(scene, region.side(scene.direction()), *replicas)
            }
            Kind::Inventory => inventory::taken(scene),
            Kind::DatabaseFence => database::fenced(scene),
            Kind::DatabaseCatchUp => database::caught_up(scene),
            Kind::DatabasePromote => database::promoted(scene),
            Kind::Canary => canary::proof(scene),
            Kind::DnsSwitch => dns::switched(scene),
            Kind::CronsActivate => crons::activated(scene),
            Kind::Notify => notify::told(scene),
            Kind::Report => lock::released(scene),
        }
    }

    /// What would put back what was, from the records of step `id`. None: it has no undo.
    #[must_use]
    pub fn undo(&self, run: &Run, id: &str) -> Option<Vec<Effect>> {
        match self {
            Kind::CronsSuspend { .. } | Kind::CronsActivate => Some(crons::undo(run, id)),
            Kind::ControllersScale { .. } => Some(controllers::undo(run, id)),
            Kind::DatabaseFence => Some(database::undo_fence(run, id)),
            Kind::DnsSwitch => Some(dns::undo(run, id)),
            _ => None,
        }
    }

    /// Where its target is when it has one that may be out of reach.
    #[must_use]
    pub fn target(&self, direction: Direction) -> Option<Source> {
        match self {
            Kind::CronsSuspend { region } | Kind::ControllersScale { region, .. } => {
                Some(Source::Kubernetes(region.side(direction)))
            }
            Kind::DatabaseFence => Some(Source::Database(direction.from)),
            _ => None,
        }
    }
}

fn region(
    word: &Spanned<String>,
    with: &RawWith,
    at: &dyn Fn(Range<usize>, String) -> Problem,
) -> Result<End, Problem> {
    let Some(region) = &with.region else {
        return Err(at(word.span(), format!("\"{}\" needs with = {{ region = \"from\" }} or \"to\"", word.get_ref())));
    };
    match region.get_ref().as_str() {
        "from" => Ok(End::From),
        "to" => Ok(End::To),
        other => Err(at(region.span(), format!("region is \"from\" or \"to\", not \"{other}\""))
            .about(other)
            .among(["from", "to"])),
    }
}

fn replicas(
    word: &Spanned<String>,
    with: &RawWith,
    at: &dyn Fn(Range<usize>, String) -> Problem,
) -> Result<Replicas, Problem> {
    let Some(value) = &with.replicas else {
        return Err(at(
            word.span(),
            format!("\"{}\" needs with = {{ replicas = N }} or \"as-before\"", word.get_ref()),
        ));
    };
    let wrong = |written: &str| {
        let problem = at(value.span(), "replicas is a number from 0 to 100, or \"as-before\"".to_owned());
        problem.about(written).among(["as-before"])
    };
    match value.get_ref() {
        toml::Value::Integer(number) => match u32::try_from(*number) {
            Ok(count @ 0..=100) => Ok(Replicas::Count(count)),
            _ => Err(wrong(&number.to_string())),
        },
        toml::Value::String(text) if text == "as-before" => Ok(Replicas::AsBefore),
        toml::Value::String(text) => Err(wrong(text)),
        other => Err(wrong(&other.to_string())),
    }
}
