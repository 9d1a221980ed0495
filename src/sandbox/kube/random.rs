//! Random bytes for tokens, uids and generated names. Not pure: reads the provider's secure generator, because a bearer
//! token on loopback still guards a server that other users of the machine can reach.

use std::sync::atomic::{AtomicU64, Ordering};

use rustls::crypto::CryptoProvider;

/// The alphabet of Kubernetes' generated names: no vowels, so that no word appears by chance.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// `N` random bytes; none if the machine has no secure randomness.
fn secure<const N: usize>() -> Option<[u8; N]> {
    let mut out = [0; N];
    let provider: CryptoProvider = rustls::crypto::aws_lc_rs::default_provider();
    provider.secure_random.fill(&mut out).ok()?;
    Some(out)
}

/// `N` bytes for names and uids, which must be unique but guard nothing: without randomness they are counted.
fn bytes<const N: usize>() -> [u8; N] {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    secure().unwrap_or_else(|| {
        let count = COUNT.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        let mut out = [0; N];
        out.iter_mut().zip(count.iter().cycle()).for_each(|(to, from)| *to = *from);
        out
    })
}

/// A random UUID, version 4.
pub fn uid() -> String {
    let mut raw: [u8; 16] = bytes();
    raw[6] = (raw[6] & 0x0f) | 0x40;
    raw[8] = (raw[8] & 0x3f) | 0x80;
    let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// The random end of a generated name, `length` characters of Kubernetes' alphabet (five for `generateName`).
pub fn suffix(length: usize) -> String {
    let raw: [u8; 16] = bytes();
    raw.iter().cycle().take(length).map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect()
}

/// A bearer token of 160 bits; none if the machine has no secure randomness, since a token that can be guessed is none.
pub fn token() -> Option<String> {
    Some(secure::<20>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let uid = uid();
        assert_eq!(uid.len(), 36);
        assert_eq!(uid.as_bytes()[14], b'4');
        assert_eq!(suffix(5).len(), 5);
        assert!(token().is_some());
        assert_ne!(token(), token());
    }
}
