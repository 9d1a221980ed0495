//! The few Kubernetes protobuf messages that clients send whatever they are told: kubectl's typed clients write reviews,
//! evictions and deletion options that way. Pure. Only reading, into the JSON form of the same object; answers are JSON,
//! which every client that sends protobuf also accepts. Field numbers: generated.proto of k8s.io/api and
//! k8s.io/apimachinery.

use serde_json::{Map, Value, json};

/// The media type.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// Nesting that no message served here needs more of.
const DEPTH: usize = 8;

enum Field {
    Text(&'static str),
    Number(&'static str),
    List(&'static str),
    Message(&'static str, &'static [(u64, Field)]),
}

const META: &[(u64, Field)] = &[(1, Field::Text("name")), (3, Field::Text("namespace"))];
const RESOURCE: &[(u64, Field)] = &[
    (1, Field::Text("namespace")),
    (2, Field::Text("verb")),
    (3, Field::Text("group")),
    (4, Field::Text("version")),
    (5, Field::Text("resource")),
    (6, Field::Text("subresource")),
    (7, Field::Text("name")),
];
const ACCESS_SPEC: &[(u64, Field)] = &[
    (1, Field::Message("resourceAttributes", RESOURCE)),
    (2, Field::Message("nonResourceAttributes", &[(1, Field::Text("path")), (2, Field::Text("verb"))])),
];
const DELETE: &[(u64, Field)] = &[
    (1, Field::Number("gracePeriodSeconds")),
    (2, Field::Message("preconditions", &[(1, Field::Text("uid")), (2, Field::Text("resourceVersion"))])),
    (4, Field::Text("propagationPolicy")),
    (5, Field::List("dryRun")),
];

fn fields(kind: &str) -> Option<&'static [(u64, Field)]> {
    Some(match kind {
        "SelfSubjectAccessReview" => {
            const { &[(1, Field::Message("metadata", META)), (2, Field::Message("spec", ACCESS_SPEC))] }
        }
        "SelfSubjectRulesReview" => {
            const { &[(1, Field::Message("metadata", META)), (2, Field::Message("spec", &[(1, Field::Text("namespace"))]))] }
        }
        "SelfSubjectReview" => const { &[(1, Field::Message("metadata", META))] },
        "Eviction" => const { &[(1, Field::Message("metadata", META)), (2, Field::Message("deleteOptions", DELETE))] },
        "DeleteOptions" => DELETE,
        _ => return None,
    })
}

/// Reads `k8s\0` and the `runtime.Unknown` behind it. `None`: not one of the messages known here, or broken.
pub fn read(body: &[u8]) -> Option<Value> {
    let mut unknown = Reader(body.strip_prefix(b"k8s\0")?);
    let (mut kind, mut version, mut raw): (Option<String>, Option<String>, &[u8]) = (None, None, &[]);
    while let Some((number, wire)) = unknown.tag()? {
        match (number, unknown.value(wire)?) {
            (1, Wire::Bytes(meta)) => {
                let mut meta = Reader(meta);
                while let Some((number, wire)) = meta.tag()? {
                    match (number, meta.value(wire)?) {
                        (1, Wire::Bytes(text)) => version = Some(text_of(text)?),
                        (2, Wire::Bytes(text)) => kind = Some(text_of(text)?),
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let kind = kind?;
    let mut object = message(raw, fields(&kind)?, DEPTH)?;
    object["kind"] = kind.into();
    object["apiVersion"] = version?.into();
    Some(object)
}

fn message(bytes: &[u8], known: &'static [(u64, Field)], depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    let (mut reader, mut object) = (Reader(bytes), Map::new());
    while let Some((number, wire)) = reader.tag()? {
        let value = reader.value(wire)?;
        let Some((_, field)) = known.iter().find(|(one, _)| *one == number) else { continue };
        match (field, value) {
            (Field::Text(name), Wire::Bytes(text)) => {
                object.insert((*name).to_owned(), text_of(text)?.into());
            }
            // An int64 is a plain varint; a negative one arrives in two's complement.
            (Field::Number(name), Wire::Number(number)) => {
                object.insert((*name).to_owned(), json!(number.cast_signed()));
            }
            (Field::List(name), Wire::Bytes(text)) => {
                let list = object.entry((*name).to_owned()).or_insert_with(|| json!([]));
                list.as_array_mut()?.push(text_of(text)?.into());
            }
            (Field::Message(name, inner), Wire::Bytes(bytes)) => {
                object.insert((*name).to_owned(), message(bytes, inner, depth)?);
            }
            _ => {}
        }
    }
    Some(Value::Object(object))
}

fn text_of(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Skipped,
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next tag; `Some(None)` at the end.
    fn tag(&mut self) -> Option<Option<(u64, u64)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let tag = self.varint()?;
        Some(Some((tag >> 3, tag & 7)))
    }

    fn value(&mut self, wire: u64) -> Option<Wire<'a>> {
        match wire {
            0 => Some(Wire::Number(self.varint()?)),
            1 => self.take(8).map(|_| Wire::Skipped),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.take(length).map(Wire::Bytes)
            }
            5 => self.take(4).map(|_| Wire::Skipped),
            _ => None,
        }
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, u8::try_from(content.len()).unwrap()];
        out.extend_from_slice(content);
        out
    }

    fn body(version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let meta = [bytes(1, version.as_bytes()), bytes(2, kind.as_bytes())].concat();
        [b"k8s\0".to_vec(), bytes(1, &meta), bytes(2, raw), bytes(3, b"")].concat()
    }

    #[test]
    fn an_access_review() {
        let resource = [bytes(1, b"argo"), bytes(2, b"patch"), bytes(5, b"deployments"), bytes(6, b"scale")].concat();
        let raw = [bytes(1, b""), bytes(2, &bytes(1, &resource)), bytes(3, &[8, 0])].concat();
        assert_eq!(
            read(&body("authorization.k8s.io/v1", "SelfSubjectAccessReview", &raw)).unwrap(),
            json!({"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {},
                "spec": {"resourceAttributes": {"namespace": "argo", "verb": "patch", "resource": "deployments",
                    "subresource": "scale"}}})
        );
    }

    #[test]
    fn deletion_options() {
        let raw = [vec![8, 0], bytes(2, &bytes(1, b"u")), bytes(5, b"All")].concat();
        let options = read(&body("v1", "DeleteOptions", &raw)).unwrap();
        assert_eq!(options["gracePeriodSeconds"], 0);
        assert_eq!(options["preconditions"]["uid"], "u");
        assert_eq!(options["dryRun"], json!(["All"]));
        assert!(read(&body("v1", "Pod", &raw)).is_none(), "not a message known here");
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(raw in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&raw);
            let _ = read(&body("v1", "DeleteOptions", &raw));
        }
    }
}
