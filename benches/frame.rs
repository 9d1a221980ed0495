//! From a key to its painted frame, with many runs on the screen and changes coming in all the time; in process, into a
//! writer that counts. What it prints is compared within one run: many runs against few, and against the budgets.
//!
//! `cargo bench --bench frame`

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a bench is not shipped, and prints what it measured

use leeward::console::key::parse_chord;
use leeward::console::keymap::Keymap;
use leeward::console::{Access, Event, Setup, Size, State, update};
use leeward::domain::Timestamp;
use leeward::domain::endpoints::Intervals;
use leeward::domain::fleet::Fleet;
use leeward::domain::freshness::Source;
use leeward::domain::kubernetes::ObjectKey;
use leeward::domain::observation::{Change, Fact, Observation};
use leeward::domain::policy::{CanaryPolicy, Policy, RegionPolicy};
use leeward::domain::region::{PerSide, Side};
use leeward::domain::workflow::{Archiving, Phase, RunRow};
use leeward::ui::glyphs::GlyphSet;
use leeward::ui::theme::{Level, Theme};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Frames that are measured.
const FRAMES: usize = 2_000;

/// Changes between two frames: 1,000 a second at the console's ten data frames a second.
const CHANGES: usize = 100;

/// Key to painted frame, 99 of 100.
const BUDGET: Duration = Duration::from_millis(5);

/// Bytes to the terminal for a key, at the median.
const BYTES: usize = 2_048;

const SIZE: Size = Size { columns: 140, rows: 40 };

fn main() {
    // `cargo test --benches` runs it too, and measures nothing.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let few = measure(100);
    let many = measure(20_000);
    println!("runs a region   p50        p99        max        bytes p50  bytes max  resident");
    for (runs, told) in [(100, &few), (20_000, &many)] {
        println!(
            "{runs:<15} {:<10} {:<10} {:<10} {:<10} {:<10} {} MiB",
            format!("{:.2?}", told.times[FRAMES / 2]),
            format!("{:.2?}", told.times[FRAMES * 99 / 100]),
            format!("{:.2?}", told.times[FRAMES - 1]),
            told.bytes[FRAMES / 2],
            told.bytes[FRAMES - 1],
            told.resident >> 20,
        );
    }
    println!("slowest keys with 20,000, median of each: {}", many.slowest.join("  "));
    let p99 = many.times[FRAMES * 99 / 100];
    let ratio = p99.as_secs_f64() / few.times[FRAMES * 99 / 100].as_secs_f64();
    println!("20,000 against 100 runs a region, p99: {ratio:.2}×");
    verdict("key to painted frame, p99", p99 <= BUDGET, &format!("{p99:.2?} of {BUDGET:?}"));
    let bytes = many.bytes[FRAMES / 2];
    verdict("bytes for a key, p50", bytes <= BYTES, &format!("{bytes} of {BYTES}"));
}

fn verdict(what: &str, kept: bool, numbers: &str) {
    println!("{what}: {numbers} {}", if kept { "kept" } else { "NOT KEPT" });
}

struct Told {
    times: Vec<Duration>,
    bytes: Vec<usize>,
    slowest: Vec<String>,
    resident: usize,
}

