//! How the daemon is looked at and acted on: HTTP on a Unix socket and on loopback, and its client.
//!
//! Everything goes through [`Daemon`]: reads of the store and the engine's snapshot, acts as
//! requests to the engine. No handler decides anything about a run.

mod access;
pub mod client;
mod daemon;
mod events;
pub mod metrics;
mod page;
mod refusal;
mod routes;
mod server;
mod socket;
pub mod view;

pub use access::Access;
pub use daemon::{Actor, Daemon, EventFilter, Intent, RunFilter};
pub use refusal::Refusal;
pub use routes::router;
pub use server::{Peer, serve_tcp, serve_unix};
pub use socket::{Bound, SocketFault, bind};
