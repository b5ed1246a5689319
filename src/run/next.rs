//! What state calls for. Whether there is a free slot for it is the roster's business.

use super::{Part, PartNumber, PartState, Run, RunState};
use chrono::{DateTime, TimeDelta, Utc};

/// Least time between two status reads of one attempt that callbacks ask for (law 6).
const CHECK_PAUSE: TimeDelta = TimeDelta::seconds(5);

/// The next errand of the run as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Wait for an earlier run of the schedule.
    Queue,
    /// Learn the properties: from the schedule, or of the vendor.
    Resolve,
    /// Look at the parts.
    Parts,
    Publish,
    WaitUntil(DateTime<Utc>),
    /// Nothing, for good.
    Rest,
}

/// The next errand of one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextPart {
    Submit,
    /// Look the job up in the vendor's list.
    Find,
    /// One status read, brought forward by a callback.
    Check,
    /// The list sweep watches it.
    Watch,
    Fetch,
    WaitUntil(DateTime<Utc>),
    Rest,
}

pub fn next(run: &Run, now: DateTime<Utc>) -> Next {
    match run.state {
        RunState::Queued => Next::Queue,
        RunState::Resolving | RunState::Publishing if now < run.not_before => {
            Next::WaitUntil(run.not_before)
        }
        RunState::Resolving => Next::Resolve,
        RunState::Publishing => Next::Publish,
        _ if settled(run) => Next::Rest,
        _ => Next::Parts,
    }
}

/// `checked_at`: when the last status read of this attempt was begun, if one was.
pub fn next_part(
    run: &Run,
    part: &Part,
    checked_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> NextPart {
    let due = |at: DateTime<Utc>, then: NextPart| {
        if now < at {
            NextPart::WaitUntil(at)
        } else {
            then
        }
    };
    if run.state.is_terminal() {
        return match part.state {
            PartState::Unanswered { look_at, .. } => due(look_at, NextPart::Find),
            _ => NextPart::Rest,
        };
    }
    match part.state {
        PartState::Planned => NextPart::Submit,
        PartState::Resting { until } => due(until, NextPart::Submit),
        PartState::Submitting { .. } => NextPart::Rest,
        PartState::Unanswered { look_at, .. } => due(look_at, NextPart::Find),
        PartState::Exporting { heard: Some(_), .. } => due(
            checked_at.map_or(now, |at| at + CHECK_PAUSE),
            NextPart::Check,
        ),
        PartState::Exporting { heard: None, .. } => NextPart::Watch,
        PartState::Fetching { not_before, .. } => due(not_before, NextPart::Fetch),
        PartState::Fetched | PartState::Abandoned | PartState::Superseded => NextPart::Rest,
    }
}

/// Cancels that are still to be sent: part, attempt, job, and not before when.
pub fn cancels(run: &Run) -> impl Iterator<Item = (PartNumber, u32, &str, DateTime<Utc>)> {
    run.parts.values().flat_map(|part| {
        part.attempts.iter().flat_map(move |attempt| {
            attempt
                .cancelling
                .iter()
                .filter(|order| order.outcome.is_none())
                .map(move |order| {
                    (
                        part.number,
                        attempt.number,
                        order.job_id.as_str(),
                        order.not_before,
                    )
                })
        })
    })
}

/// The run has ended and nothing of it is left to be done upstream.
pub fn settled(run: &Run) -> bool {
    run.state.is_terminal()
        && cancels(run).next().is_none()
        && !run.parts.values().any(|part| {
            matches!(
                part.state,
                PartState::Submitting { .. } | PartState::Unanswered { .. }
            )
        })
}
