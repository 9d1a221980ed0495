//! Wires everything: turns settings or the sandbox into endpoints, starts the observers, keeps the picture, drives runs,
//! owns the clock and the terminal.

pub mod console;
pub mod ladder;
mod log;
pub mod memory;
#[cfg(debug_assertions)]
mod mishap;
pub mod picture;
pub mod pod_metrics;
pub mod run;
pub mod setup;
#[cfg(feature = "sandbox")]
pub mod simulated;
pub mod sources;
pub mod terminal;
pub mod unattended;
pub mod world;

use crate::domain::Timestamp;

/// The clock of the program, for the picture and the journal: the one that looks are stamped by.
#[must_use]
pub fn clock() -> Timestamp {
    crate::adapters::clock::now()
}
