//! `leeward sandbox`: the simulated regions alone.

use super::args::Args;
use super::signals::Signals;
use super::{Exit, refuse, say, say_error};
use crate::domain::problem::{Problem, nearest, printable};
use crate::domain::region::Side;
use crate::sandbox::fault::{FAULTS, FaultKind};
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
    let (fault, kind, side) = match understood(line) {
        Ok(Some(order)) => order,
        Ok(None) => return,
        Err(why) => {
            say_error(&why);
            return;
        }
    };
    let region = REGIONS[side as usize];
    match sandbox.fault(side, kind).await {
        Ok(()) => say(&format!("{fault} {region}: done")),
        Err(error) => say_error(&format!("{fault} {region}: {error}")),
    }
}

/// The fault and the region of a typed line; None for an empty one.
fn understood(line: &str) -> Result<Option<(&'static str, FaultKind, Side)>, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (fault, region) = match words[..] {
        [] => return Ok(None),
        [fault, region] => (fault, Some(region)),
        [fault] => (fault, None),
        _ => return Err("a fault and a region, and nothing else, such as: region-down us-central1".to_owned()),
    };
    let names = || FAULTS.iter().map(|(name, _)| *name);
    let near = |word: &str, known: Vec<&'static str>| match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are {}", known.join(" ")),
    };
    let shown = |word: &str| printable(word, 40);
    let Some((name, kind)) = FAULTS.iter().find(|(name, _)| *name == fault) else {
        let known = names().chain(["quit"]).collect();
        return Err(format!("no fault is called {}; {}", shown(fault), near(fault, known)));
    };
    let Some(region) = region else { return Err(format!("{name} where? Say it with a region: {name} {}", REGIONS[0])) };
    match REGIONS.iter().position(|name| *name == region) {
        Some(0) => Ok(Some((name, *kind, Side::A))),
        Some(_) => Ok(Some((name, *kind, Side::B))),
        None => {
            let all = format!("there are {}", REGIONS.join(" and "));
            let near = nearest(region, REGIONS).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            Err(format!("no region is called {}; {all}{near}", shown(region)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_word_is_told_with_the_nearest_right_one() {
        assert_eq!(understood("  "), Ok(None));
        assert!(matches!(understood("region-down us-east1"), Ok(Some(("region-down", _, Side::B)))));
        for (line, says) in [
            ("regoin-down us-east1", "did you mean region-down?"),
            ("regoin-down", "did you mean region-down?"),
            ("region-down us-esat1", "did you mean us-east1?"),
            ("region-down moon", "there are us-central1 and us-east1"),
            ("region-down", "region-down us-central1"),
            ("region-down us-east1 now", "nothing else"),
            ("qiut", "did you mean quit?"),
            ("catastrophe us-east1", "api-stop"),
        ] {
            let said = understood(line).unwrap_err();
            assert!(said.contains(says), "{line}: {said}");
        }
        assert!(!understood("\u{1b}[2J us-east1").unwrap_err().contains('\u{1b}'));
    }
}
