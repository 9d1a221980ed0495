//! From what is written to what it means: every check that needs more than one value, or more than its type. Pure.
//!
//! All problems are collected, not only the first: a file is mended in one go.

mod dns;
mod regions;
mod rest;
mod syntax;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Warning;
use super::file::{File, Span, Text};
use super::sources::Sources;
use super::types::Settings;
use crate::domain::humane::duration_text;
use crate::domain::problem::{Problem, check_schema};

/// What the checks need of the outside, given by the caller.
pub(super) struct Around<'a> {
    /// The texts, for the places of errors.
    pub sources: &'a Sources,
    /// The folder of the file: what relative paths in it are relative to.
    pub folder: Option<&'a Path>,
    /// The user's home folder.
    pub home: Option<&'a Path>,
    /// Where state is kept when the file does not say.
    pub state_dir: PathBuf,
}

/// What a check found on its way.
pub(super) struct Findings<'a> {
    around: &'a Around<'a>,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
}

/// The settings and what is doubtful about them, or all that is wrong.
pub(super) fn settings(file: File, around: &Around<'_>) -> Result<(Settings, Vec<Warning>), Vec<Problem>> {
    let mut found = Findings { around, problems: Vec::new(), warnings: Vec::new() };
    let checked = check_schema(&file.schema, &|span, message| around.sources.problem(span, message));
    found.problems.extend(checked.err());
    let settings = build(file, &mut found);
    match settings {
        Some(settings) if found.problems.is_empty() => Ok((settings, found.warnings)),
        _ => Err(found.problems),
    }
}

fn build(file: File, found: &mut Findings<'_>) -> Option<Settings> {
    let environment = found.name(&file.environment, "environment");
    let rto_target = found.positive(file.rto_target, "15m");
    let rpo_target = found.positive(file.rpo_target, "1m");
    let regions = regions::regions(file.regions, found);
    let names: Vec<String> = regions.iter().flatten().map(|region| region.name.clone()).collect();
    let dns = file.dns.and_then(|dns| dns::dns(dns, &names, found));
    let webhooks = rest::notify(file.notify, found);
    let canary = file.canary.and_then(|canary| rest::canary(canary, found));
    let approval = rest::approval(file.approval, found);
    let limits = rest::limits(file.limits, found);
    let intervals = rest::intervals(file.intervals, found);
    let state_dir = file.state.dir.map_or_else(|| found.around.state_dir.clone(), |dir| found.path(&dir));
    let postgres_bindir = file.postgres.bindir.map(|dir| found.path(&dir));
    Some(Settings {
        environment,
        read_only: file.read_only,
        rto_target,
        rpo_target,
        regions: regions?,
        dns,
        webhooks,
        canary,
        approval,
        limits,
        intervals,
        state_dir,
        postgres_bindir,
    })
}

impl Findings<'_> {
    /// Notes something wrong at a place; the problem can be completed.
    fn wrong(&mut self, span: Range<usize>, message: impl Into<String>) {
        let problem = self.around.sources.problem(span, message);
        self.problems.push(problem);
    }

    /// Notes a wrong word and the nearest right one, or all right ones where none is near.
    fn wrong_word(&mut self, word: &Text, message: &str, known: &[&str]) {
        let mut problem =
            self.around.sources.problem(word.span(), message).about(word.get_ref()).among(known.iter().copied());
        if problem.nearest.is_none() {
            problem.message.push_str(&format!("; known: {}", known.join(", ")));
        }
        self.problems.push(problem);
    }

    /// Notes something doubtful at a place.
    fn doubtful(&mut self, span: Range<usize>, message: impl Into<String>) {
        let problem = self.around.sources.problem(span, message);
        self.warnings.push(Warning(problem));
    }

    /// Notes something that is read and changes nothing: whoever wrote it counts on what does not come.
    fn unused(&mut self, span: Range<usize>, what: &str, so: &str) {
        self.doubtful(span, format!("{what}: accepted, not used by this version: {so}"));
    }

    /// A name of ours: it becomes part of object names and of labels.
    fn name(&mut self, text: &Text, what: &str) -> String {
        let name = text.get_ref();
        let fits = (1..=40).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !fits {
            self.wrong(text.span(), format!("the {what}'s name must be 1 to 40 characters of a-z, 0-9 and -"));
        }
        name.clone()
    }

    /// A name that Kubernetes accepts (RFC 1123 label or, with `dots`, subdomain).
    fn kubernetes_name(&mut self, text: &Text, what: &str, dots: bool) -> String {
        let name = text.get_ref();
        if !syntax::kubernetes_name(name, dots) {
            self.wrong(text.span(), format!("{name:?} can't be the name of a {what} in Kubernetes"));
        }
        name.clone()
    }

    /// A duration that must be more than nothing.
    fn positive(&mut self, written: Option<Span>, usual: &str) -> Duration {
        let usual = crate::domain::humane::duration(usual).unwrap_or(Duration::from_secs(1));
        let Some(written) = written else { return usual };
        let duration = written.get_ref().0;
        if duration.is_zero() {
            self.wrong(written.span(), "must be longer than zero");
        }
        duration
    }

    /// A duration between two bounds.
    fn between(&mut self, written: Option<Span>, usual: &str, least: Duration, most: Duration) -> Duration {
        let usual = crate::domain::humane::duration(usual).unwrap_or(least);
        let Some(written) = written else { return usual };
        let duration = written.get_ref().0;
        if duration < least || duration > most {
            let message = format!("must be between {} and {}", duration_text(least), duration_text(most));
            self.wrong(written.span(), message);
        }
        duration
    }

    /// A path: `~/` is the home folder, and what is relative is so to the file it stands in.
    fn path(&mut self, text: &Text) -> PathBuf {
        let written = text.get_ref();
        if written.is_empty() {
            self.wrong(text.span(), "an empty path");
        }
        if let (Some(rest), Some(home)) = (written.strip_prefix("~/"), self.around.home) {
            return home.join(rest);
        }
        match self.around.folder {
            Some(folder) if !self.around.sources.is_override(&text.span()) => folder.join(written),
            _ => PathBuf::from(written),
        }
    }
}
