//! Fires that were missed: which of them still run, bounded by age and by count.

use super::fires::window_of;
use super::{Mark, Roster, Turn};
use crate::run::Trigger;
use crate::schedule::{CatchUpMode, Schedule, Window};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;

/// Fires of one schedule decided at once; older ones of a very long absence are summed up in one event.
const DECIDED_MAX: usize = 10_000;
/// Fires walked over one by one before the walk jumps to the last ones.
const WALKED_MAX: i32 = 100_000;

/// The fires after the last decision that are due by now.
pub(super) struct Undecided {
    /// Oldest first.
    pub fires: Vec<DateTime<Utc>>,
    /// Those before, which were too many to decide one by one.
    pub older: Option<Older>,
}

/// A stretch of fires without a record each.
pub(super) struct Older {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    /// Unknown where they were too many to be counted.
    count: Option<usize>,
}

impl Older {
    pub fn body(&self) -> Value {
        json!({
            "event": "fires_skipped", "reason": "too_old", "count": self.count,
            "from": self.from, "to": self.to,
        })
    }
}

pub(super) fn undecided(schedule: &Schedule, mark: &Mark, now: DateTime<Utc>) -> Undecided {
    let mut fires = VecDeque::new();
    let mut after = mark.decided_through;
    let (mut walked, mut forgotten, mut jumped) = (0, Vec::new(), false);
    let mut count = 0;
    while let Some(nominal) = schedule.cadence.next(after) {
        if schedule.fires_at(nominal) > now {
            break;
        }
        if fires.len() == DECIDED_MAX {
            forgotten.extend(fires.pop_front());
            forgotten.truncate(1);
            count += 1;
        }
        fires.push_back(nominal);
        after = nominal;
        walked += 1;
        if walked == WALKED_MAX && !jumped {
            jumped = true;
            let pace = (after - mark.decided_through) / WALKED_MAX;
            after = after.max(now - pace * (2 * DECIDED_MAX as i32));
        }
    }
    let older = forgotten.first().zip(fires.front());
    Undecided {
        older: older.map(|(from, first)| Older {
            from: *from,
            to: *first,
            count: (!jumped).then_some(count),
        }),
        fires: fires.into(),
    }
}

impl Roster {
    pub(super) fn catch_up(
        &mut self,
        schedule: &Arc<Schedule>,
        missed: Vec<DateTime<Utc>>,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        let policy = schedule.catch_up;
        let max_age = TimeDelta::from_std(policy.max_age).unwrap_or(TimeDelta::MAX);
        let mut young = Vec::new();
        for nominal in missed {
            if now - nominal > max_age {
                self.skip(schedule, nominal, "too_old", now, turn);
            } else if self.has_landed_since(schedule, nominal) {
                self.skip(schedule, nominal, "already_covered", now, turn);
            } else {
                young.push(nominal);
            }
        }
        if young.is_empty() {
            return;
        }
        let kept = match policy.mode {
            CatchUpMode::None => 0,
            CatchUpMode::Latest | CatchUpMode::Coalesce => 1,
            CatchUpMode::All => (policy.max_runs as usize).min(young.len()),
        };
        let reason = match policy.mode {
            CatchUpMode::None => "missed",
            CatchUpMode::Latest => "superseded",
            CatchUpMode::All => "over_count",
            CatchUpMode::Coalesce => "coalesced",
        };
        let window = |nominal: &DateTime<Utc>| window_of(schedule, *nominal);
        let union = young.iter().map(window).reduce(Window::union);
        let kept = young.split_off(young.len() - kept);
        for nominal in young {
            self.skip(schedule, nominal, reason, now, turn);
        }
        for nominal in kept {
            let window = match policy.mode {
                // The latest alone is kept, and stands for all.
                CatchUpMode::Coalesce => union.unwrap_or(window(&nominal)),
                _ => window(&nominal),
            };
            self.fire(schedule, nominal, window, Trigger::CatchUp, now, turn);
        }
    }

    /// A run that began as the fire should have, or later, has landed all its days.
    fn has_landed_since(&self, schedule: &Schedule, nominal: DateTime<Utc>) -> bool {
        let window = window_of(schedule, nominal);
        let landed = self
            .marks
            .get(&schedule.name)
            .and_then(|mark| mark.last_landed.as_ref());
        landed.is_some_and(|landed| {
            landed.at >= nominal && landed.window.union(window) == landed.window
        })
    }
}
