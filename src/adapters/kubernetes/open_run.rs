//! The opened run, whole: one watch of one object, dropped when it is closed. Its node tree may be plain, compressed
//! inside the object, or in the database.

use super::call::gunzip;
use super::kind::{Collection, Form, Item, Kind, Told};
use super::observe::{Post, Wanted};
use super::rights::argo_path;
use super::runs;
use super::watch::{Closed, Follow, PACE, Setup};
use super::wire::{Meta, escape, text_at, time_at};
use crate::domain::kubernetes::ObjectKey;
use crate::domain::observation::{Change, Fact, Watched};
use crate::domain::text::clean_to;
use crate::domain::workflow::{Node, Nodes, OpenRun, Phase};
use base64::Engine as _;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Largest node tree unpacked. Argo compresses from 1 MiB on, and a tree of this size has some 50,000 nodes.
const TREE_BYTES_MAX: usize = 64 << 20;

/// Nodes kept of one run.
const NODES_MAX: usize = 50_000;

const NAME_CHARS_MAX: usize = 253;
const MESSAGE_CHARS_MAX: usize = 600;

/// A run as it came. Unpacking is heavy, so it is done on a thread for such work, not while reading the watch.
struct Whole;

impl Kind for Whole {
    type Key = ObjectKey;
    type Row = Value;
    const WATCHED: Watched = Watched::Runs;
    const FORM: Form = Form::Object;

    fn read(item: Item<'_>) -> Option<(ObjectKey, Value)> {
        let Item::Object(object) = item else { return None };
        let meta = Meta::of(object).filter(|meta| !meta.name.is_empty())?;
        Some((meta.key(), object.clone()))
    }

    fn fact(_: Change<ObjectKey, Value>) -> Fact {
        // Never merged: `follow` makes its own facts.
        Fact::WatchConfirmed(Watched::Runs)
    }
}

/// Follows whichever run is open until nobody listens any more.
pub(super) async fn follow(post: Post, mut wanted: watch::Receiver<Wanted>) -> Closed {
    loop {
        let open = wanted.borrow_and_update().open.clone();
        let ended = match open {
            None => wait_for_other(&mut wanted, None, &post).await,
            Some(key) => tokio::select! {
                ended = wait_for_other(&mut wanted, Some(&key), &post) => ended,
                Closed = follow_one(&post, key.clone()) => Err(Closed),
            },
        };
        if ended.is_err() {
            return Closed;
        }
    }
}

/// Until another run than `key` is open.
async fn wait_for_other(
    wanted: &mut watch::Receiver<Wanted>,
    key: Option<&ObjectKey>,
    post: &Post,
) -> Result<(), Closed> {
    let changed = async { wanted.wait_for(|wanted| wanted.open.as_ref() != key).await.is_ok() };
    tokio::select! {
        true = changed => Ok(()),
        // Also when nobody will open anything any more: the other parts go on, so this one waits with them.
        () = post.out.closed() => Err(Closed),
    }
}

async fn follow_one(post: &Post, key: ObjectKey) -> Closed {
    // One object: a few of its versions may wait, then the watch does.
    let (out, mut told) = mpsc::channel(4);
    let collection = Collection {
        path: argo_path(Some(&key.namespace), "workflows"),
        selector: format!("fieldSelector={}", escape(&format!("metadata.name={}", key.name))),
    };
    let (servers, beats, hurry) = (post.servers.clone(), post.beats.clone(), post.hurry.clone());
    let mut watch = JoinSet::new();
    let setup = Setup { collection, index: 0, servers, beats, hurry, out, pace: PACE };
    watch.spawn(Follow::<Whole>::new(setup).run());
    while let Some((_, told)) = told.recv().await {
        let run = match told {
            Told::Listed(rows) => rows.into_iter().next().map(|(_, object)| object),
            Told::Applied(_, object) => Some(object),
            Told::Deleted(_) => None,
            Told::Confirmed(_) => continue,
            // Where its own watch is stuck, that of all runs is: the list of runs says so.
            Told::Refused(error) | Told::Stuck(error) => {
                tracing::debug!(%error, "the opened run cannot be watched");
                continue;
            }
        };
        let read = match run {
            None => None,
            Some(object) => match tokio::task::spawn_blocking(move || read(&object)).await {
                Ok(read) => read.map(Box::new),
                Err(error) => {
                    tracing::error!(%error, "reading the opened run ended unexpectedly");
                    continue;
                }
            },
        };
        if post.tell(Fact::OpenRun(key.clone(), read)).await.is_err() {
            return Closed;
        }
    }
    Closed
}

