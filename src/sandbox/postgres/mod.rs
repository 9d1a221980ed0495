//! A real PostgreSQL primary and a real streaming replica in a temporary folder, with faults. Not pure: runs the
//! installed server programs. Real, because what a failover hangs on (timelines, LSNs, rights, recovery) is
//! exactly what an imitation would get wrong.

mod account;
mod error;
mod locate;
mod pair;
mod pki;
mod secret;
mod server;
mod settings;
mod setup;
#[cfg(test)]
mod tests;

pub use error::PairError;
pub use locate::{Binaries, LocateError, locate};
pub use pair::{Pair, PairOptions, Side};
pub use server::{ServerState, Stop};
pub use settings::{DATABASE, Role};
