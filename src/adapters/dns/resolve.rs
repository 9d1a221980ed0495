//! What each server says about the name.
//!
//! Authoritative servers are asked without recursion and must answer with authority: one that passes on what it has
//! cached would hide that the zone has not arrived there. Resolvers are asked as any client asks them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;
use hickory_proto::op::{Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};

use super::exchange::{self, ExchangeError};
use super::nameservers::NameServers;
use crate::domain::dns::{DnsAnswer, DnsSample, ServerKind};
use crate::domain::endpoints::DnsEndpoints;
use crate::domain::freshness::ErrorKind;
use crate::domain::text::clean_to;

/// Longest wait for one server.
pub(super) const LIMIT: Duration = Duration::from_secs(2);

/// Aliases followed inside one answer, and addresses kept of it.
const ALIASES_MAX: usize = 8;
const ADDRESSES_MAX: usize = 64;

/// Asks every server at once. Each answers or does not within two seconds, and neither holds up the others. Where no
/// authoritative server is configured, those of the zone's NS records are looked for first.
pub async fn look(endpoints: &DnsEndpoints) -> DnsSample {
    let mut servers = NameServers::default();
    servers.refresh(endpoints).await;
    round(endpoints, &servers).await.0
}

/// The same, with what kind of failure stands behind each answer that says nothing, or None where it says something:
/// "no such name" does.
pub(super) async fn round(endpoints: &DnsEndpoints, servers: &NameServers) -> (DnsSample, Vec<Option<ErrorKind>>) {
    let authoritative = servers.servers(endpoints);
    let zone = join_all(authoritative.iter().map(|server| one(endpoints, server, ServerKind::Authoritative)));
    let caches = join_all(endpoints.resolvers.iter().map(|server| one(endpoints, server, ServerKind::Resolver)));
    let (zone, caches) = tokio::join!(zone, caches);
    let (answers, kinds) = zone.into_iter().chain(servers.gaps(endpoints)).chain(caches).unzip();
    (DnsSample { answers, unlisted: servers.unlisted(endpoints) }, kinds)
}

async fn one(endpoints: &DnsEndpoints, server: &str, kind: ServerKind) -> (DnsAnswer, Option<ErrorKind>) {
    let soa = async {
        match kind {
            ServerKind::Authoritative => serial(server, &endpoints.zone).await,
            ServerKind::Resolver => None,
        }
    };
    let (found, serial) = tokio::join!(addresses(server, &endpoints.name, kind), soa);
    let failure = found.as_ref().err().and_then(ResolveError::kind);
    let result = found
        .map(|found| (found.addresses.into_iter().collect(), Duration::from_secs(u64::from(found.ttl))))
        .map_err(|error| clean_to(&error.to_string(), 120));
    (DnsAnswer { server: server.to_owned(), kind, result, serial }, failure)
}

/// What a name has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Addresses of both families.
    pub(super) addresses: BTreeSet<IpAddr>,
    /// The shortest time that any part of the answer may be kept, in seconds.
    pub(super) ttl: u32,
    /// The name is an alias of another.
    pub(super) alias: bool,
}

/// Why a server's answer says nothing about the addresses.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResolveError {
    /// No answer.
    #[error("{record}: {error}")]
    Exchange {
        /// A or AAAA.
        record: RecordType,
        /// Why.
        error: ExchangeError,
    },
    /// An answer that says no.
    #[error("{record}: {}", word(*.code))]
    Code {
        /// A or AAAA.
        record: RecordType,
        /// The server's code for it.
        code: ResponseCode,
    },
    /// The server is not one of the zone's.
    #[error("answers without authority for the zone")]
    Lame,
    /// The name cannot be asked for.
    #[error("the name cannot be asked for: {0}")]
    Name(String),
}

impl ResolveError {
    /// The server says that there is no such name.
    pub(super) fn no_such_name(&self) -> bool {
        matches!(self, ResolveError::Code { code: ResponseCode::NXDomain, .. })
    }

    fn kind(&self) -> Option<ErrorKind> {
        match self {
            ResolveError::Exchange { error, .. } => Some(error.kind()),
            ResolveError::Name(_) => Some(ErrorKind::NotConfigured),
            ResolveError::Code { .. } if self.no_such_name() => None,
            ResolveError::Code { .. } | ResolveError::Lame => Some(ErrorKind::Protocol),
        }
    }
}

