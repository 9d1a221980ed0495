//! PostgreSQL 15 and newer: both servers of the pair are looked at on their own, through sessions that can run a closed
//! set of reading statements; the few writing ones (promote, fence, unfence) have an actuator of their own, which a
//! read-only console never makes.

mod act;
mod archive;
mod connect;
mod fence;
mod observe;
mod operator;
mod read;
mod sample;
mod standing;
mod statements;

pub use act::Actuator;
pub use observe::observe;
pub use operator::operator_rights;
pub use read::{Look, Monitor};
