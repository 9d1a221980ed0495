//! One effect under way, from the proof of identity to the name of its outcome.

use super::act::Actuator;
use super::backoff::jitter;
use super::call::{Ask, JSON, Server};
use super::failure::{CallError, Reached};
use super::lock::{self, LockError, Taken};
use super::probe;
use super::rights::argo_path;
use super::wire::{escape, number_at, text_at};
use crate::adapters::clock;
use crate::domain::effect::{Outcome, Previous, Target};
use crate::domain::kubernetes::ObjectKey;
use crate::domain::region::Side;
use http::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// RFC 7386, the only kind of patch that custom resources and `scale` both take.
const MERGE_PATCH: &str = "application/merge-patch+json";

/// Changes by others, between our look and our request, after which we give up.
const CONFLICTS_MAX: usize = 3;

/// Tries in all, whatever made the object newer, and the longest pause between two.
const TRIES_MAX: usize = 12;
const CONFLICT_PAUSE: Duration = Duration::from_millis(400);

/// Label of what leeward creates: the run it belongs to.
pub const RUN_LABEL: &str = "leeward.dev/run";

/// Longest wait for the answer to a write. Well within a lease, so that the lock outlives every request.
const WRITE_TIME_MAX: Duration = Duration::from_secs(15);

/// A write is begun at once after the lock was read back, or not at all.
const BEGIN_WITHIN: Duration = Duration::from_secs(2);

/// Shortest time in which a write is still begun.
const WRITE_TIME_MIN: Duration = Duration::from_millis(200);

/// One effect under way.
pub(super) struct Attempt<'a> {
    pub actuator: &'a Actuator,
    pub server: Server,
    pub until: Instant,
}

/// What became of a request that changes something.
enum Written {
    Took(Value),
    /// The object is a newer one than was read.
    Conflict(String),
    Ended(Outcome),
}

pub(super) fn refused(reason: &str) -> Outcome {
    Outcome::Refused { reason: reason.to_owned() }
}

