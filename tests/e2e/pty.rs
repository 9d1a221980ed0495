//! The console in a terminal: it comes up whatever is down, and gives the terminal back however it ends.

use crate::support::program::{LEEWARD, leeward};
use crate::support::terminal::Terminal;
use crate::support::{absent, marked, until};
use rustix::process::Signal;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A console on servers that are all absent, with its first frame on the screen.
fn blind(variables: &[(&str, &str)]) -> (TempDir, Terminal) {
    let home = tempfile::tempdir().unwrap();
    absent(home.path());
    let mut terminal = Terminal::leeward(home.path(), &["--config", "config.toml"], variables);
    terminal.view("overview");
    (home, terminal)
}

fn alive(terminal: &mut Terminal) {
    terminal.keys("w");
    terminal.view("workflows");
    terminal.keys("o");
    terminal.view("overview");
}

#[test]
fn comes_up_with_every_server_down_and_says_so() {
    let (_home, mut terminal) = blind(&[]);
    // Both API servers, both databases and the names were asked, and none of them is there.
    let frame = terminal.shows("every source reads none", |frame| {
        frame.lines().nth(1).is_some_and(|line| line.matches("none").count() == 5)
    });
    let line = |row: usize| frame.lines().nth(row).unwrap_or_default();
    assert!(line(0).contains("absent") && line(0).contains("overview"), "header: {frame}");
    assert!(line(1).contains("north") && line(1).contains("south"), "header: {frame}");
    assert!(line(23).contains("quit") || line(23).contains("help"), "footer: {frame}");
    for wrong in ["READY", "PRIMARY", "STANDBY"] {
        assert!(!frame.split("NOT READY").any(|part| part.contains(wrong)), "{wrong} of servers never seen: {frame}");
    }
    let drawn = terminal.bytes().len();
    until("it goes on painting", || (terminal.bytes().len() > drawn).then_some(()));
    terminal.keys("q");
    assert_eq!(terminal.end().exit_code(), 0);
    terminal.is_clean();
    assert_eq!(terminal.afterwards().trim(), "");
}

#[test]
fn every_view_opens_by_its_key() {
    let (_home, mut terminal) = blind(&[]);
    for (keys, view) in [
        ("w", "workflows"),
        ("d", "database"),
        ("m", "metrics"),
        ("n", "dns"),
        ("p", "playbooks"),
        ("t", "timeline"),
        ("?", "help"),
        ("1", "overview"),
        ("2", "workflows"),
        ("3", "database"),
        ("4", "metrics"),
        ("5", "dns"),
        ("6", "playbooks"),
        ("7", "timeline"),
        ("o", "overview"),
    ] {
        terminal.keys(keys);
        terminal.view(view);
    }
    // Esc goes back, and never out.
    for _ in 0..5 {
        terminal.escape();
    }
    alive(&mut terminal);
    terminal.keys("q");
    assert_eq!(terminal.end().exit_code(), 0);
}

#[test]
fn a_signal_from_outside_ends_it_in_good_order() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let (_home, mut terminal) = blind(&[]);
        terminal.signal(signal);
        let status = terminal.end();
        assert_eq!(status.exit_code(), 0, "{signal:?}: {status:?}");
        terminal.is_clean();
    }
}

#[test]
fn ctrl_c_leaves() {
    let (_home, mut terminal) = blind(&[]);
    terminal.keys("\x03");
    assert_eq!(terminal.end().exit_code(), 0);
    terminal.is_clean();
}

#[test]
fn a_terminal_that_hangs_up_ends_it() {
    let (_home, mut terminal) = blind(&[]);
    let mark = terminal.mark.clone();
    assert_eq!(marked(&mark).len(), 1, "{:?}", marked(&mark));
    terminal.hang_up();
    let gone = Instant::now();
    terminal.end();
    // Two seconds are what an operator's next login takes; the rest is for a busy machine.
    assert!(gone.elapsed() < Duration::from_secs(10), "{:?}", gone.elapsed());
    println!("ended {} ms after the hang-up", gone.elapsed().as_millis());
    assert_eq!(marked(&mark), [""; 0], "something outlived it");
}

