//! The configuration: one strict TOML file, overrides for one call, and everything that can be wrong with them.
//!
//! This module may read files and the environment, and reads them only here: [`load`] finds the file, lays the
//! overrides over it, checks the whole and gives back plain data. Passwords stay in their files until they are used.

mod check;
mod file;
mod find;
mod kubeconfig;
mod password;
mod show;
mod sources;
#[cfg(test)]
mod tests;
mod types;

use std::fmt;
use std::path::{Path, PathBuf};

use toml::Spanned;

pub use find::{Environment, process_environment, read as read_text, search_path};
pub use kubeconfig::{KubeconfigProblem, contexts};
pub use password::PasswordError;
pub use show::show;
pub use types::{
    ApprovalSettings, CanaryRun, CanarySettings, DatabaseSettings, DnsProvider, DnsSettings, IntervalSettings,
    LimitSettings, Login, MetricsSource, PasswordSource, RegionSettings, Settings, TsigSettings, WebhookSettings,
};

use crate::domain::problem::{Problem, read_all};
use sources::Sources;

/// What `config init` writes: every key with its default and a word of explanation. It is itself a valid configuration.
pub const TEMPLATE: &str = include_str!("template.toml");

/// Something doubtful that does not stop the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning(pub Problem);

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "warning: {}", self.0)
    }
}

/// The settings, what is doubtful about them, and the file they came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// What a person should know but need not mend.
    pub warnings: Vec<Warning>,
    /// The file that was read.
    pub file: PathBuf,
}

/// Finds the configuration file, lays `overrides` (`path=value`, as `--set` takes them) over it, and checks the whole.
///
/// `config` is the file given on the command line. The kubeconfigs are read too, so that a context that does not exist is
/// found here, with the nearest one that does; a kubeconfig that can't be read is only a warning, for the console starts
/// without its clusters.
///
/// # Errors
/// Everything that is wrong, in the order of the text.
pub fn load(config: Option<&Path>, overrides: &[String], env: &Environment<'_>) -> Result<Loaded, Vec<Problem>> {
    let file = find::file(config, env).map_err(|problem| vec![problem])?;
    let text = find::read(&file).map_err(|problem| vec![problem])?;
    let name = file.display().to_string();
    let (settings, mut warnings, places) = parse(&name, &text, overrides, file.parent(), env)?;
    let mut problems = Vec::new();
    kubeconfig::check(&settings, &places, env, &mut problems, &mut warnings);
    if problems.is_empty() { Ok(Loaded { settings, warnings, file }) } else { Err(problems) }
}

/// Checks one text without reading anything else: `folder` is what its relative paths are relative to.
///
/// # Errors
/// Everything that is wrong, in the order of the text.
pub fn check_text(
    file: &str,
    text: &str,
    overrides: &[String],
    folder: Option<&Path>,
    env: &Environment<'_>,
) -> Result<(Settings, Vec<Warning>), Vec<Problem>> {
    parse(file, text, overrides, folder, env).map(|(settings, warnings, _)| (settings, warnings))
}

/// Where the contexts of the two regions are written, for a check that comes after the text's own.
struct Places {
    sources: Sources,
    contexts: Vec<Spanned<String>>,
}

fn parse(
    file: &str,
    text: &str,
    overrides: &[String],
    folder: Option<&Path>,
    env: &Environment<'_>,
) -> Result<(Settings, Vec<Warning>, Places), Vec<Problem>> {
    let sources = Sources::new(file, text, overrides);
    let at = |span, message| sources.problem(span, message);
    let table = sources.merged().map_err(|problem| vec![problem])?;
    let written: file::File = match read_all(table, &at) {
        (Some(written), problems) if problems.is_empty() => written,
        (_, problems) => return Err(problems),
    };
    let contexts = written.regions.get_ref().values().map(|region| region.context.clone()).collect();
    let home = find::home(env);
    let around = check::Around { sources: &sources, folder, home: home.as_deref(), state_dir: find::state_dir(env) };
    let (settings, warnings) = check::settings(written, &around)?;
    Ok((settings, warnings, Places { sources, contexts }))
}
