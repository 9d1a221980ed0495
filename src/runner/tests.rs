//! A driver with a world of our own making, a real journal, and a person who agrees to what is shown.

mod journal;
mod kills;
mod orders;

use super::*;
use crate::domain::Timestamp;
use crate::domain::fixtures::{Sim, healthy_pair, outage};
use crate::domain::fleet::Fleet;
use crate::gates::OverrideBy;
use crate::journal::Journal;
use crate::playbook::propose::Next;
use crate::playbook::record::{End, Event, RunId};
use crate::playbook::run::{Run, StepState};
use crate::playbook::tests::{BY, declared, failover};
use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

thread_local! {
    /// The moment, for the driver's clock. A test is one thread.
    static NOW: Cell<Option<Timestamp>> = const { Cell::new(None) };
    /// The process dies at this many more points. None: never.
    static DIES_IN: Cell<Option<u32>> = const { Cell::new(None) };
    /// Points passed: where, and how long the journal was.
    static POINTS: RefCell<Vec<(&'static str, u64)>> = const { RefCell::new(Vec::new()) };
    /// The journal's file.
    static FILE: RefCell<PathBuf> = const { RefCell::new(PathBuf::new()) };
}

/// A point at which the process may die.
fn point(name: &'static str) {
    let length = FILE.with_borrow(|path| std::fs::metadata(path).map_or(0, |file| file.len()));
    POINTS.with_borrow_mut(|points| points.push((name, length)));
    match DIES_IN.get() {
        Some(0) => panic!("killed at {name}"),
        Some(left) => DIES_IN.set(Some(left - 1)),
        None => {}
    }
}

fn clock() -> Timestamp {
    point("clock");
    NOW.get().expect("the moment is set")
}

/// Called before anything is performed.
type Interrupt = Box<dyn FnMut(&Effect) + Send>;

/// The world as the driver sees it.
struct Fake {
    sim: Mutex<Sim>,
    /// The journal's file, read whenever something is to be performed.
    journal: PathBuf,
    /// What was asked of the world, in order.
    asked: Mutex<Vec<Asked>>,
    /// The answer about the lock.
    lock: Mutex<Result<(), String>>,
    /// The lock never answers.
    lock_hangs: Mutex<bool>,
    /// Requests wait until this many are on their way at once.
    together: Mutex<Option<Arc<tokio::sync::Barrier>>>,
    /// Called before anything is performed.
    before: Mutex<Option<Interrupt>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Asked {
    Lock,
    Perform(Effect, Duration),
}

impl World for Fake {
    fn perform<'a>(&'a self, effect: &'a Effect, deadline: Duration) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            point("before an effect");
            self.asked.lock().unwrap().push(Asked::Perform(effect.clone(), deadline));
            self.is_announced(effect);
            if let Some(before) = self.before.lock().unwrap().as_mut() {
                before(effect);
            }
            let together = self.together.lock().unwrap().clone();
            if let Some(together) = together {
                together.wait().await;
            }
            let outcome = self.sim.lock().unwrap().perform(effect);
            point("after an effect");
            outcome
        })
    }

    fn lock_holds(&self, _more_than: Duration) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(Asked::Lock);
            if *self.lock_hangs.lock().unwrap() {
                std::future::pending::<()>().await;
            }
            self.lock.lock().unwrap().clone()
        })
    }
}

impl Fake {
    /// Whatever is performed stands in the journal's file already, in the newest start. A lock that is taken again was
    /// announced by an earlier driver, in the same region; one that is given up follows from the record of leaving.
    fn is_announced(&self, effect: &Effect) {
        let (records, run) = crate::journal::read(&self.journal).unwrap();
        let announced = |record: &Record| match &record.event {
            Event::StepStarted(start) => Some(start.effects.clone()),
            Event::UndoStarted { effects, .. } => Some(effects.clone()),
            _ => None,
        };
        let leaves = |event: &Event| matches!(event, Event::Detached | Event::Ended { .. } | Event::StepUndone { .. });
        let lock = match effect {
            Effect::TakeLock { side, lease, .. } => {
                let same =
                    |old: &Effect| matches!(old, Effect::TakeLock { side: s, lease: l, .. } if s == side && l == lease);
                run.resumed > 0 && records.iter().filter_map(announced).flatten().any(|old| same(&old))
            }
            Effect::ReleaseLock { .. } => records.last().is_some_and(|record| leaves(&record.event)),
            _ => false,
        };
        let newest = records.iter().rev().find_map(announced);
        assert!(
            newest.is_some_and(|effects| effects.contains(effect)) || lock,
            "{effect:?} was sent before it was on disk"
        );
    }

