//! Reads what the look brought. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::read::Look;
use crate::domain::Timestamp;
use crate::domain::database::{
    DatabaseIdentity, DatabaseSample, PrimaryState, Receiver, ReplicaState, Sender, ServerState, Slot,
};
use crate::domain::text::clean_to;
use crate::domain::units::{Bytes, Lsn, SystemId, Timeline};

/// Longest name kept; PostgreSQL's own names have at most 63 bytes.
const NAME_CHARS_MAX: usize = 128;

/// Longest address kept: an IPv6 address has 45 characters at most (POSIX `INET6_ADDRSTRLEN`).
const ADDRESS_CHARS_MAX: usize = 64;

/// Senders and slots kept of each; a server has `max_wal_senders` of them, ten by default.
const ROWS_MAX: usize = 64;

#[derive(Deserialize)]
pub(super) struct RawIdentity {
    /// A signed number on the wire, whatever PostgreSQL means by it.
    system: String,
    address: Option<String>,
    port: i64,
}

impl RawIdentity {
    pub(super) fn read(self) -> Result<DatabaseIdentity, String> {
        let system = self.system.parse::<i64>().map_err(|_| "its system identifier is no number".to_owned())?;
        let port = u16::try_from(self.port).map_err(|_| "its port is no port".to_owned())?;
        let address = self.address.map(|address| clean_to(&address, ADDRESS_CHARS_MAX));
        Ok(DatabaseIdentity { system: SystemId(system.cast_unsigned()), address, port })
    }
}

#[derive(Deserialize)]
struct Raw {
    #[serde(flatten)]
    identity: RawIdentity,
    version: String,
    server_time: Timestamp,
    control_timeline: Option<u32>,
    settings: BTreeMap<String, RawSetting>,
    tls: bool,
    could_promote: Option<bool>,
    primary: Option<RawPrimary>,
    replica: Option<RawReplica>,
}

#[derive(Deserialize)]
struct RawSetting {
    value: Option<String>,
    source: Option<String>,
}

#[derive(Deserialize)]
struct RawPrimary {
    lsn: Lsn,
    redo: Option<Lsn>,
    started: Option<Timestamp>,
    timeline: String,
    senders: Vec<RawSender>,
    slots: Vec<RawSlot>,
}

#[derive(Deserialize)]
struct RawSender {
    application: Option<String>,
    state: Option<String>,
    sync_state: Option<String>,
    sent: Option<Lsn>,
    flushed: Option<Lsn>,
    replayed: Option<Lsn>,
}

#[derive(Deserialize)]
struct RawSlot {
    name: String,
    active: bool,
    wal_status: Option<String>,
    retained: Option<u64>,
}

#[derive(Deserialize)]
struct RawReplica {
    received: Option<Lsn>,
    replayed: Option<Lsn>,
    last_transaction: Option<Timestamp>,
    paused: bool,
    receiver: Option<RawReceiver>,
}

#[derive(Deserialize)]
struct RawReceiver {
    status: Option<String>,
    timeline: Option<u32>,
    host: Option<String>,
    port: Option<i64>,
    last_message: Option<Timestamp>,
}

/// Reads the text of one look.
pub(super) fn read(text: &str) -> Result<Look, String> {
    let raw: Raw = serde_json::from_str(text).map_err(|error| format!("its answer was not understood: {error}"))?;
    let mut warnings = Vec::new();
    if raw.could_promote == Some(true) {
        warnings.push("the monitoring user may promote this server; give it a role that cannot".to_owned());
    }
    let read_only_default = read_only_default(&raw, &mut warnings);
    let text = |name: &str| raw.settings.get(name).and_then(|setting| setting.value.clone());
    let millis = |name: &str| text(name).and_then(|value| value.parse().ok()).map(Duration::from_millis);
    let sender_timeout = millis("wal_sender_timeout").ok_or("it did not tell wal_sender_timeout")?;
    let receiver_timeout = millis("wal_receiver_timeout").ok_or("it did not tell wal_receiver_timeout")?;
    let synchronous_standby_names = clean_to(&text("synchronous_standby_names").unwrap_or_default(), NAME_CHARS_MAX);
    let (timeline, state) = match (raw.primary, raw.replica) {
        (Some(primary), None) => {
            let timeline = u32::from_str_radix(&primary.timeline, 16).map(Timeline);
            let timeline = timeline.map_err(|_| "its WAL file has no timeline".to_owned())?;
            (timeline, ServerState::Primary(primary.read(sender_timeout)))
        }
        (None, Some(replica)) => {
            let received = replica.receiver.as_ref().and_then(|receiver| receiver.timeline);
            let timeline = received.or(raw.control_timeline).ok_or("it did not tell its timeline")?;
            (Timeline(timeline), ServerState::Replica(replica.read(receiver_timeout)))
        }
        _ => return Err("it is neither primary nor replica".to_owned()),
    };
    // "15.18 (Debian 15.18-0+deb12u1)": the number is what tells.
    let version = clean_to(raw.version.split_whitespace().next().unwrap_or_default(), 32);
    let sample = DatabaseSample {
        identity: raw.identity.read()?,
        version,
        server_time: raw.server_time,
        timeline,
        read_only_default,
        synchronous_standby_names,
        tls: raw.tls,
        state,
    };
    Ok(Look { sample, warnings })
}

