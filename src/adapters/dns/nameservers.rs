//! The zone's name servers, found by its NS records where the configuration names none.
//!
//! All of them must be asked: while one still serves the old address, the change has not arrived, and the primary alone
//! would not tell. The records are input from outside: names and counts are bounded, and what cannot be asked is said
//! as an answer without content, so that it is named among the servers that are silent.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::exchange;
use super::resolve::{LIMIT, fqdn, question, read, word};
use crate::domain::dns::{DnsAnswer, ServerKind};
use crate::domain::endpoints::DnsEndpoints;
use crate::domain::freshness::ErrorKind;
use crate::domain::text::clean_to;
use crate::domain::units::age;

/// Name servers of a zone that are asked. The root has 13, large zones up to eight.
const NAMES_MAX: usize = 16;

/// Addresses of one of them that are asked: usually one of each family.
const ADDRESSES_MAX: usize = 4;

/// How long a list that was found is used before it is asked for anew.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// Longest that finding them takes: asking for the records, then for addresses, here and at the system's resolver.
const FIND_MAX: Duration = Duration::from_secs(5);

/// Port of a name server whose port is not told: NS records have none.
const PORT: u16 = 53;

/// Which authoritative servers are asked: the configured ones, or those that were found last.
#[derive(Debug, Default)]
pub(super) struct NameServers {
    found: Option<Found>,
    /// Why the last try to find them failed.
    failure: Option<Failure>,
}

#[derive(Debug)]
struct Found {
    /// What is asked, `address:port`.
    servers: Vec<String>,
    /// Servers that there are and that cannot be asked: name, and why.
    out_of_reach: Vec<(String, String)>,
    at: Instant,
}

#[derive(Debug)]
struct Failure {
    /// Who was asked.
    server: String,
    text: String,
    kind: ErrorKind,
}

/// An answer that stands for servers that could not be asked, with the kind of its failure.
pub(super) type Gap = (DnsAnswer, Option<ErrorKind>);

impl NameServers {
    /// They were never found, and have to be before anything can be asked.
    pub(super) fn missing(&self) -> bool {
        self.found.is_none()
    }

    /// Finds them where the configuration names none and what is known is missing or old. A list that was found is kept
    /// when that fails.
    pub(super) async fn refresh(&mut self, endpoints: &DnsEndpoints) {
        let fresh = self.found.as_ref().is_some_and(|found| found.at.elapsed() < FRESH) && self.failure.is_none();
        if fresh || !endpoints.authoritative.is_empty() {
            return;
        }
        match find_anywhere(endpoints).await {
            Some(Ok(found)) => *self = NameServers { found: Some(found), failure: None },
            Some(Err(failure)) => self.failure = Some(failure),
            None => {}
        }
    }

    /// The authoritative servers to ask now.
    pub(super) fn servers(&self, endpoints: &DnsEndpoints) -> Vec<String> {
        if !endpoints.authoritative.is_empty() {
            return endpoints.authoritative.clone();
        }
        let known = self.found.as_ref().map(|found| found.servers.clone());
        // The primary is asked, whatever else is not known.
        known.unwrap_or_else(|| endpoints.primary.iter().cloned().collect())
    }

    /// Why it is not known which servers there are. None: they are configured, or were found.
    pub(super) fn unlisted(&self, endpoints: &DnsEndpoints) -> Option<String> {
        let failure = self.failure.as_ref().filter(|_| endpoints.authoritative.is_empty() && self.found.is_none())?;
        Some(clean_to(&format!("{}: {}", failure.server, failure.text), 120))
    }

    /// What cannot be asked, said as answers without content.
    pub(super) fn gaps(&self, endpoints: &DnsEndpoints) -> Vec<Gap> {
        if !endpoints.authoritative.is_empty() {
            return Vec::new();
        }
        let failed = self.failure.iter().map(|failure| {
            let known = match &self.found {
                Some(found) => format!("those of {} ago are asked", age(found.at.elapsed())),
                None => "not all are asked".to_owned(),
            };
            let server = clean_to(&format!("NS {}", endpoints.zone), 64);
            gap(server, &format!("{}: {}; {known}", failure.server, failure.text), failure.kind)
        });
        let unknown = self.found.iter().flat_map(|found| &found.out_of_reach);
        failed.chain(unknown.map(|(name, why)| gap(name.clone(), why, ErrorKind::Name))).collect()
    }
}

fn gap(server: String, why: &str, kind: ErrorKind) -> Gap {
    let result = Err(clean_to(why, 120));
    (DnsAnswer { server, kind: ServerKind::Authoritative, result, serial: None }, Some(kind))
}

/// Asks the primary; without one, the resolvers in turn. None: there is nobody to ask.
async fn find_anywhere(endpoints: &DnsEndpoints) -> Option<Result<Found, Failure>> {
    if let Some(primary) = &endpoints.primary {
        return Some(find(endpoints, primary, ServerKind::Authoritative).await);
    }
    let mut last = None;
    for resolver in &endpoints.resolvers {
        last = Some(find(endpoints, resolver, ServerKind::Resolver).await);
        if matches!(last, Some(Ok(_))) {
            break;
        }
    }
    last
}

