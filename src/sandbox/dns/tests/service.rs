//! The service without sockets.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::service::Transport;
use super::*;

const UNIX: u64 = 1_800_000_000;

struct Bench {
    service: Service,
    signer: TSigner,
    start: Instant,
}

impl Bench {
    fn new() -> Self {
        let signer = TsigKey::new("leeward", Some(b"secret".to_vec())).unwrap().signer().unwrap();
        let mut zone = Zone::new(name("example.com"), 2, 60).unwrap();
        zone.set_addresses(&name(NAME), 60, &["192.0.2.10".parse().unwrap()]);
        Self { service: Service::new(zone, 2, signer.clone()), signer, start: Instant::now() }
    }

    fn ask(&mut self, server: usize, message: &Message, after: Duration) -> Option<Message> {
        let bytes = message.to_vec().unwrap();
        let reply = self.service.handle(server, &bytes, Transport::Udp, self.start + after, UNIX)?;
        Some(Message::from_vec(&reply).unwrap())
    }

    /// The reply to a signed message, after its own signature has been verified.
    fn signed(&mut self, server: usize, message: Message) -> String {
        let (bytes, mut verifier) = sign(message, &self.signer, UNIX);
        let reply = self.service.handle(server, &bytes, Transport::Udp, self.start, UNIX).unwrap();
        line(&verifier.verify(&reply).unwrap())
    }

    /// The address that a server shows so long after the start.
    fn shows(&mut self, server: usize, after: Duration) -> String {
        let reply = self.ask(server, &query(NAME, RecordType::A), after).unwrap();
        reply.answers.iter().map(|record| record.data.to_string()).collect::<Vec<_>>().join(" ")
    }
}

const NOW: Duration = Duration::ZERO;
const OLD: &str = "192.0.2.10";
const NEW: &str = "198.51.100.10";

#[test]
fn a_held_change_is_accepted_and_not_seen() {
    let mut bench = Bench::new();
    bench.service.set_publication(1, Publication::Held, bench.start);
    assert_eq!(bench.signed(0, swap(OLD, NEW)), "ok");
    assert_eq!((bench.shows(0, NOW), bench.shows(1, Duration::from_secs(9999))), (NEW.into(), OLD.into()));
    assert_eq!(bench.signed(0, swap(OLD, NEW)), "NXRRSET", "the prerequisite asks what was committed");
    bench.service.set_publication(1, Publication::AtOnce, bench.start);
    assert_eq!(bench.shows(1, NOW), NEW);
}

#[test]
fn a_late_change_is_seen_when_it_is_due_and_in_order() {
    let mut bench = Bench::new();
    for server in [0, 1] {
        bench.service.set_publication(server, Publication::After(Duration::from_secs(30)), bench.start);
    }
    assert_eq!(bench.signed(0, swap(OLD, NEW)), "ok");
    assert_eq!(bench.shows(0, Duration::from_secs(29)), OLD);
    assert_eq!(bench.shows(0, Duration::from_secs(30)), NEW);
    assert_eq!(bench.signed(0, swap(NEW, "203.0.113.1")), "ok");
    assert_eq!(bench.shows(1, Duration::from_secs(30)), "203.0.113.1", "both were due");
    // A rule that changes takes what is still on its way along.
    assert_eq!(bench.signed(0, swap("203.0.113.1", OLD)), "ok");
    bench.service.set_publication(1, Publication::Held, bench.start);
    assert_eq!(bench.shows(1, Duration::from_secs(99)), "203.0.113.1");
}

#[test]
fn silence_refusal_and_secondaries() {
    let mut bench = Bench::new();
    bench.service.set_silent(1, true);
    assert!(bench.ask(1, &query(NAME, RecordType::A), NOW).is_none());
    assert!(bench.ask(0, &query(NAME, RecordType::A), NOW).is_some());
    bench.service.set_silent(1, false);
    assert_eq!(bench.signed(1, swap(OLD, NEW)), "REFUSED", "a secondary takes no updates");
    bench.service.set_refuse_updates(true);
    assert_eq!(bench.signed(0, swap(OLD, NEW)), "REFUSED");
    bench.service.set_refuse_updates(false);
    assert_eq!((bench.signed(0, swap(OLD, NEW)).as_str(), bench.service.updates()), ("ok", 1));
    assert!(bench.ask(7, &query(NAME, RecordType::A), NOW).is_none());
}

#[test]
fn an_answer_that_does_not_fit_a_datagram_is_cut() {
    let mut bench = Bench::new();
    let texts = (0..40).map(|n| rr(NAME, DNSClass::IN, 60, RData::TXT(TXT::new(vec![format!("{n:0>40}")]))));
    assert_eq!(bench.signed(0, update("example.com", vec![], texts.collect())), "ok");
    let cut = bench.ask(0, &query(NAME, RecordType::TXT), NOW).unwrap();
    assert!(cut.truncation && cut.answers.is_empty() && cut.queries.len() == 1);
    let bytes = query(NAME, RecordType::TXT).to_vec().unwrap();
    let whole = bench.service.handle(0, &bytes, Transport::Tcp, bench.start, UNIX).unwrap();
    assert_eq!(Message::from_vec(&whole).unwrap().answers.len(), 40);
}

