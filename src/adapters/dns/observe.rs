//! Asks the name servers until nobody listens any more.

use std::time::Instant;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::nameservers::NameServers;
use super::resolve::round;
use crate::adapters::clock;
use crate::adapters::pace::back_off;
use crate::domain::dns::DnsSample;
use crate::domain::endpoints::{DnsEndpoints, Intervals};
use crate::domain::freshness::{ErrorKind, Source, SourceError};
use crate::domain::observation::{Fact, Observation};

/// Observes the name: `Answered` and `Dns` every dns interval while at least one server says something about it,
/// otherwise `Failed`. Ends when `out` has no receiver.
pub async fn observe(endpoints: DnsEndpoints, intervals: Intervals, out: mpsc::Sender<Observation>) {
    let rounds = async {
        let mut failures = 0;
        let mut servers = NameServers::default();
        loop {
            let first = servers.missing();
            if first {
                servers.refresh(&endpoints).await;
            }
            let (began, started) = (clock::now(), Instant::now());
            let (sample, kinds) = round(&endpoints, &servers).await;
            let facts = match verdict(&sample, &kinds) {
                Ok(()) => {
                    failures = 0;
                    vec![Fact::Answered { latency: started.elapsed() }, Fact::Dns(sample)]
                }
                Err(error) => {
                    failures += 1;
                    vec![Fact::Failed { began, error }]
                }
            };
            for fact in facts {
                let _ = out.send(Observation { source: Source::Dns, at: clock::now(), fact }).await;
            }
            if !first {
                // For the next round: what is known must not wait for it.
                servers.refresh(&endpoints).await;
            }
            let rest = intervals.dns.saturating_sub(started.elapsed());
            sleep(if failures == 0 { rest } else { back_off(intervals.dns, failures) }).await;
        }
    };
    tokio::select! {
        () = out.closed() => {}
        () = rounds => {}
    }
}

/// Whether anybody said something; otherwise the first server's failure stands for all.
fn verdict(sample: &DnsSample, kinds: &[Option<ErrorKind>]) -> Result<(), SourceError> {
    if kinds.contains(&None) {
        return Ok(());
    }
    let (Some(answer), Some(Some(kind))) = (sample.answers.first(), kinds.first()) else {
        return Err(SourceError::new(ErrorKind::NotConfigured, "no name server is configured"));
    };
    let text = answer.result.as_ref().err().map_or("no answer", String::as_str);
    let text = match sample.answers.len() - 1 {
        0 => format!("{}: {text}", answer.server),
        others => format!("{}: {text}; {others} more say nothing either", answer.server),
    };
    Err(SourceError::new(*kind, &text))
}
