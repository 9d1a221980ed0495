//! What speaks to the world: one folder per protocol. Each observes (facts in) and acts (effects out) and knows nothing
//! of gates, playbooks or screens.

pub mod kubernetes;
