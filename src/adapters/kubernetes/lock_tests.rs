//! The lock against a server that compares versions.

use super::act_tests::{Store, actuator, take_lock};
use super::call::Ask;
use super::failure::Reached;
use super::leases::LeaseClock;
use super::lock::{self, LockError, Redial, Taken};
use super::mock::{Mock, Reply, Request};
use super::read_only::Access;
use crate::domain::Timestamp;
use crate::domain::effect::{Effect, Outcome};
use crate::domain::kubernetes::ObjectKey;
use crate::domain::region::Side;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/argo/leases/leeward-prod";

fn key() -> ObjectKey {
    ObjectKey::new("argo", "leeward-prod")
}

fn lease(holder: Option<&str>, renewed: &str) -> Value {
    json!({"metadata": {"name": "leeward-prod", "namespace": "argo", "annotations": {"kept": "yes"}},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 30, "renewTime": renewed, "leaseTransitions": 4}})
}

async fn server(store: &Arc<Mutex<Store>>) -> Mock {
    let store = Arc::clone(store);
    Mock::start(move |request: &Request| store.lock().unwrap().answer(request)).await
}

fn redial() -> Redial {
    Arc::new(|| Box::pin(async { None }))
}

#[tokio::test]
async fn an_absent_an_empty_and_an_expired_lock_can_be_taken() {
    let long_ago = Timestamp::now() - Duration::from_secs(31);
    for (there, first_seen, expected, transitions) in [
        (None, None, Taken::Created, 1),
        (Some(lease(None, "2026-01-01T00:00:00.000000Z")), None, Taken::Free, 5),
        (Some(lease(Some(""), "2026-01-01T00:00:00.000000Z")), None, Taken::Free, 5),
        (
            Some(lease(Some("dead@host"), "2026-01-01T00:00:00.000000Z")),
            Some(long_ago),
            Taken::From("dead@host".into()),
            5,
        ),
        (Some(lease(Some("me@host"), "2026-01-01T00:00:00.000000Z")), None, Taken::Ours, 4),
    ] {
        let store = Arc::new(Mutex::new(Store::new()));
        let mut clock = LeaseClock::default();
        if let Some(there) = there {
            let there = store.lock().unwrap().put(LEASE, there);
            if let Some(at) = first_seen {
                clock.read(&key(), &there, at);
            }
        }
        let mock = server(&store).await;
        let dialed = mock.dialer.dial().unwrap();
        let (held, how) = lock::take(&dialed, &key(), "me@host", &mut clock, Instant::now(), &redial()).await.unwrap();
        assert_eq!((&how, held.transitions()), (&expected, transitions));
        let now = store.lock().unwrap().objects[LEASE].clone();
        assert_eq!(now["spec"]["holderIdentity"], "me@host");
        assert_eq!(now["metadata"]["annotations"]["kept"] == "yes", how != Taken::Created, "others' data stay");
        let renewed = now["spec"]["renewTime"].as_str().unwrap();
        assert!(renewed.len() == "2026-11-24T10:00:00.000000Z".len() && renewed.ends_with('Z'), "{renewed}");
        held.verify(Duration::from_secs(20)).await.unwrap();
    }
}

#[tokio::test]
async fn a_living_holder_is_named_and_left_alone() {
    let store = Arc::new(Mutex::new(Store::new()));
    store.lock().unwrap().put(LEASE, lease(Some("driver@b"), "2026-01-01T00:00:00.000000Z"));
    let mock = server(&store).await;
    let dialed = mock.dialer.dial().unwrap();
    let mut clock = LeaseClock::default();
    // Seen once: it may be dead, which takes a whole lease to know.
    let taken = lock::take(&dialed, &key(), "me@a", &mut clock, Instant::now(), &redial()).await;
    assert!(matches!(&taken, Err(LockError::Held { holder, .. }) if holder == "driver@b"), "{taken:?}");
    // It renews while we look: alive, whatever its clock says.
    let renewing = Arc::clone(&store);
    let renewer = tokio::spawn(async move {
        for n in 0.. {
            tokio::time::sleep(Duration::from_millis(100)).await;
            renewing.lock().unwrap().put(LEASE, lease(Some("driver@b"), &format!("2020-01-01T00:00:00.{n:06}Z")));
        }
    });
    let until = Instant::now() + Duration::from_secs(30);
    let taken = lock::take(&dialed, &key(), "me@a", &mut clock, until, &redial()).await;
    renewer.abort();
    assert!(matches!(&taken, Err(LockError::Alive { holder, .. }) if holder == "driver@b"), "{taken:?}");
    assert!(mock.requests().iter().all(|request| request.method == "GET"));
}

#[tokio::test]
async fn of_two_who_want_it_one_gets_it() {
    let store = Arc::new(Mutex::new(Store::new()));
    let mock = server(&store).await;
    let takers = (0..8).map(|n| {
        let dialed = mock.dialer.dial().unwrap();
        async move {
            let (key, holder, redial) = (key(), format!("h{n}"), redial());
            lock::take(&dialed, &key, &holder, &mut LeaseClock::default(), Instant::now(), &redial).await
        }
    });
    let taken = futures_util::future::join_all(takers).await;
    assert_eq!(taken.iter().filter(|taken| taken.is_ok()).count(), 1, "{taken:?}");
}

