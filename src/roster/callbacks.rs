//! Callbacks: hints to open attempts, evidence about all others.
//!
//! A callback that changes nothing is remembered all the same, but what it costs must not grow with how often it comes:
//! the first of an attempt within [`PAUSE`] is an event of its run, all others of a turn are one event together.

use super::{Entry, Roster, Turn};
use crate::run::{AttemptId, Event};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, json};
use std::collections::BTreeMap;

/// How long an attempt's further callbacks are not events of its run.
const PAUSE: TimeDelta = TimeDelta::hours(1);
/// Attempts that are remembered for it; when there are more, all are forgotten, which costs one event each.
const REMEMBERED_MAX: usize = 4_096;

/// Callbacks that changed nothing.
#[derive(Debug, Default)]
pub(super) struct Idle {
    told: BTreeMap<AttemptId, DateTime<Utc>>,
    /// Of this turn, not told by an event of their own.
    repeated: BTreeMap<AttemptId, u32>,
}

impl Idle {
    /// Whether this one is worth an event of its own.
    fn is_first(&mut self, attempt: &AttemptId, now: DateTime<Utc>) -> bool {
        if let Some(told) = self.told.get(attempt)
            && (now - *told).abs() < PAUSE
        {
            return false;
        }
        if self.told.len() >= REMEMBERED_MAX {
            self.told.clear();
        }
        self.told.insert(attempt.clone(), now);
        true
    }
}

impl Roster {
    /// A callback decides nothing; it brings the next check forward.
    pub(super) fn handle_callback(
        &mut self,
        id: AttemptId,
        count: u32,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        self.callbacks.heard(&id, now, turn);
        let event = Event::CallbackHeard {
            part: id.part,
            attempt: id.number,
            count,
        };
        let Err(why) = self.apply(&id.run, &event, now, turn) else {
            return;
        };
        if !self.idle_callbacks.is_first(&id, now) {
            *self.idle_callbacks.repeated.entry(id).or_default() += count;
            return;
        }
        let body = json!({
            "event": "callback_heard", "part": id.part, "attempt": id.number, "count": count,
            "changed": null, "because": why.to_string(),
        });
        self.note(&id.run, body, turn);
    }

    /// What came again and again, as one event of the turn.
    pub(super) fn note_repeated_callbacks(&mut self, turn: &mut Turn) {
        let repeated = std::mem::take(&mut self.idle_callbacks.repeated);
        if repeated.is_empty() {
            return;
        }
        let attempts: Map<_, _> = repeated
            .iter()
            .map(|(attempt, count)| (attempt.to_string(), (*count).into()))
            .collect();
        turn.entries.push(Entry {
            schedule: None,
            run: None,
            body: json!({"event": "callbacks_repeated", "attempts": attempts}),
        });
    }
}
