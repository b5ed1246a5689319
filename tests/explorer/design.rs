//! The right design, and wrong ones that somebody might have built. Each misbehaves around the production code, never inside it.

use crate::world::{Fate, Luck, seen};
use aptiqd::run::{
    AttemptState, CreateFailure, Event, Fault, FaultClass, Ignored, JobStatus, LearnedBy, Part,
    PartState, Run, RunState, Touched, step,
};
use chrono::{DateTime, Utc};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Design {
    Right,
    BlindRepost,
    RepostAsNextAttempt,
    TrustCallbacks,
    NoSettle,
    CountStaleLists,
    BelievePartialLists,
    AdoptSecond,
    ForgetSecond,
    AdoptAnyAddress,
    AdoptForeign,
    LeaveTheEnd,
    NoFence,
    DropEarlyCallbacks,
    AcknowledgeFirst,
    ActFirst,
    RepeatCreatesAtRestart,
    ForgetCreatesAtRestart,
    CallbacksOnly,
    NoDeadline,
    AbsentAtOnce,
    OddIsFailure,
    PublishEarly,
    LandWithoutPublish,
    NewJobForBrokenDownload,
    ForgetCreatesOfEndedRuns,
    NoCancelUpstream,
    CancelOnce,
    EndlessAttempts,
    NoPauseBetweenReads,
    StaleReadAnswersCallback,
    HeardForGood,
}

/// Every wrong design, and what it does.
pub const MUTANTS: &[(Design, &str)] = &[
    (Design::BlindRepost, "an unanswered create is sent again"),
    (
        Design::RepostAsNextAttempt,
        "an unanswered create is given up at once for a new attempt",
    ),
    (
        Design::TrustCallbacks,
        "a callback is believed that the job has succeeded",
    ),
    (
        Design::NoSettle,
        "a list without the job proves at once that there is none",
    ),
    (
        Design::CountStaleLists,
        "a list begun before the settle time counts as one begun after it",
    ),
    (
        Design::BelievePartialLists,
        "a list that broke off counts as a whole one",
    ),
    (
        Design::AdoptSecond,
        "a second job is adopted in the place of the first",
    ),
    (Design::ForgetSecond, "a second job is left to run"),
    (
        Design::AdoptAnyAddress,
        "a lookup takes a job of another attempt",
    ),
    (
        Design::AdoptForeign,
        "a lookup takes somebody else's job that asks for the same",
    ),
    (
        Design::LeaveTheEnd,
        "a late report takes a run back from its end",
    ),
    (
        Design::NoFence,
        "a report of an earlier attempt counts for the current one",
    ),
    (
        Design::DropEarlyCallbacks,
        "a callback before the create's answer is acknowledged and dropped",
    ),
    (
        Design::AcknowledgeFirst,
        "a callback is answered before its commit",
    ),
    (Design::ActFirst, "a create is sent before its commit"),
    (
        Design::RepeatCreatesAtRestart,
        "a create that a restart interrupted is sent again",
    ),
    (
        Design::ForgetCreatesAtRestart,
        "a create that a restart interrupted is waited for",
    ),
    (Design::CallbacksOnly, "nobody polls"),
    (Design::NoDeadline, "a run has no deadline"),
    (
        Design::AbsentAtOnce,
        "one read without the job proves that it is gone",
    ),
    (
        Design::OddIsFailure,
        "an unknown status counts as a failure",
    ),
    (
        Design::PublishEarly,
        "a run is published as soon as one part is there",
    ),
    (
        Design::LandWithoutPublish,
        "a run has landed once everything is fetched",
    ),
    (
        Design::NewJobForBrokenDownload,
        "a download that breaks costs a job",
    ),
    (
        Design::ForgetCreatesOfEndedRuns,
        "an ended run does not follow its unanswered creates",
    ),
    (Design::NoCancelUpstream, "an ended run lets its jobs go on"),
    (Design::CancelOnce, "a cancel that broke is not sent again"),
    (Design::EndlessAttempts, "attempts are not counted"),
    (
        Design::NoPauseBetweenReads,
        "every callback costs a read at once",
    ),
    (
        Design::StaleReadAnswersCallback,
        "a read begun before a callback answers it",
    ),
    (
        Design::HeardForGood,
        "a callback once heard asks for reads for ever",
    ),
];

