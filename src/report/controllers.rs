//! What the workflow controllers of a region are found to be, once for the text and for the JSON. None is as it should be
//! on the standby alone; and none found proves nothing, since a wrong namespace looks the same. Pure.

use super::status::{dated, unknown};
use crate::domain::fleet::Fleet;
use crate::domain::fleet::region::{Region, Stopped};
use crate::domain::kubernetes::Controllers;
use crate::domain::region::Role;

/// What they are found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// Seen too long ago to say.
    NotNow,
    /// A pod of this name leads.
    Leads(String),
    /// Some are wanted, and none leads.
    NoneLeads,
    /// None wanted, none there, and that is as it should be.
    Held,
    /// None wanted, none there, where the work should be done.
    NobodyWorks,
    /// None wanted, none there, in a region whose role is not known.
    NoneWanted,
    /// None wanted, and something of them still can act.
    StillThere(String),
    /// No Deployment in the namespace that was looked at.
    NotFound,
}

impl Finding {
    /// The word in the JSON.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Finding::NotNow => "not-known-now",
            Finding::Leads(_) => "leads",
            Finding::NoneLeads => "none-leads",
            Finding::Held => "held",
            Finding::NobodyWorks => "none-wanted-in-primary",
            Finding::NoneWanted => "none-wanted",
            Finding::StillThere(_) => "still-there",
            Finding::NotFound => "not-found",
        }
    }

    fn text(&self, namespace: &str) -> String {
        match self {
            Finding::NotNow => String::new(),
            Finding::Leads(pod) => format!("  {pod} leads"),
            Finding::NoneLeads => "  none leads".to_owned(),
            Finding::Held => "  held, none leads, as it should be".to_owned(),
            Finding::NobodyWorks => "  NONE WANTED in the primary: nobody runs its workflows".to_owned(),
            Finding::NoneWanted => "  none wanted, none leads".to_owned(),
            Finding::StillThere(why) => format!("  NOT PROVEN STOPPED: {why}"),
            Finding::NotFound => format!(
                "no Deployment of a workflow controller in namespace {namespace}: it is held by nobody, or runs in \
                 another namespace and is not seen"
            ),
        }
    }
}

/// What the controllers of this region are found to be.
pub(super) fn find(fleet: &Fleet, region: &Region, controllers: &Controllers) -> Finding {
    let now = fleet.now;
    if region.live_controllers(now).is_none() {
        return Finding::NotNow;
    }
    if let Some(pod) = controllers.leader(now) {
        return Finding::Leads(pod.name.clone());
    }
    if controllers.deployments.is_empty() && controllers.pods.is_empty() {
        return Finding::NotFound;
    }
    if controllers.wanted() > 0 {
        return Finding::NoneLeads;
    }
    if let Stopped::No(why) | Stopped::Unknown(why) = region.stopped(now) {
        return Finding::StillThere(why);
    }
    // Nobody leads in a primary of before either.
    match (fleet.old_and_fenced(region.side), region.role(now)) {
        (Some(_), _) | (_, Role::Standby | Role::WasStandby) => Finding::Held,
        (None, Role::Primary | Role::WasPrimary) => Finding::NobodyWorks,
        (None, Role::Unknown) => Finding::NoneWanted,
    }
}

/// The line of the text.
pub(super) fn text(fleet: &Fleet, region: &Region) -> String {
    let Some(known) = &region.controllers else { return unknown(fleet, region, None) };
    let controllers = &known.value;
    let fresh = region.live_controllers(fleet.now).is_some();
    let dated = dated(known.at, known.remembered, fresh, fleet.now);
    let namespace = &fleet.policy.regions.get(region.side).controller_namespace;
    let found = find(fleet, region, controllers);
    if controllers.deployments.is_empty() && controllers.pods.is_empty() {
        return format!("{}{dated}", Finding::NotFound.text(namespace));
    }
    let version =
        controllers.deployments.first().and_then(|d| d.version.clone()).map(|v| format!("  {v}")).unwrap_or_default();
    let crash = crash(controllers).map(|crash| format!("  {crash}")).unwrap_or_default();
    let (ready, wanted) = (controllers.ready(), controllers.wanted());
    format!("{ready}/{wanted} ready{version}{}{crash}{dated}", found.text(namespace))
}

/// The first pod whose container waits, and why.
pub(super) fn crash(controllers: &Controllers) -> Option<String> {
    controllers.pods.iter().find_map(|pod| Some(format!("{} {}", pod.name, pod.waiting.as_ref()?)))
}
