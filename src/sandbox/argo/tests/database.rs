//! The archive in a real PostgreSQL. Skipped where its programs are not installed.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::*;

/// A throw-away server on a free port.
struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
}

fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    versions.filter_map(Result::ok).map(|version| version.path().join("bin")).find(|bin| bin.join("initdb").exists())
}

/// Runs a server program; as another user when we are root, which PostgreSQL refuses to run as.
fn run(program: &Path, arguments: &[&str]) {
    let root = rustix::process::geteuid().is_root();
    let mut command = if root { Command::new("setpriv") } else { Command::new(program) };
    if root {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    }
    let status = command.args(arguments).current_dir("/").stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "{}", program.display());
}

impl Server {
    fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            eprintln!("PostgreSQL is not installed: skipped");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("leeward-archive-").tempdir().unwrap();
        if rustix::process::geteuid().is_root() {
            assert!(Command::new("chown").arg("postgres").arg(folder.path()).status().unwrap().success());
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let data = folder.path().join("data").display().to_string();
        run(&programs.join("initdb"), &["-D", &data, "-U", "argo", "-A", "trust", "--no-sync"]);
        let server = Self { folder, programs, port };
        server.up();
        Some(server)
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    fn up(&self) {
        let socket = self.folder.path().display();
        let options = format!("-p {} -h 127.0.0.1 -k {socket} -c fsync=off", self.port);
        let log = self.folder.path().join("log").display().to_string();
        run(&self.programs.join("pg_ctl"), &["-D", &self.data(), "-w", "-l", &log, "-o", &options, "start"]);
    }

    fn down(&self) {
        run(&self.programs.join("pg_ctl"), &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
    }

    fn url(&self) -> String {
        format!("postgres://argo@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.data();
        let root = rustix::process::geteuid().is_root();
        let program = self.programs.join("pg_ctl");
        let mut command = if root { Command::new("setpriv") } else { Command::new(&program) };
        if root {
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(&program);
        }
        // It may be down already.
        let _ = command.args(["-D", &data, "-m", "immediate", "stop"]).current_dir("/").output();
    }
}

fn row(uid: &str, phase: &str) -> ArchiveRow {
    let workflow = json!({"metadata": {"name": "train", "namespace": "ml", "uid": uid,
            "creationTimestamp": "2026-11-24T09:59:00Z", "labels": {PHASE: phase, "team": "a"}},
        "status": {"startedAt": "2026-11-24T10:00:00Z", "finishedAt": "2026-11-24T10:05:00Z", "message": "nul \u{0} inside"}});
    ArchiveRow::of("us-central1", &workflow)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_rows_and_refusals() {
    let Some(server) = Server::start() else { return };
    let archive = PostgresArchive::connect(&server.url()).unwrap();
    archive.migrate().await.unwrap();
    archive.migrate().await.unwrap();
    archive.store(row("u1", "Failed")).await.unwrap();
    archive.store(row("u1", "Succeeded")).await.unwrap();
    archive.store(row("u2", "Failed")).await.unwrap();
    let pool = sqlx::PgPool::connect(&server.url()).await.unwrap();
    let version: i32 = sqlx::query_scalar("select schema_version from schema_history").fetch_one(&pool).await.unwrap();
    assert_eq!(version, SCHEMA_VERSION);
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "select uid, phase, to_char(startedat, 'YYYY-MM-DD HH24:MI:SS') from argo_archived_workflows \
         where clustername = 'us-central1' and instanceid = '' order by uid",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let expected = |uid: &str, phase: &str| (uid.to_owned(), phase.to_owned(), "2026-11-24 10:00:00".to_owned());
    assert_eq!(rows, [expected("u1", "Succeeded"), expected("u2", "Failed")], "one row a uid, in UTC");
    let labels: i64 = sqlx::query_scalar("select count(*) from argo_archived_workflows_labels where uid = 'u1'")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(labels, 2);

    // Fenced: everything is there already, and still the start fails.
    sqlx::query("alter system set default_transaction_read_only = on").execute(&pool).await.unwrap();
    sqlx::query("select pg_reload_conf()").execute(&pool).await.unwrap();
    let mut refused = archive.migrate().await;
    for _ in 0..500 {
        if matches!(refused, Err(ArchiveError::ReadOnly(_))) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        refused = archive.migrate().await;
    }
    assert!(matches!(refused, Err(ArchiveError::ReadOnly(_))), "{refused:?}");
    assert!(matches!(archive.store(row("u3", "Failed")).await, Err(ArchiveError::ReadOnly(_))));

    // Down and up again: the pool finds its way back.
    drop(pool);
    server.down();
    assert!(matches!(archive.ping_write().await, Err(ArchiveError::Unreachable(_))));
    server.up();
    let mut back = archive.ping_write().await;
    for _ in 0..500 {
        if !matches!(back, Err(ArchiveError::Unreachable(_))) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        back = archive.ping_write().await;
    }
    assert!(!matches!(back, Err(ArchiveError::Unreachable(_))), "{back:?}");
}

#[test]
fn a_malformed_url_does_not_tell_its_password() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _guard = runtime.enter();
    let error = PostgresArchive::connect("postgres://argo:secret@[").unwrap_err();
    assert!(!error.to_string().contains("secret"));
}
