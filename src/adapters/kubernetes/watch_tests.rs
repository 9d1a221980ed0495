//! The list-and-watch loop against a server that says what a test wants.

use super::beat::Beat;
use super::crons::Crons;
use super::kind::{Collection, Kind, Tagged, Told};
use super::mock::{Mock, Reply, Request, Then};
use super::runs::Runs;
use super::silence::Pace;
use super::watch::{Follow, Setup};
use crate::domain::Timestamp;
use crate::domain::freshness::ErrorKind;
use crate::domain::workflow::{Archiving, Phase};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

struct Loop<K: Kind> {
    told: mpsc::Receiver<Tagged<K>>,
    beats: watch::Sender<Option<Beat>>,
    hurry: watch::Sender<bool>,
    _servers: watch::Sender<super::call::Server>,
}

impl<K: Kind> Loop<K> {
    fn start(mock: &Mock, pace: Pace) -> Loop<K> {
        let (servers, servers_seen) = watch::channel(mock.dialer.dial().unwrap());
        let (beats, beats_seen) = watch::channel(None);
        let (hurry, hurry_seen) = watch::channel(false);
        let (out, told) = mpsc::channel(16);
        let setup = Setup::<K> {
            collection: Collection::all("/apis/argoproj.io/v1alpha1/things"),
            index: 0,
            servers: servers_seen,
            beats: beats_seen,
            hurry: hurry_seen,
            out,
            pace,
        };
        tokio::spawn(Follow::new(setup).run());
        Loop { told, beats, hurry, _servers: servers }
    }

    /// The heartbeat is answered, and the store is at `version`.
    fn beat(&self, version: u64) -> Timestamp {
        let at = Timestamp::now();
        let before = self.beats.borrow().clone();
        self.beats.send_replace(Some(Beat::new(before.as_ref(), Some(version), Instant::now(), at)));
        at
    }

    async fn next(&mut self) -> Told<K::Key, K::Row> {
        let next = tokio::time::timeout(Duration::from_secs(60), self.told.recv());
        next.await.expect("nothing told in a minute").expect("the loop ended").1
    }

    /// Names listed, or of one change, or what else happened.
    async fn word(&mut self) -> String
    where
        K: Kind<Key = crate::domain::kubernetes::ObjectKey>,
    {
        match self.next().await {
            Told::Listed(rows) => {
                format!("listed {}", rows.iter().map(|(key, _)| key.name.as_str()).collect::<Vec<_>>().join(","))
            }
            Told::Applied(key, _) => format!("applied {}", key.name),
            Told::Deleted(key) => format!("deleted {}", key.name),
            Told::Confirmed(_) => "confirmed".to_owned(),
            Told::Refused(error) => format!("refused {:?}", error.kind),
            Told::Stuck(error) => error.text.split(':').next().unwrap_or_default().to_owned(),
        }
    }

    async fn words(&mut self, expected: &[&str])
    where
        K: Kind<Key = crate::domain::kubernetes::ObjectKey>,
    {
        for (at, expected) in expected.iter().enumerate() {
            assert_eq!(self.word().await, *expected, "word {at}");
        }
    }
}

/// Silence is not looked into.
const QUIET: Pace = Pace {
    silence: Duration::from_secs(600),
    again: Duration::from_secs(600),
    hurried: Duration::from_millis(20),
    patience: Duration::from_millis(200),
    overdue: Duration::from_secs(900),
};

/// Silence is looked into at once.
const QUICK: Pace = Pace { silence: Duration::from_millis(20), again: Duration::from_millis(20), ..QUIET };

fn meta(name: &str, version: u64) -> Value {
    json!({"name": name, "namespace": "ml", "uid": format!("uid-{name}"), "resourceVersion": version.to_string(),
        "creationTimestamp": "2026-11-24T10:00:00Z", "managedFields": [{"manager": "x"}],
        "labels": {"workflows.argoproj.io/workflow-archiving-status": "Pending", "workflows.argoproj.io/phase": "Running",
            "workflows.argoproj.io/cron-workflow": "nightly"}})
}

fn columns() -> Value {
    json!([{"name": "Name"}, {"name": "Status"}, {"name": "Age"}, {"name": "Message"}])
}