#[test]
fn a_panic_leaves_the_terminal_clean_and_is_told_afterwards() {
    let home = tempfile::tempdir().unwrap();
    absent(home.path());
    let mut terminal = Terminal::leeward(home.path(), &["--config", "config.toml"], &[("LEEWARD_TEST_PANIC", "main")]);
    let status = terminal.end();
    assert_ne!(status.exit_code(), 0);
    terminal.is_clean();
    assert!(terminal.afterwards().contains("asked for by LEEWARD_TEST_PANIC"), "{:?}", terminal.afterwards());
}

#[test]
fn a_panic_in_the_background_leaves_the_console_up() {
    let (home, mut terminal) = blind(&[("LEEWARD_TEST_PANIC", "task")]);
    let log = home.path().join("state/absent/console.log");
    until("the log tells the panic", || {
        std::fs::read_to_string(&log).ok().filter(|text| text.contains("asked for by LEEWARD_TEST_PANIC"))
    });
    alive(&mut terminal);
    assert!(!terminal.frame().contains("LEEWARD_TEST_PANIC"), "the text is in the frame: {}", terminal.frame());
    terminal.keys("q");
    assert_eq!(terminal.end().exit_code(), 0);
    terminal.is_clean();
}

#[test]
fn ctrl_z_gives_the_terminal_to_the_shell_and_fg_takes_it_again() {
    let home = tempfile::tempdir().unwrap();
    absent(home.path());
    let mut shell = Terminal::start(home.path(), &["/bin/sh", "-i"], &[("PS1", "shell> "), ("ENV", "")]);
    shell.has("shell>");
    shell.keys(&format!("{LEEWARD} --config config.toml\n"));
    shell.view("overview");
    assert!(!shell.cooked());
    for round in 0..2 {
        let left = shell.lefts();
        shell.keys("\x1a");
        shell.left(left + 1);
        shell.shows("the shell's prompt", |frame| frame.matches("Stopped").count() == round + 1);
        until("the shell's own modes", || shell.cooked().then_some(()));
        shell.is_clean();
        shell.keys(&format!("echo round-$(({round}+40))\n"));
        shell.has(&format!("round-{}", round + 40));
        shell.keys("fg\n");
        shell.view("overview");
        alive(&mut shell);
    }
    let left = shell.lefts();
    shell.keys("q");
    shell.left(left + 1);
    // Every letter reaches the shell, also while the program still closes its connections.
    shell.keys("echo left with $?\n");
    shell.has("left with 0");
    shell.is_clean();
    shell.keys("exit\n");
    shell.end();
}

#[test]
fn stopped_from_outside_it_takes_the_terminal_again_when_it_goes_on() {
    let (_home, mut terminal) = blind(&[]);
    terminal.signal(Signal::STOP);
    let stat = format!("/proc/{}/stat", terminal.pid());
    until("it is stopped", || std::fs::read_to_string(&stat).ok().filter(|text| text.contains(") T ")));
    let drawn = terminal.bytes().len();
    terminal.signal(Signal::CONT);
    until("it enters its screen again", || {
        String::from_utf8_lossy(&terminal.bytes()[drawn..]).contains("\x1b[?1049h").then_some(())
    });
    alive(&mut terminal);
    terminal.keys("q");
    assert_eq!(terminal.end().exit_code(), 0);
    terminal.is_clean();
}

