//! What the list of workflows lacks, asked for run by run: those on the screen first and again and again, every other
//! unfinished run once, for the inventory of what a failover would lose. Throttled: the server has other work.

use super::call::Server;
use super::observe::{Post, Wanted};
use super::rights::argo_path;
use super::runs;
use super::watch::Closed;
use super::wire::{escape, text_at};
use crate::domain::kubernetes::ObjectKey;
use crate::domain::observation::Fact;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

/// Requests in flight at most.
const IN_FLIGHT_MAX: usize = 4;

/// Between two requests: at most ten a second.
const SPACING: Duration = Duration::from_millis(100);

/// A run on the screen is asked for again after this long, if it has changed or not.
const ON_SCREEN_AGAIN: Duration = Duration::from_secs(5);

/// Keys taken from the screen at most; no screen shows more.
const ON_SCREEN_MAX: usize = 200;

/// What is known of unfinished runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// These are all.
    All(Vec<(ObjectKey, String)>),
    /// This one is new or changed.
    Seen(ObjectKey, String),
    /// This one is finished or gone.
    Gone(ObjectKey),
}

/// Unfinished runs and when each was last asked for.
#[derive(Debug, Default)]
pub struct Inventory {
    runs: BTreeMap<ObjectKey, Run>,
    /// Those never asked for, so that the next is found without a search.
    fresh: BTreeSet<ObjectKey>,
}

#[derive(Debug)]
struct Run {
    uid: String,
    asked: Option<Instant>,
}

impl Inventory {
    /// Takes a note.
    pub fn note(&mut self, noted: Noted) {
        match noted {
            Noted::All(all) => {
                let before = std::mem::take(&mut self.runs);
                self.fresh.clear();
                for (key, uid) in all {
                    let asked = before.get(&key).filter(|run| run.uid == uid).and_then(|run| run.asked);
                    self.put(key, uid, asked);
                }
            }
            Noted::Seen(key, uid) => {
                let asked = self.runs.get(&key).filter(|run| run.uid == uid).and_then(|run| run.asked);
                self.put(key, uid, asked);
            }
            Noted::Gone(key) => {
                self.runs.remove(&key);
                self.fresh.remove(&key);
            }
        }
    }

    fn put(&mut self, key: ObjectKey, uid: String, asked: Option<Instant>) {
        if asked.is_none() {
            self.fresh.insert(key.clone());
        }
        self.runs.insert(key, Run { uid, asked });
    }

    /// The next to ask for: on the screen and longest not asked for, else any that never was.
    #[must_use]
    pub fn next(&self, on_screen: &[ObjectKey], now: Instant) -> Option<ObjectKey> {
        let due = |run: &Run| run.asked.is_none_or(|at| now.duration_since(at) >= ON_SCREEN_AGAIN);
        on_screen
            .iter()
            .take(ON_SCREEN_MAX)
            .filter_map(|key| self.runs.get(key).filter(|run| due(run)).map(|run| (run.asked, key)))
            .min_by_key(|(asked, _)| *asked)
            .map(|(_, key)| key)
            .or_else(|| self.fresh.first())
            .cloned()
    }

    /// It is being asked for.
    pub fn asked(&mut self, key: &ObjectKey, now: Instant) {
        self.fresh.remove(key);
        if let Some(run) = self.runs.get_mut(key) {
            run.asked = Some(now);
        }
    }

    /// It could not be had: ask once more, after the others.
    pub fn failed(&mut self, key: &ObjectKey) {
        if let Some(run) = self.runs.get_mut(key) {
            run.asked = None;
            self.fresh.insert(key.clone());
        }
    }
}

/// What became of a request.
enum Landed {
    Detail(Box<Fact>),
    /// Gone meanwhile, or not permitted: the watch says the first, the rights the second.
    Without,
    /// No answer.
    Again,
}

