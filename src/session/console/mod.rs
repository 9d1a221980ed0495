//! The console's loop: take what has happened, change the state, paint. Nothing is awaited inside a turn, so a server that
//! does not answer never holds a key up.

mod driving;
mod following;
mod history;
mod keys;
mod signals;

use super::clock;
use super::ladder::Ladder;
use super::memory::Notes;
use super::picture::{NOTES_EVERY, first};
use super::run::{self, Driving};
use super::setup::{Access, Setup};
use super::sources::Sources;
use super::terminal::{Input, Listener, Screen, listen};
use crate::adapters::kubernetes::Wanted;
use crate::console::keymap::Keymap;
use crate::console::{self, Command, Event, Setup as ConsoleSetup, Size, State, update};
use crate::domain::fleet::Fleet;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::observation::Observation;
use crate::domain::region::{PerSide, Side};
use crate::playbook::file::Playbook;
use crate::playbook::run::Run;
use crate::runner::{Agreement, News, Order};
use crate::ui::theme::Theme;
use crossterm::event::{Event as TerminalEvent, KeyEventKind};
use signals::{Signals, Told};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Frames for data, a second at most: more is not read, and costs the line.
const PAINT_EVERY: Duration = Duration::from_millis(100);

/// The clock on the screen goes by seconds.
const TICK_EVERY: Duration = Duration::from_millis(250);

/// Snapshots for the runner, as often as without a screen: each makes the next change copy what it shares.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);

/// Observations taken in one turn: a relist must not hold a key up.
const BATCH_MAX: usize = 512;

/// How long a run may take to be left in good order when the terminal is gone.
const LEAVE_MAX: Duration = Duration::from_secs(3);

/// How the console looks.
pub struct Looks {
    /// Keys.
    pub keymap: Keymap,
    /// Colours.
    pub theme: Theme,
    /// What the terminal can do.
    pub ladder: Ladder,
}

/// The running console.
struct Console {
    setup: Setup,
    looks: Looks,
    state: State,
    sources: Sources,
    notes: Notes,
    /// The last write of the notes.
    noting: Option<tokio::task::JoinHandle<()>>,
    screen: Screen,
    listener: Listener,
    driving: Option<Driving>,
    snapshots: watch::Sender<Arc<Fleet>>,
    open: Option<(Side, ObjectKey)>,
    details: PerSide<Vec<ObjectKey>>,
    painted: Instant,
    published: Instant,
    /// Columns and rows that the state was last told.
    size: (u16, u16),
    dirty: bool,
    leaving: bool,
}

