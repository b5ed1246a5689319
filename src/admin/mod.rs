//! How the daemon is looked at and acted on: HTTP on a Unix socket and on loopback, and its client.
//!
//! Everything goes through [`Daemon`]: reads of the store and the engine's snapshot, acts as
//! requests to the engine. No handler decides anything about a run.

mod access;
pub mod client;
mod complete;
mod daemon;
mod events;
mod extract;
mod health;
mod idempotency;
mod listing;
mod live;
pub mod metrics;
mod openapi;
mod operations;
mod outside;
mod page;
mod present;
mod problems;
mod refusal;
mod routes;
mod scrape;
mod server;
mod socket;
mod tally;
pub mod view;

pub use access::Access;
pub use complete::{BackfillOrder, Completeness, Subject};
pub use daemon::{Actor, Cursor, Daemon, EventFilter, Intent, RunFilter};
pub use live::Live;
pub use operations::{Operations, Surroundings};
pub use outside::{LandedFile, NotReloaded, Outside, Presence, Reloaded, Vitals};
pub use page::{Coming, Overview, PastRun, ScheduleCells, Survey, Usage};
pub use refusal::Refusal;
pub use routes::router;
pub use server::{Peer, serve_tcp, serve_unix};
pub use socket::{Bound, SocketFault, bind, connect};
pub use tally::Tally;

#[cfg(test)]
mod tests;