#[derive(Deserialize)]
struct RawPromotion {
    timeline: String,
    seconds: f64,
}

/// Reads when a promotion was. A server whose clock was set back since tells a negative time: then it was just now.
pub(super) fn read_promotion(text: &str) -> Result<(Timeline, Duration), String> {
    let odd = |error: &dyn std::fmt::Display| format!("when it was promoted was not understood: {error}");
    let raw: RawPromotion = serde_json::from_str(text).map_err(|error| odd(&error))?;
    let timeline = u32::from_str_radix(&raw.timeline, 16).map_err(|error| odd(&error))?;
    let ago = Duration::try_from_secs_f64(raw.seconds.max(0.0)).map_err(|error| odd(&error))?;
    Ok((Timeline(timeline), ago))
}

/// What a new session of somebody else gets. A value that was given to our own user, database user or session says
/// nothing about others, and "read-only" would be the dangerous mistake: then it counts as off, with a warning.
fn read_only_default(raw: &Raw, warnings: &mut Vec<String>) -> bool {
    let Some(setting) = raw.settings.get("default_transaction_read_only") else { return false };
    let on = setting.value.as_deref() == Some("on");
    let source = setting.source.as_deref().unwrap_or_default();
    // Names of sources: PostgreSQL `GucSource_Names`.
    let ours_alone = matches!(source, "user" | "database user" | "client" | "session" | "interactive");
    if on && ours_alone {
        let text = "default_transaction_read_only is set for the monitoring user itself, \
            so a fence of this server cannot be seen; ALTER ROLE … RESET default_transaction_read_only";
        warnings.push(text.to_owned());
    }
    on && !ours_alone
}

fn name(text: String) -> String {
    clean_to(&text, NAME_CHARS_MAX)
}

impl RawPrimary {
    fn read(self, wal_sender_timeout: Duration) -> PrimaryState {
        let senders = self.senders.into_iter().take(ROWS_MAX).map(|raw| Sender {
            application: name(raw.application.unwrap_or_default()),
            state: raw.state.map(name),
            sync_state: raw.sync_state.map(name),
            sent: raw.sent,
            flushed: raw.flushed,
            replayed: raw.replayed,
        });
        let slots = self.slots.into_iter().take(ROWS_MAX).map(|raw| Slot {
            name: name(raw.name),
            active: raw.active,
            wal_status: raw.wal_status.map(name),
            retained: raw.retained.map(Bytes),
        });
        PrimaryState {
            lsn: self.lsn,
            redo: self.redo,
            started: self.started,
            senders: senders.collect(),
            slots: slots.collect(),
            wal_sender_timeout,
        }
    }
}

impl RawReplica {
    fn read(self, wal_receiver_timeout: Duration) -> ReplicaState {
        let receiver = self.receiver.map(|raw| Receiver {
            status: raw.status.map(name),
            timeline: raw.timeline.map(Timeline),
            sender: match (raw.host, raw.port) {
                (Some(host), Some(port)) => Some(format!("{}:{port}", name(host))),
                _ => None,
            },
            last_message: raw.last_message,
        });
        ReplicaState {
            received: self.received,
            replayed: self.replayed,
            last_transaction: self.last_transaction,
            replay_paused: self.paused,
            receiver,
            wal_receiver_timeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(read_only: &str, source: &str, state: &str) -> String {
        format!(
            r#"{{"system":"7421123456789903","address":"192.0.2.1","port":5432,"version":"15.18 (Debian 15.18-0)",
            "server_time":"2026-11-24T22:29:10.203842+00:00","control_timeline":3,"tls":true,"could_promote":false,
            "settings":{{"default_transaction_read_only":{{"value":"{read_only}","source":"{source}"}},
            "synchronous_standby_names":{{"value":"","source":"default"}},
            "wal_sender_timeout":{{"value":"60000","source":"default"}},
            "wal_receiver_timeout":{{"value":"0","source":"default"}}}},{state}}}"#
        )
    }

