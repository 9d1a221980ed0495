//! A scenario: load, and faults by time, as a file. Pure.

use super::fault::{FAULTS, FaultKind};
use crate::domain::humane;
use crate::domain::problem::{Problem, check_schema, parse_toml};
use serde::Deserialize;
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;

/// The scenarios that come with the product.
pub const SCENARIOS: [(&str, &str); 1] = [("region-outage", include_str!("scenarios/region-outage.toml"))];

/// A scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// Name, as the command line says it.
    pub name: String,
    /// Title.
    pub title: String,
    /// What the operator is told; `{primary}` and `{standby}` stand for the regions' names.
    pub brief: String,
    /// Runs in flight at the start.
    pub runs: usize,
    /// Faults by time.
    pub faults: Vec<TimedFault>,
}

/// A fault at its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedFault {
    /// After the sandbox is up.
    pub after: Duration,
    /// What happens.
    pub kind: FaultKind,
    /// Where: the primary of the start, or the standby.
    pub region: Place,
    /// What is said when it happens.
    pub announce: String,
}

/// A region by the role it has at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The primary.
    Primary,
    /// The standby.
    Standby,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    schema: Spanned<u32>,
    name: String,
    title: String,
    brief: String,
    #[serde(default)]
    load: RawLoad,
    #[serde(default)]
    fault: Vec<RawFault>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawLoad {
    #[serde(default)]
    runs: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFault {
    after: Spanned<String>,
    #[serde(rename = "do")]
    kind: Spanned<String>,
    region: Place,
    #[serde(default)]
    announce: String,
}

/// Reads a scenario. `file` is only for the error.
///
/// # Errors
/// The first thing that is wrong, with line, column, bad word and nearest right one.
pub fn read(file: &str, text: &str) -> Result<Scenario, Problem> {
    let raw: Raw = parse_toml(file, text)?;
    let at = |span: Range<usize>, message: String| Problem::at(file, text, span, message);
    check_schema(&raw.schema, &at)?;
    let fault = |raw: RawFault| {
        let word = raw.kind.get_ref();
        let Some((_, kind)) = FAULTS.iter().find(|(name, _)| name == word) else {
            let problem = at(raw.kind.span(), format!("no fault is called \"{word}\"")).about(word);
            return Err(problem.among(FAULTS.iter().map(|(name, _)| *name)));
        };
        let after = humane::duration(raw.after.get_ref()).map_err(|why| at(raw.after.span(), why))?;
        Ok(TimedFault { after, kind: *kind, region: raw.region, announce: raw.announce })
    };
    let mut faults = raw.fault.into_iter().map(fault).collect::<Result<Vec<_>, _>>()?;
    faults.sort_by_key(|fault| fault.after);
    Ok(Scenario { name: raw.name, title: raw.title, brief: raw.brief, runs: raw.load.runs, faults })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_scenario_reads_under_its_name() {
        for (name, text) in SCENARIOS {
            assert_eq!(read(name, text).unwrap_or_else(|problem| panic!("{problem}")).name, name);
        }
    }

    #[test]
    fn a_bad_fault_is_named_with_the_nearest() {
        let text = SCENARIOS[0].1.replace("region-down", "region-dwon");
        let problem = read("s.toml", &text).unwrap_err();
        assert_eq!(problem.nearest.as_deref(), Some("region-down"), "{problem}");
    }
}
