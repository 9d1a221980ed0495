//! `leeward` and `leeward watch`: what the console needs before it opens, and what to use instead where it cannot.

use super::args::Args;
use super::looks::looks;
use super::playbook::missing::open_at;
use super::{Exit, refuse, say, say_error};
use crate::playbook::builtin;
use crate::playbook::run::Run;
use crate::session::console::run as open;
use crate::session::setup::Setup;
use color_eyre::eyre::{Result, WrapErr};
use std::io::IsTerminal;
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
            "leeward: the console needs a terminal on standard input and output; without one use leeward status, or leeward \
             watch --plain for a line per change",
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
