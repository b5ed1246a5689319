//! Orders to cancel a job that break, and what a list says of the job later.

use super::lists_break::snapshot;
use super::world::{Weather, World, schedule, start};
use crate::run::{JobStatus, RunState};
use chrono::TimeDelta;

fn silent() -> Weather {
    Weather {
        callback_lost: 100,
        ..Weather::default()
    }
}

/// One job that goes on for a day.
fn with_a_job(weather: Weather) -> (World, crate::run::RunId) {
    let mut world = World::new(1, weather, vec![schedule("daily", "0 0 1 1 *", 1)]);
    let run = world.trigger("daily").expect("triggered");
    world.run_until(start() + TimeDelta::seconds(5));
    world.jobs[0].ends_at = start() + TimeDelta::days(1);
    (world, run)
}

fn told(world: &World, event: &str) -> u32 {
    world.happened.get(event).copied().unwrap_or(0)
}

/// The vendor may be down for longer than an order is tried: the next list that shows the job alive orders anew.
#[test]
fn a_cancel_that_was_given_up_is_ordered_again_while_the_job_lives() {
    for restarts in [false, true] {
        let (mut world, run) = with_a_job(silent());
        world.weather.cancels_break = true;
        world.cancel(&run).expect("cancelled");
        world.run_until(start() + TimeDelta::hours(4));
        assert!(told(&world, "cancel_given_up") >= 1);
        assert_eq!(world.jobs[0].seen.status, JobStatus::Submitted);
        world.weather.cancels_break = false;
        if restarts {
            world.crash();
        }
        let end = world.now + TimeDelta::hours(1);
        world.run_until(end);
        assert_eq!(
            world.jobs[0].seen.status,
            JobStatus::Cancelled,
            "{restarts}"
        );
        assert_eq!(world.run(&run).state, RunState::Cancelled);
        assert!(world.kept.open.is_empty());
        let second = snapshot(&mut world).second_jobs;
        assert_eq!(second, 0, "it is no other job");
        assert_eq!(
            told(&world, "job_unwanted"),
            told(&world, "cancel_given_up")
        );
    }
}

/// One create may have made two; whatever lists show later, it is one more job than was wanted.
#[test]
fn a_second_job_is_cancelled_and_counted_once() {
    let (mut world, run) = with_a_job(silent());
    world.jobs[0].ends_at = start() + TimeDelta::minutes(1);
    world.run_until(start() + TimeDelta::minutes(3));
    assert_eq!(world.run(&run).state, RunState::Landed);
    let mut second = world.jobs[0].clone();
    second.seen.job_id = "second".into();
    second.seen.status = JobStatus::Submitted;
    second.ends_at = start() + TimeDelta::days(1);
    world.jobs.push(second);
    world.run_until(start() + TimeDelta::hours(1));
    assert_eq!(world.jobs[1].seen.status, JobStatus::Cancelled);
    assert_eq!(snapshot(&mut world).second_jobs, 1);
}

/// Somebody else's may look the same: its result serves, but it is not ended.
#[test]
fn a_job_known_by_its_looks_is_not_cancelled() {
    let weather = Weather {
        create_lost: 100,
        ..silent()
    };
    let mut world = World::new(1, weather, vec![schedule("daily", "0 0 1 1 *", 1)]);
    world.no_echo = true;
    let run = world.trigger("daily").expect("triggered");
    world.run_until(start() + TimeDelta::minutes(1));
    let attempt = world.run(&run).parts[&1].attempts[0].clone();
    assert!(attempt.by_looks && attempt.job_id.is_some(), "{attempt:?}");
    world.cancel(&run).expect("cancelled");
    world.run_until(start() + TimeDelta::minutes(2));
    assert_eq!(world.jobs[0].seen.status, JobStatus::Submitted);
    let order = world.run(&run).parts[&1].attempts[0].cancelling[0].clone();
    assert!(
        order
            .outcome
            .is_some_and(|outcome| outcome.starts_with("left alone"))
    );
    assert!(world.kept.open.is_empty());
}

/// It changes nothing that has landed, and is told once.
#[test]
fn an_end_that_is_taken_back_is_told_once() {
    for later in [JobStatus::Failed, JobStatus::Submitted] {
        let (mut world, run) = with_a_job(silent());
        world.jobs[0].ends_at = start() + TimeDelta::minutes(1);
        world.run_until(start() + TimeDelta::minutes(3));
        assert_eq!(world.run(&run).state, RunState::Landed);
        world.jobs[0].seen.status = later.clone();
        world.jobs[0].ends_at = start() + TimeDelta::days(9);
        world.run_until(start() + TimeDelta::hours(2));
        assert_eq!(told(&world, "status_taken_back"), 1, "{later:?}");
        assert_eq!(world.run(&run).state, RunState::Landed);
        assert_eq!(world.jobs.len(), 1);
    }
    // The other way round: what had failed is told to have succeeded.
    let (mut world, run) = with_a_job(Weather {
        job_fails: 100,
        ..silent()
    });
    world.cancel(&run).expect("cancelled");
    world.run_until(start() + TimeDelta::minutes(30));
    assert_eq!(told(&world, "status_taken_back"), 0);
    world.jobs[0].seen.status = JobStatus::Succeeded;
    world.run_until(start() + TimeDelta::hours(2));
    assert_eq!(told(&world, "status_taken_back"), 1);
}