impl Attempt<'_> {
    /// Proves which cluster answers.
    async fn prove(&self, expected: &str) -> Result<(), Outcome> {
        let found = self.before(probe::cluster_uid(&self.server).await).await?;
        if found == expected {
            return Ok(());
        }
        Err(Outcome::Refused {
            reason: format!(
                "another cluster answers at {}: its UID is {found}, expected {expected}",
                self.server.url()
            ),
        })
    }

    /// A question before anything was sent: its failure changes nothing.
    async fn before<T>(&self, answer: Result<T, CallError>) -> Result<T, Outcome> {
        let error = match answer {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if error.code == Some(401) {
            self.actuator.forget_credentials(&self.server).await;
        }
        let reason = error.error.text.clone();
        Err(if error.lasting() { Outcome::Refused { reason } } else { Outcome::NotSent { reason } })
    }

    /// Reads an object and compares its UID.
    async fn object(&self, path: &str, target: &Target) -> Result<Value, Outcome> {
        let object: Value = self.before(self.server.get(path).await).await?;
        let found = text_at(&object, "/metadata/uid", 64);
        if found == target.uid {
            return Ok(object);
        }
        let reason =
            format!("{} is another object by the same name: its UID is {found}, expected {}", target.key, target.uid);
        Err(Outcome::Refused { reason })
    }

    /// Sends one request that changes something, with the lock read back right before.
    async fn write(&self, method: Method, path: &str, media: &str, body: &Value) -> Written {
        let limit = self.until.saturating_duration_since(Instant::now()).min(WRITE_TIME_MAX);
        if limit < WRITE_TIME_MIN {
            return Written::Ended(Outcome::NotSent { reason: "no time was left to send it".to_owned() });
        }
        if let Err(reason) = self.actuator.verify_lock(limit + BEGIN_WITHIN).await {
            return Written::Ended(Outcome::NotSent { reason });
        }
        let ask = Ask::with_body(method, path, media, body).within(limit).not_after(clock::now() + BEGIN_WITHIN);
        match self.server.ask(ask).await {
            Ok(object) => Written::Took(object),
            Err(error) => self.after(error).await,
        }
    }

    async fn after(&self, error: CallError) -> Written {
        let reason = error.error.text;
        Written::Ended(match (error.reached, error.code) {
            (Reached::Never, _) => Outcome::NotSent { reason },
            (_, Some(409)) => return Written::Conflict(reason),
            (Reached::Answered, Some(code)) if code < 500 => {
                if code == 401 {
                    self.actuator.forget_credentials(&self.server).await;
                }
                Outcome::Refused { reason }
            }
            // A 5xx may come from a proxy, or from a server whose store took the write and answered too late.
            _ => Outcome::Unknown { reason },
        })
    }

    pub async fn suspend(&self, target: &Target, suspend: bool) -> Result<Outcome, Outcome> {
        let path = format!("{}/{}", argo_path(Some(&target.key.namespace), "cronworkflows"), escape(&target.key.name));
        let read = |object: &Value| Some(object.pointer("/spec/suspend").and_then(Value::as_bool).unwrap_or(false));
        let change = Change {
            target,
            path: &path,
            patch_path: &path,
            field: "suspend",
            wanted: suspend,
            read: &read,
            previous: &|value| Previous::Suspended { value },
        };
        self.change(change).await
    }

    pub async fn scale(&self, target: &Target, replicas: u32) -> Result<Outcome, Outcome> {
        let (namespace, name) = (escape(&target.key.namespace), escape(&target.key.name));
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
        // A Scale of nought leaves the number out; a Deployment never does, its default is stored.
        let read = |object: &Value| match object.get("kind").and_then(Value::as_str) {
            Some("Scale") => Some(number_at(object, "/spec/replicas").unwrap_or(0)),
            _ => Some(number_at(object, "/spec/replicas").unwrap_or(1)),
        };
        let change = Change {
            target,
            path: &path,
            patch_path: &format!("{path}/scale"),
            field: "replicas",
            wanted: replicas,
            read: &read,
            previous: &|value| Previous::Replicas { value },
        };
        self.change(change).await
    }

    /// Sets one field of an object's spec, with its UID and version as the precondition.
    async fn change<T: Copy + PartialEq + std::fmt::Display + serde::Serialize>(
        &self,
        change: Change<'_, T>,
    ) -> Result<Outcome, Outcome> {
        let Change { target, field, wanted, .. } = change;
        self.prove(&target.cluster_uid).await?;
        let (mut reason, mut conflicts, mut generation) = (String::new(), 0, None);
        for _ in 0..TRIES_MAX {
            let object = self.object(change.path, target).await?;
            let before = (change.read)(&object);
            if before == Some(wanted) {
                return Ok(Outcome::Already { reply: format!("{} has {field} = {wanted}", target.key) });
            }
            // A Deployment whose pods come and go gets a new version several times a second, by its status alone: that
            // is nobody's change of what is wanted, and no reason to give up on a fence.
            let now = object.pointer("/metadata/generation").and_then(Value::as_i64);
            if generation.is_some_and(|before| before != now) {
                conflicts += 1;
            }
            if conflicts >= CONFLICTS_MAX {
                break;
            }
            generation = Some(now);
            let version = text_at(&object, "/metadata/resourceVersion", 64);
            let patch = json!({"metadata": {"uid": target.uid, "resourceVersion": version}, "spec": {field: wanted}});
            match self.write(Method::PATCH, change.patch_path, MERGE_PATCH, &patch).await {
                Written::Took(object) => return Ok(took(&change, before, &object)),
                Written::Conflict(said) => reason = said,
                Written::Ended(outcome) => return Ok(outcome),
            }
            tokio::time::sleep(jitter(CONFLICT_PAUSE)).await;
        }
        Err(Outcome::Refused { reason: format!("{} changes all the time: {reason}", target.key) })
    }

    pub async fn canary(&self, cluster_uid: &str, key: &ObjectKey, manifest: &Value) -> Result<Outcome, Outcome> {
        let of = |object: &Value, pointer: &str| text_at(object, pointer, 253);
        let run = |object: &Value| object.pointer("/metadata/labels").and_then(|l| l.get(RUN_LABEL)).cloned();
        let named = ObjectKey::new(of(manifest, "/metadata/namespace"), of(manifest, "/metadata/name"));
        if named != *key {
            return Err(refused(&format!("the manifest is for {named}, not for {key}")));
        }
        let Some(ours) = run(manifest) else {
            return Err(refused(&format!(
                "the manifest of {key} has no label {RUN_LABEL}, by which a second try could know it"
            )));
        };
        self.prove(cluster_uid).await?;
        let collection = argo_path(Some(&key.namespace), "workflows");
        let path = format!("{collection}/{}", escape(&key.name));
        for _ in 0..2 {
            match self.server.get::<Value>(&path).await {
                Ok(there) if run(&there).as_ref() == Some(&ours) => {
                    return Ok(Outcome::Already { reply: format!("{key} was created before, by this run") });
                }
                Ok(_) => return Err(refused(&format!("{key} is there already and does not belong to this run"))),
                Err(error) if error.code == Some(404) => {}
                Err(error) => drop(self.before::<Value>(Err(error)).await?),
            }
            match self.write(Method::POST, &collection, JSON, manifest).await {
                Written::Took(object) => {
                    let reply = format!("{key} created, UID {}", of(&object, "/metadata/uid"));
                    return Ok(Outcome::Done { reply, previous: None });
                }
                // Made between our look and our request: look again whose it is.
                Written::Conflict(_) => {}
                Written::Ended(outcome) => return Ok(outcome),
            }
        }
        Err(refused(&format!("{key} appears and vanishes")))
    }

    pub async fn take_lock(
        &self,
        side: Side,
        cluster_uid: Option<&str>,
        lease: &ObjectKey,
        holder: &str,
    ) -> Result<Outcome, Outcome> {
        match cluster_uid {
            Some(expected) => self.prove(expected).await?,
            None => drop(self.before(probe::cluster_uid(&self.server).await).await?),
        }
        let mut locks = self.actuator.locks.lock().await;
        let redial = self.actuator.redial(side);
        let clock = locks.clocks.get_mut(side);
        let mut taken = lock::take(&self.server, lease, holder, clock, self.until, &redial).await;
        // The answer was lost: the Lease itself says whether it is ours.
        if taken.as_ref().is_err_and(LockError::in_doubt) && Instant::now() < self.until {
            taken = lock::take(&self.server, lease, holder, clock, self.until, &redial).await;
        }
        let (held, how) = taken.map_err(lock_outcome)?;
        let number = held.transitions();
        match locks.held.iter_mut().find(|(of, _)| *of == side) {
            Some((_, slot)) => *slot = Arc::new(held),
            None => locks.held.push((side, Arc::new(held))),
        }
        let done = |text: String| Outcome::Done { reply: text, previous: None };
        Ok(match how {
            Taken::Created => done(format!("{lease} created and taken by {holder}")),
            Taken::Free => done(format!("{lease} taken by {holder}, change {number}")),
            Taken::From(other) => done(format!("{lease} taken over from {other}, who was silent; change {number}")),
            Taken::Ours => Outcome::Already { reply: format!("{lease} is held by {holder}") },
        })
    }

    pub async fn release_lock(&self, side: Side, lease: &ObjectKey, holder: &str) -> Result<Outcome, Outcome> {
        // Renewing ends first, whatever becomes of the rest: a lock that is to be given up must at least run out.
        let given_up = {
            let mut locks = self.actuator.locks.lock().await;
            let at = locks.held.iter().position(|(of, held)| *of == side && held.key() == lease);
            at.map(|at| locks.held.remove(at))
        };
        if let Some((_, held)) = given_up {
            held.stop().await;
        }
        match lock::release(&self.server, lease, holder).await {
            Ok(true) => Ok(Outcome::Done { reply: format!("{lease} given up by {holder}"), previous: None }),
            Ok(false) => Ok(Outcome::Already { reply: format!("{lease} is held by nobody") }),
            // What is not ours need not be given up: after a take-over from a lost driver, the lock of the region that is
            // left may still be in that one's name, and a run that insists on emptying it would never end.
            Err(LockError::Alive { holder, .. }) => {
                Ok(Outcome::Already { reply: format!("{lease} is held by {holder}, not by this driver") })
            }
            Err(error) => Err(lock_outcome(error)),
        }
    }
}

