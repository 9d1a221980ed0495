//! Reading a password when it is used. Reads files.
//!
//! Not at the start: a rotated password is taken up by the next connection, and a file that is missing on this machine
//! costs only the connection that needs it.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::types::{Login, PasswordSource, Settings};
use crate::domain::secret::Secret;

/// The longest password that is read, in bytes; a wrong path may name a large file.
const PASSWORD_MAX: u64 = 4096;

/// Why a secret can't be read from its file. The path is named, what is in it never.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The file can't be opened or read.
    #[error("password file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Nothing is in it.
    #[error("password file {0} is empty")]
    Empty(PathBuf),
    /// More is in it than a password.
    #[error("password file {0} is longer than 4096 bytes; is it the right one?")]
    Long(PathBuf),
    /// It is not text.
    #[error("password file {0} is not UTF-8 text")]
    Binary(PathBuf),
}

impl Settings {
    /// The password of a login, read now; `None` where the login has none of its own.
    ///
    /// # Errors
    /// [`PasswordError`] names the file.
    pub fn password(login: &Login) -> Result<Option<Secret>, PasswordError> {
        match &login.password {
            PasswordSource::None => Ok(None),
            PasswordSource::Inline(secret) => Ok(Some(secret.clone())),
            PasswordSource::File(path) => Self::secret_file(path).map(Some),
        }
    }

    /// A secret that stands alone in a file (TSIG key, webhook key), without the line break at its end.
    ///
    /// # Errors
    /// [`PasswordError`] names the file.
    pub fn secret_file(path: &Path) -> Result<Secret, PasswordError> {
        let failed = |source| PasswordError::Read { path: path.to_owned(), source };
        let file = std::fs::File::open(path).map_err(failed)?;
        let mut bytes = Vec::new();
        file.take(PASSWORD_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > PASSWORD_MAX {
            return Err(PasswordError::Long(path.to_owned()));
        }
        let text = String::from_utf8(bytes).map_err(|_| PasswordError::Binary(path.to_owned()))?;
        // Spaces may be part of a password; the line break that editors add is not.
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() { Err(PasswordError::Empty(path.to_owned())) } else { Ok(Secret::new(text)) }
    }
}
