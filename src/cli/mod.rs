//! Subcommands and exit codes: the thin edge where people and scripts come in.

mod args;
mod config;
mod console;
#[cfg(feature = "sandbox")]
mod drill;
mod exit;
mod journal;
mod keys;
mod looks;
mod plain;
mod playbook;
#[cfg(feature = "sandbox")]
mod sandbox;
mod signals;
mod status;

pub use exit::Exit;

use crate::domain::problem::Problem;
use crate::domain::text::{clean, clean_lines};
use crate::session::setup::{Access, Setup};
use crate::settings;
use args::{Args, Command};
use clap::{CommandFactory, Parser};
use color_eyre::eyre::{Result, WrapErr};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Longest wait for what still blocks when everything is done.
const SHUTDOWN_MAX: Duration = Duration::from_millis(500);

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    // Both TLS providers may be linked by way of dependencies; with none installed rustls would panic at its first use.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let args = Args::parse();
    match run(&args) {
        Ok(exit) => exit.into(),
        Err(report) => {
            say_error(&format!("leeward: {report:#}"));
            Exit::Failed.into()
        }
    }
}

/// The grammar of the command line, for whoever checks commands without running them.
#[must_use]
pub fn command_line() -> clap::Command {
    Args::command()
}

fn run(args: &Args) -> Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .wrap_err("the runtime could not be started")?;
    // A panic is held until the runtime is gone too: unwinding through it would wait for everything that still blocks.
    let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(dispatch(args))));
    // Name look-ups and reads of the standard input block in threads of their own and can not be ended; without a limit
    // a dead resolver, or a keyboard that nobody touches, would hold the process up.
    runtime.shutdown_timeout(SHUTDOWN_MAX);
    ended.unwrap_or_else(|panic| resume_unwind(panic))
}

async fn dispatch(args: &Args) -> Result<Exit> {
    if let Err(problems) = looks::check(args) {
        return Ok(refuse(&problems));
    }
    match &args.command {
        Some(Command::Status { output }) => match setup(args, Access::ReadOnly) {
            Ok(setup) => status::run(&setup, *output).await,
            Err(problems) => Ok(refuse(&problems)),
        },
        Some(Command::Playbook(command)) => playbook::run(args, command).await,
        Some(Command::Journal(command)) => match setup(args, Access::ReadOnly) {
            Ok(setup) => journal::run(&setup, command).await,
            Err(problems) => Ok(refuse(&problems)),
        },
        #[cfg(feature = "sandbox")]
        Some(Command::Sandbox) => sandbox::run(args).await,
        #[cfg(feature = "sandbox")]
        Some(Command::Drill { scenario }) => drill::run(args, scenario).await,
        Some(Command::Config(command)) => config::run(args, command),
        Some(Command::Keymap(command)) => keys::keymap(command),
        Some(Command::Theme(command)) => keys::theme(command),
        None => match setup(args, Access::MayWrite) {
            Ok(setup) => console::run(args, setup).await,
            Err(problems) => Ok(refuse(&problems)),
        },
        Some(Command::Watch { plain }) => match setup(args, Access::ReadOnly) {
            Ok(setup) if *plain => plain::run(&setup).await,
            Ok(setup) => console::run(args, setup).await,
            Err(problems) => Ok(refuse(&problems)),
        },
    }
}

/// The setup of the configuration, with its warnings told.
pub(crate) fn setup(args: &Args, access: Access) -> Result<Setup, Vec<Problem>> {
    let loaded = settings::load(args.config.as_deref(), &args.set, &settings::process_environment)?;
    for warning in &loaded.warnings {
        say_error(&warning.to_string());
    }
    let mut setup = Setup::from_settings(&loaded.settings, access);
    // A line of the timeline is narrow: the file's name and the line are enough to find it.
    let doubt = |problem: &Problem| {
        let file =
            Path::new(&problem.file).file_name().map_or_else(|| problem.file.as_str().into(), |n| n.to_string_lossy());
        let line = if problem.line == 0 { String::new() } else { format!(":{}", problem.line) };
        clean(&format!("{file}{line}: {}", problem.message))
    };
    setup.doubts = loaded.warnings.iter().map(|warning| doubt(&warning.0)).collect();
    Ok(setup)
}

/// Tells every problem and how many there are.
pub(crate) fn refuse(problems: &[Problem]) -> Exit {
    for problem in problems {
        say_error(&problem.to_string());
    }
    Exit::BadInput
}

/// A line to standard output. A closed pipe is not an error of ours. Names of files and texts of the system come this way
/// too: what a terminal would obey is taken out here, whoever forgot it before.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", clean_lines(text));
}

/// A line to standard error; the same holds.
pub(crate) fn say_error(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "{}", clean_lines(text));
}
