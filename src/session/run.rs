//! Starting a run, and taking one up again: journal, driver, channels.

use super::clock;
use super::setup::{Access, Setup};
use super::world::Servers;
use crate::domain::fleet::Fleet;
use crate::domain::fleet::who::Who;
use crate::domain::region::{Direction, PerSide, Side};
use crate::gates::{self, Question, RunFacts};
use crate::journal::{Journal, JournalError, Store, Torn, last_promotion, replay};
use crate::playbook::declare::{DeclareError, declare, direction, left_suspended};
use crate::playbook::file::Playbook;
use crate::playbook::measure::measure;
use crate::playbook::record::{End, Event, Record, RunId};
use crate::playbook::run::{Illegal, Run};
use crate::runner::{Agreement, DriveError, Driver, News, Order};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Orders and news that may wait. Orders are typed by a person; news are records, of which a step has as many as it has
/// requests, and the listener reads them at once: a few hundred crons are the most.
const ORDERS_MAX: usize = 8;
const NEWS_MAX: usize = 512;

/// A run that is driven by this process.
pub struct Driving {
    /// The run as it stood when driving began.
    pub run: Run,
    /// A line that a crash had torn off the journal.
    pub torn: Option<Torn>,
    /// Where orders go.
    pub orders: mpsc::Sender<Order>,
    /// What comes back.
    pub news: mpsc::Receiver<News>,
    /// The driver.
    pub task: JoinHandle<Result<Run, DriveError>>,
}

