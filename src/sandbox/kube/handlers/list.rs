//! Lists: whole or in pages, with selectors, in any form. Not pure: reads the store. The text is written chunk by chunk
//! while it is sent, so that a list of 20,000 objects needs no buffer of its size.

use std::{convert::Infallible, sync::Arc};

use futures_util::stream;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};

use super::{
    super::{
        forms::{ListMeta, Writer},
        request::Objects,
        selector::{FieldSelector, LabelSelector, SelectorError},
        status::Failure,
        store::{ObjectKey, Snapshot, Stored},
    },
    Answer, Body, Context, respond,
};

/// A chunk is sent when it is this long.
const CHUNK: usize = 64 << 10;

const EXPIRED: &str = "The provided continue parameter is too old to display a consistent list result. You can start a new \
     list without the continue parameter, or use the continue token in this response to retrieve the remainder of the \
     results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, \
     or deleted between the time the first chunk was returned and now may show up in the list.";

/// Both selectors of a request.
pub(super) struct Selectors {
    labels: LabelSelector,
    fields: FieldSelector,
    narrow: bool,
}

impl Selectors {
    pub(super) fn of(context: &Context, objects: &Objects) -> Result<Self, Failure> {
        let labels = context.query.get("labelSelector").unwrap_or("");
        let fields = context.query.get("fieldSelector").unwrap_or("");
        let narrow = !labels.is_empty() || !fields.is_empty();
        let labels_read = LabelSelector::parse(labels).map_err(|error| Failure::bad_request(error.to_string()))?;
        let fields_read = FieldSelector::parse(objects.kind, fields).map_err(|error| {
            Failure::bad_request(match error {
                SelectorError::Field(_) => error.to_string(),
                SelectorError::Grammar(text) => text,
            })
        })?;
        Ok(Self { labels: labels_read, fields: fields_read, narrow })
    }

    /// The same, for one object only: a watch may be put on a name.
    pub(super) fn named(mut self, name: &str) -> Self {
        self.fields = self.fields.and_name(name);
        self
    }

    pub(super) fn matches(&self, object: &Stored) -> bool {
        self.labels.matches(object) && self.fields.matches(object)
    }
}

pub(super) fn answer(context: &Context, objects: &Objects) -> Answer {
    let writer = context.writer(objects.kind)?;
    let selectors = Selectors::of(context, objects)?;
    let token = context.query.get("continue").map(read_token).transpose()?;
    let snapshot = snapshot(context, objects, token.as_ref())?;
    let revision = snapshot.revision;
    let after = token.map(|token| token.after);
    let mut items: Vec<Arc<Stored>> = snapshot
        .items
        .into_iter()
        .filter(|item| after.as_ref().is_none_or(|after| item.key > *after))
        .filter(|item| selectors.matches(item))
        .collect();
    let mut meta = ListMeta { revision, ..ListMeta::default() };
    let limit = context.query.number("limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(0);
    if limit > 0 && items.len() > limit {
        let remaining = items.len() - limit;
        items.truncate(limit);
        meta.next = items.last().map(|last| write_token(Some(revision), &last.key));
        // With a selector a real server does not know how many follow.
        meta.remaining = (!selectors.narrow).then_some(remaining);
    }
    Ok(respond_list(writer, &meta, items))
}

fn snapshot(context: &Context, objects: &Objects, token: Option<&Token>) -> Result<Snapshot, Failure> {
    let (store, namespace) = (context.store(), objects.namespace.as_deref());
    let current = store.revision();
    if let Some(token) = token {
        return match token.revision {
            Some(revision) if revision != current => store.list_at(objects.kind, namespace, revision).map_err(|_| {
                let mut failure = Failure::expired(EXPIRED);
                failure.body["metadata"]["continue"] = write_token(None, &token.after).into();
                failure
            }),
            _ => Ok(store.list(objects.kind, namespace)),
        };
    }
    let asked = revision_of(context)?;
    match context.query.get("resourceVersionMatch") {
        Some("Exact") => {
            let Some(asked) = asked.filter(|asked| *asked > 0) else {
                return Err(Failure::bad_request("resourceVersionMatch=Exact needs a resourceVersion"));
            };
            if asked > current {
                return Err(Failure::too_large(asked, current));
            }
            store
                .list_at(objects.kind, namespace, asked)
                .map_err(|_| Failure::expired("The resourceVersion for the provided list is too old."))
        }
        _ => match asked {
            Some(asked) if asked > current => Err(Failure::too_large(asked, current)),
            _ => Ok(store.list(objects.kind, namespace)),
        },
    }
}

/// `resourceVersion` of the query.
pub(super) fn revision_of(context: &Context) -> Result<Option<u64>, Failure> {
    let Some(text) = context.query.get("resourceVersion") else { return Ok(None) };
    let wrong = || {
        Failure::bad_request(format!(
            "invalid resource version: resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": \
             invalid syntax"
        ))
    };
    text.parse().map(Some).map_err(|_| wrong())
}

fn respond_list(writer: Writer, meta: &ListMeta, items: Vec<Arc<Stored>>) -> Response<Body> {
    let first = writer.head(meta);
    let chunks = stream::unfold((Some(first), items.into_iter(), true), move |(text, mut items, first)| async move {
        let mut text = text?;
        let mut comma = !first;
        while text.len() < CHUNK {
            let Some(item) = items.next() else {
                text.extend_from_slice(writer.tail());
                return Some((frame(text), (None, items, false)));
            };
            if comma {
                text.push(b',');
            }
            comma = true;
            writer.item(&mut text, &item);
        }
        Some((frame(text), (Some(Vec::with_capacity(CHUNK)), items, false)))
    });
    respond(StatusCode::OK, "application/json", StreamBody::new(chunks).boxed_unsync())
}

fn frame(text: Vec<u8>) -> Result<Frame<Bytes>, Infallible> {
    Ok(Frame::data(text.into()))
}

/// Where a paged list goes on. `revision` is none for "whatever is now", which a client chooses after a 410.
struct Token {
    revision: Option<u64>,
    after: ObjectKey,
}

fn write_token(revision: Option<u64>, after: &ObjectKey) -> String {
    let text = format!("{}/{}/{}", revision.unwrap_or(0), after.namespace, after.name);
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn read_token(token: &str) -> Result<Token, Failure> {
    let wrong = || Failure::bad_request("invalid continue token: continue key is not valid");
    let raw: Option<Vec<u8>> = (0..token.len())
        .step_by(2)
        .map(|at| token.get(at..at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()))
        .collect();
    let text = raw.and_then(|raw| String::from_utf8(raw).ok()).ok_or_else(wrong)?;
    let mut parts = text.splitn(3, '/');
    let mut part = || parts.next().ok_or_else(wrong);
    let revision: u64 = part()?.parse().map_err(|_| wrong())?;
    let after = ObjectKey::new(part()?, part()?);
    Ok(Token { revision: (revision > 0).then_some(revision), after })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive() {
        let key = ObjectKey::new("ml", "a.b");
        let token = read_token(&write_token(Some(7), &key)).unwrap();
        assert_eq!((token.revision, token.after), (Some(7), key));
        for text in ["x", "0", "zz", "é", "30"] {
            assert!(read_token(text).is_err(), "{text}");
        }
    }
}
