//! The file format of a playbook, read strictly. A file that reads is one that the engine can run: every gate exists,
//! every step's kind and its words are known. Pure.

use super::consent::Tier;
use super::kinds::Kind;
use crate::domain::humane;
use crate::domain::problem::{Problem, check_schema, parse_toml};
use crate::gates;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;

/// A playbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Playbook {
    /// Name, as the command line says it.
    pub name: String,
    /// Title.
    pub title: String,
    /// What it is for, which decides its direction.
    pub purpose: Purpose,
    /// Its steps, in order.
    pub steps: Vec<Step>,
}

/// What a playbook is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// From the observed primary to the other region, which may be lost.
    Unplanned,
    /// The same with both regions there.
    Planned,
    /// Against the region that is not the primary.
    Fence,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Id, unique in its playbook.
    pub id: String,
    /// Title; `{from}` and `{to}` stand for the regions' names.
    pub title: String,
    /// What it does.
    pub kind: Kind,
    /// Gates that must not hold.
    pub gates: Vec<String>,
    /// What consent it asks for.
    pub consent: Tier,
    /// How long its proof may take.
    pub timeout: Duration,
    /// How long it usually takes, while no history says better.
    pub expect: Duration,
    /// What to do when it cannot be proven.
    pub if_unprovable: IfUnprovable,
    /// Why, in a sentence.
    pub why: String,
    /// What cannot be undone after it; empty: nothing.
    pub no_way_back: String,
    /// The part of the recovery time it counts to.
    pub phase: StepPhase,
    /// The run goes on when it fails.
    pub optional: bool,
}

impl Step {
    /// The gate whose override lets the run go on though the step is not proven.
    #[must_use]
    pub fn unproven_gate(&self) -> Option<String> {
        match self.if_unprovable {
            IfUnprovable::Stop => None,
            IfUnprovable::SecondPerson => Some(gates::OLD_REGION_FENCED.to_owned()),
            IfUnprovable::Reason => Some(gates::step_proven(&self.id)),
        }
    }
}

/// What to do when a step cannot be proven.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IfUnprovable {
    /// The run stops there.
    #[default]
    Stop,
    /// It goes on with an override of `old-region-fenced`.
    SecondPerson,
    /// It goes on with a typed reason, an override of `step-proven:STEP`.
    Reason,
}

/// The part of the recovery time a step counts to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepPhase {
    /// Doing.
    #[default]
    Execute,
    /// Proving that it works.
    Verify,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPlaybook {
    schema: Spanned<u32>,
    name: Spanned<String>,
    title: String,
    kind: Purpose,
    #[serde(default)]
    step: Vec<Spanned<RawStep>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    id: Spanned<String>,
    title: String,
    #[serde(rename = "do")]
    kind: Spanned<String>,
    #[serde(default)]
    with: Option<Spanned<RawWith>>,
    #[serde(default)]
    gates: Vec<Spanned<String>>,
    #[serde(default)]
    consent: Tier,
    timeout: Spanned<String>,
    #[serde(default)]
    expect: Option<Spanned<String>>,
    #[serde(default)]
    if_unprovable: IfUnprovable,
    why: String,
    #[serde(default)]
    no_way_back: String,
    #[serde(default)]
    phase: StepPhase,
    #[serde(default)]
    optional: bool,
}

/// Words of `with`; which of them a kind takes is decided by the kind.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawWith {
    /// `from` or `to`.
    pub region: Option<Spanned<String>>,
    /// A number, or `as-before`.
    pub replicas: Option<Spanned<toml::Value>>,
}

/// Reads a playbook. `file` is only for the error.
///
/// # Errors
/// The first thing that is wrong, with line, column, bad word and nearest right one.
pub fn read(file: &str, text: &str) -> Result<Playbook, Problem> {
    let raw: RawPlaybook = parse_toml(file, text)?;
    let at = |span: Range<usize>, message: String| Problem::at(file, text, span, message);
    check_schema(&raw.schema, &at)?;
    check_word(&raw.name, "a playbook's name", &at)?;
    if raw.step.is_empty() {
        return Err(at(raw.name.span(), format!("playbook \"{}\" has no [[step]]", raw.name.get_ref())).about(""));
    }
    let mut ids = BTreeSet::new();
    let mut steps = Vec::with_capacity(raw.step.len());
    for step in raw.step {
        let step = step.into_inner();
        let span = step.id.span();
        let read = read_step(step, &at)?;
        if !ids.insert(read.id.clone()) {
            return Err(at(span, format!("two steps have the id \"{}\"", read.id)));
        }
        steps.push(read);
    }
    Ok(Playbook { name: raw.name.into_inner(), title: raw.title, purpose: raw.kind, steps })
}

