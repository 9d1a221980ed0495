//! CronWorkflows. Asked for whole: their table has only a name and an age, and they are few.

use super::kind::{Form, Item, Kind};
use super::wire::{Meta, list_at, text_at, time_at};
use crate::domain::cron::CronRow;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::observation::{Change, Fact, Watched};
use crate::domain::text::clean_to;
use serde_json::Value;

const SCHEDULES_MAX: usize = 16;
const SCHEDULE_CHARS_MAX: usize = 80;

/// CronWorkflows.
pub struct Crons;

impl Kind for Crons {
    type Key = ObjectKey;
    type Row = CronRow;
    const WATCHED: Watched = Watched::Crons;
    const FORM: Form = Form::Object;

    fn read(item: Item<'_>) -> Option<(ObjectKey, CronRow)> {
        let Item::Object(object) = item else { return None };
        let meta = Meta::of(object).filter(|meta| !meta.name.is_empty())?;
        let mut schedules: Vec<String> = list_at(object, "/spec/schedules")
            .filter_map(Value::as_str)
            .take(SCHEDULES_MAX)
            .map(|text| clean_to(text, SCHEDULE_CHARS_MAX))
            .collect();
        if schedules.is_empty() {
            schedules
                .extend(Some(text_at(object, "/spec/schedule", SCHEDULE_CHARS_MAX)).filter(|text| !text.is_empty()));
        }
        let row = CronRow {
            uid: meta.uid.clone(),
            suspended: object.pointer("/spec/suspend").and_then(Value::as_bool).unwrap_or(false),
            schedules,
            timezone: text_at(object, "/spec/timezone", SCHEDULE_CHARS_MAX),
            last_scheduled: time_at(object, "/status/lastScheduledTime"),
            starting_deadline_seconds: object.pointer("/spec/startingDeadlineSeconds").and_then(Value::as_u64),
        };
        Some((meta.key(), row))
    }

    fn fact(change: Change<ObjectKey, CronRow>) -> Fact {
        Fact::Crons(change)
    }
}
