//! What the operator sees and may ask for. Pure: [`update`] takes one [`Event`], changes the [`State`] and returns
//! [`Command`]s for the session to carry out; the screen is painted from `&State` alone. No clock, no file, no socket:
//! time comes in events.

mod act;
pub mod action;
pub mod command;
mod derive;
pub mod dialog;
pub mod event;
pub mod field;
pub mod filter;
pub mod guide;
pub mod hints;
pub mod key;
pub mod keymap;
mod keys;
pub mod layout;
pub mod pages;
pub mod palette;
pub mod row;
pub mod runs;
pub mod state;
pub mod timeline;
pub mod tree;
mod update;
pub mod view;
mod walk;

#[cfg(test)]
pub mod fixtures;
#[cfg(test)]
mod tests;

pub use command::{Command, ConsentGiven};
pub use event::{Event, History, RunNews};
pub use layout::Size;
pub use state::{Access, Setup, State};
pub use update::update;
