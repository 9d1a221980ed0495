//! `leeward sandbox`: other tools see two clusters, faults come by standard input, and nothing is left of it however it ends.

use crate::support::bench::{A, B, Bench};
use crate::support::program::{Program, leeward};
use crate::support::{Turn, marked, turn, until};
use leeward::domain::region::Side;
use leeward::sandbox::kube::Kind;
use leeward::sandbox::postgres;
use rustix::process::Signal;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A running `leeward sandbox`.
struct Running {
    program: Program,
    folder: PathBuf,
    home: TempDir,
    _turn: Turn,
}

impl Running {
    fn start() -> Running {
        let turn = turn();
        let home = tempfile::tempdir().unwrap();
        let mut program = Program::start(home.path(), &["sandbox"]);
        let kubeconfig = until("the sandbox is up", || {
            assert!(program.running(), "{}", program.err());
            let out = program.out();
            let line = out.lines().find(|line| line.trim_start().starts_with("kubeconfig"))?;
            out.contains("or quit").then(|| PathBuf::from(line.split_whitespace().nth(1).unwrap()))
        });
        let folder = kubeconfig.parent().unwrap().to_owned();
        Running { program, folder, home, _turn: turn }
    }

    /// Every address of its own that is written in its files.
    fn ports(&self) -> Vec<SocketAddr> {
        let texts = ["kubeconfig", "config.toml"].map(|file| std::fs::read_to_string(self.folder.join(file)).unwrap());
        let mut ports: Vec<SocketAddr> = texts
            .iter()
            .flat_map(|text| text.split("127.0.0.1:").skip(1))
            .map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap())
            .map(|port: u16| SocketAddr::from(([127, 0, 0, 1], port)))
            .collect();
        ports.sort();
        ports.dedup();
        ports
    }

    fn kubectl(&self, region: &str, args: &[&str]) -> Command {
        let mut kubectl = Command::new("kubectl");
        kubectl.arg("--kubeconfig").arg(self.folder.join("kubeconfig")).args(["--context", region]).args(args);
        kubectl.env("HOME", self.home.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        kubectl
    }

    /// Neither process nor folder nor port is left.
    #[track_caller]
    fn is_gone(&self, ports: &[SocketAddr]) {
        until("every process is gone", || marked(&self.program.mark).is_empty().then_some(()));
        until("the folder is gone", || (!self.folder.exists()).then_some(()));
        for port in ports {
            assert!(
                TcpStream::connect_timeout(port, Duration::from_secs(5)).is_err(),
                "{port} still takes connections"
            );
        }
    }
}