fn row(name: &str, version: u64, status: &str, message: &str) -> Value {
    json!({"cells": [name, status, "5m", message], "object": {"kind": "PartialObjectMetadata", "metadata": meta(name, version)}})
}

fn table(version: u64, next: &str, rows: Vec<Value>) -> Value {
    json!({"kind": "Table", "metadata": {"resourceVersion": version.to_string(), "continue": next},
        "columnDefinitions": columns(), "rows": rows})
}

fn table_event(event: &str, columns: Value, version: u64, row: Value) -> Value {
    json!({"type": event, "object": {"kind": "Table", "metadata": {"resourceVersion": version.to_string()},
        "columnDefinitions": columns, "rows": [row]}})
}

fn plain_event(event: &str, name: &str, version: u64) -> Value {
    json!({"type": event, "object": {"kind": "Thing", "metadata": meta(name, version)}})
}

fn list(version: u64, names: &[&str]) -> Reply {
    let items: Vec<Value> = names.iter().map(|name| json!({"metadata": meta(name, 1)})).collect();
    Reply::Json(200, json!({"kind": "ThingList", "metadata": {"resourceVersion": version.to_string()}, "items": items}))
}

fn gone() -> Value {
    json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"})
}

fn watching(request: &Request) -> bool {
    request.path.contains("watch=1")
}

#[tokio::test]
async fn a_table_is_listed_by_pages_and_then_watched() {
    let mock = Mock::start(|request| {
        if watching(request) {
            return Reply::Lines(
                vec![
                    table_event("ADDED", columns(), 11, row("c", 11, "Failed", "exit 1")),
                    // Later events carry no columns, and a bookmark is a row of empty cells.
                    table_event("MODIFIED", Value::Null, 12, row("a", 12, "Succeeded", "")),
                    table_event(
                        "BOOKMARK",
                        Value::Null,
                        13,
                        json!({"cells": ["", "", "", ""], "object": {"metadata": {}}}),
                    ),
                    table_event("DELETED", Value::Null, 14, row("b", 14, "Running", "")),
                ],
                Then::Hang,
            );
        }
        match request.path.contains("continue=p%2F2") {
            false => Reply::Json(200, table(10, "p/2", vec![row("a", 5, "", "\u{1b}[2Jmess\u{202e}age")])),
            true => Reply::Json(200, table(10, "", vec![row("b", 6, "Pending", "")])),
        }
    })
    .await;
    let mut following = Loop::<Runs>::start(&mock, QUIET);
    let Told::Listed(rows) = following.next().await else { panic!("not listed") };
    let [(key, a), (_, b)] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((key.to_string().as_str(), a.phase, b.phase), ("ml/a", Phase::Running, Phase::Pending));
    assert_eq!((a.message.as_str(), a.uid.as_str(), a.cron.as_str()), ("[2Jmessage", "uid-a", "nightly"));
    assert_eq!((a.archiving, a.created), (Archiving::Pending, "2026-11-24T10:00:00Z".parse().unwrap()));
    let Told::Applied(_, c) = following.next().await else { panic!("not applied") };
    assert_eq!((c.phase, c.message.as_str()), (Phase::Failed, "exit 1"));
    let Told::Applied(_, a) = following.next().await else { panic!("not applied") };
    assert_eq!(a.phase, Phase::Succeeded, "columns are remembered");
    following.words(&["confirmed", "deleted b"]).await;
    let requests = mock.requests();
    assert!(requests[0].path.ends_with("?limit=500") && requests[0].headers.contains("as=table"));
    assert!(
        requests[0].headers.contains("user-agent: leeward/") && requests[0].headers.contains("accept-encoding: gzip")
    );
    assert!(requests[2].path.ends_with("watch=1&allowWatchBookmarks=true&resourceVersion=10"), "{}", requests[2].path);
    assert_eq!(requests.len(), 3);
}

