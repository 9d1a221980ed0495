//! A look into the kubeconfig: which contexts there are. Reads files.
//!
//! Only names are taken out of it. Whether a context works is another question, asked when it is connected to.

use std::path::{Path, PathBuf};

use kube::config::Kubeconfig;

use super::find::{Environment, home};
use super::{Places, Settings, Warning};
use crate::domain::problem::Problem;

/// Why the contexts can't be listed.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigProblem {
    /// No path was given, and the environment names none.
    #[error("no kubeconfig: neither KUBECONFIG nor HOME is set")]
    Nowhere,
    /// The file can't be read, or is not a kubeconfig.
    #[error("kubeconfig {path}: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why, in one line.
        why: String,
    },
}

/// The names of the contexts in `path`, or where that is `None` in the files of `KUBECONFIG` or `~/.kube/config`.
///
/// # Errors
/// [`KubeconfigProblem`] where there is no such file or it is none.
pub fn contexts(path: Option<&Path>, env: &Environment<'_>) -> Result<Vec<String>, KubeconfigProblem> {
    let mut names: Vec<String> = Vec::new();
    for file in files(path, env)? {
        let config = Kubeconfig::read_from(&file).map_err(|error| KubeconfigProblem::Unreadable {
            path: file.display().to_string(),
            why: error.to_string().lines().next().unwrap_or_default().to_owned(),
        })?;
        for context in config.contexts {
            if !names.contains(&context.name) {
                names.push(context.name);
            }
        }
    }
    Ok(names)
}

/// As kubectl takes them: `KUBECONFIG` may hold several, of which those that do not exist are passed over.
fn files(path: Option<&Path>, env: &Environment<'_>) -> Result<Vec<PathBuf>, KubeconfigProblem> {
    if let Some(path) = path {
        return Ok(vec![path.to_owned()]);
    }
    if let Some(list) = env("KUBECONFIG") {
        let all: Vec<PathBuf> = std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect();
        let some: Vec<PathBuf> = all.iter().filter(|path| path.exists()).cloned().collect();
        if !all.is_empty() {
            return Ok(if some.is_empty() { all } else { some });
        }
    }
    let home = home(env).ok_or(KubeconfigProblem::Nowhere)?;
    Ok(vec![home.join(".kube/config")])
}

/// Finds contexts that do not exist. A kubeconfig that can't be read is a warning: it may appear later.
pub(super) fn check(
    settings: &Settings,
    places: &Places,
    env: &Environment<'_>,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Warning>,
) {
    for region in &settings.regions {
        let Some(place) = places.contexts.iter().find(|context| *context.get_ref() == region.context) else { continue };
        match contexts(region.kubeconfig.as_deref(), env) {
            Err(error) => warnings.push(Warning(places.sources.problem(place.span(), error.to_string()))),
            Ok(names) if names.contains(&region.context) => {}
            Ok(names) => {
                let message = format!("no context \"{}\" in the kubeconfig", region.context);
                let mut problem = places.sources.problem(place.span(), message).about(&region.context);
                problem = problem.among(names.iter().map(String::as_str));
                if problem.nearest.is_none() {
                    problem.message.push_str(&format!("; it has: {}", names.join(", ")));
                }
                problems.push(problem);
            }
        }
    }
}
