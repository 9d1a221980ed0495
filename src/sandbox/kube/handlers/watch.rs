//! Watches: events from the store's history, filtered and written as they come, with bookmarks and an end. Not pure. A
//! watch keeps no queue: it reads the history from the last revision it has sent, and is ended when it has fallen out of
//! it.

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures_util::stream;
use http::StatusCode;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use serde_json::json;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    super::{
        clock,
        fault::ApiFault,
        forms::Writer,
        kinds::Kind,
        request::Objects,
        server::Shared,
        status::Failure,
        store::{Change, Event, Stored},
    },
    Answer, Context,
    list::{Selectors, revision_of},
    respond,
};

/// Events taken from the history at once; what one chunk of a watch can hold.
const BATCH: usize = 256;

struct Watch {
    shared: Arc<Shared>,
    kind: Kind,
    namespace: Option<String>,
    selectors: Selectors,
    writer: Writer,
    /// Everything up to this revision has been sent.
    seen: u64,
    /// Objects to be sent as ADDED before the events.
    initial: std::vec::IntoIter<Arc<Stored>>,
    /// Whether the end of the initial events is to be marked.
    mark_initial: bool,
    /// Whether no event has been sent yet: the first Table defines its columns.
    first: bool,
    bookmarks: bool,
    next_bookmark: Instant,
    deadline: Instant,
    news: watch::Receiver<u64>,
    fault: watch::Receiver<ApiFault>,
    ended: bool,
}

pub(super) fn answer(context: &Context, objects: &Objects) -> Answer {
    let writer = context.writer(objects.kind)?;
    let mut selectors = Selectors::of(context, objects)?;
    if let Some(name) = &objects.name {
        selectors = selectors.named(name);
    }
    let options = &context.shared.options;
    let bookmarks = context.query.is("allowWatchBookmarks");
    let send_initial = context.query.get("sendInitialEvents").map(|value| value == "true");
    check_initial(context, send_initial, options.watch_list)?;
    let asked = revision_of(context)?;
    // Before the snapshot, so that no event between the two is missed.
    let mut news = context.store().subscribe();
    news.mark_unchanged();
    let from_now = asked.unwrap_or(0) == 0;
    let (seen, initial) = match send_initial {
        Some(true) => snapshot(context, objects),
        None if from_now => snapshot(context, objects),
        _ if from_now => (context.store().revision(), Vec::new()),
        _ => (asked.unwrap_or(0), Vec::new()),
    };
    let now = Instant::now();
    let watch = Watch {
        shared: Arc::clone(&context.shared),
        kind: objects.kind,
        namespace: objects.namespace.clone(),
        selectors,
        writer,
        seen,
        initial: initial.into_iter(),
        mark_initial: send_initial == Some(true),
        first: true,
        bookmarks,
        next_bookmark: now + options.bookmark_every,
        deadline: now + context.query.timeout().unwrap_or(options.watch_timeout),
        news,
        fault: context.shared.fault.clone(),
        ended: false,
    };
    let chunks = stream::unfold(watch, |mut watch| async move {
        let chunk = watch.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(chunk))), watch))
    });
    Ok(respond(StatusCode::OK, "application/json", StreamBody::new(chunks).boxed_unsync()))
}

fn snapshot(context: &Context, objects: &Objects) -> (u64, Vec<Arc<Stored>>) {
    let snapshot = context.store().list(objects.kind, objects.namespace.as_deref());
    (snapshot.revision, snapshot.items)
}

