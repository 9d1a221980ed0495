//! `leeward playbook plan`: the run minus its writes. The same engine on the same picture; nothing is declared.

use crate::cli::{Exit, say, say_error};
use crate::gates::{self, OverrideBy, Question, Verdict};
use crate::journal::last_promotion;
use crate::playbook::declare::{declare, direction};
use crate::playbook::file::Playbook;
use crate::playbook::kinds::{Plan, Scene};
use crate::playbook::propose::facts;
use crate::playbook::record::{Event, Record, RunId};
use crate::playbook::run::Run;
use crate::session::clock;
use crate::session::picture::Picture;
use crate::session::setup::Setup;
use color_eyre::eyre::Result;
use std::time::Duration;

/// Longest wait for the sources.
const SETTLE: Duration = Duration::from_secs(8);

pub async fn run(setup: &Setup, playbook: Playbook) -> Result<Exit> {
    let runs = crate::cli::status::finished_runs(setup)?;
    let mut picture = Picture::start(setup);
    let fleet = picture.settle(SETTLE).await;
    picture.stop().await;
    let direction = match direction(playbook.purpose, &fleet) {
        Ok(direction) => direction,
        Err(error) => {
            say_error(&format!("leeward: {error}"));
            return Ok(Exit::Blocked);
        }
    };
    let declared = declare(&fleet, playbook, RunId("plan".to_owned()), direction);
    let record = Record { at: clock(), by: setup.operator.clone(), event: Event::Declared(Box::new(declared)) };
    let run = Run::begin(&record)?;
    say(&format!("{}: {}. Nothing is sent.", run.declared.playbook.title, crate::report::run::way(&run)));
    let facts = facts(&run, last_promotion(&runs));
    let question = Question { fleet: &fleet, direction, facts: &facts };
    // Every step asks this one before its own.
    let mut blocked = gates::by_id(gates::RIGHT_SERVERS).is_some_and(|gate| gate_line(gate, &question));
    for (i, step) in run.declared.playbook.steps.iter().enumerate() {
        let consent = match step.consent {
            crate::playbook::consent::Tier::None => "",
            crate::playbook::consent::Tier::Confirm => "  [confirm]",
            crate::playbook::consent::Tier::Region => "  [type the region's name]",
        };
        say(&format!("\n{:>2}  {}  {}{consent}", i + 1, step.id, run.words(&step.title)));
        for id in &step.gates {
            if let Some(gate) = gates::by_id(id) {
                blocked |= gate_line(gate, &question);
            }
        }
        plan_lines(&step.kind.plan(&Scene { fleet: &fleet, run: &run, since: None }), &fleet);
        if !step.no_way_back.is_empty() {
            say(&format!("      no way back: {}", run.words(&step.no_way_back)));
        }
    }
    Ok(if blocked { Exit::Blocked } else { Exit::Fine })
}

/// Gates that earlier steps lift are work, not obstacles; those of the lock and of what comes after the promotion can
/// only be asked in the run.
fn gate_line(gate: &gates::Gate, question: &Question<'_>) -> bool {
    let finding = gates::ask(gate, question);
    let answer = &finding.answer;
    let later = matches!(gate.id, "lock-held" | "promoted" | "controllers-lead");
    let (mark, blocks) = match answer.verdict {
        Verdict::Moot | Verdict::Pass => return false,
        Verdict::Warn => ("warn ", false),
        _ if later => return false,
        _ if answer.lifted_by.is_some() => ("work ", false),
        _ => ("HOLDS", gate.override_by == OverrideBy::Nobody || gate.override_by == OverrideBy::SecondPerson),
    };
    say(&format!("      {mark} {}: {}", gate.id, answer.text));
    blocks
}

fn plan_lines(plan: &Plan, fleet: &crate::domain::fleet::Fleet) {
    match plan {
        Plan::Done => say("      as it should be, nothing to send"),
        Plan::Wait => say("      sends nothing"),
        Plan::Skip(why) => say(&format!("      is skipped: {why}")),
        Plan::Impossible(why) => say(&format!("      not yet: {why}")),
        Plan::Act(effects) | Plan::Unreachable(_, effects) => {
            if let Plan::Unreachable(why, _) = plan {
                say(&format!("      one short try, since {why}"));
            }
            for effect in effects {
                for request in effect.requests(|side| fleet.name(side).to_owned()) {
                    say(&format!("      sends {request}"));
                }
            }
            say(&format!("      effect {}", crate::domain::effect::EffectHash::of(effects).short()));
        }
    }
}
