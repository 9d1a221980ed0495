//! The key that signs updates, from the text of the configuration or of a key file.

use base64::prelude::{BASE64_STANDARD, Engine};
use hickory_proto::rr::TSigner;
use hickory_proto::rr::rdata::tsig::TsigAlgorithm;

use super::resolve::fqdn;
use crate::adapters::password;
use crate::domain::endpoints::DnsUpdateEndpoint;

/// Seconds that the clocks of client and server may differ (RFC 8945 section 10 recommends 300).
const FUDGE_SECONDS: u16 = 300;

/// The key, fetched now. An error names no part of it.
pub(super) async fn signer(endpoint: &DnsUpdateEndpoint) -> Result<TSigner, String> {
    let secret = password::fetch(&endpoint.key).await.map_err(|error| error.to_string())?;
    let secret = secret.ok_or("no key is configured for updates")?;
    let bytes = decode(secret.reveal()).ok_or_else(|| format!("the key {} is no base64", endpoint.key_name))?;
    let name = fqdn(&endpoint.key_name).map_err(|error| format!("the key's name: {error}"))?;
    TSigner::new(bytes, TsigAlgorithm::HmacSha256, name, FUDGE_SECONDS).map_err(|error| error.to_string())
}

/// The bytes of a key that is written as base64 alone, or as BIND's tools write it into a file:
/// `key "name" { algorithm hmac-sha256; secret "…"; };`.
fn decode(text: &str) -> Option<Vec<u8>> {
    let text = match text.split_once("secret") {
        Some((_, after)) if text.contains('{') => after.split(';').next().unwrap_or_default(),
        _ => text,
    };
    let text: String = text.chars().filter(|c| !c.is_whitespace() && *c != '"').collect();
    BASE64_STANDARD.decode(text).ok().filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::endpoints::PasswordSource;
    use crate::domain::secret::Secret;

    #[test]
    fn a_key_alone_and_in_a_key_file() {
        for text in ["c2VjcmV0", " c2Vj cmV0\n", "key \"k\" {\n\talgorithm hmac-sha256;\n\tsecret \"c2VjcmV0\";\n};\n"]
        {
            assert_eq!(decode(text).as_deref(), Some(&b"secret"[..]), "{text:?}");
        }
        for text in ["", "c2VjcmV", "hunter2!", "key { secret \"\"; };"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }

    #[tokio::test]
    async fn a_bad_key_is_not_quoted() {
        let endpoint = DnsUpdateEndpoint {
            server: "127.0.0.1:53".to_owned(),
            key_name: "leeward-key".to_owned(),
            key: PasswordSource::Given(Secret::new("hunter2!")),
        };
        let error = signer(&endpoint).await.err().unwrap();
        assert!(error.contains("leeward-key") && !error.contains("hunter2"), "{error}");
    }
}
