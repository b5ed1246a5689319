//! The run as a whole, at its beginning: its properties, its parts, and other parts in their place.

use super::super::{AttemptState, Fault, FaultClass, Part, PartState, Run, RunState};
use super::ending::{abandon, end, reason_of};
use super::{Ignored, Patience, Touched, after};
use chrono::{DateTime, Utc};
use std::sync::Arc;

pub(super) fn started(run: &mut Run, now: DateTime<Utc>) -> Result<Touched, Ignored> {
    if run.state != RunState::Queued {
        return Err(Ignored::OutOfPlace);
    }
    run.started_at = Some(now);
    run.not_before = now;
    run.reason = None;
    run.state = RunState::Resolving;
    Ok(Touched::default())
}

pub(super) fn planned(
    run: &mut Run,
    properties: &Arc<Vec<i64>>,
    roster: &str,
    parts: &[Part],
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    if run.state != RunState::Resolving {
        return Err(Ignored::OutOfPlace);
    }
    // Some of what it was made for may have landed meanwhile.
    run.whole &= run.properties.is_empty() || run.properties == *properties;
    run.properties = Arc::clone(properties);
    run.property_count = u32::try_from(properties.len()).unwrap_or(u32::MAX);
    roster.clone_into(&mut run.roster);
    run.parts = parts
        .iter()
        .map(|part| (part.number, part.clone()))
        .collect();
    run.tries = 0;
    run.reason = None;
    if run.parts.is_empty() {
        end(
            run,
            RunState::Failed,
            Some("the vendor lists no property for it".to_owned()),
            now,
        );
    } else {
        run.state = RunState::Running;
    }
    Ok(Touched::all(run))
}

pub(super) fn properties_unknown(
    run: &mut Run,
    fault: &Fault,
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    if run.state != RunState::Resolving {
        return Err(Ignored::OutOfPlace);
    }
    run.tries += 1;
    run.reason = Some(reason_of(fault));
    let hopeless = matches!(
        fault.class,
        FaultClass::Forbidden | FaultClass::Invalid | FaultClass::Gone | FaultClass::Quota
    );
    if hopeless {
        end(run, RunState::Failed, Some(reason_of(fault)), now);
    } else {
        let rest = fault
            .retry_after
            .unwrap_or_else(|| Patience::of(run, 0).rest(run.tries));
        run.not_before = after(now, rest);
    }
    Ok(Touched::default())
}

/// Parts that are not yet fetched, or whose files cannot be split, give way to smaller ones.
pub(super) fn replanned(
    run: &mut Run,
    parts: &[Part],
    because: &Fault,
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    if !matches!(run.state, RunState::Running | RunState::Publishing) {
        return Err(Ignored::Ended);
    }
    supersede(run, parts, because, now);
    run.terms.chunk.days = 1;
    Ok(Touched::all(run))
}

/// The run asks for more properties than it was made for, since its own alone cannot be landed.
pub(super) fn widened(
    run: &mut Run,
    (properties, roster): (&Arc<Vec<i64>>, &str),
    parts: &[Part],
    because: &Fault,
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    if !matches!(run.state, RunState::Running | RunState::Publishing) {
        return Err(Ignored::Ended);
    }
    if run.whole {
        return Err(Ignored::Known);
    }
    for part in run.parts.values_mut() {
        part.name_properties(&run.properties);
    }
    supersede(run, parts, because, now);
    run.properties = Arc::clone(properties);
    run.property_count = u32::try_from(properties.len()).unwrap_or(u32::MAX);
    roster.clone_into(&mut run.roster);
    run.whole = true;
    Ok(Touched::all(run))
}

/// Other parts take the place of those there are.
fn supersede(run: &mut Run, parts: &[Part], because: &Fault, now: DateTime<Utc>) {
    for old in run
        .parts
        .values_mut()
        .filter(|part| part.state != PartState::Superseded)
    {
        let fault = Some(because.clone());
        abandon(old, AttemptState::Cancelled, fault, now);
        old.state = PartState::Superseded;
    }
    run.parts
        .extend(parts.iter().map(|part| (part.number, part.clone())));
    run.state = RunState::Running;
    run.reason = None;
}
