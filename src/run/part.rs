//! A slice of a run that fits one job, and the tries at it.

use super::{Artifact, Fault, PartNumber};
use crate::schedule::Window;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Some of the run's properties × some of its days.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    pub number: PartNumber,
    /// Where its properties begin in the run's sorted list, and how many they are.
    pub first: u32,
    pub count: u32,
    pub window: Window,
    pub state: PartState,
    /// Oldest first; the last one is current.
    pub attempts: Vec<Attempt>,
    pub artifact: Option<Artifact>,
    /// Why it rests or was abandoned.
    pub fault: Option<Fault>,
    /// Attempts that do not count against the limit any more: those before an operator's retry.
    #[serde(default)]
    pub forgiven: u32,
    /// Its properties by id, once they are no range of the run's list any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub named: Vec<i64>,
    /// The planned part that this is a piece of, made because a job of that part had failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<PartNumber>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum PartState {
    /// Wants a create as soon as a slot is free.
    Planned,
    /// Wants a create, but not before `until`.
    Resting {
        until: DateTime<Utc>,
    },
    /// A create is authorised and under way; at a restart this is `Unanswered`.
    Submitting {
        since: DateTime<Utc>,
    },
    /// A job may or may not exist: it is looked up in the vendor's list.
    Unanswered {
        since: DateTime<Utc>,
        /// Complete lists without a trace of it, since then.
        lists: u32,
        look_at: DateTime<Utc>,
    },
    /// The vendor works on the job.
    Exporting {
        since: DateTime<Utc>,
        /// A callback came and no status read that began after it has answered yet.
        heard: Option<DateTime<Utc>>,
        /// Status reads that said the job does not exist.
        absent: u32,
    },
    /// The job succeeded; its result is to be downloaded.
    Fetching {
        /// Downloads that failed and count.
        broken: u32,
        not_before: DateTime<Utc>,
    },
    Fetched,
    Abandoned,
    /// Replaced by smaller parts of the same run.
    Superseded,
}

impl PartState {
    pub fn as_str(&self) -> &'static str {
        match self {
            PartState::Planned => "planned",
            PartState::Resting { .. } => "resting",
            PartState::Submitting { .. } => "submitting",
            PartState::Unanswered { .. } => "unanswered",
            PartState::Exporting { .. } => "exporting",
            PartState::Fetching { .. } => "fetching",
            PartState::Fetched => "fetched",
            PartState::Abandoned => "abandoned",
            PartState::Superseded => "superseded",
        }
    }

    /// A job exists upstream, or may exist: it takes one of `open_jobs_max`.
    pub fn holds_job(&self) -> bool {
        matches!(
            self,
            PartState::Submitting { .. }
                | PartState::Unanswered { .. }
                | PartState::Exporting { .. }
        )
    }

    pub fn is_closed(&self) -> bool {
        matches!(
            self,
            PartState::Fetched | PartState::Abandoned | PartState::Superseded
        )
    }
}

/// How the end of a job was learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LearnedBy {
    /// A status read that a callback brought forward.
    Callback,
    /// The list sweep.
    Poll,
    /// The lookup of an unanswered create, or the vendor's list read at start.
    Reconcile,
}

impl LearnedBy {
    pub fn as_str(self) -> &'static str {
        match self {
            LearnedBy::Callback => "callback",
            LearnedBy::Poll => "poll",
            LearnedBy::Reconcile => "reconcile",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    Submitting,
    Unanswered,
    Exporting,
    Succeeded,
    /// The vendor ended the job without a result, or its result could not be had.
    Failed,
    /// The vendor definitely did not take the create.
    Refused,
    /// No trace of a job after `submit_settle`.
    NotFound,
    /// Given up because the run ended.
    Cancelled,
}

impl AttemptState {
    pub fn as_str(self) -> &'static str {
        match self {
            AttemptState::Submitting => "submitting",
            AttemptState::Unanswered => "unanswered",
            AttemptState::Exporting => "exporting",
            AttemptState::Succeeded => "succeeded",
            AttemptState::Failed => "failed",
            AttemptState::Refused => "refused",
            AttemptState::NotFound => "not_found",
            AttemptState::Cancelled => "cancelled",
        }
    }
}

