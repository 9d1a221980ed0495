//! Tells people and their tools. Never in the way: a receiver that fails is a line in the report, not a stop.

mod webhook;

pub use webhook::{Notifier, signature};