/// Fetches until nobody listens any more.
pub(super) async fn fetch(
    mut post: Post,
    noted: &mut mpsc::Receiver<Noted>,
    wanted: watch::Receiver<Wanted>,
) -> Closed {
    let mut inventory = Inventory::default();
    let mut flying: JoinSet<(ObjectKey, Landed)> = JoinSet::new();
    let mut ticks = tokio::time::interval(SPACING);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The server did not answer: its next heartbeat is waited for before asking on.
    let mut silent = false;
    let out = post.out.clone();
    loop {
        tokio::select! {
            () = out.closed() => return Closed,
            note = noted.recv() => match note {
                Some(note) => inventory.note(note),
                None => return Closed,
            },
            Some(landed) = flying.join_next() => match landed {
                Ok((_, Landed::Detail(fact))) => if post.tell(*fact).await.is_err() { return Closed },
                Ok((_, Landed::Without)) => {}
                Ok((key, Landed::Again)) => {
                    inventory.failed(&key);
                    silent = true;
                }
                Err(error) => tracing::error!(%error, "fetching a run's details ended unexpectedly"),
            },
            beat = post.next_beat(), if silent => match beat {
                Ok(()) => silent = false,
                Err(Closed) => return Closed,
            },
            _ = ticks.tick(), if !silent && flying.len() < IN_FLIGHT_MAX => {
                let next = inventory.next(&wanted.borrow().runs, Instant::now());
                if let Some(key) = next {
                    inventory.asked(&key, Instant::now());
                    flying.spawn(get(post.servers.borrow().clone(), key));
                }
            }
        }
    }
}

async fn get(server: Server, key: ObjectKey) -> (ObjectKey, Landed) {
    let path = format!("{}/{}", argo_path(Some(&key.namespace), "workflows"), escape(&key.name));
    let landed = match server.get::<Value>(&path).await {
        Ok(object) => {
            let (uid, detail) = (text_at(&object, "/metadata/uid", 64), runs::detail(&object));
            Landed::Detail(Box::new(Fact::RunDetail { key: key.clone(), uid, detail }))
        }
        Err(error) if error.lasting() => Landed::Without,
        Err(_) => Landed::Again,
    };
    (key, landed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("ml", name)
    }

    fn note(names: &[&str]) -> Noted {
        Noted::All(names.iter().map(|name| (key(name), format!("uid-{name}"))).collect())
    }

    /// The order in which an inventory asks, all in one moment.
    fn order(inventory: &mut Inventory, on_screen: &[ObjectKey], now: Instant) -> Vec<String> {
        let mut order = Vec::new();
        while let Some(next) = inventory.next(on_screen, now) {
            inventory.asked(&next, now);
            order.push(next.name);
        }
        order
    }

    #[test]
    fn the_screen_first_and_again_the_others_once() {
        let (mut inventory, start) = (Inventory::default(), Instant::now());
        inventory.note(note(&["a", "b", "c", "d"]));
        let screen = [key("c"), key("not-unfinished"), key("d")];
        assert_eq!(order(&mut inventory, &screen, start), ["c", "d", "a", "b"]);
        let later = start + ON_SCREEN_AGAIN;
        assert_eq!(order(&mut inventory, &screen, later - Duration::from_millis(1)), [""; 0]);
        assert_eq!(order(&mut inventory, &screen, later), ["c", "d"]);
    }

    #[test]
    fn what_ends_is_forgotten_and_a_namesake_or_a_failure_is_asked_for_anew() {
        let (mut inventory, now) = (Inventory::default(), Instant::now());
        inventory.note(note(&["a", "b", "c"]));
        inventory.note(Noted::Gone(key("b")));
        assert_eq!(order(&mut inventory, &[], now), ["a", "c"]);
        inventory.note(Noted::Seen(key("a"), "uid-a".into()));
        assert_eq!(order(&mut inventory, &[], now), [""; 0], "a change is no reason");
        inventory.note(Noted::Seen(key("a"), "uid-other".into()));
        inventory.failed(&key("c"));
        inventory.failed(&key("gone"));
        assert_eq!(order(&mut inventory, &[], now), ["a", "c"]);
        inventory.note(note(&["c", "e"]));
        assert_eq!(order(&mut inventory, &[], now), ["e"], "a relist does not begin the inventory again");
    }
}
