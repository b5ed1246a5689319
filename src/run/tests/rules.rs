//! One rule, one test.

use super::super::*;
use super::{job, planned, start};
use crate::schedule::Name;
use chrono::TimeDelta;

pub(super) fn accepted(run: &mut Run, part: u32, id: u8) {
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

pub(super) fn succeeded(run: &mut Run, part: u32, id: u8) {
    accepted(run, part, id);
    let event = Event::JobChecked {
        part,
        attempt: 1,
        job: job(id, JobStatus::Succeeded),
        by: LearnedBy::Poll,
        asked_at: start(),
    };
    step(run, &event, start()).expect("succeeded");
}

pub(super) fn broken(
    run: &mut Run,
    class: FaultClass,
    now: chrono::DateTime<chrono::Utc>,
) -> String {
    let event = Event::FetchBroken {
        part: 1,
        attempt: 1,
        fault: Fault::new(class, "broke"),
    };
    step(run, &event, now).expect("broken");
    run.parts[&1].state.as_str().to_owned()
}

#[test]
fn a_break_costs_another_download_and_no_job_while_the_result_is_kept() {
    let mut run = planned();
    succeeded(&mut run, 1, 1);
    for again in 1..12 {
        let now = start() + TimeDelta::minutes(again);
        assert_eq!(broken(&mut run, FaultClass::Transfer, now), "fetching");
    }
    // A result that is only ever cut short ends its part, still without another job.
    let now = start() + TimeDelta::hours(1);
    assert_eq!(broken(&mut run, FaultClass::Transfer, now), "abandoned");
    assert_eq!(run.parts[&1].attempts.len(), 1);

    let mut run = planned();
    succeeded(&mut run, 1, 1);
    let late = start() + TimeDelta::days(7);
    assert_eq!(broken(&mut run, FaultClass::Transfer, late), "resting");
}

#[test]
fn a_download_comes_again_when_that_may_help() {
    for (class, wish, seconds) in [
        (FaultClass::Disk, None, 10),
        (FaultClass::Unreachable, None, 30),
        (FaultClass::Throttled, Some(77), 77),
        (FaultClass::Credential, None, 30),
        (FaultClass::Transfer, None, 1),
    ] {
        let mut run = planned();
        succeeded(&mut run, 1, 1);
        let mut fault = Fault::new(class, "broke");
        fault.retry_after = wish.map(std::time::Duration::from_secs);
        let event = Event::FetchBroken {
            part: 1,
            attempt: 1,
            fault,
        };
        step(&mut run, &event, start()).expect("broken");
        let PartState::Fetching { broken, not_before } = run.parts[&1].state else {
            panic!("{class:?}: {:?}", run.parts[&1].state)
        };
        assert_eq!(
            not_before,
            start() + TimeDelta::seconds(seconds),
            "{class:?}"
        );
        assert_eq!(
            broken,
            u32::from(class == FaultClass::Transfer),
            "{class:?}"
        );
    }
}

#[test]
fn a_publish_is_not_repeated_on_bytes_that_were_found_wrong() {
    for (class, state) in [
        (FaultClass::Content, RunState::Failed),
        (FaultClass::Check, RunState::Failed),
        (FaultClass::Disk, RunState::Publishing),
    ] {
        let mut run = planned();
        run.state = RunState::Publishing;
        let fault = Fault::new(class, "no");
        step(&mut run, &Event::PublishBroken { fault }, start()).expect("broken");
        assert_eq!(run.state, state, "{class:?}");
    }
}

#[test]
fn a_widened_run_asks_for_all_and_knows_what_its_old_parts_asked_for() {
    let mut run = planned();
    run.state = RunState::Publishing;
    let properties = std::sync::Arc::new(vec![0, 1, 2, 3]);
    let event = Event::Widened {
        properties: std::sync::Arc::clone(&properties),
        roster: "all".into(),
        parts: vec![Part::planned(3, 0, 4, run.window)],
        because: Fault::new(FaultClass::Content, "rows cannot be told apart"),
    };
    step(&mut run, &event, start()).expect("widened");
    assert!(run.whole);
    assert_eq!((run.state, run.property_count), (RunState::Running, 4));
    assert_eq!(run.parts[&1].properties(&run.properties), [1, 2]);
    assert_eq!(
        run.live_parts().map(|part| part.number).collect::<Vec<_>>(),
        [3]
    );
    assert_eq!(
        step(&mut run, &event, start()),
        Err(Ignored::Known),
        "only once"
    );
}

#[test]
fn properties_that_cannot_be_had_are_asked_for_again_unless_the_vendor_will_never_tell() {
    use FaultClass as C;
    let later = |seconds| start() + TimeDelta::seconds(seconds);
    for (class, hopeless) in [
        (C::Forbidden, true),
        (C::Invalid, true),
        (C::Gone, true),
        (C::Quota, true),
        (C::Throttled, false),
        (C::Unanswered, false),
        (C::Credential, false),
    ] {
        let mut run = super::run();
        let event = Event::PropertiesUnknown {
            fault: Fault::new(class, "no"),
        };
        assert_eq!(step(&mut run, &event, start()), Err(Ignored::OutOfPlace));
        step(&mut run, &Event::Started, start()).expect("started");
        step(&mut run, &event, later(1)).expect("noted");
        assert!(run.reason.as_deref().is_some_and(|why| why.ends_with("no")));
        match hopeless {
            true => {
                assert_eq!(run.state, RunState::Failed, "{class:?}");
                assert_eq!(run.finished_at, Some(later(1)));
            }
            false => {
                assert_eq!(run.state, RunState::Resolving, "{class:?}");
                assert!(run.not_before >= later(31), "{}", run.not_before);
            }
        }
    }
}