#[tokio::test]
async fn a_server_without_tables_gives_metadata_and_labels_tell_the_phase() {
    let mock = Mock::start(|request| match watching(request) {
        true => Reply::Lines(vec![plain_event("ADDED", "b", 8)], Then::Hang),
        false => list(7, &["a"]),
    })
    .await;
    let mut following = Loop::<Runs>::start(&mock, QUIET);
    let Told::Listed(rows) = following.next().await else { panic!("not listed") };
    assert_eq!(rows.first().map(|(_, row)| row.phase), Some(Phase::Running));
    following.words(&["applied b"]).await;
}

#[tokio::test]
async fn whatever_ends_a_watch_the_next_goes_on_from_its_last_version() {
    let mut watches = 0;
    let mock = Mock::start(move |request| {
        if !watching(request) {
            return list(7, &["a"]);
        }
        watches += 1;
        let then = [Then::End, Then::Break, Then::Hang].into_iter().nth(watches - 1);
        match then {
            // The half event at the end is told again by the next watch.
            Some(Then::Break) => {
                Reply::Lines(vec![plain_event("ADDED", "c", 9), json!("{\"type\":\"ADD")], Then::Break)
            }
            Some(then) => Reply::Lines(vec![plain_event("MODIFIED", "b", 7 + watches as u64)], then),
            None => Reply::Break,
        }
    })
    .await;
    let mut following = Loop::<Crons>::start(&mock, QUIET);
    following.words(&["listed a", "applied b", "applied c", "applied b"]).await;
    let versions: Vec<String> = mock
        .requests()
        .iter()
        .filter(|request| watching(request))
        .map(|request| request.path.rsplit('=').next().unwrap().to_owned())
        .collect();
    assert_eq!(versions, ["7", "8", "9"]);
    assert_eq!(mock.count("GET", "limit="), 1, "listed once");
}

#[tokio::test]
async fn a_version_that_the_server_forgot_is_listed_anew() {
    // By an ERROR event, by a status, by an event that cannot be read, and by a store that is behind us.
    let mut watches = 0;
    let mock = Mock::start(move |request| {
        if !watching(request) {
            return list(7 + watches, if watches == 0 { &["a", "b"] } else { &["b"] });
        }
        watches += 1;
        match watches {
            1 => Reply::Lines(vec![json!({"type": "ERROR", "object": gone()})], Then::Hang),
            2 => Reply::Json(410, gone()),
            3 => Reply::Lines(vec![json!("}garbage{\n")], Then::Hang),
            4 => Reply::Json(
                504,
                json!({"kind": "Status", "code": 504, "message": "Timeout: Too large resource version: 9"}),
            ),
            _ => Reply::Lines(Vec::new(), Then::Hang),
        }
    })
    .await;
    let mut following = Loop::<Crons>::start(&mock, QUIET);
    following.words(&["listed a,b", "listed b", "listed b", "listed b", "listed b"]).await;
}

#[tokio::test]
async fn a_page_token_that_expired_begins_the_list_again() {
    let mut pages = 0;
    let mock = Mock::start(move |request| {
        if watching(request) {
            return Reply::Lines(Vec::new(), Then::Hang);
        }
        pages += 1;
        match pages {
            1 => Reply::Json(200, table(10, "p2", vec![row("a", 5, "", "")])),
            2 => Reply::Json(410, gone()),
            3 => Reply::Json(200, table(11, "p2", vec![row("b", 5, "", "")])),
            _ => Reply::Json(200, table(11, "", vec![row("c", 5, "", "")])),
        }
    })
    .await;
    Loop::<Runs>::start(&mock, QUIET).words(&["listed b,c"]).await;
}

#[tokio::test]
async fn refusals_are_told_and_sickness_is_not() {
    let sick: [fn() -> Reply; 6] = [
        || Reply::Json(500, json!({"kind": "Status", "code": 500, "message": "etcd"})),
        || Reply::Json(200, json!({"kind": "Status"})),
        || Reply::Raw(200, "", b"{\"kind\":\"ThingList\",\"items\":[{\"metad".to_vec()),
        || Reply::Json(200, json!({"kind": "ThingList", "items": "none"})),
        || Reply::Raw(200, "content-encoding: gzip\r\n", b"no gzip".to_vec()),
        || Reply::Break,
    ];
    for sick in sick {
        let mut lists = 0;
        let mock = Mock::start(move |_| {
            lists += 1;
            let refused = json!({"kind": "Status", "code": 403, "message": "things is forbidden: User \"u\""});
            if lists == 1 { sick() } else { Reply::Json(403, refused) }
        })
        .await;
        let Told::Refused(error) = Loop::<Crons>::start(&mock, QUIET).next().await else { panic!("not refused") };
        assert_eq!((error.kind, error.text.as_str()), (ErrorKind::Forbidden, "403: things is forbidden: User \"u\""));
        assert_eq!(mock.requests().len(), 2);
    }
}

