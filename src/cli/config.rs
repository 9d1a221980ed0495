//! `leeward config`.

use super::args::{Args, ConfigCommand};
use super::{Exit, refuse, say, say_error};
use crate::domain::units::many;
use crate::settings;
use color_eyre::eyre::Result;

pub fn run(args: &Args, command: &ConfigCommand) -> Result<Exit> {
    if matches!(command, ConfigCommand::Init) {
        say(settings::TEMPLATE.trim_end());
        return Ok(Exit::Fine);
    }
    let loaded = match settings::load(args.config.as_deref(), &args.set, &settings::process_environment) {
        Ok(loaded) => loaded,
        Err(problems) => return Ok(refuse(&problems)),
    };
    for warning in &loaded.warnings {
        say_error(&warning.to_string());
    }
    match command {
        ConfigCommand::Show => say(settings::show(&loaded.settings).trim_end()),
        _ => {
            let but = match loaded.warnings.len() {
                0 => String::new(),
                count => format!(", but {}", many(count, "warning", "warnings")),
            };
            say(&format!("{}: no problem found{but}", loaded.file.display()));
        }
    }
    Ok(Exit::Fine)
}
