//! Nodes: ready, cordoned, and how much CPU they can give.

use super::kind::{Form, Item, Kind};
use super::wire::{Meta, list_at};
use crate::domain::kubernetes::NodeRow;
use crate::domain::observation::{Change, Fact, Watched};
use serde_json::Value;

/// Nodes.
pub struct Nodes;

impl Kind for Nodes {
    type Key = String;
    type Row = NodeRow;
    const WATCHED: Watched = Watched::Nodes;
    const FORM: Form = Form::Object;

    fn read(item: Item<'_>) -> Option<(String, NodeRow)> {
        let Item::Object(object) = item else { return None };
        let meta = Meta::of(object).filter(|meta| !meta.name.is_empty())?;
        let cpu = object.pointer("/status/allocatable/cpu").and_then(Value::as_str).and_then(milli_cpu);
        let row = NodeRow {
            ready: condition(object, "Ready"),
            cordoned: object.pointer("/spec/unschedulable").and_then(Value::as_bool).unwrap_or(false),
            cpu_millis: cpu.unwrap_or(0),
        };
        Some((meta.key().name, row))
    }

    fn fact(change: Change<String, NodeRow>) -> Fact {
        Fact::Nodes(change)
    }
}

/// Whether a condition of an object's status is True.
#[must_use]
pub fn condition(object: &Value, name: &str) -> bool {
    list_at(object, "/status/conditions").any(|condition| {
        condition.get("type").and_then(Value::as_str) == Some(name)
            && condition.get("status").and_then(Value::as_str) == Some("True")
    })
}

/// A Kubernetes CPU quantity (`4`, `3920m`, `1.5`, `2k`) in thousandths of a core.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn milli_cpu(quantity: &str) -> Option<u64> {
    let digits = quantity.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match quantity.get(digits.len()..)? {
        "m" => 1.0,
        "" => 1000.0,
        "k" => 1_000_000.0,
        "u" => 0.001,
        "n" => 0.000_001,
        _ => return None,
    };
    let millis = digits.parse::<f64>().ok()? * factor;
    // A float turns into the nearest whole number in range, never panics.
    (millis.is_finite() && millis >= 0.0).then_some(millis as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_quantities() {
        for (text, expected) in [
            ("4", Some(4000)),
            ("3920m", Some(3920)),
            ("1.5", Some(1500)),
            ("2k", Some(2_000_000)),
            ("500000u", Some(500)),
            ("-1", None),
            ("x", None),
            ("", None),
            ("4Gi", None),
        ] {
            assert_eq!(milli_cpu(text), expected, "{text}");
        }
    }
}
