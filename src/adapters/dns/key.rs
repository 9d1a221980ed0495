//! The key that signs updates, from the text of the configuration or of a key file.

use base64::prelude::{BASE64_STANDARD, Engine};
use hickory_proto::rr::TSigner;
use hickory_proto::rr::rdata::tsig::TsigAlgorithm as Algorithm;

use super::resolve::fqdn;
use crate::adapters::password;
use crate::domain::endpoints::{DnsUpdateEndpoint, TsigAlgorithm};

/// Seconds that the clocks of client and server may differ (RFC 8945 section 10 recommends 300).
const FUDGE_SECONDS: u16 = 300;

/// The key, fetched now. An error names no part of it.
pub(super) async fn signer(endpoint: &DnsUpdateEndpoint) -> Result<TSigner, String> {
    let secret = password::fetch(&endpoint.key).await.map_err(|error| error.to_string())?;
    let secret = secret.ok_or("no key is configured for updates")?;
    let bytes = decode(secret.reveal()).ok_or_else(|| format!("the key {} is no base64", endpoint.key_name))?;
    let name = fqdn(&endpoint.key_name).map_err(|error| format!("the key's name: {error}"))?;
    let algorithm = match endpoint.algorithm {
        TsigAlgorithm::Sha256 => Algorithm::HmacSha256,
        TsigAlgorithm::Sha384 => Algorithm::HmacSha384,
        TsigAlgorithm::Sha512 => Algorithm::HmacSha512,
    };
    TSigner::new(bytes, algorithm, name, FUDGE_SECONDS).map_err(|error| error.to_string())
}

/// Why this text holds no key for the algorithm, as far as that can be told before a server is asked. Quotes no part of it.
#[must_use]
pub fn trouble(text: &str, algorithm: TsigAlgorithm) -> Option<String> {
    if text.trim().is_empty() {
        return Some("it is empty".to_owned());
    }
    if decode(text).is_none() {
        return Some("it does not hold a key in base64".to_owned());
    }
    // BIND's tools write beside the key what it is for.
    let (_, said) = text.split_once('{')?.1.split_once("algorithm")?;
    let said = said.split(';').next()?.trim().trim_matches('"');
    let known = TsigAlgorithm::ALL.into_iter().find(|known| known.word().eq_ignore_ascii_case(said));
    match known {
        Some(known) if known == algorithm => None,
        Some(known) => Some(format!("it is a key for {}, and tsig_algorithm is {}", known.word(), algorithm.word())),
        None => Some(format!("it is a key for another algorithm than {}", algorithm.word())),
    }
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

    #[test]
    fn a_key_for_another_algorithm_is_found_before_a_server_refuses_it() {
        let file = |word: &str| format!("key \"k\" {{\n\talgorithm {word};\n\tsecret \"c2VjcmV0\";\n}};\n");
        for algorithm in TsigAlgorithm::ALL {
            assert_eq!(trouble("c2VjcmV0\n", algorithm), None);
            assert_eq!(trouble(&file(algorithm.word()), algorithm), None);
        }
        let said = trouble(&file("hmac-sha512"), TsigAlgorithm::Sha256).unwrap();
        assert_eq!(said, "it is a key for hmac-sha512, and tsig_algorithm is hmac-sha256");
        assert!(trouble(&file("hmac-md5"), TsigAlgorithm::Sha256).unwrap().contains("another algorithm"));
        assert!(trouble(" \n", TsigAlgorithm::Sha256).unwrap().contains("empty"));
        assert!(!trouble("hunter2!", TsigAlgorithm::Sha256).unwrap().contains("hunter2"));
    }

    #[tokio::test]
    async fn a_bad_key_is_not_quoted() {
        let endpoint = DnsUpdateEndpoint {
            server: "127.0.0.1:53".to_owned(),
            key_name: "leeward-key".to_owned(),
            key: PasswordSource::Given(Secret::new("hunter2!")),
            algorithm: TsigAlgorithm::Sha256,
        };
        let error = signer(&endpoint).await.err().unwrap();
        assert!(error.contains("leeward-key") && !error.contains("hunter2"), "{error}");
    }
}
