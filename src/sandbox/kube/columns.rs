//! The columns of a Table, per kind, and the cells of an object in them. Pure. Custom resources follow their CRD's
//! `additionalPrinterColumns` (Argo Workflows 4.0: only Workflow has any), the others the printers of Kubernetes
//! (pkg/printers/internalversion/printers.go). Ages are kept as times and written out when a row is sent.

use jiff::Timestamp;
use serde_json::Value;

use super::{clock, kinds::Kind};

/// A column definition: name, type, format and priority (above 0: only with `-o wide`).
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Header.
    pub name: &'static str,
    /// OpenAPI type, or `date`.
    pub kind: &'static str,
    /// OpenAPI format; `name` marks the object's name.
    pub format: &'static str,
    /// 0 is always shown.
    pub priority: u8,
}

/// One cell, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// JSON text.
    Json(Box<str>),
    /// An age: the time since, written as kubectl writes ages.
    Since(Timestamp),
    /// `null`: the JSON path found nothing.
    Null,
}

impl Cell {
    fn text(text: &str) -> Self {
        Self::Json(Value::String(text.to_owned()).to_string().into())
    }

    fn number(number: i64) -> Self {
        Self::Json(number.to_string().into())
    }

    /// Appends the cell as JSON.
    pub fn write(&self, into: &mut Vec<u8>, now: Timestamp) {
        match self {
            Self::Json(text) => into.extend_from_slice(text.as_bytes()),
            Self::Since(since) => {
                into.push(b'"');
                into.extend_from_slice(clock::human(now.duration_since(*since)).as_bytes());
                into.push(b'"');
            }
            Self::Null => into.extend_from_slice(b"null"),
        }
    }
}

const fn column(name: &'static str, kind: &'static str, priority: u8) -> Column {
    Column { name, kind, format: "", priority }
}

const NAME: Column = Column { name: "Name", kind: "string", format: "name", priority: 0 };
const AGE: Column = column("Age", "string", 0);
/// A custom resource's age is a date.
const DATE: Column = Column { name: "Age", kind: "date", format: "date-time", priority: 0 };

const fn string(name: &'static str) -> Column {
    column(name, "string", 0)
}

const fn wide(name: &'static str) -> Column {
    column(name, "string", 1)
}

const fn integer(name: &'static str) -> Column {
    column(name, "integer", 0)
}

/// The columns of a kind. One table, long because there are many kinds.
#[allow(clippy::too_many_lines)]
pub fn columns(kind: Kind) -> &'static [Column] {
    match kind {
        Kind::Workflow => const { &[NAME, string("Status"), DATE, string("Message")] },
        Kind::Namespace => const { &[NAME, string("Status"), AGE] },
        Kind::Node => {
            const {
                &[
                    NAME,
                    string("Status"),
                    string("Roles"),
                    AGE,
                    string("Version"),
                    wide("Internal-IP"),
                    wide("External-IP"),
                    wide("OS-Image"),
                    wide("Kernel-Version"),
                    wide("Container-Runtime"),
                ]
            }
        }
        Kind::Pod => {
            const {
                &[
                    NAME,
                    string("Ready"),
                    string("Status"),
                    string("Restarts"),
                    AGE,
                    wide("IP"),
                    wide("Node"),
                    wide("Nominated Node"),
                    wide("Readiness Gates"),
                ]
            }
        }
        Kind::Deployment => {
            const {
                &[
                    NAME,
                    string("Ready"),
                    integer("Up-to-date"),
                    integer("Available"),
                    AGE,
                    wide("Containers"),
                    wide("Images"),
                    wide("Selector"),
                ]
            }
        }
        Kind::ReplicaSet => const { &[NAME, integer("Desired"), integer("Current"), integer("Ready"), AGE] },
        Kind::ConfigMap => const { &[NAME, integer("Data"), AGE] },
        Kind::Secret => const { &[NAME, string("Type"), integer("Data"), AGE] },
        Kind::Lease => const { &[NAME, string("Holder"), AGE] },
        Kind::PodDisruptionBudget => {
            const { &[NAME, string("Min Available"), string("Max Unavailable"), integer("Allowed Disruptions"), AGE] }
        }
        Kind::CertificateSigningRequest => {
            const {
                &[
                    NAME,
                    AGE,
                    string("SignerName"),
                    string("Requestor"),
                    string("RequestedDuration"),
                    string("Condition"),
                ]
            }
        }
        Kind::Event => {
            const { &[string("Last Seen"), string("Type"), string("Reason"), string("Object"), string("Message")] }
        }
        _ if kind.meta().custom => const { &[NAME, DATE] },
        _ => const { &[NAME, AGE] },
    }
}

