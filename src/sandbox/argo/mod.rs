//! The simulated region.
