//! `leeward playbook`.

pub(super) mod missing;
mod plan;
pub(super) mod run;
mod undo;

use super::args::{Args, PlaybookCommand};
use super::{Exit, refuse, say, say_error, setup};
use crate::domain::problem::Problem;
use crate::domain::units::many;
use crate::playbook::builtin;
use crate::playbook::file::{self, Playbook};
use crate::session::setup::Access;
use crate::settings::read_text;
use color_eyre::eyre::{Result, WrapErr};
use std::path::Path;

pub async fn run(args: &Args, command: &PlaybookCommand) -> Result<Exit> {
    match command {
        PlaybookCommand::List => list(),
        PlaybookCommand::Check { file } => check(file),
        _ => acting(args, command).await,
    }
}

async fn acting(args: &Args, command: &PlaybookCommand) -> Result<Exit> {
    let access = if matches!(command, PlaybookCommand::Plan { .. }) { Access::ReadOnly } else { Access::MayWrite };
    let setup = match setup(args, access) {
        Ok(setup) => setup,
        Err(problems) => return Ok(refuse(&problems)),
    };
    match command {
        PlaybookCommand::Plan { name } => match named(name)? {
            Ok(playbook) => plan::run(&setup, playbook).await,
            Err(problem) => Ok(refuse(&[problem])),
        },
        PlaybookCommand::Run { name, consent } => match named(name)? {
            Ok(playbook) => run::start(&setup, playbook, consent.as_deref()).await,
            Err(problem) => Ok(refuse(&[problem])),
        },
        PlaybookCommand::Resume { run, consent } => run::resume(&setup, run.as_deref(), consent.as_deref()).await,
        PlaybookCommand::Abort { run, reason } => run::abort(&setup, run, reason).await,
        PlaybookCommand::Undo { run, step, yes } => undo::run(&setup, run, step, *yes).await,
        PlaybookCommand::List | PlaybookCommand::Check { .. } => Ok(Exit::Fine),
    }
}

fn list() -> Result<Exit> {
    for playbook in builtin().wrap_err("a built-in playbook does not read")? {
        let steps = many(playbook.steps.len(), "step", "steps");
        say(&format!("{:<12} {:<44} {steps}", playbook.name, playbook.title));
    }
    Ok(Exit::Fine)
}

fn check(file: &Path) -> Result<Exit> {
    let text = match read_text(file) {
        Ok(text) => text,
        Err(problem) => return Ok(refuse(&[problem])),
    };
    match file::check(&file.display().to_string(), &text) {
        Ok(playbook) => {
            let steps = many(playbook.steps.len(), "step", "steps");
            say(&format!("{}: no problem found, {steps}", file.display()));
            Ok(Exit::Fine)
        }
        Err(problems) => Ok(refuse(&problems)),
    }
}

/// The playbook of that name, or the nearest.
fn named(name: &str) -> Result<Result<Playbook, Problem>> {
    let all = builtin().wrap_err("a built-in playbook does not read")?;
    match all.iter().find(|playbook| playbook.name == name) {
        Some(playbook) => Ok(Ok(playbook.clone())),
        None => {
            let problem =
                Problem::new("playbook", format!("no playbook is called \"{name}\"; see leeward playbook list"))
                    .about(name);
            Ok(Err(problem.among(all.iter().map(|playbook| playbook.name.as_str()))))
        }
    }
}

/// A read-only session says so instead of failing later.
fn refused(error: &crate::session::run::RunError) -> Exit {
    say_error(&format!("leeward: {error}"));
    Exit::Failed
}
