//! What a PostgreSQL server of the pair tells about itself. Facts and pitfalls: PostgreSQL documentation, "Monitoring
//! Database Activity" and "System Administration Functions"; those marked *measured* were seen on PostgreSQL 15.

use super::Timestamp;
use super::units::{Bytes, Lsn, SystemId, Timeline};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Who a server is, in the words that a guarded statement compares. A replica shares its primary's system identifier,
/// so the identifier alone does not tell the two apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseIdentity {
    /// `system_identifier` of `pg_control_system()`.
    pub system: SystemId,
    /// `inet_server_addr()`; None over a Unix socket.
    pub address: Option<String>,
    /// `inet_server_port()`, or the configured port over a Unix socket.
    pub port: u16,
}

/// One look at a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseSample {
    /// Who it is.
    pub identity: DatabaseIdentity,
    /// `server_version`, such as `15.18`.
    pub version: String,
    /// `clock_timestamp()`, by the server's clock.
    pub server_time: Timestamp,
    /// The timeline it writes or replays, from `pg_walfile_name` on a primary, since `pg_control_checkpoint` lags a
    /// promotion (*measured*: 2 s), and from the receiver or the control file on a replica; see
    /// [`DatabaseSample::keep_timeline`].
    pub timeline: Timeline,
    /// `default_transaction_read_only` for a new session. A session may switch it off again.
    pub read_only_default: bool,
    /// `synchronous_standby_names`.
    pub synchronous_standby_names: String,
    /// The session is encrypted.
    pub tls: bool,
    /// What it is now.
    pub state: ServerState,
}

/// In recovery, or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "role")]
pub enum ServerState {
    /// `pg_is_in_recovery()` is false.
    Primary(PrimaryState),
    /// `pg_is_in_recovery()` is true.
    Replica(ReplicaState),
}

/// A server out of recovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrimaryState {
    /// `pg_current_wal_lsn()`.
    pub lsn: Lsn,
    /// `redo_lsn` of `pg_control_checkpoint()`. On a server that was started again after a crash it is the end of the log
    /// at the crash, until its next checkpoint (*measured*).
    #[serde(default)]
    pub redo: Option<Lsn>,
    /// `pg_postmaster_start_time()`, by the server's clock. None: not told, as by notes of earlier versions.
    #[serde(default)]
    pub started: Option<Timestamp>,
    /// Rows of `pg_stat_replication`.
    pub senders: Vec<Sender>,
    /// Rows of `pg_replication_slots`.
    pub slots: Vec<Slot>,
    /// `wal_sender_timeout`; an idle primary sends a keepalive at half of it. Zero: never.
    pub wal_sender_timeout: Duration,
}

/// A connected standby, as its primary sees it. None: no right to see it, which is not zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// `application_name`.
    pub application: String,
    /// `state`: startup, catchup, streaming, backup, stopping.
    pub state: Option<String>,
    /// `sync_state`: async, potential, sync, quorum.
    pub sync_state: Option<String>,
    /// `sent_lsn`.
    pub sent: Option<Lsn>,
    /// `flush_lsn`.
    pub flushed: Option<Lsn>,
    /// `replay_lsn`.
    pub replayed: Option<Lsn>,
}

/// A replication slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// `slot_name`.
    pub name: String,
    /// `active`.
    pub active: bool,
    /// `wal_status`: reserved, extended, unreserved, lost. None: never used.
    pub wal_status: Option<String>,
    /// WAL kept for it.
    pub retained: Option<Bytes>,
}

/// A server in recovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaState {
    /// `pg_last_wal_receive_lsn()`. After a restart with the primary away it can lie far behind the replay position
    /// (*measured*), so it is never used alone.
    pub received: Option<Lsn>,
    /// `pg_last_wal_replay_lsn()`.
    pub replayed: Option<Lsn>,
    /// `pg_last_xact_replay_timestamp()`, by the primary's clock. It ages on an idle primary though nothing is missing.
    pub last_transaction: Option<Timestamp>,
    /// `pg_is_wal_replay_paused()`.
    pub replay_paused: bool,
    /// The row of `pg_stat_wal_receiver`. None: it is not streaming.
    pub receiver: Option<Receiver>,
    /// `wal_receiver_timeout`; after that long without a word the receiver gives up. Zero: never.
    pub wal_receiver_timeout: Duration,
}

impl ReplicaState {
    /// What it has for good: the later of received and replayed. None: unknown.
    #[must_use]
    pub fn has(&self) -> Option<Lsn> {
        self.received.max(self.replayed)
    }

    /// Received and not yet replayed: costs time, not data.
    #[must_use]
    pub fn to_replay(&self) -> Option<Bytes> {
        Some(self.has()?.ahead_of(self.replayed?))
    }

