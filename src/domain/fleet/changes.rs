//! What changed in a watched list, as lines for the timeline. Pure.
//!
//! Runs that begin and runs that succeed are no news: there are thousands of them, and the list shows them. What vanishes,
//! what ends badly, and every change of what is there for long (crons, templates, nodes) is. Changes that a new list
//! brings to light are told like those of a watch; the first list has nothing to be held against and tells none.

use super::Fleet;
use super::happening::{Did, Happenings, Weight};
use super::table::{Bound, Place, Table};
use crate::domain::Timestamp;
use crate::domain::cron::{CronRow, TemplateRow};
use crate::domain::kubernetes::{NodeRow, ObjectKey};
use crate::domain::observation::Change;
use crate::domain::region::Side;
use crate::domain::workflow::{Archiving, Phase, RunRow};
use std::collections::BTreeSet;
use std::fmt::Display;

const RUN: [&str; 2] = ["run", "runs"];
const CRON: [&str; 2] = ["cron", "crons"];
const TEMPLATE: [&str; 2] = ["template", "templates"];
const NODE: [&str; 2] = ["node", "nodes"];

const RUN_DELETED: Did = Did(Weight::Info, RUN, "deleted");
const RUN_LOST: Did = Did(Weight::Warn, ["unfinished run", "unfinished runs"], "deleted");
const RUN_FAILED: Did = Did(Weight::Warn, RUN, "ended badly");
const CRON_ADDED: Did = Did(Weight::Info, CRON, "added, active");
const CRON_ADDED_SUSPENDED: Did = Did(Weight::Info, CRON, "added, suspended");
const CRON_SUSPENDED: Did = Did(Weight::Warn, CRON, "suspended");
const CRON_ACTIVATED: Did = Did(Weight::Warn, CRON, "activated");
const CRON_REPLACED: Did = Did(Weight::Info, CRON, "deleted and made anew");
const CRON_DELETED: Did = Did(Weight::Warn, CRON, "deleted");
const TEMPLATE_ADDED: Did = Did(Weight::Info, TEMPLATE, "added");
const TEMPLATE_CHANGED: Did = Did(Weight::Info, TEMPLATE, "changed");
const TEMPLATE_DELETED: Did = Did(Weight::Warn, TEMPLATE, "deleted");
const NODE_JOINED: Did = Did(Weight::Info, NODE, "joined");
const NODE_LEFT: Did = Did(Weight::Info, NODE, "left");
const NODE_READY: Did = Did(Weight::Info, NODE, "ready");
const NODE_UNREADY: Did = Did(Weight::Warn, NODE, "not ready");
const NODE_CORDONED: Did = Did(Weight::Info, NODE, "cordoned");
const NODE_UNCORDONED: Did = Did(Weight::Info, NODE, "uncordoned");

/// Runs of one list that ended badly and still get a line each, with what their controller said.
const FAILED_LINES_MAX: usize = 3;

/// A row before and after a change: at least one of the two.
type Difference<'a, K, V> = (&'a K, Option<&'a V>, Option<&'a V>);

fn differences<'a, K: Ord + Clone, V: Clone>(
    table: &'a Table<K, V>,
    change: &'a Change<K, V>,
) -> Vec<Difference<'a, K, V>> {
    match change {
        Change::Apply(key, row) => vec![(key, table.get(key), Some(row))],
        Change::Delete(key) => table.get(key).map(|old| (key, Some(old), None)).into_iter().collect(),
        // Nothing was listed before, or only by an earlier process whose notes may be of a part.
        Change::Reset(_) if table.confirmed.is_none() => Vec::new(),
        Change::Reset(rows) => {
            let there: BTreeSet<&K> = rows.iter().map(|(key, _)| key).collect();
            let gone = table.rows().iter().filter(|(key, _)| !there.contains(key));
            let gone = gone.map(|(key, old)| (key, Some(old), None));
            rows.iter().map(|(key, row)| (key, table.get(key), Some(row))).chain(gone).collect()
        }
    }
}

/// Where lines of one observation go.
struct News<'a> {
    to: &'a mut Happenings,
    at: Timestamp,
    side: Side,
}

impl News<'_> {
    fn add(&mut self, did: Did, name: impl Display) {
        self.to.add(self.at, self.side, did, &name.to_string());
    }
}

