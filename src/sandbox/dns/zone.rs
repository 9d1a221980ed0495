//! One zone's records. Pure. No wildcards, no delegations below the apex, no DNSSEC: the name that a failover changes
//! needs none of them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use hickory_proto::rr::rdata::{A, AAAA, NS, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::DnsError;

/// Records in a zone; an update that would pass it is refused.
pub const MAX_RECORDS: usize = 1000;

/// Records by owner and type. Names compare without case, in canonical order.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    origin: Name,
    sets: BTreeMap<(Name, RecordType), Vec<Record>>,
}

impl Zone {
    /// A zone with SOA, so many name servers `ns1`, `ns2` … on 127.0.0.1, and nothing else.
    pub fn new(origin: Name, servers: usize, ttl: u32) -> Result<Self, DnsError> {
        let below = |label: &str| origin.prepend_label(label).map_err(|error| DnsError::Name(error.to_string()));
        let mut zone = Self { origin: origin.clone(), sets: BTreeMap::new() };
        let soa = SOA::new(below("ns1")?, below("hostmaster")?, 1, 3600, 600, 86_400, ttl);
        zone.add(Record::from_rdata(origin.clone(), ttl, RData::SOA(soa)));
        for number in 1..=servers {
            let name = below(&format!("ns{number}"))?;
            zone.add(Record::from_rdata(origin.clone(), ttl, RData::NS(NS(name.clone()))));
            zone.add(Record::from_rdata(name, ttl, RData::A(A(Ipv4Addr::LOCALHOST))));
        }
        Ok(zone)
    }

    /// The zone's name.
    pub fn origin(&self) -> &Name {
        &self.origin
    }

    /// True for the origin and everything below it.
    pub fn covers(&self, name: &Name) -> bool {
        self.origin.zone_of(name)
    }

    /// The records of one owner and type; empty when there are none.
    pub fn set(&self, name: &Name, of: RecordType) -> &[Record] {
        self.sets.get(&(name.clone(), of)).map_or(&[], Vec::as_slice)
    }

    /// All records of an owner.
    pub fn at(&self, name: &Name) -> impl Iterator<Item = &Record> {
        self.sets.iter().filter(move |((owner, _), _)| owner == name).flat_map(|(_, records)| records)
    }

    /// True if the owner has records of its own.
    pub fn in_use(&self, name: &Name) -> bool {
        self.at(name).next().is_some()
    }

    /// True if the name has records or stands above one that has (an empty non-terminal exists, RFC 8020).
    pub fn exists(&self, name: &Name) -> bool {
        self.sets.keys().any(|(owner, _)| name.zone_of(owner))
    }

    /// The start of authority; a zone always has one.
    pub fn soa(&self) -> Option<(&Record, &SOA)> {
        self.set(&self.origin, RecordType::SOA).iter().find_map(|record| match &record.data {
            RData::SOA(soa) => Some((record, soa)),
            _ => None,
        })
    }

    /// Its serial number.
    pub fn serial(&self) -> u32 {
        self.soa().map_or(0, |(_, soa)| soa.serial)
    }

    /// Counts the serial up, past zero at its end (RFC 1982; zero is avoided as RFC 2136 §3.6 advises).
    pub fn bump(&mut self) {
        let key = (self.origin.clone(), RecordType::SOA);
        for record in self.sets.get_mut(&key).into_iter().flatten() {
            if let RData::SOA(soa) = &mut record.data {
                soa.serial = soa.serial.wrapping_add(1).max(1);
            }
        }
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.sets.values().map(Vec::len).sum()
    }

    /// Adds a record. The same data is not added twice; the whole set takes the newest TTL (RFC 2181 §5.2). SOA and
    /// CNAME replace what was there, since there can be one only.
    pub fn add(&mut self, record: Record) {
        let of = record.record_type();
        let set = self.sets.entry((record.name.clone(), of)).or_default();
        if matches!(of, RecordType::SOA | RecordType::CNAME) {
            set.clear();
        }
        set.iter_mut().for_each(|old| old.ttl = record.ttl);
        if !set.iter().any(|old| old.data == record.data) {
            set.push(record);
        }
    }

    /// Removes the records of an owner and type for which `gone` holds.
    pub fn remove(&mut self, name: &Name, of: RecordType, gone: impl Fn(&Record) -> bool) {
        let key = (name.clone(), of);
        if let Some(set) = self.sets.get_mut(&key) {
            set.retain(|record| !gone(record));
            if set.is_empty() {
                self.sets.remove(&key);
            }
        }
    }

    /// The types that an owner has.
    pub fn types(&self, name: &Name) -> Vec<RecordType> {
        self.sets.keys().filter(|(owner, _)| owner == name).map(|(_, of)| *of).collect()
    }

    /// TTLs of all records in the order of the records.
    pub fn ttls(&self) -> impl Iterator<Item = u32> {
        self.sets.values().flatten().map(|record| record.ttl)
    }

    /// The addresses of a name, sorted.
    pub fn addresses(&self, name: &Name) -> Vec<IpAddr> {
        let mut addresses: Vec<IpAddr> = self.at(name).filter_map(|record| record.data.ip_addr()).collect();
        addresses.sort_unstable();
        addresses
    }

    /// Gives a name these addresses and no others.
    pub fn set_addresses(&mut self, name: &Name, ttl: u32, addresses: &[IpAddr]) {
        for of in [RecordType::A, RecordType::AAAA] {
            self.remove(name, of, |_| true);
        }
        for address in addresses {
            let data = match address {
                IpAddr::V4(v4) => RData::A(A(*v4)),
                IpAddr::V6(v6) => RData::AAAA(AAAA(*v6)),
            };
            self.add(Record::from_rdata(name.clone(), ttl, data));
        }
    }
}

/// A name with its final dot, whether it was written or not.
pub fn absolute(name: &str) -> Result<Name, DnsError> {
    let mut name = Name::from_ascii(name).map_err(|_| DnsError::Name(name.to_owned()))?;
    name.set_fqdn(true);
    Ok(name)
}
