//! A certificate authority for one sandbox and one server certificate from it, so that clients can use
//! `sslmode=verify-full` as in production. Not pure: writes files.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use super::account::Account;
use super::error::PairError;

/// Files of the certificates. Both servers share the key: both are 127.0.0.1.
#[derive(Debug, Clone)]
pub struct Pki {
    /// The authority's certificate, for `sslrootcert`; everyone may read it.
    pub ca: PathBuf,
    /// The servers' certificate.
    pub cert: PathBuf,
    /// Its key, readable by the servers' user only.
    pub key: PathBuf,
}

impl Pki {
    /// Makes the authority and the certificate in `dir`. The authority's key is forgotten at once.
    pub fn make(dir: &Path, account: &Account) -> Result<Self, PairError> {
        let mut authority = CertificateParams::new(Vec::<String>::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        authority.distinguished_name.push(DnType::CommonName, "leeward sandbox PostgreSQL CA");
        let authority_key = KeyPair::generate()?;
        let ca = authority.self_signed(&authority_key)?.pem();

        let mut server = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        server.distinguished_name.push(DnType::CommonName, "leeward sandbox PostgreSQL");
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let cert = server.signed_by(&key, &Issuer::new(authority, authority_key))?.pem();

        let pki = Self { ca: dir.join("ca.crt"), cert: dir.join("server.crt"), key: dir.join("server.key") };
        write(&pki.ca, 0o644, &ca)?;
        write(&pki.cert, 0o644, &cert)?;
        write(&pki.key, 0o600, &key.serialize_pem())?;
        // PostgreSQL wants its key to belong to its user (or to root, readable by its group).
        account.own(&pki.key)?;
        Ok(pki)
    }
}

/// Writes a new file with these permissions from its first byte on.
pub fn write(path: &Path, mode: u32, text: &str) -> Result<(), PairError> {
    let failed = |source| PairError::File { operation: "write", path: path.to_owned(), source };
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}
