//! The name in front: what every server says about it, and how it is changed (RFC 2136 with TSIG, RFC 8945).
//!
//! Servers are asked one by one and by hand: a stub resolver would hide which of them said what.

mod exchange;
mod key;
mod nameservers;
mod observe;
mod resolve;
mod update;

pub use key::trouble as key_trouble;
pub use observe::observe;
pub use resolve::look;
pub use update::Actuator;