/// One try; it owns one callback address and adopts at most one job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    pub number: u32,
    pub job_id: Option<String>,
    pub state: AttemptState,
    pub learned_by: Option<LearnedBy>,
    /// The vendor's words, verbatim.
    pub error: Option<String>,
    pub started_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    /// The first callback heard.
    #[serde(default)]
    pub heard_at: Option<DateTime<Utc>>,
    /// The latest callback heard before the job was known: a read begun before it does not answer it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_last: Option<DateTime<Utc>>,
    /// The last status word outside the vendor's documentation.
    #[serde(default)]
    pub unknown_status: Option<String>,
    /// Its job was told by its looks, because no job shows our address: good enough for a result, not to cancel it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_looks: bool,
    /// Jobs to be cancelled upstream: this attempt's own once the run has ended, and any second one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cancelling: Vec<Cancelling>,
}

/// A job that must not go on upstream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cancelling {
    pub job_id: String,
    pub tries: u32,
    pub not_before: DateTime<Utc>,
    /// How it ended; `None` while it is still to be done.
    pub outcome: Option<String>,
    /// It ended without the vendor's word: if the job is seen alive later, it is ordered anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given_up: bool,
}

impl Cancelling {
    /// What is not proven to be ours is left alone, and that is recorded.
    pub fn left_alone(job_id: &str, now: DateTime<Utc>) -> Cancelling {
        let why = "left alone: nothing proves that the job is ours";
        Cancelling {
            outcome: Some(why.to_owned()),
            ..Cancelling::order(job_id, now)
        }
    }

    /// An order that is still to be sent.
    pub fn order(job_id: &str, now: DateTime<Utc>) -> Cancelling {
        Cancelling {
            job_id: job_id.to_owned(),
            tries: 0,
            not_before: now,
            outcome: None,
            given_up: false,
        }
    }
}

impl Attempt {
    /// Orders that the job be cancelled; `false` if it is ordered already, or was and the vendor has answered.
    pub fn order_cancel(&mut self, job_id: &str, now: DateTime<Utc>) -> bool {
        let mut known = self.cancelling.iter_mut();
        match known.find(|order| order.job_id == job_id) {
            Some(order) if order.given_up => *order = Cancelling::order(job_id, now),
            Some(_) => return false,
            None => self.cancelling.push(Cancelling::order(job_id, now)),
        }
        true
    }

    /// The job was ordered to be cancelled, whatever became of that.
    pub fn was_ordered(&self, job_id: &str) -> bool {
        self.cancelling.iter().any(|order| order.job_id == job_id)
    }

    /// The job was ordered to be cancelled, and that has not been given up.
    pub fn cancels(&self, job_id: &str) -> bool {
        let mut orders = self.cancelling.iter();
        orders.any(|order| order.job_id == job_id && !order.given_up)
    }
}

impl Part {
    /// A slice not yet tried.
    pub fn planned(number: PartNumber, first: u32, count: u32, window: Window) -> Part {
        Part {
            number,
            first,
            count,
            window,
            state: PartState::Planned,
            attempts: Vec::new(),
            artifact: None,
            fault: None,
            forgiven: 0,
            named: Vec::new(),
            of: None,
        }
    }

    /// The current attempt, if any was made.
    pub fn current(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// The number of the current attempt.
    pub fn current_number(&self) -> Option<u32> {
        self.attempts.last().map(|attempt| attempt.number)
    }

    /// The number the next create goes out under. One that was definitely not taken left no job
    /// behind, so its address serves again.
    pub fn next_attempt(&self) -> u32 {
        match self.attempts.last() {
            Some(last) if last.state == AttemptState::Refused => last.number,
            Some(last) => last.number + 1,
            None => 1,
        }
    }

    /// Attempts made that count against the limit.
    pub fn counted(&self) -> u32 {
        self.attempts
            .last()
            .map_or(0, |attempt| attempt.number)
            .saturating_sub(self.forgiven)
    }

    /// So many ids fit into its record; a larger part, once replaced, does not tell them any more.
    const NAMED_MAX: usize = 4_000;

    /// Keeps the ids themselves, because the run's list is about to become another one.
    pub(super) fn name_properties(&mut self, all: &[i64]) {
        let properties = self.properties(all);
        if properties.len() <= Part::NAMED_MAX {
            self.named = properties.to_vec();
        }
    }

    /// The properties of this part, out of the run's sorted list.
    pub fn properties<'a>(&'a self, all: &'a [i64]) -> &'a [i64] {
        if !self.named.is_empty() {
            return &self.named;
        }
        let first = (self.first as usize).min(all.len());
        let end = (first + self.count as usize).min(all.len());
        &all[first..end]
    }
}
