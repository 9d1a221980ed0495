//! leeward: a terminal console that sees two Argo Workflows regions at once and leads a failover step by step.
//!
//! Data rises, imports fall: a module imports only what stands below it. `docs/ARCHITECTURE.md` draws the picture and
//! `tests/architecture.rs` keeps it.

pub mod console;
pub mod domain;
pub mod gates;
pub mod playbook;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod session;
pub mod settings;
pub mod ui;
