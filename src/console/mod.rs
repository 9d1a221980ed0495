//! What the operator sees and may ask for: actions and the keys that ask for them. Pure.

pub mod action;
pub mod key;
pub mod keymap;
