//! Every statement that is ever sent to a database. Pure text.
//!
//! A session for reading takes a [`Read`], not a string, so that there is no way to run another one through it. Each is
//! wrapped in a transaction that is declared read-only, in the same round trip. That is a belt, not the lock: functions
//! such as `pg_promote()` work in a read-only transaction too (*measured*), which is why the set is closed.
//! `default_transaction_read_only` is never set by us: it would hide the server's own value.
//!
//! Columns and functions are those that PostgreSQL 15 to 18 all have. NULL stays null: it is the lack of a right, or of
//! a fact, and never zero.

/// The statements that a session for reading can run. Each gives one row with one text: JSON, or null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// One look at a server.
    Look,
    /// How long ago a primary was promoted.
    Promotion,
    /// Which of Argo's tables there are and may be read.
    Tables,
    /// How many runs are archived.
    ArchiveRows,
    /// The newest archived runs.
    ArchiveNewest,
    /// Argo's schema version.
    SchemaVersion,
    /// What the session's user may do.
    Rights,
}

macro_rules! read_only {
    ($($part:expr),+) => {
        concat!("BEGIN TRANSACTION READ ONLY; ", $($part),+, "; COMMIT")
    };
}

/// Who the server is. `inet_server_port()` is null over a Unix socket.
macro_rules! identity {
    () => {
        "'system', (SELECT system_identifier::text FROM pg_control_system()), \
         'address', host(inet_server_addr()), \
         'port', coalesce(inet_server_port(), current_setting('port')::int)"
    };
}

/// The schema that holds Argo's tables: `public` where it is there, else the first that has them. Argo itself goes by
/// its user's `search_path`, which another user cannot see.
macro_rules! argo_schema {
    () => {
        "(SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
          WHERE c.relname = 'argo_archived_workflows' AND c.relkind IN ('r', 'p') \
            AND has_schema_privilege(n.oid, 'USAGE') \
          ORDER BY n.nspname <> 'public', n.nspname LIMIT 1)"
    };
}

macro_rules! in_argo_schema {
    ($statement:expr) => {
        read_only!(
            "SELECT set_config('search_path', 'pg_catalog, ' || quote_ident(",
            argo_schema!(),
            "), true); ",
            $statement
        )
    };
}

impl Read {
    /// Its text.
    pub(super) fn text(self) -> &'static str {
        match self {
            Read::Look => LOOK,
            Read::Promotion => PROMOTION,
            Read::Tables => TABLES,
            Read::ArchiveRows => ARCHIVE_ROWS,
            Read::ArchiveNewest => ARCHIVE_NEWEST,
            Read::SchemaVersion => SCHEMA_VERSION,
            Read::Rights => RIGHTS,
        }
    }
}

/// Recovery state is asked once and everything else hangs on that answer. Functions that fail in the other state stand
/// under CASE; they are volatile, so that nothing evaluates them beforehand.
const LOOK: &str = read_only!(
    "WITH recovery AS MATERIALIZED (SELECT pg_is_in_recovery() AS yes), ",
    "setting AS MATERIALIZED (SELECT name, setting, source FROM pg_settings WHERE name IN \
       ('default_transaction_read_only', 'synchronous_standby_names', 'wal_sender_timeout', 'wal_receiver_timeout')) ",
    "SELECT json_build_object(",
    identity!(),
    ", 'version', current_setting('server_version'), \
     'server_time', clock_timestamp(), \
     'control_timeline', greatest((SELECT timeline_id FROM pg_control_checkpoint()), \
       (SELECT min_recovery_end_timeline FROM pg_control_recovery())), \
     'settings', (SELECT json_object_agg(name, json_build_object('value', setting, 'source', source)) FROM setting), \
     'tls', coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false), \
     'could_promote', has_function_privilege('pg_promote(boolean, integer)', 'EXECUTE'), \
     'primary', CASE WHEN NOT recovery.yes THEN json_build_object( \
       'lsn', pg_current_wal_lsn()::text, \
       'redo', (SELECT redo_lsn FROM pg_control_checkpoint())::text, \
       'started', pg_postmaster_start_time(), \
       'timeline', left(pg_walfile_name(pg_current_wal_lsn()), 8), \
       'senders', (SELECT coalesce(json_agg(json_build_object( \
           'application', application_name, 'state', state, 'sync_state', sync_state, 'sent', sent_lsn::text, \
           'flushed', flush_lsn::text, 'replayed', replay_lsn::text) ORDER BY application_name, pid), '[]') \
         FROM pg_stat_replication), \
       'slots', (SELECT coalesce(json_agg(json_build_object( \
           'name', slot_name, 'active', active, 'wal_status', wal_status, \
           'retained', greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)) ORDER BY slot_name), '[]') \
         FROM pg_replication_slots)) END, \
     'replica', CASE WHEN recovery.yes THEN json_build_object( \
       'received', pg_last_wal_receive_lsn()::text, \
       'replayed', pg_last_wal_replay_lsn()::text, \
       'last_transaction', pg_last_xact_replay_timestamp(), \
       'paused', pg_is_wal_replay_paused(), \
       'receiver', (SELECT json_build_object( \
           'status', status, 'timeline', received_tli, 'host', sender_host, 'port', sender_port, \
           'last_message', last_msg_receipt_time) FROM pg_stat_wal_receiver)) END \
     )::text FROM recovery"
);

