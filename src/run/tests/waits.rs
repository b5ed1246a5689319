//! What moves a wait, what answers a callback, what is ordered upstream and when that is given up.

use super::super::*;
use super::rules::accepted;
use super::{job, planned, run, start};
use chrono::{DateTime, TimeDelta, Utc};

pub(super) fn later(seconds: i64) -> DateTime<Utc> {
    start() + TimeDelta::seconds(seconds)
}

pub(super) fn set_back(run: &mut Run, seconds: i64, now: DateTime<Utc>) -> Vec<PartNumber> {
    let by = TimeDelta::seconds(seconds);
    let touched = step(run, &Event::ClockSetBack { by }, now).expect("it is heeded");
    touched.parts.into_iter().collect()
}

#[test]
fn a_clock_set_back_leaves_every_wait_as_long_as_it_was() {
    let waiting = |at: DateTime<Utc>| {
        [
            PartState::Resting { until: at },
            PartState::Submitting { since: at },
            PartState::Unanswered {
                since: at,
                lists: 1,
                look_at: at,
            },
            PartState::Exporting {
                since: at,
                heard: Some(at),
                absent: 1,
            },
            PartState::Fetching {
                broken: 1,
                not_before: at,
            },
        ]
    };
    // At 1,000 s the clock went back by 900: what lay 300 s ahead does so again.
    let now = later(100);
    for (before, after) in waiting(later(1_300)).into_iter().zip(waiting(later(400))) {
        let mut run = planned();
        run.parts.get_mut(&1).expect("a part").state = before;
        assert_eq!(set_back(&mut run, 900, now), [1]);
        assert_eq!(run.parts[&1].state, after);
    }
    // What lay in the past is over now, and no more than that; what is past already stays.
    for (before, after) in waiting(later(500)).into_iter().zip(waiting(now)) {
        let mut run = planned();
        run.parts.get_mut(&1).expect("a part").state = before;
        assert_eq!(set_back(&mut run, 900, now), [1]);
        assert_eq!(run.parts[&1].state, after);
    }
    for state in waiting(later(50)) {
        let mut run = planned();
        run.parts.get_mut(&1).expect("a part").state = state.clone();
        assert_eq!(set_back(&mut run, 900, now), [] as [u32; 0]);
        assert_eq!(run.parts[&1].state, state);
    }
}

#[test]
fn a_clock_set_back_moves_the_runs_own_waits_and_its_orders() {
    let mut run = planned();
    accepted(&mut run, 1, 1);
    step(
        &mut run,
        &Event::SecondJobSeen {
            part: 1,
            attempt: 1,
            job_id: "job-2".into(),
        },
        later(1_300),
    )
    .expect("seen");
    run.not_before = later(1_300);
    run.started_at = Some(later(1_000));
    let now = later(100);
    assert_eq!(set_back(&mut run, 900, now), [1]);
    assert_eq!(run.not_before, later(400));
    assert_eq!(run.started_at, Some(now), "the deadline is not farther off");
    let orders: Vec<_> = cancels(&run).map(|(.., at)| at).collect();
    assert_eq!(orders, [later(400)]);
    run.started_at = Some(later(50));
    set_back(&mut run, 900, now);
    assert_eq!(run.started_at, Some(later(50)));
}

#[test]
fn a_new_credential_wakes_what_waits_for_one_and_nothing_else() {
    let credential = Some(Fault::new(FaultClass::Credential, "401"));
    let throttled = Some(Fault::new(FaultClass::Throttled, "429"));
    let resting = PartState::Resting { until: later(600) };
    let fetching = PartState::Fetching {
        broken: 2,
        not_before: later(600),
    };
    let woken = PartState::Fetching {
        broken: 2,
        not_before: later(1),
    };
    for (state, fault, after) in [
        (
            &resting,
            &credential,
            &PartState::Resting { until: later(1) },
        ),
        (&fetching, &credential, &woken),
        (&resting, &throttled, &resting),
        (&PartState::Planned, &credential, &PartState::Planned),
        (&PartState::Abandoned, &credential, &PartState::Abandoned),
    ] {
        let mut run = planned();
        let part = run.parts.get_mut(&1).expect("a part");
        (part.state, part.fault) = (state.clone(), fault.clone());
        let touched = step(&mut run, &Event::CredentialChanged, later(1));
        assert_eq!(&run.parts[&1].state, after);
        match state == after {
            true => assert_eq!(touched, Err(Ignored::OutOfPlace)),
            false => assert_eq!(touched.expect("woken").parts, [1].into()),
        }
    }
}