/// Opens the console and stays until the operator leaves or the terminal is gone. `announcements` are shown as they
/// come: a scenario says what it does.
///
/// What comes back is the run that was driven or watched last, as it was left.
///
/// # Errors
/// The terminal refuses.
pub async fn run(
    setup: Setup,
    looks: Looks,
    playbooks: Vec<Playbook>,
    mut announcements: mpsc::Receiver<String>,
) -> io::Result<Option<Run>> {
    let log = setup.state_dir.join(&setup.policy.environment).join("console.log");
    // A log that cannot be written is no reason to stay blind on a bad night.
    let _ = super::log::begin(&log);
    let mut signals = Signals::new()?;
    let mut console = Console::open(setup, looks, playbooks, &log)?;
    console.remember_runs();
    let mut journals = following::follow(console.store());
    let mut tick = tokio::time::interval(TICK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut note = tokio::time::interval(NOTES_EVERY);
    note.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    #[cfg(debug_assertions)]
    let mut mishap = super::mishap::wanted();
    while !console.leaving {
        tokio::select! {
            biased;
            input = console.listener.input.recv() => console.take_input(input),
            signal = signals.any() => console.take_signal(signal),
            news = next_news(&mut console.driving) => console.take_news(news).await,
            Some(runs) = journals.recv() => console.take_runs(&runs),
            Some(observation) = console.sources.observations.recv() => console.take_observations(observation),
            Some(text) = announcements.recv() => console.happen(Event::Scenario(text)),
            _ = tick.tick() => console.tick(),
            _ = note.tick() => console.note(),
        }
        console.paint_if_due();
        #[cfg(debug_assertions)]
        if !console.dirty
            && let Some(mishap) = mishap.take()
        {
            super::mishap::happen(mishap);
        }
    }
    Ok(console.close().await)
}

async fn next_news(driving: &mut Option<Driving>) -> Option<News> {
    match driving {
        Some(driving) => driving.news.recv().await,
        None => std::future::pending().await,
    }
}

impl Console {
    fn open(setup: Setup, looks: Looks, playbooks: Vec<Playbook>, log: &std::path::Path) -> io::Result<Console> {
        let (fleet, notes) = first(&setup);
        let screen = Screen::enter(log)?;
        let (columns, rows) = screen.size()?;
        let access = match setup.access {
            Access::ReadOnly => console::Access::ReadOnly,
            Access::MayWrite => console::Access::MayWrite,
        };
        let state = State::new(ConsoleSetup {
            fleet: fleet.clone(),
            keymap: looks.keymap.clone(),
            identity: setup.operator.clone(),
            access,
            playbooks,
            size: Size { columns, rows },
        });
        let sources = Sources::start(&setup);
        Ok(Console {
            setup,
            looks,
            state,
            sources,
            notes,
            noting: None,
            screen,
            listener: listen(),
            driving: None,
            snapshots: watch::Sender::new(Arc::new(fleet)),
            open: None,
            details: PerSide::default(),
            painted: Instant::now(),
            published: Instant::now(),
            size: (columns, rows),
            dirty: true,
            leaving: false,
        })
    }

    /// One event, and whatever it asks for.
    fn happen(&mut self, event: Event) {
        for command in update(&mut self.state, event) {
            self.obey(command);
        }
        self.dirty = true;
    }

    fn take_signal(&mut self, told: Told) {
        match told {
            Told::Leave => self.leaving = true,
            Told::GoOn => {
                self.tolerate(Screen::retake);
                self.happen(Event::FocusGained);
            }
        }
    }

    fn take_input(&mut self, input: Option<Input>) {
        let Some(Input::Event(event, burst)) = input else {
            self.leaving = true;
            return;
        };
        match event {
            TerminalEvent::Key(key) if key.kind != KeyEventKind::Release => {
                if let Some(key) = keys::translate(key.code, key.modifiers) {
                    self.happen(Event::Tick(clock()));
                    self.happen(if burst { Event::Burst(key) } else { Event::Key(key) });
                    self.paint();
                }
            }
            TerminalEvent::Paste(text) => self.happen(Event::Paste(text)),
            TerminalEvent::Resize(..) => self.measure_size(),
            TerminalEvent::FocusGained => self.happen(Event::FocusGained),
            _ => {}
        }
    }

    fn take_observations(&mut self, first: Observation) {
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX
            && let Ok(observation) = self.sources.observations.try_recv()
        {
            batch.push(observation);
        }
        self.happen(Event::Observed(batch));
        self.sources.feed_back(&self.state.fleet);
        self.publish();
    }

    /// The runner looks at snapshots; without a run there is nobody to make one for.
    fn publish(&mut self) {
        if self.driving.is_some() && self.published.elapsed() >= PUBLISH_EVERY {
            self.published = Instant::now();
            let _ = self.snapshots.send(Arc::new(self.state.fleet.clone()));
        }
    }

    /// Tells the state the terminal's size. Asked of the terminal at every tick and not taken from events alone:
    /// crossterm 0.29 drops a change of size that comes in the same moment as a key, and reads on without one while an
    /// escape sequence is not whole.
    fn measure_size(&mut self) {
        if let Ok((columns, rows)) = self.screen.size()
            && self.size != (columns, rows)
        {
            self.size = (columns, rows);
            self.happen(Event::Resize(Size { columns, rows }));
        }
    }

    fn tick(&mut self) {
        self.measure_size();
        self.happen(Event::Tick(clock()));
        self.publish();
        self.measure_loss();
    }

    /// The disk may be slow; the keyboard must not wait for it, nor one write for another.
    fn note(&mut self) {
        if self.noting.as_ref().is_some_and(|noting| !noting.is_finished()) {
            return;
        }
        let (notes, fleet) = (self.notes.clone(), self.state.fleet.clone());
        self.noting = Some(tokio::task::spawn_blocking(move || super::picture::write_notes(&notes, &fleet)));
    }

    fn paint_if_due(&mut self) {
        if self.dirty && self.painted.elapsed() >= PAINT_EVERY {
            self.paint();
        }
    }

    /// A terminal that takes no frame is gone. The session then ends as it does on a hang-up, and not at once: a run is
    /// still to be left in good order.
    fn paint(&mut self) {
        let (state, looks) = (&self.state, &self.looks);
        let painted = self.screen.paint(|frame| {
            crate::ui::draw(frame, state, &looks.theme, looks.ladder.level, looks.ladder.glyphs);
        });
        if let Err(error) = painted {
            tracing::warn!("terminal: {error}");
            self.leaving = true;
            return;
        }
        self.painted = Instant::now();
        self.happen(Event::Painted);
        self.dirty = false;
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Quit => self.leaving = true,
            Command::Redraw => self.tolerate(Screen::repaint),
            Command::Suspend => {
                self.tolerate(Screen::suspend);
                // What was typed meanwhile was meant for the shell.
                let _ = update(&mut self.state, Event::FocusGained);
            }
            Command::DiscardInput => while self.listener.input.try_recv().is_ok() {},
            Command::Copy(text) => self.tolerate(|screen| screen.copy(&text)),
            Command::OpenRun { side, key } => {
                self.state.fleet.open_run = Some((side, key.clone(), None));
                self.open = Some((side, key));
                self.want();
            }
            Command::CloseRun => {
                self.state.fleet.open_run = None;
                self.open = None;
                self.want();
            }
            Command::Details(rows) => {
                self.details = PerSide::default();
                for (side, key) in rows {
                    self.details.get_mut(side).push(key);
                }
                self.want();
            }
            Command::Refresh => self.want(),
            Command::StartRun { playbook } => self.start(&playbook),
            Command::ResumeRun { run } => {
                let driving = run::resume(&self.setup, self.snapshot(), &run);
                self.drive(driving);
            }
            Command::Start { step, consent } => {
                let consent = consent.map(|given| Agreement { shown: given.shown, typed: given.typed });
                self.order(Order::Start { step: Some(step), consent });
            }
            Command::Override { shown, reason, break_glass } => {
                let gate = shown.gate.clone();
                self.order(Order::Override { gate, shown: Some(*shown), reason, break_glass });
            }
            Command::Accept { .. } => self.order(Order::Leave),
            Command::Abort { reason } => self.order(Order::Abort { reason }),
            // The driver ends a run by itself when every step is behind.
            Command::Finish => {}
            Command::Detach => self.order(Order::Detach),
        }
    }

    /// A terminal that refuses one thing says so at the next frame.
    fn tolerate(&mut self, act: impl FnOnce(&mut Screen) -> io::Result<()>) {
        if let Err(error) = act(&mut self.screen) {
            tracing::warn!("terminal: {error}");
        }
        self.dirty = true;
    }

    fn want(&self) {
        for side in Side::BOTH {
            let open = self.open.as_ref().filter(|(of, _)| *of == side).map(|(_, key)| key.clone());
            self.sources.want(side, Wanted { runs: self.details.get(side).clone(), open });
        }
    }

    fn snapshot(&self) -> watch::Receiver<Arc<Fleet>> {
        let _ = self.snapshots.send_replace(Arc::new(self.state.fleet.clone()));
        self.snapshots.subscribe()
    }

    /// Leaves in good order: the run is detached and can be resumed, notes are written, connections closed, and the
    /// terminal is given back first, since the operator is waiting for it.
    async fn close(self) -> Option<Run> {
        let Console { listener, screen, sources, notes, state, driving, .. } = self;
        listener.stop().await;
        drop(screen);
        if let Some(mut driving) = driving {
            let _ = driving.orders.try_send(Order::Detach);
            let left = async {
                while driving.news.recv().await.is_some() {}
                let _ = driving.task.await;
            };
            let _ = tokio::time::timeout(LEAVE_MAX, left).await;
        }
        super::picture::write_notes(&notes, &state.fleet);
        sources.stop().await;
        state.run.map(|followed| followed.run)
    }
}
