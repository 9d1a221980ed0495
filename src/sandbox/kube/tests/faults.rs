//! Faults, and what is left behind.

use std::net::TcpStream;

use kube::{Api, api::ListParams};

use super::*;

fn nodes(client: &kube::Client) -> Api<k8s_openapi::api::core::v1::Node> {
    Api::all(client.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_freezes_and_thaws() {
    let server = server().await;
    let api = nodes(&client(&server, User::Admin));
    api.list(&ListParams::default()).await.unwrap();
    server.set_fault(ApiFault::Silent);
    let params = ListParams::default();
    let mut pending = Box::pin(api.list(&params));
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut pending).await.is_err(), "no answer while silent");
    assert!(TcpStream::connect(server.address()).is_ok(), "connections are still accepted");
    server.set_fault(ApiFault::None);
    assert_eq!(pending.await.unwrap().items.len(), 2, "the same request is answered after the thaw");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_and_back_on_the_same_port() {
    let server = server().await;
    let api = nodes(&client(&server, User::Admin));
    api.list(&ListParams::default()).await.unwrap();
    server.set_fault(ApiFault::Refused);
    let refused = async {
        while TcpStream::connect(server.address()).is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), refused).await.unwrap();
    assert!(api.list(&ListParams::default()).await.is_err());
    server.set_fault(ApiFault::None);
    let back = async {
        while api.list(&ListParams::default()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), back).await.unwrap();
    assert_eq!(api.list(&ListParams::default()).await.unwrap().items.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_watch_delivers_later() {
    use futures_util::TryStreamExt;
    let server = server_with(|options| options.bookmark_every = Duration::from_secs(60)).await;
    let api = nodes(&client(&server, User::Admin));
    let version = server.store().revision().to_string();
    let mut events = Box::pin(api.watch(&kube::api::WatchParams::default(), &version).await.unwrap());
    server.set_fault(ApiFault::StuckWatch);
    server.store().create(Kind::Node, json!({"metadata": {"name": "late"}}), clock::now()).unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(200), events.try_next()).await.is_err());
    assert_eq!(api.list(&ListParams::default()).await.unwrap().items.len(), 3, "everything else works");
    server.set_fault(ApiFault::None);
    let event = tokio::time::timeout(Duration::from_secs(5), events.try_next()).await.unwrap().unwrap();
    assert!(matches!(event, Some(kube::api::WatchEvent::Added(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_expire() {
    let server = server().await;
    let api = nodes(&client(&server, User::Admin));
    server.expire_credentials(true);
    match api.list(&ListParams::default()).await {
        Err(kube::Error::Api(status)) => assert_eq!((status.code, status.reason.as_str()), (401, "Unauthorized")),
        other => panic!("{other:?}"),
    }
    server.expire_credentials(false);
    api.list(&ListParams::default()).await.unwrap();
    let seen = server.requests();
    assert_eq!(seen.get(&("list".to_owned(), "nodes".to_owned())), Some(&1), "refused ones are nobody's requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_regions_in_one_kubeconfig() {
    let (one, two) = (server().await, server_with(|options| options.region = "us-east1".to_owned()).await);
    let text = kubeconfig(&[one.cluster(), two.cluster()]);
    let east = client_from(&text, "us-east1-viewer");
    two.store().create(Kind::Node, json!({"metadata": {"name": "only-in-the-east"}}), clock::now()).unwrap();
    assert_eq!(nodes(&east).list(&ListParams::default()).await.unwrap().items.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_closes_the_port_and_the_connections() {
    let server = server().await;
    let address = server.address();
    let api = nodes(&client(&server, User::Admin));
    api.list(&ListParams::default()).await.unwrap();
    server.stop().await;
    assert!(TcpStream::connect(address).is_err());
    assert!(api.list(&ListParams::default()).await.is_err());
}
