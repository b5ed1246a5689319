//! Laws of one run's life, over arbitrary sequences of facts, shrunk when broken.

use super::*;
use crate::schedule::{
    Checks, Chunk, Columns, Format, Name, OnFail, Partition, Report, Retry, SchemaChange, Window,
};
use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

fn start() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 23, 12, 0, 0)
        .single()
        .expect("a valid instant")
}

fn run() -> Run {
    let name = Name::parse("daily").expect("a name");
    let day = start().date_naive();
    Run {
        id: RunId::of_fire(&name, start()),
        schedule: name,
        trigger: Trigger::Cron,
        nominal_at: start(),
        window: Window::day(day),
        state: RunState::Queued,
        reason: None,
        terms: Terms {
            report: Report::Property,
            format: Format::Csv,
            partition: Partition::Date,
            chunk: Chunk {
                properties: 2,
                days: 31,
            },
            columns: Columns {
                property: "id".into(),
                date: "day".into(),
            },
            checks: Checks {
                min_property_coverage: None,
                min_rows_vs_median: None,
                unique: Vec::new(),
                max_null_rate: BTreeMap::new(),
                range: BTreeMap::new(),
                schema_change: SchemaChange::Notify,
                on_fail: OnFail::Quarantine,
            },
            retry: Retry {
                attempts: 3,
                first: Duration::from_secs(30),
                max: Duration::from_secs(300),
            },
            deadline: Duration::from_secs(3_600),
            submit_settle: Duration::from_secs(60),
            source: None,
        },
        roster: String::new(),
        property_count: 0,
        created_at: start(),
        started_at: None,
        finished_at: None,
        tries: 0,
        not_before: start(),
        rows: 0,
        bytes: 0,
        checks: Vec::new(),
        cells: Cells::default(),
        missing: Vec::new(),
        batch: None,
        files: Vec::new(),
        parts: BTreeMap::new(),
        properties: Arc::default(),
    }
}

fn planned() -> Run {
    let mut run = run();
    let window = run.window;
    let parts = vec![
        Part::planned(1, 0, 2, window),
        Part::planned(2, 2, 1, window),
    ];
    step(&mut run, &Event::Started, start()).expect("started");
    let properties = Arc::new(vec![1, 2, 3]);
    let event = Event::Planned {
        properties,
        roster: "r".into(),
        parts,
    };
    step(&mut run, &event, start()).expect("planned");
    run
}

fn job(id: u8, status: JobStatus) -> JobSeen {
    JobSeen {
        job_id: format!("job-{id}"),
        status,
        error_message: Some("words of the vendor".into()),
        callback_url: None,
        report: None,
        format: None,
        window: None,
        property_ids: Vec::new(),
        created_at: None,
    }
}

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

