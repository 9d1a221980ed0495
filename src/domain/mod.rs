//! Nouns of the product: what was observed, and what may be done. Pure.
pub mod humane;
pub mod problem;
pub mod secret;
