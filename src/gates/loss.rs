//! Gates about what is lost, and how often.

use super::{Answer, Question};
use crate::domain::fleet::replication::Loss;
use crate::domain::freshness::Source;
use crate::domain::since;
use crate::domain::units::{Bytes, age};

pub fn limit(q: &Question<'_>) -> Answer {
    let limit = Bytes(q.fleet.policy.loss_bytes_max);
    if q.facts.promoted || super::standby::promoted_by_others(q) {
        return Answer::moot("the promotion is behind us");
    }
    let loss = q.fleet.loss(q.direction);
    let Some(most) = loss.at_most() else {
        let text = if loss.primary_lsn.is_none() {
            format!("the log of {} was never seen, so the loss is unknown", q.name(q.direction.from))
        } else if loss.bytes.is_some() {
            let text = "how fast it wrote before was not seen, so the loss is unknown";
            format!("{} was last seen {} ago, and {text}", q.name(q.direction.from), seen(&loss))
        } else {
            format!("{} does not say what it has received, so the loss is unknown", q.name(q.direction.to))
        };
        return Answer::unknown(text).lift("both databases have to be seen, with pg_monitor, before the outage");
    };
    let evidence =
        q.evidence(Source::Database(q.direction.to), loss.replica_lsn.map_or_else(String::new, |l| l.to_string()));
    let ended = loss.if_ended().unwrap_or(most);
    if most > limit {
        let old = q.name(q.direction.from);
        let (text, lift) = if ended > limit {
            let text = format!("may lose {}, over the limit of {limit}", loss.words());
            (text, format!("let the replica catch up; {}", q.way_on()))
        } else {
            let text = format!("may lose {}, which is over the limit of {limit}", loss.words());
            (text, format!("prove that {old} has ended or is fenced; {}", q.way_on()))
        };
        // What it writes on grows with time. Whoever goes on against this has accepted that, at whatever size.
        Answer::block(text).lift(lift).of(ended.0).on(evidence)
    } else {
        let text = if loss.exact {
            format!("loses {} of {limit} allowed", loss.words())
        } else {
            format!("may lose {}; the limit is {limit}", loss.words())
        };
        Answer::pass(text).on(evidence)
    }
}

fn seen(loss: &Loss) -> String {
    loss.unseen.map_or_else(|| "some time".to_owned(), age)
}

pub fn anti_flap(q: &Question<'_>) -> Answer {
    let window = q.fleet.policy.anti_flap;
    if q.facts.promoted {
        return Answer::moot("the promotion is behind us");
    }
    // What was promoted from elsewhere stands in no journal here; the primary itself knows.
    let here = q.facts.last_promotion.map(|at| (at, "the last failover".to_owned()));
    let old = q.name(q.direction.from);
    let there = q.fleet.region(q.direction.from).promoted_at().map(|at| (at, format!("the promotion of {old}")));
    let Some((at, what)) = here.into_iter().chain(there).max() else {
        return Answer::pass(format!("no earlier failover is known, from the journals here or from {old}"));
    };
    let ago = since(at, q.fleet.now);
    if ago < window {
        let lift = format!("wait {}; {}", age(window.saturating_sub(ago)), q.way_on());
        Answer::block(format!("{what} was {} ago, within {}", age(ago), age(window))).lift(lift)
    } else {
        Answer::pass(format!("{what} was {} ago", age(ago)))
    }
}
