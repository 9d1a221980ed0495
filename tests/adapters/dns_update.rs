//! Changes of the name at BIND, and what is said when they are not taken or nobody tells.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use leeward::adapters::dns::{Actuator, look};
use leeward::domain::effect::{Effect, Outcome, Previous};
use leeward::domain::endpoints::{DnsEndpoints, DnsUpdateEndpoint, TsigAlgorithm};
use tokio::net::UdpSocket;

use crate::named::{KEY, NAME, Named, endpoints, program, update};
use crate::support::SOON;

const OLD: &str = "192.0.2.10";
const NEW: &str = "198.51.100.10";

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn switch(server: SocketAddr, expected: &[&str], wanted: &[&str]) -> Effect {
    Effect::SwitchDns {
        name: NAME.to_owned(),
        expected: ips(expected),
        wanted: ips(wanted),
        ttl_seconds: 20,
        server: server.to_string(),
    }
}

fn with(update: DnsUpdateEndpoint) -> Actuator {
    Actuator::new(DnsEndpoints { update: Some(update), ..endpoints(&[]) })
}

fn refused(outcome: &Outcome, word: &str) {
    let Outcome::Refused { reason } = outcome else { panic!("{word}: {outcome:?}") };
    assert!(reason.contains(word), "{reason} lacks {word}");
}

#[tokio::test]
async fn the_name_is_changed_once_and_only_from_what_was_expected() {
    let Some(program) = program() else { return };
    let primary = Named::primary(&program).await;
    let held = Named::held_secondary(&program, primary.addr).await;
    let resolver = Named::resolver(&program, primary.addr).await;
    let at = primary.addr;
    let mut asked = endpoints(&[at, held.addr]);
    asked.resolvers = vec![resolver.addr.to_string()];
    let actuator = Actuator::new(asked.clone());
    assert!(look(&asked).await.everywhere(&ips(&[OLD])));

    refused(&actuator.perform(&switch(at, &["192.0.2.77"], &[NEW]), SOON).await, "192.0.2.77 was expected");
    refused(&actuator.perform(&switch(at, &[], &[NEW]), SOON).await, "no address was expected");
    let late = actuator.perform(&switch(at, &[OLD], &[NEW]), Duration::ZERO).await;
    assert!(matches!(late, Outcome::NotSent { .. }), "{late:?}");
    let none = actuator.perform(&switch(at, &[OLD], &[]), SOON).await;
    assert!(matches!(none, Outcome::NotSent { .. }), "{none:?}");
    assert!(look(&asked).await.everywhere(&ips(&[OLD])), "none of them changed it");

    let done = actuator.perform(&switch(at, &[OLD], &[NEW]), SOON).await;
    let before = Previous::Addresses { value: ips(&[OLD]), ttl_seconds: 30 };
    assert!(matches!(&done, Outcome::Done { previous: Some(p), .. } if *p == before), "{done:?}");
    let again = actuator.perform(&switch(at, &[OLD], &[NEW]), SOON).await;
    assert!(matches!(again, Outcome::Already { .. }), "{again:?}");

    let sample = look(&asked).await;
    let said = |i: usize| sample.answers[i].result.as_ref().unwrap().0.clone();
    assert_eq!((said(0), said(1)), (ips(&[NEW]), ips(&[OLD])), "one server has it, the other holds it back");
    assert_eq!(said(2), ips(&[OLD]), "a resolver keeps what it heard");
    assert!(!sample.everywhere(&ips(&[NEW])));
    assert_eq!((sample.answers[0].serial, sample.answers[1].serial), (Some(42), Some(41)));
    assert_eq!(sample.answers[0].result.as_ref().unwrap().1.as_secs(), 20);

    // Both families are compared and swapped.
    let six = ["2001:db8::1", NEW];
    assert!(matches!(actuator.perform(&switch(at, &[NEW], &six), SOON).await, Outcome::Done { .. }));
    refused(&actuator.perform(&switch(at, &[NEW], &[OLD]), SOON).await, "2001:db8::1");
    assert!(matches!(actuator.perform(&switch(at, &six, &[OLD]), SOON).await, Outcome::Done { .. }));
    assert_eq!(look(&endpoints(&[at])).await.authoritative().unwrap().0, ips(&[OLD]));
}

#[tokio::test]
async fn of_two_at_once_one_wins() {
    let Some(program) = program() else { return };
    let primary = Named::primary(&program).await;
    let actuator = Actuator::new(endpoints(&[primary.addr]));
    let mut here = OLD.to_owned();
    for round in 0..20 {
        let (a, b) = (format!("203.0.113.{}", 2 * round + 1), format!("203.0.113.{}", 2 * round + 2));
        let (to_a, to_b) = (switch(primary.addr, &[&here], &[&a]), switch(primary.addr, &[&here], &[&b]));
        let (first, second) = tokio::join!(actuator.perform(&to_a, SOON), actuator.perform(&to_b, SOON));
        here = match (&first, &second) {
            (Outcome::Done { .. }, Outcome::Refused { reason }) if reason.contains(&a) => a,
            (Outcome::Refused { reason }, Outcome::Done { .. }) if reason.contains(&b) => b,
            other => panic!("{other:?}"),
        };
        assert_eq!(look(&endpoints(&[primary.addr])).await.authoritative().unwrap().0, ips(&[&here]));
    }
}

