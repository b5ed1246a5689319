//! What is heard and read of a job upstream.

use super::super::{
    Attempt, AttemptState, Fault, FaultClass, JobSeen, JobStatus, LearnedBy, Part, PartNumber,
    PartState, Run,
};
use super::{Ignored, Patience, Touched, any_attempt, bisect, close_if_done, current, submit};
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

/// Reads that say "no such job" before the job counts as gone; the vendor's own reads may lag.
const ABSENT_MAX: u32 = 3;
/// How long a fresh job may be missing from reads.
const ABSENT_GRACE: TimeDelta = TimeDelta::seconds(5);

/// A hint: it only brings the next check forward.
pub(super) fn heard(
    run: &mut Run,
    number: PartNumber,
    attempt: u32,
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    if run.state.is_terminal() {
        return Err(Ignored::Ended);
    }
    let (part, index) = current(run, number, attempt)?;
    let first = part.attempts[index].heard_at.is_none();
    let current = &mut part.attempts[index];
    // The latest counts: a read begun before it does not answer it.
    let latest = match &mut part.state {
        PartState::Submitting { .. } => &mut current.heard_last,
        PartState::Unanswered { look_at, .. } => {
            // Only the first one: a flood must not become a flood of lists.
            if first {
                *look_at = now.min(*look_at);
            }
            &mut current.heard_last
        }
        PartState::Exporting { heard, .. } => heard,
        _ => return Err(Ignored::Known),
    };
    if *latest >= Some(now) {
        return Err(Ignored::Known);
    }
    *latest = Some(now);
    current.heard_at.get_or_insert(now);
    Ok(Touched::part(number))
}

pub(super) fn checked(
    run: &mut Run,
    (number, attempt): (PartNumber, u32),
    seen: &JobSeen,
    by: LearnedBy,
    asked_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    if run.state.is_terminal() {
        return Err(Ignored::Ended);
    }
    let (part, index) = current(run, number, attempt)?;
    let PartState::Exporting {
        since,
        heard,
        absent,
    } = part.state
    else {
        return Err(Ignored::Known);
    };
    let current = &mut part.attempts[index];
    if current.job_id.as_deref() != Some(seen.job_id.as_str()) {
        return Err(Ignored::OtherAttempt);
    }
    match &seen.status {
        JobStatus::Submitted | JobStatus::Unknown(_) => {
            return still_open(run, number, (since, heard, absent), seen, asked_at);
        }
        JobStatus::Succeeded => {
            current.state = AttemptState::Succeeded;
            current.learned_by = Some(by);
            current.ended_at = Some(now);
            part.state = PartState::Fetching {
                broken: 0,
                not_before: now,
            };
            part.fault = None;
        }
        JobStatus::Failed | JobStatus::Cancelled => {
            current.learned_by = Some(by);
            return ended(run, number, seen, now);
        }
    }
    close_if_done(run, now);
    Ok(Touched::part(number))
}

/// Ended without a result: tried again, split, or given up.
fn ended(
    run: &mut Run,
    number: PartNumber,
    seen: &JobSeen,
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    let words = seen
        .error_message
        .clone()
        .unwrap_or_else(|| format!("the vendor ended the job as {}", seen.status.as_str()));
    let fault = Fault::new(FaultClass::Job, words);
    if seen.status == JobStatus::Failed
        && let Some(touched) = bisect::split(run, number, AttemptState::Failed, &fault, now)
    {
        return Ok(touched);
    }
    let patience = Patience::of(run, number);
    if let Some(part) = run.parts.get_mut(&number) {
        let state = AttemptState::Failed;
        submit::fail_attempt(part, state, fault, patience, Duration::ZERO, now);
    }
    close_if_done(run, now);
    Ok(Touched::part(number))
}

/// Not ended yet: a callback heard before the read was begun is answered by it.
fn still_open(
    run: &mut Run,
    number: PartNumber,
    (since, heard, absent): (DateTime<Utc>, Option<DateTime<Utc>>, u32),
    seen: &JobSeen,
    asked_at: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    let Some(part) = run.parts.get_mut(&number) else {
        return Err(Ignored::OtherAttempt);
    };
    let left = heard.filter(|heard| *heard > asked_at);
    let word = match &seen.status {
        JobStatus::Unknown(word) => Some(word.clone()),
        _ => None,
    };
    let Some(attempt) = part.attempts.last_mut() else {
        return Err(Ignored::OtherAttempt);
    };
    let known = attempt.unknown_status == word || word.is_none();
    if left == heard && absent == 0 && known {
        return Err(Ignored::Known);
    }
    if word.is_some() {
        attempt.unknown_status = word;
    }
    part.state = PartState::Exporting {
        since,
        heard: left,
        absent: 0,
    };
    Ok(Touched::part(number))
}

pub(super) fn absent(
    run: &mut Run,
    number: PartNumber,
    attempt: u32,
    fault: &Fault,
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    if run.state.is_terminal() {
        return Err(Ignored::Ended);
    }
    let patience = Patience::of(run, number);
    let (part, _) = current(run, number, attempt)?;
    let PartState::Exporting {
        since,
        heard,
        absent,
    } = part.state
    else {
        return Err(Ignored::Known);
    };
    let absent = absent + 1;
    if absent < ABSENT_MAX || now - since < ABSENT_GRACE {
        part.state = PartState::Exporting {
            since,
            heard,
            absent,
        };
        return Ok(Touched::part(number));
    }
    let fault = Fault::new(
        FaultClass::Gone,
        format!("the vendor no longer knows the job: {}", fault.message),
    );
    submit::fail_attempt(
        part,
        AttemptState::Failed,
        fault,
        patience,
        Duration::ZERO,
        now,
    );
    close_if_done(run, now);
    Ok(Touched::part(number))
}

/// A job beside the adopted one: recorded and cancelled, whatever state the run is in.
pub(super) fn second_seen(
    run: &mut Run,
    number: PartNumber,
    attempt: u32,
    job_id: &str,
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    let attempt = any_attempt(run, number, attempt)?;
    let own = attempt.job_id.as_deref() == Some(job_id);
    match !own && attempt.order_cancel(job_id, now) {
        true => Ok(Touched::part(number)),
        false => Err(Ignored::Known),
    }
}

/// A job of ours without a place in the run: it gets one, so that its cancelling is remembered.
pub(super) fn unwanted(
    run: &mut Run,
    number: PartNumber,
    attempt: u32,
    job_id: &str,
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    let window = run.window;
    let part = run.parts.entry(number).or_insert_with(|| Part {
        state: PartState::Superseded,
        ..Part::planned(number, 0, 0, window)
    });
    if !part.attempts.iter().any(|known| known.number == attempt) {
        let stray = Attempt {
            job_id: Some(job_id.to_owned()),
            state: AttemptState::Cancelled,
            ended_at: Some(now),
            ..Attempt::begin(attempt, now)
        };
        // Before the others: the last one is current, and this one never is.
        part.attempts.insert(0, stray);
    }
    match any_attempt(run, number, attempt)?.order_cancel(job_id, now) {
        true => Ok(Touched::part(number)),
        false => Err(Ignored::Known),
    }
}
