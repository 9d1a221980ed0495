//! One object: get, create, replace, patch, delete. Not pure: reads and writes the store. A patch without a
//! resourceVersion of its own is applied again when somebody was faster, as a real server does.

use http::{Method, StatusCode};
use serde_json::Value;

use super::{
    super::{
        admit,
        kinds::Kind,
        patch,
        request::Objects,
        status::{Failure, deleted},
        store::{self, Expect, ObjectKey, StoreError, Stored},
    },
    Answer, Context, bytes, json,
};

/// How often a patch is applied again when the object changed underneath. A real server: five times.
const RETRIES: usize = 5;

pub(super) fn get(context: &Context, objects: &Objects) -> Answer {
    let object = context
        .store()
        .get(objects.kind, objects.namespace(), objects.name())
        .ok_or_else(|| Failure::not_found(objects.kind, objects.name()))?;
    send(context, StatusCode::OK, &object)
}

fn send(context: &Context, code: StatusCode, object: &Stored) -> Answer {
    let mut text = context.writer(object.kind)?.object(object);
    text.push(b'\n');
    Ok(bytes(code, "application/json", text))
}

pub(super) fn create(context: &Context, objects: &Objects) -> Answer {
    let (kind, namespace) = (objects.kind, objects.namespace());
    let mut object = context.json()?;
    admit::check_body(kind, namespace, &mut object)?;
    if kind.meta().namespaced {
        if namespace.is_empty() {
            return Err(Failure::method_not_allowed());
        }
        if context.store().get(Kind::Namespace, "", namespace).is_none() {
            return Err(Failure::not_found(Kind::Namespace, namespace));
        }
    }
    admit::create(kind, &mut object, context.user)?;
    let name = object["metadata"]["name"].as_str().unwrap_or("").to_owned();
    if context.query.dry_run() {
        if context.store().get(kind, namespace, &name).is_some() {
            return Err(Failure::already_exists(kind, &name));
        }
        store::complete(kind, &mut object, context.now);
        return send(context, StatusCode::CREATED, &Stored::new(kind, &object, 0));
    }
    let stored =
        context.store().create(kind, object, context.now).map_err(|error| Failure::from_store(error, kind, &name))?;
    send(context, StatusCode::CREATED, &stored)
}

pub(super) fn update(context: &Context, objects: &Objects) -> Answer {
    let (kind, name) = (objects.kind, objects.name());
    let put = context.method == Method::PUT;
    let patch = if put { None } else { Some(Patch::of(context, kind)?) };
    let replacement = if put { Some(context.json()?) } else { None };
    let conditional = sends_revision(&replacement, &patch);
    let mut attempt = 0;
    loop {
        attempt += 1;
        let current =
            context.store().get(kind, objects.namespace(), name).ok_or_else(|| Failure::not_found(kind, name))?;
        let before = current.value();
        let mut object = match (&replacement, &patch) {
            (Some(replacement), _) => replacement.clone(),
            (None, Some(patch)) => patch.apply(&before)?,
            (None, None) => before.clone(),
        };
        admit::check_body(kind, objects.namespace(), &mut object)?;
        check_identity(kind, &current, &mut object, put)?;
        admit::update(kind, &before, &mut object, objects.subresource.as_deref().unwrap_or(""))?;
        let free = put && object["metadata"]["resourceVersion"].as_str().is_none_or(str::is_empty);
        if free {
            object["metadata"]["resourceVersion"] = current.revision.to_string().into();
        }
        if context.query.dry_run() {
            if object["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"] {
                return Err(Failure::from_store(StoreError::Conflict, kind, name));
            }
            let object = store::succeed(kind, &before, object);
            return send(context, StatusCode::OK, &Stored::new(kind, &object, current.revision));
        }
        // The resourceVersion read above stands in the object, so that a faster writer is noticed; one that the client
        // sent itself is the client's precondition and is not tried again.
        match context.store().replace(kind, object) {
            Ok(stored) => return send(context, StatusCode::OK, &stored),
            Err(StoreError::Conflict) if !conditional && attempt <= RETRIES => {}
            Err(error) => return Err(Failure::from_store(error, kind, name)),
        }
    }
}

/// Whether the client itself named a resourceVersion.
fn sends_revision(replacement: &Option<Value>, patch: &Option<Patch>) -> bool {
    let of = |value: &Value| value["metadata"]["resourceVersion"].as_str().is_some_and(|text| !text.is_empty());
    replacement.as_ref().is_some_and(of) || patch.as_ref().is_some_and(|patch| of(&patch.body))
}

/// Refuses another uid: 409 for a PUT (a precondition), 422 for a patch (an immutable field).
fn check_identity(kind: Kind, current: &Stored, object: &mut Value, put: bool) -> Result<(), Failure> {
    let metadata = &mut object["metadata"];
    match metadata["uid"].as_str() {
        Some(asked) if asked != &*current.uid && put && !asked.is_empty() => {
            let error = StoreError::OtherUid { expected: asked.to_owned(), found: current.uid.to_string() };
            return Err(Failure::from_store(error, kind, current.name()));
        }
        Some(asked) if asked != &*current.uid && !put => {
            return Err(admit::immutable_uid(kind, current.name(), asked));
        }
        _ => {}
    }
    let revision = metadata["resourceVersion"].as_str().unwrap_or("");
    if !revision.is_empty() && revision.parse::<u64>().is_err() {
        let message = format!("strconv.ParseUint: parsing \"{revision}\": invalid syntax");
        return Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "", message));
    }
    if put && revision.is_empty() && !kind.meta().unconditional {
        return Err(admit::unconditional(kind, current.name()));
    }
    Ok(())
}

