//! How well callbacks work: when one was last heard, how far it leads the sweep, and whether they have
//! stopped coming; and what else the vendor does that its contract does not say.

use super::lost::is_live;
use super::{Entry, Roster, Saved, Turn};
use crate::run::{AttemptId, Event, LearnedBy, Run};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// The key in the store of the instant since when callbacks have been missing.
pub const SILENT_SINCE: &str = "callbacks.silent_since";
/// Jobs in a row whose callback did not come before callbacks count as silent.
const MISSED_MAX: u32 = 3;
/// Jobs whose callback is waited for at once.
const AWAITED_MAX: usize = 10_000;
/// How long a callback may come after the sweep has learned of its job's end: as long as between two
/// sweeps, within these bounds.
const GRACE: (TimeDelta, TimeDelta) = (TimeDelta::seconds(5), TimeDelta::seconds(60));

/// The callbacks as they stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallbacksNow {
    pub last_heard_at: Option<DateTime<Utc>>,
    /// How much earlier than the next sweep jobs were learned of by callback, on average since the start.
    pub lead: Option<Duration>,
    /// Since when they have been missing; kept over restarts, so that their return is told.
    pub silent_since: Option<DateTime<Utc>>,
    /// Jobs in a row whose callback did not come, since the start.
    pub missed: u32,
}

#[derive(Debug)]
pub(super) struct Callbacks {
    /// Addresses are sent, so callbacks are due.
    pub expected: bool,
    grace: TimeDelta,
    now: CallbacksNow,
    /// Jobs that the sweep has seen ended, and until when their callbacks may still come.
    awaited: BTreeMap<AttemptId, DateTime<Utc>>,
    leads: (TimeDelta, i32),
}

/// The end of a job, as a run has just taken it in.
pub(super) struct Ended {
    attempt: AttemptId,
    by: LearnedBy,
    /// Its callback had come by then.
    heard: bool,
}

impl Ended {
    /// What `event` says of a job's end, if it does.
    pub fn by(run: &Run, event: &Event) -> Option<Ended> {
        let Event::JobChecked {
            part,
            attempt,
            job,
            by,
            ..
        } = event
        else {
            return None;
        };
        if is_live(job) {
            return None;
        }
        let (part, number) = (*part, *attempt);
        let mut attempts = run.parts.get(&part)?.attempts.iter();
        let heard = attempts.find(|known| known.number == number)?.heard_at;
        let run = run.id.clone();
        Some(Ended {
            attempt: AttemptId { run, part, number },
            by: *by,
            heard: heard.is_some(),
        })
    }
}

impl Roster {
    /// Addresses are sent to the vendor: callbacks are to be heard.
    pub fn expect_callbacks(&mut self) {
        self.callbacks.expected = true;
    }

    /// Something outside the vendor's contract: one event, once and for all.
    pub(super) fn drifted(&mut self, notes: Vec<String>, turn: &mut Turn) {
        for what in notes {
            if !self.drift.insert(what.clone()) {
                continue;
            }
            turn.entries
                .push(note(json!({"event": "contract_drift", "what": what})));
            turn.saved.push(Saved::Setting {
                key: format!("drift.{what}"),
                value: Some(serde_json::Value::Null),
            });
        }
    }
}

impl Callbacks {
    pub fn begin(poll_interval: Duration, silent_since: Option<DateTime<Utc>>) -> Callbacks {
        let grace = TimeDelta::from_std(poll_interval).unwrap_or(GRACE.1);
        Callbacks {
            expected: false,
            grace: grace.clamp(GRACE.0, GRACE.1),
            now: CallbacksNow {
                silent_since,
                ..CallbacksNow::default()
            },
            awaited: BTreeMap::new(),
            leads: (TimeDelta::zero(), 0),
        }
    }

    /// Nobody misses what is not expected.
    pub fn now(&self) -> CallbacksNow {
        CallbacksNow {
            silent_since: self.now.silent_since.filter(|_| self.expected),
            ..self.now.clone()
        }
    }

    pub fn deadline(&self) -> Option<DateTime<Utc>> {
        self.awaited.values().min().copied()
    }

    /// A callback came, whatever its attempt is up to.
    pub fn heard(&mut self, attempt: &AttemptId, now: DateTime<Utc>, turn: &mut Turn) {
        self.awaited.remove(attempt);
        self.now.missed = 0;
        self.now.last_heard_at = Some(now);
        if let Some(since) = self.now.silent_since.take() {
            keep(None, turn);
            turn.entries.push(note(
                json!({"event": "callbacks_back", "silent_since": since}),
            ));
        }
    }

    /// A job has ended; `sweep_at` is when the list would have told.
    pub fn ended(&mut self, ended: Ended, sweep_at: Option<DateTime<Utc>>, now: DateTime<Utc>) {
        match ended.by {
            LearnedBy::Callback => {
                let lead = sweep_at.map_or(TimeDelta::zero(), |at| at - now);
                self.leads.0 += lead.max(TimeDelta::zero());
                self.leads.1 += 1;
                self.now.lead = (self.leads.0 / self.leads.1).to_std().ok();
            }
            LearnedBy::Poll if !ended.heard && self.expected => {
                if self.awaited.len() < AWAITED_MAX {
                    self.awaited.insert(ended.attempt, now + self.grace);
                }
            }
            LearnedBy::Poll | LearnedBy::Reconcile => {}
        }
    }

    /// Counts the callbacks that are overdue.
    pub fn poll(&mut self, now: DateTime<Utc>, turn: &mut Turn) {
        let before = self.awaited.len();
        self.awaited.retain(|_, until| *until > now);
        let overdue = u32::try_from(before - self.awaited.len()).unwrap_or(u32::MAX);
        self.now.missed = self.now.missed.saturating_add(overdue);
        if overdue > 0 && self.now.missed >= MISSED_MAX && self.now.silent_since.is_none() {
            self.now.silent_since = Some(now);
            keep(Some(now), turn);
            turn.entries.push(note(json!({
                "event": "callbacks_silent", "missed": self.now.missed,
                "last_heard_at": self.now.last_heard_at,
            })));
        }
    }
}

fn keep(silent_since: Option<DateTime<Utc>>, turn: &mut Turn) {
    turn.saved.push(Saved::Setting {
        key: SILENT_SINCE.to_owned(),
        value: silent_since.map(|since| json!(since)),
    });
}

fn note(body: serde_json::Value) -> Entry {
    Entry {
        schedule: None,
        run: None,
        body,
    }
}
