//! Gates about the new primary, after the promotion.

use super::{Answer, Question};
use crate::domain::freshness::Source;

pub fn promoted(q: &Question<'_>) -> Answer {
    let to = q.direction.to;
    let source = Source::Database(to);
    match q.fleet.region(to).live_database(q.fleet.now) {
        None => Answer::unknown(q.silence(source)).lift("it has to answer"),
        Some(sample) if sample.accepts_writes() => {
            let text = format!("{} accepts writes on timeline {}", q.name(to), sample.timeline);
            Answer::pass(text.clone()).on(q.evidence(source, text))
        }
        Some(sample) if sample.primary().is_some() => {
            Answer::block(format!("{} is promoted, but new sessions are read-only", q.name(to)))
                .lift("ALTER SYSTEM RESET default_transaction_read_only; SELECT pg_reload_conf()")
        }
        Some(_) => Answer::block(format!("{} is still a replica", q.name(to)))
            .lift("promote it: a controller started on a replica crash-loops"),
    }
}

/// A promoted server that waits for the old primary as its synchronous standby commits nothing.
pub fn synchronous(q: &Question<'_>) -> Answer {
    let to = q.direction.to;
    match q.fleet.region(to).live_database(q.fleet.now) {
        None => Answer::unknown(q.silence(Source::Database(to))).lift("it has to answer"),
        Some(sample) if sample.synchronous_standby_names.trim().is_empty() => {
            Answer::pass("commits wait for no standby")
        }
        Some(sample) => Answer::block(format!(
            "synchronous_standby_names = '{}': commits would wait for a standby that is gone",
            crate::domain::text::clean_to(&sample.synchronous_standby_names, 60)
        ))
        .lift("ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf()"),
    }
}

pub fn leads(q: &Question<'_>) -> Answer {
    let to = q.direction.to;
    match q.fleet.region(to).live_controllers(q.fleet.now) {
        None => Answer::unknown(q.silence(Source::Kubernetes(to))).lift("it has to answer"),
        Some(controllers) => match controllers.leader(q.fleet.now) {
            Some(pod) => {
                Answer::pass(format!("{} leads", pod.name)).on(q.evidence(Source::Kubernetes(to), pod.name.clone()))
            }
            None => Answer::block(format!("no controller leads in {} yet", q.name(to)))
                .lift("an election takes up to 26 s after a start"),
        },
    }
}

/// Of each step by itself: the run answers, since it alone knows what the step has done.
pub fn proven(_: &Question<'_>) -> Answer {
    Answer::moot("asked of each step by the run")
}
