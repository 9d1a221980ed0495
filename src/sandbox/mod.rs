//! Simulated regions that speak the real protocols on loopback.

pub mod argo;
pub mod kube;
