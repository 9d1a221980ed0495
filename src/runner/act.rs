//! One step: its record, its effects, their records.

use super::drive::Driver;
use super::{DriveError, News, Order, OrderError, World};
use crate::domain::effect::{Effect, Outcome};
use crate::playbook::consent::Consent;
use crate::playbook::kinds::lock;
use crate::playbook::propose::{Next, Proposal};
use crate::playbook::record::{Event, StepStarted};
use crate::playbook::run::Run;
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;

/// Longest time one effect may take.
const DEADLINE: Duration = Duration::from_secs(15);

/// Longest time for a target that does not answer: one short try.
const DEADLINE_UNREACHABLE: Duration = Duration::from_secs(3);

/// The lock has to last this much longer than the effect may take.
const LOCK_MARGIN: Duration = Duration::from_secs(2);

/// Longest time that the lock may take to be read: one that hangs is not certain, and must not hold the run.
const DEADLINE_LOCK: Duration = Duration::from_secs(5);

impl<W: World> Driver<W> {
    /// Records the start of the step, performs what it announced, records what became of it.
    pub(super) async fn start(&mut self, id: &str, proposal: Proposal, consent: Consent) -> Result<(), DriveError> {
        let (effects, unreachable) = match proposal.next {
            Next::Start { effects, unreachable, .. } | Next::Again { effects, unreachable, .. } => {
                (effects, unreachable)
            }
            _ => return Ok(()),
        };
        let started = StepStarted {
            step: id.to_owned(),
            attempt: proposal.attempt,
            effects: effects.clone(),
            gates: proposal.gates.into_iter().map(|line| line.finding).collect(),
            consent,
            unreachable: unreachable.clone(),
            mirrored: false,
        };
        self.record(Event::StepStarted(Box::new(started))).await?;
        // A target that does not answer gets all its requests at once, so that the try lasts one deadline and not one
        // for each of its crons.
        if unreachable.is_some() {
            return self.try_once(id, &effects).await;
        }
        let mut stopped: Option<&str> = None;
        for (index, effect) in effects.iter().enumerate() {
            if stopped.is_none() && self.asked_to_leave().await {
                stopped = Some("the operator left before it");
            }
            let outcome = match (stopped, self.held_now()) {
                (Some(why), _) => Outcome::NotSent { reason: why.to_owned() },
                (None, Some(why)) => Outcome::NotSent { reason: why },
                (None, None) => self.guarded(effect, DEADLINE).await,
            };
            stopped = stopped.or(stops(effect, &outcome));
            self.record(Event::EffectEnded { step: id.to_owned(), index, outcome }).await?;
        }
        Ok(())
    }

    /// Orders that came while a step is being sent. Leaving and giving up are heard between two requests: a step may have
    /// hundreds of them. Nothing else can be done then.
    async fn asked_to_leave(&mut self) -> bool {
        while let Ok(order) = self.orders.try_recv() {
            if matches!(order, Order::Detach | Order::Abort { .. }) {
                self.leaving = Some(order);
                return true;
            }
            self.tell(News::Refused("a step is being sent: look again".to_owned())).await;
        }
        false
    }

    /// Why the current step may not send now, asked again right before each request: the record may have taken long to
    /// reach the disk, the machine may have slept, and a long step outlives the answers it began with.
    fn held_now(&mut self) -> Option<String> {
        let proposal = self.proposal();
        let line = proposal.gates.iter().find(|line| line.holds())?;
        Some(format!("{} holds now: {}", line.finding.gate, line.finding.answer.text))
    }

    async fn try_once(&mut self, id: &str, effects: &[Effect]) -> Result<(), DriveError> {
        let tries = join_all(effects.iter().map(|effect| self.guarded(effect, DEADLINE_UNREACHABLE))).await;
        for (index, outcome) in tries.into_iter().enumerate() {
            self.record(Event::EffectEnded { step: id.to_owned(), index, outcome }).await?;
        }
        Ok(())
    }

