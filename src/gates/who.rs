//! Gates about who answers: the right servers under the right names.

use super::{Answer, Question};
use crate::domain::fleet::who::Stranger;
use crate::domain::freshness::Source;
use crate::domain::region::Side;

/// Every fact and every request goes by a region's name; if another server answers under it, all of them are wrong.
pub fn right_servers(q: &Question<'_>) -> Answer {
    const LIFT: &str = "correct contexts, kubeconfigs and database URLs in the configuration";
    let strangers = q.fleet.strangers();
    if let Some(Stranger::Swapped(text)) = strangers.first() {
        return Answer::block(text.clone()).lift(LIFT);
    }
    for side in Side::BOTH {
        let live = q.fleet.region(side).identity.as_ref().filter(|known| !known.remembered);
        let pinned = q.facts.who.as_ref().and_then(|who| who.get(side).cluster.as_ref());
        if let (Some(live), Some(pinned)) = (live, pinned)
            && live.value.cluster_uid != pinned.who
        {
            let name = q.name(side);
            let text = format!("the context of {name} leads to another cluster than when this run began");
            return Answer::block(text).lift(LIFT);
        }
    }
    match strangers.first() {
        Some(Stranger::Other(text) | Stranger::Swapped(text)) => {
            Answer::warn(text.clone()).lift("well if it was rebuilt; if not, correct the context")
        }
        None if !q.fleet.freshness(Source::Kubernetes(q.direction.to)).usable() => {
            Answer::moot(format!("{} has not said who it is", q.name(q.direction.to)))
        }
        None => Answer::pass("each region's servers are those seen before")
            .on(q.evidence(Source::Kubernetes(q.direction.to), "cluster UID as before")),
    }
}