async fn find(endpoints: &DnsEndpoints, server: &str, kind: ServerKind) -> Result<Found, Failure> {
    let failed = |(kind, text): (ErrorKind, String)| Failure { server: server.to_owned(), text, kind };
    match timeout(FIND_MAX, find_at(endpoints, server, kind)).await {
        Ok(found) => found.map_err(failed),
        Err(_) => Err(failed((ErrorKind::Timeout, format!("no list in {} s", FIND_MAX.as_secs())))),
    }
}

async fn find_at(endpoints: &DnsEndpoints, server: &str, kind: ServerKind) -> Result<Found, (ErrorKind, String)> {
    let zone = fqdn(&endpoints.zone).map_err(|error| (ErrorKind::NotConfigured, format!("the zone: {error}")))?;
    let recurse = kind == ServerKind::Resolver;
    let asked = question(server, &zone, RecordType::NS, recurse).await;
    let message = asked.map_err(|error| (error.kind(), error.to_string()))?;
    if message.response_code != ResponseCode::NoError {
        return Err((ErrorKind::Protocol, word(message.response_code)));
    }
    if !recurse && !message.authoritative {
        return Err((ErrorKind::Protocol, "answers without authority for the zone".to_owned()));
    }
    let delegation = Delegation::read(&zone, &message);
    if delegation.names.is_empty() {
        return Err((ErrorKind::Protocol, format!("no NS records of {} there: is it the zone?", endpoints.zone)));
    }
    let primary = match kind {
        ServerKind::Authoritative => exchange::address(server, LIMIT).await.ok(),
        ServerKind::Resolver => None,
    };
    // A primary on a port of its own says that this whole set-up has one.
    let port = primary.map_or(PORT, |primary| primary.port());
    let resolved = delegation.names.iter().map(|(name, glue)| locate(server, recurse, name, glue, port));
    let resolved = join_all(resolved).await;
    let mut found = Found { servers: Vec::new(), out_of_reach: Vec::new(), at: Instant::now() };
    let mut seen: BTreeSet<SocketAddr> = primary.into_iter().collect();
    // The primary takes the change and is asked even where it is hidden, under the name that it is configured by.
    found.servers.extend(primary.map(|_| server.to_owned()));
    for (name, located) in delegation.names.keys().zip(resolved) {
        match located {
            Ok(addresses) => {
                let new = addresses.into_iter().filter(|address| seen.insert(*address));
                found.servers.extend(new.map(|address| address.to_string()));
            }
            Err(why) => found.out_of_reach.push((clean_to(&name.to_ascii(), 64), why)),
        }
    }
    if delegation.more > 0 {
        let why = format!("{} more name servers are not asked; set dns.servers", delegation.more);
        found.out_of_reach.push((clean_to(&format!("NS {}", endpoints.zone), 64), why));
    }
    Ok(found)
}

/// The zone's NS records as one answer gives them.
#[derive(Debug, PartialEq, Eq)]
struct Delegation {
    /// Name servers, with the addresses that came along.
    names: BTreeMap<Name, BTreeSet<IpAddr>>,
    /// Name servers beyond the bound.
    more: usize,
}

impl Delegation {
    fn read(zone: &Name, message: &Message) -> Delegation {
        let names: BTreeSet<Name> = message
            .answers
            .iter()
            .filter(|record| record.name == *zone)
            .filter_map(|record| match &record.data {
                RData::NS(server) => Some(server.0.to_lowercase()),
                _ => None,
            })
            .collect();
        let more = names.len().saturating_sub(NAMES_MAX);
        let glue = |name: &Name| -> BTreeSet<IpAddr> {
            let of = message.additionals.iter().filter(|record| record.name == *name);
            of.filter_map(|record| match &record.data {
                RData::A(address) => Some(IpAddr::V4(address.0)),
                RData::AAAA(address) => Some(IpAddr::V6(address.0)),
                _ => None,
            })
            .collect()
        };
        let names = names.into_iter().take(NAMES_MAX).map(|name| (name.clone(), glue(&name))).collect();
        Delegation { names, more }
    }
}

