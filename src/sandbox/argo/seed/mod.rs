//! Fills an empty store with a region: namespaces, nodes, Argo's installation, a team's services, templates, crons and
//! runs. Reads the clock once and writes the store.

mod objects;
mod runs;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    super::kube::{Kind, Store, StoreError, clock},
    json::name,
    timing::{Timing, after},
};

pub use self::runs::{Runs, churn};

/// Version of the simulated controllers.
pub const ARGO_VERSION: &str = "v4.0.5";

/// What a region is meant to be at the start of a scenario.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// One controller, crons active.
    #[default]
    Primary,
    /// No controller, crons suspended.
    Standby,
}

/// A region to be.
#[derive(Clone, Debug)]
pub struct RegionSeed {
    /// Name: `us-central1`.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Nodes.
    pub nodes: usize,
    /// Runs there already are.
    pub runs: Runs,
    /// Host and port of its database, as its ConfigMap names it; none: no persistence.
    pub database: Option<(String, u16)>,
    /// Namespaces over which runs are spread; `ml` is always there.
    pub teams: Vec<String>,
    /// The region's times: running runs are made so that they end at the right moment.
    pub timing: Timing,
}

impl RegionSeed {
    /// A region with six nodes and without runs.
    pub fn new(name: &str, role: Role) -> Self {
        Self {
            name: name.to_owned(),
            role,
            nodes: 6,
            runs: Runs::default(),
            database: None,
            teams: ["ml", "research", "speech", "vision"].map(str::to_owned).to_vec(),
            timing: Timing::real(),
        }
    }
}

/// Why a store cannot be filled.
#[derive(Debug, thiserror::Error)]
#[error("seeding {kind:?} {name}: {source}")]
pub struct SeedError {
    kind: Kind,
    name: String,
    source: StoreError,
}

/// Fills an empty store.
pub fn seed_region(store: &Store, seed: &RegionSeed) -> Result<(), SeedError> {
    let now = clock::now();
    // Installed three weeks ago.
    let installed = after(now, -SignedDuration::from_hours(21 * 24));
    for (kind, object) in objects::region(seed, now) {
        create(store, kind, object, installed)?;
    }
    runs::seed(store, seed, now)
}

fn create(store: &Store, kind: Kind, object: Value, created: Timestamp) -> Result<Value, SeedError> {
    let named = name(&object).to_owned();
    match store.create(kind, object, created) {
        Ok(stored) => Ok(stored.value()),
        Err(source) => Err(SeedError { kind, name: named, source }),
    }
}