#[tokio::test]
async fn what_happens_to_a_held_lock_is_found_before_the_next_request() {
    type Case = (&'static str, fn(&mut Store));
    let changes: [Case; 4] = [
        ("thief took it", |store| {
            let mut taken = store.objects[LEASE].clone();
            taken["spec"]["holderIdentity"] = json!("thief");
            store.put(LEASE, taken);
        }),
        ("given up", |store| {
            let mut emptied = store.objects[LEASE].clone();
            emptied["spec"]["holderIdentity"] = Value::Null;
            store.put(LEASE, emptied);
        }),
        ("was deleted", |store| drop(store.objects.remove(LEASE))),
        // Taken by another and taken back under our name: not the lock that we held.
        ("took it", |store| {
            let mut again = store.objects[LEASE].clone();
            again["spec"]["leaseTransitions"] = json!(9);
            store.put(LEASE, again);
        }),
    ];
    for (expected, change) in changes {
        let store = Arc::new(Mutex::new(Store::new()));
        let mock = server(&store).await;
        let dialed = mock.dialer.dial().unwrap();
        let mut clock = LeaseClock::default();
        let (held, _) = lock::take(&dialed, &key(), "me", &mut clock, Instant::now(), &redial()).await.unwrap();
        held.verify(Duration::from_secs(1)).await.unwrap();
        change(&mut store.lock().unwrap());
        for _ in 0..2 {
            let error = held.verify(Duration::from_secs(1)).await.unwrap_err();
            assert!(matches!(error, LockError::Lost { .. }) && error.to_string().contains(expected), "{error}");
        }
    }
}

#[tokio::test]
async fn more_time_than_a_lease_has_is_never_granted_and_an_annotation_does_not_hurt() {
    let store = Arc::new(Mutex::new(Store::new()));
    let mock = server(&store).await;
    let mut clock = LeaseClock::default();
    let dialed = mock.dialer.dial().unwrap();
    let (held, _) = lock::take(&dialed, &key(), "me", &mut clock, Instant::now(), &redial()).await.unwrap();
    let mut annotated = store.lock().unwrap().objects[LEASE].clone();
    annotated["metadata"]["annotations"] = json!({"a": "b"});
    store.lock().unwrap().put(LEASE, annotated);
    let error = held.verify(Duration::from_secs(30)).await.unwrap_err();
    assert!(matches!(error, LockError::TooLittleTime { .. }), "{error}");
    assert_eq!(mock.count("PUT", "leeward-prod"), 1, "it was renewed first");
    held.verify(Duration::from_secs(10)).await.unwrap();
    assert_eq!(store.lock().unwrap().objects[LEASE]["metadata"]["annotations"]["a"], "b");
}

#[tokio::test]
async fn a_taking_whose_answer_was_lost_is_looked_for_again_and_giving_up_empties_the_holder() {
    let store = Arc::new(Mutex::new(Store::new()));
    let (kept, mut lost) = (Arc::clone(&store), false);
    let mock = Mock::start(move |request: &Request| {
        let reply = kept.lock().unwrap().answer(request);
        if request.method == "POST" && !lost {
            lost = true;
            return Reply::Break;
        }
        reply
    })
    .await;
    let actuator = actuator(&mock, Access::MayWrite);
    let outcome = actuator.perform(&take_lock(), Duration::from_secs(10)).await;
    assert!(matches!(outcome, Outcome::Already { .. }), "{outcome:?}");
    actuator.verify_lock(Duration::from_secs(5)).await.unwrap();
    let release = Effect::ReleaseLock { side: Side::A, lease: key(), holder: "oncall@bastion".into() };
    assert!(matches!(actuator.perform(&release, Duration::from_secs(10)).await, Outcome::Done { .. }));
    assert_eq!(store.lock().unwrap().objects[LEASE]["spec"].get("holderIdentity"), None);
    assert!(matches!(actuator.perform(&release, Duration::from_secs(10)).await, Outcome::Already { .. }));
    assert!(actuator.verify_lock(Duration::from_secs(5)).await.is_err());
    // Another's is left alone, and nothing of ours is left to give up.
    store.lock().unwrap().put(LEASE, lease(Some("second@other"), "2026-01-01T00:00:00.000000Z"));
    let outcome = actuator.perform(&release, Duration::from_secs(10)).await;
    assert!(matches!(&outcome, Outcome::Already { reply } if reply.contains("second@other")), "{outcome:?}");
    assert_eq!(store.lock().unwrap().objects[LEASE]["spec"]["holderIdentity"], "second@other");
}

#[tokio::test]
async fn credentials_that_run_out_while_it_is_held_are_read_again() {
    let store = Arc::new(Mutex::new(Store::new()));
    let (kept, expired) = (Arc::clone(&store), Arc::new(Mutex::new(false)));
    let ran_out = Arc::clone(&expired);
    let mock = Mock::start(move |request: &Request| {
        if *ran_out.lock().unwrap() && !request.headers.contains("bearer renewed") {
            return Reply::Json(401, json!({"kind": "Status", "code": 401}));
        }
        kept.lock().unwrap().answer(request)
    })
    .await;
    let actuator = actuator(&mock, Access::MayWrite);
    assert!(actuator.perform(&take_lock(), Duration::from_secs(10)).await.took());
    *expired.lock().unwrap() = true;
    let file = mock.folder().join("config");
    let renewed = std::fs::read_to_string(&file).unwrap().replace("token: t", "token: renewed");
    std::fs::write(&file, renewed).unwrap();
    actuator.verify_lock(Duration::from_secs(5)).await.unwrap();
}

#[tokio::test]
async fn what_was_held_up_is_not_sent_any_more() {
    let store = Arc::new(Mutex::new(Store::new()));
    let mock = server(&store).await;
    let too_late = Timestamp::now() - Duration::from_millis(1);
    let ask = Ask::get("/api/v1/namespaces/kube-system").not_after(too_late);
    let error = mock.dialer.dial().unwrap().ask::<Value>(ask).await.unwrap_err();
    assert_eq!(error.reached, Reached::Never);
    assert!(mock.requests().is_empty());
}
