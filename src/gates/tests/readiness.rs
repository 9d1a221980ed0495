//! Readiness and alarms: what a person reads before anything happens.

use super::*;
use crate::domain::fixtures::*;
use crate::gates::alarms::alarms;
use crate::gates::readiness::{Readiness, State, readiness};
use Side::{A, B};
use std::time::Duration;

fn ready(sim: &Sim) -> Readiness {
    readiness(&sim.fleet, &RunFacts::default(), Duration::from_secs(200))
}

fn ids(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.gate.as_str()).collect()
}

#[test]
fn an_ordinary_day_is_ready_although_the_old_primary_of_course_accepts_writes() {
    let now = ready(&healthy_pair());
    assert_eq!(now.state, State::Ready, "{:?} {:?}", now.blocks, now.warnings);
    assert_eq!(ids(&now.work), ["old-primary-writes", "old-region-fenced"]);
    assert_eq!(now.direction, Some(TO_B));
    assert_eq!((now.in_flight, now.loss_rows), (Some(2), Some(0)));
    assert_eq!(now.loss.and_then(|loss| loss.at_most()), Some(crate::domain::units::Bytes(0)));
}

#[test]
fn in_an_outage_only_the_fence_that_can_not_be_proven_blocks() {
    let now = ready(&outage(120));
    assert_eq!(now.state, State::Blocked);
    assert_eq!(ids(&now.blocks), ["old-region-fenced"]);
    assert_eq!(now.in_flight, Some(2), "runs in flight are as last known");
    // While the receiver still says that it streams, the countdown blocks too.
    assert_eq!(ids(&ready(&outage(20)).blocks), ["proof-of-life", "old-region-fenced"]);
    assert_eq!(ids(&ready(&line_cut(120)).blocks), ["proof-of-life", "old-region-fenced"]);
}

#[test]
fn a_fence_that_our_user_may_not_set_is_a_block_and_no_work() {
    let mut sim = healthy_pair();
    sim.at(A).operator = false;
    sim.go(4);
    let now = ready(&sim);
    assert_eq!(ids(&now.blocks), ["old-primary-writes", "old-region-fenced"]);
    assert!(now.work.is_empty());
    assert!(ids(&now.warnings).contains(&"fence-right"));
}

#[test]
fn swapped_urls_are_seen_by_what_acts_where() {
    let sim = swapped_databases();
    let direction = Direction { from: B, to: A };
    assert_eq!(sim.fleet.direction(), Some(direction), "roles are observed, whatever the file says");
    let alarms = alarms(&sim.fleet, &RunFacts::default());
    assert!(alarms.iter().any(|alarm| alarm.id == "standby-quiet" && alarm.text.contains("us-central1 acts")));
    assert_eq!(ready(&foreign_standby()).state, State::Blocked);
    assert!(ids(&ready(&foreign_standby()).blocks).contains(&"same-system"));
    assert!(ids(&ready(&diverged_timeline()).blocks).contains(&"timeline"));
}

#[test]
fn nothing_known_is_no_direction_and_never_ready() {
    for sim in [nothing_known(), started_blind(), Sim::unseen()] {
        assert_eq!(ready(&sim).state, State::NoDirection);
        assert_eq!(ready(&sim).headline(), "NO DIRECTION");
    }
}

#[test]
fn a_console_that_starts_after_the_disaster_reads_the_notes_and_trusts_none_as_fresh() {
    let sim = started_after_outage();
    let now = ready(&sim);
    assert_eq!((now.direction, now.in_flight), (Some(TO_B), Some(2)));
    // The notes tell how fast the lost primary wrote, and it may have written on for these eleven minutes.
    assert_eq!(ids(&now.blocks), ["old-region-fenced", "loss-limit"]);
    let loss = now.loss.unwrap();
    assert!(loss.if_ended().unwrap().0 < 1 << 20 && loss.at_most().unwrap().0 > 1 << 20, "{loss:?}");
    for side in [A, B] {
        let region = sim.fleet.region(side);
        assert_eq!(region.live_database(sim.fleet.now).is_some(), side == B);
    }
}