    const PRIMARY: &str = r#""primary":{"lsn":"0/30BE3A0","timeline":"0000000A","senders":[{"application":null}],"slots":[]},"replica":null"#;
    const REPLICA: &str = r#""primary":null,"replica":{"received":null,"replayed":"0/5","last_transaction":null,"paused":true,"receiver":null}"#;

    #[test]
    fn what_may_not_be_seen_is_unknown_and_not_zero() {
        let sample = read(&look("off", "default", PRIMARY)).unwrap().sample;
        let primary = sample.primary().unwrap();
        assert_eq!(sample.timeline, Timeline(10), "the name of a WAL file is hexadecimal");
        assert_eq!((primary.senders[0].sent, primary.senders[0].state.clone()), (None, None));
        assert_eq!(sample.version, "15.18");
        let sample = read(&look("off", "default", REPLICA)).unwrap().sample;
        let replica = sample.replica().unwrap();
        assert_eq!((replica.received, replica.receiver.clone()), (None, None));
        assert_eq!(sample.timeline, Timeline(3), "no receiver: the control file tells");
        assert_eq!(replica.wal_receiver_timeout, Duration::ZERO);
    }

    /// Every piece of text a server can put into its answer ends up on a terminal.
    #[test]
    fn text_of_the_server_is_clean_and_short_wherever_it_stands() {
        let evil = format!("\\u001b]0;x\\u0007\\u202e{}", "y".repeat(4000));
        let primary = format!(
            r#""primary":{{"lsn":"0/5","timeline":"00000001","senders":[{{"application":"{evil}","state":"{evil}",
            "sync_state":"{evil}"}}],"slots":[{{"name":"{evil}","active":true,"wal_status":"{evil}"}}]}},"replica":null"#
        );
        let replica = format!(
            r#""primary":null,"replica":{{"received":null,"replayed":"0/5","last_transaction":null,"paused":true,
            "receiver":{{"status":"{evil}","timeline":1,"host":"{evil}","port":5432}}}}"#
        );
        for state in [primary, replica] {
            let text =
                look("off", "default", &state).replace("192.0.2.1", &evil).replace("15.18 (", &format!("{evil} ("));
            let text = text.replace(
                r#""synchronous_standby_names":{"value":"""#,
                &format!(r#""synchronous_standby_names":{{"value":"{evil}""#),
            );
            let sample = read(&text).unwrap().sample;
            assert!(sample.identity.address.is_some() && !sample.synchronous_standby_names.is_empty());
            // Debug writes what a terminal would obey as an escape, so that it shows.
            let shown = format!("{sample:?}");
            assert!(!shown.contains("\\u{"), "{shown}");
            assert!(!shown.contains(&"y".repeat(NAME_CHARS_MAX + 1)), "{shown}");
        }
        for text in [evil.as_str(), &look("off", "default", PRIMARY).replace("0/30BE3A0", &evil)] {
            assert!(read(text).is_err());
        }
    }

    #[test]
    fn only_a_setting_that_holds_for_others_is_a_fence() {
        for (value, source, fenced, warned) in [
            ("on", "configuration file", true, false),
            ("on", "database", true, false),
            ("on", "command line", true, false),
            ("on", "user", false, true),
            ("on", "client", false, true),
            ("off", "user", false, false),
        ] {
            let look = read(&look(value, source, PRIMARY)).unwrap();
            assert_eq!(look.sample.read_only_default, fenced, "{value} from {source}");
            assert_eq!(!look.warnings.is_empty(), warned, "{value} from {source}");
        }
    }

    #[test]
    fn nonsense_is_said_to_be_nonsense() {
        for text in ["", "null", "{}", &look("off", "default", r#""primary":null,"replica":null"#)] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