impl Design {
    /// Parts, and bad luck enough for it to show.
    pub fn shows_with(self) -> (u32, Luck) {
        let luck = |faults, crashes, forged, cancels| Luck {
            faults,
            crashes,
            forged,
            cancels,
        };
        match self {
            Design::Right
            | Design::CallbacksOnly
            | Design::NoDeadline
            | Design::LandWithoutPublish
            | Design::StaleReadAnswersCallback => (1, luck(0, 0, 0, 0)),
            Design::PublishEarly => (2, luck(0, 0, 0, 0)),
            Design::TrustCallbacks
            | Design::DropEarlyCallbacks
            | Design::NoPauseBetweenReads
            | Design::HeardForGood => (1, luck(0, 0, 1, 0)),
            Design::AcknowledgeFirst
            | Design::RepeatCreatesAtRestart
            | Design::ForgetCreatesAtRestart => (1, luck(0, 1, 0, 0)),
            Design::LeaveTheEnd => (1, luck(0, 0, 1, 1)),
            Design::ForgetCreatesOfEndedRuns | Design::NoCancelUpstream => (1, luck(0, 0, 0, 1)),
            Design::CancelOnce => (1, luck(1, 0, 0, 1)),
            Design::OddIsFailure => (1, luck(1, 0, 1, 0)),
            Design::ActFirst
            | Design::BelievePartialLists
            | Design::AdoptAnyAddress
            | Design::NoFence => (1, luck(1, 1, 0, 0)),
            Design::EndlessAttempts => (1, luck(2, 0, 0, 0)),
            _ => (1, luck(1, 0, 0, 0)),
        }
    }

    /// `step`, as this design has it.
    pub fn fold(
        self,
        run: &mut Run,
        event: &Event,
        now: DateTime<Utc>,
    ) -> Result<Touched, Ignored> {
        match self.instead(run, event, now) {
            Some(outcome) => outcome,
            None => {
                let outcome = step(run, &self.bent(run, event, now), now);
                self.meddle(run, event, outcome.is_ok());
                outcome
            }
        }
    }

    /// Another fact in the place of the true one.
    fn bent(self, run: &Run, event: &Event, now: DateTime<Utc>) -> Event {
        let mut event = event.clone();
        match (self, &mut event) {
            (Design::BlindRepost, Event::SubmitFailed { failure, .. }) => {
                *failure = CreateFailure::Refused(Fault::new(FaultClass::Throttled, ""));
            }
            (Design::NoSettle, Event::JobNotFound { asked_at, .. }) => {
                *asked_at = DateTime::<Utc>::MAX_UTC
            }
            (Design::CountStaleLists, Event::JobNotFound { asked_at, .. }) => *asked_at = now,
            (Design::ForgetSecond, Event::JobFound { extra, .. }) => extra.clear(),
            (Design::OddIsFailure, Event::JobChecked { job, .. }) => {
                if matches!(job.status, JobStatus::Unknown(_)) {
                    job.status = JobStatus::Failed;
                }
            }
            (Design::StaleReadAnswersCallback, Event::JobChecked { asked_at, .. }) => {
                *asked_at = DateTime::<Utc>::MAX_UTC;
            }
            (Design::HeardForGood, Event::JobChecked { asked_at, .. }) => {
                *asked_at = DateTime::<Utc>::MIN_UTC
            }
            (
                Design::CancelOnce,
                Event::CancelBroken {
                    part,
                    attempt,
                    job_id,
                    ..
                },
            ) => {
                let (part, attempt, job_id) = (*part, *attempt, job_id.clone());
                return Event::CancelSettled {
                    part,
                    attempt,
                    job_id,
                    outcome: String::new(),
                };
            }
            (
                Design::NoFence,
                Event::SubmitAccepted { part, attempt, .. }
                | Event::CallbackHeard { part, attempt, .. }
                | Event::JobAbsent { part, attempt, .. },
            ) => {
                let current = run.parts.get(part).and_then(Part::current_number);
                *attempt = current.unwrap_or(*attempt);
            }
            (
                Design::NoFence,
                Event::JobChecked {
                    part, attempt, job, ..
                },
            ) => {
                if let Some(current) = run.parts.get(part).and_then(Part::current) {
                    *attempt = current.number;
                    job.job_id = current.job_id.clone().unwrap_or_default();
                }
            }
            _ => {}
        }
        event
    }

