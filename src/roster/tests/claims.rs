//! Unanswered creates whose jobs show no address: adopted only where nothing else can be meant.

use super::standing::job;
use super::world::{Job, Weather, World, schedule, start};
use crate::run::{AttemptId, AttemptState, JobSeen, JobStatus, RunId, RunState};
use chrono::TimeDelta;
use std::collections::{BTreeMap, BTreeSet};

/// A vendor that shows no address, and a run whose create has vanished unanswered at [`start`].
pub(super) fn vanished() -> (World, RunId) {
    let weather = Weather {
        create_vanishes: 100,
        ..Weather::default()
    };
    let mut world = World::new(1, weather, vec![schedule("one", "0 0 1 1 *", 1)]);
    world.no_echo = true;
    world.ahead.1 = Some(TimeDelta::zero());
    let run = world.trigger("one").expect("a run");
    world.run_until(start() + TimeDelta::seconds(1));
    world.weather.create_vanishes = 0;
    (world, run)
}

/// The same as the run asks for, asked for by somebody so many milliseconds after its create was begun.
pub(super) fn same_as(world: &World, run: &RunId, id: &str, millis: i64) -> Job {
    let kept = world.run(run);
    Job {
        seen: JobSeen {
            window: Some(kept.window),
            created_at: Some(start() + TimeDelta::milliseconds(millis)),
            ..job(id)
        },
        attempt: AttemptId {
            run: run.clone(),
            part: 1,
            number: 1,
        },
        ends_at: start() + TimeDelta::minutes(2),
        listed_from: start(),
        fails: false,
        vanished: false,
        foreign: true,
    }
}

pub(super) fn minutes(world: &mut World, minutes: i64) {
    let end = world.now + TimeDelta::minutes(minutes);
    world.run_until(end);
}

pub(super) fn job_of(world: &World, run: &RunId) -> Option<String> {
    world.run(run).parts[&1].attempts[0].job_id.clone()
}

pub(super) fn count(world: &World, event: &str) -> u32 {
    world.happened.get(event).copied().unwrap_or(0)
}

/// What becomes of a run beside a job of somebody's.
fn beside(millis: i64, told_ahead: Option<i64>) -> (World, RunId) {
    let (mut world, run) = vanished();
    world.ahead.1 = told_ahead.map(TimeDelta::milliseconds);
    let job = same_as(&world, &run, "theirs", millis);
    world.jobs.push(job);
    minutes(&mut world, 40);
    (world, run)
}

#[test]
fn only_a_job_made_since_the_create_was_begun_is_taken_for_its() {
    let hour = 3_600_000;
    for (millis, told_ahead, taken) in [
        (1, Some(0), true),
        (400, Some(-900), true),
        (-10, Some(0), false),
        (-3_001, Some(0), false),
        // One in whole seconds may have lost the rest.
        (-1_000, Some(0), true),
        (-2_000, Some(0), false),
        // The vendor's clock counts, not ours.
        (-hour + 10, Some(-hour), true),
        (-hour - 10, Some(-hour), false),
        (10, Some(hour), false),
        (hour + 10, Some(hour), true),
        // A clock that nobody has told.
        (-4_500, None, true),
        (-5_500, None, false),
    ] {
        let (world, run) = beside(millis, told_ahead);
        let job = job_of(&world, &run);
        let took = job.as_deref() == Some("theirs");
        assert_eq!(took, taken, "{millis} ms, {told_ahead:?}: {job:?}");
        assert_eq!(world.run(&run).state, RunState::Landed);
    }
}

#[test]
fn a_job_that_tells_no_time_is_not_taken() {
    let (mut world, run) = vanished();
    let mut job = same_as(&world, &run, "theirs", 1);
    job.seen.created_at = None;
    world.jobs.push(job);
    minutes(&mut world, 40);
    assert_eq!(job_of(&world, &run), None);
    assert_eq!(world.run(&run).state, RunState::Landed);
}

#[test]
fn where_addresses_are_shown_looks_prove_nothing() {
    for (sent, shown, taken) in [
        (true, true, false),
        (true, false, true),
        // What was sent without an address shows none.
        (false, true, true),
    ] {
        let (mut world, run) = vanished();
        if sent {
            world.roster.expect_callbacks();
        }
        let job = same_as(&world, &run, "theirs", 1);
        world.jobs.push(job);
        if shown {
            let mut other = same_as(&world, &run, "other", -90_000);
            other.seen.callback_url = Some("https://elsewhere.example/hook".into());
            world.jobs.insert(0, other);
        }
        minutes(&mut world, 40);
        let took = job_of(&world, &run).as_deref() == Some("theirs");
        assert_eq!(took, taken, "sent {sent}, shown {shown}");
        assert_eq!(world.run(&run).state, RunState::Landed);
    }
}