#[test]
fn the_old_region_that_returned_is_the_one_to_fence() {
    let sim = old_region_returned();
    assert!(sim.fleet.two_primaries());
    assert_eq!(sim.fleet.older_primary(), Some(A));
    let alarms = alarms(&sim.fleet, &RunFacts::default());
    let loudest: Vec<&str> = alarms.iter().take(2).map(|alarm| alarm.id.as_str()).collect();
    assert_eq!(loudest, ["standby-quiet", "one-primary"]);
    assert!(alarms[0].text.contains("us-central1 acts beside the primary"), "{}", alarms[0].text);
    assert_eq!(ready(&sim).state, State::NoDirection);
}

#[test]
fn what_no_reason_makes_possible_is_a_block_and_what_costs_a_sentence_is_a_warning() {
    let mut sim = healthy_pair();
    (sim.at(B).rights, sim.at(B).operator) = (false, false);
    sim.at(B).version = "3.6.12".into();
    sim.go(20);
    let now = ready(&sim);
    assert_eq!(ids(&now.blocks), ["promote-right", "api-rights"]);
    assert!(ids(&now.warnings).contains(&"controller-version"), "{:?}", now.warnings);
    assert_eq!(now.state, State::Blocked);
}

#[test]
fn how_fast_the_primary_wrote_is_told_by_the_newest_looks_and_by_a_burst_among_them() {
    use crate::domain::units::Lsn;
    let rate = |samples: &[(u64, u64)]| {
        let mut sim = healthy_pair();
        let start = sim.now;
        let region = sim.fleet.regions.get_mut(A);
        region.log = samples.iter().map(|(at, lsn)| (start + Duration::from_secs(*at), Lsn(*lsn))).collect();
        region.log_rate().map(f64::round)
    };
    assert_eq!(rate(&[(0, 0), (2, 2000), (4, 4000)]), Some(1000.0));
    // Hours of an earlier console before a burst.
    assert_eq!(rate(&[(0, 0), (2, 10), (20_000, 100), (20_002, 100_100), (20_004, 200_100)]), Some(50_000.0));
    // One look alone tells nothing; the looks before the gap still do.
    assert_eq!(rate(&[(0, 0), (2, 4000), (600, 9000)]), Some(2000.0));
    let mut burst: Vec<(u64, u64)> = (0..100).map(|n| (n * 2, n * 200)).collect();
    burst.extend((100..115).map(|n| (n * 2, 19_800 + (n - 99) * 100_000)));
    assert_eq!(rate(&burst), Some(50_000.0));
    assert_eq!(rate(&[(0, 5)]), None);
}

#[test]
fn an_ordinary_day_raises_no_alarm_and_a_silent_source_raises_one() {
    assert_eq!(alarms(&healthy_pair().fleet, &RunFacts::default()), []);
    let alarms = alarms(&outage(20).fleet, &RunFacts::default());
    let silent: Vec<(&str, Option<Side>)> =
        alarms.iter().filter(|a| a.id.starts_with("source-")).map(|a| (a.id.as_str(), a.side)).collect();
    assert_eq!(silent, [("source-api", Some(A)), ("source-db", Some(A)), ("source-metrics", Some(A))]);
}

#[test]
fn a_kind_that_is_not_told_of_by_a_server_that_answers_is_an_alarm() {
    use crate::domain::freshness::{ErrorKind, SourceError};
    use crate::domain::observation::{Fact, Watched};
    let mut sim = healthy_pair();
    let stuck = SourceError::new(ErrorKind::Timeout, "stuck watch");
    sim.tell(Source::Kubernetes(B), Fact::WatchFailed(Watched::Crons, stuck));
    let alarms = alarms(&sim.fleet, &RunFacts::default());
    assert!(alarms.iter().any(|alarm| alarm.id == "source-crons" && alarm.text.contains("stuck watch")), "{alarms:?}");
}

#[test]
fn a_password_that_can_not_be_read_is_an_outage_of_our_view_and_a_missing_url_of_metrics_is_none() {
    let mut sim = healthy_pair();
    for source in [Source::Database(B), Source::Metrics(A), Source::Dns] {
        sim.blind(source, crate::domain::freshness::ErrorKind::NotConfigured);
    }
    sim.go(30);
    let alarms = alarms(&sim.fleet, &RunFacts::default());
    let silent: Vec<&str> = alarms.iter().map(|a| a.id.as_str()).filter(|id| id.starts_with("source-")).collect();
    assert_eq!(silent, ["source-db"]);
}
