//! The public listener: nothing but `/cb/v1/{token}`.

mod counters;
mod listener;
mod rehearsal;
mod routes;
mod uniform;
mod verified;

pub use counters::{Counters, Outcome};
pub use listener::{Limits, serve};
pub use rehearsal::{Heard, Rehearsals};

use crate::run::AttemptId;
use std::future::Future;

/// Whoever makes a callback durable. The engine does; a bench puts nothing in its place.
pub trait Acknowledge: Clone + Send + Sync + 'static {
    /// Returns once the callback is on disk (law 6), or says that the store cannot take it.
    fn acknowledge(
        &self,
        attempt: AttemptId,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// The store cannot take a callback now; the sender should come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store is not available")]
pub struct Unavailable;

#[cfg(test)]
mod tests;
