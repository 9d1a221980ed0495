use serde_json::json;

use super::*;

fn at() -> Timestamp {
    clock::parse("2026-11-24T10:00:00Z").unwrap()
}

fn config(name: &str, data: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "argo"}, "data": {"key": data}})
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("argo", name)
}

fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.items.iter().map(|item| item.name()).collect()
}

#[test]
fn create_completes_and_refuses_a_second() {
    let store = Store::default();
    let stored = store.create(Kind::ConfigMap, config("a", "1"), at()).unwrap();
    let object = stored.value();
    assert_eq!(object["metadata"]["creationTimestamp"], "2026-11-24T10:00:00Z");
    assert_eq!(object["metadata"]["resourceVersion"], stored.revision.to_string());
    assert_eq!(object["metadata"]["uid"].as_str().unwrap().len(), 36);
    assert_eq!(object["kind"], "ConfigMap");
    assert_eq!(store.create(Kind::ConfigMap, config("a", "2"), at()).unwrap_err(), StoreError::AlreadyExists);
    assert_eq!(store.create(Kind::ConfigMap, json!({}), at()).unwrap_err(), StoreError::Nameless);
}

#[test]
fn replace_compares_and_swaps() {
    let store = Store::default();
    let first = store.create(Kind::ConfigMap, config("a", "1"), at()).unwrap();
    let cases = [
        (json!({"resourceVersion": first.revision.to_string()}), Ok(())),
        (json!({"resourceVersion": first.revision.to_string()}), Err(StoreError::Conflict)),
        (json!({}), Ok(())),
        (json!({"uid": &*first.uid}), Ok(())),
        (json!({"uid": "x"}), Err(StoreError::OtherUid { expected: "x".to_owned(), found: first.uid.to_string() })),
    ];
    for (number, (extra, expected)) in cases.into_iter().enumerate() {
        let mut object = config("a", &format!("case {number}"));
        for (field, value) in extra.as_object().unwrap() {
            object["metadata"][field] = value.clone();
        }
        assert_eq!(store.replace(Kind::ConfigMap, object).map(|_| ()), expected, "case {number}");
    }
    assert_eq!(store.replace(Kind::ConfigMap, config("b", "1")).unwrap_err(), StoreError::NotFound);
}

#[test]
fn writing_the_same_again_makes_no_revision() {
    let store = Store::default();
    let first = store.create(Kind::ConfigMap, config("a", "1"), at()).unwrap();
    let again = store.replace(Kind::ConfigMap, first.value()).unwrap();
    assert_eq!((again.revision, store.revision()), (first.revision, first.revision));
}

#[test]
fn generation_counts_substance() {
    let store = Store::default();
    let create = |kind, object| store.create(kind, object, at()).unwrap().value();
    let mut deployment =
        create(Kind::Deployment, json!({"metadata": {"name": "d", "namespace": "n"}, "spec": {"replicas": 1}}));
    deployment["status"] = json!({"replicas": 1});
    let mut deployment = store.replace(Kind::Deployment, deployment).unwrap().value();
    assert_eq!(deployment["metadata"]["generation"], 1, "status does not count");
    deployment["spec"]["replicas"] = json!(2);
    assert_eq!(store.replace(Kind::Deployment, deployment).unwrap().value()["metadata"]["generation"], 2);
    // A Workflow has no status subresource, so its status counts.
    let mut workflow = create(Kind::Workflow, json!({"metadata": {"name": "w", "namespace": "n"}, "spec": {}}));
    workflow["metadata"]["labels"] = json!({"a": "b"});
    let mut workflow = store.replace(Kind::Workflow, workflow).unwrap().value();
    assert_eq!(workflow["metadata"]["generation"], 1);
    workflow["status"] = json!({"phase": "Running"});
    assert_eq!(store.replace(Kind::Workflow, workflow).unwrap().value()["metadata"]["generation"], 2);
}

#[test]
fn deletion_waits_for_finalizers() {
    let store = Store::default();
    let mut object = config("a", "1");
    object["metadata"]["finalizers"] = json!(["workflows.argoproj.io/artifact-gc"]);
    store.create(Kind::ConfigMap, object, at()).unwrap();
    let (marked, gone) = store.delete(Kind::ConfigMap, &key("a"), &Expect::default(), at()).unwrap();
    assert!(!gone);
    let mut object = marked.value();
    assert_eq!(object["metadata"]["deletionTimestamp"], "2026-11-24T10:00:00Z");
    object["metadata"]["finalizers"] = json!([]);
    store.replace(Kind::ConfigMap, object).unwrap();
    assert!(store.get(Kind::ConfigMap, "argo", "a").is_none());
    let events = store.since(1000, 10).unwrap();
    assert_eq!(events.last().map(|event| event.change), Some(Change::Deleted));
}