/// A patch of one of the three types.
pub(super) struct Patch {
    kind: PatchKind,
    body: Value,
}

enum PatchKind {
    Merge,
    Strategic,
    Json,
}

impl Patch {
    pub(super) fn of(context: &Context, kind: Kind) -> Result<Self, Failure> {
        const JSON: &str = "application/json-patch+json";
        const MERGE: &str = "application/merge-patch+json";
        const STRATEGIC: &str = "application/strategic-merge-patch+json";
        let custom = kind.meta().custom;
        let patch = match context.content_type.split(';').next().unwrap_or("").trim() {
            JSON => PatchKind::Json,
            MERGE => PatchKind::Merge,
            STRATEGIC if !custom => PatchKind::Strategic,
            // A real server names application/apply-patch+yaml as well. Server-side apply is not served here.
            _ if custom => return Err(Failure::unsupported_media_type(&[JSON, MERGE])),
            _ => return Err(Failure::unsupported_media_type(&[JSON, MERGE, STRATEGIC])),
        };
        let body: Value = serde_json::from_slice(&context.body)
            .map_err(|error| Failure::bad_request(format!("error decoding patch: {error}")))?;
        if !body.is_object() && !matches!(patch, PatchKind::Json) {
            return Err(Failure::bad_request("error decoding patch: not an object"));
        }
        Ok(Self { kind: patch, body })
    }

    pub(super) fn apply(&self, before: &Value) -> Result<Value, Failure> {
        let mut object = before.clone();
        match self.kind {
            PatchKind::Merge => patch::merge(&mut object, &self.body),
            PatchKind::Strategic => patch::strategic(&mut object, &self.body),
            PatchKind::Json => patch::json_patch(&mut object, &self.body).map_err(|error| match error {
                patch::PatchError::Malformed(why) => Failure::bad_request(why),
                patch::PatchError::Unapplicable(why) => {
                    let message = format!("the server rejected our request due to an error in our request: {why}");
                    Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
                }
            })?,
        }
        Ok(object)
    }
}

pub(super) fn delete(context: &Context, objects: &Objects) -> Answer {
    let (kind, name) = (objects.kind, objects.name());
    let key = ObjectKey::new(objects.namespace(), name);
    let options = if context.body.is_empty() { Value::Null } else { context.json()? };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let expect = Expect {
        uid: text(&options["preconditions"]["uid"]),
        // A resourceVersion that is no number belongs to no object.
        revision: text(&options["preconditions"]["resourceVersion"]).map(|text| text.parse().unwrap_or(0)),
    };
    let current = context.store().get(kind, objects.namespace(), name).ok_or_else(|| Failure::not_found(kind, name))?;
    check_expected(&current, &expect)?;
    let dry = context.query.dry_run() || options["dryRun"].as_array().is_some_and(|dry| !dry.is_empty());
    let failed = |error| Failure::from_store(error, kind, name);
    if kind == Kind::Pod {
        let grace = options["gracePeriodSeconds"]
            .as_i64()
            .or_else(|| context.query.number("gracePeriodSeconds").and_then(|grace| i64::try_from(grace).ok()));
        let stored = if dry { current } else { delete_pod(context, &current, grace, &expect).map_err(failed)? };
        return send(context, StatusCode::OK, &stored);
    }
    if dry {
        return Ok(json(StatusCode::OK, &deleted(kind.meta(), name, &current.uid)));
    }
    let (stored, gone) = context.store().delete(kind, &key, &expect, context.now).map_err(failed)?;
    if gone && kind != Kind::Namespace {
        Ok(json(StatusCode::OK, &deleted(kind.meta(), name, &stored.uid)))
    } else {
        send(context, StatusCode::OK, &stored)
    }
}

/// Deletes a pod as the API server does: at once when nothing runs, otherwise marked, for the kubelet to stop it.
pub(super) fn delete_pod(
    context: &Context,
    pod: &Stored,
    grace: Option<i64>,
    expect: &Expect,
) -> Result<std::sync::Arc<Stored>, StoreError> {
    let object = pod.value();
    let scheduled = object["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty());
    let finished = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    let grace = grace.or_else(|| object["spec"]["terminationGracePeriodSeconds"].as_i64()).unwrap_or(30);
    if grace <= 0 || !scheduled || finished {
        return context.store().delete(Kind::Pod, &pod.key, expect, context.now).map(|(stored, _)| stored);
    }
    context.store().mark_deleted(Kind::Pod, &pod.key, expect, context.now, grace)
}

fn check_expected(current: &Stored, expect: &Expect) -> Result<(), Failure> {
    if let Some(uid) = expect.uid.as_ref().filter(|uid| ***uid != *current.uid) {
        let why = format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted \
             and then recreated",
            current.uid
        );
        return Err(Failure::deletion_conflict(current.kind, current.name(), &why));
    }
    if let Some(revision) = expect.revision.filter(|revision| *revision != current.revision) {
        let why = format!(
            "the ResourceVersion in the precondition ({revision}) does not match the ResourceVersion in record ({}). The \
             object might have been modified",
            current.revision
        );
        return Err(Failure::deletion_conflict(current.kind, current.name(), &why));
    }
    Ok(())
}
