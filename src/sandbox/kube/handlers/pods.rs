//! What only pods have: logs, a proxy to their ports, eviction. Not pure: asks the kubelets and writes the store.

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures_util::stream;
use http::StatusCode;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    super::{
        clock,
        kinds::Kind,
        kubelet::{Kubelet, LogLine, ProxyAnswer, ProxyRequest},
        request::Objects,
        selector::LabelSelector,
        status::Failure,
        store::{Expect, StoreError, Stored},
    },
    Answer, Context, bytes, json as send, one, respond,
};

/// How often a followed log is looked at.
const FOLLOW: Duration = Duration::from_millis(250);

fn pod(context: &Context, objects: &Objects, name: &str) -> Result<Arc<Stored>, Failure> {
    context.store().get(Kind::Pod, objects.namespace(), name).ok_or_else(|| Failure::not_found(Kind::Pod, name))
}

pub(super) fn log(context: &Context, objects: &Objects) -> Answer {
    let name = objects.name();
    let object = pod(context, objects, name)?.value();
    let container = container(context, name, &object)?;
    let kubelet = context.shared.kubelet().ok_or_else(|| Failure::unreachable("no kubelet"))?;
    let previous = context.query.is("previous");
    let Some(page) = kubelet.log(objects.namespace(), name, &container, previous, 0) else {
        let why = if previous {
            format!("previous terminated container \"{container}\" in pod \"{name}\" not found")
        } else {
            format!("container \"{container}\" in pod \"{name}\" is waiting to start: ContainerCreating")
        };
        return Err(Failure::bad_request(why));
    };
    let since = since(context);
    let mut lines = page.lines;
    lines.retain(|line| since.is_none_or(|since| line.at >= since));
    if let Some(tail) = context.query.number("tailLines").and_then(|tail| usize::try_from(tail).ok()) {
        lines.drain(..lines.len().saturating_sub(tail));
    }
    let stamped = context.query.is("timestamps");
    let mut text = write(&lines, stamped);
    if let Some(limit) = context.query.number("limitBytes").and_then(|limit| usize::try_from(limit).ok()) {
        text.truncate(limit);
    }
    if !context.query.is("follow") || page.ended {
        return Ok(bytes(StatusCode::OK, "text/plain", text));
    }
    let namespace = objects.namespace().to_owned();
    let follow = Follow { kubelet, namespace, pod: name.to_owned(), container, next: page.next, stamped, ended: false };
    let chunks = stream::unfold((Some(text), follow), |(text, mut follow)| async move {
        let chunk = match text {
            Some(text) => text,
            None => follow.next().await?,
        };
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(chunk))), (None, follow)))
    });
    Ok(respond(StatusCode::OK, "text/plain", StreamBody::new(chunks).boxed_unsync()))
}

fn container(context: &Context, name: &str, object: &Value) -> Result<String, Failure> {
    let containers = object["spec"]["containers"].as_array().map_or(&[][..], Vec::as_slice);
    let names: Vec<&str> = containers.iter().filter_map(|container| container["name"].as_str()).collect();
    match (context.query.get("container"), names.as_slice()) {
        (Some(asked), names) if names.contains(&asked) => Ok(asked.to_owned()),
        (Some(asked), _) => Err(Failure::bad_request(format!("container {asked} is not valid for pod {name}"))),
        (None, [only]) => Ok((*only).to_owned()),
        (None, names) => Err(Failure::bad_request(format!(
            "a container name must be specified for pod {name}, choose one of: [{}]",
            names.join(" ")
        ))),
    }
}

fn since(context: &Context) -> Option<Timestamp> {
    if let Some(time) = context.query.get("sinceTime") {
        return clock::parse(time);
    }
    let seconds = i64::try_from(context.query.number("sinceSeconds")?).ok()?;
    context.now.checked_sub(jiff::SignedDuration::from_secs(seconds)).ok()
}

fn write(lines: &[LogLine], stamped: bool) -> Vec<u8> {
    let mut text = String::new();
    for line in lines {
        if stamped {
            text.push_str(&line.at.to_string());
            text.push(' ');
        }
        text.push_str(&line.text);
        text.push('\n');
    }
    text.into_bytes()
}

struct Follow {
    kubelet: Arc<dyn Kubelet>,
    namespace: String,
    pod: String,
    container: String,
    next: u64,
    stamped: bool,
    ended: bool,
}

impl Follow {
    async fn next(&mut self) -> Option<Vec<u8>> {
        while !self.ended {
            tokio::time::sleep(FOLLOW).await;
            let page = self.kubelet.log(&self.namespace, &self.pod, &self.container, false, self.next)?;
            self.next = page.next;
            self.ended = page.ended;
            if !page.lines.is_empty() {
                return Some(write(&page.lines, self.stamped));
            }
        }
        None
    }
}

