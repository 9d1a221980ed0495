//! Runs that another process drives: their journals are looked at as they grow, so that a second console and a read-only
//! one on the same machine show the run as it goes.

use super::Console;
use crate::console::{Event, RunNews};
use crate::journal::{self, Store};
use crate::playbook::run::Run;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often the folder is looked at: a listing of a few files, which are read only when their sizes have changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks at the journals of `store` until nobody listens any more. What comes is every run that can be read, newest
/// first, each time that something has changed.
pub fn follow(store: Store) -> mpsc::Receiver<Vec<Run>> {
    // One list at a time: a console that is late wants the newest only.
    let (send, receive) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut seen = None;
        loop {
            look.tick().await;
            let Ok(place) = send.reserve().await else { return };
            let store = store.clone();
            let before = seen.take();
            let looked = tokio::task::spawn_blocking(move || {
                let sizes = sizes(&store);
                let runs = (before.as_ref() != Some(&sizes)).then(|| runs(&store));
                (sizes, runs)
            });
            let Ok((sizes, runs)) = looked.await else { continue };
            seen = Some(sizes);
            if let Some(runs) = runs {
                place.send(runs);
            }
        }
    });
    receive
}

fn sizes(store: &Store) -> BTreeMap<PathBuf, u64> {
    let Ok(entries) = std::fs::read_dir(store.folder()) else { return BTreeMap::new() };
    entries.filter_map(Result::ok).filter_map(|entry| Some((entry.path(), entry.metadata().ok()?.len()))).collect()
}

/// A journal that is damaged was told when the console started; it keeps no other from being followed.
fn runs(store: &Store) -> Vec<Run> {
    store.runs().unwrap_or_default().into_iter().filter_map(|summary| summary.run.ok()).collect()
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
