//! `leeward status`: the same facts as the overview, without a screen.

use super::args::Output;
use super::{Exit, say, say_error};
use crate::domain::fleet::Fleet;
use crate::gates::RunFacts;
use crate::gates::alarms::alarms;
use crate::gates::readiness::{Readiness, State, readiness};
use crate::journal::{Store, history, last_promotion};
use crate::playbook::builtin;
use crate::playbook::run::Run;
use crate::report::{status, status_json};
use crate::session::picture::Picture;
use crate::session::setup::Setup;
use color_eyre::eyre::{Result, WrapErr};
use std::time::Duration;

/// Longest wait for the sources: two tries of each.
const SETTLE: Duration = Duration::from_secs(8);

/// Looks once and tells.
pub async fn run(setup: &Setup, output: Output) -> Result<Exit> {
    let runs = finished_runs_or_none(setup);
    let mut picture = Picture::start(setup);
    let fleet = picture.settle(SETTLE).await;
    picture.stop().await;
    let facts = RunFacts { last_promotion: last_promotion(&runs), ..RunFacts::default() };
    let readiness = readiness(&fleet, &facts, failover_takes(&runs));
    let alarms = alarms(&fleet, &facts);
    match output {
        Output::Text => say(status::text(&fleet, &readiness, &alarms).trim_end()),
        Output::Json => {
            let document = status_json::json(&fleet, &readiness, &alarms);
            say(&serde_json::to_string_pretty(&document).wrap_err("the status could not be written as JSON")?);
        }
    }
    Ok(exit(&fleet, &readiness))
}

fn exit(_fleet: &Fleet, readiness: &Readiness) -> Exit {
    match readiness.state {
        State::Ready | State::ReadyWithWarnings => Exit::Fine,
        State::Blocked | State::NoDirection => Exit::Blocked,
    }
}

/// Runs in the journals here that can be read.
pub fn finished_runs(setup: &Setup) -> Result<Vec<Run>> {
    let store = Store::new(&setup.state_dir, &setup.policy.environment);
    let runs = store.runs().wrap_err("the journals could not be listed")?;
    Ok(runs.into_iter().filter_map(|summary| summary.run.ok()).collect())
}

/// The same for who only looks: journals that can not be listed must not hide the state of the regions. What is then not
/// known of them is said.
pub fn finished_runs_or_none(setup: &Setup) -> Vec<Run> {
    finished_runs(setup).unwrap_or_else(|error| {
        say_error(&format!("warning: {error:#}: of earlier and open runs nothing is known here"));
        Vec::new()
    })
}

/// How long a failover takes: the median of each step here, or what its playbook expects.
pub fn failover_takes(runs: &[Run]) -> Duration {
    let history = history(runs);
    let Ok(playbooks) = builtin() else { return Duration::ZERO };
    let Some(failover) = playbooks.iter().find(|playbook| playbook.name == "failover") else { return Duration::ZERO };
    let step = |step: &crate::playbook::file::Step| {
        history.get(&(failover.name.clone(), step.id.clone())).copied().unwrap_or(step.expect)
    };
    failover.steps.iter().map(step).sum()
}
