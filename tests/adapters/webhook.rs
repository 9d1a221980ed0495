//! Notifications to a receiver that takes them, refuses them, or says nothing.

use std::time::Duration;

use http::StatusCode;
use leeward::adapters::incident::{Notifier, signature};
use leeward::domain::effect::{Effect, Outcome};
use leeward::domain::endpoints::{PasswordSource, WebhookEndpoint};
use leeward::domain::secret::Secret;
use leeward::sandbox::webhook::{Reply, Webhook};

use crate::support::SOON;

fn notify(receiver: &str) -> Effect {
    Effect::Notify {
        receiver: receiver.to_owned(),
        dedup_key: "leeward/prod/r1".to_owned(),
        summary: "prod: failover us-central1 → us-east1 serves again".to_owned(),
        details: vec![("run".to_owned(), "r1".to_owned())],
    }
}

fn notifier(url: String, secret: PasswordSource) -> Notifier {
    let endpoint = WebhookEndpoint { name: "ops".to_owned(), url, secret };
    Notifier::new(vec![endpoint], "prod").unwrap()
}

#[tokio::test]
async fn an_event_is_signed_and_a_second_try_is_the_same_event() {
    let receiver = Webhook::start().await.unwrap();
    let secret = PasswordSource::Given(Secret::new("k3y"));
    let notifier = notifier(receiver.url("/hook?token=t0ken"), secret);
    for _ in 0..2 {
        let outcome = notifier.perform(&notify("ops"), SOON).await;
        assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    }
    let got = receiver.received();
    let [first, second] = got.as_slice() else { panic!("{}", got.len()) };
    assert_eq!(first.body, second.body);
    let key = |of: &leeward::sandbox::webhook::Received| of.headers["idempotency-key"].to_str().unwrap().to_owned();
    assert_eq!(key(first), key(second));
    let event = first.json().unwrap();
    assert_eq!((event["specversion"].as_str(), event["id"].as_str()), (Some("1.0"), Some(key(first).as_str())));
    assert!(event["type"].as_str().unwrap().starts_with("dev.leeward.run."));
    assert_eq!(
        (event["source"].as_str(), event["data"]["details"]["run"].as_str()),
        (Some("/leeward/prod"), Some("r1"))
    );
    let signed = first.headers["leeward-signature"].to_str().unwrap();
    let (seconds, hex) = signed.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    assert_eq!(hex, signature(b"k3y", seconds.parse().unwrap(), &first.body));
}

#[tokio::test]
async fn what_may_pass_is_tried_again_under_the_same_key_and_what_will_not_is_not() {
    let receiver = Webhook::start().await.unwrap();
    let notifier = notifier(receiver.url("/hook?token=t0ken"), PasswordSource::None);
    for (status, tries) in [(429, 3), (503, 3), (500, 3), (400, 1), (302, 1)] {
        receiver.clear();
        let before = receiver.count();
        receiver.reply(Reply::Refuse { status: StatusCode::from_u16(status).unwrap(), retry_after: None });
        let outcome = notifier.perform(&notify("ops"), SOON).await;
        assert_eq!(receiver.count() - before, tries, "{status}");
        // A server that failed has not said that it did not take it.
        assert_eq!(matches!(outcome, Outcome::Unknown { .. }), status == 500, "{outcome:?}");
        assert_eq!(matches!(outcome, Outcome::Refused { .. }), status != 500, "{outcome:?}");
        let text = outcome.text();
        assert!(text.contains(&status.to_string()) && !text.contains("t0ken"), "{text}");
        let got = receiver.received();
        assert!(got.iter().all(|one| one.headers["idempotency-key"] == got[0].headers["idempotency-key"]));
        assert!(got[0].headers.get("leeward-signature").is_none(), "there is no key to sign with");
    }
    // It asks for more patience than there is.
    receiver.reply(Reply::Refuse { status: StatusCode::TOO_MANY_REQUESTS, retry_after: Some(3600) });
    let before = receiver.count();
    assert!(matches!(notifier.perform(&notify("ops"), SOON).await, Outcome::Refused { .. }));
    assert_eq!(receiver.count() - before, 1);
    // It recovers in between.
    receiver.reply(Reply::Refuse { status: StatusCode::SERVICE_UNAVAILABLE, retry_after: None });
    let before = receiver.count();
    let effect = notify("ops");
    let mend = async {
        receiver.wait_for(before + 1).await;
        receiver.reply(Reply::Accept);
    };
    let (outcome, ()) = tokio::join!(notifier.perform(&effect, SOON), mend);
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
}

#[tokio::test]
async fn silence_is_unknown_and_nobody_there_is_not_sent() {
    let receiver = Webhook::start().await.unwrap();
    let there = notifier(receiver.url("/hook?token=t0ken"), PasswordSource::None);
    receiver.reply(Reply::Silent);
    let outcome = there.perform(&notify("ops"), Duration::from_millis(500)).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(receiver.count(), 1);
    let other = there.perform(&notify("somebody"), SOON).await;
    assert!(matches!(other, Outcome::NotSent { .. }), "{other:?}");

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (url, secret) in [
        (format!("http://{nobody}/t0ken"), PasswordSource::None),
        ("not a URL t0ken".to_owned(), PasswordSource::None),
        (receiver.url("/t0ken"), PasswordSource::File("/nonexistent/leeward-key".into())),
    ] {
        let outcome = notifier(url, secret).perform(&notify("ops"), SOON).await;
        assert!(matches!(outcome, Outcome::NotSent { .. }), "{outcome:?}");
        assert!(!outcome.text().contains("t0ken"), "{outcome:?}");
    }
}
