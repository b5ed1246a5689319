//! What was asked and what the vendor said about its limits, for status and metrics.

use super::budget::Budget;
use crate::clock;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{DATE, HeaderMap};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

const DRIFT_NOTES_MAX: usize = 32;

/// A snapshot of [`super::Client::limits`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LimitsSeen {
    /// `X-RateLimit-Limit` of the last answer that had one.
    pub limit: Option<u64>,
    /// When it last answered anything.
    pub answered_at: Option<DateTime<Utc>>,
    /// Its clock and ours, as of its last answer that told the time.
    pub clock: Option<VendorClock>,
    /// The pause that is still to be kept, if the vendor asked for one.
    pub closed_for: Option<Duration>,
    /// All pauses asked for, together.
    pub throttled: Duration,
    /// The quota refusal that no job taken since has overruled.
    pub quota: Option<Quota>,
    /// Requests since the start, by endpoint and outcome.
    pub requests: Vec<RequestCount>,
    /// Fields and words the vendor's contract does not know, each noted once (at most 32).
    pub drift: Vec<String>,
}

/// The vendor's time beside ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VendorClock {
    /// The answer's `Date`, cut to whole seconds.
    pub theirs: DateTime<Utc>,
    /// When the answer's headers were here.
    pub ours: DateTime<Utc>,
}

/// The vendor's account quota as its 429 told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    pub limit: i64,
    pub usage: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestCount {
    /// `create`, `job`, `list`, `results`, `cancel`, `properties`, `token`.
    pub endpoint: &'static str,
    /// The status, or `unreachable` or `unanswered`.
    pub code: String,
    pub count: u64,
}

#[derive(Default)]
pub(super) struct Usage {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    limit: Option<u64>,
    answered_at: Option<DateTime<Utc>>,
    clock: Option<VendorClock>,
    quota: Option<Quota>,
    requests: BTreeMap<(&'static str, String), u64>,
    drift: BTreeSet<String>,
    /// Those of `drift` that nobody has been told of.
    untold: Vec<String>,
}

impl Usage {
    pub(super) fn count(&self, endpoint: &'static str, code: String) {
        *self.seen().requests.entry((endpoint, code)).or_default() += 1;
    }

    pub(super) fn note_headers(&self, headers: &HeaderMap) {
        let ours = clock::now();
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let limit = text("x-ratelimit-limit").and_then(|limit| limit.trim().parse().ok());
        let date = text(DATE.as_str()).and_then(|date| httpdate::parse_http_date(date).ok());
        let mut seen = self.seen();
        seen.answered_at = Some(ours);
        seen.limit = limit.or(seen.limit);
        if let Some(date) = date {
            let theirs = DateTime::from(date);
            seen.clock = Some(VendorClock { theirs, ours });
        }
    }

    pub(super) fn note_quota(&self, quota: Quota) {
        self.seen().quota = Some(quota);
    }

    /// A job was taken: the quota has room.
    pub(super) fn lift_quota(&self) {
        self.seen().quota = None;
    }

    /// Keeps the first sighting of something the contract does not know.
    pub(super) fn note_drift(&self, notes: Vec<String>) {
        if notes.is_empty() {
            return;
        }
        let mut seen = self.seen();
        for note in notes {
            if seen.drift.len() < DRIFT_NOTES_MAX && seen.drift.insert(note.clone()) {
                seen.untold.push(note);
            }
        }
    }

    pub(super) fn new_drift(&self) -> Vec<String> {
        std::mem::take(&mut self.seen().untold)
    }

    pub(super) fn clock_ahead(&self) -> Option<TimeDelta> {
        let clock = self.seen().clock?;
        // Its second had begun by then, and the answer was on its way for a while: never too much.
        Some(clock.theirs - clock.ours)
    }

    pub(super) fn snapshot(&self, budget: &Budget) -> LimitsSeen {
        let seen = self.seen();
        let requests = seen.requests.iter();
        LimitsSeen {
            limit: seen.limit,
            answered_at: seen.answered_at,
            clock: seen.clock,
            closed_for: budget.closed_for(),
            throttled: budget.throttled(),
            quota: seen.quota,
            requests: requests
                .map(|((endpoint, code), count)| RequestCount {
                    endpoint,
                    code: code.clone(),
                    count: *count,
                })
                .collect(),
            drift: seen.drift.iter().cloned().collect(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no panic while counters are held")
    }
}
