use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};

use rustix::process::{Pid, kill_process};

use super::*;

/// Names the directory that the helper below works in; absent in an ordinary run of the tests.
const HELPER: &str = "LEEWARD_TEST_REAPER_BASE";

fn sleeper(reaper: &Reaper) -> Child {
    let mut command = reaper.command(StopBy::Term, Path::new("sleep")).unwrap();
    command.arg("600").process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The register holds the process once it runs; before that it is still the shell that writes the line.
fn wait_registered(reaper: &Reaper) -> Process {
    loop {
        if let Some(process) = reaper.processes().pop() {
            return process;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn wait_until(what: impl Fn() -> bool) {
    while !what() {
        thread::sleep(Duration::from_millis(10));
    }
}

fn folders(base: &Path) -> usize {
    fs::read_dir(base).unwrap().flatten().filter(|e| e.file_name().to_string_lossy().starts_with(PREFIX)).count()
}

/// Not a test of its own: the process that the tests below kill. Prints what it started, then waits for its death.
#[test]
#[ignore = "helper process of the other tests"]
fn helper() {
    let Some(base) = std::env::var_os(HELPER) else { return };
    let reaper = Reaper::start_in(Path::new(&base)).unwrap();
    let mut child = sleeper(&reaper);
    let process = wait_registered(&reaper);
    println!("\nstarted {} {} {}", process.pid, reaper.guard.pid(), process.birth);
    if std::env::var_os("LEEWARD_TEST_REAPER_PANIC").is_some() {
        panic!("as asked");
    }
    child.wait().unwrap();
}

/// Starts the helper and returns it with its sleeper and its guard's number.
fn start_helper(base: &Path, panic: bool) -> (Child, Process, i32) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "sandbox::reaper::tests::helper", "--ignored", "--nocapture"]).env(HELPER, base);
    if panic {
        command.env("LEEWARD_TEST_REAPER_PANIC", "1");
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("started ") {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "the helper died early");
    }
    let words: Vec<&str> = line.trim().splitn(4, ' ').collect();
    let process = Process { pid: words[1].parse().unwrap(), birth: words[3].to_owned() };
    assert!(panic || process.alive());
    thread::spawn(move || out.read_to_end(&mut Vec::new()));
    (child, process, words[2].parse().unwrap())
}

#[test]
fn drop_ends_processes_and_removes_the_folder() {
    let base = tempfile::tempdir().unwrap();
    let reaper = Reaper::start_in(base.path()).unwrap();
    let mut child = sleeper(&reaper);
    let process = wait_registered(&reaper);
    process.freeze(); // a frozen process must not hold us up
    let guard = Process::find(reaper.guard.pid()).unwrap();
    fs::create_dir(reaper.dir().join("data")).unwrap();
    drop(reaper);
    assert!(!process.alive() && !guard.alive());
    child.wait().unwrap();
    assert_eq!(folders(base.path()), 0);
}

#[test]
fn a_panic_cleans_up() {
    let base = tempfile::tempdir().unwrap();
    let (mut helper, process, _) = start_helper(base.path(), true);
    helper.wait().unwrap();
    assert!(!process.alive());
    assert_eq!(folders(base.path()), 0);
}

#[test]
fn the_guard_cleans_up_after_any_death() {
    // A hang-up is ignored by whatever a `nohup make test` starts; what ends the helper does not matter here.
    for signal in [Signal::TERM, Signal::KILL] {
        let base = tempfile::tempdir().unwrap();
        let (mut helper, process, _) = start_helper(base.path(), false);
        kill_process(Pid::from_child(&helper), signal).unwrap();
        helper.wait().unwrap();
        wait_until(|| !process.alive() && folders(base.path()) == 0);
    }
}

#[test]
fn a_sweep_cleans_up_when_the_guard_died_too() {
    let base = tempfile::tempdir().unwrap();
    let (mut helper, process, guard) = start_helper(base.path(), false);
    assert_eq!(Reaper::sweep_in(base.path()).unwrap(), Swept::default(), "a living sandbox is left alone");
    assert!(process.alive());
    kill_process(Pid::from_raw(guard).unwrap(), Signal::KILL).unwrap();
    helper.kill().unwrap();
    helper.wait().unwrap();
    assert!(process.alive(), "nobody was left to end it");
    assert_eq!(Reaper::sweep_in(base.path()).unwrap(), Swept { folders: 1, processes: 1 });
    assert!(!process.alive());
    assert_eq!(folders(base.path()), 0);
}

#[test]
fn a_number_used_again_is_not_killed() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join(format!("{PREFIX}1-x"));
    fs::create_dir(&dir).unwrap();
    let mut other = Command::new("sleep").arg("600").spawn().unwrap();
    let process = Process::find(other.id() as i32).unwrap();
    // The owner is named dead by another birth, and so is the process. Broken lines are skipped.
    fs::write(dir.join("owner"), format!("{} 0{}\n", process.pid, process.birth)).unwrap();
    let lines = format!("{0} TERM 1{1}\n{0} NONSENSE {1}\n{0}\nx\n", process.pid, process.birth);
    fs::write(dir.join("processes"), lines).unwrap();
    assert_eq!(Reaper::sweep_in(base.path()).unwrap(), Swept { folders: 1, processes: 0 });
    assert!(process.alive());
    assert!(!dir.exists());
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn a_folder_that_others_can_write_is_not_believed() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join(format!("{PREFIX}1-x"));
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, Permissions::from_mode(0o777)).unwrap();
    let link = base.path().join(format!("{PREFIX}2-x"));
    std::os::unix::fs::symlink("/", &link).unwrap();
    assert_eq!(Reaper::sweep_in(base.path()).unwrap(), Swept::default());
    assert!(dir.exists() && link.symlink_metadata().is_ok());
}

#[test]
fn the_program_gets_its_arguments_and_an_empty_input() {
    let base = tempfile::tempdir().unwrap();
    let reaper = Reaper::start_in(base.path()).unwrap();
    let mut command = reaper.command(StopBy::Quit, Path::new("sh")).unwrap();
    let output = command.args(["-c", "cat; echo \"$1|$2\"", "x", "a b", "$c"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "a b|$c\n");
    let register = fs::read_to_string(reaper.dir().join("processes")).unwrap();
    assert!(register.contains(" QUIT "), "{register}");
}