fn has_kubectl() -> bool {
    let mut version = Command::new("kubectl");
    version
        .args(["version", "--client"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Lines of a child's standard output so far, collected in a file.
fn into_file(mut command: Command, path: &Path) -> Child {
    let file = std::fs::File::create(path).unwrap();
    command.stdout(file).spawn().unwrap()
}

#[test]
fn other_tools_see_two_clusters_and_faults_come_by_standard_input() {
    let mut sandbox = Running::start();
    let ports = sandbox.ports();
    assert!(ports.len() >= 6, "two API servers, two databases, name servers, a receiver: {ports:?}");
    for port in &ports {
        assert!(TcpStream::connect(port).is_ok(), "{port}");
    }
    if has_kubectl() {
        watched(&sandbox);
    } else {
        println!("kubectl is not installed: its part is skipped");
    }
    sandbox.program.type_line("regoin-down us-central1");
    until("the nearest fault", || sandbox.program.err().contains("did you mean region-down?").then_some(()));
    sandbox.program.type_line("region-down us-central");
    until("the regions", || sandbox.program.err().contains("there are us-central1 and us-east1").then_some(()));
    sandbox.program.type_line("region-down");
    until("how to say it", || sandbox.program.err().contains("region-down us-central1").then_some(()));
    sandbox.program.type_line("");
    let config = sandbox.folder.join("config.toml").display().to_string();
    let status = || leeward(sandbox.home.path(), &["--config", &config, "status"]);
    until("READY", || (status().code == Some(0)).then_some(()));
    sandbox.program.type_line("region-down us-central1");
    until("the fault", || sandbox.program.out().contains("region-down us-central1: done").then_some(()));
    let status = || leeward(sandbox.home.path(), &["--config", &config, "status"]);
    status().ended(3).says("old-region-fenced").says("refused");
    sandbox.program.type_line("region-up us-central1");
    until("the fault is over", || sandbox.program.out().contains("region-up us-central1: done").then_some(()));
    until("READY again", || (status().code == Some(0)).then_some(()));
    sandbox.program.type_line("quit");
    sandbox.program.end().ended(0);
    sandbox.is_gone(&ports);
}

/// What the sandbox writes to become what it is must not be seen as the rate at which its database is written: the loss of
/// an outage is estimated by that.
#[test]
fn what_is_seeded_is_no_sign_of_how_fast_the_database_is_written() {
    let bench = Bench::start();
    let count = |side, of: &str| bench.sql(side, of).parse::<u64>().unwrap();
    let rows = |side| count(side, "SELECT count(*) FROM argo_archived_workflows");
    let written = || count(postgres::Side::A, "pg_current_wal_lsn() - '0/0'");
    let (seeded, before) = (rows(postgres::Side::A), written());
    assert!(seeded >= 32, "the finished runs are in the archive: {seeded}");
    assert_eq!(rows(postgres::Side::B), seeded, "and the replica has them");
    assert!(bench.holder(Side::A, "workflow-controller").is_some(), "a controller leads already");
    assert_eq!(bench.sql(postgres::Side::A, "current_setting('autovacuum')"), "off", "nothing is tidied up later");
    let canary = serde_json::json!({"metadata": {"name": "first", "namespace": "ml"},
        "spec": {"workflowTemplateRef": {"name": "dr-canary"}}});
    let store = bench.sandbox().api(Side::A).store();
    store.create(Kind::Workflow, canary, leeward::domain::Timestamp::now()).unwrap();
    let archived = "EXISTS (SELECT FROM argo_archived_workflows WHERE name = 'first')";
    until("a run is archived", || (bench.sql(postgres::Side::A, archived) == "true").then_some(()));
    let runs = rows(postgres::Side::A) - seeded;
    let each = (written() - before) / runs;
    // Each is a row of some kilobytes, and after a checkpoint the first change of each page is a page.
    assert!(each < 48 * 1024, "{each} bytes of log for each of {runs} runs");
}

/// `kubectl get wf -A -w` gets the list and then changes.
fn watched(sandbox: &Running) {
    let path = sandbox.home.path().join("watch");
    let mut watch = into_file(sandbox.kubectl(A, &["get", "wf", "-A", "-w"]), &path);
    let seen = until("changes of workflows", || {
        assert!(watch.try_wait().unwrap().is_none(), "kubectl ended: {}", std::fs::read_to_string(&path).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        let mut names: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        // A name that stands there twice has changed.
        (all > names.len()).then_some(text.clone())
    });
    watch.kill().unwrap();
    watch.wait().unwrap();
    assert!(seen.lines().next().unwrap().contains("STATUS") && seen.contains("Running"), "{seen}");
    let crons = sandbox.kubectl(B, &["get", "cronwf", "-n", "ml", "-o", "name"]).output().unwrap();
    let text = String::from_utf8(crons.stdout).unwrap();
    assert!(text.contains("cronworkflow.argoproj.io/heartbeat"), "{text} {}", String::from_utf8_lossy(&crons.stderr));
    let denied = sandbox.kubectl(&format!("{A}-nobody"), &["get", "wf", "-A"]).output().unwrap();
    assert!(String::from_utf8_lossy(&denied.stderr).contains("Forbidden"), "{denied:?}");
}

#[test]
fn nothing_is_left_after_a_signal() {
    // Its standard input stays open and silent, as a keyboard is.
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut sandbox = Running::start();
        let ports = sandbox.ports();
        sandbox.program.signal(signal);
        sandbox.program.end().ended(0);
        sandbox.is_gone(&ports);
    }
}

#[test]
fn nothing_is_left_after_a_kill() {
    let mut sandbox = Running::start();
    let ports = sandbox.ports();
    sandbox.program.signal(Signal::KILL);
    assert_eq!(sandbox.program.end().code, None);
    // Its guard sees the end of it.
    sandbox.is_gone(&ports);
}

#[test]
fn what_a_kill_of_everything_but_the_servers_leaves_is_ended_by_the_next_one() {
    let mut sandbox = Running::start();
    let ports = sandbox.ports();
    let guard = marked(&sandbox.program.mark).into_iter().find(|line| line.contains("leeward-sandbox-guard")).unwrap();
    let pid = guard.split(' ').next().unwrap().parse().ok().and_then(rustix::process::Pid::from_raw).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    sandbox.program.signal(Signal::KILL);
    sandbox.program.end();
    assert!(sandbox.folder.exists() && !marked(&sandbox.program.mark).is_empty(), "there is something to end");
    let mut next = Program::start(sandbox.home.path(), &["sandbox"]);
    until("the next one is up", || next.out().contains("or quit").then_some(()));
    sandbox.is_gone(&ports);
    next.type_line("quit");
    next.end().ended(0);
    until("and gone", || marked(&next.mark).is_empty().then_some(()));
}

#[test]
fn a_signal_while_it_starts_ends_it_too() {
    let _turn = turn();
    let home = tempfile::tempdir().unwrap();
    for args in [&["sandbox"][..], &["drill"]] {
        let mut program = Program::start(home.path(), args);
        until("its first child", || (marked(&program.mark).len() > 1).then_some(()));
        program.signal(Signal::INT);
        let told = program.end();
        assert!(told.code.is_some() && !told.out.contains("are up"), "{told:?}");
        until("every process is gone", || marked(&program.mark).is_empty().then_some(()));
    }
}

#[test]
fn a_wrong_place_of_postgresql_in_the_configuration_is_named() {
    let home = tempfile::tempdir().unwrap();
    let config = crate::support::absent(home.path());
    let mut text = std::fs::read_to_string(&config).unwrap();
    text.push_str("\n[postgres]\nbindir = \"/nowhere/bin\"\n");
    std::fs::write(&config, &text).unwrap();
    for command in ["sandbox", "drill"] {
        leeward(home.path(), &["--config", "config.toml", command]).ended(1).says("/nowhere/bin").says("initdb");
    }
    // A configuration that is named is read, or the command says why not.
    std::fs::write(&config, text.replace("[postgres]", "[postgress]")).unwrap();
    for command in ["sandbox", "drill"] {
        leeward(home.path(), &["--config", "config.toml", command]).ended(2).says("postgress").says("postgres");
        leeward(home.path(), &["--config", "absent.toml", command]).ended(2).says("absent.toml");
    }
}
