//! What BIND and others say about the name.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use leeward::adapters::dns::{Actuator, look, observe};
use leeward::domain::dns::{DnsSample, ServerKind};
use leeward::domain::effect::{Effect, Outcome};
use leeward::domain::endpoints::{DnsEndpoints, Intervals};
use leeward::domain::freshness::ErrorKind;
use leeward::domain::observation::Fact;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::named::{NAME, Named, endpoints, program};
use crate::support::SOON;

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
    assert_eq!(sample.silent().count(), 3);

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

/// No server is configured: they are found by the zone's NS records at `primary`.
fn found_by(primary: &Named) -> DnsEndpoints {
    DnsEndpoints { authoritative: Vec::new(), primary: Some(primary.addr.to_string()), ..endpoints(&[primary.addr]) }
}

/// A server on the port of the first and at another address, as NS records have it: passes questions on to `server`.
async fn front(at: SocketAddr, server: SocketAddr) -> JoinHandle<()> {
    let socket = UdpSocket::bind(at).await.unwrap();
    tokio::spawn(async move {
        let mut packet = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut packet).await {
            let behind = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            behind.send_to(&packet[..length], server).await.unwrap();
            let (length, _) = behind.recv_from(&mut packet).await.unwrap();
            socket.send_to(&packet[..length], from).await.unwrap();
        }
    })
}

/// A second name server, and where it stands.
const TWO: &str = "@ IN NS ns2\nns2 IN A 127.0.0.2\n";

#[tokio::test]
async fn every_name_server_of_the_zone_is_asked_where_none_is_configured() {
    let Some(program) = program() else { return };
    let primary = Named::primary_with(&program, TWO).await;
    let at = SocketAddr::from(([127, 0, 0, 2], primary.addr.port()));
    let held = Named::held_secondary(&program, primary.addr).await;
    let second = front(at, held.addr).await;
    let asked = found_by(&primary);
    let servers = [primary.addr.to_string(), at.to_string()];
    let names = |sample: &DnsSample| sample.answers.iter().map(|answer| answer.server.clone()).collect::<Vec<_>>();
    let (old, new) = (ip("192.0.2.10"), ip("198.51.100.10"));
    let sample = look(&asked).await;
    assert_eq!(names(&sample), servers);
    assert!(sample.everywhere(&[old]), "{sample:?}");

    let switch = Effect::SwitchDns {
        name: NAME.to_owned(),
        expected: vec![old],
        wanted: vec![new],
        ttl_seconds: 20,
        server: primary.addr.to_string(),
    };
    let done = Actuator::new(asked.clone()).perform(&switch, SOON).await;
    assert!(matches!(done, Outcome::Done { .. }), "{done:?}");
    let sample = look(&asked).await;
    assert!(!sample.everywhere(&[new]) && sample.authoritative().is_none(), "the second holds it back: {sample:?}");
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    let sample = look(&asked).await;
    assert_eq!(names(&sample), servers);
    assert_eq!(sample.silent().collect::<Vec<_>>(), [at.to_string()]);
    let new_one = Named::held_secondary(&program, primary.addr).await;
    let _second = front(at, new_one.addr).await;
    let sample = look(&asked).await;
    assert!(sample.everywhere(&[new]) && sample.silent().count() == 0, "{sample:?}");

    // The list is kept when the primary is gone.
    let (out, mut told) = mpsc::channel(1);
    let intervals = Intervals { dns: Duration::from_millis(50), ..Intervals::default() };
    let task = tokio::spawn(observe(asked, intervals, out));
    assert!(matches!(told.recv().await.unwrap().fact, Fact::Answered { .. }));
    drop(primary);
    loop {
        let Fact::Dns(sample) = told.recv().await.unwrap().fact else { continue };
        assert_eq!(names(&sample), servers);
        if sample.answers[0].result.is_err() {
            assert_eq!(sample.authoritative().unwrap().0, [new]);
            break;
        }
    }
    drop(told);
    task.await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_found_or_asked_is_named() {
    let Some(program) = program() else { return };
    let primary = Named::primary_with(&program, "@ IN NS nowhere.invalid.\n").await;
    let sample = look(&found_by(&primary)).await;
    let [first, unknown] = sample.answers.as_slice() else { panic!("{sample:?}") };
    assert!(first.result.is_ok());
    assert_eq!((unknown.server.as_str(), unknown.kind), ("nowhere.invalid.", ServerKind::Authoritative));
    assert!(unknown.result.as_ref().unwrap_err().contains("without an address"), "{unknown:?}");
    assert_eq!(sample.silent().collect::<Vec<_>>(), ["nowhere.invalid."]);
    assert_eq!(sample.unlisted, None, "which servers there are is known");

    // The name of a host is no zone; that the primary alone was asked is said.
    let elsewhere = DnsEndpoints { zone: NAME.to_owned(), ..found_by(&primary) };
    let sample = look(&elsewhere).await;
    let [first, none] = sample.answers.as_slice() else { panic!("{sample:?}") };
    assert!(first.result.is_ok() && none.result.as_ref().unwrap_err().contains("is it the zone"), "{sample:?}");
    assert_eq!(sample.silent().collect::<Vec<_>>(), [format!("NS {NAME}")]);
    assert!(sample.unlisted.is_some_and(|why| why.contains("is it the zone")));

    // Without a primary a resolver tells, and the servers have the port that NS records mean.
    let by_resolver =
        DnsEndpoints { resolvers: vec![primary.addr.to_string()], primary: None, update: None, ..found_by(&primary) };
    let sample = look(&by_resolver).await;
    let servers: Vec<&str> = sample.answers.iter().map(|answer| answer.server.as_str()).collect();
    assert_eq!(servers, ["127.0.0.1:53", "nowhere.invalid.", &primary.addr.to_string()]);
}
