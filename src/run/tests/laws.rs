//! Laws over arbitrary sequences of facts, shrunk when broken.

use super::super::*;
use super::{job, planned, published, start};
use chrono::TimeDelta;
use proptest::prelude::*;

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(FaultClass::Unreachable),
        Just(FaultClass::Unanswered),
        Just(FaultClass::Throttled),
        Just(FaultClass::Quota),
        Just(FaultClass::Credential),
        Just(FaultClass::Forbidden),
        Just(FaultClass::Invalid),
        Just(FaultClass::Gone),
        Just(FaultClass::Transfer),
        Just(FaultClass::Content),
        Just(FaultClass::TooLarge),
        Just(FaultClass::Address),
        Just(FaultClass::Disk),
    ]
    .prop_map(|class| Fault::new(class, format!("{class:?}")))
}

fn status() -> impl Strategy<Value = JobStatus> {
    prop_oneof![
        Just(JobStatus::Submitted),
        Just(JobStatus::Succeeded),
        Just(JobStatus::Failed),
        Just(JobStatus::Cancelled),
        Just(JobStatus::Unknown("melting".into())),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let place = (1..=2_u32, 1..=4_u32);
    let artifact = Artifact {
        bytes: 1,
        sha256: "00".into(),
        rows: 1,
        path: "raw/daily/x/part-0001.csv".into(),
    };
    prop_oneof![
        4 => place.clone().prop_map(|(part, attempt)| Event::SubmitStarted { part, attempt }),
        4 => (place.clone(), 0..4_u8, status()).prop_map(|((part, attempt), id, status)| {
            Event::SubmitAccepted { part, attempt, job: job(id, status) }
        }),
        2 => (place.clone(), fault(), 0..3).prop_map(|((part, attempt), fault, kind)| {
            let failure = match kind {
                0 => CreateFailure::Unsent(fault),
                1 => CreateFailure::Refused(fault),
                _ => CreateFailure::Unanswered(fault),
            };
            Event::SubmitFailed { part, attempt, failure }
        }),
        2 => (place.clone(), 0..4_u8, status()).prop_map(|((part, attempt), id, status)| {
            let extra = vec![format!("job-{}", id + 4)];
            Event::JobFound { part, attempt, job: job(id, status), extra }
        }),
        2 => (place.clone(), 0..200_i64).prop_map(|((part, attempt), seconds)| Event::JobNotFound {
            part,
            attempt,
            asked_at: start() + TimeDelta::seconds(seconds),
        }),
        2 => place.clone()
            .prop_map(|(part, attempt)| Event::CallbackHeard { part, attempt, count: 1 }),
        4 => (place.clone(), 0..4_u8, status()).prop_map(|((part, attempt), id, status)| {
            let by = LearnedBy::Poll;
            Event::JobChecked { part, attempt, job: job(id, status), by, asked_at: start() }
        }),
        1 => (place.clone(), fault())
            .prop_map(|((part, attempt), fault)| Event::JobAbsent { part, attempt, fault }),
        3 => place.clone().prop_map(move |(part, attempt)| Event::ArtifactFetched {
            part,
            attempt,
            artifact: artifact.clone(),
        }),
        2 => (place, fault())
            .prop_map(|((part, attempt), fault)| Event::FetchBroken { part, attempt, fault }),
        2 => Just(Event::RunPublished { published: Box::new(published(Verdict::Landed)) }),
        1 => fault().prop_map(|fault| Event::PublishBroken { fault }),
        1 => Just(Event::DeadlinePassed),
        1 => Just(Event::CancelledByOperator { reason: "cancelled".into() }),
        1 => Just(Event::CredentialChanged),
    ]
}

/// Facts of the same life, so that deep states are reached: each seed event is bent towards what
/// the run is waiting for.
fn bend(run: &Run, event: Event) -> Event {
    match event {
        Event::SubmitStarted { part, .. } => {
            let attempt = run.parts.get(&part).map_or(1, Part::next_attempt);
            Event::SubmitStarted { part, attempt }
        }
        Event::JobChecked {
            part,
            attempt,
            mut job,
            by,
            asked_at,
        } => {
            let current = run.parts.get(&part).and_then(Part::current);
            let attempt = current.map_or(attempt, |current| current.number);
            if let Some(id) = current.and_then(|current| current.job_id.clone()) {
                job.job_id = id;
            }
            Event::JobChecked {
                part,
                attempt,
                job,
                by,
                asked_at,
            }
        }
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Laws 4, 5 and 7: one job per attempt, ends absorb, nothing gets stuck.
    #[test]
    fn any_life_keeps_the_laws(events in proptest::collection::vec(event(), 1..60)) {
        let mut run = planned();
        let mut now = start();
        for event in events {
            now += TimeDelta::seconds(7);
            let event = bend(&run, event);
            let before = run.clone();
            let outcome = step(&mut run, &event, now);
            if outcome.is_err() {
                prop_assert_eq!(&run, &before, "an ignored fact changed something: {:?}", event);
            }
            if before.state.is_terminal() {
                prop_assert_eq!(run.state, before.state, "an end was left by {:?}", event);
                prop_assert_eq!(&run.reason, &before.reason);
            }
            for (number, part) in &run.parts {
                for attempt in &part.attempts {
                    let was = before
                        .parts
                        .get(number)
                        .into_iter()
                        .flat_map(|part| &part.attempts)
                        .find(|other| other.number == attempt.number)
                        .and_then(|other| other.job_id.clone());
                    prop_assert!(
                        was.is_none() || was == attempt.job_id,
                        "attempt {} changed its job by {:?}", attempt.number, event
                    );
                }
                prop_assert!(part.attempts.len() <= 3, "more attempts than allowed");
            }
            // Law 7: whoever has not ended has an errand or a bounded wait.
            if !run.state.is_terminal() {
                let waits = match next(&run, now) {
                    Next::Parts => run.parts.values().any(|part| {
                        next_part(&run, part, None, now) != NextPart::Rest
                            || matches!(part.state, PartState::Submitting { .. })
                    }),
                    Next::Rest => false,
                    _ => true,
                };
                prop_assert!(waits, "stuck after {:?}: {:?}", event, run);
            }
        }
    }

    /// Law 5: a fact about an attempt that is not the current one changes nothing but cancels.
    #[test]
    fn another_attempt_is_fenced_off(attempt in 2..9_u32, seen in status()) {
        let mut run = planned();
        step(&mut run, &Event::SubmitStarted { part: 1, attempt: 1 }, start()).expect("started");
        let before = run.clone();
        let events = [
            Event::SubmitAccepted { part: 1, attempt, job: job(1, seen.clone()) },
            Event::CallbackHeard { part: 1, attempt, count: 1 },
            Event::JobFound { part: 1, attempt, job: job(1, seen), extra: Vec::new() },
        ];
        for event in events {
            prop_assert!(step(&mut run, &event, start()).is_err());
            prop_assert_eq!(&run, &before);
        }
    }
}
