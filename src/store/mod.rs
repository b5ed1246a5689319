//! What is remembered. The unit is an atomic [`Commit`], durable when it returns.

pub mod record;
mod limit;
mod memory;
#[cfg(test)]
mod sample;
mod store;

pub use memory::{Fault, Memory};
pub use store::{Change, Commit, Entry, Error, Key, Sequence, Store, StoredEvent, Tree};
