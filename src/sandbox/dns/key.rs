//! The TSIG key that signs updates. Not pure where it is drawn from the system's random generator.

use std::fmt;

use hickory_proto::rr::Name;
use hickory_proto::rr::TSigner;
use hickory_proto::rr::rdata::tsig::TsigAlgorithm;

use super::DnsError;

/// Seconds that the clocks of client and server may differ (RFC 8945 §10 recommends 300).
const FUDGE: u16 = 300;

/// An HMAC-SHA256 key with its name. `Debug` doesn't show the secret.
#[derive(Clone)]
pub struct TsigKey {
    name: Name,
    secret: Vec<u8>,
}

impl TsigKey {
    /// Name as configuration files write the algorithm.
    pub const ALGORITHM: &'static str = "hmac-sha256";

    /// A key with this name and secret; without a secret one of 256 random bits.
    pub fn new(name: &str, secret: Option<Vec<u8>>) -> Result<Self, DnsError> {
        let name = super::zone::absolute(name)?;
        let secret = match secret {
            Some(secret) => secret,
            None => {
                let mut secret = vec![0; 32];
                let random = rustls::crypto::aws_lc_rs::default_provider().secure_random;
                random.fill(&mut secret).map_err(|_| DnsError::Random)?;
                secret
            }
        };
        Ok(Self { name, secret })
    }

    /// The key's name, with its final dot.
    pub fn name(&self) -> String {
        self.name.to_ascii()
    }

    /// The secret as `nsupdate`, BIND and configuration files write it.
    pub fn base64(&self) -> String {
        base64(&self.secret)
    }

    /// Signs and verifies with this key.
    pub(super) fn signer(&self) -> Result<TSigner, DnsError> {
        TSigner::new(self.secret.clone(), TsigAlgorithm::HmacSha256, self.name.clone(), FUDGE)
            .map_err(|error| DnsError::Key(error.to_string()))
    }
}

impl fmt::Debug for TsigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TsigKey({}, …)", self.name)
    }
}

/// RFC 4648 §4, with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let sextet = (bits >> (18 - 6 * place)) & 63;
            let letter = ALPHABET.get(sextet as usize).copied().unwrap_or(b'=');
            text.push(char::from(if place <= group.len() { letter } else { b'=' }));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_rfc_4648() {
        for (bytes, want) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), want);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn secrets_are_drawn_and_not_shown() {
        let (one, two) = (TsigKey::new("k", None).unwrap(), TsigKey::new("k.", None).unwrap());
        assert_eq!((one.name(), two.name()), ("k.".into(), "k.".into()));
        assert_ne!(one.base64(), two.base64());
        let given = TsigKey::new("k", Some(b"visible".to_vec())).unwrap();
        assert_eq!(format!("{given:?}"), "TsigKey(k., …)");
    }
}
