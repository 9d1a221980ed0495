//! `leeward playbook`.

use super::args::{Args, PlaybookCommand};
use super::{Exit, refuse, say};
use crate::playbook::builtin;
use color_eyre::eyre::{Result, WrapErr};

pub async fn run(_args: &Args, command: &PlaybookCommand) -> Result<Exit> {
    match command {
        PlaybookCommand::List => {
            for playbook in builtin().wrap_err("a built-in playbook does not read")? {
                say(&format!("{:<12} {:<48} {} steps", playbook.name, playbook.title, playbook.steps.len()));
            }
            Ok(Exit::Fine)
        }
        PlaybookCommand::Check { file } => {
            let text = std::fs::read_to_string(file).wrap_err_with(|| format!("{} can not be read", file.display()))?;
            match crate::playbook::file::read(&file.display().to_string(), &text) {
                Ok(playbook) => {
                    say(&format!("{}: no problem found, {} steps", file.display(), playbook.steps.len()));
                    Ok(Exit::Fine)
                }
                Err(problem) => Ok(refuse(&[problem])),
            }
        }
        _ => Ok(Exit::Failed),
    }
}
