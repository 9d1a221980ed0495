//! A process as one that cannot be mistaken for another: its number and the moment it was born. Not pure: asks the
//! operating system. Process numbers are used again, so a number alone must never be signalled.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How often a dying process is looked at again.
const POLL: Duration = Duration::from_millis(10);
/// How long SIGKILL may take to show; longer only while the kernel itself is stuck.
const KILL_PATIENCE: Duration = Duration::from_secs(2);

/// One process, told apart from any later one with the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Process number.
    pub pid: i32,
    /// Start time as the system states it: clock ticks since boot on Linux, `ps -o lstart` elsewhere.
    pub birth: String,
}

impl Process {
    /// The living process with this number, or `None`.
    pub fn find(pid: i32) -> Option<Self> {
        birth(pid).map(|birth| Self { pid, birth })
    }

    /// True while this very process lives. A zombie counts as gone: nothing of it runs.
    pub fn alive(&self) -> bool {
        birth(self.pid).is_some_and(|birth| birth == self.birth)
    }

    /// Sends a signal if the process is still this one. A process that is gone is no error: that is what was wanted.
    pub fn signal(&self, signal: Signal) {
        if self.alive()
            && let Some(pid) = Pid::from_raw(self.pid)
        {
            let _ = kill_process(pid, signal);
        }
    }

    /// This process and everything below it, parents first.
    pub fn tree(&self) -> Vec<Self> {
        let mut tree = vec![self.clone()];
        let family = parents();
        let mut next = 0;
        while let Some(parent) = tree.get(next).map(|process| process.pid) {
            next += 1;
            let children = family.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid);
            let known: Vec<i32> = tree.iter().map(|process| process.pid).collect();
            tree.extend(children.filter(|pid| !known.contains(pid)).filter_map(Self::find));
        }
        tree
    }

    /// Stops the whole tree (SIGSTOP). Looked at until nothing new appears, since a process may fork until it stops.
    pub fn freeze(&self) {
        let mut frozen: Vec<Self> = Vec::new();
        loop {
            let new: Vec<Self> = self.tree().into_iter().filter(|process| !frozen.contains(process)).collect();
            if new.is_empty() {
                return;
            }
            new.iter().for_each(|process| process.signal(Signal::STOP));
            frozen.extend(new);
        }
    }

    /// Lets the whole tree go on (SIGCONT).
    pub fn thaw(&self) {
        self.tree().iter().rev().for_each(|process| process.signal(Signal::CONT));
    }
}

/// Asks each process to end with its own signal, waits, then kills what is left with everything below it. Works on
/// stopped processes and returns in bounded time.
pub fn end(processes: &[(Process, Signal)], patience: Duration) {
    for (process, signal) in processes {
        process.signal(*signal);
        process.thaw();
    }
    let all: Vec<&Process> = processes.iter().map(|(process, _)| process).collect();
    if wait(&all, patience) {
        return;
    }
    let mut trees: Vec<Process> = Vec::new();
    for process in &all {
        process.freeze(); // a stopped parent cannot start another child while its children are killed
        trees.extend(process.tree());
    }
    trees.iter().for_each(|process| process.signal(Signal::KILL));
    wait(&trees.iter().collect::<Vec<_>>(), KILL_PATIENCE);
}

/// Waits until all are gone; false when some still live after `patience`.
fn wait(processes: &[&Process], patience: Duration) -> bool {
    let start = Instant::now();
    loop {
        if !processes.iter().any(|process| process.alive()) {
            return true;
        }
        if start.elapsed() >= patience {
            return false;
        }
        thread::sleep(POLL);
    }
}

/// True where processes are files; elsewhere `ps` is asked.
fn has_proc() -> bool {
    cfg!(target_os = "linux")
}

fn birth(pid: i32) -> Option<String> {
    if has_proc() {
        let (state, _, birth) = parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
        return (state != "Z" && state != "X").then_some(birth);
    }
    let line = ps(&["-o", "stat=,lstart=", "-p", &pid.to_string()])?;
    let (state, birth) = line.trim().split_once(' ')?;
    (!state.starts_with('Z')).then(|| birth.trim().to_owned())
}

/// Every process with its parent.
fn parents() -> Vec<(i32, i32)> {
    if has_proc() {
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        return entries
            .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
            .filter_map(|pid| {
                let (_, parent, _) = parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
                Some((pid, parent))
            })
            .collect();
    }
    let listing = ps(&["-A", "-o", "pid=,ppid="]).unwrap_or_default();
    listing
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
        })
        .collect()
}

/// State, parent and start time out of `/proc/<pid>/stat`. The second field is the name in parentheses and may hold
/// spaces and parentheses, so fields are counted after the last `)` (proc(5)).
fn parse_stat(stat: &str) -> Option<(String, i32, String)> {
    let rest = stat.get(stat.rfind(')')? + 1..)?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Some(((*fields.first()?).to_owned(), fields.get(1)?.parse().ok()?, (*fields.get(19)?).to_owned()))
}

fn ps(arguments: &[&str]) -> Option<String> {
    let output = Command::new("ps").env("LC_ALL", "C").args(arguments).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_after_the_last_parenthesis() {
        let stat = "42 (a) b (c)) S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2";
        assert_eq!(parse_stat(stat), Some(("S".into(), 7, "987654".into())));
        assert_eq!(parse_stat("42 (short) S 7"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn a_later_process_with_the_same_number_is_another() {
        let me = Process::find(std::process::id() as i32).unwrap();
        assert!(me.alive());
        let earlier = Process { birth: format!("{}0", me.birth), ..me };
        assert!(!earlier.alive());
        earlier.signal(Signal::KILL); // must not reach this test
    }

    #[test]
    fn a_frozen_tree_ends_too() {
        let mut shell = Command::new("sh").args(["-c", "sleep 600 & sleep 600"]).spawn().unwrap();
        let process = Process::find(shell.id() as i32).unwrap();
        while process.tree().len() < 3 {
            thread::sleep(POLL);
        }
        process.freeze();
        let tree = process.tree();
        // A shell that ignores the polite signal leaves its children to the second round.
        end(&[(process, Signal::WINCH)], Duration::from_millis(50));
        shell.wait().unwrap();
        assert!(tree.iter().all(|process| !process.alive()), "{tree:?}");
    }
}
