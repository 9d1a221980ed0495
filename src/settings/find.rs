//! Where the configuration file is, and the folders that have a usual place. Reads the file system; the environment is
//! handed in, so that tests need not change their own process.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::domain::problem::{Problem, TEXT_MAX};

/// The environment's variables by name.
pub type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The variables of this process. Empty ones count as absent, as the XDG specification has it.
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

pub(super) fn home(env: &Environment<'_>) -> Option<PathBuf> {
    env("HOME").map(PathBuf::from)
}

/// `$XDG_STATE_HOME/leeward`, else `~/.local/state/leeward`; without a home folder, as a service has it, `/var/lib/leeward`.
pub(super) fn state_dir(env: &Environment<'_>) -> PathBuf {
    let base = env("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    match base.or_else(|| home(env).map(|home| home.join(".local/state"))) {
        Some(base) => base.join("leeward"),
        None => PathBuf::from("/var/lib/leeward"),
    }
}

/// The places where a configuration is looked for when neither `--config` nor `LEEWARD_CONFIG` names one, best first.
pub fn search_path(env: &Environment<'_>) -> Vec<PathBuf> {
    let base = env("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let user = base.or_else(|| home(env).map(|home| home.join(".config")));
    let mut places: Vec<PathBuf> = user.map(|base| base.join("leeward/config.toml")).into_iter().collect();
    places.push(PathBuf::from("/etc/leeward/config.toml"));
    places
}

/// The file to read. One that is named must exist: falling back to another would run against the wrong environment.
pub(super) fn file(config: Option<&Path>, env: &Environment<'_>) -> Result<PathBuf, Problem> {
    if let Some(path) = config {
        return Ok(path.to_owned());
    }
    if let Some(path) = env("LEEWARD_CONFIG") {
        return Ok(PathBuf::from(path));
    }
    let places = search_path(env);
    // `exists` is false for a file in a folder that we may not enter; reading it then says why.
    if let Some(path) = places.iter().find(|path| path.try_exists().unwrap_or(true)) {
        return Ok(path.clone());
    }
    let looked: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
    let message = format!(
        "no configuration found; looked at {}. Name one with --config or LEEWARD_CONFIG, or write one: \
         leeward config init > {}",
        looked.join(" and "),
        looked.first().map_or("config.toml", String::as_str)
    );
    Err(Problem::new("configuration", message))
}

/// Reads a file that a person wrote: text, and not more of it than is ever looked at, since a wrong path may name anything.
///
/// # Errors
/// It can not be opened or read, or is not UTF-8; with the line.
pub fn read(path: &Path) -> Result<String, Problem> {
    let wrong = |message: String| Problem::new(&path.display().to_string(), message);
    let file = std::fs::File::open(path).map_err(|error| wrong(format!("can't be opened: {error}")))?;
    let mut bytes = Vec::new();
    // One byte more than is read, so that the reader sees that there is more.
    let limit = TEXT_MAX as u64 + 1;
    file.take(limit).read_to_end(&mut bytes).map_err(|error| wrong(format!("can't be read: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes().iter().take(error.utf8_error().valid_up_to()).filter(|b| **b == b'\n').count() + 1;
        wrong(format!("line {line} is not UTF-8"))
    })
}
