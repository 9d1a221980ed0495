//! What is painted. Pure: state in, cells out.

pub mod glyphs;
pub mod theme;