    /// Performs an effect if the lock is still ours, read again right before, for longer than the effect may take.
    pub(super) async fn guarded(&self, effect: &Effect, deadline: Duration) -> Outcome {
        if !matches!(effect, Effect::TakeLock { .. } | Effect::ReleaseLock { .. }) {
            let held = tokio::time::timeout(DEADLINE_LOCK, self.world.lock_holds(deadline + LOCK_MARGIN)).await;
            let late = |_| Err(format!("no answer in {} s", DEADLINE_LOCK.as_secs()));
            if let Err(why) = held.unwrap_or_else(late) {
                return Outcome::NotSent { reason: format!("the lock is not certain: {why}") };
            }
        }
        let world = Arc::clone(&self.world);
        match tokio::time::timeout(deadline + Duration::from_secs(1), world.perform(effect, deadline)).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Unknown { reason: format!("no answer in {} s", deadline.as_secs()) },
        }
    }

    pub(super) async fn perform_undo(
        &mut self,
        id: &str,
        effects: Vec<Effect>,
        consent: Consent,
    ) -> Result<(), OrderError> {
        let event = Event::UndoStarted { step: id.to_owned(), effects: effects.clone(), consent };
        self.record(event).await.map_err(OrderError::from)?;
        let mut all = true;
        for (index, effect) in effects.iter().enumerate() {
            let outcome = self.guarded(effect, DEADLINE).await;
            all &= outcome.took();
            let event = Event::UndoEffectEnded { step: id.to_owned(), index, outcome };
            self.record(event).await.map_err(OrderError::from)?;
        }
        if !all {
            return Err(OrderError::Text(format!("the undo of {id} was not taken by every server; see the journal")));
        }
        self.record(Event::StepUndone { step: id.to_owned() }).await.map_err(Into::into)
    }

    /// Whoever leaves in good order does not make the next one wait for the lock to run out.
    pub(super) async fn give_up_lock(&self) {
        for effect in held(&self.run) {
            let _ = tokio::time::timeout(DEADLINE_UNREACHABLE, self.world.perform(&effect, DEADLINE_UNREACHABLE)).await;
        }
    }

    /// Takes the lock again for a run that is taken up again and had it.
    pub(super) async fn take_lock_again(&self) -> Result<(), String> {
        // In the clusters in which it was taken, whatever answers under their names now.
        let who = self.run.declared.before.who.as_ref();
        let cluster = |side| who.and_then(|who| Some(who.get(side).cluster.as_ref()?.who.clone()));
        let take = held(&self.run).into_iter().filter_map(|effect| match effect {
            Effect::ReleaseLock { side, lease, holder } => {
                Some(Effect::TakeLock { side, cluster_uid: cluster(side), lease, holder })
            }
            _ => None,
        });
        let to = self.run.declared.direction.to;
        for effect in take {
            let answer = tokio::time::timeout(DEADLINE, self.world.perform(&effect, DEADLINE)).await;
            let outcome = answer.unwrap_or_else(|_| Outcome::Unknown { reason: "no answer in time".to_owned() });
            // The other region's lock is a courtesy.
            if !outcome.took() && effect.side() == Some(to) {
                return Err(outcome.text());
            }
        }
        Ok(())
    }
}

/// Why nothing more of a step is sent after this. The requests of a step are one change: after a refusal, or when the
/// other side is lost, the rest waits for a person. Receivers, and the lock of the region being left, stand alone.
fn stops(effect: &Effect, outcome: &Outcome) -> Option<&'static str> {
    if matches!(effect, Effect::Notify { .. } | Effect::TakeLock { .. } | Effect::ReleaseLock { .. }) {
        return None;
    }
    match outcome {
        Outcome::Refused { .. } => Some("an earlier request of this step was refused"),
        Outcome::NotSent { .. } | Outcome::Unknown { .. } => Some("an earlier request of this step got no answer"),
        Outcome::Done { .. } | Outcome::Already { .. } => None,
    }
}

/// The locks that the run has taken, or may have taken, as effects that give them up; by the names of the driver that drives now.
fn held(run: &Run) -> Vec<Effect> {
    // A driver that was killed between the request and its record has taken it, and the record says unknown.
    let may_be_ours = |outcome: &Outcome| outcome.took() || matches!(outcome, Outcome::Unknown { .. });
    let steps = run.declared.playbook.steps.iter();
    let mut taken: Vec<Effect> = Vec::new();
    for (effect, outcome) in steps.flat_map(|step| run.outcomes(&step.id)) {
        if let Effect::TakeLock { side, lease, .. } = effect
            && may_be_ours(outcome)
        {
            let give_up = Effect::ReleaseLock { side: *side, lease: lease.clone(), holder: lock::holder(run) };
            if !taken.contains(&give_up) {
                taken.push(give_up);
            }
        }
    }
    // The lock that counts is taken first, whatever became of the first try.
    taken.sort_by_key(|effect| effect.side() != Some(run.declared.direction.to));
    taken
}
