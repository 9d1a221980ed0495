//! Gates about who drives.

use super::{Answer, Question};
use crate::domain::freshness::Source;
use crate::domain::region::Side;

pub fn no_other_driver(q: &Question<'_>) -> Answer {
    for side in [q.direction.to, q.direction.from] {
        let Some(known) = &q.fleet.region(side).lock else { continue };
        let holder = known.value.as_ref().and_then(|lease| lease.living_holder(q.fleet.now));
        if let Some(holder) = holder
            && q.facts.us.as_deref() != Some(holder)
        {
            return Answer::block(format!("{holder} drives this environment, says {}", q.name(side)))
                .lift("let them finish or leave; a driver that is gone loses the lock by itself")
                .on(q.evidence(Source::Kubernetes(side), holder.to_owned()));
        }
    }
    match &q.fleet.region(q.direction.to).lock {
        Some(known) if !known.remembered && q.fleet.freshness(Source::Kubernetes(q.direction.to)).usable() => {
            Answer::pass("nobody else drives").on(q.evidence(Source::Kubernetes(q.direction.to), "lock free or ours"))
        }
        _ => Answer::unknown(format!("the lock in {} has not been read", q.name(q.direction.to)))
            .lift("its API has to answer"),
    }
}

pub fn held(q: &Question<'_>) -> Answer {
    let to: Side = q.direction.to;
    let Some(ours) = &q.facts.our_lock else { return Answer::block("this run does not hold the lock").lift("take it") };
    let lease = q.fleet.region(to).lock.as_ref().and_then(|known| known.value.as_ref());
    match lease.and_then(|lease| lease.living_holder(q.fleet.now)) {
        Some(holder) if holder == ours => Answer::pass(format!("held in {} by {ours}", q.name(to)))
            .on(q.evidence(Source::Kubernetes(to), ours.clone())),
        Some(other) => Answer::block(format!("{other} holds the lock in {}", q.name(to))).lift("find out who that is"),
        None => Answer::unknown(format!("the lock in {} is not seen as held", q.name(to))).lift("take it again"),
    }
}
