//! The loop of a run.

use super::{Agreement, DriveError, News, Order, OrderError, World};
use crate::domain::Timestamp;
use crate::domain::effect::{Effect, EffectHash};
use crate::domain::fleet::Fleet;
use crate::gates::{self, Finding, Question};
use crate::journal::Journal;
use crate::playbook::consent::{Consent, Override, Tier};
use crate::playbook::propose::{Next, Proposal, facts, propose};
use crate::playbook::record::{End, Event, Record};
use crate::playbook::run::{Illegal, Run};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// How often the proposal is looked at when nothing changes: time alone can lift a gate.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How often the lock is asked for again after a take-over: a dead driver's is over after 30 s.
const ASK_LOCK_EVERY: Duration = Duration::from_secs(5);

/// Drives one run.
pub struct Driver<W> {
    pub(super) run: Run,
    pub(super) journal: Journal,
    pub(super) world: Arc<W>,
    pub(super) fleet: watch::Receiver<Arc<Fleet>>,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) news: mpsc::Sender<News>,
    /// Operator and machine.
    pub(super) by: String,
    pub(super) clock: fn() -> Timestamp,
    /// When an earlier run promoted.
    pub(super) last_promotion: Option<Timestamp>,
    pub(super) shown: Option<Proposal>,
    /// When the lock is to be asked for again, while a run that was taken up again has not got it: its holder of before
    /// is not over yet, or nobody answers.
    lock_wanted: Option<Instant>,
    /// An order to leave that came while a step was being sent.
    pub(super) leaving: Option<Order>,
}

/// What the loop does next.
enum Turn {
    Again,
    Wait,
    Over,
}

