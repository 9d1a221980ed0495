//! Wires everything; owns the state, the loop, the clock and the terminal.

pub mod ladder;
