//! The process dies at every point there is: before and after each record, before and after each request.

use super::*;
use crate::domain::fixtures::Truth;

/// What the world has come to.
#[derive(Debug, PartialEq)]
struct World {
    wanted: [u32; 2],
    suspended: Vec<(String, bool)>,
    primary: [(bool, bool, u32); 2],
    addresses: Vec<std::net::IpAddr>,
    lock: Option<String>,
}

fn world(bench: &Bench) -> World {
    let sim = bench.world.sim.lock().unwrap();
    let both = |f: &dyn Fn(&Truth) -> u32| [f(&sim.truth.a), f(&sim.truth.b)];
    let crons = [&sim.truth.a, &sim.truth.b].into_iter().flat_map(|truth| &truth.crons);
    World {
        wanted: both(&|truth| truth.wanted),
        suspended: crons.map(|(key, suspended)| (key.to_string(), *suspended)).collect(),
        primary: [&sim.truth.a.db, &sim.truth.b.db].map(|db| (db.primary, db.read_only, db.timeline)),
        addresses: sim.addresses.clone(),
        lock: sim.truth.b.lock.as_ref().map(|(holder, _)| holder.clone()),
    }
}

/// Effects that must not be done twice. A message may be sent again: its key makes it the same one. So may a lock.
fn once(effects: Vec<Effect>) -> Vec<Effect> {
    let again = |e: &Effect| matches!(e, Effect::Notify { .. } | Effect::TakeLock { .. } | Effect::ReleaseLock { .. });
    effects.into_iter().filter(|effect| !again(effect)).collect()
}

/// The points at which something has just happened or is about to: looks between them are all alike.
fn telling(points: &[(&'static str, u64)]) -> Vec<u32> {
    let place = |i: usize| i.checked_sub(1).and_then(|before| points.get(before));
    let turn = |i: usize| place(i) != points.get(i) || points.get(i + 1) != points.get(i);
    (0..points.len()).filter(|i| turn(*i)).map(|i| u32::try_from(i).unwrap()).collect()
}

async fn undisturbed(sim: Sim) -> (World, Vec<Effect>, Vec<u32>) {
    POINTS.with_borrow_mut(Vec::clear);
    let mut bench = Bench::new(sim);
    bench.through().await.unwrap().unwrap();
    let points = POINTS.with_borrow(|points| telling(points));
    (world(&bench), once(bench.world.performed()), points)
}

/// Dies at point `k`, is taken up again, and comes to the same end.
async fn killed_at(k: u32, sim: Sim, expected: &World, effects: &[Effect]) -> bool {
    DIES_IN.set(Some(k));
    let mut bench = Bench::new(sim);
    let ended = bench.through().await;
    DIES_IN.set(None);
    let Err(died) = ended else { return false };
    assert!(died.is_panic(), "{died:?}");
    let before = bench.records();
    let mut bench = bench.resumed("op@bastion");
    let run = bench.through().await.unwrap().unwrap();
    assert_eq!(run.ended.as_ref().map(|(end, _, _)| *end), Some(End::Done), "killed at {k}: {:?}", bench.proposal);
    assert_eq!(world(&bench), *expected, "killed at point {k}");
    let done = once(bench.world.performed());
    for (i, effect) in done.iter().enumerate() {
        assert!(!done[..i].contains(effect), "killed at point {k}: done twice: {effect:?}");
    }
    assert_eq!(done.len(), effects.len(), "killed at point {k}: {done:?}");
    let after = bench.records();
    assert_eq!(after[..before.len()], before, "killed at point {k}: history was rewritten");
    assert_eq!(after[before.len()].event, Event::Resumed);
    true
}

async fn everywhere(sim: Sim) {
    let (expected, effects, points) = undisturbed(sim.clone()).await;
    let mut killed = 0;
    for k in points {
        if killed_at(k, sim.clone(), &expected, &effects).await {
            killed += 1;
        }
    }
    assert!(killed > 60, "died at {killed} points only");
}

#[tokio::test]
async fn a_planned_failover_comes_to_the_same_end_wherever_its_driver_dies() {
    everywhere(healthy_pair()).await;
}

#[tokio::test]
async fn an_unplanned_failover_comes_to_the_same_end_wherever_its_driver_dies() {
    everywhere(outage(120)).await;
}
