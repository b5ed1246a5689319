//! How everything is at one instant, for those who look from outside.

use super::Roster;
use super::turn::{OpenRun, ScheduleNow, Snapshot};
use crate::run::{PartState, Run};
use crate::schedule::DAWN;
use chrono::{DateTime, Utc};
use std::sync::Arc;

impl Roster {
    pub(super) fn snapshot(&self, now: DateTime<Utc>) -> Snapshot {
        Snapshot {
            at: now,
            schedules: self
                .schedules
                .iter()
                .filter_map(|(name, known)| {
                    let mark = self.marks.get(name)?.clone();
                    let next = known.next;
                    Some(ScheduleNow {
                        schedule: Arc::clone(&known.schedule),
                        mark,
                        next,
                    })
                })
                .collect(),
            open: self
                .runs
                .values()
                .filter(|run| !run.state.is_terminal())
                .map(|run| OpenRun {
                    run: run.clone(),
                    parts_done: done(run),
                })
                .collect(),
            jobs_in_flight: self.queues.holding.len(),
            downloads: self.inflight.fetches.len(),
            last_list_at: self.last_list_at,
            clock_unset: now < DAWN,
            list_trouble: self
                .list_trouble
                .lasting()
                .map(|(since, words)| (since, words.to_owned())),
            hold: self.hold.as_ref().map(|hold| hold.fault.message.clone()),
            landing_hold: self
                .landing_hold
                .as_ref()
                .map(|hold| hold.fault.message.clone()),
            second_jobs: self.second_jobs,
            callbacks: self.callbacks.now(),
            doubt: self.reconciliation.held_for(now),
        }
    }
}

fn done(run: &Run) -> u32 {
    let fetched = run
        .live_parts()
        .filter(|part| part.state == PartState::Fetched);
    u32::try_from(fetched.count()).unwrap_or(u32::MAX)
}