/// The cells of an object, one per column of its kind.
pub fn cells(kind: Kind, object: &Value) -> Box<[Cell]> {
    let meta = &object["metadata"];
    let name = Cell::text(meta["name"].as_str().unwrap_or(""));
    let age = since(&meta["creationTimestamp"], true);
    let (spec, status) = (&object["spec"], &object["status"]);
    match kind {
        Kind::Workflow => {
            vec![name, path_text(&status["phase"]), since(&status["startedAt"], false), path_text(&status["message"])]
        }
        Kind::Namespace => vec![name, path_text(&status["phase"]), age],
        Kind::Node => node(object, name, age),
        Kind::Pod => pod(object, name, age),
        Kind::Deployment => deployment(object, name, age),
        Kind::ReplicaSet => {
            vec![name, count(&spec["replicas"]), count(&status["replicas"]), count(&status["readyReplicas"]), age]
        }
        Kind::ConfigMap => vec![name, size(&object["data"]), age],
        Kind::Secret => {
            vec![name, Cell::text(object["type"].as_str().unwrap_or("Opaque")), size(&object["data"]), age]
        }
        Kind::Lease => vec![name, Cell::text(spec["holderIdentity"].as_str().unwrap_or("")), age],
        Kind::PodDisruptionBudget => {
            let bound = |value: &Value| match value {
                Value::Null => Cell::text("N/A"),
                Value::String(text) => Cell::text(text),
                other => Cell::text(&other.to_string()),
            };
            vec![
                name,
                bound(&spec["minAvailable"]),
                bound(&spec["maxUnavailable"]),
                count(&status["disruptionsAllowed"]),
                age,
            ]
        }
        Kind::CertificateSigningRequest => vec![
            name,
            age,
            Cell::text(spec["signerName"].as_str().unwrap_or("")),
            Cell::text(spec["username"].as_str().unwrap_or("")),
            Cell::text("<none>"),
            Cell::text("Pending"),
        ],
        Kind::Event => {
            let target = &object["involvedObject"];
            let text = |value: &Value| Cell::text(value.as_str().unwrap_or(""));
            let about = format!(
                "{}/{}",
                target["kind"].as_str().unwrap_or("").to_lowercase(),
                target["name"].as_str().unwrap_or("")
            );
            vec![
                since(&object["lastTimestamp"], true),
                text(&object["type"]),
                text(&object["reason"]),
                Cell::text(&about),
                text(&object["message"]),
            ]
        }
        _ => vec![name, age],
    }
    .into()
}

/// A row of nothing: what a bookmark's row holds.
pub fn empty_row(kind: Kind) -> Box<[Cell]> {
    let first = std::iter::once(Cell::text(""));
    first.chain(std::iter::repeat_n(Cell::Null, columns(kind).len().saturating_sub(1))).collect()
}

fn since(value: &Value, builtin: bool) -> Cell {
    match value.as_str().map(clock::parse) {
        Some(Some(time)) => Cell::Since(time),
        Some(None) => Cell::text("<invalid>"),
        None if builtin => Cell::text("<unknown>"),
        None => Cell::Null,
    }
}

fn path_text(value: &Value) -> Cell {
    value.as_str().map_or(Cell::Null, Cell::text)
}

fn count(value: &Value) -> Cell {
    Cell::number(value.as_i64().unwrap_or(0))
}

fn size(value: &Value) -> Cell {
    Cell::number(value.as_object().map_or(0, |data| data.len() as i64))
}

