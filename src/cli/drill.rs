//! `leeward drill`: a scenario on the sandbox. With a terminal the console opens on it; without one it is walked to its end
//! on the sandbox's own consent, and every step is printed with its evidence and its time.

use super::args::Args;
use super::console::{self, has_terminal};
use super::playbook::missing::open_at;
use super::playbook::run::walk;
use super::sandbox::postgres_bindir;
use super::signals::Signals;
use super::{Exit, refuse, say, say_error};
use crate::domain::fleet::Fleet;
use crate::domain::freshness::Source;
use crate::domain::problem::Problem;
use crate::domain::region::Side;
use crate::domain::units::{clock, fine, many};
use crate::gates::RunFacts;
use crate::gates::readiness::readiness;
use crate::playbook::builtin;
use crate::playbook::consents::Consents;
use crate::playbook::figures::Figures;
use crate::playbook::record::End;
use crate::playbook::run::Run;
use crate::report::run::way;
use crate::sandbox::scenario::{SCENARIOS, Scenario, read};
use crate::sandbox::{REGIONS, Sandbox, SandboxOptions};
use crate::session::picture::Picture;
use crate::session::simulated::{happen, play, setup, words};
use color_eyre::eyre::{Result, WrapErr, bail};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Longest wait for the sandbox's sources, and for an outage to be noticed.
const SETTLE: Duration = Duration::from_secs(20);

/// Without a person nobody reads along for longer before the fault.
const BEFORE_FAULT_MAX: Duration = Duration::from_secs(5);

/// Announcements that wait for the screen; a scenario has a handful.
const ANNOUNCEMENTS_MAX: usize = 16;

pub async fn run(args: &Args, name: &str) -> Result<Exit> {
    let scenario = match named(name) {
        Ok(scenario) => scenario,
        Err(problem) => return Ok(refuse(&[problem])),
    };
    let postgres_bindir = match postgres_bindir(args) {
        Ok(place) => place,
        Err(problems) => return Ok(refuse(&problems)),
    };
    let mut signals = Signals::all()?;
    // Dropping the sandbox on the way out ends everything that it started.
    let Some(sandbox) = signals.or(sandbox(postgres_bindir, &scenario)).await.transpose()? else {
        return Ok(Exit::Failed);
    };
    if has_terminal() {
        let (tell, announcements) = mpsc::channel(ANNOUNCEMENTS_MAX);
        let setup = setup(&sandbox);
        let target = setup.policy.rto_target;
        // The console leaves by itself on a signal, and in good order.
        let left = tokio::select! {
            left = console::show(args, setup, announcements) => left?,
            never = async { play(&sandbox, &scenario, tell).await; std::future::pending().await } => never,
        };
        drop(sandbox);
        return Ok(match left {
            Ok(run) => {
                say(&format!("drill: {}", outcome(run.as_ref(), target)));
                say("the sandbox is gone, and its journals with it");
                Exit::Fine
            }
            Err(exit) => exit,
        });
    }
    signals.or(walk_through(&sandbox, &scenario)).await.unwrap_or(Ok(Exit::Failed))
}

/// How the run of a drill came out, in a line.
fn outcome(run: Option<&Run>, target: Duration) -> String {
    let Some(run) = run else { return "no run was declared".to_owned() };
    let figures = Figures::of(run);
    let name = &run.declared.playbook.name;
    let overrides = many(figures.overrides.len(), "override", "overrides");
    match &run.ended {
        Some((End::Done, _, _)) if figures.proven => {
            let (took, over) = (clock(figures.total), if figures.total > target { ", over the target" } else { "" });
            format!("{name} {} done after {took} of {}{over}; {overrides}", way(run), clock(target))
        }
        Some((End::Done, _, _)) => format!("{name} {} done, not proven; {overrides}", way(run)),
        Some((End::Aborted, _, reason)) => format!("{name} given up: {reason}"),
        None => format!("{}, and was left so", open_at(run)),
    }
}

async fn sandbox(postgres_bindir: Option<PathBuf>, scenario: &Scenario) -> Result<Sandbox> {
    say_error(&format!("drill: {} (simulated; nothing outside this machine is touched)", scenario.title));
    let began = Instant::now();
    let sandbox = Sandbox::start(SandboxOptions { postgres_bindir, runs: scenario.runs }).await?;
    say_error(&format!("sandbox up in {}", fine(began.elapsed())));
    Ok(sandbox)
}

/// The scenario of that name, or the nearest.
fn named(name: &str) -> Result<Scenario, Problem> {
    match SCENARIOS.iter().find(|(known, _)| *known == name) {
        Some((file, text)) => read(file, text),
        None => {
            let known = SCENARIOS.map(|(known, _)| known).join(", ");
            let problem =
                Problem::new("drill", format!("no scenario is called \"{name}\"; there is {known}")).about(name);
            Err(problem.among(SCENARIOS.iter().map(|(known, _)| *known)))
        }
    }
}

async fn walk_through(sandbox: &Sandbox, scenario: &Scenario) -> Result<Exit> {
    let setup = setup(sandbox);
    let mut picture = Picture::start(&setup);
    let fleet = picture.settle(SETTLE).await;
    say(&words(&scenario.brief));
    tell_readiness(&fleet);
    for fault in &scenario.faults {
        let wait = fault.after.min(BEFORE_FAULT_MAX);
        say(&format!("in {}: {}", clock(wait), words(&fault.announce)));
        tokio::time::sleep(wait).await;
        say(&happen(sandbox, fault).await);
    }
    let noticed = Instant::now();
    wait_for(&mut picture, lost).await?;
    say(&format!("noticed after {}", fine(noticed.elapsed())));
    tell_readiness(&picture.fleet.borrow().clone());
    let failover = builtin().wrap_err("a built-in playbook does not read")?.into_iter().find(|p| p.name == "failover");
    let Some(failover) = failover else { bail!("there is no playbook failover") };
    let consents = Consents::of_the_sandbox(&failover, REGIONS[1]);
    let driving = crate::session::run::start(&setup, picture.fleet.clone(), failover)?;
    let exit = walk(&picture, driving, &consents).await;
    picture.stop().await;
    exit
}

/// API server and database of the first region are both too old to act on.
fn lost(fleet: &Fleet) -> bool {
    [Source::Kubernetes(Side::A), Source::Database(Side::A)].into_iter().all(|source| !fleet.freshness(source).usable())
}

fn tell_readiness(fleet: &Fleet) {
    let takes = builtin().ok().and_then(|all| all.first().map(|p| p.expect())).unwrap_or_default();
    let readiness = readiness(fleet, &RunFacts::default(), takes);
    say(&format!("readiness {}", readiness.headline()));
    for finding in readiness.blocks.iter().chain(&readiness.warnings) {
        say(&format!("  {}: {}", finding.gate, finding.answer.text));
    }
}

async fn wait_for(picture: &mut Picture, is: impl Fn(&Fleet) -> bool) -> Result<()> {
    let wait = async {
        loop {
            if is(&picture.fleet.borrow_and_update()) {
                return Ok(());
            }
            picture.fleet.changed().await.wrap_err("the picture was lost")?;
        }
    };
    match tokio::time::timeout(SETTLE, wait).await {
        Ok(result) => result,
        Err(_) => bail!("the outage was not noticed within {}", clock(SETTLE)),
    }
}
