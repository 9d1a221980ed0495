//! The program in a terminal: a pty, what it wrote, byte by byte, and what a terminal makes of it.

use super::program::LEEWARD;
use super::{PATIENCE, new_mark, until};
use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use rustix::termios::{LocalModes, tcgetattr};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

/// A terminal with a program in it.
pub struct Terminal {
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    child: Box<dyn Child + Send + Sync>,
    seen: Arc<Mutex<Seen>>,
    reader: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    tty: PathBuf,
    pub mark: String,
}

struct Seen {
    bytes: Vec<u8>,
    /// None while sizes storm: an emulator of another size than the program's can make nothing of its frames.
    screen: Option<vt100::Parser>,
    /// How many of the bytes the screen has been given.
    drawn: usize,
}

/// Mode 2026, synchronized update: a terminal shows nothing of what lies between the two.
const HOLD: &[u8] = b"\x1b[?2026h";
const RELEASE: &[u8] = b"\x1b[?2026l";

impl Seen {
    /// Takes what was written. As on a terminal, half a frame is never seen: what follows a hold waits for its release.
    fn take(&mut self, written: &[u8]) {
        self.bytes.extend_from_slice(written);
        let last = |mark: &[u8]| self.bytes.windows(mark.len()).rposition(|bytes| bytes == mark);
        let end = match (last(HOLD), last(RELEASE)) {
            (Some(hold), release) if release.is_none_or(|release| release < hold) => hold.max(self.drawn),
            _ => self.bytes.len(),
        };
        if let Some(screen) = &mut self.screen {
            screen.process(&self.bytes[self.drawn..end]);
        }
        self.drawn = end;
    }
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

impl Terminal {
    /// Leeward with these arguments and variables in a terminal of 80 × 24.
    pub fn leeward(home: &Path, args: &[&str], variables: &[(&str, &str)]) -> Terminal {
        let mut line = vec![LEEWARD];
        line.extend(args);
        Terminal::start(home, &line, variables)
    }

    pub fn start(home: &Path, line: &[&str], variables: &[(&str, &str)]) -> Terminal {
        let pair = native_pty_system().openpty(size(80, 24)).unwrap();
        let mark = new_mark();
        let mut command = CommandBuilder::new(line[0]);
        command.args(&line[1..]);
        command.env_clear();
        let path = std::env::var("PATH").unwrap_or_default();
        let home = home.display().to_string();
        for (name, value) in [
            ("HOME", home.as_str()),
            ("PATH", &path),
            ("TERM", "xterm-256color"),
            ("LANG", "C.UTF-8"),
            ("USER", "oncall"),
            ("LEEWARD_E2E", &mark),
        ] {
            command.env(name, value);
        }
        for (name, value) in variables {
            command.env(name, value);
        }
        command.cwd(&home);
        let tty = pair.master.tty_name().unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let seen =
            Arc::new(Mutex::new(Seen { bytes: Vec::new(), screen: Some(vt100::Parser::new(24, 80, 0)), drawn: 0 }));
        let stop = Arc::new(AtomicBool::new(false));
        let reader = follow(pair.master.try_clone_reader().unwrap(), Arc::clone(&seen), Arc::clone(&stop));
        let writer = pair.master.take_writer().unwrap();
        Terminal { master: Some(pair.master), writer: Some(writer), child, seen, reader: Some(reader), stop, tty, mark }
    }

    pub fn pid(&self) -> i32 {
        self.child.process_id().unwrap().cast_signed()
    }

