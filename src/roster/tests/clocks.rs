//! Clocks that are not set, jump and are set right again; state that is older than the world.

use super::world::{Weather, World, schedule, start};
use crate::roster::fires::weight_of;
use crate::roster::{Refusal, Saved};
use crate::run::RunState;
use crate::schedule::CatchUpMode;
use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use std::collections::BTreeMap;

fn epoch() -> DateTime<Utc> {
    Utc.timestamp_opt(30, 0).single().expect("an instant")
}

/// The clock takes another time, as if it were set, and the roster is asked at once.
fn jump(world: &mut World, to: DateTime<Utc>) {
    world.now = to;
    let turn = world.roster.handle(Vec::new(), to);
    world.take(turn);
    world.run_until(to + TimeDelta::seconds(1));
}

fn told(world: &World, event: &str) -> usize {
    let event = format!("\"event\":\"{event}\"");
    let compact = |line: &String| line.replace("\": \"", "\":\"");
    world
        .log
        .iter()
        .filter(|line| compact(line).contains(&event))
        .count()
}

#[test]
fn a_clock_that_is_not_set_at_boot_fires_nothing_and_loses_nothing() {
    let mut world = World::new(
        1,
        Weather::default(),
        vec![schedule("hourly", "0 * * * *", 2)],
    );
    world.run_until(start() + TimeDelta::minutes(119));
    assert_eq!(world.kept.runs.len(), 1);
    // A boot with the clock at 1970, which is set some minutes later; the fires of 14:00 and 15:00 passed meanwhile.
    world.restart_at(epoch());
    world.run_until(epoch() + TimeDelta::minutes(5));
    assert_eq!((world.kept.runs.len(), world.jobs.len()), (1, 1));
    assert_eq!(told(&world, "clock_not_set"), 1);
    jump(&mut world, start() + TimeDelta::minutes(190));
    let end = world.now + TimeDelta::minutes(45);
    world.run_until(end);
    assert_eq!(world.kept.runs.len(), 3, "{:?}", world.kept.runs.keys());
    assert_eq!(world.count(RunState::Landed), 2);
    assert_eq!(told(&world, "clock_stepped_back"), 0);
}

#[test]
fn what_was_first_seen_before_the_clock_was_set_begins_when_it_is() {
    let hourly = schedule("hourly", "0 * * * *", 2);
    let mut world = World::new(1, Weather::default(), Vec::new());
    world.schedules = vec![hourly];
    world.restart_at(epoch());
    world.run_until(epoch() + TimeDelta::hours(3));
    // Asked for another reason, it decides nothing either.
    let turn = world.roster.handle(Vec::new(), world.now);
    world.take(turn);
    assert!(world.kept.runs.is_empty());
    jump(&mut world, start());
    assert!(world.kept.runs.is_empty(), "{:?}", world.kept.runs.keys());
    world.run_until(start() + TimeDelta::minutes(90));
    assert_eq!(world.kept.runs.len(), 1);
}

#[test]
fn a_clock_that_jumps_ahead_and_is_set_right_loses_no_fire() {
    for restarts in [false, true] {
        let mut world = World::new(
            1,
            Weather::default(),
            vec![schedule("daily", "30 12 * * *", 2)],
        );
        world.run_until(start() + TimeDelta::hours(2));
        let ahead = start() + TimeDelta::days(200);
        jump(&mut world, ahead);
        world.run_until(ahead + TimeDelta::minutes(25));
        let jobs = world.jobs.len();
        assert!(jobs <= 2, "one run of the union, not one a day: {jobs}");
        let right = start() + TimeDelta::hours(3);
        // Errands of the wrong time are over.
        world.coming.clear();
        match restarts {
            true => world.restart_at(right),
            false => jump(&mut world, right),
        }
        world.run_until(start() + TimeDelta::days(3) + TimeDelta::hours(3));
        let landed: Vec<String> = world
            .kept
            .runs
            .values()
            .filter(|run| run.state == RunState::Landed && run.trigger.as_str() == "cron")
            .map(|run| run.window.to_string())
            .collect();
        assert_eq!(
            landed,
            [
                "2026-11-01..2026-11-01",
                "2026-11-02..2026-11-02",
                "2026-11-03..2026-11-03",
                "2026-11-04..2026-11-04"
            ],
            "restarts: {restarts}"
        );
        assert_eq!(told(&world, "clock_stepped_back"), 1);
    }
}

#[test]
fn a_clock_that_falls_back_and_is_set_right_repeats_no_fire() {
    let mut world = World::new(
        1,
        Weather::default(),
        vec![schedule("daily", "30 12 * * *", 2)],
    );
    world.run_until(start() + TimeDelta::days(9) + TimeDelta::hours(3));
    let (runs, jobs) = (world.kept.runs.clone(), world.jobs.len());
    assert_eq!(runs.len(), 10);
    jump(&mut world, start() + TimeDelta::days(2));
    world.run_until(start() + TimeDelta::days(4) + TimeDelta::hours(5));
    jump(
        &mut world,
        start() + TimeDelta::days(9) + TimeDelta::hours(4),
    );
    world.run_until(start() + TimeDelta::days(9) + TimeDelta::hours(5));
    assert_eq!(world.jobs.len(), jobs, "nothing was exported again");
    assert_eq!(world.kept.runs, runs, "every fire kept its record");
    assert_eq!(told(&world, "fire_skipped"), 8);
    world.run_until(start() + TimeDelta::days(10) + TimeDelta::hours(3));
    assert_eq!(world.kept.runs.len(), 11, "and the next one fires");
}

