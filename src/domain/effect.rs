//! The only way out: what may be done to the world, exact enough to be shown, agreed to, sent and looked for again.

use super::Timestamp;
use super::database::DatabaseIdentity;
use super::kubernetes::ObjectKey;
use super::region::Side;
use super::units::Lsn;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::IpAddr;

/// An object that is to be changed, with the identity that the server compares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Region.
    pub side: Side,
    /// UID of the region's kube-system namespace, proven before each write.
    pub cluster_uid: String,
    /// Namespace and name.
    pub key: ObjectKey,
    /// UID: stands in the patch, so that the server refuses a namesake.
    pub uid: String,
}

/// One write. Secrets never stand here; where one is needed, the adapter fetches it when it sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Effect {
    /// Take the environment's lock.
    TakeLock {
        /// Region of the Lease.
        side: Side,
        /// UID of the region's kube-system namespace. None: not seen yet, proven when sent.
        cluster_uid: Option<String>,
        /// The Lease.
        lease: ObjectKey,
        /// Who takes it.
        holder: String,
    },
    /// Give the lock up by emptying its holder.
    ReleaseLock {
        /// Region of the Lease.
        side: Side,
        /// The Lease.
        lease: ObjectKey,
        /// Who holds it.
        holder: String,
    },
    /// `spec.suspend` of a CronWorkflow.
    SuspendCron {
        /// The CronWorkflow.
        target: Target,
        /// The new value.
        suspend: bool,
    },
    /// Replicas of a Deployment, by its `scale` subresource.
    Scale {
        /// The Deployment.
        target: Target,
        /// The new number.
        replicas: u32,
    },
    /// Make a database refuse writes of new sessions: ALTER SYSTEM, reload, end the other sessions. None of the three
    /// travels by replication.
    FenceDatabase {
        /// Region.
        side: Side,
        /// The server.
        identity: DatabaseIdentity,
    },
    /// Take the fence off again.
    UnfenceDatabase {
        /// Region.
        side: Side,
        /// The server.
        identity: DatabaseIdentity,
    },
    /// `pg_promote`.
    Promote {
        /// Region.
        side: Side,
        /// The replica.
        identity: DatabaseIdentity,
        /// It must have at least this.
        at_least: Lsn,
    },
    /// Create the canary workflow.
    CreateCanary {
        /// Region.
        side: Side,
        /// UID of the region's kube-system namespace.
        cluster_uid: String,
        /// Namespace and name; the name is made from the run, so that a second try meets the first.
        key: ObjectKey,
        /// The object.
        manifest: serde_json::Value,
    },
    /// Change the address records of the name in front.
    SwitchDns {
        /// The name.
        name: String,
        /// What must stand there now: the prerequisite of the update. Empty: no such record.
        expected: Vec<IpAddr>,
        /// What is to stand there.
        wanted: Vec<IpAddr>,
        /// Time to live in seconds.
        ttl_seconds: u32,
        /// The server that takes the change.
        server: String,
    },
    /// Tell a receiver.
    Notify {
        /// Its name in the configuration.
        receiver: String,
        /// Same key, same incident.
        dedup_key: String,
        /// One line.
        summary: String,
        /// More, as names and values.
        details: Vec<(String, String)>,
    },
}

/// The hash that a consent names: SHA-256 over the effects as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EffectHash(pub String);

impl EffectHash {
    /// Hash of these effects, in this order.
    #[must_use]
    pub fn of(effects: &[Effect]) -> EffectHash {
        let mut hasher = Sha256::new();
        for effect in effects {
            // A value that cannot be written as JSON cannot occur: every field has a text form. Debug keeps it total.
            let text = serde_json::to_string(effect).unwrap_or_else(|_| format!("{effect:?}"));
            hasher.update(text.as_bytes());
            hasher.update(b"\n");
        }
        EffectHash(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The first twelve digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for EffectHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What became of an effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// The server took it.
    Done {
        /// What it said, in clean words.
        reply: String,
        /// What stood there before, for an undo.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        previous: Option<Previous>,
    },
    /// It was so already; nothing was sent.
    Already {
        /// What was found.
        reply: String,
    },
    /// The server, or a check before sending, refused: nothing has changed.
    Refused {
        /// Why.
        reason: String,
    },
    /// It never got there: nothing has changed.
    NotSent {
        /// Why.
        reason: String,
    },
    /// It was sent and no answer came: unknown, not failed.
    Unknown {
        /// What happened.
        reason: String,
    },
}

/// What stood there before a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum Previous {
    /// `spec.suspend` of a cron.
    Suspended {
        /// The value.
        value: bool,
    },
    /// Replicas of a Deployment.
    Replicas {
        /// The number.
        value: u32,
    },
    /// Address records.
    Addresses {
        /// The addresses.
        value: Vec<IpAddr>,
        /// Their time to live in seconds.
        ttl_seconds: u32,
    },
    /// The end of the log of a database when it was fenced.
    LogEnd {
        /// `pg_current_wal_lsn()` after the last foreign session was gone.
        value: Lsn,
        /// When.
        at: Timestamp,
    },
}

impl Outcome {
    /// The world is as the effect wants it, as far as the server says.
    #[must_use]
    pub fn took(&self) -> bool {
        matches!(self, Outcome::Done { .. } | Outcome::Already { .. })
    }