    fn performed(&self) -> Vec<Effect> {
        self.sim.lock().unwrap().performed.clone()
    }

    fn sent(&self) -> Vec<(Effect, Duration)> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter_map(|a| match a {
                Asked::Perform(effect, deadline) => Some((effect.clone(), *deadline)),
                Asked::Lock => None,
            })
            .collect()
    }
}

/// A driver at work, and everything around it.
struct Bench {
    world: Arc<Fake>,
    folder: tempfile::TempDir,
    orders: mpsc::Sender<Order>,
    news: mpsc::Receiver<News>,
    fleet: watch::Sender<Arc<Fleet>>,
    task: JoinHandle<Result<Run, DriveError>>,
    /// What may come next, as last told.
    proposal: Option<Proposal>,
    refused: Vec<String>,
    trouble: Vec<String>,
    /// The run, as told record by record.
    told: Run,
    /// Looks since the proposal last changed: a person reads before agreeing.
    looked: u32,
}

fn id() -> RunId {
    RunId("7f3a00".to_owned())
}

/// In memory where there is such a folder: a thousand fsyncs on a disk prove no more.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn declaration(sim: &Sim) -> Record {
    let declared = declared(sim, failover());
    Record { at: sim.now, by: BY.to_owned(), event: Event::Declared(Box::new(declared)) }
}

impl Bench {
    /// A new run over this pair.
    fn new(sim: Sim) -> Bench {
        let folder = folder();
        let mut journal = Journal::create(folder.path(), &id()).unwrap();
        journal.append(&declaration(&sim)).unwrap();
        let run = Run::begin(&declaration(&sim)).unwrap();
        let path = journal.path().to_owned();
        Bench::with(Fake::new(sim, path), folder, run, journal, "op@bastion", false)
    }

    fn with(world: Arc<Fake>, folder: tempfile::TempDir, run: Run, journal: Journal, by: &str, resume: bool) -> Bench {
        let sim = world.sim.lock().unwrap().clone();
        NOW.set(Some(sim.now));
        FILE.set(world.journal.clone());
        let (orders, orders_in) = mpsc::channel(4);
        let (news_out, news) = mpsc::channel(1024);
        let (fleet, fleet_in) = watch::channel(Arc::new(sim.fleet));
        let (driving, told) = (Arc::clone(&world), run.clone());
        let mut driver = Driver::new(run, journal, driving, fleet_in, orders_in, news_out, by.to_owned(), clock, None);
        let task = tokio::spawn(async move {
            if resume {
                driver.resume().await?;
            }
            driver.drive().await
        });
        let (refused, trouble) = (Vec::new(), Vec::new());
        Bench { world, folder, orders, news, fleet, task, proposal: None, refused, trouble, told, looked: 0 }
    }

    /// The driver is gone; another one undoes a step and leaves.
    async fn undone(&mut self, step: &str, shown: EffectHash) -> Run {
        let (journal, records, _) = Journal::open(self.folder.path(), &id()).unwrap();
        let run = crate::journal::replay(journal.path(), &records).unwrap();
        let (_orders, orders) = mpsc::channel(1);
        let (news, mut told) = mpsc::channel(64);
        let (world, fleet, by) = (Arc::clone(&self.world), self.fleet.subscribe(), "two@bastion".to_owned());
        let driver = Driver::new(run, journal, world, fleet, orders, news, by, clock, None);
        let run = driver.undo_and_leave(step, &Agreement { shown, typed: None }).await.unwrap();
        while let Some(news) = told.recv().await {
            if let News::Refused(why) = news {
                self.refused.push(why);
            }
        }
        run
    }