/// What a server says to `sendInitialEvents` (validation of ListOptions in k8s.io/apimachinery).
fn check_initial(context: &Context, asked: Option<bool>, served: bool) -> Result<(), Failure> {
    let refuse = |field: &str, why: &str| {
        let message = format!("ListOptions.meta.k8s.io \"\" is invalid: {field}: {why}");
        let mut failure = Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message);
        failure.body["details"] = json!({"group": "meta.k8s.io", "kind": "ListOptions",
            "causes": [{"reason": "FieldValueForbidden", "message": why, "field": field}]});
        Err(failure)
    };
    let matching = context.query.get("resourceVersionMatch");
    match asked {
        None if matching.is_some() => refuse(
            "resourceVersionMatch",
            "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
        None => Ok(()),
        Some(_) if !served => refuse(
            "sendInitialEvents",
            "Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
        ),
        Some(_) if matching != Some("NotOlderThan") => refuse(
            "resourceVersionMatch",
            "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
        Some(_) => Ok(()),
    }
}

impl Watch {
    /// The next chunk; none at the end.
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if self.ended || Instant::now() >= self.deadline {
                return None;
            }
            if *self.fault.borrow() == ApiFault::StuckWatch {
                tokio::select! {
                    freed = self.fault.wait_for(|fault| *fault != ApiFault::StuckWatch) => if freed.is_err() { return None },
                    () = sleep_until(self.deadline) => return None,
                }
            }
            self.writer.now = clock::now();
            let text = self.ready();
            if !text.is_empty() {
                return Some(text);
            }
            if self.ended {
                return None;
            }
            let wake = if self.bookmarks { self.next_bookmark.min(self.deadline) } else { self.deadline };
            tokio::select! {
                changed = self.news.changed() => if changed.is_err() { return None },
                changed = self.fault.changed() => if changed.is_err() { return None },
                () = sleep_until(wake) => {}
            }
        }
    }

    /// What can be sent at once.
    fn ready(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        for object in self.initial.by_ref().take(BATCH) {
            if self.selectors.matches(&object) {
                text.extend(self.writer.event(Change::Added, &object, self.first));
                self.first = false;
            }
        }
        if self.initial.len() > 0 {
            return text;
        }
        if std::mem::take(&mut self.mark_initial) && self.bookmarks {
            text.extend(self.writer.bookmark(self.seen, self.first, true));
            self.first = false;
        }
        match self.shared.options.store.since(self.seen, BATCH) {
            Ok(events) => {
                for event in &events {
                    self.seen = event.revision;
                    if let Some(change) = self.change(event) {
                        text.extend(self.writer.event(change, &event.object, self.first));
                        self.first = false;
                    }
                }
            }
            Err(old) if self.first => {
                self.ended = true;
                let status = Failure::expired(old.to_string()).body;
                text.extend(format!("{}\n", json!({"type": "ERROR", "object": status})).into_bytes());
            }
            // Too slow a reader: ended without a word, as a real server does. It comes back and gets 410.
            Err(_) => self.ended = true,
        }
        let now = Instant::now();
        if self.bookmarks && !self.ended && now >= self.next_bookmark {
            text.extend(self.writer.bookmark(self.seen, self.first, false));
            self.first = false;
            self.next_bookmark = now + self.shared.options.bookmark_every.max(Duration::from_millis(10));
        }
        text
    }

    /// What an event is for this watch: an object may enter or leave what the selectors match.
    fn change(&self, event: &Event) -> Option<Change> {
        let wanted = |object: &Stored| {
            object.kind == self.kind
                && self.namespace.as_deref().is_none_or(|namespace| namespace == object.namespace())
                && self.selectors.matches(object)
        };
        let before = event.previous.as_deref().is_some_and(wanted);
        let after = event.change != Change::Deleted && wanted(&event.object);
        transition(before, after)
    }
}

/// From "matched before" and "matches now" to the event a watch sends.
fn transition(before: bool, after: bool) -> Option<Change> {
    match (before, after) {
        (false, true) => Some(Change::Added),
        (true, true) => Some(Change::Modified),
        (true, false) => Some(Change::Deleted),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_enter_and_leave_a_selection() {
        assert_eq!(transition(false, true), Some(Change::Added));
        assert_eq!(transition(true, true), Some(Change::Modified));
        assert_eq!(transition(true, false), Some(Change::Deleted));
        assert_eq!(transition(false, false), None);
    }
}
