//! A machine's clock that was set back: waits stay as long as they were.

use super::super::{Part, PartState, Run};
use super::{Ignored, Touched};
use chrono::{DateTime, TimeDelta, Utc};

/// Moves every instant that lies ahead of `now` back by as much as the clock went.
pub(super) fn set_back(
    run: &mut Run,
    by: TimeDelta,
    now: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    let earlier = |at: &mut DateTime<Utc>| {
        if *at > now {
            *at = at.checked_sub_signed(by).unwrap_or(now).max(now);
        }
    };
    let mut touched = Touched::default();
    for part in run.parts.values_mut() {
        let before = part.clone();
        part_set_back(part, earlier);
        if *part != before {
            touched.parts.insert(part.number);
        }
    }
    earlier(&mut run.not_before);
    run.started_at = run.started_at.map(|at| at.min(now));
    Ok(touched)
}

fn part_set_back(part: &mut Part, earlier: impl Fn(&mut DateTime<Utc>)) {
    match &mut part.state {
        PartState::Resting { until } => earlier(until),
        PartState::Submitting { since } => earlier(since),
        PartState::Unanswered { since, look_at, .. } => {
            earlier(since);
            earlier(look_at);
        }
        PartState::Exporting { since, heard, .. } => {
            earlier(since);
            heard.iter_mut().for_each(&earlier);
        }
        PartState::Fetching { not_before, .. } => earlier(not_before),
        PartState::Planned | PartState::Fetched | PartState::Abandoned | PartState::Superseded => {}
    }
    for attempt in &mut part.attempts {
        attempt.heard_last.iter_mut().for_each(&earlier);
        for order in &mut attempt.cancelling {
            earlier(&mut order.not_before);
        }
    }
}