/// Reads a whole Workflow. None if it has no name.
#[must_use]
pub fn read(object: &Value) -> Option<OpenRun> {
    let meta = Meta::of(object).filter(|meta| !meta.name.is_empty())?;
    Some(OpenRun {
        key: meta.key(),
        uid: meta.uid.clone(),
        phase: Phase::read(&text_at(object, "/status/phase", 20)),
        message: text_at(object, "/status/message", MESSAGE_CHARS_MAX),
        created: meta.created(),
        finished: time_at(object, "/status/finishedAt"),
        detail: runs::detail(object),
        nodes: nodes(object.get("status").unwrap_or(&Value::Null)),
    })
}

/// Source: argo-workflows workflow/hydrator and workflow/packer. The three forms exclude each other.
fn nodes(status: &Value) -> Nodes {
    if let Some(nodes) = status.get("nodes").and_then(Value::as_object).filter(|nodes| !nodes.is_empty()) {
        return Nodes::Here(read_nodes(nodes));
    }
    if let Some(packed) = status.get("compressedNodes").and_then(Value::as_str).filter(|packed| !packed.is_empty()) {
        return match unpack(packed) {
            Ok(nodes) => Nodes::Here(read_nodes(&nodes)),
            Err(why) => Nodes::Unreadable(clean_to(&why, 200)),
        };
    }
    match text_at(status, "/offloadNodeStatusVersion", 100) {
        version if version.is_empty() => Nodes::Here(BTreeMap::new()),
        version => Nodes::Offloaded(version),
    }
}

fn unpack(packed: &str) -> Result<Map<String, Value>, String> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(packed).map_err(|error| format!("base64: {error}"))?;
    // Told apart by their first bytes, as Argo does; brotli has none, so it is what is left.
    let json = match bytes.as_slice() {
        [0x1f, 0x8b, ..] => gunzip(&bytes, TREE_BYTES_MAX)?,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => return Err("compressed with zstd, which cannot be read here yet".to_owned()),
        _ => return Err("compressed with something other than gzip or zstd, most likely brotli".to_owned()),
    };
    serde_json::from_slice(&json).map_err(|error| format!("the unpacked tree is no JSON: {error}"))
}

fn read_nodes(nodes: &Map<String, Value>) -> BTreeMap<String, Node> {
    nodes.iter().take(NODES_MAX).map(|(id, node)| read_node(id, node)).collect()
}

fn read_node(id: &str, node: &Value) -> (String, Node) {
    let text = |pointer, chars_max| text_at(node, pointer, chars_max);
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let flag = |pointer| node.pointer(pointer).and_then(Value::as_bool).unwrap_or(false);
    let id = clean_to(id, NAME_CHARS_MAX);
    let template = match text("/templateName", NAME_CHARS_MAX) {
        name if name.is_empty() => text("/templateRef/template", NAME_CHARS_MAX),
        name => name,
    };
    let children = super::wire::list_at(node, "/children").filter_map(Value::as_str).take(NODES_MAX);
    let read = Node {
        name: some(text("/displayName", NAME_CHARS_MAX)).unwrap_or_else(|| text("/name", NAME_CHARS_MAX)),
        kind: text("/type", 20),
        phase: Phase::read(&text("/phase", 20)),
        message: text("/message", MESSAGE_CHARS_MAX),
        template,
        started: time_at(node, "/startedAt"),
        finished: time_at(node, "/finishedAt"),
        children: children.map(|child| clean_to(child, NAME_CHARS_MAX)).collect(),
        boundary: some(text("/boundaryID", NAME_CHARS_MAX)),
        retried: flag("/nodeFlag/retried"),
        hooked: flag("/nodeFlag/hooked"),
        host: some(text("/hostNodeName", NAME_CHARS_MAX)),
        exit_code: some(text("/outputs/exitCode", 20)),
        id: id.clone(),
    };
    (id, read)
}