    /// The driver is gone; another one takes the run up from its journal.
    fn resumed(self, by: &str) -> Bench {
        let (world, folder) = (self.world, self.folder);
        drop((self.orders, self.news, self.fleet));
        let (journal, records, _) = Journal::open(folder.path(), &id()).unwrap();
        let run = crate::journal::replay(journal.path(), &records).unwrap();
        Bench::with(world, folder, run, journal, by, true)
    }

    fn records(&self) -> Vec<Record> {
        crate::journal::read(&self.world.journal).unwrap().0
    }

    fn run(&self) -> Run {
        crate::journal::read(&self.world.journal).unwrap().1
    }

    fn open(&self) -> String {
        self.told.current().map(|(_, step, _)| step.id.clone()).unwrap_or_default()
    }

    /// Takes the news there are; a little later, everything is looked at.
    async fn look(&mut self) {
        loop {
            match tokio::time::timeout(Duration::from_millis(1), self.news.recv()).await {
                Ok(Some(News::Proposal(proposal))) => {
                    let same = |old: &Proposal| old.index == proposal.index && old.hash() == proposal.hash();
                    if !self.proposal.as_ref().is_some_and(same) {
                        self.looked = 0;
                    }
                    self.proposal = Some(*proposal);
                }
                Ok(Some(News::Refused(why))) => self.refused.push(why),
                Ok(Some(News::Trouble(why) | News::Waiting(why))) => self.trouble.push(why),
                Ok(Some(News::Recorded(record))) => {
                    self.looked = 0;
                    self.told.apply(&record).unwrap();
                }
                Ok(None) | Err(_) => break,
            }
        }
        let mut sim = self.world.sim.lock().unwrap();
        sim.go(2);
        NOW.set(Some(sim.now));
        let fleet = Arc::new(sim.fleet.clone());
        drop(sim);
        self.fleet.send_replace(fleet);
        self.looked += 1;
    }

    async fn looks(&mut self, times: u32) {
        for _ in 0..times {
            self.look().await;
        }
    }

    async fn order(&mut self, order: Order) {
        // A driver that has gone takes no orders, and the test sees that by what it left.
        let _ = self.orders.send(order).await;
        self.looks(3).await;
    }

    fn agreement(&self) -> Agreement {
        let shown = self.proposal.as_ref().and_then(Proposal::hash).expect("something to agree to");
        Agreement { shown, typed: Some("us-east1".to_owned()) }
    }

    /// What a person does who wants to get on: agrees to what is shown, and overrides what may be overridden.
    async fn person(&mut self) {
        if self.looked < 2 {
            return;
        }
        let Some(proposal) = self.proposal.clone() else { return };
        let order = match &proposal.next {
            Next::Start { .. } | Next::Again { .. } => Order::Start { step: None, consent: Some(self.agreement()) },
            Next::Held | Next::Unprovable { .. } => match proposal.held_by() {
                Some(line) if line.override_by != OverrideBy::Nobody => Order::Override {
                    shown: None,
                    gate: line.finding.gate.clone(),
                    reason: "the region is gone, says its provider".to_owned(),
                    break_glass: true,
                },
                _ => return,
            },
            _ => return,
        };
        self.looked = 0;
        let _ = self.orders.send(order).await;
    }

    /// Looks and agrees until the step is open, or the driver has gone.
    async fn until(&mut self, step: &str) {
        for _ in 0..600 {
            if self.task.is_finished() || self.open() == step {
                self.looks(2).await;
                return;
            }
            self.person().await;
            self.look().await;
        }
        panic!("{step} is not reached: {} {:?} {:?}", self.open(), self.proposal, self.refused);
    }