#[tokio::test]
async fn keys_that_are_not_accepted_are_named() {
    let Some(program) = program() else { return };
    let primary = Named::primary(&program).await;
    let at = primary.addr;
    let effect = switch(at, &[OLD], &[NEW]);
    for (name, key, word) in [
        ("unknown", KEY, "BADKEY"),
        ("leeward-key", "b3RoZXItb3RoZXItb3RoZXItb3RoZXI=", "BADSIG"),
        ("stranger", KEY, "REFUSED"),
    ] {
        refused(&with(update(at, name, key)).perform(&effect, SOON).await, word);
    }
    let bad = with(update(at, "leeward-key", "no base64!")).perform(&effect, SOON).await;
    assert!(matches!(&bad, Outcome::NotSent { reason } if !reason.contains("no base64!")), "{bad:?}");
    let moved = with(update("127.0.0.1:9".parse().unwrap(), "leeward-key", KEY)).perform(&effect, SOON).await;
    assert!(matches!(&moved, Outcome::NotSent { reason } if reason.contains("no longer")), "{moved:?}");
    assert_eq!(look(&endpoints(&[at])).await.authoritative().unwrap().0, ips(&[OLD]));
    drop(primary);
    let gone = with(update(at, "leeward-key", KEY)).perform(&effect, SOON).await;
    assert!(matches!(gone, Outcome::NotSent { .. }), "{gone:?}");
}

#[tokio::test]
async fn every_algorithm_of_a_key_is_the_servers() {
    let Some(program) = program() else { return };
    let primary = Named::primary(&program).await;
    let at = primary.addr;
    let mut here = OLD;
    let keys = [
        ("leeward-key", TsigAlgorithm::Sha256),
        ("key-384", TsigAlgorithm::Sha384),
        ("key-512", TsigAlgorithm::Sha512),
    ];
    for (i, (name, algorithm)) in keys.into_iter().enumerate() {
        let next = [NEW, OLD][i % 2];
        let signed = |algorithm| with(DnsUpdateEndpoint { algorithm, ..update(at, name, KEY) });
        for wrong in TsigAlgorithm::ALL.into_iter().filter(|other| *other != algorithm) {
            refused(&signed(wrong).perform(&switch(at, &[here], &[next]), SOON).await, "BADKEY");
        }
        let done = signed(algorithm).perform(&switch(at, &[here], &[next]), SOON).await;
        assert!(matches!(done, Outcome::Done { .. }), "{algorithm:?}: {done:?}");
        assert_eq!(look(&endpoints(&[at])).await.authoritative().unwrap().0, ips(&[next]));
        here = next;
    }
}

/// What stands between us and the server does to an answer.
#[derive(Clone, Copy)]
enum Meddling {
    /// The update is passed on, its answer is lost.
    Lose,
    /// The answer's code is overwritten.
    Forge,
}

/// A line to `server` that meddles with answers to updates.
async fn line(server: SocketAddr, meddling: Meddling) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut packet = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut packet).await {
            let behind = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            behind.send_to(&packet[..length], server).await.unwrap();
            let (length, _) = behind.recv_from(&mut packet).await.unwrap();
            let is_update = packet[2] >> 3 & 0xF == 5;
            match meddling {
                Meddling::Lose if is_update => continue,
                Meddling::Forge if is_update => packet[3] = packet[3] & 0xF0 | 5,
                _ => {}
            }
            socket.send_to(&packet[..length], from).await.unwrap();
        }
    });
    addr
}

#[tokio::test]
async fn an_answer_that_is_lost_or_forged_leaves_it_unknown() {
    let Some(program) = program() else { return };
    let primary = Named::primary(&program).await;
    let mut here = OLD;
    for (meddling, word, next) in [(Meddling::Lose, "no answer", NEW), (Meddling::Forge, "signed", OLD)] {
        let by = line(primary.addr, meddling).await;
        let actuator = with(update(by, "leeward-key", KEY));
        let effect = switch(by, &[here], &[next]);
        let outcome = actuator.perform(&effect, SOON).await;
        assert!(matches!(&outcome, Outcome::Unknown { reason } if reason.contains(word)), "{outcome:?}");
        // It had been taken: who looks again finds it.
        let again = actuator.perform(&effect, SOON).await;
        assert!(matches!(again, Outcome::Already { .. }), "{again:?}");
        here = next;
    }
}