    /// It says that it is streaming from somebody.
    #[must_use]
    pub fn streaming(&self) -> bool {
        self.receiver.as_ref().is_some_and(|r| r.status.as_deref() == Some("streaming"))
    }
}

/// The process that receives WAL. None: no right to see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiver {
    /// `status`: stopped, starting, streaming, waiting, restarting, stopping.
    pub status: Option<String>,
    /// `received_tli`.
    pub timeline: Option<Timeline>,
    /// `sender_host`:`sender_port`.
    pub sender: Option<String>,
    /// `last_msg_receipt_time`, by the replica's clock. On a healthy idle pair it reaches half of
    /// `wal_sender_timeout` (*measured*: 30.0 s).
    pub last_message: Option<Timestamp>,
}

impl DatabaseSample {
    /// A replica without a receiver tells its timeline from its control file, which a switch of timeline reaches with the
    /// next restartpoint, minutes later. What the same replica followed at the look `before` counts until then.
    pub fn keep_timeline(&mut self, before: Option<&DatabaseSample>) {
        let told = self.replica().is_none_or(|state| state.receiver.as_ref().is_some_and(|r| r.timeline.is_some()));
        let followed = before.filter(|before| before.replica().is_some() && before.identity == self.identity);
        if let Some(followed) = followed.filter(|_| !told) {
            self.timeline = self.timeline.max(followed.timeline);
        }
    }

    /// It is out of recovery and a new session may write.
    #[must_use]
    pub fn accepts_writes(&self) -> bool {
        matches!(self.state, ServerState::Primary(_)) && !self.read_only_default
    }

    /// Out of recovery.
    #[must_use]
    pub fn primary(&self) -> Option<&PrimaryState> {
        match &self.state {
            ServerState::Primary(state) => Some(state),
            ServerState::Replica(_) => None,
        }
    }

    /// In recovery.
    #[must_use]
    pub fn replica(&self) -> Option<&ReplicaState> {
        match &self.state {
            ServerState::Replica(state) => Some(state),
            ServerState::Primary(_) => None,
        }
    }
}

/// When a primary was promoted, by whomever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    /// The timeline that it began.
    pub timeline: Timeline,
    /// When, by our clock.
    pub at: Timestamp,
}

/// What is in Argo's tables. Source: argo-workflows `persist/sqldb/migrate.go`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveFacts {
    /// `max(schema_version)` of `schema_history`. None: the table is missing or may not be read.
    pub schema_version: Option<u32>,
    /// Rows of `argo_archived_workflows`. None: the table is missing or may not be read.
    pub rows: Option<u64>,
    /// `max(finishedat)`, UTC.
    pub newest_finished: Option<Timestamp>,
    /// UIDs of the newest rows by `finishedat`, newest first, at most [`NEWEST_ROWS_MAX`].
    pub newest: Vec<String>,
}

/// How many UIDs of archived runs one look carries: enough to find a canary among what ended in the same minute.
pub const NEWEST_ROWS_MAX: usize = 50;

/// What the operator's database user may do. EXECUTE is granted per database and cannot be granted on a replica, so it
/// has to be there before the outage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorRights {
    /// User name.
    pub user: String,
    /// The server it reached.
    pub identity: DatabaseIdentity,
    /// EXECUTE on `pg_promote(boolean, integer)`.
    pub promote: bool,
    /// ALTER SYSTEM on `default_transaction_read_only`, and EXECUTE on `pg_reload_conf()`.
    pub fence: bool,
    /// Member of `pg_signal_backend`, or superuser.
    pub terminate: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(received: Option<u64>, replayed: Option<u64>) -> ReplicaState {
        ReplicaState {
            received: received.map(Lsn),
            replayed: replayed.map(Lsn),
            last_transaction: None,
            replay_paused: false,
            receiver: None,
            wal_receiver_timeout: Duration::from_secs(60),
        }
    }

    #[test]
    fn a_restarted_replica_is_not_said_to_have_lost_what_it_replayed() {
        // Seen with the primary dead: receive 0/3000000, replay 0/306C590.
        let state = replica(Some(0x300_0000), Some(0x306_C590));
        assert_eq!(state.has(), Some(Lsn(0x306_C590)));
        assert_eq!(state.to_replay(), Some(Bytes(0)));
    }

    #[test]
    fn unknown_positions_stay_unknown() {
        assert_eq!(replica(None, None).has(), None);
        assert_eq!(replica(Some(5), None).to_replay(), None);
        assert_eq!(replica(None, Some(5)).has(), Some(Lsn(5)));
    }
}
