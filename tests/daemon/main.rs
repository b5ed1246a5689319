//! The real binary against the simulated service, over sockets and signals: what a user is promised.

#![allow(
    clippy::disallowed_methods,
    clippy::suspicious_map,
    reason = "bodies of a simulator on loopback need no bound, and every row is looked at on the way to its count"
)]

mod stage;

mod admin_api;
mod admin_side;
mod bisected;
mod callbacks;
mod clock_steps;
mod configuration;
mod decisions;
mod departures;
mod disks;
mod documents;
mod dry_run;
mod faults;
mod firing;
mod formats;
mod handed_over;
mod hostile_peers;
mod hostile_results;
mod learning;
mod lost_state;
mod manners;
mod operations;
mod partitions;
mod proxy;
mod quality;
mod reloading;
mod room;
mod sql;
mod stopping;
mod store_faults;
mod syscalls;
mod verbs;
