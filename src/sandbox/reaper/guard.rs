//! The two small shell programs of the reaper: one registers a process before it becomes what it shall be, one waits
//! for the sandbox's death and cleans up after it. Not pure.
//!
//! Why a shell: a process that registers itself and then calls exec leaves no moment in which it runs unregistered,
//! and a guard that waits for the end of a pipe learns of every kind of death (panic, SIGHUP, `kill -9`) at once. The
//! kernel's parent death signal would not do: it fires when the *thread* that started the child ends, and an async
//! runtime ends threads at will.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Prints when process `$1` was born, nothing when it is gone or a zombie. The same text as `process::birth`.
const BIRTH: &str = r#"
birth() {
  if [ -r /proc/self/stat ]; then
    read -r stat 2>/dev/null <"/proc/$1/stat" || return 0
    set -- ${stat##*) }
    case $1 in Z | X) ;; *) echo "${20}" ;; esac
  else
    LC_ALL=C ps -o stat=,lstart= -p "$1" 2>/dev/null | sed -e '/^ *Z/d' -e 's/^ *[^ ]* *//' -e 's/ *$//'
  fi
}
"#;

/// Writes "number, stop signal, birth" to standard input, which is the register opened for appending, then becomes
/// the program.
const REGISTER: &str = r#"
echo "$$ $1 $(birth $$)" >&0 || exit 71
shift
exec "$@" </dev/null
"#;

/// Reads standard input to its end (the other end is held by the sandbox and by nobody else), then ends what is
/// registered and still the same, and removes the folder. 100 rounds of 0.1 s, because a frozen server kills its own
/// frozen children five seconds after the stop signal.
const GUARD: &str = r#"
trap '' HUP INT TERM QUIT
dir=$1
read -r _
[ -f "$dir/processes" ] || exit 0
each() {
  left=
  while read -r pid stop born; do
    [ -n "$born" ] && [ "$(birth "$pid")" = "$born" ] || continue
    left=yes
    case $1 in
      stop) kill -s "$stop" "$pid"; kill -s CONT "$pid" ;;
      kill) kill -s KILL "$pid" ;;
    esac
  done <"$dir/processes"
}
each stop
round=0
while [ -n "$left" ] && [ "$round" -lt 100 ]; do
  sleep 0.1
  round=$((round + 1))
  each look
done
each kill
rm -rf "$dir" || { sleep 1; rm -rf "$dir"; }
"#;

/// A command that appears in `register` before it becomes `program`; `stop` is the signal name that ends it politely.
pub(super) fn registering(register: File, stop: &str, program: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(format!("{BIRTH}{REGISTER}")).arg("leeward-sandbox").arg(stop).arg(program);
    command.stdin(Stdio::from(register));
    command
}

/// The running guard of one folder.
#[derive(Debug)]
pub(super) struct Guard(Child);

impl Guard {
    /// Starts the guard in a process group of its own, so that no key of the terminal reaches it.
    pub(super) fn start(dir: &Path) -> io::Result<Self> {
        Command::new("/bin/sh")
            .arg("-c")
            .arg(format!("{BIRTH}{GUARD}"))
            .arg("leeward-sandbox-guard")
            .arg(dir)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(Self)
    }

    /// Lets the guard go after everything is cleaned up already. Waits for it a moment only.
    pub(super) fn dismiss(&mut self) {
        drop(self.0.stdin.take());
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(2) {
            match self.0.try_wait() {
                Ok(None) => thread::sleep(Duration::from_millis(5)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// The guard's process number.
    #[cfg(test)]
    pub(super) fn pid(&self) -> i32 {
        self.0.id() as i32
    }
}