#[test]
fn waits_stay_as_long_as_they_were_when_the_clock_falls_back() {
    let weather = Weather {
        job_fails: 100,
        callback_lost: 100,
        ..Weather::default()
    };
    let mut world = World::new(1, weather, vec![schedule("daily", "30 1 * * *", 1)]);
    let id = world.trigger("daily").expect("triggered");
    world.run_until(start() + TimeDelta::minutes(30));
    let left = world.coming.split_off(&(world.now, 0));
    jump(&mut world, start() - TimeDelta::days(30));
    let by = TimeDelta::days(30) + TimeDelta::minutes(30);
    let moved = left
        .into_iter()
        .map(|((at, order), it)| ((at - by, order), it));
    world.coming.extend(moved);
    for job in &mut world.jobs {
        job.ends_at -= by;
        job.listed_from -= by;
    }
    let end = world.now + TimeDelta::hours(7);
    world.run_until(end);
    assert_eq!(world.run(&id).state, RunState::Failed);
    assert!(world.kept.open.is_empty());
}

#[test]
fn an_old_backup_does_not_fire_all_it_missed() {
    let mut daily = schedule("daily", "30 12 * * *", 2);
    daily.catch_up.mode = CatchUpMode::All;
    daily.catch_up.max_runs = 5;
    let often = schedule("often", "* * * * *", 2);
    let mut world = World::new(1, Weather::default(), vec![daily, often]);
    world.run_until(start() + TimeDelta::minutes(10));
    let before = world.kept.runs.len();
    // The state of that day, brought back after a year.
    world.restart_at(start() + TimeDelta::days(365));
    let end = world.now + TimeDelta::seconds(30);
    world.run_until(end);
    let mut caught_up: BTreeMap<&str, usize> = BTreeMap::new();
    for run in world.kept.runs.values() {
        let fresh = run.state != RunState::Skipped && run.created_at > start() + TimeDelta::days(1);
        if fresh {
            *caught_up.entry(run.schedule.as_str()).or_default() += 1;
        }
    }
    assert_eq!(caught_up, BTreeMap::from([("daily", 5), ("often", 1)]));
    assert!(world.kept.runs.len() - before <= 365 + 10_000 + 2);
    assert_eq!(told(&world, "fires_skipped"), 1, "the rest is summed up");
}

#[test]
fn many_fires_of_one_second_are_decided_in_bounded_turns() {
    let mut wide: Vec<_> = (0..60)
        .map(|number| schedule(&format!("s{number:02}"), "0 * * * *", 2_000))
        .collect();
    for one in &mut wide {
        one.chunk.properties = 1;
    }
    let mut world = World::new(4, Weather::default(), wide);
    let due = start() + TimeDelta::minutes(60);
    world.now = due;
    let mut turns = 0;
    while world
        .roster
        .poll_deadline()
        .is_some_and(|(at, reason)| reason == "a fire" && at <= due)
    {
        let turn = world.roster.handle(Vec::new(), due);
        assert!(turn.saved.len() < 40_000, "{} records", turn.saved.len());
        turns += 1;
        world.take(turn);
    }
    assert!(turns > 1);
    assert_eq!(world.kept.runs.len(), 60);
}

/// A turn is bounded by what its runs are counted as, so none may make more than that, nor be counted as much more.
#[test]
fn a_fire_weighs_about_what_its_records_take() {
    for (properties, chunk) in [(400, 1), (5_000, 1_000)] {
        let mut wide = schedule("wide", "0 * * * *", properties);
        wide.chunk.properties = chunk;
        let weight = weight_of(&wide, start());
        let mut world = World::new(4, Weather::default(), vec![wide]);
        let turn = world
            .roster
            .handle(Vec::new(), start() + TimeDelta::minutes(60));
        let bytes = |saved: &Saved| match saved {
            Saved::Roster { ids, .. } => serde_json::to_vec(&**ids).expect("JSON").len(),
            Saved::Part { part, .. } => serde_json::to_vec(part).expect("JSON").len(),
            _ => 0,
        };
        let taken = turn.saved.iter().map(bytes).sum::<usize>() as u64;
        assert!(
            taken <= weight && weight <= 4 * taken,
            "{taken} bytes, counted as {weight}"
        );
    }
}

/// A fire that comes a second time and is left out takes nothing from the record of the first.
#[test]
fn a_repeated_fire_that_is_skipped_keeps_the_record_it_has() {
    let weather = Weather {
        job_fails: 100,
        ..Weather::default()
    };
    let mut daily = schedule("daily", "30 12 * * *", 1);
    daily.overlap = crate::schedule::Overlap::Skip;
    daily.deadline = std::time::Duration::from_secs(40 * 3_600);
    let mut world = World::new(1, weather, vec![daily]);
    world.run_until(start() + TimeDelta::days(3));
    let failed = world.kept.runs.clone();
    assert!(failed.len() == 3 && world.count(RunState::Failed) == 3);
    jump(&mut world, start() + TimeDelta::minutes(29));
    // Another one is under way when the first fire comes again.
    world.weather.callback_lost = 100;
    world.trigger("daily").expect("triggered");
    world.run_until(start() + TimeDelta::minutes(31));
    assert_eq!(told(&world, "fire_skipped"), 1);
    for (id, run) in &failed {
        assert_eq!(world.kept.runs[id].state, run.state);
    }
}

#[test]
fn a_clock_that_is_not_set_begins_nothing_by_hand() {
    let mut world = World::new(
        1,
        Weather::default(),
        vec![schedule("daily", "30 12 * * *", 1)],
    );
    world.restart_at(epoch());
    assert!(matches!(world.trigger("daily"), Err(Refusal::ClockUnset)));
    assert!(world.kept.runs.is_empty());
    world.now = start();
    world.trigger("daily").expect("the clock is set");
}
