//! Errands under way. Only in memory: after a restart none is, and state proposes them again.

use crate::run::{AttemptId, RunId};
use crate::schedule::Name;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(super) struct Inflight {
    pub submits: BTreeSet<AttemptId>,
    /// Status reads under way, with the instant each was begun.
    pub checks: BTreeMap<AttemptId, DateTime<Utc>>,
    pub fetches: BTreeSet<AttemptId>,
    pub cancels: BTreeSet<(AttemptId, String)>,
    pub asks: BTreeSet<RunId>,
    /// One publish a schedule at a time: two runs may write the same partition.
    pub publishes: BTreeMap<Name, RunId>,
    pub list: Option<DateTime<Utc>>,
    /// When the last status read of an attempt was begun; spaces those that callbacks ask for.
    pub checked_at: BTreeMap<AttemptId, DateTime<Utc>>,
}

impl Inflight {
    pub fn publishes_run(&self, run: &RunId) -> bool {
        self.publishes.values().any(|other| other == run)
    }

    pub fn forget(&mut self, run: &RunId) {
        self.checked_at.retain(|attempt, _| attempt.run != *run);
    }
}
