//! Runs that another process drives: their journals are looked at as they grow, so that a second console and a read-only
//! one on the same machine show the run as it goes.

use super::Console;
use crate::console::{Event, RunNews};
use crate::journal::{self, Link, Store};
use crate::playbook::run::Run;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;

/// How often the folder is looked at: a listing of a few files, of which only what was added is read.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Read of one journal at a look; what is beyond comes with the next. A run of a thousand effects has less.
const READ_MAX: u64 = 8 << 20;

/// Journals that are followed, the newest: one of a hundred failovers ago changes nothing here.
const JOURNALS_MAX: usize = 200;

/// Looks at the journals of `store` until nobody listens any more. What comes is every run that can be read, newest
/// first, each time that something has changed.
pub fn follow(store: Store) -> mpsc::Receiver<Vec<Run>> {
    // One list at a time: a console that is late wants the newest only.
    let (send, receive) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut journals = Journals::default();
        loop {
            look.tick().await;
            let Ok(place) = send.reserve().await else { return };
            let folder = store.folder().to_owned();
            let looked = tokio::task::spawn_blocking(move || {
                let changed = journals.look(&folder);
                (journals, changed)
            });
            let Ok((back, changed)) = looked.await else { return };
            journals = back;
            if changed {
                place.send(journals.runs());
            }
        }
    });
    receive
}

/// The journals of a folder, as far as they were read.
#[derive(Default)]
struct Journals {
    read: BTreeMap<PathBuf, Reading>,
}

/// One journal, as far as it was read.
struct Reading {
    /// Bytes of whole lines that were read.
    bytes: u64,
    /// Its size when it was looked at.
    size: u64,
    link: Link,
    run: Option<Run>,
    /// A line does not fit. It was told when the console started; it keeps no other journal from being followed.
    damaged: bool,
}

impl Journals {
    /// Reads what was added. True: something was, or a journal came or went.
    fn look(&mut self, folder: &Path) -> bool {
        let Ok(entries) = std::fs::read_dir(folder) else { return !std::mem::take(&mut self.read).is_empty() };
        let mut there: Vec<(SystemTime, PathBuf, u64)> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "jsonl"))
            .filter_map(|entry| {
                let data = entry.metadata().ok()?;
                Some((data.modified().ok()?, entry.path(), data.len()))
            })
            .collect();
        there.sort_by(|a, b| b.cmp(a));
        there.truncate(JOURNALS_MAX);
        let before = self.read.len();
        self.read.retain(|path, _| there.iter().any(|(_, there, _)| there == path));
        let mut changed = self.read.len() != before;
        for (_, path, size) in there {
            // One that became shorter was cut back to its last whole line, or is another: it is read anew.
            let mut reading = self.read.remove(&path).unwrap_or_else(Reading::new);
            if size < reading.bytes {
                reading = Reading::new();
                changed = true;
            }
            if !reading.damaged && (reading.size != size || reading.bytes < size) {
                changed |= reading.go_on(&path);
                reading.size = size;
            }
            self.read.insert(path, reading);
        }
        changed
    }

    fn runs(&self) -> Vec<Run> {
        let whole = self.read.values().filter(|reading| !reading.damaged);
        let mut runs: Vec<Run> = whole.filter_map(|reading| reading.run.clone()).collect();
        runs.sort_by(|a, b| b.declared_at.cmp(&a.declared_at).then_with(|| a.declared.run.cmp(&b.declared.run)));
        runs
    }
}

impl Reading {
    fn new() -> Reading {
        Reading { bytes: 0, size: 0, link: Link::first(), run: None, damaged: false }
    }

    /// Reads the whole lines that were added. True: there were some. A line without an end is still being written, or
    /// was torn by a crash: it is looked at again.
    fn go_on(&mut self, path: &Path) -> bool {
        let Ok(added) = added(path, self.bytes) else { return false };
        let before = self.bytes;
        for line in added.split_inclusive(|byte| *byte == b'\n') {
            let Some(body) = line.strip_suffix(b"\n") else { break };
            let read = std::str::from_utf8(body).ok().and_then(|text| self.link.read(text).ok());
            let fits = read.is_some_and(|(record, link)| {
                self.link = link;
                match &mut self.run {
                    Some(run) => run.apply(&record).is_ok(),
                    None => Run::begin(&record).map(|run| self.run = Some(run)).is_ok(),
                }
            });
            self.damaged |= !fits;
            if self.damaged {
                break;
            }
            self.bytes += line.len() as u64;
        }
        // No record is that long.
        self.damaged |= self.bytes == before && added.len() as u64 == READ_MAX;
        self.damaged || self.bytes > before
    }
}

fn added(path: &Path, from: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(READ_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Console {
    /// The journals have changed. What this console drives it knows better.
    pub(super) fn take_runs(&mut self, runs: &[Run]) {
        if self.driving.is_some() {
            return;
        }
        self.happen(Event::History(super::history::of(runs)));
        let followed = self.state.run.as_ref().map(|followed| &followed.run);
        let open = runs.iter().find(|run| run.ended.is_none());
        let same = |run: &&Run| followed.is_some_and(|followed| followed.declared.run == run.declared.run);
        let Some(run) = open.or_else(|| runs.iter().find(same)) else { return };
        if followed != Some(run) {
            self.happen(Event::Run(RunNews::Opened { run: Box::new(run.clone()), driving: false }));
        }
    }

    /// The journals as they are when the console starts, damaged ones with a word.
    pub(super) fn remember_runs(&mut self) {
        let store = self.store();
        match store.runs() {
            Ok(summaries) => {
                for error in summaries.iter().filter_map(|summary| summary.run.as_ref().err()) {
                    self.notice_journal(error);
                }
                let runs: Vec<Run> = summaries.into_iter().filter_map(|summary| summary.run.ok()).collect();
                self.take_runs(&runs);
            }
            Err(error) => self.notice_journal(&error),
        }
    }

    fn notice_journal(&mut self, error: &journal::JournalError) {
        let text = error.to_string();
        self.happen(Event::Notice { weight: crate::domain::fleet::happening::Weight::Warn, text });
    }

    pub(super) fn store(&self) -> Store {
        Store::new(&self.setup.state_dir, &self.setup.policy.environment)
    }
}

#[cfg(test)]
mod tests;
