//! The heartbeat, and what follows from an answer: who the cluster is, what we may do there, its controllers and the
//! environment's lock. Nothing but the heartbeat is asked while it is not answered.

use super::beat::Beat;
use super::call::Server;
use super::controllers;
use super::failure::CallError;
use super::leases::{self, LeaseClock};
use super::observe::{Order, Post};
use super::rights;
use super::watch::Closed;
use super::wire::{Page, escape, text_at};
use crate::adapters::clock;
use crate::domain::freshness::ErrorKind;
use crate::domain::kubernetes::{ClusterIdentity, ObjectKey};
use crate::domain::observation::Fact;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/// Asks something cheap every `probe` interval. The answer carries the store's version, against which the watches are
/// held. A consistent read on purpose, not one from a cache: it proves that the server reaches its store.
pub async fn heartbeat(post: Post, beats: watch::Sender<Option<Beat>>) -> Closed {
    let namespace = post.endpoints.namespaces.first();
    let workflows = match namespace {
        Some(namespace) => format!("/apis/argoproj.io/v1alpha1/namespaces/{}/workflows?limit=1", escape(namespace)),
        None => "/apis/argoproj.io/v1alpha1/workflows?limit=1".to_owned(),
    };
    let leases = format!("{}?limit=1", leases::collection(&post.endpoints.controller_namespace));
    let paths = [workflows, leases];
    let mut usable = 0;
    let mut ticks = tokio::time::interval(post.intervals.probe.max(std::time::Duration::from_millis(20)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = post.out.closed() => return Closed,
        }
        let server = post.servers.borrow().clone();
        let (began, asked) = (clock::now(), Instant::now());
        let mut answer = ask(&server, paths.get(usable)).await;
        // Not permitted, or Argo is not installed there: the other question tells as much about the server.
        if matches!(&answer, Err(error) if matches!(error.code, Some(403 | 404))) {
            usable = (usable + 1) % paths.len();
            answer = ask(&server, paths.get(usable)).await;
        }
        let told = match answer {
            Ok(version) => {
                let beat = Beat::new(beats.borrow().as_ref(), version, asked, began);
                beats.send_replace(Some(beat));
                post.tell(Fact::Answered { latency: asked.elapsed() }).await
            }
            Err(CallError { error, .. }) => {
                // The connection may be half open, and others of the pool as well; or the credentials were renewed.
                match error.kind {
                    ErrorKind::Timeout => post.order(Order::FreshConnections),
                    ErrorKind::Unauthorized | ErrorKind::Tls => post.order(Order::ReadCredentials),
                    _ => {}
                }
                post.tell(Fact::Failed { began, error }).await
            }
        };
        if told.is_err() {
            return Closed;
        }
    }
}

async fn ask(server: &Server, path: Option<&String>) -> Result<Option<u64>, CallError> {
    let path = path.map_or("/version", String::as_str);
    let page: Page = server.ask(super::call::Ask::get(path).accepting(METADATA)).await?;
    if !page.kind.ends_with("List") {
        return Err(CallError::malformed(server, path, "it is no list"));
    }
    Ok(page.metadata.resource_version.parse().ok())
}

/// Controllers and the lock, after each heartbeat.
pub async fn after_each_beat(mut post: Post) -> Closed {
    let mut clock = LeaseClock::default();
    let namespace = post.endpoints.controller_namespace.clone();
    let lock = ObjectKey::new(namespace.as_str(), leases::lock_name(&post.environment));
    loop {
        if post.next_beat().await.is_err() {
            return Closed;
        }
        let server = post.servers.borrow().clone();
        let (controllers, lock_lease) =
            tokio::join!(controllers::read(&server, &namespace, &mut clock), controllers::read_lease(&server, &lock));
        let mut facts = Vec::new();
        match controllers {
            Ok(controllers) => facts.push(Fact::Controllers(controllers)),
            Err(error) => tracing::debug!(%error, "controllers cannot be read"),
        }
        match lock_lease {
            Ok(lease) => facts.push(Fact::Lock(controllers::lease_row(&mut clock, &lock, lease))),
            Err(error) => tracing::debug!(%error, "the lock cannot be read"),
        }
        for fact in facts {
            if post.tell(fact).await.is_err() {
                return Closed;
            }
        }
    }
}

/// Identity and rights: after the first heartbeat, and every `slow` interval.
pub async fn now_and_then(mut post: Post) -> Closed {
    let mut cluster: Option<String> = None;
    loop {
        if post.next_beat().await.is_err() {
            return Closed;
        }
        let server = post.servers.borrow().clone();
        let needed = rights::needed(&post.endpoints, post.canary_namespace.as_deref());
        let canary = rights::lacking(&server, post.canary_namespace.as_deref());
        let (identity, rights, lacking) = tokio::join!(identity(&server), rights::ask(&server, &needed), canary);
        let rights = rights.map(|rights| rights.into_iter().chain(lacking).collect::<Vec<_>>());
        let mut done = identity.is_ok() && rights.is_ok();
        match identity {
            Ok(identity) => {
                // Another cluster answers under the same name: nothing that was listed before holds any more.
                if cluster.as_ref().is_some_and(|before| *before != identity.cluster_uid) {
                    post.order(Order::StartOver);
                }
                cluster = Some(identity.cluster_uid.clone());
                if post.tell(Fact::Identity(identity)).await.is_err() {
                    return Closed;
                }
            }
            Err(error) => {
                done = done || error.lasting();
                tracing::debug!(%error, "the cluster's identity cannot be read");
            }
        }
        match rights {
            Ok(rights) => {
                if post.tell(Fact::Rights(rights)).await.is_err() {
                    return Closed;
                }
            }
            Err(error) => tracing::debug!(%error, "rights cannot be asked for"),
        }
        let pause = if done { post.intervals.slow } else { post.intervals.probe };
        if post.sleep(pause).await.is_err() {
            return Closed;
        }
    }
}

/// Who the cluster is, and who we are to it.
///
/// # Errors
/// Version or UID could not be had. A server that does not say who we are (before 1.28) is no error.
pub async fn identity(server: &Server) -> Result<ClusterIdentity, CallError> {
    let (version, cluster_uid, user) = tokio::join!(server.get::<Value>("/version"), cluster_uid(server), user(server));
    let version = text_at(&version?, "/gitVersion", 60);
    let version = version.strip_prefix('v').unwrap_or(&version).to_owned();
    Ok(ClusterIdentity { cluster_uid: cluster_uid?, version, user })
}

/// UID of the namespace kube-system.
///
/// # Errors
/// It could not be had, or the answer has none.
pub async fn cluster_uid(server: &Server) -> Result<String, CallError> {
    let path = "/api/v1/namespaces/kube-system";
    let uid = text_at(&server.get::<Value>(path).await?, "/metadata/uid", 64);
    if uid.is_empty() { Err(CallError::malformed(server, path, "it has no UID")) } else { Ok(uid) }
}

async fn user(server: &Server) -> Option<String> {
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let ask = super::call::Ask::with_body(http::Method::POST, path, super::call::JSON, &body);
    let review: Value = server.ask(ask).await.ok()?;
    Some(text_at(&review, "/status/userInfo/username", 253)).filter(|name| !name.is_empty())
}
