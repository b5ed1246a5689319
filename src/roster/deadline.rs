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
        // Folded one by one: an array of them costs a tenth of an idle turn.
        let mut first: Option<(DateTime<Utc>, &'static str)> = None;
        let mut wait = |at: Option<DateTime<Utc>>, what| {
            if let Some(at) = at
                && first.is_none_or(|known| (at, what) < known)
            {
                first = Some((at, what));
            }
        };
        match held {
            Some(until) => wait(Some(until), "the end of a hold"),
            None => wait(fire.map(|(at, _)| *at), "a fire"),
        }
        wait((!listing).then_some(list_at), "reconciliation");
        wait(self.callbacks.deadline(), "a callback");
        wait(unsaved.then_some(DateTime::UNIX_EPOCH), "marks to be saved");
        wait(
            newcomers.then_some(DateTime::UNIX_EPOCH),
            "a changed roster",
        );
        wait(self.queues.first_wake(), "a run");
        wait(sweep, "the sweep");
        wait(hold, "the hold on creates");
        wait(self.landing_deadline(), "the landing folder");
        first
    }
}
