//! The servers' configuration and the roles, as text. Pure. Rights follow the principle that a monitor cannot change
//! anything and an operator can do what a failover needs and no more; the same as a production set-up should have.

use std::fmt::Write as _;

use super::pki::Pki;

/// A role that a client connects as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// `leeward`: sees everything, changes nothing.
    Monitor,
    /// `leeward_operator`: may promote, fence, end backends.
    Operator,
    /// `argo`: owns the database, as the workflow controllers do.
    Argo,
    /// `postgres`: superuser, for the sandbox itself.
    Admin,
    /// `replicator`: streams.
    Replicator,
}

impl Role {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 5] = [Self::Monitor, Self::Operator, Self::Argo, Self::Admin, Self::Replicator];

    /// The role's name in PostgreSQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Monitor => "leeward",
            Self::Operator => "leeward_operator",
            Self::Argo => "argo",
            Self::Admin => "postgres",
            Self::Replicator => "replicator",
        }
    }
}

/// Name of the database, as in Argo's own examples.
pub const DATABASE: &str = "argo";

/// Only TLS, only passwords, only loopback.
pub const HBA: &str = "\
hostssl all         all        127.0.0.1/32 scram-sha-256
hostssl replication replicator 127.0.0.1/32 scram-sha-256
";

/// What is appended to `postgresql.conf`. Port and cluster name differ by side and are given on the command line.
pub fn configuration(pki: &Pki, more: &[(String, String)]) -> String {
    let mut text = format!(
        "
# A database that lives as long as a drill: light, and without a promise to survive a power cut.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
ssl = on
ssl_cert_file = {}
ssl_key_file = {}
password_encryption = scram-sha-256
shared_buffers = 32MB
max_connections = 60
# Files in the data folder rather than /dev/shm, so that a killed server leaves nothing behind.
dynamic_shared_memory_type = mmap
fsync = off
# As most productions have it: the first change of a page after a checkpoint writes less.
wal_compression = on
# In a cluster that is minutes old it would go through every catalogue of every database, and write more log in a second
# than the regions in ten minutes: whoever looks would take that for how fast this database is written.
autovacuum = off
jit = off
min_wal_size = 32MB
max_wal_size = 256MB
# A replica that is away must not fill the disk: beyond this its slot reads `lost`.
max_slot_wal_keep_size = 1GB
hot_standby_feedback = on
track_commit_timestamp = on
log_line_prefix = '%m [%p] %u@%d '
log_timezone = 'UTC'
timezone = 'UTC'
",
        quote(&pki.cert.to_string_lossy()),
        quote(&pki.key.to_string_lossy()),
    );
    for (name, value) in more {
        let _ = writeln!(text, "{name} = {}", quote(value));
    }
    text
}

/// True for something that can be a setting's name, so that a value cannot come in by the name.
pub fn is_setting_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.".contains(&byte))
}

/// A quoted value of a configuration file (also of a connection string, whose rules are the same for `'` and `\`).
pub fn quote(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', " "))
}

/// Roles and their global rights, to be run once on a new primary as superuser. Passwords are letters and digits.
pub fn roles(password: impl Fn(Role) -> String) -> String {
    format!(
        "CREATE ROLE argo LOGIN PASSWORD '{}';
CREATE ROLE leeward LOGIN PASSWORD '{}';
CREATE ROLE leeward_operator LOGIN PASSWORD '{}';
CREATE ROLE replicator LOGIN REPLICATION PASSWORD '{}';
GRANT pg_monitor, pg_read_all_data TO leeward, leeward_operator;
GRANT pg_signal_backend, pg_checkpoint TO leeward_operator;
GRANT ALTER SYSTEM ON PARAMETER default_transaction_read_only TO leeward_operator;",
        password(Role::Argo),
        password(Role::Monitor),
        password(Role::Operator),
        password(Role::Replicator),
    )
}

/// Rights within the database: EXECUTE is granted per database, and a replica can't be granted anything, so they must
/// be there before the outage.
pub const GRANTS: &str = "GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer), pg_reload_conf(), pg_switch_wal(),
 pg_wal_replay_pause(), pg_wal_replay_resume() TO leeward_operator";

/// Percent-encodes what is not plainly allowed in a URL's query.
pub fn url_encode(text: &str) -> String {
    let mut url = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_quotes() {
        assert_eq!(quote("it's\\\nfsync = on"), r"'it\'s\\ fsync = on'");
        for (name, want) in [("wal_receiver_timeout", true), ("a.b", true), ("", false), ("a = b", false), ("A", false)]
        {
            assert_eq!(is_setting_name(name), want, "{name}");
        }
    }

    #[test]
    fn paths_in_urls() {
        assert_eq!(url_encode("/tmp/a b&c=%/ü.crt"), "/tmp/a%20b%26c%3D%25/%C3%BC.crt");
    }
}
