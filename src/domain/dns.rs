//! The public name in front, as every server that may answer for it says.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// Who was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerKind {
    /// A server of the zone, asked directly.
    Authoritative,
    /// A resolver: its answers may be cached.
    Resolver,
}

/// One server's answer for the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsAnswer {
    /// Address and port asked.
    pub server: String,
    /// What it is.
    pub kind: ServerKind,
    /// Addresses, sorted, with the time they may still be kept; or why there is no answer.
    pub result: Result<(Vec<IpAddr>, Duration), String>,
    /// Serial of the zone's SOA, from authoritative servers that told it.
    pub serial: Option<u32>,
}

/// Every server's answer in one look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsSample {
    /// The answers, authoritative servers first.
    pub answers: Vec<DnsAnswer>,
    /// Why it is not known which servers the zone has, so that perhaps not all are among those asked. None: they are
    /// configured, or were found.
    pub unlisted: Option<String>,
}

impl DnsSample {
    /// What the authoritative servers say. None when none answered or they differ.
    #[must_use]
    pub fn authoritative(&self) -> Option<(&[IpAddr], Duration)> {
        let mut answers = self
            .answers
            .iter()
            .filter(|a| a.kind == ServerKind::Authoritative)
            .filter_map(|a| a.result.as_ref().ok())
            .map(|(addresses, ttl)| (addresses.as_slice(), *ttl));
        let first = answers.next()?;
        answers.all(|other| other.0 == first.0).then_some(first)
    }

    /// Every authoritative server that answers gives exactly `addresses`, and one does.
    #[must_use]
    pub fn everywhere(&self, addresses: &[IpAddr]) -> bool {
        let servers = self.answers.iter().filter(|a| a.kind == ServerKind::Authoritative);
        let mut answers = servers.filter_map(|a| a.result.as_ref().ok()).peekable();
        answers.peek().is_some() && answers.all(|(got, _)| got == addresses)
    }

    /// Authoritative servers that do not answer: one in the region that is lost answers nobody else either.
    pub fn silent(&self) -> impl Iterator<Item = &str> {
        let servers = self.answers.iter().filter(|a| a.kind == ServerKind::Authoritative && a.result.is_err());
        servers.map(|a| a.server.as_str())
    }
}
