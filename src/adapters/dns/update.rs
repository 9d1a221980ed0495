//! Changes the addresses of the name by dynamic update (RFC 2136), signed (TSIG, RFC 8945).
//!
//! The server compares and swaps: the update holds only while exactly the expected addresses stand there, of both
//! families. It is asked first all the same, since a repeated update would be refused by its own prerequisite
//! (*measured*), and since its words are better than a code.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::op::{Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::tsig::TsigError;
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, TSigVerifier};

use super::exchange::{self, Answer, ExchangeError};
use super::key;
use super::resolve::{Found, LIMIT, addresses, fqdn, word};
use crate::adapters::pace::Deadline;
use crate::domain::Timestamp;
use crate::domain::dns::ServerKind;
use crate::domain::effect::{Effect, Outcome, Previous};
use crate::domain::endpoints::{DnsEndpoints, DnsUpdateEndpoint};

const FAMILIES: [RecordType; 2] = [RecordType::A, RecordType::AAAA];

/// Performs the change of the name.
#[derive(Debug)]
pub struct Actuator {
    endpoints: DnsEndpoints,
}

/// One change, checked against the configuration.
struct Change<'a> {
    update: &'a DnsUpdateEndpoint,
    zone: Name,
    name: Name,
    expected: BTreeSet<IpAddr>,
    wanted: BTreeSet<IpAddr>,
    ttl: u32,
}

impl Actuator {
    /// An actuator for the configured name and server.
    #[must_use]
    pub fn new(endpoints: DnsEndpoints) -> Actuator {
        Actuator { endpoints }
    }

    /// Performs an effect. It ends within `deadline`, and the update is not sent after it, even if this process was
    /// stopped meanwhile.
    pub async fn perform(&self, effect: &Effect, deadline: Duration) -> Outcome {
        let deadline = Deadline::within(deadline);
        match self.change(effect) {
            Ok(change) => self.switch(&change, deadline).await.unwrap_or_else(|outcome| outcome),
            Err(reason) => Outcome::NotSent { reason },
        }
    }

    fn change(&self, effect: &Effect) -> Result<Change<'_>, String> {
        let Effect::SwitchDns { name, expected, wanted, ttl_seconds, server } = effect else {
            return Err("this is no effect on the name in front".to_owned());
        };
        let update = self.endpoints.update.as_ref().ok_or("no server for updates is configured")?;
        // The consent names both; a configuration that was changed since must not redirect it.
        if update.server != *server {
            return Err(format!("the configured server is {} and no longer {server}", update.server));
        }
        let (zone, asked, ours) = (fqdn(&self.endpoints.zone)?, fqdn(name)?, fqdn(&self.endpoints.name)?);
        if asked != ours {
            return Err(format!("the configured name is {ours} and no longer {asked}"));
        }
        if !zone.zone_of(&asked) {
            return Err(format!("{asked} is not in the zone {zone}"));
        }
        let wanted: BTreeSet<IpAddr> = wanted.iter().copied().collect();
        if wanted.is_empty() {
            return Err("no address is wanted; the name is not left without one".to_owned());
        }
        let expected = expected.iter().copied().collect();
        Ok(Change { update, zone, name: asked, expected, wanted, ttl: *ttl_seconds })
    }

    async fn switch(&self, change: &Change<'_>, deadline: Deadline) -> Result<Outcome, Outcome> {
        let standing = self.standing(change, deadline).await?;
        if standing.addresses == change.wanted {
            return Ok(Outcome::Already { reply: format!("{} has {}", change.name, list(&standing.addresses)) });
        }
        if standing.alias {
            return Err(Outcome::Refused { reason: format!("{} is an alias of another name", change.name) });
        }
        if standing.addresses != change.expected {
            return Err(stands_otherwise(change, &standing.addresses));
        }
        let not_sent = |reason: String| Outcome::NotSent { reason };
        let signer = key::signer(change.update).await.map_err(not_sent)?;
        let address = exchange::address(&change.update.server, LIMIT).await.map_err(|e| not_sent(e.to_string()))?;
        let mut message = message(change);
        let now = u64::try_from(Timestamp::now().as_second()).unwrap_or(0);
        let signed = message.finalize(&signer, now).map_err(|error| not_sent(error.to_string()))?;
        let mut verifier = signed.ok_or_else(|| not_sent("the update could not be signed".to_owned()))?;
        let bytes = message.to_vec().map_err(|error| not_sent(error.to_string()))?;
        let limit = LIMIT.min(deadline.left());
        if limit < Duration::from_millis(1) {
            return Err(not_sent("its time was over before it could be sent".to_owned()));
        }
        let answer = exchange::ask(address, &message, &bytes, limit).await.map_err(|error| match error {
            ExchangeError::Send(_) | ExchangeError::Address(_) => not_sent(error.to_string()),
            // A port without a listener is told by the machine, and takes nothing.
            ExchangeError::Broken(ref io) if io.kind() == std::io::ErrorKind::ConnectionRefused => {
                not_sent(error.to_string())
            }
            _ => Outcome::Unknown { reason: format!("the update was sent: {error}") },
        })?;
        match verdict(&mut verifier, &answer)? {
            ResponseCode::NoError => Ok(Outcome::Done {
                reply: format!("{} has {} (ttl {} s)", change.name, list(&change.wanted), change.ttl),
                previous: Some(Previous::Addresses {
                    value: standing.addresses.into_iter().collect(),
                    ttl_seconds: standing.ttl,
                }),
            }),
            ResponseCode::NXRRSet | ResponseCode::YXRRSet => match self.standing(change, deadline).await {
                Ok(now) => Err(stands_otherwise(change, &now.addresses)),
                Err(_) => Err(Outcome::Refused { reason: "something else stands there by now".to_owned() }),
            },
            code => Err(Outcome::Refused { reason: format!("{}: {}", change.update.server, update_word(code)) }),
        }
    }

    /// What stands there at the server that takes the change.
    async fn standing(&self, change: &Change<'_>, deadline: Deadline) -> Result<Found, Outcome> {
        let name = change.name.to_utf8();
        let asked = addresses(&change.update.server, &name, ServerKind::Authoritative);
        let Ok(found) = tokio::time::timeout(deadline.left(), asked).await else {
            return Err(Outcome::NotSent { reason: "its time was over before it could be sent".to_owned() });
        };
        match found {
            Ok(found) => Ok(found),
            Err(error) if error.no_such_name() => Ok(Found { addresses: BTreeSet::new(), ttl: 0, alias: false }),
            Err(error) => {
                let reason = format!("what stands there cannot be seen: {}: {error}", change.update.server);
                Err(Outcome::NotSent { reason })
            }
        }
    }
}

