//! The real program from outside: in a terminal, killed, stopped, given bad input, against simulated regions with a real
//! PostgreSQL pair behind them. One binary, so that linking happens once.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]
#![allow(missing_docs)]

mod failover;
mod input;
mod killed;
mod plain;
mod pty;
mod sandbox;
mod support;
