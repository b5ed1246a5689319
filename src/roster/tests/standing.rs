//! Where a job of the vendor's list stands with the run that it names.

use super::world::{Weather, World, schedule, start};
use crate::roster::{Standing, standing};
use crate::run::{AttemptId, AttemptState, Event, JobSeen, JobStatus, LearnedBy, Run, step};
use crate::schedule::{Format, Report as Kind, Window};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

pub(super) fn job(id: &str) -> JobSeen {
    JobSeen {
        job_id: id.to_owned(),
        status: JobStatus::Submitted,
        error_message: None,
        callback_url: None,
        report: Some(Kind::Property),
        format: Some(Format::Jsonl),
        window: Some(Window::day(start().date_naive())),
        property_ids: vec![1],
        created_at: Some(start()),
    }
}

/// A run of one part whose job has been accepted.
fn exporting() -> (Run, AttemptId) {
    let mut world = World::new(1, Weather::default(), vec![schedule("one", "0 0 1 1 *", 1)]);
    let id = world.trigger("one").expect("a run");
    let end = world.now + TimeDelta::seconds(2);
    world.run_until(end);
    let run = world.run(&id);
    let attempt = AttemptId {
        run: id,
        part: 1,
        number: 1,
    };
    (run, attempt)
}

fn stands(run: &Run, job: &JobSeen, attempt: &AttemptId, asked_at: DateTime<Utc>) -> Standing {
    standing(Some(run), job, attempt, asked_at)
}

#[test]
fn where_a_job_stands_with_its_run() {
    let (mut run, attempt) = exporting();
    let now = start() + TimeDelta::seconds(10);
    let own = JobSeen {
        job_id: run.parts[&1].attempts[0].job_id.clone().expect("a job"),
        window: Some(run.window),
        ..job("x")
    };
    let second = JobSeen {
        job_id: "second".into(),
        ..own.clone()
    };
    assert_eq!(standing(None, &own, &attempt, now), Standing::Stranger);
    assert_eq!(stands(&run, &own, &attempt, now), Standing::Settled);
    assert_eq!(stands(&run, &second, &attempt, now), Standing::Second);
    let next = AttemptId {
        number: 2,
        ..attempt.clone()
    };
    assert_eq!(stands(&run, &second, &next, now), Standing::Unwanted);
    // The job failed; a list begun before that still shows it alive, one begun long after means it.
    let failed = JobSeen {
        status: JobStatus::Failed,
        ..own.clone()
    };
    let event = Event::JobChecked {
        part: 1,
        attempt: 1,
        job: failed,
        by: LearnedBy::Poll,
        asked_at: now,
    };
    step(&mut run, &event, now).expect("it ends");
    assert_eq!(run.parts[&1].attempts[0].state, AttemptState::Failed);
    assert_eq!(stands(&run, &own, &attempt, now), Standing::Settled);
    let later = now + TimeDelta::minutes(2);
    assert_eq!(stands(&run, &own, &attempt, later), Standing::Unwanted);
    // The part rests before its second attempt: a job with that address is the one it would ask for.
    assert_eq!(stands(&run, &second, &next, now), Standing::Adopt);
    let other = JobSeen {
        property_ids: vec![7],
        ..second
    };
    assert_eq!(stands(&run, &other, &next, now), Standing::Unwanted);
}

proptest! {
    /// Only a job that still runs can be one to cancel, and without a run nothing is decided.
    #[test]
    fn what_has_ended_is_never_cancelled(
        part in 0u32..3, number in 1u32..4, id in 0u8..3, status in 0u8..4, seconds in -300i64..300,
    ) {
        let (run, own) = exporting();
        let statuses = [JobStatus::Succeeded, JobStatus::Failed, JobStatus::Cancelled, JobStatus::Submitted];
        let known = run.parts[&1].attempts[0].job_id.clone().expect("a job");
        let seen = JobSeen {
            job_id: if id == 0 { known } else { format!("job-x{id}") },
            status: statuses[usize::from(status)].clone(),
            ..job("x")
        };
        let attempt = AttemptId { part, number, ..own };
        let asked_at = start() + TimeDelta::seconds(seconds);
        prop_assert_eq!(standing(None, &seen, &attempt, asked_at), Standing::Stranger);
        let stands = stands(&run, &seen, &attempt, asked_at);
        if status < 3 {
            prop_assert!(!matches!(stands, Standing::Unwanted | Standing::Second), "{:?}", stands);
        }
    }
}

/// A create that was given up for lost comes into being after all: it is waited for while it is looked for, and
/// cancelled afterwards.
#[test]
fn a_job_that_comes_late_is_not_wanted_any_more() {
    let weather = Weather {
        create_vanishes: 100,
        ..Weather::default()
    };
    let mut world = World::new(1, weather, vec![schedule("one", "0 0 1 1 *", 1)]);
    let id = world.trigger("one").expect("a run");
    world.run_until(start() + TimeDelta::minutes(1));
    let attempt = AttemptId {
        run: id.clone(),
        part: 1,
        number: 1,
    };
    let now = world.now;
    let run = world.run(&id);
    assert_eq!(run.parts[&1].attempts[0].state, AttemptState::Unanswered);
    assert_eq!(stands(&run, &job("late"), &attempt, now), Standing::Wait);
    world.weather.create_vanishes = 0;
    world.run_until(start() + TimeDelta::minutes(15));
    let run = world.run(&id);
    assert_eq!(run.parts[&1].attempts[0].state, AttemptState::NotFound);
    assert_eq!(
        stands(&run, &job("late"), &attempt, world.now),
        Standing::Unwanted
    );
}
