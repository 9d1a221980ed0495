//! Playbooks as data, and what a run of one may do next. Pure: a [`run::Run`] changes only by [`run::Run::apply`], and
//! [`propose::propose`] says what may come next; neither does anything.

pub mod consent;
pub mod consents;
pub mod declare;
pub mod figures;
pub mod file;
pub mod kinds;
pub mod measure;
pub mod proposal;
pub mod propose;
pub mod record;
pub mod run;

mod builtin;
#[cfg(test)]
pub(crate) mod tests;

pub use builtin::builtin;