#[test]
fn a_zone_does_not_grow_without_bound() {
    let mut bench = Bench::new();
    let many = |from: usize| {
        (0..300).map(move |n| rr(&format!("n{}.example.com", from + n), DNSClass::IN, 60, a("192.0.2.1"))).collect()
    };
    for from in [0, 300, 600] {
        let bytes = sign(update("example.com", vec![], many(from)), &bench.signer, UNIX).0;
        let reply = bench.service.handle(0, &bytes, Transport::Tcp, bench.start, UNIX).unwrap();
        assert_eq!(Message::from_vec(&reply).unwrap().response_code, ResponseCode::NoError);
    }
    assert_eq!(bench.signed(0, update("example.com", vec![], many(900))), "REFUSED");
}

#[test]
fn answers_and_broken_messages() {
    let mut bench = Bench::new();
    let mut answer = query(NAME, RecordType::A);
    answer.metadata.message_type = MessageType::Response;
    assert!(bench.ask(0, &answer, NOW).is_none(), "no answer to an answer");
    let mut short = query(NAME, RecordType::A).to_vec().unwrap();
    short.truncate(20);
    let reply = bench.service.handle(0, &short, Transport::Udp, bench.start, UNIX).unwrap();
    let reply = Message::from_vec(&reply).unwrap();
    assert_eq!((reply.id, reply.response_code), (4711, ResponseCode::FormErr));
    short.truncate(11);
    assert!(bench.service.handle(0, &short, Transport::Udp, bench.start, UNIX).is_none());
}

#[test]
fn aliases_are_followed_and_loops_end() {
    let mut bench = Bench::new();
    let alias = |of: &str, to: &str| rr(of, DNSClass::IN, 60, RData::CNAME(CNAME(name(to))));
    let updates = vec![
        alias("www.example.com", NAME),
        alias("out.example.com", "other.org"),
        alias("dead.example.com", "nothing.example.com"),
        alias("x.example.com", "y.example.com"),
        alias("y.example.com", "x.example.com"),
    ];
    assert_eq!(bench.signed(0, update("example.com", vec![], updates)), "ok");
    let mut ask = |of: &str| line(&bench.ask(0, &query(of, RecordType::A), NOW).unwrap());
    assert_eq!(ask("www.example.com"), "ok aa [A 192.0.2.10 ttl 60, CNAME workflows.example.com. ttl 60]");
    assert_eq!(ask("out.example.com"), "ok aa [CNAME other.org. ttl 60]");
    assert_eq!(ask("dead.example.com"), "NXDOMAIN aa [CNAME nothing.example.com. ttl 60] no: SOA 2 ttl 60");
    assert!(ask("x.example.com").starts_with("ok aa [CNAME"));
}

#[test]
fn serials_go_round() {
    let mut zone = Zone::new(name("example.com"), 1, 60).unwrap();
    for (now, next) in [(1, 2), (u32::MAX - 1, u32::MAX), (u32::MAX, 1)] {
        zone.add(Record::from_rdata(name("example.com"), 60, RData::SOA(soa(now))));
        zone.bump();
        assert_eq!(zone.serial(), next);
    }
}

#[test]
fn a_given_start_of_authority_only_moves_forward() {
    let mut bench = Bench::new();
    let set =
        |serial| update("example.com", vec![], vec![rr("example.com", DNSClass::IN, 60, RData::SOA(soa(serial)))]);
    for (given, want) in [(100, 100), (99, 100), (100, 100), (u32::MAX, 100), (101, 101)] {
        assert_eq!(bench.signed(0, set(given)), "ok");
        assert_eq!(bench.service.committed().serial(), want, "given {given}");
    }
}

fn soa(serial: u32) -> SOA {
    SOA::new(name("ns1.example.com"), name("hostmaster.example.com"), serial, 3600, 600, 86_400, 60)
}

proptest! {
    #[test]
    fn no_bytes_bring_it_down(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bench = Bench::new();
        bench.service.handle(0, &bytes, Transport::Udp, bench.start, UNIX);
    }

    /// Nearer to the real thing: a good message with some bytes changed changes nothing in the zone.
    #[test]
    fn a_signed_update_with_a_wrong_byte_does_nothing(at in 2_usize..140, wrong in 1_u8..) {
        let mut bench = Bench::new();
        let before = bench.service.committed().clone();
        let mut bytes = sign(swap(OLD, NEW), &bench.signer, UNIX).0;
        let at = at % bytes.len();
        prop_assume!(at >= 2); // the message number may change on the way (RFC 8945 §4.2)
        bytes[at] ^= wrong;
        bench.service.handle(0, &bytes, Transport::Udp, bench.start, UNIX);
        // The key's name compares without case, so this change may be none.
        let same_name = wrong == 0x20;
        prop_assert!(same_name || *bench.service.committed() == before);
    }
}
