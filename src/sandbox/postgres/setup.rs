//! How a pair comes to be: a new cluster, its roles, a copy that streams. Not pure: runs `initdb` and
//! `pg_basebackup` and speaks SQL as the superuser.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tokio::time::{Instant, sleep, timeout};

use super::error::PairError;
use super::pki::{self, Pki};
use super::secret::Secret;
use super::server::{Host, Server, last_words};
use super::settings::{self, DATABASE, GRANTS, HBA, Role};
use crate::sandbox::reaper::{Reaper, StopBy};

/// `initdb` and `pg_basebackup` take about a second each; this is for a very busy machine.
const TOOL_PATIENCE: Duration = Duration::from_secs(120);
const SQL_PATIENCE: Duration = Duration::from_secs(15);
const STREAM_PATIENCE: Duration = Duration::from_secs(60);
/// Tries with other ports, should another process take the one that was free a moment ago.
const PORT_TRIES: usize = 5;

/// What stays the same for the life of a pair.
#[derive(Debug)]
pub(super) struct Setup {
    pub host: Host,
    pub reaper: Arc<Reaper>,
    pub more: Vec<(String, String)>,
    pub pki: Pki,
    pub passwords: Vec<(Role, Secret)>,
}

impl Setup {
    /// Draws passwords and writes one file for each, which only we may read.
    pub fn passwords(home: &Path) -> Result<Vec<(Role, Secret)>, PairError> {
        let mut passwords = Vec::new();
        for role in Role::ALL {
            let secret = Secret::draw()?;
            pki::write(&password_file(home, role), 0o600, &format!("{}\n", secret.reveal()))?;
            passwords.push((role, secret));
        }
        Ok(passwords)
    }

    /// The password of a role; every role has one.
    pub fn password(&self, role: Role) -> &str {
        self.passwords.iter().find(|(of, _)| *of == role).map_or("", |(_, secret)| secret.reveal())
    }

    /// Makes a new cluster with the roles and the database, running as primary.
    pub async fn create_primary(&self, server: &mut Server) -> Result<(), PairError> {
        remove(&server.data)?;
        let pwfile = self.host.home.join("initdb-password");
        pki::write(&pwfile, 0o600, self.password(Role::Admin))?;
        self.host.account.own(&pwfile)?;
        let mut arguments = words(&["--no-sync", "-E", "UTF8", "--locale", "C", "-U", Role::Admin.name()]);
        arguments.extend(words(&["--auth-local", "reject", "--auth-host", "scram-sha-256"]));
        arguments.push(format!("--pwfile={}", pwfile.display()));
        arguments.push(format!("--pgdata={}", server.data.display()));
        let made = self.tool("initdb", &arguments, None).await;
        let _ = fs::remove_file(&pwfile);
        made?;
        append(&server.data.join("postgresql.conf"), &settings::configuration(&self.pki, &self.more))?;
        pki::write(&server.data.join("pg_hba.conf"), 0o600, HBA)?;
        self.start(server).await?;
        let mut admin = self.connect(server.port, Role::Admin, "postgres").await?;
        run(&mut admin, "create roles", settings::roles(|role| self.password(role).to_owned())).await?;
        run(&mut admin, "create database", format!("CREATE DATABASE {DATABASE} OWNER argo")).await?;
        let mut admin = self.connect(server.port, Role::Admin, DATABASE).await?;
        run(&mut admin, "grant rights", GRANTS.to_owned()).await
    }

    /// Makes `to` a copy of the primary behind `line` and starts it as a streaming replica with a slot of its own.
    pub async fn create_replica(
        &self,
        primary: u16,
        line: SocketAddr,
        to: &mut Server,
        region: &str,
    ) -> Result<(), PairError> {
        remove(&to.data)?;
        let slot = region.replace('-', "_");
        let mut admin = self.connect(primary, Role::Admin, "postgres").await?;
        // A former life of this replica may have left its slot.
        let old =
            format!("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{slot}'");
        run(&mut admin, "drop the old slot", old).await?;
        let conninfo = format!(
            "host=127.0.0.1 port={} user={} sslmode=verify-full sslrootcert={} application_name={region}",
            line.port(),
            Role::Replicator.name(),
            settings::quote(&self.pki.ca.to_string_lossy()),
        );
        let mut arguments =
            words(&["-R", "-C", "-X", "stream", "-c", "fast", "--no-sync", "-S", &slot, "-d", &conninfo]);
        arguments.push(format!("--pgdata={}", to.data.display()));
        self.tool("pg_basebackup", &arguments, Some(self.password(Role::Replicator))).await?;
        self.start(to).await?;
        self.wait_streaming(primary, to.port, region).await
    }

