//! `leeward journal`.

use super::args::JournalCommand;
use super::{Exit, say, say_error};
use crate::domain::problem::printable;
use crate::domain::units::many;
use crate::journal::{Look, RunSummary, Store, look};
use crate::playbook::record::End;
use crate::playbook::run::Run;
use crate::report::run as report;
use crate::session::picture::Picture;
use crate::session::run::measure_loss;
use crate::session::setup::Setup;
use color_eyre::eyre::{Result, WrapErr};
use std::path::Path;
use std::time::Duration;

pub async fn run(setup: &Setup, command: &JournalCommand) -> Result<Exit> {
    let store = Store::new(&setup.state_dir, &setup.policy.environment);
    match command {
        JournalCommand::List => {
            let runs = store.runs()?;
            if runs.is_empty() {
                say(&format!("no run of {} in {}", setup.policy.environment, store.folder().display()));
            }
            for summary in runs {
                say(&line(&summary));
            }
            Ok(Exit::Fine)
        }
        JournalCommand::Measure { run } => measure(setup, &store, run).await,
        JournalCommand::Show { run } => show(&store, run),
        JournalCommand::Verify { run } => verify(&store, run.as_deref()),
    }
}

fn line(summary: &RunSummary) -> String {
    match &summary.run {
        Ok(run) => {
            let state = match &run.ended {
                Some((End::Done, _, _)) => "done".to_owned(),
                Some((End::Aborted, _, reason)) => format!("given up: {reason}"),
                None => match run.current() {
                    Some((i, step, slot)) => format!("open at step {}, {} ({})", i + 1, step.id, slot.state.word()),
                    None => "open".to_owned(),
                },
            };
            let at = run.declared_at.strftime("%Y-%m-%d %H:%M:%SZ");
            let name = &run.declared.playbook.name;
            format!("{}  {at}  {name} {}  {state}  by {}", summary.id, report::way(run), run.driver)
        }
        Err(error) => format!("{}  can not be read: {error}", summary.id),
    }
}

/// The run that begins so; where there is none, or not one alone, that is said.
pub(super) fn find(store: &Store, run: &str) -> Result<Option<RunSummary>> {
    let found = store.find(run).wrap_err("the journals could not be listed")?;
    if found.is_none() {
        let all = store.runs().wrap_err("the journals could not be listed")?;
        let fitting: Vec<&str> = all.iter().map(|one| one.id.0.as_str()).filter(|id| id.starts_with(run)).collect();
        let asked = printable(run, 60);
        say_error(&match fitting.as_slice() {
            [] => format!("leeward: no run begins with \"{asked}\"; see leeward journal list"),
            several => {
                let shown = several.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
                let more = if several.len() > NAMED_MAX { ", …" } else { "" };
                format!(
                    "leeward: {} runs begin with \"{asked}\": {shown}{more}; see leeward journal list",
                    several.len()
                )
            }
        });
    }
    Ok(found)
}

/// Runs that are named where one was not told apart from others.
const NAMED_MAX: usize = 5;

fn show(store: &Store, id: &str) -> Result<Exit> {
    let Some(summary) = find(store, id)? else { return Ok(Exit::BadInput) };
    let Look { records, run, torn } = look(&summary.path)?;
    for record in &records {
        say(&report::record_line(record, &run));
    }
    say("");
    say(report::steps(&run).trim_end());
    say("");
    say(report::figures(&run).trim_end());
    if torn > 0 {
        say_error(&format!("leeward: {}", torn_words(&run, torn)));
    }
    Ok(Exit::Fine)
}

/// Longest wait for the sources.
const SETTLE: Duration = Duration::from_secs(8);

async fn measure(setup: &Setup, store: &Store, id: &str) -> Result<Exit> {
    let Some(summary) = find(store, id)? else { return Ok(Exit::BadInput) };
    let run = summary.run?;
    let mut picture = Picture::start(setup);
    let fleet = picture.settle(SETTLE).await;
    picture.stop().await;
    match measure_loss(setup, &fleet, &summary.id)? {
        Some(record) => {
            say(&report::record_line(&record, &run));
            Ok(Exit::Fine)
        }
        None if run.measured.is_some() => {
            say("the loss was measured before; see leeward journal show");
            Ok(Exit::Fine)
        }
        None => {
            let from = run.from_name();
            say_error(&format!(
                "{from} can not tell: its database has to answer, out of recovery, on the timeline that was left"
            ));
            Ok(Exit::Failed)
        }
    }
}

fn verify(store: &Store, id: Option<&str>) -> Result<Exit> {
    let runs = match id {
        Some(id) => match find(store, id)? {
            Some(run) => vec![run],
            None => return Ok(Exit::BadInput),
        },
        None => store.runs()?,
    };
    if runs.is_empty() {
        say(&format!("no journal in {}", store.folder().display()));
    }
    let mut exit = Exit::Fine;
    for summary in runs {
        let torn = match &summary.run {
            Ok(_) if summary.torn > 0 => still_torn(&summary.path),
            _ => 0,
        };
        match &summary.run {
            Ok(run) if torn > 0 => {
                say(&format!("{}  TORN: {}", summary.id, torn_words(run, torn)));
                exit = Exit::Failed;
            }
            Ok(_) => say(&format!("{}  whole: every line follows from the one before", summary.id)),
            Err(error) => {
                say(&format!("{}  DAMAGED: {error}", summary.id));
                exit = Exit::Failed;
            }
        }
    }
    Ok(exit)
}

/// Longest time that a line which is just being written stays unfinished.
const WRITING: Duration = Duration::from_millis(300);

/// Bytes after the last whole line, once a driver that may be writing them has had the time to end the line.
fn still_torn(path: &Path) -> usize {
    std::thread::sleep(WRITING);
    look(path).map_or(0, |look| look.torn)
}

/// What is torn off, and what becomes of it.
fn torn_words(run: &Run, torn: usize) -> String {
    let bytes = many(torn, "byte", "bytes");
    let id = &run.declared.run;
    let next = if run.ended.is_some() {
        "the run is over; whoever writes to it next (leeward journal measure) sets them aside".to_owned()
    } else {
        format!(
            "leeward playbook resume {id} sets them aside in {id}.torn-at-…, goes on after the last whole line, and looks \
             again at what it can not know"
        )
    };
    format!(
        "every whole line follows from the one before, and {bytes} of a line that was cut off stand after them; {next}"
    )
}
