//! What is told without a screen: the state of the fleet, a plan, the end of a run, as text and as JSON. Pure.

mod controllers;
pub mod follow;
mod pair;
pub mod run;
pub mod status;
pub mod status_json;
#[cfg(test)]
mod tests;
