//! Answers to queries, as an authoritative server that does not recurse gives them. Pure.

use hickory_proto::op::{Message, Metadata, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::zone::Zone;

/// Aliases followed within the zone; more is a loop.
const MAX_ALIASES: usize = 8;

/// An empty answer to a request: same number, same question, nothing decided.
pub fn reply_to(request: &Message, code: ResponseCode) -> Message {
    let mut reply = Message::response(request.id, request.op_code);
    reply.metadata = Metadata::response_from_request(&request.metadata);
    reply.metadata.response_code = code;
    reply.add_queries(request.queries.iter().cloned());
    reply
}

/// Answers a query out of the zone.
pub fn answer(zone: &Zone, request: &Message) -> Message {
    let [question] = request.queries.as_slice() else { return reply_to(request, ResponseCode::FormErr) };
    let class = question.query_class();
    if !(class == DNSClass::IN || class == DNSClass::ANY) || !zone.covers(question.name()) {
        return reply_to(request, ResponseCode::Refused);
    }
    // Copies of a zone are made in process; nobody may take one over the wire.
    if matches!(question.query_type(), RecordType::AXFR | RecordType::IXFR) {
        return reply_to(request, ResponseCode::Refused);
    }
    let mut reply = reply_to(request, ResponseCode::NoError);
    reply.metadata.authoritative = true;
    let owner = follow(zone, question, &mut reply);
    let found = records(zone, &owner, question.query_type());
    if found.is_empty() {
        if !zone.exists(&owner) && zone.covers(&owner) {
            reply.metadata.response_code = ResponseCode::NXDomain;
        }
        if zone.covers(&owner) && (reply.answers.is_empty() || question.query_type() != RecordType::CNAME) {
            reply.add_authorities(negative(zone));
        }
    }
    reply.add_answers(found);
    reply
}

/// Adds the aliases on the way and returns the name at their end.
fn follow(zone: &Zone, question: &Query, reply: &mut Message) -> Name {
    let mut owner = question.name().clone();
    if matches!(question.query_type(), RecordType::CNAME | RecordType::ANY) {
        return owner;
    }
    for _ in 0..MAX_ALIASES {
        let Some(alias) = zone.set(&owner, RecordType::CNAME).first() else { break };
        reply.add_answer(alias.clone());
        match &alias.data {
            RData::CNAME(target) => owner = target.0.clone(),
            _ => break,
        }
    }
    owner
}

fn records(zone: &Zone, owner: &Name, of: RecordType) -> Vec<Record> {
    match of {
        RecordType::ANY => zone.at(owner).cloned().collect(),
        of => zone.set(owner, of).to_vec(),
    }
}

/// The SOA that says how long "no" may be believed: the lesser of its TTL and its minimum (RFC 2308 §5).
fn negative(zone: &Zone) -> Option<Record> {
    let (record, soa) = zone.soa()?;
    let mut record = record.clone();
    record.ttl = record.ttl.min(soa.minimum);
    Some(record)
}
