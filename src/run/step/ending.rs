//! The run as a whole, at its end: publishing, and the ways it ends.

use super::super::{
    AttemptState, Cancelling, Cells, Fault, FaultClass, Part, PartNumber, PartState, Published,
    Quarantine, Retrial, Run, RunState, Verdict,
};
use super::{Ignored, Patience, Touched, after, any_attempt, close_if_done};
use chrono::{DateTime, Utc};
use std::time::Duration;

/// Cancels tried before they are given up; the vendor ends the job by itself anyway.
const CANCEL_TRIES: u32 = 6;
/// Tries of a publish that breaks for another reason than the disk.
const PUBLISH_TRIES: u32 = 3;
/// The disk is tried again so soon: the roster lets one go first while it is full.
pub(super) const DISK_REST: Duration = Duration::from_secs(10);

pub(super) fn published(
    run: &mut Run,
    published: &Published,
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    if run.state != RunState::Publishing {
        return Err(Ignored::OutOfPlace);
    }
    run.rows = published.rows;
    run.bytes = published.bytes;
    run.files.clone_from(&published.files);
    run.checks.clone_from(&published.checks);
    let count = |spans: &[super::super::CellSpan]| -> u64 {
        spans
            .iter()
            .map(|span| u64::from(span.window().len()))
            .sum()
    };
    run.cells = Cells {
        landed: count(&published.landed),
        empty: count(&published.empty),
        missing: count(&published.missing),
    };
    run.missing = published
        .missing
        .iter()
        .take(Run::MISSING_MAX)
        .copied()
        .collect();
    match (published.verdict, &run.quarantine) {
        (Verdict::Quarantined, _) => run.quarantine = Some(Quarantine::Kept),
        (_, Some(Quarantine::Kept)) => run.quarantine = None,
        _ => {}
    }
    let abandoned = run
        .live_parts()
        .filter(|part| part.state == PartState::Abandoned)
        .count();
    let (state, reason) = match published.verdict {
        Verdict::Quarantined => (RunState::Failed, published.reason.clone()),
        Verdict::Landed => (RunState::Landed, published.reason.clone()),
        Verdict::Incomplete if abandoned > 0 => (RunState::Incomplete, Some(failed_parts(run))),
        Verdict::Incomplete => (RunState::Incomplete, published.reason.clone()),
    };
    end(run, state, reason, now);
    Ok(Touched::default())
}

/// What failed and why, the properties by name where splitting has left them alone.
fn failed_parts(run: &Run) -> String {
    let failed: Vec<&Part> = run
        .live_parts()
        .filter(|part| part.state == PartState::Abandoned)
        .collect();
    let why = run.first_fault().map(reason_of).unwrap_or_default();
    if failed
        .iter()
        .any(|part| part.of.is_none() || part.count > 1)
    {
        let total = run.live_parts().count();
        return format!("{} of {total} parts failed: {why}", failed.len());
    }
    let ids = failed
        .iter()
        .flat_map(|part| part.properties(&run.properties));
    let ids: std::collections::BTreeSet<String> = ids.map(i64::to_string).collect();
    let word = if ids.len() == 1 {
        "property"
    } else {
        "properties"
    };
    let ids: Vec<String> = ids.into_iter().collect();
    format!("{word} {} failed: {why}", ids.join(", "))
}

pub(super) fn publish_broken(
    run: &mut Run,
    fault: &Fault,
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    if run.state != RunState::Publishing {
        return Err(Ignored::OutOfPlace);
    }
    run.tries += 1;
    run.reason = Some(reason_of(fault));
    let hopeless = match fault.class {
        // What is wrong with the same bytes is wrong with them the next time.
        FaultClass::Content | FaultClass::Check | FaultClass::Gone => true,
        FaultClass::Disk => false,
        _ => run.tries >= PUBLISH_TRIES,
    };
    let rest = match fault.class {
        FaultClass::Disk => DISK_REST,
        _ => Patience::of(run, 0).rest(run.tries),
    };
    if hopeless {
        end(run, RunState::Failed, Some(reason_of(fault)), now);
    } else {
        run.not_before = after(now, rest);
    }
    Ok(Touched::default())
}

pub(super) fn deadline_passed(run: &mut Run, now: DateTime<Utc>) -> Result<Touched, Ignored> {
    if run.state.is_terminal() {
        return Err(Ignored::Ended);
    }
    let limit = humantime::format_duration(run.terms.deadline);
    let held = run
        .reason
        .clone()
        .or_else(|| run.first_fault().map(reason_of));
    let reason = match held {
        Some(held) => format!("deadline of {limit} passed; last: {held}"),
        None => format!("deadline of {limit} passed"),
    };
    give_up(run, RunState::Failed, reason, FaultClass::Deadline, now)
}

pub(super) fn cancelled(
    run: &mut Run,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    if run.state.is_terminal() {
        return Err(Ignored::Ended);
    }
    give_up(
        run,
        RunState::Cancelled,
        reason.to_owned(),
        FaultClass::Cancelled,
        now,
    )
}

/// Ends the run now and orders its jobs to be cancelled upstream.
fn give_up(
    run: &mut Run,
    state: RunState,
    reason: String,
    class: FaultClass,
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    let mut touched = Touched::default();
    for part in run
        .parts
        .values_mut()
        .filter(|part| !part.state.is_closed())
    {
        let fault = part
            .fault
            .clone()
            .unwrap_or_else(|| Fault::new(class, reason.clone()));
        part.fault = Some(fault.clone());
        // A create that may have reached the vendor is followed up, so that its job can be cancelled.
        if !matches!(
            part.state,
            PartState::Submitting { .. } | PartState::Unanswered { .. }
        ) {
            abandon(part, AttemptState::Cancelled, Some(fault), now);
        }
        touched.parts.insert(part.number);
    }
    end(run, state, Some(reason), now);
    Ok(touched)
}