    /// Types.
    pub fn keys(&mut self, keys: &str) {
        let writer = self.writer.as_mut().unwrap();
        writer.write_all(keys.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    /// Esc, with a pause: followed at once by a letter it would be that letter with alt.
    pub fn escape(&mut self) {
        self.keys("\x1b");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }

    /// The text on the screen now: the last whole frame.
    pub fn frame(&self) -> String {
        self.seen.lock().unwrap().screen.as_ref().map(|parser| parser.screen().contents()).unwrap_or_default()
    }

    /// Everything that was written so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.seen.lock().unwrap().bytes.clone()
    }

    /// Waits until the frame is as wanted, and gives it.
    #[track_caller]
    pub fn shows(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let frame = self.frame();
            if wanted(&frame) {
                return frame;
            }
            let ended = self.child.try_wait().unwrap();
            let late = began.elapsed() >= PATIENCE;
            assert!(!late && ended.is_none(), "{what}: not shown; ended: {ended:?}; the frame is\n{frame}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// Waits until the frame has these words.
    #[track_caller]
    pub fn has(&mut self, words: &str) -> String {
        self.shows(words, |frame| frame.contains(words))
    }

    /// Waits until the header says that this view is open.
    #[track_caller]
    pub fn view(&mut self, view: &str) -> String {
        self.shows(view, |frame| frame.lines().next().is_some_and(|line| line.contains(view)))
    }

    /// Waits until the program has left its screen so many times.
    #[track_caller]
    pub fn left(&mut self, times: usize) {
        until("the screen is left", || (self.lefts() >= times).then_some(()));
    }

    /// How often the program has left its screen so far.
    pub fn lefts(&self) -> usize {
        String::from_utf8_lossy(&self.bytes()).matches("\x1b[?1049l").count()
    }

    /// Another size. Frames are read again from the next [`Terminal::settle`] on.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.seen.lock().unwrap().screen = None;
        self.master.as_ref().unwrap().resize(size(columns, rows)).unwrap();
    }

    /// Reads frames again at this size; the program is asked to paint every cell.
    pub fn settle(&mut self, columns: u16, rows: u16) {
        self.resize(columns, rows);
        self.seen.lock().unwrap().screen = Some(vt100::Parser::new(rows, columns, 0));
        self.keys("\u{c}");
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Whether the line discipline is as a shell wants it: lines, echo, signals.
    pub fn cooked(&self) -> bool {
        let tty = std::fs::OpenOptions::new().read(true).write(true).open(&self.tty).unwrap();
        let modes = tcgetattr(&tty).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    /// Waits for the end of the program.
    #[track_caller]
    pub fn end(&mut self) -> ExitStatus {
        let status = until("the program ends", || self.child.try_wait().unwrap());
        // What it wrote last may still be on its way.
        let mut before = 0;
        until("everything is read", || {
            std::thread::sleep(std::time::Duration::from_millis(50));
            let now = self.bytes().len();
            (std::mem::replace(&mut before, now) == now).then_some(())
        });
        status
    }

    /// Hangs up: every end of ours is closed, so that the terminal is gone.
    pub fn hang_up(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.writer = None;
        self.master = None;
        // The reader sees it at the next byte; the clock on the screen gives one every second.
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }

    /// The terminal is as it was before: by the modes that were switched, in the order in which they were.
    #[track_caller]
    pub fn is_clean(&self) {
        let bytes = self.bytes();
        let text = String::from_utf8_lossy(&bytes);
        for (mode, what, at_rest) in [
            ("?1049", "alternate screen", 'l'),
            ("?25", "cursor", 'h'),
            ("?2004", "bracketed paste", 'l'),
            ("?1004", "focus reports", 'l'),
            ("?2026", "synchronized update", 'l'),
        ] {
            let other = if at_rest == 'l' { 'h' } else { 'l' };
            let last = |end: char| text.rfind(&format!("\x1b[{mode}{end}"));
            assert!(last(other).is_some(), "{what} was never switched");
            assert!(last(at_rest) > last(other), "{what} is left switched");
        }
        // After the alternate screen is left nothing may stand but words, and once more that the cursor is shown.
        let rest = text.rsplit("\x1b[?1049l").next().unwrap().replace("\x1b[?25h", "");
        assert!(!rest.contains('\x1b'), "escapes after the screen was left: {rest:?}");
        assert!(self.cooked(), "the line discipline is left raw");
    }

    /// What was written after the screen was left.
    pub fn afterwards(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).rsplit("\x1b[?1049l").next().unwrap_or_default().replace("\x1b[?25h", "")
    }
}

fn follow(mut from: Box<dyn Read + Send>, seen: Arc<Mutex<Seen>>, stop: Arc<AtomicBool>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if stop.load(Ordering::SeqCst) {
                return;
            }
            seen.lock().unwrap().take(&buffer[..count]);
        }
    })
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn half_a_frame_is_never_seen() {
    let mut seen = Seen { bytes: Vec::new(), screen: Some(vt100::Parser::new(2, 20, 0)), drawn: 0 };
    let text = |seen: &Seen| seen.screen.as_ref().unwrap().screen().contents();
    for (written, shown) in [
        (&b"before"[..], "before"),
        (b"\x1b[?2026h\x1b[H\x1b[2Jfirst", "before"),
        (b" half\x1b[?20", "before"),
        (b"26l\x1b[?20", "first half"),
        (b"26h\x1b[H\x1b[2Jnext", "first half"),
        (b"\x1b[?2026l", "next"),
    ] {
        seen.take(written);
        assert_eq!(text(&seen), shown, "after {:?}", String::from_utf8_lossy(written));
    }
}