/// Asks one server for both kinds of addresses. Both must be answered: a record that cannot be seen is not absent.
pub(super) async fn addresses(server: &str, name: &str, kind: ServerKind) -> Result<Found, ResolveError> {
    let name = fqdn(name).map_err(ResolveError::Name)?;
    let ask = |record| ask_for(server, &name, record, kind);
    let (four, six) = tokio::join!(ask(RecordType::A), ask(RecordType::AAAA));
    let (four, six) = (four?, six?);
    let ttl = match (four.addresses.is_empty(), six.addresses.is_empty()) {
        (false, true) => four.ttl,
        (true, false) => six.ttl,
        _ => four.ttl.min(six.ttl),
    };
    let addresses = four.addresses.into_iter().chain(six.addresses).collect();
    Ok(Found { addresses, ttl, alias: four.alias || six.alias })
}

async fn ask_for(server: &str, name: &Name, record: RecordType, kind: ServerKind) -> Result<Found, ResolveError> {
    let failed = |error| ResolveError::Exchange { record, error };
    let message = question(server, name, record, kind == ServerKind::Resolver).await.map_err(failed)?;
    if message.response_code != ResponseCode::NoError {
        return Err(ResolveError::Code { record, code: message.response_code });
    }
    if kind == ServerKind::Authoritative && !message.authoritative {
        return Err(ResolveError::Lame);
    }
    Ok(read(name, &message))
}

/// Reads the addresses of a name out of an answer, following aliases within it.
pub(super) fn read(name: &Name, message: &Message) -> Found {
    let mut owner = name.clone();
    let mut found = Found { addresses: BTreeSet::new(), ttl: u32::MAX, alias: false };
    for _ in 0..ALIASES_MAX {
        let alias = message.answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if record.name == owner => Some((target.0.clone(), record.ttl)),
            _ => None,
        });
        let Some((target, ttl)) = alias else { break };
        found.ttl = found.ttl.min(ttl);
        found.alias = true;
        owner = target;
    }
    for record in message.answers.iter().filter(|record| record.name == owner) {
        let address = match &record.data {
            RData::A(address) => IpAddr::V4(address.0),
            RData::AAAA(address) => IpAddr::V6(address.0),
            _ => continue,
        };
        if found.addresses.len() < ADDRESSES_MAX {
            found.addresses.insert(address);
        }
        found.ttl = found.ttl.min(record.ttl);
    }
    if found.ttl == u32::MAX {
        found.ttl = negative_ttl(message);
    }
    found
}

/// How long "nothing there" may be kept (RFC 2308 section 5).
fn negative_ttl(message: &Message) -> u32 {
    let of = |record: &hickory_proto::rr::Record| match &record.data {
        RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
        _ => None,
    };
    message.authorities.iter().find_map(of).unwrap_or(0)
}

/// The serial of the zone at an authoritative server. None: it did not tell.
async fn serial(server: &str, zone: &str) -> Option<u32> {
    let zone = fqdn(zone).ok()?;
    let message = question(server, &zone, RecordType::SOA, false).await.ok()?;
    message.answers.iter().find_map(|record| match &record.data {
        RData::SOA(soa) if record.name == zone => Some(soa.serial),
        _ => None,
    })
}

/// Asks one server one question.
pub(super) async fn question(
    server: &str,
    name: &Name,
    record: RecordType,
    recurse: bool,
) -> Result<Message, ExchangeError> {
    let address = exchange::address(server, LIMIT).await?;
    let mut request = Message::query();
    request.metadata.op_code = OpCode::Query;
    request.metadata.recursion_desired = recurse;
    request.add_query(Query::query(name.clone(), record));
    let bytes = request.to_vec().map_err(|error| ExchangeError::Odd(error.to_string()))?;
    exchange::ask(address, &request, &bytes, LIMIT).await.map(|answer| answer.message)
}

/// A name from the configuration as a full one.
pub(super) fn fqdn(name: &str) -> Result<Name, String> {
    let mut name = Name::from_utf8(name).map_err(|error| error.to_string())?;
    name.set_fqdn(true);
    Ok(name)
}

/// The word of the standards for an answer's code.
pub(super) fn word(code: ResponseCode) -> String {
    match code {
        ResponseCode::NXDomain => "NXDOMAIN, there is no such name".to_owned(),
        ResponseCode::FormErr => "FORMERR, it did not understand the request".to_owned(),
        ResponseCode::ServFail => "SERVFAIL, it failed".to_owned(),
        ResponseCode::NotImp => "NOTIMP, it cannot do that".to_owned(),
        ResponseCode::Refused => "REFUSED, it does not do that for us".to_owned(),
        other => other.to_str().to_owned(),
    }
}