#[test]
fn sizes_that_storm_do_it_no_harm() {
    let (_home, mut terminal) = blind(&[]);
    for round in 0..40_u16 {
        terminal.resize(1 + (round * 37) % 240, 1 + (round * 13) % 80);
        if round % 4 == 0 {
            terminal.keys("w");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    for (columns, rows) in [(1, 1), (2, 1), (1, 80), (400, 1), (20, 5), (65535, 2), (1, 1)] {
        terminal.resize(columns, rows);
        terminal.keys("odwtmn?");
        terminal.escape();
    }
    terminal.settle(160, 50);
    terminal.has("absent");
    terminal.settle(80, 24);
    terminal.escape();
    alive(&mut terminal);
    terminal.keys("q");
    assert_eq!(terminal.end().exit_code(), 0);
    terminal.is_clean();
}

/// Parameters of every SGR sequence.
fn colours(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let sequences = text.split("\x1b[").skip(1).filter_map(|rest| {
        let (parameters, _) = rest.split_once('m')?;
        parameters.chars().all(|c| c.is_ascii_digit() || c == ';' || c == ':').then(|| parameters.to_owned())
    });
    sequences.collect()
}

#[test]
fn no_colour_and_plain_signs_where_the_environment_says_so() {
    for variables in [
        &[("NO_COLOR", "1")][..],
        &[("TERM", "dumb"), ("COLORTERM", "truecolor")],
        &[("LANG", "C"), ("NO_COLOR", "1"), ("COLORTERM", "truecolor")],
    ] {
        let (_home, mut terminal) = blind(variables);
        alive(&mut terminal);
        terminal.keys("q");
        assert_eq!(terminal.end().exit_code(), 0);
        terminal.is_clean();
        let bytes = terminal.bytes();
        for parameters in colours(&bytes) {
            // 39, 49 and 59 put a colour back that was never set; a bare `m` would wipe bold and reverse with it.
            assert!(!parameters.is_empty(), "{variables:?}: a bare SGR");
            for parameter in parameters.split([';', ':']) {
                let plain = matches!(
                    parameter,
                    "0" | "1" | "2" | "3" | "4" | "7" | "22" | "23" | "24" | "27" | "39" | "49" | "59"
                );
                assert!(plain, "{variables:?}: SGR {parameters}");
            }
        }
        if variables.contains(&("LANG", "C")) {
            let other: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii()).collect();
            assert!(other.is_empty(), "beyond ASCII: {:?}", String::from_utf8_lossy(&other));
        }
    }
    let (_home, mut terminal) = blind(&[]);
    terminal.keys("q");
    terminal.end();
    assert!(colours(&terminal.bytes()).iter().any(|sgr| sgr.starts_with("38;5;")), "256 colours are for those who can");
}

#[test]
fn what_is_pasted_into_a_table_is_no_key() {
    let (_home, mut terminal) = blind(&[]);
    let before = terminal.frame();
    terminal.keys("\x1b[200~wq\nf\x03q:quit\n\x1b[201~");
    terminal.keys("t");
    terminal.view("timeline");
    terminal.keys("o");
    let after = terminal.view("overview");
    assert_eq!(before.lines().count(), after.lines().count());
    alive(&mut terminal);
    // In a field it is text, without its line ends.
    terminal.keys("w");
    terminal.has("workflows");
    terminal.keys("/");
    terminal.has("filter");
    terminal.keys("\x1b[200~train\nq\x1b[201~");
    terminal.has("train");
    terminal.escape();
    alive(&mut terminal);
    terminal.keys("q");
    assert_eq!(terminal.end().exit_code(), 0);
}

#[test]
fn without_a_terminal_it_says_what_to_use_instead() {
    let home = tempfile::tempdir().unwrap();
    absent(home.path());
    for args in [&["--config", "config.toml"][..], &["--config", "config.toml", "watch"]] {
        let told = leeward(home.path(), args).ended(2).says("leeward status");
        assert!(!told.out.contains('\x1b') && !told.err.contains('\x1b'));
    }
}

#[test]
fn watch_is_read_only() {
    let home = tempfile::tempdir().unwrap();
    absent(home.path());
    let mut terminal = Terminal::leeward(home.path(), &["--config", "config.toml", "watch"], &[]);
    terminal.has("READ-ONLY");
    terminal.keys("q");
    assert_eq!(terminal.end().exit_code(), 0);
    terminal.is_clean();
}
