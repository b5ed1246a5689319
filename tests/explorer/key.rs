//! Two worlds that no future can tell apart have one key. Instants count from now; words for people do not count.

use crate::world::{Errand, TICK, World};
use aptiqd::run::{Part, PartState};
use chrono::{DateTime, Utc};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Instants further back than this many ticks are all alike.
const LONG_AGO: i64 = -64;

impl World {
    pub fn key(&self) -> u64 {
        let mut hash = DefaultHasher::new();
        let state = &mut hash;
        let from_now = |at: DateTime<Utc>| ((at - self.now()).num_seconds() / TICK).max(LONG_AGO);
        self.run.state.hash_word(state);
        (self.run.tries, from_now(self.run.not_before).max(0)).hash(state);
        if !self.run.state.is_terminal() {
            self.run.deadline_at().map(from_now).hash(state);
        }
        self.run
            .parts
            .values()
            .for_each(|part| part_key(part, from_now, state));
        let ago = |tick: i64| (tick - self.tick).max(LONG_AGO);
        for (at, tick) in &self.checked {
            (at, ago(*tick).max(-1)).hash(state);
        }
        (&self.suspects, ago(self.sweep_at).max(0)).hash(state);
        self.errands
            .iter()
            .for_each(|errand| errand_key(errand, ago, state));
        for job in &self.jobs {
            (&job.id, job.fate as u8, ago(job.listed_from).max(0)).hash(state);
            (job.gone, job.second, job.denied).hash(state);
        }
        for (at, expires) in &self.late {
            (at, ago(*expires)).hash(state);
        }
        self.callbacks.hash(state);
        self.echo
            .as_ref()
            .map(|event| format!("{:?}", event.body()))
            .hash(state);
        let luck = self.luck;
        (luck.faults, luck.crashes, luck.forged, luck.cancels).hash(state);
        self.ghost_key(ago, state);
        hash.finish()
    }

    fn ghost_key(&self, ago: impl Fn(i64) -> i64, state: &mut DefaultHasher) {
        let ghost = &self.ghost;
        for (at, authorised) in &ghost.authorised {
            let spare = authorised - ghost.sent.get(at).copied().unwrap_or(0).min(*authorised);
            (at, spare.min(1)).hash(state);
        }
        for (at, tick) in &ghost.read_at {
            (at, ago(*tick).max(-1)).hash(state);
        }
        for (at, tick) in &ghost.owed {
            (at, ago(*tick)).hash(state);
        }
        (
            &ghost.acknowledged,
            &ghost.broken,
            &ghost.seconds,
            &ghost.published,
        )
            .hash(state);
    }
}

fn part_key(part: &Part, from_now: impl Fn(DateTime<Utc>) -> i64, state: &mut DefaultHasher) {
    part.state.as_str().hash(state);
    match part.state {
        PartState::Resting { until } => from_now(until).max(0).hash(state),
        PartState::Submitting { since } => from_now(since).hash(state),
        PartState::Unanswered {
            since,
            lists,
            look_at,
        } => {
            (from_now(since), lists.min(2), from_now(look_at).max(0)).hash(state);
        }
        PartState::Exporting {
            since,
            heard,
            absent,
        } => {
            (from_now(since).max(-1), heard.map(&from_now), absent).hash(state);
        }
        PartState::Fetching { broken, not_before } => {
            (broken, from_now(not_before).max(0)).hash(state)
        }
        _ => {}
    }
    part.forgiven.hash(state);
    for attempt in &part.attempts {
        (attempt.number, &attempt.job_id, attempt.state.as_str()).hash(state);
        (
            attempt.heard_at.map(&from_now),
            attempt.heard_last.map(&from_now),
            attempt.unknown_status.is_some(),
        )
            .hash(state);
        for order in &attempt.cancelling {
            let left = from_now(order.not_before).max(0);
            (&order.job_id, order.tries, left, order.outcome.is_some()).hash(state);
        }
    }
}

fn errand_key(errand: &Errand, ago: impl Fn(i64) -> i64, state: &mut DefaultHasher) {
    ago(errand.began()).hash(state);
    match errand {
        Errand::Submit { at, job, .. } => (0, at, job).hash(state),
        Errand::List { reply, .. } => {
            1.hash(state);
            for (id, fate) in reply.iter().flatten() {
                (id, *fate as u8).hash(state);
            }
            reply.is_some().hash(state);
        }
        Errand::Check { at, job, reply, .. } => {
            (2, at, job, reply.map(|fate| fate as u8)).hash(state)
        }
        Errand::Fetch { at, .. } => (3, at).hash(state),
        Errand::Publish { .. } => 4.hash(state),
        Errand::Cancel { at, job, .. } => (5, at, job).hash(state),
    }
}

trait Word {
    fn hash_word(&self, state: &mut DefaultHasher);
}

impl Word for aptiqd::run::RunState {
    fn hash_word(&self, state: &mut DefaultHasher) {
        (*self as u8).hash(state);
    }
}
