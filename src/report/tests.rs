//! The text and the JSON, over every story: what a person at night has to know is in both, and the same.

use super::{status, status_json};
use crate::domain::Timestamp;
use crate::domain::fixtures::{
    Sim, healthy_pair, line_cut, nothing_known, old_region_returned, outage, started_after_outage, started_blind,
    two_systems,
};
use crate::domain::freshness::Source;
use crate::domain::kubernetes::Controllers;
use crate::domain::observation::Fact;
use crate::domain::region::Side;
use crate::domain::units::Lsn;
use crate::gates::RunFacts;
use crate::gates::alarms::alarms;
use crate::gates::readiness::readiness;
use serde_json::Value;
use std::time::Duration;

fn both(sim: &Sim) -> (String, Value) {
    let facts = RunFacts::default();
    let readiness = readiness(&sim.fleet, &facts, Duration::from_secs(110));
    let alarms = alarms(&sim.fleet, &facts);
    (status::text(&sim.fleet, &readiness, &alarms), status_json::json(&sim.fleet, &readiness, &alarms))
}

#[track_caller]
fn line<'a>(text: &'a str, section: &str, start: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("\n{section}")).unwrap_or_else(|| panic!("no section {section}: {text}"));
    let rest = rest.split("\n\n").next().unwrap();
    rest.lines().find(|line| line.trim_start().starts_with(start)).unwrap_or_else(|| panic!("no {start} in {rest}"))
}

#[test]
fn each_server_is_told_with_role_timeline_and_position_also_without_a_direction() {
    let (text, _) = both(&healthy_pair());
    let primary = line(&text, "database", "us-central1 ");
    assert!(primary.contains("primary, timeline 1, at 0/") && primary.contains("takes writes"), "{primary}");
    let replica = line(&text, "database", "us-east1 ");
    assert!(replica.contains("replica, timeline 1, received 0/") && replica.contains(", replayed 0/"), "{replica}");

    let sim = old_region_returned();
    let (text, json) = both(&sim);
    assert!(text.contains("TWO PRIMARIES") && json["database"]["pair"] == "TWO PRIMARIES", "{text}");
    for (side, what) in [(Side::A, "old primary, timeline 1"), (Side::B, "primary, timeline 2")] {
        let name = sim.fleet.name(side);
        let lsn = sim.fleet.region(side).database.as_ref().unwrap().value.primary().unwrap().lsn.to_string();
        let told = line(&text, "database", name);
        assert!(told.contains(what) && told.contains(&format!("at {lsn}")), "{told}");
        assert_eq!(json["database"]["servers"][name]["lsn"], lsn);
    }

    // Neither is a primary.
    let mut sim = Sim::unseen();
    sim.db(Side::A).primary = false;
    sim.db(Side::A).received = Some(0x500_0000);
    sim.go(20);
    let (text, json) = both(&sim);
    assert_eq!(json["readiness"]["state"], "no-direction");
    let told = line(&text, "database", "us-central1");
    assert!(told.contains("replica") && told.contains("received 0/5000000"), "{told}");

    let (text, json) = both(&nothing_known());
    assert!(line(&text, "database", "us-east1").contains("never seen"), "{text}");
    assert!(json["database"]["servers"]["us-east1"].is_null());
    let (text, _) = both(&started_after_outage());
    let told = line(&text, "database", "us-central1");
    assert!(told.contains("at 0/") && told.contains("from notes"), "{told}");
    let (text, _) = both(&started_blind());
    assert!(line(&text, "database", "us-central1").contains("never seen"), "{text}");
}

#[test]
fn what_is_received_and_not_replayed_is_told_and_its_time_is_an_estimate() {
    let mut sim = healthy_pair();
    let has = sim.db(Side::B).received.unwrap();
    let mut replayed = None;
    sim.say(Side::B, |sample| {
        if let crate::domain::database::ServerState::Replica(replica) = &mut sample.state {
            replica.replayed = Some(Lsn(has - 10_240));
            replica.replay_paused = true;
            replayed = replica.to_replay();
        }
    });
    let (text, json) = both(&sim);
    let bytes = replayed.unwrap();
    let server = line(&text, "database", "us-east1");
    assert!(server.contains(&format!("{bytes} not replayed, replay is PAUSED")), "{server}");
    let behind = line(&text, "database", "behind");
    assert!(behind.contains(&format!("it has {bytes}, about ")) && behind.contains("no data"), "{behind}");
    assert_eq!(json["database"]["not_replayed"], bytes.0);
    assert_eq!(json["database"]["servers"]["us-east1"]["not_replayed"], bytes.0);
    assert_eq!(json["database"]["servers"]["us-east1"]["replay_paused"], true);
    // What is written after the last look is told as a guess, or as not known.
    let (text, _) = both(&outage(40));
    let behind = line(&text, "database", "behind");
    assert!(behind.contains("as seen ") && behind.contains("it wrote about "), "{behind}");
}

