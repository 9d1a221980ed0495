//! The Kubernetes protobuf messages that clients send whatever they are told: kubectl's typed clients write reviews,
//! evictions, and everything that `kubectl create` makes that way. Pure. Only reading, into the JSON form of the same
//! object; answers are JSON, which every client that sends protobuf also accepts. A message with a field that is not read
//! here is refused as a whole, since an object must not be stored without a part that somebody sent.

mod messages;

use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use serde_json::{Map, Value, json};

use self::messages::{Field, Fields, fields};

/// The media type.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// Nesting that no message served here needs more of.
const DEPTH: usize = 12;

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

fn message(bytes: &[u8], known: Fields, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    let (mut reader, mut object) = (Reader(bytes), Map::new());
    while let Some((number, wire)) = reader.tag()? {
        let value = reader.value(wire)?;
        match known.iter().find(|(one, _)| *one == number) {
            Some((_, field)) => field_of(&mut object, field, &value, depth)?,
            // Go writes most of what is empty as well.
            None if matches!(value, Wire::Number(0) | Wire::Bytes([])) => {}
            None => return None,
        }
    }
    Some(Value::Object(object))
}

/// Puts a field where it belongs. `None`: it is not of the form that it should have.
fn field_of(object: &mut Map<String, Value>, field: &Field, value: &Wire<'_>, depth: usize) -> Option<()> {
    let mut set = |name: &str, value: Value| {
        object.insert(name.to_owned(), value);
    };
    match (field, value) {
        (Field::Ignored, _) | (Field::Text(_), Wire::Bytes([])) => {}
        (Field::Count(_) | Field::Flag(_), Wire::Number(0)) => {}
        (Field::Text(name), Wire::Bytes(text)) => set(name, text_of(text)?.into()),
        (Field::Bytes(name), Wire::Bytes(bytes)) => set(name, BASE64.encode(bytes).into()),
        // An int64 is a plain varint; a negative one arrives in two's complement.
        (Field::Number(name) | Field::Count(name), Wire::Number(number)) => set(name, json!(number.cast_signed())),
        (Field::Bool(name) | Field::Flag(name), Wire::Number(truth)) => set(name, json!(*truth != 0)),
        (Field::Message(name, inner), Wire::Bytes(bytes)) => set(name, message(bytes, inner, depth)?),
        (Field::IntOrString(name), Wire::Bytes(bytes)) => set(name, int_or_string(bytes)?),
        (Field::Texts(name), Wire::Bytes(text)) => push(object, name, text_of(text)?.into())?,
        (Field::Messages(name, inner), Wire::Bytes(bytes)) => push(object, name, message(bytes, inner, depth)?)?,
        (Field::TextMap(name), Wire::Bytes(entry)) => {
            let (key, text) = entry_of(entry)?;
            add(object, name, key, text_of(text)?.into())?;
        }
        (Field::BytesMap(name), Wire::Bytes(entry)) => {
            let (key, bytes) = entry_of(entry)?;
            add(object, name, key, BASE64.encode(bytes).into())?;
        }
        (Field::Quantities(name), Wire::Bytes(entry)) => {
            let (key, quantity) = entry_of(entry)?;
            let quantity = message(quantity, const { &[(1, Field::Text("text"))] }, depth)?;
            add(object, name, key, quantity.get("text").cloned().unwrap_or_else(|| json!("0")))?;
        }
        _ => return None,
    }
    Some(())
}

fn push(object: &mut Map<String, Value>, name: &str, value: Value) -> Option<()> {
    object.entry(name).or_insert_with(|| json!([])).as_array_mut()?.push(value);
    Some(())
}

fn add(object: &mut Map<String, Value>, name: &str, key: String, value: Value) -> Option<()> {
    object.entry(name).or_insert_with(|| json!({})).as_object_mut()?.insert(key, value);
    Some(())
}

/// Key and value of an entry of a map.
fn entry_of(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (mut reader, mut key, mut value): (_, _, &[u8]) = (Reader(bytes), String::new(), &[]);
    while let Some((number, wire)) = reader.tag()? {
        match (number, reader.value(wire)?) {
            (1, Wire::Bytes(text)) => key = text_of(text)?,
            (2, Wire::Bytes(bytes)) => value = bytes,
            _ => return None,
        }
    }
    Some((key, value))
}

/// An `IntOrString`: its type (0 is a number), the number, the text.
fn int_or_string(bytes: &[u8]) -> Option<Value> {
    let known = const { &[(1, Field::Count("type")), (2, Field::Number("number")), (3, Field::Text("text"))] };
    let parts = message(bytes, known, 1)?;
    let part = |name: &str| parts.get(name).cloned();
    Some(match part("type") {
        None => part("number").unwrap_or_else(|| json!(0)),
        Some(_) => part("text").unwrap_or_else(|| json!("")),
    })
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
        let unknown = [raw, bytes(9, b"x")].concat();
        assert!(read(&body("v1", "DeleteOptions", &unknown)).is_none(), "nothing is left out silently");
    }

    #[test]
    fn what_go_writes_though_it_is_empty_is_left_out() {
        let entry = [bytes(1, b"key"), bytes(2, &[0, 255])].concat();
        let meta = [bytes(1, b"s"), bytes(2, b""), bytes(8, b"")].concat();
        let raw = [bytes(1, &meta), bytes(2, &entry), bytes(3, b"Opaque"), vec![5 << 3, 0]].concat();
        assert_eq!(
            read(&body("v1", "Secret", &raw)).unwrap(),
            json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "s"}, "data": {"key": "AP8="},
                "type": "Opaque", "immutable": false})
        );
        let spec =
            [bytes(1, &[vec![8, 1], vec![16, 0], bytes(3, b"50%")].concat()), bytes(3, &[8, 0, 16, 2, 26, 0])].concat();
        let budget = read(&body("policy/v1", "PodDisruptionBudget", &bytes(2, &spec))).unwrap();
        assert_eq!(budget["spec"], json!({"minAvailable": "50%", "maxUnavailable": 2}));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(raw in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&raw);
            for kind in ["DeleteOptions", "Deployment", "Secret", "ResourceQuota", "PodDisruptionBudget"] {
                let _ = read(&body("v1", kind, &raw));
            }
        }
    }
}
