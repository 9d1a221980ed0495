//! What becomes a line on the timeline, and what does not.

use super::Fleet;
use super::happening::Weight;
use crate::domain::Timestamp;
use crate::domain::cron::{CronRow, TemplateRow};
use crate::domain::database::DatabaseSample;
use crate::domain::endpoints::Intervals;
use crate::domain::fixtures::{Sim, healthy_pair, policy};
use crate::domain::freshness::Source;
use crate::domain::kubernetes::{NodeRow, ObjectKey};
use crate::domain::observation::{Change, Fact, Observation};
use crate::domain::region::Side;
use crate::domain::units::Timeline;
use crate::domain::workflow::{Archiving, Phase, RunRow};
use std::sync::Arc;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("ml", name)
}

fn cron(suspended: bool) -> CronRow {
    CronRow {
        uid: "u".into(),
        suspended,
        schedules: Vec::new(),
        timezone: String::new(),
        last_scheduled: None,
        starting_deadline_seconds: None,
    }
}

fn run(phase: Phase) -> RunRow {
    RunRow {
        uid: "u".into(),
        phase,
        created: at(0),
        message: "exit 1".into(),
        archiving: Archiving::None,
        template: String::new(),
        cron: String::new(),
        detail: None,
    }
}

/// A fleet that is told what changes in region A, and the lines of it.
struct Story(Fleet);

impl Story {
    fn new() -> Story {
        Story(Fleet::new(Arc::new(policy()), &Intervals::default(), at(0)))
    }

    fn tell(&mut self, second: i64, fact: Fact) -> &mut Story {
        self.0.apply(Observation { source: Source::Kubernetes(Side::A), at: at(second), fact });
        self
    }

    #[track_caller]
    fn reads(&self, expected: &[&str]) {
        assert_eq!(lines(&self.0), expected);
    }
}

fn lines(fleet: &Fleet) -> Vec<String> {
    let word = |weight| match weight {
        Weight::Info => "info",
        Weight::Warn => "warn",
        Weight::Bad => "BAD",
    };
    fleet.happenings.iter().map(|line| format!("{} {} {}", line.at.as_second(), word(line.weight), line.text)).collect()
}

/// A cascade: what was streamed from is promoted and lost soon after, before the replica's next restartpoint.
#[test]
fn a_replica_that_followed_a_switch_of_timeline_is_not_said_to_be_on_the_old_one() {
    let mut sim = healthy_pair();
    (sim.db(Side::A).timeline, sim.db(Side::B).timeline) = (2, 2);
    sim.go(4);
    let timeline = |sim: &Sim| sim.fleet.region(Side::B).database.as_ref().unwrap().value.timeline;
    assert_eq!(timeline(&sim), Timeline(2));
    sim.replication = false;
    let b = sim.db(Side::B);
    (b.receiver, b.timeline) = (None, 1);
    sim.go(4);
    assert_eq!(timeline(&sim), Timeline(2), "its control file lags");
    // A new process goes by the notes of the old one.
    let notes = sim.fleet.remember();
    let mut fleet = Fleet::new(sim.fleet.policy.clone(), &Intervals::default(), sim.now);
    fleet.recall(notes);
    let sample = sim.fleet.region(Side::B).database.as_ref().unwrap().value.clone();
    let sample = DatabaseSample { timeline: Timeline(1), ..sample };
    let told = Fact::Database(Box::new(sample));
    fleet.apply(Observation { source: Source::Database(Side::B), at: sim.now, fact: told });
    assert_eq!(fleet.region(Side::B).database.as_ref().unwrap().value.timeline, Timeline(2));
}

#[test]
fn crons_and_templates_that_come_change_and_go_are_told_and_the_first_list_is_not() {
    let template = |generation| TemplateRow { uid: "u".into(), generation };
    let crons = |change| Fact::Crons(change);
    let templates = |change| Fact::Templates(change);
    let mut story = Story::new();
    story
        .tell(0, crons(Change::Reset(vec![(key("a"), cron(false)), (key("b"), cron(false))])))
        .tell(0, templates(Change::Reset(vec![(key("t"), template(1))])))
        .tell(100, crons(Change::Apply(key("a"), CronRow { last_scheduled: Some(at(99)), ..cron(false) })))
        .tell(101, crons(Change::Apply(key("a"), cron(true))))
        .tell(300, crons(Change::Apply(key("a"), cron(false))))
        .tell(500, crons(Change::Apply(key("c"), cron(true))))
        .tell(501, crons(Change::Delete(key("b"))))
        .tell(502, crons(Change::Delete(key("never-seen"))))
        .tell(600, templates(Change::Apply(key("t"), template(2))))
        .tell(601, templates(Change::Apply(key("u"), template(1))))
        .tell(602, templates(Change::Delete(key("t"))))
        // A new list says what a watch did not.
        .tell(900, crons(Change::Reset(vec![(key("c"), cron(false)), (key("d"), cron(false))])))
        .tell(900, templates(Change::Reset(vec![(key("u"), template(1))])));
    story.reads(&[
        "101 warn cron ml/a suspended",
        "300 warn cron ml/a activated",
        "500 info cron ml/c added, suspended",
        "501 warn cron ml/b deleted",
        "600 info template ml/t changed",
        "601 info template ml/u added",
        "602 warn template ml/t deleted",
        "900 warn cron ml/c activated",
        "900 info cron ml/d added, active",
        "900 warn cron ml/a deleted",
    ]);
}

