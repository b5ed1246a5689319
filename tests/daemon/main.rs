//! The real binary against the simulated service, over sockets and signals: what a user is promised.

mod stage;

mod admin_side;
mod callbacks;
mod configuration;
mod documents;
mod faults;
mod firing;
mod formats;
mod handed_over;
mod hostile_results;
mod learning;
mod partitions;
mod stopping;
mod verbs;