fn published(verdict: Verdict) -> Event {
    Event::RunPublished {
        published: Box::new(Published {
            verdict,
            reason: None,
            files: Vec::new(),
            rows: 1,
            bytes: 1,
            checks: Vec::new(),
            landed: Vec::new(),
            empty: Vec::new(),
            missing: Vec::new(),
        }),
    }
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
        2 => Just(published(Verdict::Landed)),
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
                    let was = before.parts[number]
                        .attempts
                        .iter()
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

fn accepted(run: &mut Run, part: u32, id: u8) {
    step(run, &Event::SubmitStarted { part, attempt: 1 }, start()).expect("started");
    let job = job(id, JobStatus::Submitted);
    step(
        run,
        &Event::SubmitAccepted {
            part,
            attempt: 1,
            job,
        },
        start(),
    )
    .expect("accepted");
}

/// Law 4: an unanswered create is settled only by time and two whole lists.
#[test]
fn a_new_create_needs_the_settle_time_and_two_lists() {
    let mut run = planned();
    step(
        &mut run,
        &Event::SubmitStarted {
            part: 1,
            attempt: 1,
        },
        start(),
    )
    .expect("started");
    let failure = CreateFailure::Unanswered(Fault::new(FaultClass::Unanswered, "reset"));
    let event = Event::SubmitFailed {
        part: 1,
        attempt: 1,
        failure,
    };
    step(&mut run, &event, start()).expect("unanswered");
    let look = |run: &mut Run, seconds: i64| {
        let asked_at = start() + TimeDelta::seconds(seconds);
        let event = Event::JobNotFound {
            part: 1,
            attempt: 1,
            asked_at,
        };
        step(run, &event, asked_at).expect("looked");
        run.parts[&1].state.as_str().to_owned()
    };
    assert_eq!(look(&mut run, 1), "unanswered");
    assert_eq!(look(&mut run, 30), "unanswered");
    assert_eq!(
        look(&mut run, 59),
        "unanswered",
        "two lists, but before the settle time"
    );
    assert_eq!(look(&mut run, 60), "resting");
    assert_eq!(run.parts[&1].next_attempt(), 2);
}

#[test]
fn a_create_that_was_never_sent_keeps_its_address() {
    let mut run = planned();
    step(
        &mut run,
        &Event::SubmitStarted {
            part: 1,
            attempt: 1,
        },
        start(),
    )
    .expect("started");
    let failure = CreateFailure::Unsent(Fault::new(FaultClass::Unreachable, "no route"));
    step(
        &mut run,
        &Event::SubmitFailed {
            part: 1,
            attempt: 1,
            failure,
        },
        start(),
    )
    .expect("unsent");
    assert_eq!(run.parts[&1].next_attempt(), 1);
    assert_eq!(run.reason.as_deref(), Some("not reachable: no route"));
}

#[test]
fn a_callback_in_any_state_decides_nothing() {
    let mut run = planned();
    accepted(&mut run, 1, 1);
    let heard = Event::CallbackHeard {
        part: 1,
        attempt: 1,
        count: 1,
    };
    step(&mut run, &heard, start()).expect("heard");
    assert_eq!(run.parts[&1].state.as_str(), "exporting");
    let part = &run.parts[&1];
    assert_eq!(next_part(&run, part, None, start()), NextPart::Check);
    let recently = Some(start() - TimeDelta::seconds(1));
    assert_eq!(
        next_part(&run, part, recently, start()),
        NextPart::WaitUntil(start() + TimeDelta::seconds(4)),
        "at most one read per attempt per five seconds"
    );
}

#[test]
fn an_early_callback_is_kept_until_the_job_is_known() {
    let mut run = planned();
    step(
        &mut run,
        &Event::SubmitStarted {
            part: 1,
            attempt: 1,
        },
        start(),
    )
    .expect("started");
    step(
        &mut run,
        &Event::CallbackHeard {
            part: 1,
            attempt: 1,
            count: 1,
        },
        start(),
    )
    .expect("heard");
    let job = job(1, JobStatus::Submitted);
    step(
        &mut run,
        &Event::SubmitAccepted {
            part: 1,
            attempt: 1,
            job,
        },
        start(),
    )
    .expect("accepted");
    assert_eq!(
        next_part(&run, &run.parts[&1], None, start()),
        NextPart::Check
    );
}

#[test]
fn the_vendors_words_are_kept_verbatim() {
    let mut run = planned();
    accepted(&mut run, 1, 1);
    let event = Event::JobChecked {
        part: 1,
        attempt: 1,
        job: job(1, JobStatus::Failed),
        by: LearnedBy::Callback,
        asked_at: start(),
    };
    step(&mut run, &event, start()).expect("checked");
    let attempt = &run.parts[&1].attempts[0];
    assert_eq!(attempt.error.as_deref(), Some("words of the vendor"));
    assert_eq!(attempt.learned_by, Some(LearnedBy::Callback));
}

#[test]
fn cancelling_a_run_orders_its_jobs_to_be_cancelled() {
    let mut run = planned();
    accepted(&mut run, 1, 1);
    step(
        &mut run,
        &Event::SubmitStarted {
            part: 2,
            attempt: 1,
        },
        start(),
    )
    .expect("started");
    let cancelled = Event::CancelledByOperator {
        reason: "cancelled by test".into(),
    };
    step(&mut run, &cancelled, start()).expect("cancelled");
    assert!(
        !settled(&run),
        "a cancel is to be sent and a create is still under way"
    );
    assert_eq!(cancels(&run).count(), 1);
    let job = job(2, JobStatus::Submitted);
    step(
        &mut run,
        &Event::SubmitAccepted {
            part: 2,
            attempt: 1,
            job,
        },
        start(),
    )
    .expect("late");
    assert_eq!(
        cancels(&run).count(),
        2,
        "the job of the late answer is cancelled too"
    );
}

#[test]
fn ids_print_and_parse_and_nothing_else_parses() {
    let name = Name::parse("owned-daily").expect("a name");
    let run = RunId::of_fire(&name, start());
    assert_eq!(run.as_str(), "owned-daily.20261123T120000Z");
    let id = AttemptId {
        run,
        part: 3,
        number: 12,
    };
    assert_eq!(id.to_string(), "owned-daily.20261123T120000Z.p3.a12");
    assert_eq!(id.to_string().parse(), Ok(id));
    for wrong in [
        "",
        "x",
        "owned-daily",
        "owned-daily.",
        "owned-daily.20261123T120000Z.p03.a1",
        "owned-daily.20261123T120000Z.p3.a+1",
        "owned-daily.2026/../x.p1.a1",
        "Owned.2026.p1.a1",
    ] {
        assert!(wrong.parse::<AttemptId>().is_err(), "{wrong}");
    }
}
