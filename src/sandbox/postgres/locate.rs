//! Finds the PostgreSQL server programs of this machine. Not pure: looks at files and asks `--version`. Distributions
//! keep them off `PATH`, so their usual folders are looked through too.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a sandbox needs; `pg_ctl` comes in the same package and is not needed.
const PROGRAMS: [&str; 3] = ["initdb", "postgres", "pg_basebackup"];
/// First version with GRANT … ON PARAMETER and the role pg_checkpoint (release notes of 15).
const OLDEST: u32 = 15;
/// Folders that hold one folder per version; `bin` below it is where the programs are.
const VERSIONED: [&str; 5] =
    ["/usr/lib/postgresql", "/usr", "/opt/homebrew/opt", "/usr/local/opt", "/Library/PostgreSQL"];

/// The programs, all from one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// Where they are.
    pub dir: PathBuf,
    /// Major version.
    pub major: u32,
}

impl Binaries {
    /// Path of one of them.
    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// No usable programs; the text says what was tried and what to install.
#[derive(Debug, thiserror::Error)]
#[error(
    "no PostgreSQL server programs (initdb, postgres, pg_basebackup; version {OLDEST} or newer) found.\n{}\n\
     Install them: apt-get install postgresql | dnf install postgresql-server | brew install postgresql, \
     or name their folder in the configuration.",
    .tried.join("\n")
)]
pub struct LocateError {
    /// One line per place: the place, and what was wrong with it.
    pub tried: Vec<String>,
}

/// Finds the programs. A `configured` folder is the only one looked at; a wrong one is an error, not a reason to take
/// another.
pub fn locate(configured: Option<&Path>) -> Result<Binaries, LocateError> {
    let places = match configured {
        Some(dir) => vec![("configured", dir.to_owned())],
        None => usual_places(),
    };
    choose(places, probe)
}

fn choose(
    places: Vec<(&'static str, PathBuf)>,
    probe: impl Fn(&Path) -> Result<u32, String>,
) -> Result<Binaries, LocateError> {
    let mut tried = Vec::new();
    for (found_by, dir) in places {
        let wrong = match probe(&dir) {
            Ok(major) if major >= OLDEST => return Ok(Binaries { dir, major }),
            Ok(major) => format!("version {major} is too old"),
            Err(wrong) => wrong,
        };
        tried.push(format!("  {} ({found_by}): {wrong}", dir.display()));
    }
    if tried.is_empty() {
        tried.push("  pg_config, the usual folders and PATH name no place to look at".to_owned());
    }
    Err(LocateError { tried })
}

/// Places in the order of trust: what `pg_config` says, the distributions' folders newest first, PATH.
fn usual_places() -> Vec<(&'static str, PathBuf)> {
    let mut places = Vec::new();
    if let Some(dir) = answer(Path::new("pg_config"), "--bindir") {
        places.push(("pg_config --bindir", PathBuf::from(dir)));
    }
    let mut versioned: Vec<(u32, PathBuf)> =
        VERSIONED.iter().flat_map(|root| versions_below(Path::new(root))).collect();
    versioned.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    places.extend(versioned.into_iter().map(|(_, dir)| ("usual folder", dir)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).filter(|dir| dir.join("initdb").exists() || dir.join("pg_ctl").exists());
    places.extend(on_path.map(|dir| ("PATH", dir)));
    let mut seen = Vec::new();
    places.retain(|(_, dir)| {
        !seen.contains(dir) && {
            seen.push(dir.clone());
            true
        }
    });
    places
}

/// `bin` folders of the versions below `root`: Debian's `15`, PGDG's `pgsql-16`, Homebrew's `postgresql@17`.
fn versions_below(root: &Path) -> Vec<(u32, PathBuf)> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let name = name.to_str()?;
            let version = name.strip_prefix("pgsql-").or_else(|| name.strip_prefix("postgresql@")).unwrap_or(name);
            let dir = entry.path().join("bin");
            Some((version.split('.').next()?.parse().ok()?, dir)).filter(|(_, dir)| dir.is_dir())
        })
        .collect()
}

/// Major version of the programs in a folder, or what is wrong with it.
fn probe(dir: &Path) -> Result<u32, String> {
    if let Some(missing) = PROGRAMS.iter().find(|name| !dir.join(name).is_file()) {
        return Err(format!("{missing} is missing"));
    }
    let version = answer(&dir.join("postgres"), "--version").ok_or("postgres --version failed")?;
    major(&version).ok_or_else(|| "postgres --version is not understood".to_owned())
}

/// `postgres (PostgreSQL) 15.10 (Debian 15.10-0+deb12u1)`, `postgres (PostgreSQL) 18beta1`.
fn major(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL)")?.1.trim_start();
    let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number.get(..digits)?.parse().ok()
}

fn answer(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(AsRef::<OsStr>::as_ref(program)).arg(argument).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_servers_print_them() {
        for (line, want) in [
            ("postgres (PostgreSQL) 15.10 (Debian 15.10-0+deb12u1)", Some(15)),
            ("postgres (PostgreSQL) 18beta1", Some(18)),
            ("postgres (PostgreSQL) 9.6.24", Some(9)),
            ("postgres (PostgreSQL) 17", Some(17)),
            ("something else", None),
            ("postgres (PostgreSQL) devel", None),
        ] {
            assert_eq!(major(line), want, "{line}");
        }
    }

    #[test]
    fn the_first_good_place_wins_and_the_others_are_named_otherwise() {
        let places = || vec![("pg_config --bindir", "/a".into()), ("usual folder", "/b".into()), ("PATH", "/c".into())];
        let found = choose(places(), |dir| match dir.to_str() {
            Some("/a") => Err("initdb is missing".into()),
            Some("/b") => Ok(14),
            _ => Ok(16),
        });
        assert_eq!(found.unwrap(), Binaries { dir: "/c".into(), major: 16 });
        let text = choose(places(), |_| Err("initdb is missing".into())).unwrap_err().to_string();
        for want in ["/a (pg_config --bindir): initdb is missing", "/c (PATH)", "apt-get install postgresql", "brew"] {
            assert!(text.contains(want), "{text}");
        }
    }

    #[test]
    fn a_configured_folder_is_the_only_one() {
        let empty = tempfile::tempdir().unwrap();
        let error = locate(Some(empty.path())).unwrap_err();
        assert_eq!(error.tried.len(), 1);
        assert!(error.to_string().contains("initdb is missing"), "{error}");
    }

    #[test]
    fn newest_version_of_each_layout() {
        let root = tempfile::tempdir().unwrap();
        for name in ["15", "9.6", "pgsql-16", "postgresql@17", "postgresql-common", "lib"] {
            std::fs::create_dir_all(root.path().join(name).join("bin")).unwrap();
        }
        let mut majors: Vec<u32> = versions_below(root.path()).into_iter().map(|(major, _)| major).collect();
        majors.sort_unstable();
        assert_eq!(majors, [9, 15, 16, 17]);
    }
}