fn stands_otherwise(change: &Change<'_>, found: &BTreeSet<IpAddr>) -> Outcome {
    let reason = format!("{} has {}, and {} was expected", change.name, list(found), list(&change.expected));
    Outcome::Refused { reason }
}

/// The update (RFC 2136 sections 2.4 and 2.5): for each family the prerequisite that exactly the expected set is there
/// or none, and where it changes, the old set deleted and the new one added.
fn message(change: &Change<'_>) -> Message {
    let mut message = Message::query();
    message.metadata.op_code = OpCode::Update;
    message.metadata.recursion_desired = false;
    message.add_query(Query::query(change.zone.clone(), RecordType::SOA));
    for family in FAMILIES {
        let of = |set: &BTreeSet<IpAddr>| -> Vec<IpAddr> {
            set.iter().copied().filter(|address| address.is_ipv4() == (family == RecordType::A)).collect()
        };
        let (expected, wanted) = (of(&change.expected), of(&change.wanted));
        if expected.is_empty() {
            let mut absent = Record::update0(change.name.clone(), 0, family);
            absent.dns_class = DNSClass::NONE;
            message.add_answer(absent);
        }
        for address in &expected {
            message.add_answer(Record::from_rdata(change.name.clone(), 0, data(*address)));
        }
        if expected == wanted {
            continue;
        }
        let mut delete = Record::update0(change.name.clone(), 0, family);
        delete.dns_class = DNSClass::ANY;
        message.add_authority(delete);
        for address in wanted {
            message.add_authority(Record::from_rdata(change.name.clone(), change.ttl, data(address)));
        }
    }
    message
}

fn data(address: IpAddr) -> RData {
    match address {
        IpAddr::V4(address) => RData::A(A(address)),
        IpAddr::V6(address) => RData::AAAA(AAAA(address)),
    }
}

/// What the server's answer is worth. Only a signed one tells what became of the update; the exception are refusals of
/// the key itself, which RFC 8945 section 5.3.2 lets come unsigned, and which can only be met by an update not taken.
fn verdict(verifier: &mut TSigVerifier, answer: &Answer) -> Result<ResponseCode, Outcome> {
    let message = &answer.message;
    let key_error = message.signature().and_then(|record| record.data.error);
    if let Some(error) = key_error
        && message.response_code == ResponseCode::NotAuth
    {
        let text = match error {
            TsigError::BadKey => "BADKEY, the server does not know the key",
            TsigError::BadSig => "BADSIG, the server has another key of that name",
            TsigError::BadTime => "BADTIME, the clocks differ by more than five minutes",
            TsigError::BadTrunc => "BADTRUNC, the signature is too short for the server",
            TsigError::Unknown(_) => "NOTAUTH, the server does not accept the signature",
        };
        return Err(Outcome::Refused { reason: text.to_owned() });
    }
    verifier.verify(&answer.bytes).map_err(|error| {
        let code = update_word(message.response_code);
        Outcome::Unknown {
            reason: format!("the update was sent; the answer ({code}) is not signed as it must be: {error}"),
        }
    })?;
    Ok(message.response_code)
}

fn update_word(code: ResponseCode) -> String {
    match code {
        ResponseCode::NoError => "NOERROR".to_owned(),
        ResponseCode::NotAuth => "NOTAUTH, it is not the zone's server, or the key may not do that".to_owned(),
        ResponseCode::NotZone => "NOTZONE, the name is not in the zone".to_owned(),
        ResponseCode::NXRRSet => "NXRRSET, what was expected is not there".to_owned(),
        ResponseCode::YXRRSet => "YXRRSET, something is there".to_owned(),
        other => word(other),
    }
}

fn list(addresses: &BTreeSet<IpAddr>) -> String {
    if addresses.is_empty() {
        return "no address".to_owned();
    }
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
