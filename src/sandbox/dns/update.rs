//! Dynamic update: what RFC 2136 §3 says a primary does with an UPDATE message, in its order. Pure: takes a zone, gives
//! a new one or a refusal.

use std::collections::BTreeMap;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::zone::{MAX_RECORDS, Zone};

/// §3.1: the one zone that the message is about, which must be ours.
pub fn check_zone(zone: &Zone, request: &Message) -> Result<(), ResponseCode> {
    match request.queries.as_slice() {
        [section] if section.query_type() != RecordType::SOA => Err(ResponseCode::FormErr),
        [section] if section.name() == zone.origin() && section.query_class() == DNSClass::IN => Ok(()),
        [_] => Err(ResponseCode::NotAuth),
        _ => Err(ResponseCode::FormErr),
    }
}

/// §3.2, §3.4 and §3.6, once the sender is known to be allowed. `None`: everything was as it should be already.
pub fn apply(zone: &Zone, request: &Message) -> Result<Option<Zone>, ResponseCode> {
    prerequisites(zone, &request.answers)?;
    for record in &request.authorities {
        prescan(zone, record)?;
    }
    let mut new = zone.clone();
    for record in &request.authorities {
        match record.dns_class {
            DNSClass::ANY => delete_set(&mut new, record),
            DNSClass::NONE => delete_record(&mut new, record),
            _ => add(&mut new, record),
        }
        if new.len() > MAX_RECORDS {
            return Err(ResponseCode::Refused);
        }
    }
    if same(&new, zone) {
        return Ok(None);
    }
    if new.serial() == zone.serial() {
        new.bump();
    }
    Ok(Some(new))
}

/// Equality of records leaves the TTL out (RFC 2136 §1.1.1), but a new TTL is a change to be served.
fn same(new: &Zone, old: &Zone) -> bool {
    new == old && new.ttls().eq(old.ttls())
}

/// §3.2: all must hold. The value-dependent ones are gathered by set first, since they speak of whole sets.
fn prerequisites(zone: &Zone, wanted: &[Record]) -> Result<(), ResponseCode> {
    let mut values: BTreeMap<(Name, RecordType), Vec<RData>> = BTreeMap::new();
    for record in wanted {
        if record.ttl != 0 {
            return Err(ResponseCode::FormErr);
        }
        if !zone.covers(&record.name) {
            return Err(ResponseCode::NotZone);
        }
        let (of, empty) = (record.record_type(), matches!(record.data, RData::Update0(_)));
        let any = of == RecordType::ANY;
        let there = if any { zone.in_use(&record.name) } else { !zone.set(&record.name, of).is_empty() };
        match record.dns_class {
            DNSClass::ANY | DNSClass::NONE if !empty => return Err(ResponseCode::FormErr),
            DNSClass::ANY if !there && any => return Err(ResponseCode::NXDomain),
            DNSClass::ANY if !there => return Err(ResponseCode::NXRRSet),
            DNSClass::NONE if there && any => return Err(ResponseCode::YXDomain),
            DNSClass::NONE if there => return Err(ResponseCode::YXRRSet),
            DNSClass::ANY | DNSClass::NONE => {}
            DNSClass::IN if !empty => {
                values.entry((record.name.clone(), of)).or_default().push(record.data.clone());
            }
            _ => return Err(ResponseCode::FormErr),
        }
    }
    for ((name, of), wanted) in &values {
        let set = zone.set(name, *of);
        let all_there = wanted.iter().all(|data| set.iter().any(|record| record.data == *data));
        let no_more = set.iter().all(|record| wanted.contains(&record.data));
        if set.is_empty() || !all_there || !no_more {
            return Err(ResponseCode::NXRRSet);
        }
    }
    Ok(())
}

/// §3.4.1: the whole section is looked through before anything changes.
fn prescan(zone: &Zone, record: &Record) -> Result<(), ResponseCode> {
    if !zone.covers(&record.name) {
        return Err(ResponseCode::NotZone);
    }
    let (of, empty) = (record.record_type(), matches!(record.data, RData::Update0(_)));
    // Question types and pseudo-records are no data: MAILB 253, MAILA 254, AXFR, IXFR, OPT, TSIG.
    let number = u16::from(of);
    let no_data = matches!(number, 41 | 249..=254);
    let any = of == RecordType::ANY;
    let good = match record.dns_class {
        DNSClass::IN => !any && !no_data && !empty,
        DNSClass::ANY => record.ttl == 0 && empty && !no_data,
        DNSClass::NONE => record.ttl == 0 && !any && !no_data,
        _ => false,
    };
    if good { Ok(()) } else { Err(ResponseCode::FormErr) }
}

/// §3.4.2.2: an alias stands alone, and a SOA only moves forward.
fn add(zone: &mut Zone, record: &Record) {
    let of = record.record_type();
    let types = zone.types(&record.name);
    let ignored = match of {
        RecordType::CNAME => types.iter().any(|there| *there != RecordType::CNAME),
        RecordType::SOA => match &record.data {
            // RFC 1982: newer means less than half the number circle ahead.
            RData::SOA(soa) => {
                record.name != *zone.origin() || soa.serial.wrapping_sub(zone.serial()).cast_signed() <= 0
            }
            _ => true,
        },
        _ => types.contains(&RecordType::CNAME),
    };
    if !ignored {
        zone.add(record.clone());
    }
}

/// §3.4.2.3: a set, or with type ANY all sets of a name; the apex keeps its SOA and NS.
fn delete_set(zone: &mut Zone, record: &Record) {
    let apex = record.name == *zone.origin();
    let types = match record.record_type() {
        RecordType::ANY => zone.types(&record.name),
        of => vec![of],
    };
    for of in types {
        if !(apex && matches!(of, RecordType::SOA | RecordType::NS)) {
            zone.remove(&record.name, of, |_| true);
        }
    }
}

/// §3.4.2.4: one record; never the SOA, never the last name server of the zone.
fn delete_record(zone: &mut Zone, record: &Record) {
    let of = record.record_type();
    let last_server =
        of == RecordType::NS && record.name == *zone.origin() && zone.set(&record.name, RecordType::NS).len() <= 1;
    if of != RecordType::SOA && !last_server {
        zone.remove(&record.name, of, |there| there.data == record.data);
    }
}
