//! What is remembered. The unit is an atomic [`Commit`], durable when it returns.

pub mod record;
mod store;

pub use store::{Change, Commit, Entry, Error, Key, Sequence, Store, StoredEvent, Tree};