/// How a silent watch is looked into.
fn survey(request: &Request) -> bool {
    !watching(request) && request.headers.contains("as=partialobjectmetadatalist")
}

#[tokio::test]
async fn what_one_watch_keeps_back_the_next_one_brings() {
    let mut watches = 0;
    let mock = Mock::start(move |request| {
        if !watching(request) {
            return list(9, if survey(request) { &["a", "b"] } else { &["a"] });
        }
        watches += 1;
        match watches {
            1 => Reply::Lines(Vec::new(), Then::Hang),
            _ => Reply::Lines(vec![plain_event("ADDED", "b", 9)], Then::Hang),
        }
    })
    .await;
    let mut following = Loop::<Crons>::start(&mock, QUICK);
    following.words(&["listed a"]).await;
    // Nothing newer anywhere: confirmed without a request.
    following.beat(9);
    following.words(&["confirmed"]).await;
    assert_eq!((mock.count("GET", "watch=1"), mock.count("GET", "limit=")), (1, 1));
    following.beat(11);
    following.words(&["applied b"]).await;
    let last = mock.requests().pop().unwrap();
    assert!(last.path.ends_with("resourceVersion=9"), "{}", last.path);
    // The store went back in time: everything is listed again.
    following.beat(3);
    following.words(&["listed a"]).await;
}