/// A promotion writes the history of the timeline that it begins into a file of that name, once, and the file stays
/// (*measured*: over checkpoints and restarts). `pg_ls_waldir()` is open to `pg_monitor`; the first timeline has no history.
const PROMOTION: &str = read_only!(
    "SELECT CASE WHEN NOT pg_is_in_recovery() AND has_function_privilege('pg_ls_waldir()', 'EXECUTE') \
       THEN (SELECT json_build_object('timeline', left(f.name, 8), \
           'seconds', extract(epoch FROM clock_timestamp() - f.modification)) FROM pg_ls_waldir() f \
         WHERE f.name = left(pg_walfile_name(pg_current_wal_lsn()), 8) || '.history') END::text"
);

const TABLES: &str = read_only!(
    "SELECT json_build_object( \
       'archive', coalesce((SELECT has_table_privilege(c.oid, 'SELECT') FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relname = 'argo_archived_workflows' AND n.nspname = s.nspname), false), \
       'history', coalesce((SELECT has_table_privilege(c.oid, 'SELECT') FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relname = 'schema_history' AND n.nspname = s.nspname), false))::text \
     FROM (SELECT ",
    argo_schema!(),
    " AS nspname) s"
);

const ARCHIVE_ROWS: &str = in_argo_schema!("SELECT count(*)::text FROM argo_archived_workflows");

/// The number is `NEWEST_ROWS_MAX`. Argo's columns have no time zone and hold UTC.
const ARCHIVE_NEWEST: &str = in_argo_schema!(
    "SELECT coalesce(json_agg(json_build_object('uid', uid, 'finished', finishedat AT TIME ZONE 'UTC')), '[]')::text \
     FROM (SELECT uid, finishedat FROM argo_archived_workflows ORDER BY finishedat DESC, uid LIMIT 50) newest"
);

const SCHEMA_VERSION: &str = in_argo_schema!("SELECT max(schema_version)::text FROM schema_history");

/// Rights as PostgreSQL itself checks them: `pg_terminate_backend` wants the privileges of `pg_signal_backend`, and
/// without those of `pg_read_all_stats` it cannot be told whose sessions there are.
const RIGHTS: &str = read_only!(
    "SELECT json_build_object('user', current_user::text, ",
    identity!(),
    ", 'promote', has_function_privilege('pg_promote(boolean, integer)', 'EXECUTE'), \
     'fence', has_parameter_privilege('default_transaction_read_only', 'ALTER SYSTEM') \
       AND has_function_privilege('pg_reload_conf()', 'EXECUTE'), \
     'terminate', pg_has_role('pg_signal_backend', 'USAGE') AND pg_has_role('pg_read_all_stats', 'USAGE'))::text"
);

/// Promotes, if the server is the one that was meant, in recovery, and has enough. The conditions stand in the same
/// statement as the act, so that nothing can come between them: a row that fails them is never projected.
/// `$1` system identifier, `$2` address or null, `$3` port, `$4` least LSN; `$5` a time that this server told and `$6`
/// the seconds after it that the act may still happen, for the statement may be held up on its way, or its sender be
/// stopped and go on.
pub(super) const PROMOTE: &str = "SELECT pg_promote(false) FROM pg_control_system() c \
     WHERE c.system_identifier = $1 AND pg_is_in_recovery() \
       AND host(inet_server_addr()) IS NOT DISTINCT FROM $2 \
       AND coalesce(inet_server_port(), current_setting('port')::int) = $3 \
       AND greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) >= $4::text::pg_lsn \
       AND clock_timestamp() < $5::text::timestamptz + make_interval(secs => $6)";

