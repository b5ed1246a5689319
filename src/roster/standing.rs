//! Where a job that carries one of our addresses stands with the run it belongs to.

use super::lost::{is_dead, is_live};
use crate::run::{AttemptId, AttemptState, JobSeen, Part, PartState, Run, RunState};
use chrono::{DateTime, TimeDelta, Utc};

/// A list may have been begun before the end of a job was learned from a fresher read.
pub(super) const STALE: TimeDelta = TimeDelta::minutes(1);

/// Why a job is taken for ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Its address was signed with one of our keys.
    Mac,
    /// Its address has our origin and form, while the keys that could prove it are lost: good enough
    /// to fetch a result, not to cancel anything.
    Form,
}

/// Where a job of ours stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is to be done.
    Settled,
    /// An errand under way, or a lookup, will tell.
    Wait,
    /// Its part is about to ask for just this job: it has it already.
    Adopt,
    /// Its attempt has adopted another job.
    Second,
    /// Nothing waits for it (any more).
    Unwanted,
    /// Its run is not among those looked at.
    Stranger,
}

/// Where `job`, which carries the address of `id`, stands with `run`, by a list begun at `asked_at`.
pub fn standing(
    run: Option<&Run>,
    job: &JobSeen,
    id: &AttemptId,
    asked_at: DateTime<Utc>,
) -> Standing {
    let Some(run) = run else {
        return Standing::Stranger;
    };
    let idle = |live: Standing| match is_live(job) {
        true => live,
        false => Standing::Settled,
    };
    let Some(part) = run.parts.get(&id.part) else {
        let planned = run.state.is_terminal() || !run.parts.is_empty();
        return match planned {
            true => idle(Standing::Unwanted),
            false => Standing::Wait,
        };
    };
    let attempt = part.attempts.iter().find(|known| known.number == id.number);
    let known = attempt.and_then(|attempt| attempt.job_id.as_deref());
    match (known, attempt) {
        (Some(known), Some(attempt)) if known == job.job_id => {
            let given_up = matches!(
                attempt.state,
                AttemptState::Failed | AttemptState::Cancelled
            ) && attempt.ended_at.is_none_or(|at| asked_at - at > STALE);
            match given_up && !attempt.cancels(&job.job_id) {
                true => idle(Standing::Unwanted),
                false => Standing::Settled,
            }
        }
        (Some(_), _) => idle(Standing::Second),
        (None, _) if wants(run, part, id, job) => Standing::Adopt,
        (None, Some(attempt))
            if matches!(
                attempt.state,
                AttemptState::Submitting | AttemptState::Unanswered
            ) =>
        {
            Standing::Wait
        }
        (None, _) => idle(Standing::Unwanted),
    }
}

/// The part's next create would go out under this very address, for this very job.
fn wants(run: &Run, part: &Part, id: &AttemptId, job: &JobSeen) -> bool {
    let open = matches!(part.state, PartState::Planned | PartState::Resting { .. });
    let same = job.window.is_none_or(|window| window == part.window)
        && (job.property_ids.is_empty() || job.property_ids == part.properties(&run.properties));
    run.state == RunState::Running
        && open
        && part.next_attempt() == id.number
        && same
        && !is_dead(job)
}
