//! The download of a succeeded job's result.

use super::super::{
    Artifact, AttemptState, Fault, FaultClass, Part, PartNumber, PartState, Quarantine, Run,
    RunState,
};
use super::{Ignored, Patience, Touched, after, close_if_done, current, ending, submit};
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

/// The first repetition comes soon: most breaks are gone at once.
const FIRST_AGAIN: Duration = Duration::from_secs(1);
/// So long the vendor keeps a result.
const RESULT_LIFE: TimeDelta = TimeDelta::days(7);
/// Downloads of one result that broke before its part is given up. Another job would be paid for while the first one's
/// result is still there; `retry` downloads it again.
const BROKEN_MAX: u32 = 12;
/// Fresh addresses that answered "gone", with all other breaks, before the result counts as lost.
const GONE_TRIES: u32 = 10;
/// So often a run's raw files may be lost before it can publish them.
const LOSSES_MAX: u32 = 3;

pub(super) fn fetched(
    run: &mut Run,
    number: PartNumber,
    attempt: u32,
    artifact: &Artifact,
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    if run.state.is_terminal() {
        return Err(Ignored::Ended);
    }
    let (part, _) = current(run, number, attempt)?;
    if !matches!(part.state, PartState::Fetching { .. }) {
        return Err(Ignored::Known);
    }
    part.state = PartState::Fetched;
    part.artifact = Some(artifact.clone());
    part.fault = None;
    run.reason = None;
    close_if_done(run, now);
    Ok(Touched::part(number))
}

/// Raw files were removed or damaged after their fetch: their results are asked for again, and only if those are
/// gone as well another job is paid for. What a person accepted are those very files, though.
pub(super) fn lost(
    run: &mut Run,
    numbers: &[PartNumber],
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    if run.state != RunState::Publishing {
        return Err(Ignored::OutOfPlace);
    }
    run.losses += 1;
    let accepted = matches!(run.quarantine, Some(Quarantine::Accepted { .. }));
    if accepted || run.losses > LOSSES_MAX {
        let why = match accepted {
            true => "the files that were accepted are gone: export the days anew",
            false => "raw files are lost again and again: look at the disk below raw/",
        };
        ending::end(run, RunState::Failed, Some(why.to_owned()), now);
        return Ok(Touched::default());
    }
    let mut touched = Touched::default();
    for number in numbers {
        let fetched = |part: &&mut Part| part.state == PartState::Fetched;
        let Some(part) = run.parts.get_mut(number).filter(fetched) else {
            continue;
        };
        part.artifact = None;
        part.state = PartState::Fetching {
            broken: 0,
            not_before: now,
        };
        touched.parts.insert(*number);
    }
    match touched.parts.is_empty() {
        true => run.not_before = after(now, ending::DISK_REST),
        false => run.state = RunState::Running,
    }
    Ok(touched)
}

/// A break costs another download, never another job while the first one's result can be had.
pub(super) fn broken(
    run: &mut Run,
    number: PartNumber,
    attempt: u32,
    fault: &Fault,
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    if run.state != RunState::Running {
        return Err(Ignored::Ended);
    }
    let patience = Patience::of(run, number);
    let retry = patience.retry;
    let (part, index) = current(run, number, attempt)?;
    let PartState::Fetching { broken, .. } = part.state else {
        return Err(Ignored::Known);
    };
    let had = part.attempts[index].ended_at.unwrap_or(now);
    let was_wrong = matches!(&part.fault, Some(before) if before.class == FaultClass::Content);
    let pause = |tries: u32| match tries {
        0 | 1 => FIRST_AGAIN.min(retry.first),
        more => patience.rest(more - 1),
    };
    let wish = fault.retry_after;
    part.fault = Some(fault.clone());
    match fault.class {
        // Not the result's fault: come again until the deadline.
        FaultClass::Unreachable
        | FaultClass::Throttled
        | FaultClass::Credential
        | FaultClass::Disk => {
            let usual = match fault.class {
                FaultClass::Disk => ending::DISK_REST,
                _ => retry.first,
            };
            let rest = wish.unwrap_or(usual);
            part.state = PartState::Fetching {
                broken,
                not_before: after(now, rest),
            };
            run.reason = Some(ending::reason_of(fault));
        }
        FaultClass::TooLarge | FaultClass::Address | FaultClass::Quota => {
            ending::abandon(part, AttemptState::Failed, Some(fault.clone()), now);
        }
        class => {
            let broken = broken + 1;
            let hopeless = match class {
                // The same wrong bytes twice: a new job is worth its price.
                FaultClass::Content => was_wrong,
                FaultClass::Gone => broken >= GONE_TRIES,
                _ => false,
            };
            let most = match class {
                // It may pass, but a feature or a right that is not there does not come by asking.
                FaultClass::Forbidden => retry.attempts,
                _ => BROKEN_MAX,
            };
            if class != FaultClass::Gone && broken >= most && !hopeless {
                ending::abandon(part, AttemptState::Failed, Some(fault.clone()), now);
            } else if !hopeless && now - had < RESULT_LIFE {
                let rest = wish.unwrap_or_else(|| pause(broken));
                part.state = PartState::Fetching {
                    broken,
                    not_before: after(now, rest),
                };
            } else {
                submit::fail_attempt(
                    part,
                    AttemptState::Failed,
                    fault.clone(),
                    patience,
                    Duration::ZERO,
                    now,
                );
            }
        }
    }
    close_if_done(run, now);
    Ok(Touched::part(number))
}
