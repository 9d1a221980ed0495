//! The world as the runner needs it: each effect goes to the adapter that can perform it. Only a session that may write
//! makes one, and it has the only clients that can.

use super::setup::Setup;
use crate::adapters::{dns, incident, kubernetes, postgres};
use crate::domain::effect::{Effect, Outcome};
use crate::domain::region::PerSide;
use crate::runner::World;
use futures_util::future::BoxFuture;
use std::time::Duration;

/// Every server that an effect may go to.
pub struct Servers {
    kubernetes: kubernetes::Actuator,
    postgres: postgres::Actuator,
    dns: Option<dns::Actuator>,
    notifier: Result<incident::Notifier, String>,
}

impl Servers {
    /// Clients for the endpoints of `setup`; nothing is connected yet.
    #[must_use]
    pub fn new(setup: &Setup) -> Servers {
        let endpoints = &setup.endpoints;
        let timeout = endpoints.intervals.timeout;
        let operators: PerSide<_> = endpoints.regions.map(|_, region| region.operator.clone());
        Servers {
            kubernetes: kubernetes::Actuator::new(endpoints.regions.clone(), kubernetes::Access::MayWrite, timeout),
            postgres: postgres::Actuator::new(operators, timeout),
            dns: endpoints.dns.clone().map(dns::Actuator::new),
            notifier: incident::Notifier::new(endpoints.notify.clone(), &setup.policy.environment),
        }
    }
}

fn not_sent(reason: impl Into<String>) -> Outcome {
    Outcome::NotSent { reason: reason.into() }
}

impl World for Servers {
    fn perform<'a>(&'a self, effect: &'a Effect, deadline: Duration) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match effect {
                Effect::TakeLock { .. }
                | Effect::ReleaseLock { .. }
                | Effect::SuspendCron { .. }
                | Effect::Scale { .. }
                | Effect::CreateCanary { .. } => self.kubernetes.perform(effect, deadline).await,
                Effect::FenceDatabase { .. } | Effect::UnfenceDatabase { .. } | Effect::Promote { .. } => {
                    self.postgres.perform(effect, deadline).await
                }
                Effect::SwitchDns { .. } => match &self.dns {
                    Some(dns) => dns.perform(effect, deadline).await,
                    None => not_sent("no name servers are configured"),
                },
                Effect::Notify { .. } => match &self.notifier {
                    Ok(notifier) => notifier.perform(effect, deadline).await,
                    Err(why) => not_sent(why),
                },
            }
        })
    }

    fn lock_holds(&self, more_than: Duration) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(self.kubernetes.verify_lock(more_than))
    }
}
