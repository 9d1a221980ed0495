//! What a person may order, and what is refused.

use super::*;

fn agree(shown: EffectHash, typed: Option<&str>) -> Order {
    Order::Start { step: None, consent: Some(Agreement { shown, typed: typed.map(str::to_owned) }) }
}

#[tokio::test]
async fn a_consent_to_something_else_or_none_or_a_wrong_name_starts_nothing() {
    let mut bench = Bench::new(healthy_pair());
    bench.looks(3).await;
    bench.order(Order::Start { step: Some("promote".to_owned()), consent: Some(bench.agreement()) }).await;
    bench.order(Order::Start { step: None, consent: None }).await;
    bench.order(agree(EffectHash("0".repeat(64)), None)).await;
    assert_eq!(bench.refused.len(), 3, "{:?}", bench.refused);
    assert!(bench.refused[0].contains("moved on to declare"), "{:?}", bench.refused);
    assert!(bench.refused[1].contains("asks for a consent") && bench.refused[2].contains("has changed since"));
    assert_eq!((bench.records().len(), bench.world.sent().len()), (1, 0));
    // The promotion asks for the region's name.
    bench.until("promote").await;
    let sent = bench.world.sent().len();
    let shown = bench.agreement().shown;
    for typed in [None, Some(""), Some("us-central1"), Some("us-east1 ")] {
        bench.order(agree(shown.clone(), typed)).await;
    }
    assert_eq!(bench.refused.len(), 7, "{:?}", bench.refused);
    assert!(bench.refused[6].contains("\"us-east1 \" is not \"us-east1\""), "{:?}", bench.refused[6]);
    assert_eq!(bench.world.sent().len(), sent);
    assert_eq!(state(&bench.run(), "promote"), StepState::Waiting);
    bench.order(agree(shown, Some("us-east1"))).await;
    assert_ne!(state(&bench.run(), "promote"), StepState::Waiting);
    bench.task.abort();
}

fn against(gate: &str, reason: &str, break_glass: bool) -> Order {
    Order::Override { gate: gate.to_owned(), shown: None, reason: reason.to_owned(), break_glass }
}

#[tokio::test]
async fn an_override_is_refused_to_whoever_may_not_and_for_no_reason() {
    let mut bench = Bench::new(outage(120));
    bench.until("suspend-crons").await;
    let because = "the region is gone, says its provider";
    for (order, says) in [
        (against("old-region-fenced", because, false), "takes a second person"),
        (against("old-region-fenced", "gone", true), "needs a reason"),
        (against("old-region-fenced", " \u{200b}\n      a     \u{200b}", true), "needs a reason"),
        (against("standby-api", because, true), "does not hold anything back"),
        (against("no-such-gate", because, true), "no gate is called"),
    ] {
        let before = bench.records().len();
        bench.order(order).await;
        assert!(bench.refused.last().is_some_and(|why| why.contains(says)), "{says}: {:?}", bench.refused);
        assert_eq!(bench.records().len(), before);
    }
    bench.task.abort();

    let mut bench = Bench::new(crate::domain::fixtures::line_cut(120));
    bench.until("suspend-crons").await;
    bench.order(against("proof-of-life", because, true)).await;
    assert!(bench.refused[0].contains("may not be overridden by anybody"), "{:?}", bench.refused);
    bench.task.abort();

    let mut sim = outage(120);
    sim.policy().break_glass = false;
    let mut bench = Bench::new(sim);
    bench.until("suspend-crons").await;
    bench.order(against("old-region-fenced", because, true)).await;
    assert!(bench.refused[0].contains("break_glass is not allowed"), "{:?}", bench.refused);
    bench.task.abort();
}