pub(super) fn proxy(context: &Context, objects: &Objects) -> Answer {
    let parts: Vec<&str> = objects.name().split(':').collect();
    let (scheme, name, port) = match parts.as_slice() {
        [name] => ("", *name, ""),
        [name, port] => ("", *name, *port),
        [scheme, name, port] => (*scheme, *name, *port),
        _ => return Err(Failure::bad_request(format!("invalid pod request \"{}\"", objects.name()))),
    };
    let tls = match scheme {
        "" | "http" => false,
        "https" => true,
        _ => return Err(Failure::bad_request(format!("invalid pod request \"{}\"", objects.name()))),
    };
    let object = pod(context, objects, name)?.value();
    let port = match (port, tls) {
        ("", false) => object["spec"]["containers"][0]["ports"][0]["containerPort"]
            .as_u64()
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(80),
        ("", true) => 443,
        (port, _) => port.parse().map_err(|_| Failure::bad_request(format!("invalid port \"{port}\"")))?,
    };
    let Some(ip) = object["status"]["podIP"].as_str() else {
        return Err(Failure::bad_request("address not allowed"));
    };
    let dial = |why: &str| Failure::unreachable(&format!("dial tcp {ip}:{port}: {why}"));
    let kubelet = context.shared.kubelet().ok_or_else(|| dial("connect: no route to host"))?;
    let request = ProxyRequest {
        namespace: objects.namespace(),
        pod: name,
        tls,
        port,
        method: &context.method,
        path: &objects.rest,
    };
    match kubelet.proxy(&request) {
        ProxyAnswer::Body { content_type, body } => {
            let mut response = bytes(StatusCode::OK, "text/plain", body);
            if let Ok(value) = content_type.parse() {
                response.headers_mut().insert(http::header::CONTENT_TYPE, value);
            }
            Ok(response)
        }
        ProxyAnswer::NotFound => Ok(super::plain(StatusCode::NOT_FOUND, "404 page not found\n")),
        ProxyAnswer::Refused => Err(dial("connect: connection refused")),
        ProxyAnswer::WantsTls => {
            Ok(super::plain(StatusCode::BAD_REQUEST, "Client sent an HTTP request to an HTTPS server.\n"))
        }
        ProxyAnswer::NoTls => Err(Failure::unreachable("tls: first record does not look like a TLS handshake")),
    }
}

/// Evicts a pod unless a disruption budget forbids it (pkg/registry/core/pod/storage/eviction.go).
pub(super) fn evict(context: &Context, objects: &Objects) -> Answer {
    let name = objects.name();
    let pod = pod(context, objects, name)?;
    let eviction = if context.body.is_empty() { Value::Null } else { context.json()? };
    let options = &eviction["deleteOptions"];
    let expect = Expect {
        uid: options["preconditions"]["uid"].as_str().map(str::to_owned),
        revision: options["preconditions"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()),
    };
    let object = pod.value();
    let phase = object["status"]["phase"].as_str().unwrap_or("");
    let bypasses =
        matches!(phase, "Succeeded" | "Failed" | "Pending") || object["metadata"].get("deletionTimestamp").is_some();
    let dry = context.query.dry_run() || options["dryRun"].as_array().is_some_and(|dry| !dry.is_empty());
    if !bypasses {
        take_from_budget(context, objects, &pod, dry)?;
    }
    if !dry {
        let grace = options["gracePeriodSeconds"].as_i64();
        one::delete_pod(context, &pod, grace, &expect).map_err(|error| Failure::from_store(error, Kind::Pod, name))?;
    }
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(send(StatusCode::CREATED, &status))
}

fn take_from_budget(context: &Context, objects: &Objects, pod: &Stored, dry: bool) -> Result<(), Failure> {
    for _ in 0..3 {
        let budgets = context.store().list(Kind::PodDisruptionBudget, Some(objects.namespace()));
        let matching: Vec<Value> = budgets
            .items
            .iter()
            .map(|budget| budget.value())
            .filter(|budget| LabelSelector::from_object(&budget["spec"]["selector"]).matches(pod))
            .collect();
        let mut budget = match matching.as_slice() {
            [] => return Ok(()),
            [one] => one.clone(),
            _ => {
                let why =
                    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
                return Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", why));
            }
        };
        let status = &budget["status"];
        let number = |value: &Value| value.as_i64().unwrap_or(0);
        let allowed = number(&status["disruptionsAllowed"]);
        if number(&status["observedGeneration"]) < number(&budget["metadata"]["generation"]) {
            let mut failure =
                Failure::disruption_budget("The disruption budget is still being processed by the server.");
            failure.retry_after = Some(10);
            failure.body["details"]["retryAfterSeconds"] = json!(10);
            return Err(failure);
        }
        if allowed <= 0 {
            let why = format!(
                "The disruption budget {} needs {} healthy pods and has {} currently",
                budget["metadata"]["name"].as_str().unwrap_or(""),
                number(&status["desiredHealthy"]),
                number(&status["currentHealthy"])
            );
            return Err(Failure::disruption_budget(&why));
        }
        if dry {
            return Ok(());
        }
        budget["status"]["disruptionsAllowed"] = json!(allowed - 1);
        match context.store().replace(Kind::PodDisruptionBudget, budget) {
            Ok(_) => return Ok(()),
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(Failure::from_store(error, Kind::PodDisruptionBudget, "")),
        }
    }
    Err(Failure::from_store(StoreError::Conflict, Kind::PodDisruptionBudget, pod.name()))
}