#[test]
fn many_of_a_kind_within_a_minute_are_one_line() {
    let mut story = Story::new();
    let all = || (0..40).map(|n| (key(&format!("r{n:02}")), run(Phase::Running)));
    story.tell(0, Fact::Runs(Change::Reset(all().collect())));
    for n in 0..12 {
        story.tell(100 + n, Fact::Runs(Change::Apply(key(&format!("r{n:02}")), run(Phase::Succeeded))));
        story.tell(100 + n, Fact::Runs(Change::Delete(key(&format!("r{n:02}")))));
    }
    story.reads(&["100 info 12 runs deleted: ml/r00, ml/r01, ml/r02 …"]);
    // After the minute it is another line; and a run that had not ended is another matter.
    story.tell(170, Fact::Runs(Change::Apply(key("r12"), run(Phase::Failed))));
    story.tell(171, Fact::Runs(Change::Delete(key("r12")))).tell(171, Fact::Runs(Change::Delete(key("r13"))));
    // A list that shows many failed is one line, too.
    let failed = all().skip(14).map(|(key, _)| (key, run(Phase::Error)));
    story.tell(300, Fact::Runs(Change::Reset(failed.collect())));
    story.tell(301, Fact::Runs(Change::Reset(Vec::new())));
    story.reads(&[
        "100 info 12 runs deleted: ml/r00, ml/r01, ml/r02 …",
        "170 warn run ml/r12 Failed: exit 1",
        "171 info run ml/r12 deleted",
        "171 warn unfinished run ml/r13 deleted",
        "300 warn 26 runs ended badly: ml/r14, ml/r15, ml/r16 …",
        "301 info 26 runs deleted: ml/r14, ml/r15, ml/r16 …",
    ]);
}

#[test]
fn runs_that_begin_or_succeed_are_no_news() {
    let mut story = Story::new();
    story.tell(0, Fact::Runs(Change::Reset(Vec::new())));
    for (second, phase) in [(1, Phase::New), (2, Phase::Pending), (3, Phase::Running), (4, Phase::Succeeded)] {
        story.tell(second, Fact::Runs(Change::Apply(key("r"), run(phase))));
    }
    story.reads(&[]);
}

#[test]
fn nodes_are_told_by_a_list_as_by_a_watch() {
    let node = |ready, cordoned| NodeRow { ready, cordoned, cpu_millis: 4000 };
    let name = |name: &str| name.to_owned();
    let mut story = Story::new();
    story
        .tell(0, Fact::Nodes(Change::Reset(vec![(name("a"), node(true, false)), (name("b"), node(true, false))])))
        .tell(1, Fact::Nodes(Change::Apply(name("a"), node(false, true))))
        .tell(200, Fact::Nodes(Change::Reset(vec![(name("a"), node(true, false)), (name("c"), node(true, false))])));
    story.reads(&[
        "1 warn node a not ready",
        "1 info node a cordoned",
        "200 info node a ready",
        "200 info node a uncordoned",
        "200 info node c joined",
        "200 info node b left",
    ]);
}

/// The lines that say who takes writes.
fn writers(sim: &Sim) -> Vec<String> {
    let about = ["two databases", "neither database"];
    let all = sim.fleet.happenings.iter().filter(|line| about.iter().any(|words| line.text.starts_with(words)));
    all.map(|line| format!("{:?} {}", line.weight, line.text)).collect()
}

#[test]
fn the_first_moment_of_two_writers_and_of_none_is_a_line() {
    let both = "Bad two databases are out of recovery, and both take writes; us-central1 is the older one";
    let fenced = "Warn two databases are out of recovery, one of them takes writes";
    let none = "Bad neither database takes writes";
    let mut sim = healthy_pair();
    assert!(writers(&sim).is_empty());
    sim.db(Side::A).read_only = true;
    sim.go(60);
    assert_eq!(writers(&sim), [none], "once, and not at each look");
    (sim.db(Side::B).primary, sim.db(Side::B).timeline) = (true, 2);
    sim.go(60);
    assert_eq!(writers(&sim), [none, fenced]);
    sim.db(Side::A).read_only = false;
    sim.go(60);
    assert_eq!(writers(&sim), [none, fenced, both]);
    // One that does not answer is not said to take writes; when it is back, it is.
    sim.blind(Source::Database(Side::A), crate::domain::freshness::ErrorKind::Timeout);
    sim.go(60);
    assert_eq!(writers(&sim).len(), 3);
    sim.see_all();
    sim.go(60);
    assert_eq!(writers(&sim), [none, fenced, both, both]);
}
