//! The program without a terminal: its output is collected, its end is awaited, and nothing of it outlives the test.

use super::{PATIENCE, new_mark};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub const LEEWARD: &str = env!("CARGO_BIN_EXE_leeward");

/// What a call came to.
#[derive(Debug)]
pub struct Told {
    /// The exit code; None: ended by a signal.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Told {
    /// Fails with everything that was said.
    #[track_caller]
    pub fn ended(self, code: i32) -> Told {
        assert_eq!(self.code, Some(code), "--- out\n{}\n--- err\n{}", self.out, self.err);
        // Not even a task in the background.
        assert!(!self.err.contains("panicked") && !self.out.contains("panicked"), "{}", self.err);
        self
    }

    #[track_caller]
    pub fn says(self, words: &str) -> Told {
        let has = self.out.contains(words) || self.err.contains(words);
        assert!(has, "lacks {words:?}\n--- out\n{}\n--- err\n{}", self.out, self.err);
        self
    }
}

/// A running program.
pub struct Program {
    child: Child,
    out: Collected,
    err: Collected,
    pub mark: String,
}

struct Collected {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Collected {
    fn of(mut from: impl Read + Send + 'static) -> Collected {
        let text = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                shared.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        Collected { text, reader: Some(reader) }
    }

    fn now(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    /// Everything, once the other end is closed.
    fn all(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.now()
    }
}

/// A command with an environment that says nothing of this machine's user.
pub fn command(home: &Path, args: &[&str]) -> (Command, String) {
    let mark = new_mark();
    let mut command = Command::new(LEEWARD);
    command.args(args).env_clear().env("HOME", home).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("LEEWARD_E2E", &mark).env("TMPDIR", std::env::temp_dir()).current_dir(home);
    (command, mark)
}

impl Program {
    pub fn start(home: &Path, args: &[&str]) -> Program {
        Program::start_as("oncall", home, args)
    }

    pub fn start_as(user: &str, home: &Path, args: &[&str]) -> Program {
        let (mut command, mark) = command(home, args);
        command.env("USER", user);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (Collected::of(child.stdout.take().unwrap()), Collected::of(child.stderr.take().unwrap()));
        Program { child, out, err, mark }
    }

    pub fn out(&self) -> String {
        self.out.now()
    }

    pub fn err(&self) -> String {
        self.err.now()
    }

    /// A line to its standard input.
    pub fn type_line(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end. One that does not end is a failure, and is killed.
    #[track_caller]
    pub fn end(&mut self) -> Told {
        let began = Instant::now();
        let status: ExitStatus = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            let hangs = began.elapsed() > PATIENCE;
            assert!(!hangs, "it does not end\n--- out\n{}\n--- err\n{}", self.out.now(), self.err.now());
            std::thread::sleep(Duration::from_millis(20));
        };
        Told { code: status.code(), out: self.out.all(), err: self.err.all() }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs it to its end.
#[track_caller]
pub fn leeward(home: &Path, args: &[&str]) -> Told {
    let mut program = Program::start(home, args);
    drop(program.child.stdin.take());
    program.end()
}
