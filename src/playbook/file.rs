//! The file format of a playbook, read strictly. A file that reads is one that the engine can run: every gate exists,
//! every step's kind and its words are known. Pure.

use super::consent::Tier;
use super::kinds::Kind;
use crate::domain::humane;
use crate::domain::problem::{Problem, check_schema, parse_all};
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
    check(file, text).map_err(|mut problems| problems.remove(0))
}

/// Reads a playbook and tells everything that is wrong, in the order of the text; there is at least one.
///
/// # Errors
/// Each with line, column, bad word and nearest right one.
pub fn check(file: &str, text: &str) -> Result<Playbook, Vec<Problem>> {
    let (raw, mut problems) = parse_all::<RawPlaybook>(file, text);
    let formal: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
    let at = |span: Range<usize>, message: String| Problem::at(file, text, span, message);
    let read = raw.map(|raw| build(raw, &formal, &at, &mut problems));
    match read {
        Some(playbook) if problems.is_empty() => Ok(playbook),
        _ => {
            problems.sort_by_key(|problem| (problem.line, problem.column));
            Err(problems)
        }
    }
}

/// The playbook of what reads; `formal` are the lines whose form is wrong already.
fn build(
    raw: RawPlaybook,
    formal: &[usize],
    at: &dyn Fn(Range<usize>, String) -> Problem,
    problems: &mut Vec<Problem>,
) -> Playbook {
    problems.extend(check_schema(&raw.schema, at).err());
    problems.extend(check_word(&raw.name, "a playbook's name", at).err());
    if raw.step.is_empty() && formal.is_empty() {
        problems.push(at(raw.name.span(), format!("playbook \"{}\" has no [[step]]", raw.name.get_ref())).about(""));
    }
    let line = |span: Range<usize>| at(span, String::new()).line;
    let begins: Vec<usize> = raw.step.iter().map(|step| line(step.span())).collect();
    let mut ids = BTreeSet::new();
    let mut steps = Vec::with_capacity(raw.step.len());
    for (i, step) in raw.step.into_iter().enumerate() {
        let step = step.into_inner();
        let from = begins.get(i).copied().unwrap_or_default();
        let to = begins.get(i + 1).copied().unwrap_or(usize::MAX);
        // What was struck from a step must not be told a second time, as something that misses.
        let whole = !formal.iter().any(|line| (from..to).contains(line));
        if !ids.insert(step.id.get_ref().clone()) {
            problems.push(at(step.id.span(), format!("two steps have the id \"{}\"", step.id.get_ref())));
        }
        steps.extend(read_step(step, whole, at, problems));
    }
    Playbook { name: raw.name.into_inner(), title: raw.title, purpose: raw.kind, steps }
}

fn read_step(
    raw: RawStep,
    whole: bool,
    at: &dyn Fn(Range<usize>, String) -> Problem,
    problems: &mut Vec<Problem>,
) -> Option<Step> {
    let before = problems.len();
    problems.extend(check_word(&raw.id, "a step's id", at).err());
    let with = raw.with.map(Spanned::into_inner).unwrap_or_default();
    let kind = if whole { note(Kind::read(&raw.kind, &with, at), problems) } else { None };
    for gate in &raw.gates {
        if gates::by_id(gate.get_ref()).is_none() {
            let problem = at(gate.span(), format!("no gate is called \"{}\"", gate.get_ref()));
            problems.push(problem.about(gate.get_ref()).among(gates::TABLE.iter().map(|g| g.id)));
        }
    }
    let duration = |word: &Spanned<String>| {
        humane::duration(word.get_ref()).map_err(|why| at(word.span(), why).about(word.get_ref()))
    };
    let timeout = note(duration(&raw.timeout), problems).unwrap_or_default();
    let expect = raw.expect.as_ref().and_then(|word| note(duration(word), problems)).unwrap_or(timeout);
    let kind = kind?;
    if kind.irreversible() && raw.consent != Tier::Region {
        let text = format!("step \"{}\" can not be undone, so its consent must be \"region\"", raw.id.get_ref());
        problems.push(at(raw.id.span(), text));
    }
    if kind.irreversible() && raw.optional {
        let text = format!("step \"{}\" can not be undone, so it can not be optional", raw.id.get_ref());
        problems.push(at(raw.id.span(), text));
    }
    (problems.len() == before).then(|| Step {
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

fn note<T>(read: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    read.map_err(|problem| problems.push(problem)).ok()
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

    #[test]
    fn all_that_is_wrong_is_told_in_one_go() {
        let text = GOOD
            .replacen("schema = 1", "schema = 9", 1)
            .replacen("do = \"canary\"", "do = \"canery\"", 1)
            .replacen("\"old-region-fenced\"", "\"old-region-fence\"", 1)
            .replacen("consent = \"region\"", "consent = \"regoin\"", 1)
            .replacen("timeout = \"30s\"", "timeout = \"30 parsecs\"", 1)
            .replacen("id = \"preflight\"", "id = \"declare\"", 1)
            .replacen("why = ", "whi = ", 1)
            .replacen("region = \"from\"", "region = \"form\"", 1);
        let problems = check("x.toml", &text).unwrap_err();
        let said: Vec<String> = problems.iter().map(Problem::headline).collect();
        for word in ["schema 9", "canery", "old-region-fence", "regoin", "parsecs", "declare", "whi", "form"] {
            assert!(said.iter().any(|line| line.contains(word)), "{word}: {said:#?}");
        }
        // Nothing is told twice, and the order is the text's.
        assert_eq!(said.len(), 8, "{said:#?}");
        assert!(problems.iter().all(|problem| problem.line > 0) && problems.is_sorted_by_key(|problem| problem.line));
    }
}
