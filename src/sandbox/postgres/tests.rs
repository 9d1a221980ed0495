use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::*;
use crate::sandbox::reaper::{Process, Reaper};

/// One text value; NULL is "NULL".
async fn ask(to: &mut PgConnection, sql: &str) -> Result<String, sqlx::Error> {
    let sql = format!("SELECT ({sql})::text");
    sqlx::query_scalar::<_, Option<String>>(AssertSqlSafe(sql))
        .fetch_one(to)
        .await
        .map(|value| value.unwrap_or_else(|| "NULL".into()))
}

async fn ask_side(pair: &Pair, side: Side, sql: &str) -> String {
    ask(&mut pair.connect(side, Role::Admin).await.unwrap(), sql).await.unwrap()
}

async fn open(url: &str) -> Result<PgConnection, sqlx::Error> {
    PgConnection::connect_with(&PgConnectOptions::from_str(url).unwrap()).await
}

/// Waits without a bound of its own: a hang is a failure that the test runner shows.
async fn until(pair: &Pair, side: Side, sql: &str, want: &str) {
    while ask_side(pair, side, sql).await != want {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A pair in a folder of its own, so that leftovers can be looked for.
async fn pair_in(base: &Path) -> Pair {
    let reaper = Some(Arc::new(Reaper::start_in(base).unwrap()));
    Pair::start(PairOptions { reaper, ..PairOptions::default() }).await.unwrap()
}

fn folders(base: &Path) -> usize {
    std::fs::read_dir(base).unwrap().count()
}

#[tokio::test]
async fn roles_have_their_rights_on_both_sides_and_no_more() {
    let pair = Pair::start(PairOptions::default()).await.unwrap();
    for side in [Side::A, Side::B] {
        let recovery = (side == Side::B).to_string();
        let mut monitor = open(&pair.url(side, Role::Monitor)).await.unwrap();
        let mut operator = open(&pair.url(side, Role::Operator)).await.unwrap();
        let mut argo = open(&pair.url(side, Role::Argo)).await.unwrap();
        assert_eq!(ask(&mut monitor, "pg_is_in_recovery()").await.unwrap(), recovery);
        assert_eq!(ask(&mut monitor, "current_database()").await.unwrap(), "argo");
        assert_eq!(ask(&mut monitor, "current_setting('cluster_name')").await.unwrap(), pair.region(side));
        assert_eq!(ask(&mut argo, "(SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())").await.unwrap(), "true");
        let owner = "(SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'argo')";
        assert_eq!(ask(&mut monitor, owner).await.unwrap(), "argo");
        for function in ["pg_promote(boolean,integer)", "pg_reload_conf()", "pg_switch_wal()", "pg_wal_replay_pause()"]
        {
            let may = format!("has_function_privilege('{function}', 'EXECUTE')");
            assert_eq!(ask(&mut operator, &may).await.unwrap(), "true", "{function}");
            assert_eq!(ask(&mut monitor, &may).await.unwrap(), "false", "{function}");
            assert_eq!(ask(&mut argo, &may).await.unwrap(), "false", "{function}");
        }
        let fence = "has_parameter_privilege('default_transaction_read_only', 'ALTER SYSTEM')";
        assert_eq!(ask(&mut operator, fence).await.unwrap(), "true");
        assert_eq!(ask(&mut monitor, fence).await.unwrap(), "false");
        for (role, want) in [("pg_monitor", "true"), ("pg_read_all_data", "true"), ("pg_signal_backend", "false")] {
            assert_eq!(ask(&mut monitor, &format!("pg_has_role('{role}', 'MEMBER')")).await.unwrap(), want, "{role}");
        }
    }
    let mut monitor = open(&pair.url(Side::A, Role::Monitor)).await.unwrap();
    let replica = "(SELECT application_name || ' ' || state FROM pg_stat_replication)";
    assert_eq!(ask(&mut monitor, replica).await.unwrap(), "us-east1 streaming");
    let slot = "(SELECT slot_name || ' ' || active FROM pg_replication_slots)";
    assert_eq!(ask(&mut monitor, slot).await.unwrap(), format!("{} true", pair.slot(Side::B)));

    let file = std::fs::read_to_string(pair.password_file(Role::Monitor)).unwrap();
    assert_eq!(file.trim(), pair.password(Role::Monitor));
    let bare = PgConnectOptions::from_str(&pair.bare_url(Side::A, Role::Monitor)).unwrap();
    assert!(PgConnection::connect_with(&bare.clone().password("wrong")).await.is_err());
    PgConnection::connect_with(&bare.password(file.trim())).await.unwrap();
    assert!(!format!("{pair:?}").contains(pair.password(Role::Monitor)));
    // Without TLS nobody gets in, and a certificate of another authority is refused.
    let plain = pair.url(Side::A, Role::Argo).replace("verify-full", "disable");
    assert!(open(&plain).await.is_err());
    let system_roots = pair.url(Side::A, Role::Argo).split("&sslrootcert").next().unwrap().to_owned();
    assert!(open(&system_roots).await.is_err());
}

#[tokio::test]
async fn faults_look_like_what_they_are() {
    let pair = Pair::start(PairOptions::default()).await.unwrap();
    let mut argo = pair.connect(Side::A, Role::Argo).await.unwrap();
    sqlx::raw_sql("CREATE TABLE t (n int)").execute(&mut argo).await.unwrap();
    pair.wait_streaming(Side::B).await.unwrap();

    pair.pause_replay(Side::B).await.unwrap();
    sqlx::raw_sql("INSERT INTO t VALUES (1)").execute(&mut argo).await.unwrap();
    let written = ask_side(&pair, Side::A, "pg_current_wal_flush_lsn()").await;
    until(&pair, Side::B, &format!("pg_last_wal_receive_lsn() >= '{written}'"), "true").await;
    assert_eq!(ask_side(&pair, Side::B, "SELECT count(*) FROM t").await, "0");
    pair.resume_replay(Side::B).await.unwrap();
    until(&pair, Side::B, "SELECT count(*) FROM t", "1").await;

    // The line is cut, both servers are well: the primary loses its replica, the slot stays.
    pair.link(Side::A).cut();
    until(&pair, Side::A, "SELECT count(*) FROM pg_stat_replication", "0").await;
    sqlx::raw_sql("INSERT INTO t VALUES (2)").execute(&mut argo).await.unwrap();
    assert_eq!(ask_side(&pair, Side::B, "SELECT count(*) FROM t").await, "1");
    pair.link(Side::A).mend();
    until(&pair, Side::B, "SELECT count(*) FROM t", "2").await;

    // Frozen: the connection is accepted by the kernel, no answer comes.
    pair.freeze(Side::A).await;
    assert_eq!(pair.state(Side::A).await, ServerState::Frozen);
    assert!(tokio::net::TcpStream::connect(pair.addr(Side::A)).await.is_ok());
    let answer = tokio::time::timeout(Duration::from_millis(300), ask(&mut argo, "1")).await;
    assert!(answer.is_err(), "a frozen server answered: {answer:?}");
    assert!(matches!(pair.start_again(Side::A).await, Err(PairError::State { .. })));
    pair.thaw(Side::A).await;
    assert_eq!(ask_side(&pair, Side::A, "1").await, "1");

    // Stopped: refused. A clean stop leaves a state that says so.
    pair.stop(Side::B, Stop::Clean).await;
    assert_eq!(pair.state(Side::B).await, ServerState::Stopped);
    let refused = tokio::net::TcpStream::connect(pair.addr(Side::B)).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    pair.start_again(Side::B).await.unwrap();
    pair.wait_streaming(Side::B).await.unwrap();

    // A crash of a frozen server, and its recovery.
    pair.freeze(Side::A).await;
    pair.restart(Side::A, Stop::Crash).await.unwrap();
    assert_eq!(ask_side(&pair, Side::A, "SELECT count(*) FROM t").await, "2");
    pair.wait_streaming(Side::B).await.unwrap();
}

#[tokio::test]
async fn failover_return_of_the_old_primary_rebuild_and_reset() {
    let pair = Pair::start(PairOptions::default()).await.unwrap();
    let system = ask_side(&pair, Side::A, "(SELECT system_identifier FROM pg_control_system())").await;
    pair.stop(Side::A, Stop::Crash).await;
    let mut operator = open(&pair.url(Side::B, Role::Operator)).await.unwrap();
    assert_eq!(ask(&mut operator, "pg_promote()").await.unwrap(), "true");
    let timeline = "left(pg_walfile_name(pg_current_wal_lsn()), 8)";
    assert_eq!(ask_side(&pair, Side::B, timeline).await, "00000002");
    pair.start_again(Side::A).await.unwrap();
    assert_eq!(ask_side(&pair, Side::A, "pg_is_in_recovery()").await, "false", "two primaries now");
    assert_eq!(ask_side(&pair, Side::A, timeline).await, "00000001");

    pair.rebuild(Side::A).await.unwrap();
    assert_eq!(ask_side(&pair, Side::A, "pg_is_in_recovery()").await, "true");
    let replica = "(SELECT application_name || ' ' || state FROM pg_stat_replication)";
    assert_eq!(ask_side(&pair, Side::B, replica).await, "us-central1 streaming");
    pair.rebuild(Side::A).await.unwrap(); // the slot of the first time is no obstacle

    pair.link(Side::A).cut();
    pair.reset().await.unwrap();
    assert_eq!(ask_side(&pair, Side::A, "pg_is_in_recovery()").await, "false");
    assert_eq!(ask_side(&pair, Side::B, "pg_is_in_recovery()").await, "true");
    assert_eq!(ask_side(&pair, Side::A, timeline).await, "00000001");
    assert_ne!(ask_side(&pair, Side::B, "(SELECT system_identifier FROM pg_control_system())").await, system);
    open(&pair.url(Side::B, Role::Monitor)).await.unwrap();
}

#[tokio::test]
async fn drop_leaves_nothing_even_of_a_frozen_server() {
    let base = tempfile::tempdir().unwrap();
    open_to_all(base.path());
    let pair = pair_in(base.path()).await;
    let mut trees = Vec::new();
    for server in pair.processes() {
        trees.extend(server.tree());
    }
    assert!(trees.len() > 8, "both servers have children: {trees:?}");
    pair.freeze(Side::A).await;
    // Not in a runtime's thread: no runtime is needed.
    std::thread::spawn(move || drop(pair)).join().unwrap();
    assert!(trees.iter().all(|process| !process.alive()), "{trees:?}");
    assert_eq!(folders(base.path()), 0);
}

#[test]
fn bad_options_are_refused_before_anything_starts() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let refused = |options| runtime.block_on(Pair::start(options)).unwrap_err().to_string();
    let defaults = PairOptions::default;
    for regions in [["a", "a"], ["", "b"], ["a b", "c"], ["it's", "b"]] {
        let error = refused(PairOptions { regions: regions.map(str::to_owned), ..defaults() });
        assert!(error.starts_with("region name"), "{error}");
    }
    let error = refused(PairOptions { settings: vec![("fsync = on\nx".into(), "1".into())], ..defaults() });
    assert!(error.starts_with("setting name"), "{error}");
    let error = refused(PairOptions { bin_dir: Some("/nonexistent".into()), ..defaults() });
    assert!(error.contains("/nonexistent") && error.contains("apt-get install postgresql"), "{error}");
}

#[tokio::test]
async fn a_folder_out_of_the_servers_reach_is_named() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root runs the servers as another user");
        return;
    }
    let base = tempfile::tempdir().unwrap(); // 0700, root's
    let reaper = Some(Arc::new(Reaper::start_in(base.path()).unwrap()));
    let error = Pair::start(PairOptions { reaper, ..PairOptions::default() }).await.unwrap_err();
    assert!(matches!(error, PairError::Unreachable { .. }) && error.to_string().contains("TMPDIR"), "{error}");
    assert_eq!(folders(base.path()), 0);
}

