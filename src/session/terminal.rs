//! The terminal: entered in one order and left in exactly the reverse, on every way out. The only place that writes to it.
//!
//! Sources of the rules: crossterm 0.29 sends a bare `CSI m` for colours under `NO_COLOR`, which wipes bold and reverse,
//! so colour output is forced and the ladder decides; it also spins at 100 % when the terminal is gone, so hang-up is
//! watched apart from its reader.

use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange, Event as TerminalEvent,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use std::io::{self, BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Whether the terminal is in our modes now, for whoever has to leave them without owning the screen: a panic.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// Where standard error went before the screen was entered. Beside [`ENTERED`] for the same reason: what a panic has to
/// say belongs on the operator's terminal, not in a log that nobody reads then.
static STDERR: Mutex<Option<rustix::fd::OwnedFd>> = Mutex::new(None);

/// Keys that wait. More than anyone types between two frames; what is over is a paste or a cat on the keyboard, and the
/// reader then waits.
const INPUT_MAX: usize = 256;

/// A full frame of a large terminal is under this.
const FRAME_BYTES: usize = 64 * 1024;

type Backend = CrosstermBackend<BufWriter<Stdout>>;

/// The terminal in our modes. Dropping it leaves them.
pub struct Screen {
    terminal: Terminal<Backend>,
    log: PathBuf,
}

impl Screen {
    /// Enters: raw, alternate screen, paste, focus. Standard error goes to `log` meanwhile, since a line on it would
    /// stand in the middle of a frame.
    ///
    /// # Errors
    /// The terminal refuses.
    pub fn enter(log: &Path) -> io::Result<Screen> {
        crossterm::style::force_color_output(true);
        let terminal = Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(FRAME_BYTES, io::stdout())))?;
        let mut screen = Screen { terminal, log: log.to_owned() };
        screen.modes_on()?;
        Ok(screen)
    }

    fn modes_on(&mut self) -> io::Result<()> {
        // Without a log, a line on standard error is a blemish that the next frame may heal; no reason to stay away.
        let _ = redirect_stderr(&self.log);
        enable_raw_mode()?;
        ENTERED.store(true, Ordering::SeqCst);
        execute!(
            self.terminal.backend_mut(),
            EnterAlternateScreen,
            EnableBracketedPaste,
            EnableFocusChange,
            cursor::Hide
        )
    }

    /// Paints one frame, wrapped in a synchronized update so that no half of it is seen.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn paint(&mut self, draw: impl FnOnce(&mut ratatui::Frame<'_>)) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(draw)?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
    }

    /// The next frame paints every cell. By a resize to the same size, for ratatui's `clear` asks the terminal where its
    /// cursor is: one that does not answer would hold the keys up for two seconds and then not be repainted at all.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn repaint(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())
    }

    /// Columns and rows, asked of the terminal.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        crossterm::terminal::size()
    }

    /// Puts text on the clipboard of the operator's own terminal (OSC 52), which goes through SSH. Terminals that do not
    /// know it ignore it.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        let writer = self.terminal.backend_mut();
        write!(writer, "\x1b]52;c;{}\x07", base64(text.as_bytes()))?;
        Write::flush(writer)
    }

    /// Gives the terminal back, stops like any job until `fg`, and takes it again.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn suspend(&mut self) -> io::Result<()> {
        leave();
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TSTP)?;
        self.modes_on()?;
        self.repaint()
    }

    /// Takes the terminal again after the process was stopped from outside and goes on (SIGCONT): whoever had it
    /// meanwhile left it in modes of their own.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn retake(&mut self) -> io::Result<()> {
        leave();
        self.modes_on()?;
        self.repaint()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// Leaves our modes, if we are in them, and gives standard error back. Safe to call at any time, from any thread.
