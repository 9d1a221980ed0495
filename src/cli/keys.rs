//! `leeward keymap` and `leeward theme`.

use super::args::{KeymapCommand, ThemeCommand};
use super::{Exit, refuse, say, say_error};
use crate::console::keymap::{Keymap, PRESETS};
use crate::domain::problem::Problem;
use crate::domain::units::many;
use crate::settings::read_text;
use crate::ui::theme::{BUILT_IN, Theme};
use color_eyre::eyre::Result;
use std::path::Path;

fn read(file: &Path) -> Result<(String, String), Problem> {
    Ok((file.display().to_string(), read_text(file)?))
}

pub fn keymap(command: &KeymapCommand) -> Result<Exit> {
    let (file, text) = match command {
        KeymapCommand::Check { file } => match read(file) {
            Ok(read) => read,
            Err(problem) => return Ok(refuse(&[problem])),
        },
        KeymapCommand::Print { preset } => match PRESETS.iter().find(|(name, _)| name == preset) {
            Some((name, text)) => ((*name).to_owned(), (*text).to_owned()),
            None => {
                let problem = Problem::new("keymap", format!("no preset is called \"{preset}\"")).about(preset);
                return Ok(refuse(&[problem.among(PRESETS.iter().map(|(name, _)| *name))]));
            }
        },
    };
    let (keymap, doubts) = match Keymap::load(&[(file.as_str(), text.as_str())]) {
        Ok(loaded) => loaded,
        Err(problems) => return Ok(refuse(&problems)),
    };
    for doubt in &doubts {
        say_error(&format!("warning: {doubt}"));
    }
    match command {
        KeymapCommand::Print { .. } => say(keymap.print().trim_end()),
        KeymapCommand::Check { .. } if doubts.is_empty() => say(&format!("{file}: no problem found")),
        KeymapCommand::Check { .. } => {
            say(&format!("{file}: reads, with {}", many(doubts.len(), "warning", "warnings")));
        }
    }
    Ok(Exit::Fine)
}

pub fn theme(command: &ThemeCommand) -> Result<Exit> {
    match command {
        ThemeCommand::List => {
            for (name, _) in BUILT_IN {
                say(name);
            }
        }
        ThemeCommand::Check { file } => {
            let read = read(file).map_err(|problem| vec![problem]);
            let (file, _) = match read.and_then(|(file, text)| Ok((file.clone(), Theme::load(&file, &text)?))) {
                Ok(loaded) => loaded,
                Err(problems) => return Ok(refuse(&problems)),
            };
            say(&format!("{file}: no problem found"));
        }
    }
    Ok(Exit::Fine)
}
