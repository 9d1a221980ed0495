//! The list-and-watch loop against a server that says what a test wants.

use super::crons::Crons;
use super::kind::{Collection, Kind, Tagged, Told};
use super::mock::{Mock, Reply, Request, Then};
use super::observe::Beat;
use super::runs::Runs;
use super::watch::Follow;
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
    _servers: watch::Sender<super::call::Server>,
}

impl<K: Kind> Loop<K> {
    fn start(mock: &Mock, silence: Duration) -> Loop<K> {
        let (servers, servers_seen) = watch::channel(mock.dialer.dial().unwrap());
        let (beats, beats_seen) = watch::channel(None);
        let (out, told) = mpsc::channel(16);
        let collection = Collection::all("/apis/argoproj.io/v1alpha1/things");
        tokio::spawn(
            Follow::<K> {
                collection,
                index: 0,
                servers: servers_seen,
                beats: beats_seen,
                out,
                silence,
                went_back: false,
            }
            .run(),
        );
        Loop { told, beats, _servers: servers }
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

const QUIET: Duration = Duration::from_secs(600);

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
    following.words(&["listed a,b", "listed b", "listed b", "listed b", "listed b", "confirmed"]).await;
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
    Loop::<Runs>::start(&mock, QUIET).words(&["listed b,c", "confirmed"]).await;
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

#[tokio::test]
async fn a_stuck_watch_is_replaced_from_the_same_version_and_a_quiet_one_is_confirmed_by_the_heartbeat() {
    let mut watches = 0;
    let mock = Mock::start(move |request| {
        if !watching(request) {
            return list(7, &["a"]);
        }
        watches += 1;
        match watches {
            // Stuck: accepted, and never says anything.
            1 => Reply::Lines(Vec::new(), Then::Hang),
            _ => Reply::Lines(vec![plain_event("ADDED", "b", 9)], Then::Hang),
        }
    })
    .await;
    let mut following = Loop::<Crons>::start(&mock, Duration::from_millis(60));
    following.words(&["listed a"]).await;
    let beat = |version| Some(Beat { version: Some(version), asked: Instant::now(), at: Timestamp::now() });
    // Nothing newer anywhere: confirmed without a request.
    following.beats.send_replace(beat(7));
    following.words(&["confirmed"]).await;
    assert_eq!(mock.count("GET", "watch=1"), 1);
    // Something newer: the new watch brings what the stuck one kept back.
    following.beats.send_replace(beat(9));
    following.words(&["applied b"]).await;
    let last = mock.requests().pop().unwrap();
    assert!(last.path.ends_with("resourceVersion=7"), "{}", last.path);
    assert_eq!(mock.count("GET", "limit="), 1, "listed once");
    // The store went back in time: everything is listed again.
    following.beats.send_replace(beat(3));
    following.words(&["listed a"]).await;
}
