//! Workflows: rows of the server's table, or of metadata when it has no tables. `status.nodes` never comes over the line.

use super::kind::{Form, Item, Kind};
use super::wire::{Meta, list_at, text_at, time_at};
use crate::domain::kubernetes::ObjectKey;
use crate::domain::observation::{Change, Fact, Watched};
use crate::domain::text::clean_to;
use crate::domain::workflow::{Archiving, Phase, RunDetail, RunRow};
use serde_json::Value;

/// Longest message kept of a run in the list.
const MESSAGE_CHARS_MAX: usize = 240;

/// Parameters kept of a run, and characters of each name and value.
const PARAMETERS_MAX: usize = 32;
const PARAMETER_CHARS_MAX: usize = 200;

// Source: argo-workflows workflow/common/common.go.
const PHASE: &str = "workflows.argoproj.io/phase";
const ARCHIVING: &str = "workflows.argoproj.io/workflow-archiving-status";
const TEMPLATE: &str = "workflows.argoproj.io/workflow-template";
const CLUSTER_TEMPLATE: &str = "workflows.argoproj.io/cluster-workflow-template";
const CRON: &str = "workflows.argoproj.io/cron-workflow";

/// Workflows.
pub struct Runs;

impl Kind for Runs {
    type Key = ObjectKey;
    type Row = RunRow;
    const WATCHED: Watched = Watched::Runs;
    const FORM: Form = Form::Table;

    fn read(item: Item<'_>) -> Option<(ObjectKey, RunRow)> {
        match item {
            Item::Row { columns, cells, meta } => {
                let cell = |name: &str| {
                    let at = columns.iter().position(|column| column == name)?;
                    cells.get(at)?.as_str()
                };
                Some(row(meta, cell("Status").unwrap_or_default(), cell("Message").unwrap_or_default()))
            }
            Item::Object(object) => {
                let meta = Meta::of(object).filter(|meta| !meta.name.is_empty())?;
                let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                Some(row(&meta, text("/status/phase"), text("/status/message")))
            }
        }
    }

    fn fact(change: Change<ObjectKey, RunRow>) -> Fact {
        Fact::Runs(change)
    }
}

/// The phase is read from the status where it came, else from the label that the controller keeps beside it.
fn row(meta: &Meta, status: &str, message: &str) -> (ObjectKey, RunRow) {
    let phase = match Phase::read(status) {
        Phase::New => Phase::read(&meta.label(PHASE)),
        phase => phase,
    };
    let template = match meta.label(TEMPLATE) {
        name if name.is_empty() => meta.label(CLUSTER_TEMPLATE),
        name => name,
    };
    let archiving = match meta.label(ARCHIVING).as_str() {
        "Pending" => Archiving::Pending,
        "Archived" | "Persisted" => Archiving::Archived,
        _ => Archiving::None,
    };
    let row = RunRow {
        uid: meta.uid.clone(),
        phase,
        created: meta.created(),
        message: clean_to(message, MESSAGE_CHARS_MAX),
        archiving,
        template,
        cron: meta.label(CRON),
        detail: None,
    };
    (meta.key(), row)
}

/// What the list lacks, read from a whole Workflow.
#[must_use]
pub fn detail(object: &Value) -> RunDetail {
    RunDetail {
        progress: text_at(object, "/status/progress", 32),
        started: time_at(object, "/status/startedAt"),
        suspended: object.pointer("/spec/suspend").and_then(Value::as_bool).unwrap_or(false),
        parameters: list_at(object, "/spec/arguments/parameters").take(PARAMETERS_MAX).map(parameter).collect(),
        template: text_at(object, "/spec/workflowTemplateRef/name", PARAMETER_CHARS_MAX),
    }
}

/// A value is text in most manifests; numbers and truth values are allowed too.
fn parameter(parameter: &Value) -> (String, String) {
    let value = match parameter.get("value") {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    };
    (text_at(parameter, "/name", PARAMETER_CHARS_MAX), clean_to(&value, PARAMETER_CHARS_MAX))
}