/// What the actuator must know before and after it acts.
pub(super) const STANDING: &str = concat!(
    "SELECT json_build_object(",
    identity!(),
    ", 'in_recovery', r.yes, \
     'lsn', CASE WHEN r.yes THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) \
       ELSE pg_current_wal_lsn() END::text, \
     'replayed', pg_last_wal_replay_lsn()::text, \
     'timeline', CASE WHEN r.yes THEN (SELECT timeline_id FROM pg_control_checkpoint()) \
       ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END, \
     'read_only', (SELECT reset_val FROM pg_settings WHERE name = 'default_transaction_read_only'), \
     'now', clock_timestamp())::text \
     FROM (SELECT pg_is_in_recovery() AS yes) r"
);

/// The fence. It stands in the server's own `postgresql.auto.conf`, which does not travel by replication; ALTER
/// DATABASE and ALTER ROLE would, and the promoted replica would be read-only too (*measured*).
pub(super) const FENCE: &str = "ALTER SYSTEM SET default_transaction_read_only = on";

/// Takes the fence away. ALTER SYSTEM is allowed in a session that is read-only by default.
pub(super) const UNFENCE: &str = "ALTER SYSTEM RESET default_transaction_read_only";

/// Makes the server read its configuration again.
pub(super) const RELOAD: &str = "SELECT pg_reload_conf()";

/// Ends this session at the server when it is silent for `$1` (milliseconds, as text).
pub(super) const SILENCE: &str = "SELECT set_config('idle_session_timeout', $1, false)";

/// Client sessions that began before `$1`, but for our own and for those that send WAL. A session whose kind may not
/// be seen counts, unless it sends WAL: better one too many than one that writes on. `endable`: we may end it, by the
/// rules of `pg_terminate_backend`, which fails as a whole at the first superuser's (*measured*).
macro_rules! sessions_before {
    () => {
        "SELECT a.pid, coalesce(a.usename, '?')::text AS usename, coalesce( \
            (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) \
            OR NOT coalesce(r.rolsuper, false) \
              AND (pg_has_role('pg_signal_backend', 'USAGE') OR pg_has_role(a.usesysid, 'USAGE')), \
            false) AS endable \
         FROM pg_stat_activity a LEFT JOIN pg_roles r ON r.oid = a.usesysid \
         WHERE a.pid <> pg_backend_pid() AND a.usesysid IS NOT NULL \
           AND (a.backend_type = 'client backend' OR a.backend_type IS NULL AND a.datid IS NOT NULL) \
           AND (a.backend_start IS NULL OR a.backend_start < $1::text::timestamptz) \
           AND NOT EXISTS (SELECT FROM pg_stat_replication s WHERE s.pid = a.pid)"
    };
}

/// Those sessions, and how many there are. The bound is for our memory: no more are named or tried one by one.
pub(super) const SESSIONS_BEFORE: &str =
    concat!("SELECT pid, usename, endable, count(*) OVER () FROM (", sessions_before!(), ") a ORDER BY pid LIMIT 2000");

/// Ends all of them that we may end, in one round trip however many they are. Recovery and time are asked again for
/// each. `$1` the moment, which this server told, `$2` the seconds after it that this may still happen.
pub(super) const TERMINATE_ALL: &str = concat!(
    "WITH old AS MATERIALIZED (",
    sessions_before!(),
    ") SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM old \
     WHERE endable AND NOT pg_is_in_recovery() AND clock_timestamp() < $1::text::timestamptz + make_interval(secs => $2)"
);

/// Ends one session, for those that a look at their role does not clear. `$2` and `$3` bound its time likewise.
pub(super) const TERMINATE: &str = "SELECT pg_terminate_backend($1) \
     WHERE NOT pg_is_in_recovery() AND clock_timestamp() < $2::text::timestamptz + make_interval(secs => $3)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::database::NEWEST_ROWS_MAX;

    const READS: [Read; 7] = [
        Read::Look,
        Read::Promotion,
        Read::Tables,
        Read::ArchiveRows,
        Read::ArchiveNewest,
        Read::SchemaVersion,
        Read::Rights,
    ];

    #[test]
    fn what_a_reading_session_can_send_cannot_write() {
        for read in READS {
            let text = read.text();
            assert!(text.starts_with("BEGIN TRANSACTION READ ONLY; ") && text.ends_with("; COMMIT"), "{read:?}");
            // Asking for a right is all that may be done with what acts.
            let asks = text.replace("'pg_promote(boolean, integer)'", "").replace("'pg_reload_conf()'", "");
            for word in ["pg_promote", "pg_reload", "pg_terminate", "pg_cancel", "ALTER ", "UPDATE ", "DELETE "] {
                assert!(!asks.replace("'ALTER SYSTEM'", "").contains(word), "{read:?} has {word}");
            }
        }
    }

    #[test]
    fn as_many_rows_are_read_as_the_domain_allows() {
        assert!(ARCHIVE_NEWEST.contains(&format!("LIMIT {NEWEST_ROWS_MAX})")));
    }
}
