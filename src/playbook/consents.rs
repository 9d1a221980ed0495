//! Consents given beforehand, in a file: for a run without a person at the keyboard. Pure.
//!
//! A consent in a file names a step, and where the step asks for the region's name, that name; `effect` may pin the hash
//! that `playbook plan` printed. What is not in the file is not consented to.

use crate::domain::problem::{Problem, check_schema, parse_all};
use crate::gates;
use crate::playbook::file::Playbook;
use serde::Deserialize;
use std::ops::Range;
use toml::Spanned;

/// The file's content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consents {
    /// Consents by step.
    pub steps: Vec<StepConsent>,
    /// Overrides by gate.
    pub overrides: Vec<GateOverride>,
}

/// A consent to a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepConsent {
    /// Step id.
    pub step: String,
    /// Typed name of the region, where the step asks for it.
    pub region: Option<String>,
    /// The beginning of the effects' hash, as `plan` prints it. None: whatever the step will send.
    pub effect: Option<String>,
}

/// An override of a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateOverride {
    /// Gate id.
    pub gate: String,
    /// Why.
    pub reason: String,
    /// One person overrides what asks for two.
    pub break_glass: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    schema: Spanned<u32>,
    playbook: Spanned<String>,
    #[serde(default)]
    consent: Vec<RawConsent>,
    #[serde(default, rename = "override")]
    overrides: Vec<RawOverride>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConsent {
    step: Spanned<String>,
    region: Option<String>,
    effect: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOverride {
    gate: Spanned<String>,
    reason: Spanned<String>,
    #[serde(default)]
    break_glass: bool,
}

/// Reads a file of consents for `playbook`.
///
/// # Errors
/// Everything that is wrong, in the order of the text, each with line, column, bad word and nearest right one; there is at
/// least one.
pub fn read(file: &str, text: &str, playbook: &Playbook) -> Result<Consents, Vec<Problem>> {
    let (raw, mut problems) = parse_all::<Raw>(file, text);
    let at = |span: Range<usize>, message: String| Problem::at(file, text, span, message);
    if let Some(raw) = &raw {
        check(raw, playbook, &at, &mut problems);
    }
    let Some(raw) = raw.filter(|_| problems.is_empty()) else {
        problems.sort_by_key(|problem| (problem.line, problem.column));
        return Err(problems);
    };
    let step = |raw: RawConsent| StepConsent { step: raw.step.into_inner(), region: raw.region, effect: raw.effect };
    let gate = |raw: RawOverride| GateOverride {
        gate: raw.gate.into_inner(),
        reason: raw.reason.into_inner(),
        break_glass: raw.break_glass,
    };
    Ok(Consents {
        steps: raw.consent.into_iter().map(step).collect(),
        overrides: raw.overrides.into_iter().map(gate).collect(),
    })
}

fn check(raw: &Raw, playbook: &Playbook, at: &dyn Fn(Range<usize>, String) -> Problem, problems: &mut Vec<Problem>) {
    problems.extend(check_schema(&raw.schema, at).err());
    if *raw.playbook.get_ref() != playbook.name {
        let text = format!("these consents are for \"{}\", not for \"{}\"", raw.playbook.get_ref(), playbook.name);
        problems.push(at(raw.playbook.span(), text));
        // Its steps are another playbook's: to tell them one by one would only hide that.
        return;
    }
    for consent in &raw.consent {
        let id = consent.step.get_ref();
        if playbook.step(id).is_none() {
            let problem = at(consent.step.span(), format!("playbook \"{}\" has no step \"{id}\"", playbook.name));
            problems.push(problem.about(id).among(playbook.steps.iter().map(|step| step.id.as_str())));
        }
    }
    for decision in &raw.overrides {
        let id = decision.gate.get_ref();
        match gates::by_id(id) {
            None => {
                let problem = at(decision.gate.span(), format!("no gate is called \"{id}\"")).about(id);
                problems.push(problem.among(gates::TABLE.iter().map(|gate| gate.id)));
            }
            Some(gate) if gate.override_by == gates::OverrideBy::Nobody => {
                problems.push(at(decision.gate.span(), format!("nobody may override \"{id}\"")));
            }
            Some(_) => {}
        }
        if decision.reason.get_ref().chars().count() < super::consent::REASON_CHARS_MIN {
            problems.push(at(decision.reason.span(), "a reason says why, in at least 8 characters".to_owned()));
        }
    }
}

impl Consents {
    /// Every step and, by break-glass, the gates that an outage holds: the sandbox consents to itself.
    #[must_use]
    pub fn of_the_sandbox(playbook: &Playbook, region: &str) -> Consents {
        let step = |step: &super::file::Step| StepConsent {
            step: step.id.clone(),
            region: Some(region.to_owned()),
            effect: None,
        };
        let gate = |gate: &str| GateOverride {
            gate: gate.to_owned(),
            reason: "drill: the simulated region is down by scenario".to_owned(),
            break_glass: true,
        };
        Consents {
            steps: playbook.steps.iter().map(step).collect(),
            overrides: vec![gate("old-region-fenced"), gate("loss-limit")],
        }
    }

    /// The consent to a step.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<&StepConsent> {
        self.steps.iter().find(|consent| consent.step == id)
    }

    /// The override of a gate.
    #[must_use]
    pub fn gate(&self, id: &str) -> Option<&GateOverride> {
        self.overrides.iter().find(|decision| decision.gate == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
schema = 1
playbook = "failover"

[[consent]]
step = "promote"
region = "us-east1"

[[override]]
gate = "old-region-fenced"
reason = "power cut confirmed on the phone"
break_glass = true
"#;

    fn failover() -> Playbook {
        crate::playbook::builtin().unwrap().remove(0)
    }

    #[test]
    fn what_stands_in_the_file_is_consented_to_and_nothing_else() {
        let consents = read("c.toml", GOOD, &failover()).unwrap();
        assert_eq!(consents.step("promote").unwrap().region.as_deref(), Some("us-east1"));
        assert!(consents.step("declare").is_none());
        assert!(consents.gate("old-region-fenced").unwrap().break_glass);
    }

    #[test]
    fn bad_words_are_named() {
        for (from, to, says) in [
            ("\"promote\"", "\"promot\"", "did you mean \"promote\""),
            ("old-region-fenced", "old-region-fence", "did you mean \"old-region-fenced\""),
            ("old-region-fenced", "proof-of-life", "nobody may override"),
            ("power cut confirmed on the phone", "because", "at least 8"),
            ("\"failover\"", "\"fence\"", "for \"fence\", not for \"failover\""),
            ("region", "regoin", "regoin"),
        ] {
            let problem = read("c.toml", &GOOD.replacen(from, to, 1), &failover()).expect_err(to).remove(0);
            assert!(problem.to_string().contains(says) && problem.line > 0, "{problem}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_in_one_go() {
        let text = GOOD
            .replacen("\"promote\"", "\"promot\"", 1)
            .replacen("\"old-region-fenced\"", "\"proof-of-life\"", 1)
            .replacen("power cut confirmed on the phone", "because", 1)
            .replacen("break_glass", "brake_glass", 1);
        let said: Vec<String> = read("c.toml", &text, &failover()).unwrap_err().iter().map(Problem::headline).collect();
        assert_eq!(said.len(), 4, "{said:#?}");
        for word in ["promot", "nobody may override", "at least 8", "brake_glass"] {
            assert!(said.iter().any(|line| line.contains(word)), "{word}: {said:#?}");
        }
    }
}