/// Why a run is not driven.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// This session cannot write.
    #[error("this session is read-only: it has no clients that could write")]
    ReadOnly,
    /// There is no direction.
    #[error(transparent)]
    Declare(#[from] DeclareError),
    /// The journal refuses.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The records do not make a run.
    #[error("the journal does not make a run: {0}")]
    Illegal(#[from] Illegal),
    /// The run is over.
    #[error("run {0} is over")]
    Over(RunId),
    /// The run is of another environment or other regions.
    #[error("run {run} is of {theirs}, this configuration is of {ours}")]
    Foreign {
        /// The run.
        run: RunId,
        /// Its environment and regions.
        theirs: String,
        /// Ours.
        ours: String,
    },
    /// A later run has promoted: what this one fenced must stay fenced.
    #[error("run {0} has promoted a database since: no fence of the old side may be undone")]
    PromotedSince(RunId),
    /// The driver stopped at once.
    #[error(transparent)]
    Drive(#[from] DriveError),
    /// Another region's servers answer.
    #[error("{0}: nothing was sent")]
    Swapped(String),
    /// Another run is open.
    #[error("run {0} is open: resume it or give it up first (leeward playbook resume {0}, leeward playbook abort {0})")]
    Open(RunId),
}

/// Six hexadecimal digits from time, process and a number of the machine: enough that two runs of one environment do not
/// meet; a meeting is refused by the journal, never overwritten.
fn new_id() -> RunId {
    let seed = format!("{} {} {:?}", clock().as_nanosecond(), std::process::id(), std::thread::current().id());
    let digest = Sha256::digest(seed.as_bytes());
    RunId(digest.iter().take(3).map(|byte| format!("{byte:02x}")).collect())
}

fn store(setup: &Setup) -> Store {
    Store::new(&setup.state_dir, &setup.policy.environment)
}

/// Every run here. One that cannot be read is an error and not absent: it may be open, or have promoted. One whose first
/// record never came to be has announced nothing, and stands in nobody's way.
fn all_runs(setup: &Setup) -> Result<Vec<Run>, RunError> {
    let runs = store(setup).runs()?.into_iter().map(|summary| summary.run);
    let runs = runs.filter(|run| !matches!(run, Err(JournalError::Empty(_))));
    runs.collect::<Result<Vec<_>, _>>().map_err(RunError::Journal)
}

/// Declares a run of `playbook` on the picture there is, and drives it.
///
/// # Errors
/// See [`RunError`].
pub fn start(setup: &Setup, fleet: watch::Receiver<Arc<Fleet>>, playbook: Playbook) -> Result<Driving, RunError> {
    if setup.access == Access::ReadOnly {
        return Err(RunError::ReadOnly);
    }
    let runs = all_runs(setup)?;
    if let Some(open) = runs.iter().find(|run| run.ended.is_none()) {
        return Err(RunError::Open(open.declared.run.clone()));
    }
    let picture = fleet.borrow().clone();
    right_servers(&picture, None)?;
    let direction = direction(playbook.purpose, &picture)?;
    let mut declared = declare(&picture, playbook, new_id(), direction);
    for key in left_suspended(&runs, direction.from) {
        if !declared.before.crons_active.contains(&key) {
            declared.before.crons_active.push(key);
        }
    }
    let id = declared.run.clone();
    let record = Record { at: clock(), by: setup.operator.clone(), event: Event::Declared(Box::new(declared)) };
    let run = Run::begin(&record)?;
    let mut journal = Journal::create(store(setup).folder(), &id)?;
    journal.append(&record)?;
    Ok(drive(setup, fleet, run, journal, None, last_promotion(&runs), Driver::drive))
}

/// Takes a run up again.
///
/// # Errors
/// See [`RunError`].
pub fn resume(setup: &Setup, fleet: watch::Receiver<Arc<Fleet>>, id: &RunId) -> Result<Driving, RunError> {
    let others = others(setup, id)?;
    let (run, journal, torn) = opened(setup, &fleet, id)?;
    if run.ended.is_some() {
        return Err(RunError::Over(id.clone()));
    }
    let driving = drive(setup, fleet, run, journal, torn, last_promotion(&others), |mut driver| async move {
        driver.resume().await?;
        driver.drive().await
    });
    Ok(driving)
}

/// Undoes a step of a run that is open or was given up, and leaves.
///
/// # Errors
/// See [`RunError`].
pub fn undo(
    setup: &Setup,
    fleet: watch::Receiver<Arc<Fleet>>,
    id: &RunId,
    step: &str,
    consent: Agreement,
) -> Result<Driving, RunError> {
    let others = others(setup, id)?;
    let (run, journal, torn) = opened(setup, &fleet, id)?;
    undoable(&run, &others)?;
    let step = step.to_owned();
    let driving = drive(setup, fleet, run, journal, torn, last_promotion(&others), |driver| async move {
        driver.undo_and_leave(&step, &consent).await
    });
    Ok(driving)
}

/// Whether anything of a run may be undone, as its journal and the others here say.
///
/// # Errors
/// See [`RunError`].
pub fn may_undo(setup: &Setup, run: &Run) -> Result<(), RunError> {
    undoable(run, &others(setup, &run.declared.run)?)
}

fn undoable(run: &Run, others: &[Run]) -> Result<(), RunError> {
    if matches!(run.ended, Some((End::Done, _, _))) {
        return Err(RunError::Over(run.declared.run.clone()));
    }
    // What this run fenced may be what a later one relies on.
    let later = |other: &&Run| other.declared_at > run.declared_at;
    if let Some(other) = others.iter().filter(later).find(|other| other.promotion_started()) {
        return Err(RunError::PromotedSince(other.declared.run.clone()));
    }
    if let Some(open) = others.iter().find(|other| other.ended.is_none()) {
        return Err(RunError::Open(open.declared.run.clone()));
    }
    Ok(())
}

fn others(setup: &Setup, id: &RunId) -> Result<Vec<Run>, RunError> {
    Ok(all_runs(setup)?.into_iter().filter(|run| run.declared.run != *id).collect())
}

/// The run with its journal, if this session may drive it against these servers.
fn opened(
    setup: &Setup,
    fleet: &watch::Receiver<Arc<Fleet>>,
    id: &RunId,
) -> Result<(Run, Journal, Option<Torn>), RunError> {
    if setup.access == Access::ReadOnly {
        return Err(RunError::ReadOnly);
    }
    let (journal, records, torn) = Journal::open(store(setup).folder(), id)?;
    let run = replay(journal.path(), &records)?;
    same_place(setup, &run)?;
    right_servers(&fleet.borrow(), run.declared.before.who.clone())?;
    Ok((run, journal, torn))
}

/// The lock is taken before the first step asks its gates; so who answers is asked here.
fn right_servers(fleet: &Fleet, who: Option<PerSide<Who>>) -> Result<(), RunError> {
    let facts = RunFacts { who, ..RunFacts::default() };
    let question = Question { fleet, direction: Direction::activating(Side::B), facts: &facts };
    let Some(gate) = gates::by_id(gates::RIGHT_SERVERS) else { return Ok(()) };
    let answer = gates::ask(gate, &question).answer;
    if answer.verdict.holds() { Err(RunError::Swapped(answer.text)) } else { Ok(()) }
}

/// Writes the exact loss into the journal of a run that is over, if the old side tells it now. None: it does not, or it is known already.
///
/// # Errors
/// See [`RunError`].
pub fn measure_loss(setup: &Setup, fleet: &Fleet, id: &RunId) -> Result<Option<Record>, RunError> {
    let (mut journal, records, _) = Journal::open(store(setup).folder(), id)?;
    let mut run = replay(journal.path(), &records)?;
    same_place(setup, &run)?;
    let Some(measured) = measure(&run, fleet) else { return Ok(None) };
    let record = Record { at: clock(), by: setup.operator.clone(), event: Event::LossMeasured(measured) };
    run.apply(&record)?;
    journal.append(&record)?;
    Ok(Some(record))
}

/// A journal of another pair must not be driven against this one.
fn same_place(setup: &Setup, run: &Run) -> Result<(), RunError> {
    let ours = &setup.policy;
    let names = ours.regions.map(|_, region| region.name.clone());
    if run.declared.environment == ours.environment && run.declared.regions == names {
        return Ok(());
    }
    let words = |environment: &str, a: &str, b: &str| format!("{environment} ({a}, {b})");
    Err(RunError::Foreign {
        run: run.declared.run.clone(),
        theirs: words(&run.declared.environment, &run.declared.regions.a, &run.declared.regions.b),
        ours: words(&ours.environment, &names.a, &names.b),
    })
}

fn drive<F: Future<Output = Result<Run, DriveError>> + Send + 'static>(
    setup: &Setup,
    fleet: watch::Receiver<Arc<Fleet>>,
    run: Run,
    journal: Journal,
    torn: Option<Torn>,
    last: Option<crate::domain::Timestamp>,
    how: impl FnOnce(Driver<Servers>) -> F,
) -> Driving {
    let (orders, ordered) = mpsc::channel(ORDERS_MAX);
    let (tell, news) = mpsc::channel(NEWS_MAX);
    let world = Arc::new(Servers::new(setup));
    let driver = Driver::new(run.clone(), journal, world, fleet, ordered, tell, setup.operator.clone(), clock, last);
    Driving { run, torn, orders, news, task: tokio::spawn(how(driver)) }
}