pub(super) fn checked(
    run: &mut Run,
    status: JobStatus,
    asked_at: DateTime<Utc>,
) -> Result<Touched, Ignored> {
    let event = Event::JobChecked {
        part: 1,
        attempt: 1,
        job: job(1, status),
        by: LearnedBy::Poll,
        asked_at,
    };
    step(run, &event, asked_at + TimeDelta::seconds(1))
}

#[test]
fn a_status_outside_the_contract_is_kept_in_the_vendors_word() {
    let mut run = planned();
    accepted(&mut run, 1, 1);
    let word = |run: &Run| run.parts[&1].attempts[0].unknown_status.clone();
    let paused = || JobStatus::Unknown("paused".into());
    checked(&mut run, paused(), later(1)).expect("new");
    assert_eq!(word(&run).as_deref(), Some("paused"));
    assert_eq!(
        checked(&mut run, paused(), later(2)),
        Err(Ignored::Known),
        "told before"
    );
    assert_eq!(
        checked(&mut run, JobStatus::Submitted, later(3)),
        Err(Ignored::Known)
    );
    assert_eq!(word(&run).as_deref(), Some("paused"), "the last one stays");
}

fn absent(run: &mut Run, now: DateTime<Utc>) -> String {
    let event = Event::JobAbsent {
        part: 1,
        attempt: 1,
        fault: Fault::new(FaultClass::Gone, "404"),
    };
    step(run, &event, now).expect("noted");
    run.parts[&1].state.as_str().to_owned()
}

#[test]
fn a_job_is_gone_after_three_reads_and_five_seconds_and_a_sighting_begins_anew() {
    let mut run = planned();
    accepted(&mut run, 1, 1);
    for second in 1..=4 {
        assert_eq!(absent(&mut run, later(second)), "exporting", "too fresh");
    }
    assert_eq!(absent(&mut run, later(5)), "resting");
    let fault = run.parts[&1].fault.as_ref().expect("a fault");
    assert_eq!(fault.class, FaultClass::Gone);
    assert!(fault.message.contains("no longer knows the job: 404"));

    let mut run = planned();
    accepted(&mut run, 1, 1);
    assert_eq!(absent(&mut run, later(60)), "exporting");
    assert_eq!(absent(&mut run, later(61)), "exporting");
    checked(&mut run, JobStatus::Submitted, later(62)).expect("it is there again");
    assert_eq!(absent(&mut run, later(63)), "exporting");
    assert_eq!(absent(&mut run, later(64)), "exporting");
    assert_eq!(absent(&mut run, later(65)), "resting");
}

fn seen(run: &mut Run, job_id: &str) -> Result<Touched, Ignored> {
    let event = Event::SecondJobSeen {
        part: 1,
        attempt: 1,
        job_id: job_id.into(),
    };
    step(run, &event, later(1))
}

fn orders(run: &Run) -> Vec<String> {
    cancels(run).map(|(_, _, job, _)| job.to_owned()).collect()
}

#[test]
fn a_second_job_is_ordered_to_be_cancelled_once_and_the_adopted_one_never() {
    let mut run = planned();
    accepted(&mut run, 1, 1);
    assert_eq!(seen(&mut run, "job-1"), Err(Ignored::Known));
    assert_eq!(orders(&run), [] as [&str; 0]);
    assert_eq!(seen(&mut run, "job-2").expect("new").parts, [1].into());
    assert_eq!(seen(&mut run, "job-2"), Err(Ignored::Known));
    seen(&mut run, "job-3").expect("new");
    assert_eq!(orders(&run), ["job-2", "job-3"]);
}

