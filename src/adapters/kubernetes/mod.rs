//! One region's Kubernetes API server: what is observed there, and what may be changed there.
//!
//! `observe` reads with a client that cannot write; `act` writes, each time after proving which cluster answers and with a
//! precondition that the server itself checks.

mod act;
mod attempt;
mod backoff;
mod beat;
mod call;
mod client;
mod controllers;
mod crons;
mod cursor;
mod details;
mod exec_plugin;
mod failure;
mod held;
mod inventory;
mod kind;
mod leases;
mod lock;
mod merge;
mod nodes;
mod observe;
mod open_run;
mod probe;
mod read_only;
mod rights;
mod runs;
mod silence;
mod templates;
mod transport;
mod watch;
mod wire;

pub use act::Actuator;
pub use attempt::RUN_LABEL;
pub use call::{Ask, Lines, Server};
pub use client::Dialer;
pub use failure::{CallError, Reached};
pub use held::Held;
pub use lock::{LockError, Taken};
pub use observe::{Observe, Wanted, observe};
pub use read_only::{Access, ReadOnlyRefused};

#[cfg(test)]
mod act_tests;
#[cfg(test)]
mod lock_tests;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod observe_tests;
#[cfg(test)]
mod real;
#[cfg(test)]
mod watch_tests;
