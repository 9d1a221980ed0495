//! A secret, fetched at the moment it is sent.

use std::path::PathBuf;

use tokio::io::AsyncReadExt;

use crate::domain::endpoints::PasswordSource;
use crate::domain::freshness::{ErrorKind, SourceError};
use crate::domain::secret::Secret;

/// A longer file is none that holds a password; reading stops there.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A secret that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Opening or reading.
    #[error("cannot read the secret in {path}: {cause}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Nothing in it.
    #[error("the secret file {path} is empty")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Too much, or not text.
    #[error("the file {path} holds no secret: it is not text of at most 64 KiB")]
    NoText {
        /// The file.
        path: PathBuf,
    },
}

impl From<SecretError> for SourceError {
    fn from(error: SecretError) -> SourceError {
        SourceError::new(ErrorKind::NotConfigured, &error.to_string())
    }
}

/// The secret, or None where none is configured. A file is read anew each time, so that a rotated one is picked up;
/// the line end that editors leave is dropped.
pub async fn fetch(source: &PasswordSource) -> Result<Option<Secret>, SecretError> {
    let path = match source {
        PasswordSource::None => return Ok(None),
        PasswordSource::Given(secret) => return Ok(Some(secret.clone())),
        PasswordSource::File(path) => path,
    };
    let read = |cause| SecretError::Read { path: path.clone(), cause };
    let file = tokio::fs::File::open(path).await.map_err(read)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).await.map_err(read)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(SecretError::NoText { path: path.clone() });
    }
    let text = String::from_utf8(bytes).map_err(|_| SecretError::NoText { path: path.clone() })?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(SecretError::Empty { path: path.clone() });
    }
    Ok(Some(Secret::new(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_read_when_it_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let source = PasswordSource::File(path.clone());
        let said = fetch(&source).await.unwrap_err().to_string();
        assert!(said.contains(path.to_str().unwrap()), "{said}");
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(fetch(&source).await, Err(SecretError::Empty { .. })));
        std::fs::write(&path, " sp ace \n").unwrap();
        assert_eq!(fetch(&source).await.unwrap().unwrap().reveal(), " sp ace ");
        std::fs::write(&path, vec![b'x'; 70_000]).unwrap();
        assert!(matches!(fetch(&source).await, Err(SecretError::NoText { .. })));
        assert!(fetch(&PasswordSource::None).await.unwrap().is_none());
    }
}