/// One field of an object's spec that is to be changed.
struct Change<'a, T> {
    target: &'a Target,
    path: &'a str,
    patch_path: &'a str,
    field: &'static str,
    wanted: T,
    read: &'a (dyn Fn(&Value) -> Option<T> + Send + Sync),
    previous: &'a (dyn Fn(T) -> Previous + Send + Sync),
}

/// The server took it; its answer must say so too.
fn took<T: Copy + PartialEq + std::fmt::Display>(change: &Change<'_, T>, before: Option<T>, answer: &Value) -> Outcome {
    let (key, field, wanted) = (&change.target.key, change.field, change.wanted);
    if (change.read)(answer) != Some(wanted) {
        let reason = format!("{key}: the server took it, but its answer does not say {field} = {wanted}");
        return Outcome::Unknown { reason };
    }
    let was = before.map(|before| format!(", was {before}")).unwrap_or_default();
    Outcome::Done { reply: format!("{key}: {field} = {wanted}{was}"), previous: before.map(change.previous) }
}

fn lock_outcome(error: LockError) -> Outcome {
    let reason = error.to_string();
    match &error {
        LockError::Call { error: call, .. } if call.reached == Reached::Never => Outcome::NotSent { reason },
        _ if error.in_doubt() => Outcome::Unknown { reason },
        _ => Outcome::Refused { reason },
    }
}
