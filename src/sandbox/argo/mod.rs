//! The simulated region that lives in the simulated API server: nodes and kubelets, Deployments, and an Argo workflow
//! controller that leads by a Lease, moves workflows on, fires crons, archives and shows metrics. What decides is pure
//! (objects and a time in, changes out); a thin driver ticks it.
//!
//! It was compared with real controllers (3.7.4, 4.0.5) for the words and shapes that a client can see.

mod archive;
mod budget;
mod change;
mod config;
mod controller;
mod cron;
mod depends;
mod deployment;
mod driver;
mod election;
mod json;
mod logs;
mod metrics;
mod names;
mod nodes;
mod operate;
mod params;
mod platform;
mod pod;
mod postgres;
mod process;
mod region;
mod schedule;
mod seed;
#[cfg(test)]
mod tests;
mod timing;
mod traffic;
mod world;

pub use self::{
    archive::{Archive, ArchiveError, ArchiveRow},
    driver::METRICS_PORT,
    names::{node_id, pod_name},
    operate::ARCHIVING,
    postgres::{PostgresArchive, SCHEMA_VERSION},
    process::CONFIG_MAP,
    region::{Region, RegionError, RegionOptions},
    seed::{ARGO_VERSION, RegionSeed, Role, Runs, SeedError, churn, seed_region},
    timing::Timing,
    traffic::Traffic,
};
