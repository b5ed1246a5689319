//! What is remembered. The unit is an atomic [`Commit`], durable when it returns.
//!
//! [`Disk`] keeps it in two halves, because sled alone was measured not to keep what it acknowledged: `journal/` has
//! every commit as it was made and is the truth; `state/` has what follows from them and is read. Whatever is wrong
//! with the state is answered by filling it anew from the newest snapshot and the journal after it.

mod changes;
mod disk;
mod journal;
mod limit;
mod memory;
pub mod notices;
pub mod record;
#[cfg(test)]
mod sample;
mod state;
#[expect(clippy::module_inception, reason = "the seam of this room")]
mod store;
mod wire;

pub use disk::{
    Ballast, Disk, Migrated, Opened, Presence, Revival, Settings, export, import, probe, prove,
    put_back, set_aside,
};
pub use memory::{Fault, Memory};
pub use state::CONTAINED;
pub use store::{Change, Commit, Entry, Error, Key, Sequence, Store, StoredEvent, Tree};