fn read_step(raw: RawStep, at: &dyn Fn(Range<usize>, String) -> Problem) -> Result<Step, Problem> {
    check_word(&raw.id, "a step's id", at)?;
    let with = raw.with.map(Spanned::into_inner).unwrap_or_default();
    let kind = Kind::read(&raw.kind, &with, at)?;
    for gate in &raw.gates {
        if gates::by_id(gate.get_ref()).is_none() {
            let problem = at(gate.span(), format!("no gate is called \"{}\"", gate.get_ref()));
            return Err(problem.about(gate.get_ref()).among(gates::TABLE.iter().map(|g| g.id)));
        }
    }
    let duration = |word: &Spanned<String>| {
        humane::duration(word.get_ref()).map_err(|why| at(word.span(), why).about(word.get_ref()))
    };
    let timeout = duration(&raw.timeout)?;
    let expect = raw.expect.as_ref().map(duration).transpose()?.unwrap_or(timeout);
    if kind.irreversible() && raw.consent != Tier::Region {
        let text = format!("step \"{}\" can not be undone, so its consent must be \"region\"", raw.id.get_ref());
        return Err(at(raw.id.span(), text));
    }
    if kind.irreversible() && raw.optional {
        let text = format!("step \"{}\" can not be undone, so it can not be optional", raw.id.get_ref());
        return Err(at(raw.id.span(), text));
    }
    Ok(Step {
        id: raw.id.into_inner(),
        title: raw.title,
        kind,
        gates: raw.gates.into_iter().map(Spanned::into_inner).collect(),
        consent: raw.consent,
        timeout,
        expect,
        if_unprovable: raw.if_unprovable,
        why: raw.why,
        no_way_back: raw.no_way_back,
        phase: raw.phase,
        optional: raw.optional,
    })
}

fn check_word(word: &Spanned<String>, what: &str, at: &dyn Fn(Range<usize>, String) -> Problem) -> Result<(), Problem> {
    let text = word.get_ref();
    let fits = (1..=40).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits {
        Ok(())
    } else {
        Err(at(word.span(), format!("{what} is 1 to 40 of a-z, 0-9 and -, not {text:?}")).about(text))
    }
}

impl Playbook {
    /// The step of that id, and its place.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<(usize, &Step)> {
        self.steps.iter().enumerate().find(|(_, step)| step.id == id)
    }

    /// How long it takes by what its steps expect.
    #[must_use]
    pub fn expect(&self) -> Duration {
        self.steps.iter().map(|step| step.expect).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("builtin/failover.toml");

    #[test]
    fn a_bad_word_is_named_with_its_place_and_the_nearest_right_one() {
        let cases = [
            ("do = \"canary\"", "do = \"canery\"", "\"canery\"", Some("canary")),
            (
                "\"old-region-fenced\"",
                "\"old-region-fence\"",
                "no gate is called \"old-region-fence\"",
                Some("old-region-fenced"),
            ),
            ("consent = \"region\"", "consent = \"regoin\"", "regoin", Some("region")),
            ("consent = \"region\"", "consent = \"none\"", "can not be undone", None),
            ("consent = \"region\"", "consent = \"region\"\noptional = true", "can not be optional", None),
            ("timeout = \"30s\"", "timeout = \"30 parsecs\"", "parsecs", None),
            ("id = \"preflight\"", "id = \"declare\"", "two steps have the id \"declare\"", None),
            ("id = \"preflight\"", "id = \"Pre flight\"", "a step's id is", None),
            ("schema = 1", "schema = 9", "schema 9 is not known", None),
            ("region = \"from\"", "region = \"form\"", "form", Some("from")),
            ("replicas = 0", "replicas = \"as-befor\"", "as-befor", Some("as-before")),
            ("why = ", "whi = ", "whi", Some("why")),
        ];
        for (from, to, says, nearest) in cases {
            let problem = read("x.toml", &GOOD.replacen(from, to, 1)).expect_err(to);
            assert!(problem.line > 0 && problem.to_string().contains(says), "{to}: {problem}");
            assert_eq!(problem.nearest.as_deref(), nearest, "{to}: {problem}");
        }
        assert!(read("x.toml", "schema = 1\nname = \"x\"\ntitle = \"x\"\nkind = \"planned\"\n").is_err());
    }
}