    /// Looks and agrees until the driver has gone.
    async fn through(&mut self) -> Result<Result<Run, DriveError>, tokio::task::JoinError> {
        self.until("no step is called so, and none is open at the end").await;
        (&mut self.task).await
    }
}

impl Fake {
    fn new(sim: Sim, journal: PathBuf) -> Arc<Fake> {
        Arc::new(Fake {
            sim: Mutex::new(sim),
            journal,
            asked: Mutex::default(),
            lock: Mutex::new(Ok(())),
            lock_hangs: Mutex::new(false),
            together: Mutex::default(),
            before: Mutex::default(),
        })
    }
}

fn state(run: &Run, id: &str) -> StepState {
    run.step(id).unwrap().1.state.clone()
}

#[tokio::test]
async fn a_planned_failover_is_driven_to_its_end_and_the_lock_is_asked_before_every_request() {
    let mut bench = Bench::new(healthy_pair());
    let run = bench.through().await.unwrap().unwrap();
    assert_eq!(run.ended.as_ref().map(|(end, _, _)| *end), Some(End::Done));
    assert_eq!(run, bench.run(), "the live run is what its journal says");
    assert!(run.steps.iter().all(|slot| slot.state == StepState::Done));
    let asked = bench.world.asked.lock().unwrap().clone();
    for (i, one) in asked.iter().enumerate() {
        let Asked::Perform(effect, deadline) = one else { continue };
        assert_eq!(*deadline, Duration::from_secs(15));
        if !matches!(effect, Effect::TakeLock { .. } | Effect::ReleaseLock { .. }) {
            assert_eq!(asked.get(i.wrapping_sub(1)), Some(&Asked::Lock), "{effect:?}");
        }
    }
}

#[tokio::test]
async fn an_unreachable_target_is_tried_once_with_all_requests_at_once_and_a_short_deadline() {
    let mut bench = Bench::new(outage(120));
    bench.until("suspend-crons").await;
    let told = bench.world.sent().len();
    // Both requests are on their way before either is answered, or neither ever is.
    *bench.world.together.lock().unwrap() = Some(Arc::new(tokio::sync::Barrier::new(2)));
    bench.order(Order::Start { step: None, consent: Some(bench.agreement()) }).await;
    bench.looks(10).await;
    let tries = bench.world.sent().split_off(told);
    assert_eq!(tries.len(), 2, "tried once, and not again by itself");
    assert!(tries.iter().all(|(_, deadline)| *deadline == Duration::from_secs(3)), "{tries:?}");
    let (_, slot) = bench.run().step("suspend-crons").map(|(step, slot)| (step.clone(), slot.clone())).unwrap();
    assert_eq!(
        slot.outcomes.iter().flatten().map(Outcome::text).collect::<Vec<_>>(),
        ["unknown: no answer in time"; 2]
    );
    assert!(matches!(bench.proposal.as_ref().map(|p| &p.next), Some(Next::Unprovable { .. })));
    bench.task.abort();
}

#[tokio::test]
async fn an_unplanned_failover_ends_with_its_override_in_the_record() {
    let mut bench = Bench::new(outage(120));
    let run = bench.through().await.unwrap().unwrap();
    assert_eq!(run.ended.as_ref().map(|(end, _, _)| *end), Some(End::Done));
    assert_eq!(run.overrides.len(), 1);
    assert!(run.overrides[0].break_glass);
    for id in ["suspend-crons", "fence-controllers", "fence-database"] {
        assert!(matches!(state(&run, id), StepState::Unproven(_)), "{id}");
    }
}

#[tokio::test]
async fn one_receiver_that_refuses_does_not_silence_the_others() {
    let mut bench = Bench::new(healthy_pair());
    bench.until("notify").await;
    let run = bench.through().await.unwrap().unwrap();
    let told: Vec<Effect> = bench.world.sent().into_iter().map(|(e, _)| e).collect();
    let receivers = told.iter().filter(|e| matches!(e, Effect::Notify { .. })).count();
    assert_eq!(receivers, 2, "{:?}", state(&run, "notify"));
}