/// Nothing more is tried for this part; a job of its that may still run is to be cancelled.
pub(super) fn abandon(
    part: &mut Part,
    state: AttemptState,
    fault: Option<Fault>,
    now: DateTime<Utc>,
) {
    let job_runs = matches!(part.state, PartState::Exporting { .. });
    let had_result = matches!(part.state, PartState::Fetching { .. } | PartState::Fetched);
    if let Some(attempt) = part.attempts.last_mut() {
        if let Some(fault) = &fault {
            attempt.error.get_or_insert_with(|| fault.message.clone());
        }
        if !had_result || state != AttemptState::Cancelled {
            attempt.state = state;
        }
        attempt.ended_at.get_or_insert(now);
        if let (true, Some(job_id)) = (job_runs, attempt.job_id.clone())
            && state == AttemptState::Cancelled
        {
            if attempt.by_looks {
                attempt
                    .cancelling
                    .push(Cancelling::left_alone(&job_id, now));
            } else {
                attempt.order_cancel(&job_id, now);
            }
        }
    }
    if fault.is_some() {
        part.fault = fault;
    }
    part.state = PartState::Abandoned;
}

pub(super) fn cancel_settled(
    run: &mut Run,
    number: PartNumber,
    attempt: u32,
    job_id: &str,
    outcome: &str,
) -> Result<Touched, Ignored> {
    let order = order(run, number, attempt, job_id)?;
    order.outcome = Some(outcome.to_owned());
    Ok(Touched::part(number))
}

pub(super) fn cancel_broken(
    run: &mut Run,
    (number, attempt): (PartNumber, u32),
    job_id: &str,
    fault: &Fault,
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    let patience = Patience::of(run, number);
    let order = order(run, number, attempt, job_id)?;
    order.tries += 1;
    if order.tries >= CANCEL_TRIES {
        order.outcome = Some(format!("given up: {}", fault.message));
        order.given_up = true;
    } else {
        let rest = fault
            .retry_after
            .unwrap_or_else(|| patience.rest(order.tries));
        order.not_before = after(now, rest);
    }
    Ok(Touched::part(number))
}

fn order<'a>(
    run: &'a mut Run,
    number: PartNumber,
    attempt: u32,
    job_id: &str,
) -> Result<&'a mut Cancelling, Ignored> {
    any_attempt(run, number, attempt)?
        .cancelling
        .iter_mut()
        .find(|order| order.job_id == job_id && order.outcome.is_none())
        .ok_or(Ignored::Known)
}

/// The same run again: failed parts get new attempts, fetched ones are kept. An accepted run gets none.
pub(super) fn retried(
    run: &mut Run,
    by: &str,
    what: Retrial,
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    if !matches!(
        run.state,
        RunState::Failed | RunState::Incomplete | RunState::Cancelled
    ) {
        return Err(Ignored::OutOfPlace);
    }
    let touched = match what {
        Retrial::Parts => renew_parts(run, now),
        Retrial::Accept if run.quarantine == Some(Quarantine::Kept) => {
            run.quarantine = Some(Quarantine::Accepted { by: by.to_owned() });
            Touched::default()
        }
        Retrial::Accept => return Err(Ignored::OutOfPlace),
    };
    run.started_at = Some(now);
    run.finished_at = None;
    run.not_before = now;
    run.tries = 0;
    run.losses = 0;
    run.reason = None;
    run.state = if run.parts.is_empty() {
        RunState::Resolving
    } else {
        RunState::Running
    };
    close_if_done(run, now);
    Ok(touched)
}

/// A job whose result can still be had is downloaded again, not paid for again.
fn renew_parts(run: &mut Run, now: DateTime<Utc>) -> Touched {
    let mut touched = Touched::default();
    let failed = run
        .parts
        .values_mut()
        .filter(|part| part.state == PartState::Abandoned);
    for part in failed {
        part.forgiven = part.attempts.last().map_or(0, |attempt| attempt.number);
        let last = part.attempts.last();
        let delivered = last.is_some_and(|attempt| {
            attempt.state == AttemptState::Succeeded && attempt.job_id.is_some()
        });
        part.state = match delivered {
            true => PartState::Fetching {
                broken: 0,
                not_before: now,
            },
            false => PartState::Planned,
        };
        part.fault = None;
        touched.parts.insert(part.number);
    }
    touched
}

pub(super) fn end(run: &mut Run, state: RunState, reason: Option<String>, now: DateTime<Utc>) {
    run.state = state;
    run.reason = reason;
    run.finished_at = Some(now);
}

/// A fault as the run's reason; scripts know a refused credential by its first words.
pub(super) fn reason_of(fault: &Fault) -> String {
    match fault.class {
        FaultClass::Credential | FaultClass::Forbidden => {
            format!("credential refused: {}", fault.message)
        }
        FaultClass::Quota => format!("quota: {}", fault.message),
        FaultClass::Throttled => format!("throttled: {}", fault.message),
        FaultClass::Unreachable => format!("not reachable: {}", fault.message),
        FaultClass::Disk => format!("landing folder: {}", fault.message),
        _ => fault.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_begins_with_the_kind_of_its_fault() {
        for (class, told) in [
            (FaultClass::Credential, "credential refused: no"),
            (FaultClass::Forbidden, "credential refused: no"),
            (FaultClass::Quota, "quota: no"),
            (FaultClass::Throttled, "throttled: no"),
            (FaultClass::Unreachable, "not reachable: no"),
            (FaultClass::Disk, "landing folder: no"),
            (FaultClass::Invalid, "no"),
        ] {
            assert_eq!(reason_of(&Fault::new(class, "no")), told);
        }
    }
}
