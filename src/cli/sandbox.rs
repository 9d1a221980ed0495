//! `leeward sandbox`: the simulated regions alone.

use super::args::Args;
use super::signals::Signals;
use super::{Exit, refuse, say, say_error};
use crate::domain::problem::{Problem, nearest};
use crate::domain::region::Side;
use crate::sandbox::fault::FAULTS;
use crate::sandbox::{REGIONS, Sandbox, SandboxOptions};
use crate::settings;
use color_eyre::eyre::Result;
use std::path::PathBuf;
use tokio::io::{AsyncBufReadExt, BufReader};

/// Runs in flight at the start.
const RUNS: usize = 40;

pub async fn run(args: &Args) -> Result<Exit> {
    let mut signals = Signals::all()?;
    let postgres_bindir = match postgres_bindir(args) {
        Ok(place) => place,
        Err(problems) => return Ok(refuse(&problems)),
    };
    let starting = Sandbox::start(SandboxOptions { postgres_bindir, runs: RUNS });
    let Some(sandbox) = signals.or(starting).await.transpose()? else { return Ok(Exit::Fine) };
    tell(&sandbox);
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut reading = true;
    loop {
        tokio::select! {
            () = signals.any() => return Ok(Exit::Fine),
            line = lines.next_line(), if reading => match line {
                Ok(Some(line)) if line.trim() == "quit" => return Ok(Exit::Fine),
                Ok(Some(line)) => order(&sandbox, &line).await,
                // Without a standard input it stays until a signal.
                _ => reading = false,
            },
        }
    }
}

/// Where the configuration says that PostgreSQL's programs are. The sandbox needs no configuration, so one that lies in
/// the usual places and is wrong is not its business; one that was named is.
///
/// # Errors
/// What is wrong with a configuration that was named.
pub(super) fn postgres_bindir(args: &Args) -> Result<Option<PathBuf>, Vec<Problem>> {
    match settings::load(args.config.as_deref(), &args.set, &settings::process_environment) {
        Ok(loaded) => Ok(loaded.settings.postgres_bindir),
        Err(_) if args.config.is_none() && args.set.is_empty() => Ok(None),
        Err(problems) => Err(problems),
    }
}

fn tell(sandbox: &Sandbox) {
    let folder = sandbox.folder().display();
    say("two simulated regions are up; nothing outside this machine is touched");
    say(&format!("  kubeconfig  {}", sandbox.kubeconfig().display()));
    say(&format!("  contexts    {a} {b}, each also with -operator, -viewer, -nobody", a = REGIONS[0], b = REGIONS[1]));
    say(&format!(
        "  kubectl     kubectl --kubeconfig {} --context {} get wf -A -w",
        sandbox.kubeconfig().display(),
        REGIONS[0]
    ));
    say(&format!("  leeward     leeward --config {folder}/config.toml"));
    say("faults: type one of these with a region, or quit");
    say(&format!("  {}", FAULTS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ")));
}

async fn order(sandbox: &Sandbox, line: &str) {
    let mut words = line.split_whitespace();
    let (Some(fault), Some(region)) = (words.next(), words.next()) else {
        say_error("a fault and a region, such as: region-down us-central1");
        return;
    };
    let Some((_, kind)) = FAULTS.iter().find(|(name, _)| *name == fault) else {
        let near = nearest(fault, FAULTS.iter().map(|(name, _)| *name));
        say_error(&format!(
            "no fault is called {fault}{}",
            near.map(|n| format!("; did you mean {n}?")).unwrap_or_default()
        ));
        return;
    };
    let side = match REGIONS.iter().position(|name| *name == region) {
        Some(0) => Side::A,
        Some(_) => Side::B,
        None => {
            say_error(&format!("no region is called {region}; there are {}", REGIONS.join(" and ")));
            return;
        }
    };
    match sandbox.fault(side, *kind).await {
        Ok(()) => say(&format!("{fault} {region}: done")),
        Err(error) => say_error(&format!("{fault} {region}: {error}")),
    }
}
