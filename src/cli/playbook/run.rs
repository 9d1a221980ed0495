//! `leeward playbook run` and `resume` without the console: consents come from a file, and nobody is asked.

use super::missing::{self, Lacks, Missing};
use super::refused;
use crate::cli::journal::find;
use crate::cli::signals::Signals;
use crate::cli::{Exit, refuse, say, say_error};
use crate::domain::problem::Problem;
use crate::domain::units::{clock, many};
use crate::journal::Store;
use crate::playbook::consent::Tier;
use crate::playbook::consents::{Consents, read};
use crate::playbook::file::Playbook;
use crate::playbook::record::{Event, RunId};
use crate::playbook::run::Run;
use crate::report::run as report;
use crate::runner::{News, Order};
use crate::session::picture::{Ask, Picture};
use crate::session::run::{Driving, RunError};
use crate::session::setup::Setup;
use crate::session::unattended::{Answer, answer};
use crate::settings::read_text;
use color_eyre::eyre::{Result, WrapErr, bail};
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest wait for the sources before a run is declared.
const SETTLE: Duration = Duration::from_secs(8);

/// How long a gate may hold before a run without a person gives the word back: longer than the longest countdown of a
/// gate, `wal_receiver_timeout`, which is a minute where nobody changed it.
const HELD_MAX: Duration = Duration::from_secs(90);

/// Tries of a step after its first.
const RETRIES: u32 = 2;

/// Declares and drives a run.
pub async fn start(setup: &Setup, playbook: Playbook, consent: Option<&Path>) -> Result<Exit> {
    // Before anything else is asked for: with a run open none of it is of use.
    if let Some(open) = open_runs(setup)?.first() {
        say_error(&format!("leeward: {}; resume it or give it up first", missing::open_at(open)));
        say_error(&format!(
            "leeward: leeward playbook resume {id}, or leeward playbook abort {id} --reason WHY",
            id = open.declared.run
        ));
        return Ok(Exit::Failed);
    }
    let consents = match consents(consent, &playbook) {
        Ok(consents) => consents,
        Err(problems) => return Ok(refuse(&problems)),
    };
    // An open run that nobody can start keeps every other run out.
    if let Some(first) =
        playbook.steps.first().filter(|step| step.consent != Tier::None && consents.step(&step.id).is_none())
    {
        say_error(&format!(
            "leeward: the first step, {}, asks for a consent, and there is none: nothing was declared",
            first.id
        ));
        say_error("leeward: give consents in a file (--consent FILE, see docs/PLAYBOOKS.md), or run it in the console");
        return Ok(Exit::NeedsPerson);
    }
    let mut picture = Picture::start(setup);
    picture.settle(SETTLE).await;
    let driving = crate::session::run::start(setup, picture.fleet.clone(), playbook);
    finish(picture, driving, &consents).await
}

/// The runs that are open, as far as their journals can be read. What can not be read is refused where it matters.
fn open_runs(setup: &Setup) -> Result<Vec<Run>> {
    Ok(crate::cli::status::finished_runs(setup)?.into_iter().filter(|run| run.ended.is_none()).collect())
}

/// Takes a run up again; without an id the only one that is open.
pub async fn resume(setup: &Setup, id: Option<&str>, consent: Option<&Path>) -> Result<Exit> {
    let open = open_runs(setup)?;
    let id = match (id, open.as_slice()) {
        (Some(id), _) => id.to_owned(),
        (None, [only]) => only.declared.run.0.clone(),
        (None, []) => {
            say_error("leeward: no run is open; see leeward journal list");
            return Ok(Exit::BadInput);
        }
        (None, several) => {
            let all: Vec<String> = several.iter().map(missing::open_at).collect();
            say_error(&format!("leeward: say which one: {}", all.join("; ")));
            return Ok(Exit::BadInput);
        }
    };
    let id = id.as_str();
    let Some((id, playbook)) = open_run(setup, id)? else { return Ok(Exit::BadInput) };
    let consents = match consents(consent, &playbook) {
        Ok(consents) => consents,
        Err(problems) => return Ok(refuse(&problems)),
    };
    let mut picture = Picture::start(setup);
    picture.settle(SETTLE).await;
    let driving = crate::session::run::resume(setup, picture.fleet.clone(), &id);
    finish(picture, driving, &consents).await
}

/// Gives a run up.
pub async fn abort(setup: &Setup, id: &str, reason: &str) -> Result<Exit> {
    let Some((id, _)) = open_run(setup, id)? else { return Ok(Exit::BadInput) };
    let mut picture = Picture::start(setup);
    picture.settle(SETTLE).await;
    let exit = match crate::session::run::resume(setup, picture.fleet.clone(), &id) {
        Ok(driving) => {
            let mut news = driving.news;
            let _ = driving.orders.send(Order::Abort { reason: reason.to_owned() }).await;
            while let Some(item) = news.recv().await {
                if let News::Recorded(record) = &item {
                    say(&report::record_line(record, &driving.run));
                }
            }
            driving.task.await.wrap_err("the driver was lost")??;
            Exit::Fine
        }
        Err(error) => refused(&error),
    };
    picture.stop().await;
    Ok(exit)
}