#[tokio::test]
async fn without_the_lock_nothing_is_sent() {
    let mut bench = Bench::new(healthy_pair());
    bench.until("suspend-crons").await;
    let sent = bench.world.sent().len();
    *bench.world.lock.lock().unwrap() = Err("it is eve's now".to_owned());
    bench.order(Order::Start { step: None, consent: Some(bench.agreement()) }).await;
    assert_eq!(bench.world.sent().len(), sent);
    let run = bench.run();
    assert_eq!(
        state(&run, "suspend-crons"),
        StepState::Failed("not sent: the lock is not certain: it is eve's now".to_owned())
    );
    bench.task.abort();
}

#[tokio::test]
async fn a_lock_that_never_answers_is_not_certain_and_does_not_hold_the_run() {
    let mut bench = Bench::new(healthy_pair());
    bench.until("fence-controllers").await;
    let sent = bench.world.sent().len();
    *bench.world.lock_hangs.lock().unwrap() = true;
    bench.orders.send(Order::Start { step: None, consent: Some(bench.agreement()) }).await.unwrap();
    while matches!(state(&bench.run(), "fence-controllers"), StepState::Waiting | StepState::Started) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        bench.look().await;
    }
    assert!(matches!(state(&bench.run(), "fence-controllers"), StepState::Failed(_)));
    assert_eq!(bench.world.sent().len(), sent);
    bench.task.abort();
}

#[tokio::test]
async fn who_leaves_gives_the_lock_up_and_another_goes_on() {
    let mut bench = Bench::new(healthy_pair());
    bench.until("fence-controllers").await;
    bench.order(Order::Detach).await;
    let run = (&mut bench.task).await.unwrap().unwrap();
    assert_eq!(run.ended, None);
    assert_eq!(bench.records().last().map(|r| r.event.clone()), Some(Event::Detached));
    let lock = |bench: &Bench| bench.world.sim.lock().unwrap().truth.b.lock.clone().map(|(holder, _)| holder);
    assert_eq!(lock(&bench).as_deref(), Some(""));
    let mut bench = bench.resumed("eve@laptop");
    bench.looks(4).await;
    assert_eq!(lock(&bench).as_deref(), Some("eve@laptop/7f3a00"));
    let run = bench.through().await.unwrap().unwrap();
    assert_eq!(run.ended.map(|(end, _, _)| end), Some(End::Done));
}

