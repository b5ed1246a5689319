//! The loop that owns the roster and the store: commit, then answer, then act.

#[expect(
    clippy::module_inception,
    reason = "the engine is what this room is about"
)]
mod engine;
mod errand;
mod handle;
mod journal_log;

pub use engine::{Engine, Error, Options, recalled};
pub use errand::{Addresses, Errands};
pub use handle::{Asked, Handle};