#[cfg(test)]
mod tests {
    use super::super::crons::Crons;
    use super::super::runs::Runs;
    use super::super::templates::Templates;
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use serde_json::json;
    use std::io::Write as _;

    fn packed(bytes: &[u8]) -> String {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(bytes).unwrap();
        base64::engine::general_purpose::STANDARD.encode(gzip.finish().unwrap())
    }

    fn run(status: Value) -> OpenRun {
        read(&json!({"metadata": {"name": "w", "namespace": "ml", "uid": "u"}, "status": status})).unwrap()
    }

    fn tree() -> Value {
        json!({
            "w": {"id": "w", "displayName": "w", "type": "Steps", "phase": "Running", "children": ["w-1"]},
            "w-1": {"id": "w-1", "displayName": "train\u{1b}[2J", "type": "Pod", "phase": "Failed", "boundaryID": "w",
                "message": "exit code 137", "templateRef": {"template": "gpu"}, "nodeFlag": {"retried": true},
                "outputs": {"exitCode": "137"}, "hostNodeName": "n1", "startedAt": "2026-11-24T10:00:00Z", "finishedAt": null},
        })
    }

    #[test]
    fn a_tree_is_the_same_plain_or_compressed() {
        let plain = run(json!({"phase": "Running", "progress": "1/2", "nodes": tree()}));
        let compressed = run(json!({"phase": "Running", "progress": "1/2",
            "compressedNodes": packed(tree().to_string().as_bytes())}));
        assert_eq!(plain, compressed);
        let Nodes::Here(nodes) = &plain.nodes else { panic!("{plain:?}") };
        let node = &nodes["w-1"];
        assert_eq!(
            (node.name.as_str(), node.template.as_str(), node.retried, node.finished),
            ("train [2J", "gpu", true, None)
        );
        assert_eq!((node.exit_code.as_deref(), node.host.as_deref()), (Some("137"), Some("n1")));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
        let cut = packed(tree().to_string().as_bytes());
        let packed_as_is = packed;
        for (packed, expected) in [
            (base64(&[0x28, 0xb5, 0x2f, 0xfd, 0]), "zstd"),
            (base64(&[0x0b, 0x02, 0x80]), "brotli"),
            ("no base64!".to_owned(), "base64"),
            (cut[..cut.len() / 2 / 4 * 4].to_owned(), "gzip"),
            (packed_as_is(b"[1,2]"), "no JSON"),
            // A bomb: 65 MiB of blanks, some 65 kB when packed.
            (packed_as_is(&vec![b' '; TREE_BYTES_MAX + 1]), "larger than 64 MiB"),
        ] {
            match run(json!({"compressedNodes": packed})).nodes {
                Nodes::Unreadable(why) => assert!(why.contains(expected), "{why}"),
                other => panic!("{other:?} instead of {expected}"),
            }
        }
        assert_eq!(run(json!({"offloadNodeStatusVersion": "fnv:1"})).nodes, Nodes::Offloaded("fnv:1".into()));
        assert_eq!(run(json!({"nodes": {}})).nodes, Nodes::Here(BTreeMap::new()));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        let names = prop_oneof![
            Just("metadata"),
            Just("name"),
            Just("status"),
            Just("spec"),
            Just("nodes"),
            Just("phase"),
            Just("children"),
            Just("arguments"),
            Just("parameters"),
            Just("value"),
            Just("compressedNodes"),
            Just("startedAt"),
            Just("labels"),
        ];
        leaf.prop_recursive(5, 64, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((names.clone(), inner), 0..6)
                    .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_object_makes_it_panic(status in any_json(), object in any_json()) {
            let _ = read(&json!({"metadata": {"name": "w"}, "status": status, "spec": object.clone()}));
            let _ = read(&object);
            let item = Item::Object(&object);
            let _ = (Runs::read(item), Crons::read(item));
            let _ = (Templates::read(item), super::super::nodes::Nodes::read(item));
        }
    }
}