impl Fleet {
    pub(super) fn crons(&mut self, side: Side, change: Change<ObjectKey, CronRow>, at: Timestamp) {
        let table = &mut self.regions.get_mut(side).crons;
        let mut news = News { to: &mut self.happenings, at, side };
        for (key, old, new) in differences(table, &change) {
            match (old, new) {
                (None, Some(new)) => news.add(if new.suspended { CRON_ADDED_SUSPENDED } else { CRON_ADDED }, key),
                (Some(_), None) => news.add(CRON_DELETED, key),
                (Some(old), Some(new)) if old.suspended != new.suspended => {
                    news.add(if new.suspended { CRON_SUSPENDED } else { CRON_ACTIVATED }, key);
                }
                (Some(old), Some(new)) if old.uid != new.uid => news.add(CRON_REPLACED, key),
                _ => {}
            }
        }
        table.apply(change, at);
    }

    pub(super) fn templates(&mut self, side: Side, change: Change<ObjectKey, TemplateRow>, at: Timestamp) {
        let table = &mut self.regions.get_mut(side).templates;
        let mut news = News { to: &mut self.happenings, at, side };
        for (key, old, new) in differences(table, &change) {
            match (old, new) {
                (None, Some(_)) => news.add(TEMPLATE_ADDED, key),
                (Some(_), None) => news.add(TEMPLATE_DELETED, key),
                (Some(old), Some(new)) if old != new => news.add(TEMPLATE_CHANGED, key),
                _ => {}
            }
        }
        table.apply(change, at);
    }

    pub(super) fn nodes(&mut self, side: Side, change: Change<String, NodeRow>, at: Timestamp) {
        let table = &mut self.regions.get_mut(side).nodes;
        let mut news = News { to: &mut self.happenings, at, side };
        for (name, old, new) in differences(table, &change) {
            match (old, new) {
                (None, Some(_)) => news.add(NODE_JOINED, name),
                (Some(_), None) => news.add(NODE_LEFT, name),
                (Some(old), Some(new)) => {
                    if old.ready != new.ready {
                        news.add(if new.ready { NODE_READY } else { NODE_UNREADY }, name);
                    }
                    if old.cordoned != new.cordoned {
                        news.add(if new.cordoned { NODE_CORDONED } else { NODE_UNCORDONED }, name);
                    }
                }
                (None, None) => {}
            }
        }
        table.apply(change, at);
    }

    pub(super) fn runs(&mut self, side: Side, mut change: Change<ObjectKey, RunRow>, at: Timestamp) {
        let table = &mut self.regions.get_mut(side).runs;
        let mut news = News { to: &mut self.happenings, at, side };
        let mut failed = Vec::new();
        for (key, old, new) in differences(table, &change) {
            match (old, new) {
                (Some(old), None) => news.add(if old.phase.finished() { RUN_DELETED } else { RUN_LOST }, key),
                (Some(old), Some(new)) if old.uid == new.uid && !old.phase.finished() => {
                    if matches!(new.phase, Phase::Failed | Phase::Error) {
                        failed.push((key, new));
                    }
                }
                _ => {}
            }
        }
        for (key, row) in &failed {
            if failed.len() > FAILED_LINES_MAX {
                news.add(RUN_FAILED, key);
            } else {
                let why = if row.message.is_empty() { String::new() } else { format!(": {}", row.message) };
                let text = format!("run {key} {}{why}", row.phase.word());
                news.to.push(at, Some(side), Weight::Warn, text);
            }
        }
        keep_details(table, &mut change);
        table.apply_bounded(change, at, &Bound { most: self.policy.finished_runs, place });
    }
}

/// What is archived, or never will be, may be let go, oldest first. What waits for the archive is counted by a gate.
fn place(run: &RunRow) -> Place {
    let done = run.phase.finished() && run.archiving != Archiving::Pending;
    Place { done, since: run.created }
}

/// The list never carries the detail; what a GET told stays until the next one.
fn keep_details(table: &Table<ObjectKey, RunRow>, change: &mut Change<ObjectKey, RunRow>) {
    let keep = |key: &ObjectKey, row: &mut RunRow| {
        let before = table.get(key).filter(|old| old.uid == row.uid);
        row.detail = row.detail.take().or_else(|| before.and_then(|old| old.detail.clone()));
    };
    match change {
        Change::Apply(key, row) => keep(key, row),
        Change::Reset(rows) => rows.iter_mut().for_each(|(key, row)| keep(key, row)),
        Change::Delete(_) => {}
    }
}