#[tokio::test]
async fn a_watch_that_stays_silent_about_what_the_list_shows_is_stuck_until_one_delivers() {
    // Every watch is accepted and silent while things change, until the last change.
    let (stage, seen) = watch::channel(0);
    let mut delivering = false;
    let mock = Mock::start(move |request| {
        let stage: u64 = *seen.borrow();
        if watching(request) {
            delivering = delivering || stage == 3;
            let events = if delivering { vec![plain_event("ADDED", "d", 1)] } else { Vec::new() };
            return Reply::Lines(events, Then::Hang);
        }
        list(9 + stage, ["a", "b", "c", "d"].get(..=usize::try_from(stage).unwrap()).unwrap())
    })
    .await;
    let mut following = Loop::<Crons>::start(&mock, QUICK);
    following.words(&["listed a"]).await;
    for (now, listed) in [(1, "listed a,b"), (2, "listed a,b,c")] {
        stage.send_replace(now);
        following.beat(20 + now);
        following.words(&[listed, "stuck watch"]).await;
        // That nothing has changed since frees it not.
        let surveys = mock.requests().iter().filter(|request| survey(request)).count();
        while mock.requests().iter().filter(|request| survey(request)).count() == surveys {
            following.beat(30 + now);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(following.told.try_recv().is_err());
    }
    stage.send_replace(3);
    following.beat(40);
    following.words(&["applied d"]).await;
    following.beat(41);
    following.words(&["confirmed"]).await;
}

#[tokio::test]
async fn a_quiet_collection_in_a_busy_cluster_stays_confirmed_by_one_small_request_each_time() {
    let mut store = 9;
    let mock = Mock::start(move |request| {
        if watching(request) {
            return Reply::Lines(Vec::new(), Then::Hang);
        }
        store += 10;
        list(store, &["a", "b"])
    })
    .await;
    let mut following = Loop::<Crons>::start(&mock, QUICK);
    following.words(&["listed a,b"]).await;
    for times in 1..=5 {
        let at = following.beat(1000 + times);
        let Told::Confirmed(proven) = following.next().await else { panic!("not confirmed") };
        assert!(proven >= at, "as of the look, which came after the heartbeat");
        let surveys = mock.requests().iter().filter(|request| survey(request)).count();
        assert_eq!((surveys as u64, mock.count("GET", "watch=1")), (times, 1));
    }
    assert_eq!(mock.requests().iter().filter(|r| !watching(r) && !survey(r)).count(), 1, "listed once");
}

#[tokio::test]
async fn that_a_watch_is_accepted_confirms_nothing() {
    let mock = Mock::start(move |request| match watching(request) {
        true => Reply::Lines(Vec::new(), Then::End),
        false => list(9, &["a"]),
    })
    .await;
    let mut following = Loop::<Crons>::start(&mock, QUICK);
    following.words(&["listed a"]).await;
    while mock.count("GET", "watch=1") < 4 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(following.told.try_recv().is_err());
}

#[tokio::test]
async fn a_bookmark_confirms_as_far_as_its_version_reaches() {
    let mock = Mock::start(move |request| match watching(request) {
        true => Reply::Lines(vec![plain_event("BOOKMARK", "", 20), plain_event("BOOKMARK", "", 30)], Then::End),
        false => list(9, &["a"]),
    })
    .await;
    let mut following = Loop::<Crons>::start(&mock, QUIET);
    let (_, at) = (following.beat(15), following.beat(25));
    following.words(&["listed a"]).await;
    let Told::Confirmed(older) = following.next().await else { panic!("not confirmed") };
    let Told::Confirmed(newer) = following.next().await else { panic!("not confirmed") };
    assert!(older < newer && newer == at, "{older} {newer} {at}");
}

#[tokio::test]
async fn of_a_large_collection_the_count_is_asked_for_and_the_whole_only_when_bookmarks_stay_away() {
    let names: Vec<String> = (0..501).map(|n| format!("run-{n}")).collect();
    let (gone, seen) = watch::channel(0);
    let mock = Mock::start(move |request| {
        if watching(request) {
            return Reply::Lines(Vec::new(), Then::Hang);
        }
        let there: Vec<Value> =
            names.iter().skip(*seen.borrow()).map(|name| json!({"metadata": meta(name, 1)})).collect();
        let (first, rest) = there.split_at(1);
        let page = |items: &[Value], next: &str| {
            let meta = json!({"resourceVersion": "9", "continue": next, "remainingItemCount": there.len() - 1});
            Reply::Json(200, json!({"kind": "ThingList", "metadata": meta, "items": items}))
        };
        match (
            request.path.contains("limit=1&") || request.path.ends_with("limit=1"),
            request.path.contains("continue="),
        ) {
            (true, _) => page(first, "next"),
            (false, false) => page(first, "next"),
            (false, true) => page(rest, ""),
        }
    })
    .await;
    let counts = || mock.requests().iter().filter(|request| request.path.ends_with("limit=1")).count();
    let mut following = Loop::<Crons>::start(&mock, Pace { overdue: Duration::from_secs(900), ..QUICK });
    assert!(following.word().await.starts_with("listed run-0,"));
    while counts() < 3 {
        following.beat(20);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(following.told.try_recv().is_err(), "the count proves nothing");
    gone.send_replace(1);
    following.beat(21);
    assert!(following.word().await.starts_with("listed run-1,"));
    assert_eq!(following.word().await, "stuck watch");
    // The bookmark is overdue.
    let mut following = Loop::<Crons>::start(&mock, Pace { overdue: Duration::ZERO, ..QUICK });
    assert!(following.word().await.starts_with("listed run-1,"));
    following.beat(22);
    assert_eq!(following.word().await, "confirmed");
}

#[tokio::test]
async fn while_a_run_is_driven_silence_is_looked_into_sooner() {
    let mock = Mock::start(|request| match watching(request) {
        true => Reply::Lines(Vec::new(), Then::Hang),
        false => list(9, &["a"]),
    })
    .await;
    let mut following = Loop::<Crons>::start(&mock, QUIET);
    following.words(&["listed a"]).await;
    following.beat(20);
    assert_eq!(mock.requests().iter().filter(|request| survey(request)).count(), 0);
    following.hurry.send_replace(true);
    following.words(&["confirmed"]).await;
    following.beat(21);
    following.words(&["confirmed"]).await;
}
