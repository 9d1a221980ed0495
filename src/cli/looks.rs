//! Keys and colours as the command line and the usual files ask for them.

use super::args::Args;
use super::say_error;
use crate::console::keymap::{Keymap, PRESETS};
use crate::domain::problem::Problem;
use crate::session::console::Looks;
use crate::session::ladder::{Wishes, decide};
use crate::settings::read_text;
use crate::ui::theme::Theme;
use std::path::{Path, PathBuf};

/// Keys, colours and what the terminal can do. Doubts about files are told before the screen is taken.
pub fn looks(args: &Args) -> Result<Looks, Vec<Problem>> {
    let (keymap, doubts) = keymap(&keymap_layers(args)?)?;
    for doubt in doubts {
        say_error(&format!("warning: {doubt}"));
    }
    let wishes =
        Wishes { level_flag: args.colours.map(Into::into), level_file: None, glyphs_flag: args.glyphs.map(Into::into) };
    let ladder = decide(wishes, &|name| std::env::var(name).ok());
    Ok(Looks { keymap, theme: theme(args)?, ladder })
}

/// What the command line names for a console is read also where none is opened: a wrong name is better told by the first
/// command than by the one at night. What lies in the usual places is the console's business alone.
///
/// # Errors
/// Everything that is wrong with the keymap and the theme that were named.
pub fn check(args: &Args) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    if args.keymap.is_some() {
        problems.extend(keymap_layers(args).and_then(|layers| keymap(&layers).map(|_| ())).err().into_iter().flatten());
    }
    if args.theme.is_some() {
        problems.extend(theme(args).err().into_iter().flatten());
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn keymap(layers: &[(String, String)]) -> Result<(Keymap, Vec<Problem>), Vec<Problem>> {
    let texts: Vec<(&str, &str)> = layers.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
    Keymap::load(&texts)
}

/// The built-in keys, then those of the machine, of the user, and of this call: each over the ones before.
fn keymap_layers(args: &Args) -> Result<Vec<(String, String)>, Vec<Problem>> {
    let mut layers = vec![(PRESETS[0].0.to_owned(), PRESETS[0].1.to_owned())];
    for path in [Some(PathBuf::from("/etc/leeward/keymap.toml")), user_file("keymap.toml")].into_iter().flatten() {
        if path.exists() {
            layers.push(read(&path)?);
        }
    }
    if let Some(wanted) = &args.keymap {
        layers.push(named_or_file(wanted, &PRESETS)?);
    }
    Ok(layers)
}

fn theme(args: &Args) -> Result<Theme, Vec<Problem>> {
    if let Some(wanted) = &args.theme {
        let path = Path::new(wanted);
        if !path.exists() {
            return Theme::built_in(wanted);
        }
        let (file, text) = read(path)?;
        return Theme::load(&file, &text);
    }
    match user_file("theme.toml").filter(|path| path.exists()) {
        Some(path) => read(&path).and_then(|(file, text)| Theme::load(&file, &text)),
        None => Theme::built_in("default-dark"),
    }
}

fn named_or_file(wanted: &str, presets: &[(&str, &str)]) -> Result<(String, String), Vec<Problem>> {
    if let Some((name, text)) = presets.iter().find(|(name, _)| *name == wanted) {
        return Ok(((*name).to_owned(), (*text).to_owned()));
    }
    let path = Path::new(wanted);
    if !path.exists() {
        let problem = Problem::new("--keymap", format!("\"{wanted}\" is neither a preset nor a file")).about(wanted);
        return Err(vec![problem.among(presets.iter().map(|(name, _)| *name))]);
    }
    read(path)
}

fn read(path: &Path) -> Result<(String, String), Vec<Problem>> {
    Ok((path.display().to_string(), read_text(path).map_err(|problem| vec![problem])?))
}

fn user_file(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")));
    Some(folder?.join("leeward").join(name))
}