/// A run has landed; the next one's create vanishes, and the clock that the vendor tells is an hour late, so that time
/// tells the first one's job from the second's no more.
#[test]
fn a_job_that_a_run_of_ours_had_is_never_adopted_again() {
    for restarted in [false, true] {
        let mut world = World::new(1, Weather::default(), vec![schedule("one", "0 0 1 1 *", 1)]);
        world.no_echo = true;
        world.ahead.1 = Some(-TimeDelta::hours(1));
        let first = world.trigger("one").expect("a run");
        minutes(&mut world, 16);
        assert_eq!(world.run(&first).state, RunState::Landed);
        world.weather.create_vanishes = 100;
        let second = world.trigger("one").expect("a run");
        let end = world.now + TimeDelta::seconds(5);
        world.run_until(end);
        world.weather.create_vanishes = 0;
        if restarted {
            world.crash();
        }
        minutes(&mut world, 40);
        assert_eq!(world.run(&second).state, RunState::Landed);
        let attempts = &world.run(&second).parts[&1].attempts;
        assert_eq!(attempts[0].state, AttemptState::NotFound);
        assert_ne!(attempts[1].job_id, job_of(&world, &first));
        assert_eq!(world.jobs.len(), 2, "something fresh is exported");
    }
}

#[test]
fn of_two_that_may_be_it_none_is_taken_and_that_is_told_once() {
    let (mut world, run) = vanished();
    for (id, millis) in [("one", 10), ("other", 2_010)] {
        let job = same_as(&world, &run, id, millis);
        world.jobs.push(job);
    }
    minutes(&mut world, 40);
    let kept = world.run(&run);
    assert_eq!(kept.state, RunState::Landed);
    let attempts = &kept.parts[&1].attempts;
    assert_eq!(attempts.len(), 2);
    assert_eq!(attempts[0].state, AttemptState::NotFound);
    assert_eq!(count(&world, "job_ambiguous"), 1);
    assert_eq!(count(&world, "second_job_seen"), 0);
    let theirs = world.jobs.iter().filter(|job| job.foreign);
    let statuses: BTreeSet<&str> = theirs.map(|job| job.seen.status.as_str()).collect();
    assert_eq!(statuses, BTreeSet::from(["succeeded"]), "never touched");
}

#[test]
fn nothing_is_taken_before_the_store_has_said_whose_it_is() {
    let (mut world, run) = vanished();
    world.owners_unread = true;
    let job = same_as(&world, &run, "theirs", 10);
    world.jobs.push(job);
    minutes(&mut world, 30);
    assert_eq!(world.run(&run).parts[&1].attempts.len(), 1);
    assert_eq!(job_of(&world, &run), None);
    world.owners_unread = false;
    minutes(&mut world, 5);
    assert_eq!(job_of(&world, &run).as_deref(), Some("theirs"));
    assert_eq!(world.run(&run).state, RunState::Landed);
}

#[test]
fn a_cancelled_run_takes_nothing_by_its_looks() {
    let (mut world, run) = vanished();
    let mut job = same_as(&world, &run, "theirs", 10);
    job.ends_at = start() + TimeDelta::hours(3);
    job.listed_from = start() + TimeDelta::minutes(2);
    world.jobs.push(job);
    world.cancel(&run).expect("cancelled");
    minutes(&mut world, 40);
    assert_eq!(world.run(&run).state, RunState::Cancelled);
    assert!(world.kept.open.is_empty());
    assert_eq!(world.jobs[0].seen.status, JobStatus::Submitted);
}

/// Law 4 without addresses: whatever is lost, a job is adopted by one attempt, and nobody else's by any.
#[test]
fn no_job_is_adopted_twice_and_nobody_elses_at_all() {
    let (mut found, mut anew, mut foreign) = (0, 0, 0);
    for seed in 0..60 {
        let weather = Weather {
            create_lost: 40,
            create_vanishes: seed % 40,
            create_refused: seed % 20,
            foreign: 80,
            list_lags: seed % 30,
            list_breaks: seed % 25,
            job_fails: seed % 15,
            crash: seed % 40,
            ..Weather::default()
        };
        let mut world = World::new(seed, weather, vec![schedule("daily", "30 12 * * *", 9)]);
        world.no_echo = true;
        let (ahead, told) = [
            (0, None),
            (3, None),
            (-4_000, Some(-4_001)),
            (900, Some(899)),
        ][usize::try_from(seed % 4).expect("small")];
        world.ahead = (TimeDelta::seconds(ahead), told.map(TimeDelta::seconds));
        world.run_until(start() + TimeDelta::days(3));
        let mut owners: BTreeMap<String, u32> = BTreeMap::new();
        let attempts = world.kept.parts.values().flat_map(|part| &part.attempts);
        for attempt in attempts {
            if let Some(job) = &attempt.job_id {
                *owners.entry(job.clone()).or_default() += 1;
            }
            anew += u32::from(attempt.state == AttemptState::NotFound);
        }
        for (job, owners) in &owners {
            assert_eq!(*owners, 1, "seed {seed}: {job}");
            assert!(!job.ends_with("-foreign"), "seed {seed}: {job}");
        }
        let theirs = world.jobs.iter().filter(|job| job.foreign);
        let cancelled = theirs
            .clone()
            .filter(|job| job.seen.status == JobStatus::Cancelled);
        assert_eq!(cancelled.count(), 0, "seed {seed}");
        foreign += theirs.count();
        found += count(&world, "job_found");
        assert!(world.kept.open.is_empty(), "seed {seed}: every run ends");
    }
    assert!(found > 50, "{found} were found by their looks");
    assert!(anew > 20, "{anew} creates were sent anew");
    assert!(foreign > 200, "{foreign} jobs of others");
}
