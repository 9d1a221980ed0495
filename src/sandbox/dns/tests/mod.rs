//! Two kinds: what the service does by itself (no sockets, no waiting), and a conversation over sockets that is held
//! with BIND too where it is installed, so that what is claimed about the protocol is not our own opinion.

mod conversation;
mod service;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, NS, SOA, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, TSigVerifier, TSigner};

use super::*;

const NAME: &str = "workflows.example.com.";

fn name(text: &str) -> Name {
    absolute(text).unwrap()
}

fn a(text: &str) -> RData {
    RData::A(A(text.parse().unwrap()))
}

fn query(of: &str, kind: RecordType) -> Message {
    let mut message = Message::new(4711, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(name(of), kind));
    message
}

/// A prerequisite or an update: class and TTL are what gives it its meaning.
fn rr(of: &str, class: DNSClass, ttl: u32, data: RData) -> Record {
    let mut record = Record::from_rdata(name(of), ttl, data);
    record.dns_class = class;
    record
}

fn update(zone: &str, prerequisites: Vec<Record>, updates: Vec<Record>) -> Message {
    let mut message = Message::new(4712, MessageType::Query, OpCode::Update);
    message.add_query(Query::query(name(zone), RecordType::SOA));
    message.add_answers(prerequisites);
    message.add_authorities(updates);
    message
}

/// The update that a failover sends: only if the name still has `old`, replace it by `new`.
fn swap(old: &str, new: &str) -> Message {
    let all = RData::Update0(RecordType::A);
    update(
        "example.com",
        vec![rr(NAME, DNSClass::IN, 0, a(old))],
        vec![rr(NAME, DNSClass::ANY, 0, all), rr(NAME, DNSClass::IN, 60, a(new))],
    )
}

fn sign(mut message: Message, signer: &TSigner, unix: u64) -> (Vec<u8>, TSigVerifier) {
    let verifier = message.finalize(signer, unix).unwrap().unwrap();
    (message.to_vec().unwrap(), verifier)
}

/// What matters of a reply, in one line.
fn line(reply: &Message) -> String {
    let show = |records: &[Record]| {
        let mut shown: Vec<String> = records
            .iter()
            .map(|record| match &record.data {
                // The serial is told apart by the tests that look at it; names of people and timers are set-up.
                RData::SOA(soa) => format!("SOA {} ttl {}", soa.serial, record.ttl),
                data => format!("{} {data} ttl {}", record.record_type(), record.ttl),
            })
            .collect();
        shown.sort();
        shown.join(", ")
    };
    let code = match reply.response_code {
        ResponseCode::NoError => "ok",
        ResponseCode::FormErr => "FORMERR",
        ResponseCode::NXDomain => "NXDOMAIN",
        ResponseCode::NotImp => "NOTIMP",
        ResponseCode::Refused => "REFUSED",
        ResponseCode::YXDomain => "YXDOMAIN",
        ResponseCode::YXRRSet => "YXRRSET",
        ResponseCode::NXRRSet => "NXRRSET",
        ResponseCode::NotAuth => "NOTAUTH",
        ResponseCode::NotZone => "NOTZONE",
        // 16 has two names (RFC 6891, RFC 8945); without a TSIG error it is this one.
        code if u16::from(code) == 16 => "BADVERS",
        _ => "?",
    };
    let mut line = code.to_owned();
    if reply.authoritative {
        line.push_str(" aa");
    }
    if !reply.answers.is_empty() {
        line.push_str(&format!(" [{}]", show(&reply.answers)));
    }
    // Name servers of the zone in the authority section are a courtesy that servers differ in.
    let authority: Vec<Record> =
        reply.authorities.iter().filter(|record| record.record_type() == RecordType::SOA).cloned().collect();
    if !authority.is_empty() && reply.op_code == OpCode::Query {
        line.push_str(&format!(" no: {}", show(&authority)));
    }
    if let Some(error) = reply.signature().and_then(|tsig| tsig.data.error) {
        line.push_str(&format!(" {error:?}"));
    }
    line
}
