//! What BIND and others say about the name.

use std::net::IpAddr;
use std::time::Duration;

use leeward::adapters::dns::{look, observe};
use leeward::domain::dns::ServerKind;
use leeward::domain::endpoints::{DnsEndpoints, Intervals};
use leeward::domain::freshness::ErrorKind;
use leeward::domain::observation::Fact;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::named::{Named, endpoints, program};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[tokio::test]
async fn every_server_says_what_it_has() {
    let Some(program) = program() else { return };
    let primary = Named::primary(&program).await;
    let resolver = Named::resolver(&program, primary.addr).await;
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut asked = endpoints(&[primary.addr, resolver.addr, silent.local_addr().unwrap(), nobody]);
    asked.resolvers = vec![resolver.addr.to_string(), "no port".to_owned()];
    let sample = look(&asked).await;
    let [first, lame, silent, nobody, resolver, no_port] = sample.answers.as_slice() else { panic!("{sample:?}") };
    assert_eq!(first.result, Ok((vec![ip("192.0.2.10")], Duration::from_secs(30))));
    assert_eq!((first.serial, first.kind), (Some(41), ServerKind::Authoritative));
    assert!(lame.result.as_ref().unwrap_err().contains("without authority"), "{lame:?}");
    assert!(silent.result.as_ref().unwrap_err().contains("no answer in 2 s"), "{silent:?}");
    assert!(nobody.result.as_ref().unwrap_err().contains("refused"), "{nobody:?}");
    let (addresses, ttl) = resolver.result.as_ref().unwrap();
    assert_eq!((addresses.as_slice(), resolver.kind), (&[ip("192.0.2.10")][..], ServerKind::Resolver));
    assert!(*ttl <= Duration::from_secs(30) && resolver.serial.is_none());
    assert!(no_port.result.is_err());
    assert!(!sample.everywhere(&[ip("192.0.2.10")]), "two say nothing");

    for (name, wanted) in [
        ("alias.example.test", vec!["192.0.2.10"]),
        ("both.example.test", vec!["192.0.2.10", "2001:db8::10"]),
        ("ns.example.test.", vec!["127.0.0.1"]),
    ] {
        let sample = look(&DnsEndpoints { name: name.to_owned(), ..endpoints(&[primary.addr]) }).await;
        let wanted: Vec<IpAddr> = wanted.into_iter().map(ip).collect();
        assert_eq!(sample.authoritative().map(|(addresses, _)| addresses.to_vec()), Some(wanted), "{name}");
    }
    let many = look(&DnsEndpoints { name: "many.example.test".to_owned(), ..endpoints(&[primary.addr]) }).await;
    assert_eq!(many.authoritative().unwrap().0.len(), 60, "cut by UDP, whole by TCP");
    let none = look(&DnsEndpoints { name: "none.example.test".to_owned(), ..endpoints(&[primary.addr]) }).await;
    assert!(none.answers[0].result.as_ref().unwrap_err().contains("NXDOMAIN"), "{none:?}");
    let elsewhere = look(&DnsEndpoints { name: "example.org".to_owned(), ..endpoints(&[primary.addr]) }).await;
    assert!(elsewhere.answers[0].result.as_ref().unwrap_err().contains("REFUSED"), "{elsewhere:?}");
}

#[tokio::test]
async fn nobody_who_answers_is_a_failure_and_one_is_enough_for_a_sample() {
    let Some(program) = program() else { return };
    let primary = Named::primary(&program).await;
    let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let first = async |endpoints: DnsEndpoints| {
        let (out, mut told) = mpsc::channel(4);
        let task = tokio::spawn(observe(endpoints, Intervals::default(), out));
        let fact = told.recv().await.unwrap().fact;
        drop(told);
        task.await.unwrap();
        fact
    };
    let Fact::Failed { error, .. } = first(endpoints(&[nobody, nobody])).await else { panic!() };
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
    assert!(error.text.contains("1 more"), "{error}");
    assert!(matches!(first(endpoints(&[nobody, primary.addr])).await, Fact::Answered { .. }));
    // That there is no such name is an answer, too.
    let none = DnsEndpoints { name: "none.example.test".to_owned(), ..endpoints(&[primary.addr]) };
    assert!(matches!(first(none).await, Fact::Answered { .. }));
}
