//! What is remembered. The unit is an atomic [`Commit`], durable when it returns.

mod limit;
mod memory;
pub mod record;
#[cfg(test)]
mod sample;
mod store;

pub use memory::{Fault, Memory};
pub use store::{Change, Commit, Entry, Error, Key, Sequence, Store, StoredEvent, Tree};
