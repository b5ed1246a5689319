//! What became of everything that came in: counted, never logged one by one, so that a flood of
//! forgeries fills no disk.

use super::Rehearsals;
use std::sync::atomic::{AtomicU64, Ordering};

/// The outcomes of requests and connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// On disk, answered 202.
    Accepted,
    /// A token that is not ours, another path or method: answered 404.
    Forged,
    /// A body over the limit: answered 413.
    Oversized,
    /// The store could not take it: answered 503.
    Unavailable,
    /// Headers or body came too slowly: closed without an answer.
    Timeout,
    /// The sender went away or spoke no HTTP.
    Broken,
}

impl Outcome {
    pub const ALL: [Outcome; 6] = [
        Outcome::Accepted,
        Outcome::Forged,
        Outcome::Oversized,
        Outcome::Unavailable,
        Outcome::Timeout,
        Outcome::Broken,
    ];

    /// The label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Accepted => "accepted",
            Outcome::Forged => "forged",
            Outcome::Oversized => "oversized",
            Outcome::Unavailable => "unavailable",
            Outcome::Timeout => "timeout",
            Outcome::Broken => "broken",
        }
    }
}

/// One count per outcome since the start, and the connections open now.
#[derive(Debug, Default)]
pub struct Counters {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    connections: AtomicU64,
    rehearsals: Rehearsals,
}

impl Counters {
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize].load(Ordering::Relaxed)
    }

    /// The callbacks that we send ourselves.
    pub fn rehearsals(&self) -> &Rehearsals {
        &self.rehearsals
    }

    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn opened(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