    /// The words.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Outcome::Done { reply, .. } => reply.clone(),
            Outcome::Already { reply } => format!("already so: {reply}"),
            Outcome::Refused { reason } => format!("refused: {reason}"),
            Outcome::NotSent { reason } => format!("not sent: {reason}"),
            Outcome::Unknown { reason } => format!("unknown: {reason}"),
        }
    }
}

impl Effect {
    /// The region it acts in.
    #[must_use]
    pub fn side(&self) -> Option<Side> {
        match self {
            Effect::TakeLock { side, .. }
            | Effect::ReleaseLock { side, .. }
            | Effect::FenceDatabase { side, .. }
            | Effect::UnfenceDatabase { side, .. }
            | Effect::Promote { side, .. }
            | Effect::CreateCanary { side, .. } => Some(*side),
            Effect::SuspendCron { target, .. } | Effect::Scale { target, .. } => Some(target.side),
            Effect::SwitchDns { .. } | Effect::Notify { .. } => None,
        }
    }

    /// Where it goes and what is sent, one line each, as an operator would type it.
    #[must_use]
    pub fn requests(&self, name: impl Fn(Side) -> String) -> Vec<String> {
        match self {
            Effect::TakeLock { side, lease, holder, .. } => {
                vec![format!("{} api  PUT leases/{lease}  holderIdentity = {holder}", name(*side))]
            }
            Effect::ReleaseLock { side, lease, .. } => {
                vec![format!("{} api  PUT leases/{lease}  holderIdentity = \"\"", name(*side))]
            }
            Effect::SuspendCron { target, suspend } => vec![format!(
                "{} api  PATCH cronworkflows/{}  {{\"spec\":{{\"suspend\":{suspend}}}}}",
                name(target.side),
                target.key
            )],
            Effect::Scale { target, replicas } => vec![format!(
                "{} api  PATCH deployments/{}/scale  {{\"spec\":{{\"replicas\":{replicas}}}}}",
                name(target.side),
                target.key
            )],
            Effect::FenceDatabase { side, identity } => {
                let at = format!("{} db {}", name(*side), place(identity));
                vec![
                    format!("{at}  ALTER SYSTEM SET default_transaction_read_only = on"),
                    format!("{at}  SELECT pg_reload_conf()"),
                    format!("{at}  SELECT pg_terminate_backend(pid) of every other client session"),
                ]
            }
            Effect::UnfenceDatabase { side, identity } => {
                let at = format!("{} db {}", name(*side), place(identity));
                vec![
                    format!("{at}  ALTER SYSTEM RESET default_transaction_read_only"),
                    format!("{at}  SELECT pg_reload_conf()"),
                ]
            }
            Effect::Promote { side, identity, at_least } => vec![format!(
                "{} db {}  SELECT pg_promote(false), if in recovery, system {}, at {at_least} or later",
                name(*side),
                place(identity),
                identity.system
            )],
            Effect::CreateCanary { side, key, .. } => vec![format!("{} api  POST workflows/{key}", name(*side))],
            Effect::SwitchDns { name: dns, expected, wanted, ttl_seconds, server } => vec![format!(
                "dns {server}  UPDATE {dns} A {} (ttl {ttl_seconds} s), if it is {}",
                list(wanted),
                if expected.is_empty() { "absent".to_owned() } else { list(expected) }
            )],
            Effect::Notify { receiver, summary, .. } => vec![format!("notify {receiver}  {summary}")],
        }
    }
}

fn place(identity: &DatabaseIdentity) -> String {
    match &identity.address {
        Some(address) => format!("{address}:{}", identity.port),
        None => format!("port {}", identity.port),
    }
}

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
