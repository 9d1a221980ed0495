//! `leeward playbook undo`: what a step changed, as it was before.

use super::refused;
use super::run::open_run;
use crate::cli::{Exit, say, say_error};
use crate::domain::effect::EffectHash;
use crate::report::run as report;
use crate::runner::{Agreement, News};
use crate::session::picture::Picture;
use crate::session::run::RunError;
use crate::session::setup::Setup;
use color_eyre::eyre::{Result, WrapErr};
use std::time::Duration;

const SETTLE: Duration = Duration::from_secs(8);

pub async fn run(setup: &Setup, id: &str, step: &str, yes: bool) -> Result<Exit> {
    let Some((id, _)) = open_run(setup, id)? else { return Ok(Exit::BadInput) };
    let store = crate::journal::Store::new(&setup.state_dir, &setup.policy.environment);
    let Some(found) = store.find(&id.0)? else { return Ok(Exit::BadInput) };
    let run = found.run?;
    let Some((named, _)) = run.step(step) else {
        let ids = run.declared.playbook.steps.iter().map(|s| s.id.as_str());
        let near = crate::domain::problem::nearest(step, ids)
            .map(|near| format!("; did you mean {near}?"))
            .unwrap_or_default();
        say_error(&format!("run {id} has no step {step}{near}"));
        return Ok(Exit::BadInput);
    };
    if run.promotion_started() {
        say_error("a promotion was started in this run: no fence of the old side may be undone, whatever became of it");
        return Ok(Exit::Failed);
    }
    // What would be refused with --yes is refused before anything is shown.
    match crate::session::run::may_undo(setup, &run) {
        Ok(()) => {}
        Err(RunError::Over(id)) => {
            say_error(&format!(
                "leeward: run {id} is over and done: only what an open run or one given up did is undone"
            ));
            return Ok(Exit::Failed);
        }
        Err(error) => return Ok(refused(&error)),
    }
    let Some(effects) = named.kind.undo(&run, step).filter(|effects| !effects.is_empty()) else {
        say(&format!("step {step} has changed nothing that can be put back"));
        return Ok(Exit::Fine);
    };
    for effect in &effects {
        for request in effect.requests(|side| run.declared.regions.get(side).clone()) {
            say(&format!("sends {request}"));
        }
    }
    if !yes {
        say("nothing was sent; add --yes to send it");
        return Ok(Exit::NeedsPerson);
    }
    let mut picture = Picture::start(setup);
    picture.settle(SETTLE).await;
    let consent = Agreement { shown: EffectHash::of(&effects), typed: None };
    let exit = match crate::session::run::undo(setup, picture.fleet.clone(), &id, step, consent) {
        Ok(mut driving) => {
            let mut refusal = None;
            while let Some(news) = driving.news.recv().await {
                match news {
                    News::Recorded(record) => say(&report::record_line(&record, &driving.run)),
                    News::Refused(why) => refusal = Some(why),
                    _ => {}
                }
            }
            driving.task.await.wrap_err("the driver was lost")??;
            match refusal {
                Some(why) => {
                    say_error(&format!("leeward: {why}"));
                    Exit::Failed
                }
                None => Exit::Fine,
            }
        }
        Err(error) => refused(&error),
    };
    picture.stop().await;
    Ok(exit)
}