    /// Something else than `step`.
    fn instead(
        self,
        run: &mut Run,
        event: &Event,
        now: DateTime<Utc>,
    ) -> Option<Result<Touched, Ignored>> {
        match (self, event) {
            (Design::ForgetSecond, Event::SecondJobSeen { .. })
            | (Design::NoDeadline, Event::DeadlinePassed) => Some(Err(Ignored::Known)),
            (Design::DropEarlyCallbacks, Event::CallbackHeard { part, .. }) => {
                let early = run.parts.get(part).is_some_and(|part| {
                    matches!(
                        part.state,
                        PartState::Submitting { .. } | PartState::Unanswered { .. }
                    )
                });
                early.then_some(Err(Ignored::Known))
            }
            (
                Design::AdoptSecond,
                Event::SecondJobSeen {
                    part,
                    attempt,
                    job_id,
                },
            ) => {
                let attempts = run.parts.get_mut(part).map(|part| &mut part.attempts);
                let own =
                    attempts.and_then(|all| all.iter_mut().find(|own| own.number == *attempt));
                if let Some(own) = own {
                    own.job_id = Some(job_id.clone());
                }
                Some(Ok(Touched::default()))
            }
            (
                Design::RepostAsNextAttempt,
                Event::SubmitFailed {
                    part,
                    failure: CreateFailure::Unanswered(_),
                    ..
                },
            )
            | (Design::AbsentAtOnce, Event::JobAbsent { part, .. })
            | (Design::NewJobForBrokenDownload, Event::FetchBroken { part, .. }) => {
                if run.state != RunState::Running {
                    return None;
                }
                let part = run.parts.get_mut(part)?;
                let open = !part.state.is_closed()
                    && !matches!(part.state, PartState::Resting { .. } | PartState::Planned);
                if !open || part.attempts.len() > 1 {
                    return None;
                }
                part.attempts.last_mut()?.state = AttemptState::Failed;
                part.state = PartState::Resting { until: now };
                Some(Ok(Touched::default()))
            }
            (Design::TrustCallbacks, Event::CallbackHeard { part, attempt, .. }) => {
                let before = run.clone();
                let _ = step(run, event, now);
                let current = run.parts.get(part).and_then(Part::current);
                if let Some(job_id) = current.and_then(|current| current.job_id.clone()) {
                    let (part, attempt, by) = (*part, *attempt, LearnedBy::Callback);
                    let job = seen(&job_id, Fate::Succeeded);
                    let event = Event::JobChecked {
                        part,
                        attempt,
                        job,
                        by,
                        asked_at: now,
                    };
                    let _ = step(run, &event, now);
                }
                Some(match *run == before {
                    true => Err(Ignored::Known),
                    false => Ok(Touched::default()),
                })
            }
            (Design::LeaveTheEnd, Event::CallbackHeard { .. } | Event::SubmitAccepted { .. })
                if run.state.is_terminal() =>
            {
                run.state = RunState::Running;
                Some(Ok(Touched::default()))
            }
            _ => None,
        }
    }

    /// What it does besides.
    fn meddle(self, run: &mut Run, event: &Event, changed: bool) {
        let fetched = |part: &Part| part.state == PartState::Fetched;
        match (self, event) {
            (Design::EndlessAttempts, Event::SubmitStarted { part, .. }) => {
                if let Some(part) = run.parts.get_mut(part) {
                    part.forgiven += 1;
                }
            }
            (Design::PublishEarly, Event::ArtifactFetched { .. })
                if run.parts.values().any(fetched) && run.state == RunState::Running =>
            {
                run.state = RunState::Publishing;
            }
            (Design::LandWithoutPublish, _) if run.state == RunState::Publishing => {
                run.state = RunState::Landed
            }
            (
                Design::ForgetCreatesOfEndedRuns,
                Event::CancelledByOperator { .. } | Event::DeadlinePassed,
            ) if changed => {
                for part in run
                    .parts
                    .values_mut()
                    .filter(|part| !part.state.is_closed())
                {
                    part.state = PartState::Abandoned;
                }
            }
            (
                Design::NoCancelUpstream,
                Event::CancelledByOperator { .. } | Event::DeadlinePassed,
            ) => {
                for attempt in run.parts.values_mut().flat_map(|part| &mut part.attempts) {
                    attempt.cancelling.clear();
                }
            }
            _ => {}
        }
    }
}
