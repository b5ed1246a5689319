//! The contract with ApartmentIQ: what is sent, what is answered, and that the simulated service
//! keeps to it, driven over loopback by a plain HTTP client that is not the project's.

#![allow(
    clippy::disallowed_methods,
    reason = "bodies of a simulator on loopback need no bound"
)]

mod checker;
mod credentials;
mod endpoints;
mod faults_of_creates;
mod faults_of_downloads;
mod faults_of_jobs;
mod files;
mod manners;
mod stage;