#[test]
fn a_job_that_nothing_waits_for_gets_a_place_for_its_order() {
    let mut run = planned();
    let unwanted = |run: &mut Run, part, attempt, job_id: &str| {
        let event = Event::JobUnwanted {
            part,
            attempt,
            job_id: job_id.into(),
        };
        step(run, &event, later(1))
    };
    accepted(&mut run, 1, 1);
    // Of an attempt that is known, of one that is not, of a part that is not.
    for (part, attempt) in [(1, 1), (1, 7), (9, 1)] {
        let job_id = format!("stray-{part}-{attempt}");
        let touched = unwanted(&mut run, part, attempt, &job_id).expect("new");
        assert_eq!(touched.parts, [part].into());
        assert_eq!(
            unwanted(&mut run, part, attempt, &job_id),
            Err(Ignored::Known)
        );
    }
    assert_eq!(orders(&run), ["stray-1-7", "stray-1-1", "stray-9-1"]);
    let current = run.parts[&1].current().expect("an attempt");
    assert_eq!(current.job_id.as_deref(), Some("job-1"), "still its own");
    let stray = &run.parts[&1].attempts[0];
    assert_eq!(
        (stray.number, stray.state, stray.job_id.as_deref()),
        (7, AttemptState::Cancelled, Some("stray-1-7"))
    );
    assert_eq!(stray.ended_at, Some(later(1)));
    assert_eq!(run.parts[&9].state, PartState::Superseded);
    assert_eq!(run.live_parts().count(), 2);
}

#[test]
fn an_order_is_tried_six_times_with_rests_and_then_given_up() {
    let mut run = planned();
    accepted(&mut run, 1, 1);
    seen(&mut run, "job-2").expect("new");
    let broken = |run: &mut Run, now, wish: Option<u64>| {
        let mut fault = Fault::new(FaultClass::Unanswered, "500");
        fault.retry_after = wish.map(std::time::Duration::from_secs);
        let event = Event::CancelBroken {
            part: 1,
            attempt: 1,
            job_id: "job-2".into(),
            fault,
        };
        step(run, &event, now).map(drop)
    };
    let mut before = later(1);
    for _ in 0..4 {
        broken(&mut run, before, None).expect("noted");
        let at = cancels(&run).next().expect("an order").3;
        assert!(at > before, "it rests");
        before = at;
    }
    broken(&mut run, later(900), Some(77)).expect("noted");
    let at = cancels(&run).next().expect("an order").3;
    assert_eq!(at, later(977), "as long as the vendor wishes");
    broken(&mut run, later(1_000), None).expect("given up");
    assert_eq!(orders(&run), [] as [&str; 0]);
    let outcome = run.parts[&1].attempts[0].cancelling[0].outcome.clone();
    assert_eq!(outcome.as_deref(), Some("given up: 500"));
    assert_eq!(broken(&mut run, later(1_001), None), Err(Ignored::Known));
}

#[test]
fn every_state_of_a_run_calls_for_its_own_errand() {
    let mut run = run();
    run.not_before = later(10);
    for (state, before, at) in [
        (RunState::Queued, Next::Queue, Next::Queue),
        (
            RunState::Resolving,
            Next::WaitUntil(later(10)),
            Next::Resolve,
        ),
        (RunState::Running, Next::Parts, Next::Parts),
        (
            RunState::Publishing,
            Next::WaitUntil(later(10)),
            Next::Publish,
        ),
        (RunState::Landed, Next::Rest, Next::Rest),
        (RunState::Failed, Next::Rest, Next::Rest),
    ] {
        run.state = state;
        assert_eq!(next(&run, later(9)), before);
        assert_eq!(next(&run, later(10)), at);
    }
    // Ended, but a create is still to be looked for: its parts are not left alone.
    let mut run = planned();
    run.state = RunState::Cancelled;
    run.parts.get_mut(&1).expect("a part").state = PartState::Submitting { since: start() };
    assert_eq!(next(&run, later(9)), Next::Parts);
    assert_eq!(
        next_part(&run, &run.parts[&1], None, later(9)),
        NextPart::Rest
    );
    run.parts.get_mut(&1).expect("a part").state = PartState::Unanswered {
        since: start(),
        lists: 0,
        look_at: later(20),
    };
    assert_eq!(next(&run, later(9)), Next::Parts);
    let part = &run.parts[&1];
    assert_eq!(
        next_part(&run, part, None, later(19)),
        NextPart::WaitUntil(later(20))
    );
    assert_eq!(next_part(&run, part, None, later(20)), NextPart::Find);
    assert_eq!(
        next_part(&run, &run.parts[&2], None, later(20)),
        NextPart::Rest
    );
}