/// Names the directory that the helper below works in; absent in an ordinary run of the tests.
const HELPER: &str = "LEEWARD_TEST_PAIR_BASE";

/// Not a test of its own: the process that the test below kills with its pair running.
#[tokio::test]
#[ignore = "helper process of another test"]
async fn helper() {
    let Some(base) = std::env::var_os(HELPER) else { return };
    let pair = pair_in(Path::new(&base)).await;
    for process in pair.processes().iter().flat_map(Process::tree) {
        println!("\nprocess {} {}", process.pid, process.birth);
    }
    pair.freeze(Side::B).await;
    println!("\nready");
    std::future::pending::<()>().await;
}

#[test]
fn after_kill_9_nothing_remains() {
    let base = tempfile::tempdir().unwrap();
    open_to_all(base.path());
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "sandbox::postgres::tests::helper", "--ignored", "--nocapture"]).env(HELPER, base.path());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut processes = Vec::new();
    let mut line = String::new();
    while line.trim() != "ready" {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "the helper died early");
        if let Some((pid, birth)) = line.strip_prefix("process ").and_then(|rest| rest.trim().split_once(' ')) {
            processes.push(Process { pid: pid.parse().unwrap(), birth: birth.to_owned() });
        }
    }
    std::thread::spawn(move || out.read_to_end(&mut Vec::new()));
    assert!(processes.len() > 8 && processes.iter().all(Process::alive), "{processes:?}");
    // The guard is the helper's child; it dies too, so that only the sweep is left.
    for guard in Process::find(child.id() as i32).unwrap().tree().into_iter().skip(1) {
        let name = std::fs::read_to_string(format!("/proc/{}/comm", guard.pid)).unwrap_or_default();
        if name.trim() != "postgres" && !processes.contains(&guard) {
            kill_process(Pid::from_raw(guard.pid).unwrap(), Signal::KILL).unwrap();
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(processes.iter().any(Process::alive));
    let swept = Reaper::sweep_in(base.path()).unwrap();
    assert_eq!((swept.folders, swept.processes), (1, 2));
    assert!(processes.iter().all(|process| !process.alive()), "{processes:?}");
    assert_eq!(folders(base.path()), 0);
}

/// The servers' user must be able to pass.
fn open_to_all(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
}
