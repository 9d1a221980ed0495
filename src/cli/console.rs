//! `leeward` and `leeward watch`: what the console needs before it opens, and what to use instead where it cannot.

use super::args::Args;
use super::playbook::missing::open_at;
use super::{Exit, refuse, say, say_error};
use crate::console::keymap::{Keymap, PRESETS};
use crate::domain::problem::Problem;
use crate::playbook::builtin;
use crate::playbook::run::Run;
use crate::session::console::{Looks, run as open};
use crate::session::ladder::{Wishes, decide};
use crate::session::setup::Setup;
use crate::ui::theme::Theme;
use color_eyre::eyre::{Result, WrapErr};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// Whether there is a screen and a keyboard.
pub fn has_terminal() -> bool {
    std::io::stdout().is_terminal() && std::io::stdin().is_terminal()
}

/// Opens the console, and says when it was left what has to be known: the screen is gone by then.
pub async fn run(args: &Args, setup: Setup) -> Result<Exit> {
    // Nothing is announced without a scenario.
    match show(args, setup, mpsc::channel(1).1).await? {
        Ok(run) => {
            if let Some(run) = run.filter(|run| run.ended.is_none()) {
                say(&format!("{}: leeward playbook resume {}", open_at(&run), run.declared.run));
            }
            Ok(Exit::Fine)
        }
        Err(exit) => Ok(exit),
    }
}

/// Opens the console. What comes back is the run that was driven or watched last; or why it was not opened.
pub async fn show(
    args: &Args,
    setup: Setup,
    announcements: mpsc::Receiver<String>,
) -> Result<Result<Option<Run>, Exit>> {
    if !has_terminal() {
        say_error(
            "leeward: the console needs a terminal on standard input and output; without one, use leeward status",
        );
        return Ok(Err(Exit::BadInput));
    }
    let looks = match looks(args) {
        Ok(looks) => looks,
        Err(problems) => return Ok(Err(refuse(&problems))),
    };
    let playbooks = builtin().wrap_err("a built-in playbook does not read")?;
    crate::session::terminal::restore_on_panic();
    open(setup, looks, playbooks, announcements).await.wrap_err("the terminal").map(Ok)
}

/// Keys, colours and what the terminal can do. Doubts about files are told before the screen is taken.
fn looks(args: &Args) -> Result<Looks, Vec<Problem>> {
    let layers = keymap_layers(args)?;
    let texts: Vec<(&str, &str)> = layers.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
    let (keymap, doubts) = Keymap::load(&texts)?;
    for doubt in doubts {
        say_error(&format!("warning: {doubt}"));
    }
    let wishes =
        Wishes { level_flag: args.colours.map(Into::into), level_file: None, glyphs_flag: args.glyphs.map(Into::into) };
    let ladder = decide(wishes, &|name| std::env::var(name).ok());
    Ok(Looks { keymap, theme: theme(args)?, ladder })
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
    let file = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((file, text)),
        Err(error) => Err(vec![Problem::new(&file, format!("this file can not be read: {error}"))]),
    }
}

fn user_file(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")));
    Some(folder?.join("leeward").join(name))
}