#[test]
fn deletion_expects() {
    let store = Store::default();
    let stored = store.create(Kind::ConfigMap, config("a", "1"), at()).unwrap();
    let other = Expect { uid: Some("x".to_owned()), revision: None };
    assert!(matches!(store.delete(Kind::ConfigMap, &key("a"), &other, at()), Err(StoreError::OtherUid { .. })));
    let old = Expect { uid: None, revision: Some(stored.revision - 1) };
    assert_eq!(store.delete(Kind::ConfigMap, &key("a"), &old, at()).unwrap_err(), StoreError::Conflict);
    let exact = Expect { uid: Some(stored.uid.to_string()), revision: Some(stored.revision) };
    assert!(store.delete(Kind::ConfigMap, &key("a"), &exact, at()).unwrap().1);
    assert_eq!(store.delete(Kind::ConfigMap, &key("a"), &exact, at()).unwrap_err(), StoreError::NotFound);
}

#[test]
fn a_watch_from_a_revision_sees_all_later_changes_in_order() {
    let store = Store::default();
    let first = store.create(Kind::ConfigMap, config("a", "1"), at()).unwrap();
    store.replace(Kind::ConfigMap, config("a", "2")).unwrap();
    store.create(Kind::ConfigMap, config("b", "1"), at()).unwrap();
    store.delete(Kind::ConfigMap, &key("a"), &Expect::default(), at()).unwrap();
    let events = store.since(first.revision, 10).unwrap();
    let seen: Vec<_> = events.iter().map(|event| (event.change, event.object.name().to_owned())).collect();
    assert_eq!(
        seen,
        [(Change::Modified, "a".to_owned()), (Change::Added, "b".to_owned()), (Change::Deleted, "a".to_owned())]
    );
    assert!(events.windows(2).all(|pair| pair[0].revision < pair[1].revision));
    assert_eq!(events[2].object.revision, events[2].revision, "a deletion carries its own revision");
    assert_eq!(store.since(first.revision, 2).unwrap().len(), 2);
}

#[test]
fn the_history_is_bounded_and_says_what_is_too_old() {
    let store = Store::new(HistoryLimit { events: 3, bytes: 1 << 20 });
    let first = store.create(Kind::ConfigMap, config("a", "1"), at()).unwrap().revision;
    for number in 0..4 {
        store.replace(Kind::ConfigMap, config("a", &format!("v{number}"))).unwrap();
    }
    assert_eq!(store.since(first, 10).unwrap_err(), Compacted { asked: first, oldest: first + 1 });
    assert_eq!(store.since(first + 1, 10).unwrap().len(), 3);
    store.compact();
    assert!(store.since(first + 1, 10).is_err());
    assert!(store.since(store.revision(), 10).unwrap().is_empty());
    // The bytes bound alone works too.
    let store = Store::new(HistoryLimit { events: 1000, bytes: 3000 });
    for number in 0..50 {
        store.create(Kind::ConfigMap, config(&format!("c{number}"), "1"), at()).unwrap();
    }
    assert!(store.oldest() > 1030, "{}", store.oldest());
}

#[test]
fn an_older_list_is_rebuilt() {
    let store = Store::default();
    store.create(Kind::ConfigMap, config("a", "1"), at()).unwrap();
    store.create(Kind::ConfigMap, config("b", "1"), at()).unwrap();
    let then = store.revision();
    store.replace(Kind::ConfigMap, config("b", "2")).unwrap();
    store.delete(Kind::ConfigMap, &key("a"), &Expect::default(), at()).unwrap();
    store.create(Kind::ConfigMap, config("c", "1"), at()).unwrap();
    let old = store.list_at(Kind::ConfigMap, Some("argo"), then).unwrap();
    assert_eq!(names(&old), ["a", "b"]);
    assert_eq!(old.items[1].value()["data"]["key"], "1");
    assert_eq!(names(&store.list(Kind::ConfigMap, None)), ["b", "c"]);
    assert!(store.list(Kind::ConfigMap, Some("other")).items.is_empty());
    assert!(store.list_at(Kind::ConfigMap, None, 5).is_err());
}

#[test]
fn subscribers_are_woken() {
    let store = Store::default();
    let mut seen = store.subscribe();
    seen.mark_unchanged();
    store.create(Kind::ConfigMap, config("a", "1"), at()).unwrap();
    assert!(seen.has_changed().unwrap());
    assert_eq!(*seen.borrow_and_update(), store.revision());
}
