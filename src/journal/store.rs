//! The folder of an environment's journals.

use super::{JournalError, Look, io, look};
use crate::domain::Timestamp;
use crate::playbook::record::{End, RunId};
use crate::playbook::run::{Run, StepState};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The folder of an environment's journals.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

/// One run in a list.
#[derive(Debug)]
pub struct RunSummary {
    /// Its id.
    pub id: RunId,
    /// Its file.
    pub path: PathBuf,
    /// The run, or why its journal cannot be read.
    pub run: Result<Run, JournalError>,
    /// Bytes after its last whole line; see [`Look::torn`].
    pub torn: usize,
}

impl Store {
    /// Journals of `environment` below the state folder `state`.
    #[must_use]
    pub fn new(state: &Path, environment: &str) -> Store {
        Store { folder: state.join(environment).join("runs") }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Every run, newest first; those that cannot be read come last. A folder that is not there is empty.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn runs(&self) -> Result<Vec<RunSummary>, JournalError> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io("list", &self.folder)(error)),
        };
        let mut runs: Vec<RunSummary> = entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
            .filter_map(|path| {
                let id = RunId(path.file_stem()?.to_str()?.to_owned());
                let (run, torn) = match look(&path) {
                    Ok(Look { run, torn, .. }) => (Ok(run), torn),
                    Err(error) => (Err(error), 0),
                };
                Some(RunSummary { id, path, run, torn })
            })
            .collect();
        let began = |summary: &RunSummary| summary.run.as_ref().ok().map(|run| run.declared_at);
        runs.sort_by(|a, b| began(b).cmp(&began(a)).then_with(|| a.id.cmp(&b.id)));
        Ok(runs)
    }

    /// The run of that id; a unique beginning of it is enough.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn find(&self, id: &str) -> Result<Option<RunSummary>, JournalError> {
        let mut fitting: Vec<RunSummary> = self.runs()?.into_iter().filter(|run| run.id.0.starts_with(id)).collect();
        match fitting.iter().position(|run| run.id.0 == id) {
            Some(exact) => Ok(Some(fitting.swap_remove(exact))),
            None if fitting.len() == 1 => Ok(fitting.pop()),
            None => Ok(None),
        }
    }
}

/// When the newest of these runs promoted a database: the start of the anti-flap window. Simulated runs do not count for
/// real ones: they are kept under their own environment.
#[must_use]
pub fn last_promotion<'a>(runs: impl IntoIterator<Item = &'a Run>) -> Option<Timestamp> {
    runs.into_iter()
        .filter(|run| run.promotion_started())
        .filter_map(|run| {
            let steps = run.declared.playbook.steps.iter().zip(&run.steps);
            steps.filter(|(step, _)| step.kind.irreversible()).find_map(|(_, slot)| slot.started_at)
        })
        .max()
}

/// How long each step took in runs that were done, by playbook and step: the median, which one slow night does not move.
#[must_use]
pub fn history<'a>(runs: impl IntoIterator<Item = &'a Run>) -> BTreeMap<(String, String), Duration> {
    let mut spans: BTreeMap<(String, String), Vec<Duration>> = BTreeMap::new();
    for run in runs.into_iter().filter(|run| run.ended.as_ref().is_some_and(|(end, _, _)| *end == End::Done)) {
        for (step, slot) in run.declared.playbook.steps.iter().zip(&run.steps) {
            if let (StepState::Done, Some(began), Some(ended)) = (&slot.state, slot.started_at, slot.ended_at) {
                let key = (run.declared.playbook.name.clone(), step.id.clone());
                spans.entry(key).or_default().push(crate::domain::since(began, ended));
            }
        }
    }
    let median = |mut spans: Vec<Duration>| {
        spans.sort();
        spans.get(spans.len() / 2).copied().unwrap_or_default()
    };
    spans.into_iter().map(|(key, spans)| (key, median(spans))).collect()
}