/// Addresses of a name server: those that came along, else what the same server says, else the system's resolver.
async fn locate(
    server: &str,
    recurse: bool,
    name: &Name,
    glue: &BTreeSet<IpAddr>,
    port: u16,
) -> Result<Vec<SocketAddr>, String> {
    let mut addresses = glue.clone();
    if addresses.is_empty() {
        let ask = async |record| match question(server, name, record, recurse).await {
            Ok(message) if message.response_code == ResponseCode::NoError => read(name, &message).addresses,
            _ => BTreeSet::new(),
        };
        let (four, six) = tokio::join!(ask(RecordType::A), ask(RecordType::AAAA));
        addresses = four.into_iter().chain(six).collect();
    }
    if addresses.is_empty()
        && let Ok(Ok(found)) = timeout(LIMIT, tokio::net::lookup_host((name.to_ascii(), port))).await
    {
        addresses = found.map(|address| address.ip()).collect();
    }
    let addresses: Vec<SocketAddr> = addresses
        .into_iter()
        .filter(|address| !address.is_unspecified() && !address.is_multicast())
        .take(ADDRESSES_MAX)
        .map(|address| SocketAddr::new(address, port))
        .collect();
    if addresses.is_empty() {
        return Err("a name server of the zone without an address".to_owned());
    }
    Ok(reachable(addresses).await)
}

/// Leaves out the family that this machine has no way for, if the other one is there: it is the same server.
async fn reachable(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let mut ways = Vec::new();
    for address in &addresses {
        if has_way(*address).await {
            ways.push(*address);
        }
    }
    // Without any way they are asked all the same, which says why there is no answer.
    if ways.is_empty() { addresses } else { ways }
}

/// Connecting a datagram socket sends nothing and fails where no route leads.
async fn has_way(to: SocketAddr) -> bool {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    match UdpSocket::bind((any, 0)).await {
        Ok(socket) => socket.connect(to).await.is_ok(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::Record;
    use hickory_proto::rr::rdata::{A, NS};

    fn name(text: &str) -> Name {
        fqdn(text).unwrap()
    }

    fn ns(zone: &str, server: &str) -> Record {
        Record::from_rdata(name(zone), 60, RData::NS(NS(name(server))))
    }

    #[test]
    fn only_the_zones_own_records_count_and_only_their_glue() {
        let mut message = Message::query();
        message.answers = vec![ns("x.test", "NS1.x.test"), ns("x.test", "ns1.x.test"), ns("other.test", "ns2.x.test")];
        let glue = |owner: &str, last| Record::from_rdata(name(owner), 60, RData::A(A::new(192, 0, 2, last)));
        message.additionals = vec![glue("Ns1.x.test", 1), glue("ns2.x.test", 2)];
        let read = Delegation::read(&name("X.test"), &message);
        let glue = BTreeSet::from([IpAddr::from([192, 0, 2, 1])]);
        assert_eq!(read, Delegation { names: BTreeMap::from([(name("ns1.x.test"), glue)]), more: 0 });
    }

    #[test]
    fn their_number_is_bounded_and_the_rest_is_not_forgotten() {
        let mut message = Message::query();
        message.answers = (0..500).map(|i| ns("x.test", &format!("ns{i}.x.test"))).collect();
        let read = Delegation::read(&name("x.test"), &message);
        assert_eq!((read.names.len(), read.more), (NAMES_MAX, 500 - NAMES_MAX));
    }

    #[tokio::test]
    async fn addresses_that_are_none_of_a_server_are_not_asked() {
        let glue = |text: &[&str]| text.iter().map(|text| text.parse().unwrap()).collect::<BTreeSet<IpAddr>>();
        for (text, wanted) in [
            (&["0.0.0.0", "::", "224.0.0.251", "ff02::1"][..], None),
            (&["127.0.0.1", "0.0.0.0"][..], Some("127.0.0.1:5353")),
        ] {
            let located = locate("127.0.0.1:9", false, &name("ns.x.test"), &glue(text), 5353).await;
            let wanted = wanted.map(|text| vec![text.parse().unwrap()]);
            assert_eq!(located.ok(), wanted, "{text:?}");
        }
    }

    #[test]
    fn a_list_that_is_kept_says_so() {
        let endpoints = DnsEndpoints {
            name: "w.x.test".to_owned(),
            zone: "x.test".to_owned(),
            authoritative: Vec::new(),
            primary: Some("192.0.2.1:53".to_owned()),
            resolvers: Vec::new(),
            update: None,
        };
        let mut known = NameServers::default();
        assert_eq!(known.servers(&endpoints), ["192.0.2.1:53"], "nothing is known yet");
        let failure =
            Failure { server: "192.0.2.1:53".to_owned(), text: "no answer".to_owned(), kind: ErrorKind::Timeout };
        known.failure = Some(failure);
        let text = |known: &NameServers| known.gaps(&endpoints)[0].0.result.clone().unwrap_err();
        assert!(text(&known).contains("not all are asked"), "{}", text(&known));
        let servers = vec!["192.0.2.1:53".to_owned(), "192.0.2.2:53".to_owned()];
        known.found = Some(Found { servers: servers.clone(), out_of_reach: Vec::new(), at: Instant::now() });
        assert_eq!(known.servers(&endpoints), servers);
        assert!(text(&known).contains("ago are asked"), "{}", text(&known));
        let configured = DnsEndpoints { authoritative: vec!["192.0.2.9:53".to_owned()], ..endpoints.clone() };
        assert_eq!((known.servers(&configured), known.gaps(&configured).len()), (configured.authoritative.clone(), 0));
    }
}
