//! Who runs the servers: ourselves, or another user when we are root, because PostgreSQL refuses to be root. Not
//! pure: asks the user database through `id`, which knows LDAP and the like too.

use std::ffi::OsString;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::error::PairError;

/// The user that runs the database servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Name, for messages.
    pub name: String,
    /// User and group to become; `None`: we stay who we are.
    ids: Option<(u32, u32)>,
}

impl Account {
    /// Ourselves, or as root `postgres` if there is one, else `nobody`.
    pub fn choose() -> Result<Self, PairError> {
        if !rustix::process::geteuid().is_root() {
            let name = std::env::var("USER").unwrap_or_else(|_| "self".to_owned());
            return Ok(Self { name, ids: None });
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| Some(Self { name: name.to_owned(), ids: Some((id("-u", name)?, id("-g", name)?)) }))
            .ok_or(PairError::NoAccount)
    }

    /// Makes the command run as this user, in `dir`, with nothing of our environment that PostgreSQL's programs would
    /// heed. Supplementary groups are dropped by the standard library when root becomes another user.
    pub fn apply<'a>(&self, command: &'a mut Command, dir: &Path) -> &'a mut Command {
        if let Some((user, group)) = self.ids {
            command.gid(group).uid(user);
        }
        let meant_for_postgres = |name: &OsString| name.as_encoded_bytes().starts_with(b"PG");
        for name in std::env::vars_os().map(|(name, _)| name).filter(meant_for_postgres) {
            command.env_remove(name);
        }
        // A process group of its own: Ctrl-C in the terminal is for the console.
        command.current_dir(dir).env("HOME", dir).env("LC_ALL", "C").process_group(0)
    }

    /// Gives a file or folder to this user.
    pub fn own(&self, path: &Path) -> Result<(), PairError> {
        let Some((user, group)) = self.ids else { return Ok(()) };
        chown(path, Some(user), Some(group)).map_err(|source| PairError::File {
            operation: "chown",
            path: path.to_owned(),
            source,
        })
    }

    /// True if this user can write in `dir`: a temporary directory below a private one stops it on the way.
    pub fn reaches(&self, dir: &Path) -> bool {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"cd "$1" && test -w ."#, "sh"]).arg(dir);
        if let Some((user, group)) = self.ids {
            command.gid(group).uid(user);
        }
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

fn id(which: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([which, name]).stdin(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok().filter(|id| *id != 0)
}