#[tokio::test]
async fn the_lock_of_a_driver_that_died_is_asked_for_until_it_is_over() {
    let mut bench = Bench::new(healthy_pair());
    bench.until("fence-controllers").await;
    bench.task.abort();
    let _ = (&mut bench.task).await;
    bench.world.sim.lock().unwrap().locks_renewed = false;
    let mut bench = bench.resumed("eve@laptop");
    bench.look().await;
    bench.look().await;
    assert!(bench.trouble[0].contains("held by op@bastion/7f3a00"), "{:?}", bench.trouble);
    assert!(matches!(bench.proposal.as_ref().map(|p| &p.next), Some(Next::Held)), "{:?}", bench.proposal);
    // Nobody renews it any more; the driver asks again every five seconds.
    bench.world.sim.lock().unwrap().go(40);
    let holder = |bench: &Bench| bench.world.sim.lock().unwrap().truth.b.lock.clone().map(|(holder, _)| holder);
    for _ in 0..600 {
        if holder(&bench).as_deref() == Some("eve@laptop/7f3a00") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bench.world.sim.lock().unwrap().locks_renewed = true;
    let run = bench.through().await.unwrap().unwrap();
    assert_eq!(run.ended.map(|(end, _, _)| end), Some(End::Done));
}

#[tokio::test]
async fn a_run_that_was_given_up_is_over() {
    let mut bench = Bench::new(healthy_pair());
    bench.until("fence-controllers").await;
    bench.order(Order::Abort { reason: "a false\u{1b}[31m alarm".to_owned() }).await;
    let run = (&mut bench.task).await.unwrap().unwrap();
    assert_eq!(run.ended.map(|(end, _, reason)| (end, reason)), Some((End::Aborted, "a false [31m alarm".to_owned())));
    let held = bench.world.sim.lock().unwrap().truth.b.lock.clone();
    assert!(held.is_some_and(|(holder, _)| holder.is_empty()));
    let mut bench = bench.resumed("op@bastion");
    assert!(matches!((&mut bench.task).await.unwrap(), Err(DriveError::Illegal(_))));
}

#[tokio::test]
async fn an_undo_needs_a_consent_to_it_and_puts_back_what_was() {
    let mut bench = Bench::new(healthy_pair());
    bench.until("fence-controllers").await;
    let undo =
        |shown: EffectHash| Order::Undo { step: "suspend-crons".to_owned(), consent: Agreement { shown, typed: None } };
    bench.order(undo(EffectHash("0".repeat(64)))).await;
    assert!(bench.refused[0].contains("has changed since it was shown"), "{:?}", bench.refused);
    let run = bench.run();
    let (step, _) = run.step("suspend-crons").unwrap();
    let effects = step.kind.undo(&run, "suspend-crons").unwrap();
    bench.order(undo(EffectHash::of(&effects))).await;
    assert_eq!(bench.refused.len(), 1, "{:?}", bench.refused);
    let crons = bench.world.sim.lock().unwrap().truth.a.crons.clone();
    assert_eq!(crons.values().filter(|suspended| !**suspended).count(), 2);
    // It is the open step again, and the run can be led to its end.
    assert_eq!(bench.open(), "suspend-crons");
    bench.through().await.unwrap().unwrap();
}

/// The lock is taken for it and given up again, and nothing but the undo is sent.
#[tokio::test]
async fn whoever_undoes_a_step_of_a_run_that_is_left_or_given_up_looks_at_no_other_step() {
    for last in [Order::Detach, Order::Abort { reason: "the region is well again".to_owned() }] {
        let mut bench = Bench::new(healthy_pair());
        // The next step asks for no consent: a driver that looked at it would start it.
        bench.until("fence-database").await;
        let given_up = matches!(last, Order::Abort { .. });
        bench.order(last).await;
        (&mut bench.task).await.unwrap().unwrap();
        let run = bench.run();
        let effects = run.step("suspend-crons").unwrap().0.kind.undo(&run, "suspend-crons").unwrap();
        let before = bench.world.performed().len();

        bench.undone("suspend-crons", EffectHash("0".repeat(64))).await;
        assert!(bench.refused[0].contains("has changed since it was shown"), "{:?}", bench.refused);
        let run = bench.undone("suspend-crons", EffectHash::of(&effects)).await;
        assert_eq!((bench.refused.len(), run.ended.is_some()), (1, given_up), "{:?}", bench.refused);
        assert_eq!(state(&run, "suspend-crons"), StepState::Undone);
        let crons = bench.world.sim.lock().unwrap().truth.a.crons.clone();
        assert_eq!(crons.values().filter(|suspended| !**suspended).count(), 2);
        let sent = bench.world.performed().split_off(before);
        let lock = |effect: &&Effect| matches!(effect, Effect::TakeLock { .. } | Effect::ReleaseLock { .. });
        assert_eq!(sent.iter().filter(|effect| !lock(effect)).cloned().collect::<Vec<_>>(), effects);
        assert!(matches!(sent.last(), Some(Effect::ReleaseLock { .. })), "{sent:?}");
        assert_eq!(run.steps.iter().filter(|slot| slot.started.is_some()).count(), 5);
    }
}

#[tokio::test]
async fn a_run_that_was_given_up_can_be_put_back_and_its_lock_is_given_up_again() {
    let mut bench = Bench::new(healthy_pair());
    bench.until("fence-database").await;
    bench.order(Order::Abort { reason: "a false alarm".to_owned() }).await;
    (&mut bench.task).await.unwrap().unwrap();
    for step in ["fence-controllers", "suspend-crons"] {
        let (journal, records, _) = Journal::open(bench.folder.path(), &id()).unwrap();
        let run = crate::journal::replay(journal.path(), &records).unwrap();
        let effects = run.step(step).unwrap().0.kind.undo(&run, step).unwrap();
        let consent = Agreement { shown: EffectHash::of(&effects), typed: None };
        let (_, orders) = mpsc::channel(1);
        let (news, mut told) = mpsc::channel(64);
        let (world, fleet, by) = (Arc::clone(&bench.world), bench.fleet.subscribe(), "eve@laptop".to_owned());
        let driver = Driver::new(run, journal, world, fleet, orders, news, by, clock, None);
        let run = driver.undo_and_leave(step, &consent).await.unwrap();
        assert_eq!(state(&run, step), StepState::Undone);
        while let Some(news) = told.recv().await {
            assert!(matches!(news, News::Recorded(_)), "{news:?}");
        }
    }
    let sim = bench.world.sim.lock().unwrap();
    assert_eq!((sim.truth.a.wanted, sim.truth.a.crons.values().filter(|suspended| !**suspended).count()), (1, 2));
    assert!(sim.truth.b.lock.as_ref().is_some_and(|(holder, _)| holder.is_empty()), "{:?}", sim.truth.b.lock);
}

#[tokio::test]
async fn a_fence_stays_on_after_the_promotion_and_the_order_does_not_end_the_driver() {
    let mut bench = Bench::new(healthy_pair());
    bench.until("start-controllers").await;
    let run = bench.run();
    for id in ["suspend-crons", "fence-controllers", "fence-database"] {
        let effects = run.step(id).unwrap().0.kind.undo(&run, id).unwrap();
        let consent = Agreement { shown: EffectHash::of(&effects), typed: None };
        bench.order(Order::Undo { step: id.to_owned(), consent }).await;
        assert!(bench.refused.last().is_some_and(|why| why.contains("must stay")), "{:?}", bench.refused);
    }
    let a = bench.world.sim.lock().unwrap().truth.a.clone();
    assert!(a.db.read_only && a.wanted == 0);
    bench.through().await.unwrap().unwrap();
}

#[tokio::test]
async fn with_nobody_left_to_give_orders_the_run_is_left_as_it_is() {
    let mut bench = Bench::new(healthy_pair());
    bench.until("suspend-crons").await;
    let (nobody, _) = mpsc::channel(1);
    drop(std::mem::replace(&mut bench.orders, nobody));
    bench.looks(3).await;
    (&mut bench.task).await.unwrap().unwrap();
    assert_eq!(bench.records().last().map(|r| r.event.clone()), Some(Event::Detached));
}

/// A step may have hundreds of requests: whoever leaves does not wait for them, and what was not sent is on record as such.
#[tokio::test]
async fn leaving_is_heard_between_the_requests_of_a_step() {
    for leave in [Order::Detach, Order::Abort { reason: "the region is back".to_owned() }] {
        let mut bench = Bench::new(healthy_pair());
        bench.until("suspend-crons").await;
        let sent = bench.world.sent().len();
        let start = Order::Start { step: None, consent: Some(bench.agreement()) };
        bench.orders.try_send(start).unwrap();
        bench.orders.try_send(leave).unwrap();
        let run = (&mut bench.task).await.unwrap().unwrap();
        let outcomes = run.outcomes("suspend-crons");
        let not_sent = |outcome: &Outcome| matches!(outcome, Outcome::NotSent { reason } if reason.contains("left"));
        assert!(outcomes.len() == 2 && outcomes.iter().all(|(_, outcome)| not_sent(outcome)), "{outcomes:?}");
        let crons = bench
            .world
            .sent()
            .into_iter()
            .skip(sent)
            .filter(|(effect, _)| matches!(effect, Effect::SuspendCron { .. }));
        assert_eq!(crons.count(), 0);
    }
}
