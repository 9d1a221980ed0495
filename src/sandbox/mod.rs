//! Simulated regions that speak the real protocols on loopback.
