//! A playbook before it is run: where it would lead, what it would cost, what holds it back, and its steps.

use super::words::verdict;
use super::writer::Writer;
use crate::console::row::{Row, Sign, Tone, wrap};
use crate::console::state::State;
use crate::domain::region::Direction;
use crate::domain::units::many;
use crate::domain::units::{age, clock};
use crate::playbook::consent::Tier;
use crate::playbook::declare::DeclareError;
use crate::playbook::file::{Playbook, Purpose};

pub(super) fn rows(state: &State, columns: usize) -> (String, Vec<Row>) {
    let mut page = Writer { columns, rows: Vec::new() };
    let Some(playbook) = state.selected_playbook() else {
        page.push(Row::of("There is no playbook: none is built in, and none was read.", Tone::Unknown));
        return ("plan".to_owned(), page.rows);
    };
    page.push(Row::of(&playbook.title, Tone::Strong));
    let fence = playbook.purpose == Purpose::Fence;
    let way = state.way().unwrap_or(Err(DeclareError::NoPrimary));
    let direction = way.as_ref().ok().copied();
    match way {
        Ok(way) if fence => {
            page.labelled("fences", state.fleet.name(way.from), Tone::Region(way.from));
        }
        Ok(way) => page.push(
            Row::new()
                .dim("from        ")
                .add(state.fleet.name(way.from), Tone::Region(way.from))
                .say(" ")
                .sign(Sign::Arrow, Tone::Plain)
                .say(" ")
                .add(state.fleet.name(way.to), Tone::Region(way.to)),
        ),
        Err(why) => page.labelled("from", &why.to_string(), Tone::Unknown),
    }
    let history = state.history.takes.get(&playbook.name);
    let takes = match history {
        _ if fence => format!("about {} of steps, and your decisions", clock(playbook.expect())),
        Some(span) => format!("{} in the last run; target {}", clock(*span), age(state.fleet.policy.rto_target)),
        None => format!(
            "about {} of steps, by the playbook, and your decisions; target {}",
            clock(playbook.expect()),
            age(state.fleet.policy.rto_target)
        ),
    };
    page.labelled("takes", &takes, Tone::Plain);
    if !fence {
        costs(state, &mut page);
    }
    steps(state, playbook, direction, &mut page);
    (format!("plan {}", playbook.name), page.rows)
}

fn costs(state: &State, page: &mut Writer) {
    let readiness = &state.derived.readiness;
    match &readiness.loss {
        Some(loss) => {
            let rows = readiness
                .loss_rows
                .map(|rows| format!("; {}", many(usize::try_from(rows).unwrap_or(0), "archive row", "archive rows")));
            page.labelled(
                if loss.exact { "loses" } else { "may lose" },
                &format!("{}{}", loss.words(), rows.unwrap_or_default()),
                Tone::Plain,
            );
        }
        None => page.labelled("loses", "not known without a direction", Tone::Unknown),
    }
    let flight = match readiness.in_flight {
        Some(runs) => format!("{} there, as last known", many(runs, "unfinished run", "unfinished runs")),
        None => "never seen".to_owned(),
    };
    page.labelled("in flight", &flight, if readiness.in_flight.is_some() { Tone::Plain } else { Tone::Unknown });
    page.labelled("readiness", &state.readiness_word().0, Tone::Strong);
    for finding in readiness.blocks.iter().chain(&readiness.warnings) {
        page.signed(verdict(finding.answer.verdict), &finding.answer.text, Tone::Plain, "");
        if !finding.answer.lift.is_empty() {
            page.inset(&format!("lift it: {}", finding.answer.lift), Tone::Dim);
        }
    }
    for finding in &readiness.work {
        let step = finding.answer.lifted_by.as_deref().unwrap_or_default();
        page.signed(
            (Sign::ToCome, Tone::Dim),
            &format!("{}: step {step} sees to it", finding.answer.text),
            Tone::Dim,
            "",
        );
    }
}

fn steps(state: &State, playbook: &Playbook, direction: Option<Direction>, page: &mut Writer) {
    page.blank();
    page.head("steps");
    let words = |text: &str| match direction {
        Some(way) => text.replace("{from}", state.fleet.name(way.from)).replace("{to}", state.fleet.name(way.to)),
        None => text.replace("{from}", "the old region").replace("{to}", "the new region"),
    };
    for (at, step) in playbook.steps.iter().enumerate() {
        let (asks, tone) = match step.consent {
            Tier::None => ("asks nothing", Tone::Dim),
            Tier::Confirm => ("asks", Tone::Plain),
            Tier::Region => ("asks for the name", Tone::Danger),
        };
        let room = page.columns.saturating_sub(5 + asks.len() + 9);
        for (line, title) in wrap(&words(&step.title), room).into_iter().enumerate() {
            page.push(match line {
                0 => {
                    let row = Row::new().dim(format!("  {:>2} ", at + 1)).say(title).fill();
                    row.add(asks, tone).dim(format!("{:>7}", age(step.expect)))
                }
                _ => Row::new().say(format!("     {title}")),
            });
        }
        if !step.no_way_back.is_empty() {
            page.inset(&format!(" no way back: {}", words(&step.no_way_back)), Tone::Danger);
        }
    }
}
