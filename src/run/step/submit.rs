//! From the wish for a job to knowing it: create, its failures, and the lookup of an unanswered one.

use super::super::{
    Attempt, AttemptState, CreateFailure, Fault, FaultClass, JobSeen, LearnedBy, Part, PartNumber,
    PartState, Run, RunState,
};
use super::{Ignored, Patience, Touched, after, bisect, close_if_done, current, ending, job};
use crate::schedule::Retry;
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

/// Between lookups of an unanswered create: as long as it has been unanswered, within these bounds.
const LOOK_AGAIN: (TimeDelta, TimeDelta) = (TimeDelta::seconds(2), TimeDelta::seconds(60));
/// Complete lists without a trace that are needed before a new create.
const LISTS_NEEDED: u32 = 2;

pub(super) fn started(
    run: &mut Run,
    number: PartNumber,
    attempt: u32,
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    if run.state != RunState::Running {
        return Err(Ignored::Ended);
    }
    let part = run.parts.get_mut(&number).ok_or(Ignored::OtherAttempt)?;
    if !matches!(part.state, PartState::Planned | PartState::Resting { .. }) {
        return Err(Ignored::OutOfPlace);
    }
    if part.next_attempt() != attempt {
        return Err(Ignored::OtherAttempt);
    }
    match part.attempts.last_mut() {
        Some(last) if last.number == attempt => {
            last.state = AttemptState::Submitting;
            last.started_at = now;
            last.ended_at = None;
        }
        _ => part.attempts.push(Attempt::begin(attempt, now)),
    }
    part.state = PartState::Submitting { since: now };
    Ok(Touched::part(number))
}

impl Attempt {
    pub(super) fn begin(number: u32, now: DateTime<Utc>) -> Attempt {
        Attempt {
            number,
            job_id: None,
            state: AttemptState::Submitting,
            learned_by: None,
            error: None,
            started_at: now,
            ended_at: None,
            heard_at: None,
            heard_last: None,
            unknown_status: None,
            by_looks: false,
            cancelling: Vec::new(),
        }
    }
}

pub(super) fn accepted(
    run: &mut Run,
    number: PartNumber,
    attempt: u32,
    seen: &JobSeen,
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    adopt(run, number, attempt, seen, None, now)
}

pub(super) fn found(
    run: &mut Run,
    number: PartNumber,
    attempt: u32,
    seen: &JobSeen,
    extra: &[String],
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    let touched = adopt(run, number, attempt, seen, Some(LearnedBy::Reconcile), now)?;
    for job_id in extra {
        // Ignoring is right: a job that is being cancelled already needs no second order.
        let _ = job::second_seen(run, number, attempt, job_id, now);
    }
    Ok(touched)
}

/// At most one job is adopted per attempt; a second one is cancelled (law 4).
fn adopt(
    run: &mut Run,
    number: PartNumber,
    attempt: u32,
    seen: &JobSeen,
    by: Option<LearnedBy>,
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    let ended = run.state.is_terminal();
    let (part, index) = current(run, number, attempt)?;
    if !matches!(
        part.state,
        PartState::Submitting { .. } | PartState::Unanswered { .. }
    ) {
        return job::second_seen(run, number, attempt, &seen.job_id, now);
    }
    let current = &mut part.attempts[index];
    current.job_id = Some(seen.job_id.clone());
    current.state = AttemptState::Exporting;
    current.error = None;
    current.by_looks = by.is_some() && seen.callback_url.is_none();
    // The latest was not kept by earlier versions: the first is better than none.
    let heard = current.heard_last.take().or(current.heard_at);
    part.state = PartState::Exporting {
        since: now,
        heard,
        absent: 0,
    };
    part.fault = None;
    if ended {
        ending::abandon(part, AttemptState::Cancelled, None, now);
        return Ok(Touched::part(number));
    }
    run.reason = None;
    if let Some(by) = by {
        // The list told the status as well, but may be older than a callback, which is still to be answered.
        let long_ago = DateTime::<Utc>::MIN_UTC;
        let checked = job::checked(run, (number, attempt), seen, by, long_ago, now);
        return Ok(checked.unwrap_or(Touched::part(number)));
    }
    Ok(Touched::part(number))
}

pub(super) fn failed(
    run: &mut Run,
    number: PartNumber,
    attempt: u32,
    failure: &CreateFailure,
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    let ended = run.state.is_terminal();
    let retry = run.terms.retry;
    let (part, _) = current(run, number, attempt)?;
    if !matches!(part.state, PartState::Submitting { .. }) {
        return Err(Ignored::Known);
    }
    if let CreateFailure::Refused(fault) = failure
        && fault.class == FaultClass::Invalid
        && let Some(touched) = bisect::split(run, number, AttemptState::Refused, fault, now)
    {
        return Ok(touched);
    }
    let (part, index) = current(run, number, attempt)?;
    match failure {
        CreateFailure::Unanswered(fault) => {
            let current = &mut part.attempts[index];
            current.state = AttemptState::Unanswered;
            current.error = Some(fault.message.clone());
            part.fault = Some(fault.clone());
            // The settle time runs from the loss of the answer: a job may come to be until then.
            part.state = PartState::Unanswered {
                since: now,
                lists: 0,
                look_at: now,
            };
        }
        CreateFailure::Unsent(fault) | CreateFailure::Refused(fault) => {
            refuse(part, index, fault, retry, now);
            if ended && !part.state.is_closed() {
                ending::abandon(part, AttemptState::Cancelled, None, now);
            }
        }
    }
    note_hold(run, number);
    close_if_done(run, now);
    Ok(Touched::part(number))
}

