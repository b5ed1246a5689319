#![doc = include_str!("ARCHITECTURE.md")]
// Shipped code only: a test may unwrap. `expect` states an invariant and may stay.
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::print_stdout,
        clippy::print_stderr,
        clippy::exit
    )
)]

pub mod admin;
pub mod apartmentiq;
pub mod callback;
#[allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a verb's answer goes to stdout, the rest to stderr"
)]
pub mod cli;
pub mod clock;
pub mod config;
pub mod coverage;
pub mod daemon;
pub mod doctor;
pub mod engine;
pub mod landing;
pub mod notify;
pub mod roster;
pub mod run;
pub mod sandbox;
pub mod schedule;
pub mod sd_notify;
pub mod store;
pub mod telemetry;
