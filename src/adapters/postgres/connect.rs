//! How a session is opened, and what an error of it means.

use std::io;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

use crate::adapters::password;
use crate::domain::endpoints::DatabaseEndpoint;
use crate::domain::freshness::{ErrorKind, SourceError};

/// The name that a server's operator sees in `pg_stat_activity`.
pub(super) const APPLICATION: &str = "leeward";

/// A session with the place it leads to, for the words of its errors.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) connection: PgConnection,
    pub(super) place: String,
}

/// Opens a session. Its statements are ended by the server after `statement`; the caller bounds the whole by its own
/// clock, since a frozen server ends nothing.
///
/// The names in our statements mean PostgreSQL's own functions and no others: `search_path` holds `pg_catalog` only
/// (CVE-2018-1058).
pub(super) async fn open(endpoint: &DatabaseEndpoint, statement: Duration) -> Result<Session, SourceError> {
    let mut options: PgConnectOptions = endpoint.url.parse().map_err(|error: sqlx::Error| {
        SourceError::new(ErrorKind::NotConfigured, &format!("the database URL: {error}"))
    })?;
    if let Some(secret) = password::fetch(&endpoint.password).await? {
        options = options.password(secret.reveal());
    }
    let place = place(&options);
    let millis = statement.as_millis().max(1).to_string();
    let options = options
        .application_name(APPLICATION)
        .options([
            ("statement_timeout", millis.as_str()),
            ("idle_in_transaction_session_timeout", "10000"),
            ("search_path", "pg_catalog"),
        ])
        .statement_cache_capacity(8)
        .disable_statement_logging();
    let connection = PgConnection::connect_with(&options).await.map_err(|error| explain(&place, &error))?;
    Ok(Session { connection, place })
}

fn place(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None if options.get_host().contains(':') => format!("[{}]:{}", options.get_host(), options.get_port()),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

/// What an error means. SQLSTATE codes: PostgreSQL documentation, appendix A.
pub(super) fn explain(place: &str, error: &sqlx::Error) -> SourceError {
    let (kind, text) = match error {
        sqlx::Error::Database(server) => {
            let code = server.code().unwrap_or_default();
            (kind_of_code(&code), format!("{} ({code})", server.message()))
        }
        sqlx::Error::Io(io) if kind_of_io(io) == ErrorKind::Tls => (ErrorKind::Tls, format!("TLS: {io}")),
        sqlx::Error::Io(io) => (kind_of_io(io), io_text(io)),
        sqlx::Error::Tls(tls) => (ErrorKind::Tls, format!("TLS: {}", chain(tls.as_ref()))),
        sqlx::Error::Configuration(cause) => (ErrorKind::NotConfigured, format!("cannot connect: {cause}")),
        other if hung_up(other) => (ErrorKind::Unreachable, "the server closed the connection".to_owned()),
        other => (ErrorKind::Protocol, other.to_string()),
    };
    SourceError::new(kind, &format!("{place}: {text}"))
}

/// A proxy or a tunnel whose server is gone takes the connection and closes it at once. The library reads the missing
/// answer to its first question, whether TLS is spoken, as a zero byte.
fn hung_up(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Protocol(_)) && error.to_string().contains("response from SSLRequest: 0x00")
}

fn kind_of_code(code: &str) -> ErrorKind {
    match code {
        // invalid_authorization_specification (pg_hba.conf has no such entry), invalid_password
        "28000" | "28P01" => ErrorKind::Unauthorized,
        "42501" => ErrorKind::Forbidden,
        // invalid_catalog_name: a server, and not the one that was meant
        "3D000" => ErrorKind::WrongIdentity,
        // query_canceled: here always by statement_timeout
        "57014" => ErrorKind::Timeout,
        // admin_shutdown, crash_shutdown: it was there and goes away
        "57P01" | "57P02" => ErrorKind::Unreachable,
        // Class 08, connection exception: a pooler or proxy in front says so of a server that it does not reach
        // (PgBouncer: 08P01). That it speaks is no sign of life of the server.
        _ if code.starts_with("08") => ErrorKind::Unreachable,
        // among them cannot_connect_now (57P03: starting, stopping) and too_many_connections (53300)
        _ => ErrorKind::Protocol,
    }
}

fn kind_of_io(error: &io::Error) -> ErrorKind {
    if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
        return ErrorKind::Tls;
    }
    match error.kind() {
        io::ErrorKind::TimedOut => ErrorKind::Timeout,
        // The resolver's errors have no kind of their own; this is how the standard library words them.
        _ if error.to_string().contains("failed to lookup address") => ErrorKind::Name,
        _ => ErrorKind::Unreachable,
    }
}

fn io_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused: nobody listens there".to_owned(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => "the server closed the connection".to_owned(),
        _ => error.to_string(),
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// The session is gone though the server may be well: it was ended from the server's side between two looks.
pub(super) fn session_ended(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(server) => ended(&server.code().unwrap_or_default()),
        _ => false,
    }
}

/// Codes with which a session ends. After those of class 08, which come from something in between, nobody knows what
/// became of a statement that was under way.
fn ended(code: &str) -> bool {
    matches!(code, "57P01" | "57P02" | IDLE_SESSION_TIMEOUT) || code.starts_with("08")
}

/// The server had ended the session because it was silent for longer than `idle_session_timeout`: the statement that
/// gets this answer was never begun.
pub(super) const IDLE_SESSION_TIMEOUT: &str = "57P05";

/// SQLSTATE of a server's error, or empty.
pub(super) fn code(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(server) => server.code().unwrap_or_default().into_owned(),
        _ => String::new(),
    }
}

/// The words for a server that gave no answer.
pub(super) fn no_answer(what: &str, limit: Duration) -> SourceError {
    let text = format!("{what}: no answer in {}", crate::domain::units::fine(limit));
    SourceError::new(ErrorKind::Timeout, &text)
}

/// Host and port of a URL that was not connected to yet, without its user.
pub(super) fn place_of(endpoint: &DatabaseEndpoint) -> String {
    endpoint.url.parse().map_or_else(|_| "database".to_owned(), |options: PgConnectOptions| place(&options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_codes_say_about_the_server() {
        for (code, kind, ends) in [
            ("28000", ErrorKind::Unauthorized, false),
            ("28P01", ErrorKind::Unauthorized, false),
            ("42501", ErrorKind::Forbidden, false),
            ("3D000", ErrorKind::WrongIdentity, false),
            ("57014", ErrorKind::Timeout, false),
            ("57P01", ErrorKind::Unreachable, true),
            ("57P02", ErrorKind::Unreachable, true),
            ("57P05", ErrorKind::Protocol, true),
            // The server itself says these, so it lives.
            ("57P03", ErrorKind::Protocol, false),
            ("53300", ErrorKind::Protocol, false),
            ("XX000", ErrorKind::Protocol, false),
            ("", ErrorKind::Protocol, false),
            // Somebody in front of it says these.
            ("08000", ErrorKind::Unreachable, true),
            ("08001", ErrorKind::Unreachable, true),
            ("08003", ErrorKind::Unreachable, true),
            ("08004", ErrorKind::Unreachable, true),
            ("08006", ErrorKind::Unreachable, true),
            ("08P01", ErrorKind::Unreachable, true),
        ] {
            assert_eq!((kind_of_code(code), ended(code)), (kind, ends), "{code}");
        }
    }
}