/// No job exists. Whether to come again is a matter of the fault's class.
fn refuse(part: &mut Part, index: usize, fault: &Fault, retry: Retry, now: DateTime<Utc>) {
    let attempt = &mut part.attempts[index];
    attempt.state = AttemptState::Refused;
    attempt.error = Some(fault.message.clone());
    part.fault = Some(fault.clone());
    let wait = fault.retry_after.unwrap_or(retry.first);
    match fault.class {
        // `Unanswered` here is the token's endpoint, not the create, which was never sent.
        FaultClass::Unreachable
        | FaultClass::Throttled
        | FaultClass::Credential
        | FaultClass::Unanswered
        | FaultClass::Nonsense => {
            part.state = PartState::Resting {
                until: after(now, wait),
            };
        }
        _ => ending::abandon(part, AttemptState::Refused, Some(fault.clone()), now),
    }
}

/// Says in the run's reason what holds it up, so that nobody has to look at its parts.
fn note_hold(run: &mut Run, number: PartNumber) {
    let Some(part) = run.parts.get(&number) else {
        return;
    };
    if run.state.is_terminal() || part.state.is_closed() {
        return;
    }
    run.reason = part.fault.as_ref().map(ending::reason_of);
}

pub(super) fn not_found(
    run: &mut Run,
    number: PartNumber,
    attempt: u32,
    asked_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    let ended = run.state.is_terminal();
    let terms = (Patience::of(run, number), run.terms.submit_settle);
    let (part, index) = current(run, number, attempt)?;
    let PartState::Unanswered { since, lists, .. } = part.state else {
        return Err(Ignored::OutOfPlace);
    };
    let (patience, settle) = terms;
    let settled_at = after(since, settle);
    let lists = lists + 1;
    if asked_at >= settled_at && lists >= LISTS_NEEDED {
        let fault = Fault::new(
            FaultClass::Unanswered,
            format!(
                "{}; no trace of the job after {}",
                part.attempts[index]
                    .error
                    .as_deref()
                    .unwrap_or("no answer to the create"),
                humantime::format_duration(settle)
            ),
        );
        if ended {
            ending::abandon(part, AttemptState::NotFound, None, now);
        } else {
            fail_attempt(
                part,
                AttemptState::NotFound,
                fault,
                patience,
                Duration::ZERO,
                now,
            );
        }
    } else {
        let pause = (now - since).clamp(LOOK_AGAIN.0, LOOK_AGAIN.1);
        let look_at = now + pause;
        let look_at = if now < settled_at {
            look_at.min(settled_at)
        } else {
            look_at
        };
        part.state = PartState::Unanswered {
            since,
            lists,
            look_at,
        };
    }
    close_if_done(run, now);
    Ok(Touched::part(number))
}

/// Ends the current attempt without a result and rests for the next one, or gives the part up.
pub(super) fn fail_attempt(
    part: &mut Part,
    state: AttemptState,
    fault: Fault,
    patience: Patience,
    least: Duration,
    now: DateTime<Utc>,
) {
    let most = match fault.class {
        FaultClass::Job => bisect::attempts(part, patience.retry),
        _ => patience.retry.attempts,
    };
    if part.counted() >= most {
        ending::abandon(part, state, Some(fault), now);
        return;
    }
    let rest = patience.rest(part.counted()).max(least);
    let rest = fault.retry_after.map_or(rest, |wish| wish.max(least));
    let rest = if state == AttemptState::NotFound {
        least
    } else {
        rest
    };
    if let Some(attempt) = part.attempts.last_mut() {
        attempt.state = state;
        attempt.error = Some(fault.message.clone());
        attempt.ended_at = Some(now);
    }
    part.fault = Some(fault);
    part.state = PartState::Resting {
        until: after(now, rest),
    };
}

pub(super) fn credential_changed(run: &mut Run, now: DateTime<Utc>) -> Result<Touched, Ignored> {
    let mut touched = Touched::default();
    let held = |fault: &Option<Fault>| {
        fault
            .as_ref()
            .is_some_and(|fault| fault.class == FaultClass::Credential)
    };
    for part in run.parts.values_mut().filter(|part| held(&part.fault)) {
        match &mut part.state {
            PartState::Resting { until } => *until = now,
            PartState::Fetching { not_before, .. } => *not_before = now,
            _ => continue,
        }
        touched.parts.insert(part.number);
    }
    if touched.parts.is_empty() {
        Err(Ignored::OutOfPlace)
    } else {
        Ok(touched)
    }
}
