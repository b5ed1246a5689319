//! The fold: a fact and a run make the run that knows it.
//!
//! Total and fencing: a fact about another attempt, or about a run that has ended, changes nothing
//! that matters (law 5); it is [`Ignored`] with the reason.

mod beginning;
mod bisect;
mod clock;
mod ending;
mod fetching;
mod job;
mod patience;
mod submit;

use super::{Attempt, Event, Part, PartNumber, PartState, Run, RunState};
use chrono::{DateTime, TimeDelta, Utc};
use patience::Patience;
use std::collections::BTreeSet;
use std::time::Duration;

/// Which records a fact changed. The run's own record is always among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    pub parts: BTreeSet<PartNumber>,
    /// A part that gave way to smaller ones, and these.
    pub split: Option<(PartNumber, Vec<PartNumber>)>,
}

impl Touched {
    fn part(number: PartNumber) -> Touched {
        Touched {
            parts: BTreeSet::from([number]),
            split: None,
        }
    }

    fn all(run: &Run) -> Touched {
        Touched {
            parts: run.parts.keys().copied().collect(),
            split: None,
        }
    }
}

/// Why a fact changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    #[error("of another attempt")]
    OtherAttempt,
    #[error("known already")]
    Known,
    #[error("the run has ended")]
    Ended,
    #[error("out of place")]
    OutOfPlace,
}

/// Folds `event`, which happened by `now`, into `run`.
pub fn step(run: &mut Run, event: &Event, now: DateTime<Utc>) -> Result<Touched, Ignored> {
    match event {
        Event::Started => beginning::started(run, now),
        Event::Planned {
            properties,
            roster,
            parts,
        } => beginning::planned(run, properties, roster, parts, now),
        Event::PropertiesUnknown { fault } => beginning::properties_unknown(run, fault, now),
        Event::Replanned { parts, because } => beginning::replanned(run, parts, because, now),
        Event::Widened {
            properties,
            roster,
            parts,
            because,
        } => beginning::widened(run, (properties, roster), parts, because, now),
        Event::SubmitStarted { part, attempt } => submit::started(run, *part, *attempt, now),
        Event::SubmitAccepted { part, attempt, job } => {
            submit::accepted(run, *part, *attempt, job, now)
        }
        Event::SubmitFailed {
            part,
            attempt,
            failure,
        } => submit::failed(run, *part, *attempt, failure, now),
        Event::JobFound {
            part,
            attempt,
            job,
            extra,
        } => submit::found(run, *part, *attempt, job, extra, now),
        Event::JobNotFound {
            part,
            attempt,
            asked_at,
        } => submit::not_found(run, *part, *attempt, *asked_at, now),
        Event::CallbackHeard { part, attempt, .. } => job::heard(run, *part, *attempt, now),
        Event::JobChecked {
            part,
            attempt,
            job,
            by,
            asked_at,
        } => job::checked(run, (*part, *attempt), job, *by, *asked_at, now),
        Event::JobAbsent {
            part,
            attempt,
            fault,
        } => job::absent(run, *part, *attempt, fault, now),
        Event::SecondJobSeen {
            part,
            attempt,
            job_id,
        } => job::second_seen(run, *part, *attempt, job_id, now),
        Event::JobUnwanted {
            part,
            attempt,
            job_id,
        } => job::unwanted(run, *part, *attempt, job_id, now),
        Event::ArtifactFetched {
            part,
            attempt,
            artifact,
        } => fetching::fetched(run, *part, *attempt, artifact, now),
        Event::FetchBroken {
            part,
            attempt,
            fault,
        } => fetching::broken(run, *part, *attempt, fault, now),
        Event::RunPublished { published } => ending::published(run, published, now),
        Event::ArtifactsLost { parts } => fetching::lost(run, parts, now),
        Event::PublishBroken { fault } => ending::publish_broken(run, fault, now),
        Event::CancelSettled {
            part,
            attempt,
            job_id,
            outcome,
        } => ending::cancel_settled(run, *part, *attempt, job_id, outcome),
        Event::CancelBroken {
            part,
            attempt,
            job_id,
            fault,
        } => ending::cancel_broken(run, (*part, *attempt), job_id, fault, now),
        Event::DeadlinePassed => ending::deadline_passed(run, now),
        Event::CancelledByOperator { reason } => ending::cancelled(run, reason, now),
        Event::RetriedByOperator { by, what } => ending::retried(run, by, *what, now),
        Event::CredentialChanged => submit::credential_changed(run, now),
        Event::ClockSetBack { by } => clock::set_back(run, *by, now),
    }
}

/// The part and its current attempt, if `number` is that attempt (fencing).
fn current(run: &mut Run, part: PartNumber, number: u32) -> Result<(&mut Part, usize), Ignored> {
    let part = run.parts.get_mut(&part).ok_or(Ignored::OtherAttempt)?;
    match part.attempts.last() {
        Some(attempt) if attempt.number == number => {
            let index = part.attempts.len() - 1;
            Ok((part, index))
        }
        _ => Err(Ignored::OtherAttempt),
    }
}

/// Any attempt of the part, current or not.
fn any_attempt(run: &mut Run, part: PartNumber, number: u32) -> Result<&mut Attempt, Ignored> {
    run.parts
        .get_mut(&part)
        .and_then(|part| {
            part.attempts
                .iter_mut()
                .find(|attempt| attempt.number == number)
        })
        .ok_or(Ignored::OtherAttempt)
}

/// `now` plus a rest, far in the future at worst.
fn after(now: DateTime<Utc>, rest: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(rest)
        .ok()
        .and_then(|rest| now.checked_add_signed(rest))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Once every part is closed the run has something to publish, or has failed.
fn close_if_done(run: &mut Run, now: DateTime<Utc>) {
    if run.state != RunState::Running || !run.live_parts().all(|part| part.state.is_closed()) {
        return;
    }
    if run
        .live_parts()
        .any(|part| part.state == PartState::Fetched)
    {
        run.state = RunState::Publishing;
        run.reason = None;
        run.tries = 0;
        run.not_before = now;
    } else {
        let reason = run
            .first_fault()
            .map_or_else(|| "nothing could be exported".to_owned(), ending::reason_of);
        ending::end(run, RunState::Failed, Some(reason), now);
    }
}
