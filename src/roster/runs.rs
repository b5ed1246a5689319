//! Runs that are due by time, take their turn, or have ended.

use super::{Answer, Ended, Landed, ListName, Roster, Turn, plan};
use crate::run::{Event, Part, Run, RunId, RunState, Trigger};
use crate::schedule::Overlap;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::sync::Arc;

impl Roster {
    /// Starts what may start, ends what is over its deadline, and lines up what changed or is due.
    pub(super) fn poll_runs(&mut self, now: DateTime<Utc>, turn: &mut Turn) {
        for id in self.queues.due(now) {
            self.end_if_overdue(&id, now, turn);
            self.line_up(&id, now);
        }
        self.start_queued(now, turn);
        for id in self.is_dirty() {
            self.plan_if_known(&id, now, turn);
            self.line_up(&id, now);
        }
    }

    pub(super) fn line_up(&mut self, id: &RunId, now: DateTime<Utc>) {
        let Some(run) = self.runs.get(id) else { return };
        // A publish under way is waited for by its report: an agenda that says "now" until then would spin.
        let ends_at = run
            .deadline_at()
            .filter(|_| !self.inflight.may_have_published(id));
        self.queues
            .refresh(run, ends_at, &self.inflight.checked_at, now);
    }

    fn end_if_overdue(&mut self, id: &RunId, now: DateTime<Utc>, turn: &mut Turn) {
        let overdue = self.runs.get(id).is_some_and(|run| {
            !run.state.is_terminal() && run.deadline_at().is_some_and(|deadline| deadline <= now)
        });
        // A publish is let finish, also one that the process before this one began: what it wrote must not be called failed.
        if overdue && !self.inflight.may_have_published(id) {
            let _ = self.apply(id, &Event::DeadlinePassed, now, turn);
        }
    }

    /// A queued run starts when no other run of its schedule is active.
    fn start_queued(&mut self, now: DateTime<Utc>, turn: &mut Turn) {
        let candidates: Vec<RunId> = self
            .runs
            .values()
            .filter(|run| run.state == RunState::Queued && run.trigger != Trigger::Backfill)
            .filter(|run| self.may_start(run))
            .map(|run| run.id.clone())
            .collect();
        for id in candidates {
            // An earlier candidate of the same schedule may have taken the turn.
            if self.runs.get(&id).is_some_and(|run| self.may_start(run)) {
                let _ = self.apply(&id, &Event::Started, now, turn);
            }
        }
        self.start_backfills(now, turn);
    }

    fn may_start(&self, run: &Run) -> bool {
        let allow = self
            .schedules
            .get(&run.schedule)
            .is_some_and(|known| known.schedule.overlap == Overlap::Allow);
        if allow {
            return true;
        }
        let rank = |other: &Run| (other.created_at, other.nominal_at);
        self.competing(&run.schedule).all(|other| {
            other.id == run.id || (other.state == RunState::Queued && rank(run) < rank(other))
        })
    }

    /// A run whose properties the schedule lists needs to ask nobody.
    fn plan_if_known(&mut self, id: &RunId, now: DateTime<Utc>, turn: &mut Turn) {
        let Some(run) = self.runs.get(id) else { return };
        if run.state != RunState::Resolving || run.terms.source.is_some() {
            return;
        }
        if run.batch.is_some() {
            return self.plan_backfill(id, now, turn);
        }
        let event = planned(run, Arc::clone(&run.properties));
        let _ = self.apply(id, &event, now, turn);
    }

    /// Runs that this turn made are told as it leaves them: started and cut into parts, if they may be.
    pub(super) fn tell_new_runs(&self, turn: &mut Turn) {
        for (_, answer) in &mut turn.answers {
            if let Ok(Answer::Run(told)) = answer
                && self.is_new(&told.id)
                && let Some(run) = self.runs.get(&told.id)
            {
                (**told).clone_from(run);
            }
        }
    }

    /// Remembers in the schedule's mark how its run ended.
    pub(super) fn run_ended(&mut self, id: &RunId, now: DateTime<Utc>, turn: &mut Turn) {
        let Some(run) = self.runs.get(id) else { return };
        let run = run.clone();
        self.note(id, end_of(&run), turn);
        if let Some(mark) = self.marks.get_mut(&run.schedule) {
            // How old days fare says nothing about how the schedule does.
            let fresh = run.trigger != Trigger::Backfill;
            if fresh {
                mark.last_ended = Some(Box::new(Ended {
                    run: run.id.clone(),
                    state: run.state,
                    reason: run.reason.clone(),
                    at: now,
                }));
                mark.skips = 0;
            }
            if run.state == RunState::Landed && fresh {
                mark.last_landed = Some(Box::new(Landed {
                    run: run.id.clone(),
                    at: now,
                    window: run.window,
                }));
                mark.data_through = mark.data_through.max(Some(run.window.to));
            }
        }
        self.touch_mark(&run.schedule);
        turn.ended.push(run);
    }
}

/// How a run ended, for the journal: which fact ended it stands before this.
fn end_of(run: &Run) -> Value {
    json!({
        "event": "run_ended", "state": run.state.as_str(), "reason": run.reason,
        "trigger": run.trigger.as_str(), "from": run.window.from, "to": run.window.to,
        "rows": run.rows, "bytes": run.bytes, "files": run.files.len(),
    })
}

/// The event that cuts a run into parts.
pub(super) fn planned(run: &Run, properties: Arc<Vec<i64>>) -> Event {
    let slices = plan::parts(&properties, run.window, run.terms.chunk);
    Event::Planned {
        roster: roster_hash(&properties),
        parts: number(slices, 1),
        properties,
    }
}

/// The name under which a run's frozen list of properties is stored.
pub(super) fn roster_hash(properties: &[i64]) -> String {
    ListName::of(properties).to_string()
}

/// Slices as parts, numbered from `first`.
pub(super) fn number(slices: Vec<plan::Slice>, first: u32) -> Vec<Part> {
    slices
        .into_iter()
        .zip(first..)
        .map(|(slice, number)| Part::planned(number, slice.first, slice.count, slice.window))
        .collect()
}
