//! Passwords that cannot be printed by accident. Not pure: drawn from the system's random generator.

use std::fmt;

use super::error::PairError;

/// A password of letters and digits, so that it needs no quoting in a URL, in SQL or in a connection string.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// 128 random bits in hexadecimal.
    pub fn draw() -> Result<Self, PairError> {
        let mut bytes = [0_u8; 16];
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.secure_random.fill(&mut bytes).map_err(|_| PairError::Random)?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The password itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
