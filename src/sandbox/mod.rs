//! Simulated regions that speak the real protocols on loopback.

pub mod dns;
pub mod postgres;
pub mod reaper;
pub mod relay;
pub mod webhook;
