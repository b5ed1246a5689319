//! The real binary tells people and machines: over real sockets, to a receiver that may fail, hang or be gone.

#![allow(
    clippy::disallowed_methods,
    clippy::suspicious_map,
    reason = "bodies of a simulator on loopback need no bound, and every row is looked at on the way to its count"
)]

#[path = "../daemon/stage/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "not every helper of the stage is needed here"
)]
mod stage;

mod alerts;
mod audit;
mod kinds;
mod metrics;
mod receiver;
mod states;
mod trouble;
