//! What the team decided beforehand: targets, limits, and where things are to go. From the configuration, never
//! observed.

use super::region::{PerSide, Side};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// The decisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Name of the environment.
    pub environment: String,
    /// Names of the regions.
    pub regions: PerSide<RegionPolicy>,
    /// Recovery time objective.
    pub rto_target: Duration,
    /// Recovery point objective.
    pub rpo_target: Duration,
    /// A promotion that may lose more needs an override.
    pub loss_bytes_max: u64,
    /// A second failover within this time needs an override.
    pub anti_flap: Duration,
    /// Finished runs kept in memory for each region.
    pub finished_runs: usize,
    /// One person may override what asks for a second, with a reason.
    pub break_glass: bool,
    /// This is a simulation.
    pub simulated: bool,
    /// The name in front. None: not ours to switch.
    pub dns: Option<DnsPolicy>,
    /// The canary.
    pub canary: CanaryPolicy,
    /// Receivers of notifications, by name in the configuration.
    pub notify: Vec<String>,
}

/// A region's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionPolicy {
    /// Name.
    pub name: String,
    /// The controller's namespace.
    pub controller_namespace: String,
    /// Replicas to start where it is not known how many the other side had.
    pub controller_replicas: u32,
    /// A database user that may promote and fence is configured.
    pub operator_configured: bool,
}

/// The name in front.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsPolicy {
    /// The name.
    pub name: String,
    /// Whether it can be changed from here.
    pub can_switch: bool,
    /// What would keep a change from being signed, such as a key's file that can not be read.
    pub trouble: Option<String>,
    /// Addresses that mean a region.
    pub targets: PerSide<Option<IpAddr>>,
    /// Time to live written with a change.
    pub ttl: Duration,
    /// The server that takes changes, for the words on the screen.
    pub server: String,
}

impl DnsPolicy {
    /// The region that these addresses mean: all of them, or nothing.
    #[must_use]
    pub fn meaning(&self, addresses: &[IpAddr]) -> Option<Side> {
        Side::BOTH.into_iter().find(|side| match self.targets.get(*side) {
            Some(target) => !addresses.is_empty() && addresses.iter().all(|a| a == target),
            None => false,
        })
    }
}

/// The workflow that proves that a region works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryPolicy {
    /// Namespace it runs in.
    pub namespace: String,
    /// WorkflowTemplate to run. None: one step made here from image and command.
    pub template: Option<String>,
    /// Image of the made step.
    pub image: String,
    /// Command of the made step.
    pub command: Vec<String>,
    /// Service account of the made step.
    pub service_account: Option<String>,
}

impl Policy {
    /// The region's name.
    #[must_use]
    pub fn name(&self, side: Side) -> &str {
        &self.regions.get(side).name
    }

    /// The side of a region's name.
    #[must_use]
    pub fn side(&self, name: &str) -> Option<Side> {
        Side::BOTH.into_iter().find(|side| self.name(*side) == name)
    }
}
