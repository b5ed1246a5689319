//! What the roster waits for.

use super::Roster;
use chrono::{DateTime, Utc};

impl Roster {
    /// When the next turn is due though nothing came in, and what for.
    pub fn poll_deadline(&self) -> Option<(DateTime<Utc>, &'static str)> {
        let fire = self.fires.first().filter(|_| !self.clock.is_unset());
        let unsaved = self.has_unsaved_marks();
        let sweep = self
            .sweep_at
            .filter(|_| !self.queues.watch.is_empty() && self.inflight.list.is_none());
        let held = self.hold_until();
        let newcomers = held.is_none() && self.has_newcomers_due();
        let listing = self.inflight.list.is_some();
        let list_at = self.reconciliation.due_at();
        let free = held.is_none() && self.queues.holding.len() < self.limits.open_jobs_max;
        let hold =
            self.hold.as_ref().map(|hold| hold.until).filter(|_| {
                free && !self.queues.submit.is_empty() && self.inflight.submits.is_empty()
            });
        [
            match held {
                Some(until) => Some((until, "the end of a hold")),
                None => fire.map(|(at, _)| (*at, "a fire")),
            },
            (!listing).then_some((list_at, "reconciliation")),
            self.callbacks.deadline().map(|at| (at, "a callback")),
            unsaved.then_some((DateTime::UNIX_EPOCH, "marks to be saved")),
            newcomers.then_some((DateTime::UNIX_EPOCH, "a changed roster")),
            self.queues.first_wake().map(|at| (at, "a run")),
            sweep.map(|at| (at, "the sweep")),
            hold.map(|at| (at, "the hold on creates")),
            self.landing_deadline().map(|at| (at, "the landing folder")),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