#[derive(Clone, Default)]
struct Counter(Rc<Cell<usize>>);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.set(self.0.get() + bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn measure(runs: usize) -> Told {
    let mut state = loaded(runs);
    let counter = Counter::default();
    let area = Rect::new(0, 0, SIZE.columns, SIZE.rows);
    let options = TerminalOptions { viewport: Viewport::Fixed(area) };
    let mut terminal = Terminal::with_options(CrosstermBackend::new(counter.clone()), options).unwrap();
    let theme = Theme::built_in("default-dark").unwrap();
    // Up and down the list, into views and back: what an operator does.
    let keys = ["w", "j", "j", "G", "k", "g", "s", "o", "d", "j", "t", "j", "w", "/", "t", "r", "a", "esc", "esc", "o"];
    let (mut times, mut bytes) = (Vec::new(), Vec::new());
    for frame in 0..FRAMES {
        let now = at(60_000 + i64::try_from(frame).unwrap() * 100);
        let changes = (0..CHANGES).map(|nth| change((frame * CHANGES + nth) % runs.max(1), frame, now)).collect();
        act(&mut state, Event::Observed(changes));
        terminal.draw(|frame| leeward::ui::draw(frame, &state, &theme, Level::TrueColour, GlyphSet::Unicode)).unwrap();
        act(&mut state, Event::Painted);
        let before = counter.0.get();
        let began = Instant::now();
        act(&mut state, Event::Tick(now));
        for key in parse_chord(keys[frame % keys.len()]).unwrap() {
            act(&mut state, Event::Key(key));
        }
        terminal.draw(|frame| leeward::ui::draw(frame, &state, &theme, Level::TrueColour, GlyphSet::Unicode)).unwrap();
        times.push(began.elapsed());
        act(&mut state, Event::Painted);
        bytes.push(counter.0.get() - before);
    }
    let slowest = slowest(&times, &keys);
    times.sort();
    bytes.sort_unstable();
    Told { times, bytes, slowest, resident: resident() }
}

/// The four keys that take longest; what took so long is seldom the same as what is pressed most.
fn slowest(times: &[Duration], keys: &[&str]) -> Vec<String> {
    let mut medians: Vec<(Duration, Duration, usize)> = (0..keys.len())
        .map(|place| {
            let mut of_key: Vec<Duration> = times.iter().skip(place).step_by(keys.len()).copied().collect();
            of_key.sort();
            (of_key[of_key.len() / 2], of_key[of_key.len() - 1], place)
        })
        .collect();
    medians.sort();
    medians
        .iter()
        .rev()
        .take(4)
        .map(|(median, most, place)| format!("{} {median:.2?} (most {most:.2?})", keys[*place]))
        .collect()
}

fn act(state: &mut State, event: Event) {
    let _ = update(state, event);
}

/// A console whose regions have so many runs each.
fn loaded(runs: usize) -> State {
    let fleet = Fleet::new(Arc::new(policy()), &Intervals::default(), at(0));
    let (keymap, _) = Keymap::load(&[]).unwrap();
    let identity = "oncall@bastion".to_owned();
    let mut state =
        State::new(Setup { fleet, keymap, identity, access: Access::ReadOnly, playbooks: Vec::new(), size: SIZE });
    for side in Side::BOTH {
        let rows = (0..runs).map(|nth| (key(nth), row(nth, 0, at(0)))).collect();
        let source = Source::Kubernetes(side);
        let answered = Fact::Answered { latency: Duration::from_millis(20) };
        let facts = [answered, Fact::Runs(Change::Reset(rows))];
        let told = facts.map(|fact| Observation { source, at: at(0), fact });
        act(&mut state, Event::Observed(told.into()));
    }
    state
}

fn change(nth: usize, frame: usize, now: Timestamp) -> Observation {
    let side = if frame.is_multiple_of(2) { Side::A } else { Side::B };
    let fact = Fact::Runs(Change::Apply(key(nth), row(nth, frame, now)));
    Observation { source: Source::Kubernetes(side), at: now, fact }
}

fn key(nth: usize) -> ObjectKey {
    ObjectKey::new("ml", format!("train-transformer-{nth:05}-x7k2p"))
}

fn row(nth: usize, frame: usize, now: Timestamp) -> RunRow {
    let phase = match (nth + frame) % 40 {
        0 => Phase::Running,
        1 => Phase::Pending,
        2 => Phase::Failed,
        _ => Phase::Succeeded,
    };
    RunRow {
        uid: format!("6f1f77b4-0000-4000-8000-{nth:012}"),
        phase,
        created: now,
        message: if phase == Phase::Failed { "child 'train(0)' failed".to_owned() } else { String::new() },
        archiving: if phase.finished() { Archiving::Archived } else { Archiving::None },
        template: "train-pipeline".to_owned(),
        cron: String::new(),
        detail: None,
    }
}

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_795_528_800_000 + milliseconds).unwrap()
}

fn policy() -> Policy {
    let region = |name: &str| RegionPolicy {
        name: name.to_owned(),
        controller_namespace: "argo".to_owned(),
        controller_replicas: 1,
        operator_configured: true,
    };
    Policy {
        environment: "bench".to_owned(),
        regions: PerSide::new(region("us-central1"), region("us-east1")),
        rto_target: Duration::from_secs(900),
        rpo_target: Duration::from_secs(60),
        loss_bytes_max: 1 << 20,
        anti_flap: Duration::from_secs(600),
        // All of them are kept: it is the number of rows that is measured.
        finished_runs: 20_000,
        break_glass: false,
        simulated: false,
        dns: None,
        canary: CanaryPolicy {
            namespace: "ml".to_owned(),
            template: None,
            image: "busybox".to_owned(),
            command: vec!["true".to_owned()],
            service_account: None,
        },
        notify: Vec::new(),
    }
}

/// Bytes of memory that the process holds, by Linux; 0 elsewhere.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|kib| kib.parse::<usize>().ok());
    kib.unwrap_or(0) * 1024
}
