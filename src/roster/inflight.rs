//! Errands under way. Only in memory: after a restart none is, and state proposes them again.

use crate::run::{AttemptId, Run, RunId, RunState};
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
    /// Publishes that may have been under way when the process before this one ended: whether their files are there is
    /// known from a report alone.
    unsettled: BTreeSet<RunId>,
    pub list: Option<DateTime<Utc>>,
    /// When the last status read of an attempt was begun; spaces those that callbacks ask for.
    pub checked_at: BTreeMap<AttemptId, DateTime<Utc>>,
}

impl Inflight {
    pub fn publishes_run(&self, run: &RunId) -> bool {
        self.publishes.values().any(|other| other == run)
    }

    /// The run may have published files that it does not know of.
    pub fn may_have_published(&self, run: &RunId) -> bool {
        self.publishes_run(run) || self.unsettled.contains(run)
    }

    /// A run as the process before this one left it.
    pub fn inherit(&mut self, run: &Run) {
        if run.state == RunState::Publishing {
            self.unsettled.insert(run.id.clone());
        }
    }

    /// What came of the run's publish is known.
    pub fn publish_reported(&mut self, run: &RunId) {
        self.publishes.retain(|_, other| other != run);
        self.unsettled.remove(run);
    }

    pub fn forget(&mut self, run: &RunId) {
        self.checked_at.retain(|attempt, _| attempt.run != *run);
        self.unsettled.remove(run);
    }
}
