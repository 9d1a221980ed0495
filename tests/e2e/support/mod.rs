//! What every module needs: the program, folders of its own, a turn among the sandboxes, a look at processes.

pub mod bench;
pub mod program;
pub mod terminal;

use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest wait for anything: only something that hangs takes so long on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Sandboxes at a time: each has two database servers and two regions, and spends most of its time waiting.
const SANDBOXES_MAX: usize = 2;

static TURNS: (Mutex<usize>, Condvar) = (Mutex::new(SANDBOXES_MAX), Condvar::new());

/// The right to a sandbox.
pub struct Turn(());

/// Waits for the right to a sandbox.
pub fn turn() -> Turn {
    let (left, given) = &TURNS;
    let left = left.lock().unwrap_or_else(PoisonError::into_inner);
    *given.wait_while(left, |left| *left == 0).unwrap_or_else(PoisonError::into_inner) -= 1;
    Turn(())
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (left, given) = &TURNS;
        *left.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        given.notify_one();
    }
}

/// Looks until it is so.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: not within {} s", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A configuration whose servers are all absent: closed ports of this machine.
pub fn absent(folder: &Path) -> PathBuf {
    let context = |name: &str, port: u16| {
        format!(
            r#"
[regions.{name}]
context = "{name}"
kubeconfig = "{folder}/kubeconfig"

[regions.{name}.database]
url = "postgres://leeward@127.0.0.1:{port}/argo?sslmode=disable"
operator = {{ url = "postgres://leeward_operator@127.0.0.1:{port}/argo?sslmode=disable" }}
"#,
            folder = folder.display()
        )
    };
    let config = format!(
        r#"schema = 1
environment = "absent"
{}{}
[dns]
name = "workflows.example.com"
provider = "rfc2136"
server = "127.0.0.1:3"
zone = "example.com"
servers = ["127.0.0.1:3"]
targets = {{ north = "192.0.2.10", south = "198.51.100.10" }}

[state]
dir = "{}/state"
"#,
        context("north", 1),
        context("south", 2),
        folder.display()
    );
    let clusters = ["north", "south"].map(|name| {
        format!(
            "- name: {name}\n  cluster: {{server: \"https://127.0.0.1:{}\"}}\n",
            if name == "north" { 1 } else { 2 }
        )
    });
    let contexts = ["north", "south"].map(|name| format!("- name: {name}\n  context: {{cluster: {name}, user: u}}\n"));
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n{}contexts:\n{}users:\n- name: u\n  user: {{token: t}}\n",
        clusters.concat(),
        contexts.concat()
    );
    std::fs::write(folder.join("kubeconfig"), kubeconfig).unwrap();
    let path = folder.join("config.toml");
    std::fs::write(&path, config).unwrap();
    path
}

/// Processes that carry `mark` in their environment. Children inherit it, so none of them can hide.
pub fn marked(mark: &str) -> Vec<String> {
    let wanted = format!("LEEWARD_E2E={mark}");
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| {
        entry.file_name().to_str()?.parse::<u32>().ok()?;
        let environment = std::fs::read(entry.path().join("environ")).ok()?;
        let carries = environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes());
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        carries
            .then(|| format!("{} {}", entry.file_name().display(), String::from_utf8_lossy(&line).replace('\0', " ")))
    });
    processes.collect()
}

/// A mark that no other process of this machine has.
pub fn new_mark() -> String {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    format!("{}-{}", std::process::id(), COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
}
