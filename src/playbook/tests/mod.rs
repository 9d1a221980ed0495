//! The run under every order of things: what may happen does, what may not is refused, and what is replayed is what was.

mod gates;