pub fn leave() {
    if ENTERED.swap(false, Ordering::SeqCst) {
        let mut out = io::stdout();
        let _ = execute!(
            out,
            EndSynchronizedUpdate,
            DisableFocusChange,
            DisableBracketedPaste,
            cursor::Show,
            LeaveAlternateScreen
        );
        let _ = disable_raw_mode();
    }
    if let Some(before) = STDERR.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = rustix::stdio::dup2_stderr(&before);
    }
}

fn redirect_stderr(log: &Path) -> io::Result<()> {
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let file = super::log::open(log)?;
    let before = rustix::io::dup(rustix::stdio::stderr())?;
    rustix::stdio::dup2_stderr(&file)?;
    STDERR.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(before);
    Ok(())
}

/// Standard base64 (RFC 4648) for OSC 52.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let sextet = (word >> (18 - 6 * i)) & 63;
            let letter = ALPHABET.get(sextet as usize).copied().unwrap_or(b'=');
            text.push(if i <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

/// What comes from the terminal.
#[derive(Debug)]
pub enum Input {
    /// A key, a paste, a size, a focus; and whether it came in one read with another.
    Event(TerminalEvent, bool),
    /// The terminal is gone.
    Gone,
}

/// Longest wait for the reader to stop. It is woken, so this is for a terminal that is gone.
const STOP_MAX: Duration = Duration::from_millis(300);

/// Who reads the terminal.
pub struct Listener {
    /// What comes from it.
    pub input: mpsc::Receiver<Input>,
    /// Closed when the reader has read its last.
    over: oneshot::Receiver<()>,
}

impl Listener {
    /// Stops reading: what is typed from now on is for whoever has the terminal next.
    pub async fn stop(mut self) {
        self.input.close();
        // The reader waits in a poll; a change of size wakes it, even to the same one.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::WINCH);
        let _ = tokio::time::timeout(STOP_MAX, self.over).await;
    }
}

/// Reads the terminal in a thread of its own. The thread is never joined: its reader cannot be trusted to return once
/// the terminal is gone, and it ends with the process.
#[must_use]
pub fn listen() -> Listener {
    let (tell, input) = mpsc::channel(INPUT_MAX);
    let (reads, over) = oneshot::channel::<()>();
    let gone = tell.clone();
    std::thread::spawn(move || {
        let _reads = reads;
        let mut more = false;
        while !tell.is_closed() {
            match crossterm::event::poll(Duration::from_millis(250)) {
                Ok(false) => more = false,
                Ok(true) => {
                    let Ok(event) = crossterm::event::read() else { break };
                    let before = std::mem::replace(&mut more, crossterm::event::poll(Duration::ZERO).unwrap_or(false));
                    if tell.blocking_send(Input::Event(event, before || more)).is_err() {
                        break;
                    }
                }
                Err(_) => break,
            }
        }
        let _ = tell.blocking_send(Input::Gone);
    });
    std::thread::spawn(move || {
        watch_hang_up();
        let _ = gone.blocking_send(Input::Gone);
    });
    Listener { input, over }
}

/// Returns when the terminal has hung up: then the other end of it will never be there again.
fn watch_hang_up() {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdin = rustix::stdio::stdin();
    loop {
        // Asking for nothing still reports hang-up and error.
        let mut fds = [PollFd::new(&stdin, PollFlags::empty())];
        let second = Timespec { tv_sec: 1, tv_nsec: 0 };
        match poll(&mut fds, Some(&second)) {
            Ok(_)
                if fds.iter().any(|fd| fd.revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)) =>
            {
                return;
            }
            Ok(_) => std::thread::sleep(Duration::from_millis(200)),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

/// Makes every panic leave the terminal clean before it is told. A panic of a background task does not end the process,
/// so only one of the main thread's leaves the screen.
pub fn restore_on_panic() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() == Some("main") {
            leave();
        }
        told(panic);
    }));
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_is_the_standard_one() {
        for (text, expected) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(super::base64(text.as_bytes()), expected);
        }
    }
}