    /// Starts a server; at its first start finds it a port.
    pub async fn start(&self, server: &mut Server) -> Result<(), PairError> {
        if server.port != 0 {
            return server.start(&self.host, &self.reaper).await;
        }
        for _ in 1..PORT_TRIES {
            server.port = free_port()?;
            match server.start(&self.host, &self.reaper).await {
                Err(PairError::PortTaken(_)) => server.port = 0,
                other => return other,
            }
        }
        server.port = free_port()?;
        server.start(&self.host, &self.reaper).await
    }

    /// Proves that what the primary has written arrives: the replica replays up to the primary's position of now.
    pub async fn wait_streaming(&self, primary: u16, replica: u16, region: &str) -> Result<(), PairError> {
        let failed = |source| PairError::Sql { operation: "watch replication", source };
        let deadline = Instant::now() + STREAM_PATIENCE;
        let mut source = self.connect(primary, Role::Admin, "postgres").await?;
        let mut copy = self.connect(replica, Role::Admin, "postgres").await?;
        let target: String =
            sqlx::query_scalar("SELECT pg_current_wal_lsn()::text").fetch_one(&mut source).await.map_err(failed)?;
        loop {
            let sends = sqlx::query_scalar::<_, bool>(
                "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = $1 AND state = 'streaming')",
            );
            let sends = sends.bind(region).fetch_one(&mut source).await.map_err(failed)?;
            let replays = sqlx::query_scalar::<_, bool>(
                "SELECT coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, false)
                    AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')",
            );
            let replays = replays.bind(&target).fetch_one(&mut copy).await.map_err(failed)?;
            if sends && replays {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(PairError::NotStreaming(region.to_owned()));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Connects with a verified certificate, as a client in production does.
    pub async fn connect(&self, port: u16, role: Role, database: &str) -> Result<PgConnection, PairError> {
        let options = PgConnectOptions::new()
            .host("127.0.0.1")
            .port(port)
            .username(role.name())
            .password(self.password(role))
            .database(database)
            .ssl_mode(PgSslMode::VerifyFull)
            .ssl_root_cert(&self.pki.ca)
            .application_name("leeward-sandbox")
            .disable_statement_logging();
        let failed = |source| PairError::Sql { operation: "connect", source };
        match timeout(SQL_PATIENCE, PgConnection::connect_with(&options)).await {
            Ok(connection) => connection.map_err(failed),
            Err(_) => Err(failed(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))),
        }
    }

    /// Runs one of PostgreSQL's programs to its end, registered and as the servers' user.
    async fn tool(&self, program: &'static str, arguments: &[String], password: Option<&str>) -> Result<(), PairError> {
        let mut command = self.reaper.command(StopBy::Term, &self.host.binaries.program(program))?;
        self.host.account.apply(command.args(arguments), &self.host.home);
        if let Some(password) = password {
            command.env("PGPASSWORD", password);
        }
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut command = tokio::process::Command::from(command);
        let child = command.kill_on_drop(true).spawn().map_err(|source| PairError::Spawn { program, source })?;
        match timeout(TOOL_PATIENCE, child.wait_with_output()).await {
            Ok(Ok(output)) if output.status.success() => Ok(()),
            Ok(Ok(output)) => Err(PairError::Tool { program, said: last_words(&output.stderr) }),
            Ok(Err(source)) => Err(PairError::Spawn { program, source }),
            Err(_) => Err(PairError::Tool { program, said: format!("no end after {TOOL_PATIENCE:?}") }),
        }
    }
}

/// Where a role's password is kept.
pub(super) fn password_file(home: &Path, role: Role) -> PathBuf {
    home.join(format!("password-{}", role.name()))
}

/// Runs our own statements, which hold nothing from outside.
pub(super) async fn run(to: &mut PgConnection, operation: &'static str, sql: String) -> Result<(), PairError> {
    let done = timeout(SQL_PATIENCE, sqlx::raw_sql(AssertSqlSafe(sql)).execute(to)).await;
    match done {
        Ok(done) => done.map(|_| ()).map_err(|source| PairError::Sql { operation, source }),
        Err(_) => Err(PairError::Sql { operation, source: sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()) }),
    }
}

fn remove(dir: &Path) -> Result<(), PairError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(PairError::File { operation: "remove", path: dir.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

fn append(path: &Path, text: &str) -> Result<(), PairError> {
    let failed = |source| PairError::File { operation: "append to", path: path.to_owned(), source };
    OpenOptions::new().append(true).open(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)
}

fn free_port() -> Result<u16, PairError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(PairError::Port)?;
    listener.local_addr().map(|addr| addr.port()).map_err(PairError::Port)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