impl<W: World> Driver<W> {
    /// A driver of a run whose records so far are in `journal`.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        run: Run,
        journal: Journal,
        world: Arc<W>,
        fleet: watch::Receiver<Arc<Fleet>>,
        orders: mpsc::Receiver<Order>,
        news: mpsc::Sender<News>,
        by: String,
        clock: fn() -> Timestamp,
        last_promotion: Option<Timestamp>,
    ) -> Driver<W> {
        Driver {
            run,
            journal,
            world,
            fleet,
            orders,
            news,
            by,
            clock,
            last_promotion,
            shown: None,
            lock_wanted: None,
            leaving: None,
        }
    }

    /// Takes a run up again: records it, and takes the lock if the run had it. Without the lock every step is held back
    /// by the gate `lock-held`, and every request is refused before it is sent.
    ///
    /// # Errors
    /// The journal cannot be written, or the run is over.
    pub async fn resume(&mut self) -> Result<(), DriveError> {
        if self.run.ended.is_some() {
            return Err(Illegal::Over("resumed").into());
        }
        self.take_up().await
    }

    async fn take_up(&mut self) -> Result<(), DriveError> {
        self.record(Event::Resumed).await?;
        self.want_lock().await;
        Ok(())
    }

    /// Undoes one step of a run that is open or was given up, and leaves: no other step is looked at. Whether the order was
    /// taken is told as news.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub async fn undo_and_leave(mut self, step: &str, consent: &Agreement) -> Result<Run, DriveError> {
        self.take_up().await?;
        match self.undo(step, consent).await {
            Ok(()) => {}
            Err(OrderError::Fatal(error)) => return Err(error),
            Err(refused) => self.tell(News::Refused(refused.to_string())).await,
        }
        self.record(Event::Detached).await?;
        self.give_up_lock().await;
        Ok(self.run)
    }

    /// Drives until the run is over, given up, or left.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub async fn drive(mut self) -> Result<Run, DriveError> {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let turn = self.turn().await?;
            if let Some(order) = self.leaving.take()
                && self.obey(order).await?
            {
                return Ok(self.run);
            }
            match turn {
                Turn::Over => return Ok(self.run),
                Turn::Again => continue,
                Turn::Wait => {}
            }
            tokio::select! {
                order = self.orders.recv() => {
                    // Nobody is there any more to give orders: the run is left as it is.
                    let order = order.unwrap_or(Order::Detach);
                    if self.obey(order).await? {
                        return Ok(self.run);
                    }
                }
                changed = self.fleet.changed() => {
                    if changed.is_err() {
                        return Ok(self.run);
                    }
                }
                _ = look.tick() => {
                    if self.lock_wanted.is_some_and(|at| at <= Instant::now()) {
                        self.want_lock().await;
                    }
                }
            }
        }
    }

    async fn want_lock(&mut self) {
        self.lock_wanted = None;
        // A run that was giving it up when its driver was lost must not hold it again.
        if facts(&self.run, None).our_lock.is_none() {
            return;
        }
        if let Err(why) = self.take_lock_again().await {
            self.lock_wanted = Some(Instant::now() + ASK_LOCK_EVERY);
            let seconds = ASK_LOCK_EVERY.as_secs();
            let text = format!("the lock could not be taken again: {why}; asked again in {seconds} s");
            self.tell(News::Waiting(text)).await;
        }
    }

    pub(super) fn proposal(&mut self) -> Proposal {
        let mut fleet = (**self.fleet.borrow_and_update()).clone();
        fleet.tick((self.clock)());
        propose(&self.run, &fleet, &facts(&self.run, self.last_promotion))
    }

    async fn turn(&mut self) -> Result<Turn, DriveError> {
        let proposal = self.proposal();
        self.show(&proposal).await;
        let Some(step) = proposal.index.and_then(|i| self.run.declared.playbook.steps.get(i)) else {
            if proposal.next == Next::Finish {
                self.record(Event::Ended { end: End::Done, reason: String::new() }).await?;
            }
            return Ok(Turn::Over);
        };
        let (id, optional) = (step.id.clone(), step.optional);
        match proposal.next {
            Next::Skip(reason) => self.record(Event::StepSkipped { step: id, reason }).await?,
            Next::Start { ref effects, tier: Tier::None, .. } => {
                let consent = Consent::not_needed(effects, &self.by, (self.clock)());
                self.start(&id, proposal, consent).await?;
            }
            Next::Proven { evidence, note } => self.record(Event::StepDone { step: id, evidence, note }).await?,
            Next::Failed(reason) if optional => {
                self.record(Event::StepUnproven { step: id, reason, gate: None, left: false }).await?;
            }
            Next::Failed(reason) => self.record(Event::StepFailed { step: id, reason }).await?,
            Next::Overdue(reason) if optional => {
                self.record(Event::StepUnproven { step: id, reason, gate: None, left: false }).await?;
            }
            Next::Overdue(reason) => self.record(Event::StepUncertain { step: id, reason }).await?,
            Next::Unprovable { reason, gate } if gate.overridden.is_some() => {
                let gate = Some(gate.finding.gate);
                self.record(Event::StepUnproven { step: id, reason, gate, left: false }).await?;
            }
            Next::Again { ref effects, .. } if proposal.by_itself() => {
                let consent = Consent::not_needed(effects, &self.by, (self.clock)());
                self.start(&id, proposal, consent).await?;
            }
            _ => return Ok(Turn::Wait),
        }
        Ok(Turn::Again)
    }

    async fn show(&mut self, proposal: &Proposal) {
        // A lock that was lost and that nobody else has is asked for again, until the run has it or somebody does.
        let lost = proposal.gates.iter().any(|line| line.finding.gate == "lock-held" && line.holds());
        match (lost, self.lock_wanted) {
            (true, None) => self.lock_wanted = Some(Instant::now() + ASK_LOCK_EVERY),
            (false, Some(_)) => self.lock_wanted = None,
            _ => {}
        }
        if self.shown.as_ref() != Some(proposal) {
            self.shown = Some(proposal.clone());
            self.tell(News::Proposal(Box::new(proposal.clone()))).await;
        }
    }

    /// A listener that is gone does not stop a run.
    pub(super) async fn tell(&self, news: News) {
        let _ = self.news.send(news).await;
    }

    /// Writes a record, then takes it into the run. In this order, always.
    pub(super) async fn record(&mut self, event: Event) -> Result<(), DriveError> {
        let record = Record { at: (self.clock)(), by: self.by.clone(), event };
        // A record that does not fit must not reach the disk: it is tried on a copy first.
        let mut next = self.run.clone();
        next.apply(&record)?;
        if let Err(error) = self.journal.append(&record) {
            self.tell(News::Trouble(error.to_string())).await;
            return Err(error.into());
        }
        self.run = next;
        self.tell(News::Recorded(record)).await;
        Ok(())
    }

    /// Takes an order. True: the driver leaves.
    async fn obey(&mut self, order: Order) -> Result<bool, DriveError> {
        let leaving = matches!(order, Order::Detach | Order::Abort { .. });
        let result = match order {
            Order::Start { step, consent } => self.start_ordered(step.as_deref(), consent).await,
            Order::Override { gate, shown, reason, break_glass } => {
                self.go_on_against(&gate, shown, &reason, break_glass).await
            }
            Order::Leave => self.leave_out().await,
            Order::Undo { step, consent } => self.undo(&step, &consent).await,
            Order::Detach => self.record(Event::Detached).await.map_err(Into::into),
            Order::Abort { reason } => {
                let event = Event::Ended { end: End::Aborted, reason: crate::domain::text::clean_to(&reason, 300) };
                self.record(event).await.map_err(Into::into)
            }
        };
        match result {
            Ok(()) => {
                if leaving {
                    self.give_up_lock().await;
                }
                Ok(leaving)
            }
            // A record that does not fit was found out before it was written: the order is refused, the run goes on.
            Err(OrderError::Fatal(error)) if !matches!(error, DriveError::Illegal(_)) => Err(error),
            Err(refused) => {
                self.tell(News::Refused(refused.to_string())).await;
                Ok(false)
            }
        }
    }

    async fn start_ordered(&mut self, shown: Option<&str>, agreement: Option<Agreement>) -> Result<(), OrderError> {
        let proposal = self.proposal();
        let (Next::Start { effects, tier, .. } | Next::Again { effects, tier, .. }) = &proposal.next else {
            return Err(OrderError::Text("there is nothing to start now".to_owned()));
        };
        let id = self.current_step(&proposal)?;
        if shown.is_some_and(|shown| shown != id) {
            return Err(OrderError::Text(format!("the run has moved on to {id}: look again")));
        }
        let consent = self.consent(*tier, effects, agreement.as_ref())?;
        self.start(&id, proposal, consent).await.map_err(Into::into)
    }

    fn current_step(&self, proposal: &Proposal) -> Result<String, OrderError> {
        let step = proposal.index.and_then(|i| self.run.declared.playbook.steps.get(i));
        step.map(|step| step.id.clone()).ok_or_else(|| OrderError::Text("the run has no open step".to_owned()))
    }

    fn consent(&self, tier: Tier, effects: &[Effect], agreement: Option<&Agreement>) -> Result<Consent, OrderError> {
        let now = (self.clock)();
        if tier == Tier::None {
            return Ok(Consent::not_needed(effects, &self.by, now));
        }
        let Some(agreement) = agreement else {
            return Err(OrderError::Text("this step asks for a consent".to_owned()));
        };
        let typed = agreement.typed.as_deref();
        Ok(Consent::give(tier, effects, &agreement.shown, typed, self.run.to_name(), &self.by, now)?)
    }

    async fn go_on_against(
        &mut self,
        id: &str,
        shown: Option<Finding>,
        reason: &str,
        break_glass: bool,
    ) -> Result<(), OrderError> {
        let Some(gate) = gates::by_id(id) else { return Err(OrderError::Text(format!("no gate is called {id:?}"))) };
        let mut fleet = (**self.fleet.borrow()).clone();
        fleet.tick((self.clock)());
        let facts = facts(&self.run, self.last_promotion);
        let question = Question { fleet: &fleet, direction: self.run.declared.direction, facts: &facts };
        // Of a step's own proof the proposal alone knows.
        let shown_now = propose(&self.run, &fleet, &facts).line(id).map(|line| line.finding.clone());
        let finding = shown_now.unwrap_or_else(|| gates::ask(gate, &question));
        if !finding.answer.verdict.holds() {
            return Err(OrderError::Text(format!("{id} does not hold anything back: {}", finding.answer.text)));
        }
        let allowed = break_glass && fleet.policy.break_glass;
        let (region, now) = (self.run.from_name().to_owned(), (self.clock)());
        let decided_on = shown.unwrap_or_else(|| finding.clone());
        let decision = Override::decide(gate, decided_on, &region, reason, &self.by, allowed, now)?;
        if !decision.covers(&finding) {
            return Err(OrderError::Text(format!(
                "{id} is worse than it was when it was shown: {}",
                finding.answer.text
            )));
        }
        self.record(Event::Overridden(Box::new(decision))).await.map_err(Into::into)
    }

    async fn leave_out(&mut self) -> Result<(), OrderError> {
        let proposal = self.proposal();
        let gate = proposal.without().filter(|line| line.overridden.is_some()).map(|line| line.finding.gate.clone());
        let reason = match &proposal.next {
            Next::Again { reason, optional, .. } if *optional || gate.is_some() => reason.clone(),
            Next::Impossible { reason, .. } if gate.is_some() => reason.clone(),
            _ => return Err(OrderError::Text("this step can not be left out".to_owned())),
        };
        let step = self.current_step(&proposal)?;
        self.record(Event::StepUnproven { step, reason, gate, left: true }).await.map_err(Into::into)
    }

    async fn undo(&mut self, id: &str, agreement: &Agreement) -> Result<(), OrderError> {
        let Some((step, _)) = self.run.step(id) else {
            return Err(OrderError::Text(format!("there is no step {id:?}")));
        };
        let Some(effects) = step.kind.undo(&self.run, id).filter(|effects| !effects.is_empty()) else {
            return Err(OrderError::Text(format!("step {id} has changed nothing that can be put back")));
        };
        if EffectHash::of(&effects) != agreement.shown {
            return Err(OrderError::Text(
                "what an undo would send has changed since it was shown: look again".to_owned(),
            ));
        }
        self.may_lift(&effects)?;
        let now = (self.clock)();
        let consent =
            Consent::give(Tier::Confirm, &effects, &agreement.shown, None, self.run.from_name(), &self.by, now)?;
        self.perform_undo(id, effects, consent).await
    }

    /// What holds the old side back may only be lifted while the other side is seen as its replica: whoever promoted it,
    /// in this run, in another, or by hand, the fence then stays.
    fn may_lift(&mut self, effects: &[Effect]) -> Result<(), OrderError> {
        let direction = self.run.declared.direction;
        if !effects.iter().any(|effect| effect.side() == Some(direction.from)) {
            return Ok(());
        }
        let mut fleet = (**self.fleet.borrow_and_update()).clone();
        fleet.tick((self.clock)());
        let name = self.run.to_name();
        match fleet.region(direction.to).live_database(fleet.now) {
            Some(sample) if sample.replica().is_some() => Ok(()),
            Some(_) => Err(OrderError::Text(format!(
                "the database of {name} is out of recovery: what holds {} back must stay",
                self.run.from_name()
            ))),
            None => Err(OrderError::Text(format!(
                "the database of {name} is not seen now: whether it has been promoted is not known, so the fence stays"
            ))),
        }
    }
}