/// The open run of that id, with its playbook.
pub(super) fn open_run(setup: &Setup, id: &str) -> Result<Option<(RunId, Playbook)>> {
    let store = Store::new(&setup.state_dir, &setup.policy.environment);
    let Some(found) = find(&store, id)? else { return Ok(None) };
    let run = found.run?;
    Ok(Some((found.id, run.declared.playbook)))
}

fn consents(path: Option<&Path>, playbook: &Playbook) -> Result<Consents, Vec<Problem>> {
    let Some(path) = path else { return Ok(Consents::default()) };
    let text = read_text(path).map_err(|problem| vec![problem])?;
    read(&path.display().to_string(), &text, playbook)
}

async fn finish(picture: Picture, driving: Result<Driving, RunError>, consents: &Consents) -> Result<Exit> {
    let exit = match driving {
        Ok(driving) => walk(&picture, driving, consents).await,
        Err(error) => Ok(refused(&error)),
    };
    picture.stop().await;
    exit
}

/// Drives a run to its end on the consents given, telling every record.
pub async fn walk(picture: &Picture, mut driving: Driving, consents: &Consents) -> Result<Exit> {
    let _ = picture.asks.send(Ask::Hurry(true)).await;
    if let Some(torn) = &driving.torn {
        say(&format!(
            "the journal's last line was torn off by a crash; what is left of it ({}) is in {}",
            many(torn.bytes, "byte", "bytes"),
            torn.kept_in.display()
        ));
    }
    let mut shown = driving.run.clone();
    say(&format!("run {}: {} {}", shown.declared.run, shown.declared.playbook.name, report::way(&shown)));
    let mut signals = Signals::but_hang_up()?;
    let missing = signals.or(follow(&mut driving, &mut shown, consents)).await;
    let missing = missing.unwrap_or_else(|| Some(Missing::interrupted()));
    if missing.is_some() {
        let _ = driving.orders.send(Order::Detach).await;
    }
    let rest = async {
        while let Some(news) = driving.news.recv().await {
            tell(&news, &mut shown);
        }
    };
    // A request that was sent is waited for; whoever interrupts again does not want to wait.
    if signals.or(rest).await.is_none() {
        bail!("interrupted in the middle of a step; go on with leeward playbook resume {}", driving.run.declared.run);
    }
    let run = driving.task.await.wrap_err("the driver was lost")??;
    say("");
    say(report::steps(&run).trim_end());
    say("");
    say(report::figures(&run).trim_end());
    if let Some(missing) = missing {
        say_error(&format!("leeward: run {} waits for a person: {}", run.declared.run, missing.why));
        say_error(&format!("leeward: {}", missing.advice(&run)));
        return Ok(Exit::NeedsPerson);
    }
    Ok(match &run.ended {
        Some((crate::playbook::record::End::Done, _, _)) => Exit::Fine,
        Some(_) => Exit::Aborted,
        None => Exit::NeedsPerson,
    })
}

/// Answers proposals until the run is over or something is missing; then says what.
async fn follow(driving: &mut Driving, shown: &mut Run, consents: &Consents) -> Option<Missing> {
    let mut waiting: Option<(Missing, Instant)> = None;
    // The gate that was said to hold: a wait that nobody sees looks like a hang.
    let mut told: Option<String> = None;
    let mut refusals = 0;
    loop {
        let patience = waiting.as_ref().map_or(HELD_MAX, |(_, since)| HELD_MAX.saturating_sub(since.elapsed()));
        let news = match tokio::time::timeout(patience, driving.news.recv()).await {
            Ok(Some(news)) => news,
            Ok(None) => return None,
            Err(_) => match waiting {
                Some((missing, _)) => return Some(missing),
                None => continue,
            },
        };
        tell(&news, shown);
        match news {
            News::Proposal(proposal) => match answer(shown, &proposal, consents, RETRIES) {
                Answer::Order(order) => {
                    waiting = None;
                    let _ = driving.orders.send(order).await;
                }
                Answer::Wait => waiting = None,
                Answer::Person(why) if proposal.held_by().is_none() => return Some(Missing::of(why, &proposal, shown)),
                // A gate may be lifted by time; the text of its answer changes while it counts down.
                Answer::Person(why) => {
                    let gate = proposal.held_by().map(|line| line.finding.gate.clone());
                    if told != gate {
                        say(&format!("waits for at most {}: {why}", clock(HELD_MAX)));
                        told = gate;
                    }
                    let since = waiting.as_ref().map_or_else(Instant::now, |(_, since)| *since);
                    waiting = Some((Missing::of(why, &proposal, shown), since));
                }
            },
            News::Refused(why) => {
                refusals += 1;
                if refusals > 3 {
                    return Some(Missing { why, lacks: Lacks::Look });
                }
            }
            News::Recorded(_) => refusals = 0,
            News::Trouble(_) | News::Waiting(_) => {}
        }
    }
}

fn tell(news: &News, shown: &mut Run) {
    match news {
        News::Recorded(record) => {
            say(&report::record_line(record, shown));
            if !matches!(record.event, Event::Declared(_)) && shown.apply(record).is_err() {
                say_error("leeward: a record does not fit what was shown before; see leeward journal show");
            }
        }
        News::Refused(why) => say_error(&format!("not taken: {why}")),
        News::Waiting(why) => say_error(&format!("waits: {why}")),
        News::Trouble(why) => say_error(&format!("TROUBLE: {why}")),
        News::Proposal(_) => {}
    }
}