/// The controllers of a side, changed and told.
fn controllers(side: Side, change: impl FnOnce(&mut Sim, &mut Controllers)) -> (String, Value) {
    let mut sim = healthy_pair();
    let mut found = sim.truth.get(side).controllers(side);
    change(&mut sim, &mut found);
    sim.tell(Source::Kubernetes(side), Fact::Controllers(found));
    let (text, json) = both(&sim);
    let name = sim.fleet.name(side);
    (line(&text, name, "controllers").to_owned(), json["regions"][name]["controllers"]["found"].clone())
}

#[test]
fn no_controller_is_as_it_should_be_on_the_standby_alone() {
    let held = |_: &mut Sim, found: &mut Controllers| {
        found.deployments[0].wanted = 0;
        found.deployments[0].ready = 0;
        found.pods.clear();
        found.leader = None;
    };
    let (text, word) = controllers(Side::B, held);
    assert!(text.contains("held, none leads, as it should be") && word == "held", "{text} {word}");
    let (text, word) = controllers(Side::A, held);
    assert!(text.contains("NONE WANTED in the primary") && word == "none-wanted-in-primary", "{text} {word}");
    for side in Side::BOTH {
        let (text, word) = controllers(side, |_, found| *found = Controllers::default());
        assert!(!text.contains("should be") && text.contains("namespace argo"), "{text}");
        assert_eq!(word, "not-found");
    }
    let (text, word) = controllers(Side::B, |_, found| {
        held(&mut Sim::unseen(), found);
        found.pods = Sim::unseen().truth.a.controllers(Side::A).pods;
        found.pods.iter_mut().for_each(|pod| pod.terminating = true);
    });
    assert!(
        text.contains("NOT PROVEN STOPPED: controllers 0 wanted, 1 there") && word == "still-there",
        "{text} {word}"
    );
    let (text, word) = controllers(Side::A, |_, found| found.pods.iter_mut().for_each(|pod| pod.ready = false));
    assert!(text.contains("none leads") && !text.contains("should") && word == "none-leads", "{text} {word}");
}

/// Every position, number of rows and gate that one of the two forms has is in the other.
#[test]
fn text_and_json_say_the_same() {
    for sim in [
        healthy_pair(),
        outage(5),
        outage(60),
        line_cut(60),
        old_region_returned(),
        two_systems(),
        started_after_outage(),
        started_blind(),
        nothing_known(),
    ] {
        let (text, json) = both(&sim);
        for side in Side::BOTH {
            let name = sim.fleet.name(side);
            let server = &json["database"]["servers"][name];
            let told = line(&text, "database", name);
            for key in ["lsn", "received", "replayed", "what"] {
                if let Some(value) = server[key].as_str() {
                    assert!(told.contains(value), "{key} {value}: {told}");
                }
            }
            if let Some(timeline) = server["timeline"].as_u64() {
                assert!(told.contains(&format!("timeline {timeline},")), "{told}");
            }
            let old = server["as_of"]["age"].as_u64().is_some_and(|age| age > 20);
            assert_eq!(told.contains("(as of ") || told.contains("(from notes"), old, "{told}");
            let region = &json["regions"][name];
            assert!(line(&text, name, "api").contains(region["api"]["freshness"].as_str().unwrap()));
            if let Some(running) = region["runs"]["running"].as_u64() {
                assert!(line(&text, name, "runs").contains(&format!("running {running}")));
            }
        }
        assert!(text.contains(&format!("readiness  {}", json["readiness"]["headline"].as_str().unwrap())));
        for (key, word) in [("blocks", "blocked by"), ("warnings", "warning"), ("work", "work")] {
            for finding in json["readiness"][key].as_array().unwrap() {
                let gate = finding["gate"].as_str().unwrap();
                assert!(text.contains(&format!("  {word:<12}{gate}: {}", finding["text"].as_str().unwrap())), "{text}");
            }
        }
        for alarm in json["alarms"].as_array().unwrap() {
            assert!(text.contains(alarm["text"].as_str().unwrap()), "{text}");
        }
        assert!(text.contains(json["database"]["pair"].as_str().unwrap()));
        assert!(!text.contains("1 runs") && !text.contains("1 warnings") && !text.contains(" 0 s of log"), "{text}");
    }
}

#[test]
fn one_run_was_in_flight_and_two_were() {
    let at: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
    assert_eq!(super::run::in_flight(1, at), "1 run was in flight, as of 10:00:00Z");
    assert_eq!(super::run::in_flight(2, at), "2 runs were in flight, as of 10:00:00Z");
}

#[test]
fn two_systems_are_not_called_a_pair_that_was_never_seen() {
    let (text, json) = both(&two_systems());
    assert_eq!(json["database"]["pair"], "TWO SYSTEMS, no pair");
    assert!(!text.contains("ever seen") && !text.contains("run fence"), "{text}");
}