fn node(object: &Value, name: Cell, age: Cell) -> Vec<Cell> {
    let conditions = object["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
    let mut state = match ready.and_then(|ready| ready["status"].as_str()) {
        Some("True") => "Ready".to_owned(),
        Some(_) => "NotReady".to_owned(),
        None => "Unknown".to_owned(),
    };
    if object["spec"]["unschedulable"] == true {
        state.push_str(",SchedulingDisabled");
    }
    let info = &object["status"]["nodeInfo"];
    let address = object["status"]["addresses"]
        .as_array()
        .and_then(|addresses| addresses.iter().find(|address| address["type"] == "InternalIP"))
        .and_then(|address| address["address"].as_str())
        .unwrap_or("<none>");
    let text = |value: &Value| Cell::text(value.as_str().unwrap_or("<unknown>"));
    vec![
        name,
        Cell::text(&state),
        Cell::text("<none>"),
        age,
        text(&info["kubeletVersion"]),
        Cell::text(address),
        Cell::text("<none>"),
        text(&info["osImage"]),
        text(&info["kernelVersion"]),
        text(&info["containerRuntimeVersion"]),
    ]
}

fn pod(object: &Value, name: Cell, age: Cell) -> Vec<Cell> {
    let status = &object["status"];
    let containers = status["containerStatuses"].as_array().map_or(&[][..], Vec::as_slice);
    let total = object["spec"]["containers"].as_array().map_or(containers.len(), Vec::len);
    let ready = containers.iter().filter(|container| container["ready"] == true).count();
    let restarts: i64 = containers.iter().filter_map(|container| container["restartCount"].as_i64()).sum();
    let mut reason = status["reason"].as_str().or(status["phase"].as_str()).unwrap_or("Unknown").to_owned();
    for container in containers {
        let state = &container["state"];
        if let Some(waiting) = state["waiting"]["reason"].as_str() {
            reason = waiting.to_owned();
        } else if let Some(ended) = state["terminated"]["reason"].as_str() {
            reason = ended.to_owned();
        }
    }
    if object["metadata"].get("deletionTimestamp").is_some() {
        reason = "Terminating".to_owned();
    }
    let or_none = |value: &Value| Cell::text(value.as_str().unwrap_or("<none>"));
    vec![
        name,
        Cell::text(&format!("{ready}/{total}")),
        Cell::text(&reason),
        Cell::text(&restarts.to_string()),
        age,
        or_none(&status["podIP"]),
        or_none(&object["spec"]["nodeName"]),
        Cell::text("<none>"),
        Cell::text("<none>"),
    ]
}

fn deployment(object: &Value, name: Cell, age: Cell) -> Vec<Cell> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let containers = spec["template"]["spec"]["containers"].as_array().map_or(&[][..], Vec::as_slice);
    let joined = |field: &str| {
        let parts: Vec<&str> = containers.iter().filter_map(|container| container[field].as_str()).collect();
        Cell::text(&parts.join(","))
    };
    let ready = format!("{}/{}", status["readyReplicas"].as_i64().unwrap_or(0), spec["replicas"].as_i64().unwrap_or(1));
    vec![
        name,
        Cell::text(&ready),
        count(&status["updatedReplicas"]),
        count(&status["availableReplicas"]),
        age,
        joined("name"),
        joined("image"),
        Cell::text(&selector_text(&spec["selector"]["matchLabels"])),
    ]
}

/// `matchLabels` in the text form of a selector.
pub fn selector_text(labels: &Value) -> String {
    let pairs = labels.as_object().map_or_else(Vec::new, |labels| {
        labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or(""))).collect()
    });
    pairs.join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(kind: Kind, object: &Value) -> Value {
        let now = clock::parse("2026-11-24T10:00:00Z").unwrap();
        let mut text = Vec::from(*b"[");
        for (number, cell) in cells(kind, object).iter().enumerate() {
            if number > 0 {
                text.push(b',');
            }
            cell.write(&mut text, now);
        }
        text.push(b']');
        serde_json::from_slice(&text).unwrap()
    }

    #[test]
    fn every_kind_has_as_many_cells_as_columns() {
        for kind in Kind::ALL {
            let object = json!({"metadata": {"name": "a", "creationTimestamp": "2026-11-24T09:00:00Z"}});
            assert_eq!(cells(kind, &object).len(), columns(kind).len(), "{kind:?}");
            assert_eq!(empty_row(kind).len(), columns(kind).len(), "{kind:?}");
        }
    }

    #[test]
    fn rows() {
        let meta = json!({"name": "a", "creationTimestamp": "2026-11-24T09:00:00Z"});
        for (kind, object, expected) in [
            (
                Kind::Workflow,
                json!({"metadata": meta, "status": {"phase": "Failed", "startedAt": "2026-11-24T09:58:00Z",
                    "message": "child \"b\" failed"}}),
                json!(["a", "Failed", "2m", "child \"b\" failed"]),
            ),
            (Kind::Workflow, json!({"metadata": meta}), json!(["a", null, null, null])),
            (Kind::CronWorkflow, json!({"metadata": meta}), json!(["a", "60m"])),
            (
                Kind::Deployment,
                json!({"metadata": meta, "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "x"}}},
                    "status": {"readyReplicas": 1, "updatedReplicas": 2}}),
                json!(["a", "1/2", 2, 0, "60m", "", "", "app=x"]),
            ),
            (
                Kind::Pod,
                json!({"metadata": meta, "spec": {"containers": [{}], "nodeName": "n"}, "status": {"phase": "Running",
                    "containerStatuses": [{"ready": false, "restartCount": 4,
                        "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}}),
                json!(["a", "0/1", "CrashLoopBackOff", "4", "60m", "<none>", "n", "<none>", "<none>"]),
            ),
            (Kind::Lease, json!({"metadata": meta, "spec": {"holderIdentity": "p"}}), json!(["a", "p", "60m"])),
        ] {
            assert_eq!(row(kind, &object), expected, "{kind:?}");
        }
    }
}
