//! What is counted as runs end; the engine calls it after the commit.

use super::metrics::Histogram;
use crate::run::{Run, RunState, Trigger};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// From a second to a day: jobs take minutes, runs of many parts hours.
pub(super) const PHASE_BOUNDS: &[f64] = &[
    1.0, 5.0, 15.0, 60.0, 180.0, 600.0, 1_800.0, 3_600.0, 10_800.0, 21_600.0, 86_400.0,
];

/// What a run's life is cut into.
pub(super) const PHASES: [&str; 3] = ["wait", "export", "land"];

/// Counters since the daemon began; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    counts: Arc<Mutex<Counts>>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// Schedule and outcome → runs.
    pub runs: BTreeMap<(String, &'static str), u64>,
    /// Schedule and phase → durations in seconds.
    pub phases: BTreeMap<(String, &'static str), Histogram>,
    /// `callback`, `poll`, `reconcile` → jobs that ended.
    pub learned_by: BTreeMap<&'static str, u64>,
    pub rows: u64,
    pub bytes: u64,
    /// Seconds from the due instant to the run, of the last run that cron made.
    pub lag: Option<f64>,
}

impl Tally {
    /// Counts a run that has just ended.
    pub fn ended(&self, run: &Run) {
        self.counts().count(run);
    }

    pub(super) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn count(&mut self, run: &Run) {
        let schedule = run.schedule.to_string();
        let outcome = (schedule.clone(), run.state.as_str());
        *self.runs.entry(outcome).or_default() += 1;
        if run.state == RunState::Skipped {
            return;
        }
        self.rows += run.rows;
        self.bytes += run.bytes;
        let attempts = || run.parts.values().flat_map(|part| &part.attempts);
        for learned_by in attempts().filter_map(|attempt| attempt.learned_by) {
            *self.learned_by.entry(learned_by.as_str()).or_default() += 1;
        }
        if run.trigger == Trigger::Cron {
            self.lag = seconds(Some(run.nominal_at), Some(run.created_at));
        }
        let exported = attempts().filter_map(|attempt| attempt.ended_at).max();
        for (phase, from, to) in [
            ("wait", Some(run.created_at), run.started_at),
            ("export", run.started_at, exported),
            ("land", exported, run.finished_at),
        ] {
            if let Some(seconds) = seconds(from, to) {
                let histogram = self.phases.entry((schedule.clone(), phase));
                let histogram = histogram.or_insert_with(|| Histogram::new(PHASE_BOUNDS));
                histogram.observe(seconds);
            }
        }
    }

    /// Of the jobs that ended, the share learned by callback.
    pub fn callback_share(&self) -> Option<f64> {
        let all: u64 = self.learned_by.values().sum();
        let heard = self.learned_by.get("callback").copied().unwrap_or_default();
        (all > 0).then(|| heard as f64 / all as f64)
    }
}

/// `None` if either is unknown; never negative.
fn seconds(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> Option<f64> {
    let span = to? - from?;
    Some((span.num_milliseconds().max(0)) as f64 / 1_000.0)
}
