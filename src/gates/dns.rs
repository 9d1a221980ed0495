//! Gates about the name in front.

use super::{Answer, Question};
use crate::domain::freshness::Source;
use crate::domain::units::age;

pub fn switchable(q: &Question<'_>) -> Answer {
    let Some(policy) = &q.fleet.policy.dns else {
        return Answer::warn("no name in front is configured; clients are moved by hand");
    };
    if policy.targets.get(q.direction.to).is_none() {
        return Answer::block(format!("dns.targets has no address for {}", q.name(q.direction.to))).lift("set it");
    }
    if !policy.can_switch {
        return Answer::warn(format!("{} is switched by hand: dns.provider = none", policy.name));
    }
    if let Some(trouble) = &policy.trouble {
        return Answer::block(format!("{} can not be changed: {trouble}", policy.name))
            .lift("set it right before the outage; without it the name is switched by hand");
    }
    let Some(known) = q.fleet.dns.as_ref().filter(|_| q.fleet.freshness(Source::Dns).usable()) else {
        return Answer::warn(format!("{}, so what {} answers is not known", q.silence(Source::Dns), policy.name));
    };
    match known.value.authoritative() {
        None => Answer::warn(format!("the servers of {} do not agree or do not answer", policy.name)),
        Some(_) if known.value.unlisted.is_some() => Answer::warn(format!(
            "which servers answer for {} is not known: that a change has arrived everywhere can not be proven",
            policy.name
        ))
        .lift("NS records have to be found, or set dns.servers"),
        Some((addresses, _)) => match policy.meaning(addresses) {
            Some(side) => Answer::pass(format!("{} means {}", policy.name, q.name(side)))
                .on(q.evidence(Source::Dns, format!("{addresses:?}"))),
            None => Answer::warn(format!("{} answers {addresses:?}, which is neither region", policy.name)),
        },
    }
}

pub fn ttl(q: &Question<'_>) -> Answer {
    let known = q.fleet.dns.as_ref().filter(|_| q.fleet.freshness(Source::Dns).usable());
    let sample = known.and_then(|known| known.value.authoritative());
    let Some((_, ttl)) = sample else { return Answer::moot("the time to live is not known") };
    let target = q.fleet.policy.rto_target;
    if ttl > target / 4 {
        Answer::warn(format!("dns ttl {} is more than a quarter of the target {}", age(ttl), age(target)))
    } else {
        Answer::pass(format!("dns ttl {}", age(ttl)))
    }
}
