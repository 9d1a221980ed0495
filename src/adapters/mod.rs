//! The protocols: what is seen through them becomes an `Observation`, what an `Effect` asks is done through them.
//!
//! Each adapter has an `observe` that runs until nobody listens any more, and, where there is something to change, an
//! actuator that performs one effect and says what became of it. They know nothing of each other.

pub mod clock;
pub mod dns;
pub mod incident;
pub mod kubernetes;
pub mod postgres;
pub mod prometheus;

mod http_error;
mod pace;
mod password;
