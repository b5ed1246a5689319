//! What becomes of decisions when the machine's clock is wrong: not set at boot, set back, set right again.
//!
//! Decisions are remembered by the time they reached. If the clock goes back behind that, the fires in between come a
//! second time: whichever has landed is not run again, and none loses the record it has.

use super::fires::window_of;
use super::{Entry, Mark, Roster, Turn};
use crate::run::{Event, RunId};
use crate::schedule::{DAWN, Name, Schedule};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use std::sync::Arc;

/// How far decisions may lie ahead of the clock before it is taken to have been wrong when they were made.
const SLACK: TimeDelta = TimeDelta::hours(24);
/// Less than this is the clock's own trembling.
const STEP: TimeDelta = TimeDelta::seconds(5);

/// The clock as it was last seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    latest: DateTime<Utc>,
    unset: bool,
}

impl Clock {
    pub fn new(now: DateTime<Utc>) -> Clock {
        Clock {
            latest: now,
            unset: false,
        }
    }

    /// It shows a time before aptiqd was made: nothing is due by it.
    pub fn is_unset(self) -> bool {
        self.unset
    }
}

impl Roster {
    /// Looks at the clock before anything is decided by it.
    pub(super) fn mind_clock(&mut self, now: DateTime<Utc>, turn: &mut Turn) {
        let was_unset = std::mem::replace(&mut self.clock.unset, now < DAWN);
        if now < DAWN {
            if !was_unset {
                turn.entries.push(Entry {
                    schedule: None,
                    run: None,
                    body: json!({"event": "clock_not_set", "at": now}),
                });
            }
            return;
        }
        let back = self.clock.latest - now;
        self.clock.latest = now;
        if was_unset {
            self.started_at = now;
        } else if back > STEP {
            self.set_waits_back(back, now, turn);
        }
        if !was_unset && back <= STEP {
            return;
        }
        let names: Vec<Name> = self.schedules.keys().cloned().collect();
        for name in names {
            if self.set_right(&name, now, turn) {
                self.plan_next_fire(&name);
            }
        }
    }

    /// What waits for an instant of the clock as it was waits no longer than it would have.
    fn set_waits_back(&mut self, by: TimeDelta, now: DateTime<Utc>, turn: &mut Turn) {
        self.sweep_at = Some(now);
        self.hold = None;
        self.inflight.checked_at.clear();
        let open: Vec<RunId> = self.runs.keys().cloned().collect();
        for id in open {
            let _ = self.apply(&id, &Event::ClockSetBack { by }, now, turn);
        }
    }

    /// Brings what is remembered of a schedule into line with the clock; whether that changed it.
    pub(super) fn set_right(&mut self, name: &Name, now: DateTime<Utc>, turn: &mut Turn) -> bool {
        let Some(mark) = self.marks.get_mut(name).filter(|_| now >= DAWN) else {
            return false;
        };
        let body = if mark.first_seen < DAWN {
            // Seen before the clock was set: it begins now.
            mark.first_seen = now;
            mark.decided_through = now;
            json!({"event": "clock_set"})
        } else if mark.decided_through - now > SLACK {
            let was = std::mem::replace(&mut mark.decided_through, now);
            mark.decided_before = mark.decided_before.max(Some(was));
            json!({"event": "clock_stepped_back", "decided_through": was})
        } else {
            return false;
        };
        self.touch_mark(name);
        self.note_schedule(name, body, turn);
        true
    }

    /// The fire was decided under a clock that has been set back since.
    pub(super) fn was_decided_before(&self, name: &Name, nominal: DateTime<Utc>) -> bool {
        let mark = self.marks.get(name);
        mark.is_some_and(|mark| decided_before(mark, nominal))
    }

    /// Leaves out the fires that come a second time and whose days have landed.
    pub(super) fn not_covered(
        &self,
        schedule: &Arc<Schedule>,
        mark: &Mark,
        mut fires: Vec<DateTime<Utc>>,
        turn: &mut Turn,
    ) -> Vec<DateTime<Utc>> {
        fires.retain(|nominal| {
            let covered = decided_before(mark, *nominal) && self.is_covered(schedule, *nominal);
            if covered {
                let body = json!({
                    "event": "fire_skipped", "nominal_at": nominal, "reason": "already_covered",
                });
                self.note_schedule(&schedule.name, body, turn);
            }
            !covered
        });
        fires
    }

    /// Every day of the fire's window has landed for every property that it would ask for.
    fn is_covered(&self, schedule: &Schedule, nominal: DateTime<Utc>) -> bool {
        let Some(ledger) = self.ledgers.get(&schedule.name) else {
            return false;
        };
        let window = window_of(schedule, nominal);
        let asked = self.properties_now(schedule);
        let mut wanted = asked
            .iter()
            .filter(|property| !self.excluded.contains_key(property));
        let landed = |property: &i64| {
            let line = ledger.line(*property);
            line.is_some_and(|line| line.has_landed(window))
        };
        !asked.is_empty() && wanted.all(landed)
    }
}

fn decided_before(mark: &Mark, nominal: DateTime<Utc>) -> bool {
    mark.decided_before.is_some_and(|before| nominal <= before)
}
