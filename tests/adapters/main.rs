//! The adapters against real servers: PostgreSQL pairs and BIND started here, and the sandbox's API server and receivers.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

mod dns_look;
mod dns_update;
mod kubernetes_watch;
#[path = "../common/named.rs"]
mod named;
mod postgres_act;
mod postgres_look;
mod postgres_observe;
mod support;
mod webhook;
