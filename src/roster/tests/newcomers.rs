//! A property that is new in a roster gets its history: once, behind everything fresh, and nobody else's again.

use super::cells::{coverage, day, name, window};
use super::world::{Weather, World, schedule, start};
use crate::roster::{Command, Mode};
use crate::run::{Run, RunState, Trigger};
use crate::schedule::{Properties, Property, Schedule, Window};
use chrono::TimeDelta;

fn daily(ids: &[i64], days: Option<u32>) -> Schedule {
    let mut daily = schedule("daily", "30 12 * * *", 1);
    let listed = ids.iter().map(|&id| Property { id, name: None });
    daily.properties = Properties::Listed(listed.collect());
    daily.backfill_new = days;
    daily
}

fn asked(days: Option<u32>) -> Schedule {
    let mut asked = daily(&[1], days);
    asked.properties = Properties::CompSets {
        ids: vec![1],
        subjects_only: false,
    };
    asked
}

fn declare(world: &mut World, schedule: Schedule) {
    world.schedules = vec![schedule.clone()];
    let command = Command::Declare {
        schedules: vec![schedule],
        by: "test".into(),
        mode: Mode::Act,
    };
    world.command(command).expect("declared");
}

/// Days after the start; the fire of each day is half an hour after it.
fn after(days: i64) -> chrono::DateTime<chrono::Utc> {
    start() + TimeDelta::days(days) + TimeDelta::hours(6)
}

fn backfills(world: &World) -> Vec<Run> {
    let runs = world.kept.runs.values();
    let mut runs: Vec<Run> = runs
        .filter(|run| run.trigger == Trigger::Backfill)
        .map(|run| world.run(&run.id))
        .collect();
    runs.sort_by_key(|run| run.window);
    runs
}

fn told(world: &World) -> Vec<&String> {
    let told = |line: &&String| line.contains("\"event\":\"backfill_asked\"");
    world.log.iter().filter(told).collect()
}

/// Of one backfill: its properties and its days.
#[track_caller]
fn one(world: &World) -> (Vec<i64>, Window) {
    let [run] = &backfills(world)[..] else {
        panic!("{:?}", backfills(world))
    };
    (run.properties.to_vec(), run.window)
}

#[test]
fn a_property_that_joins_a_list_gets_as_many_days_as_wanted() {
    let mut world = World::new(1, Weather::default(), vec![daily(&[1, 2], Some(3))]);
    world.run_until(after(9));
    assert_eq!(
        backfills(&world).len(),
        0,
        "nobody is new in a first roster"
    );
    declare(&mut world, daily(&[1, 2, 7], Some(3)));
    world.run_until(after(9) + TimeDelta::hours(2));
    // The last day that a fire has asked for is the 10th.
    assert_eq!(one(&world), (vec![7], window("2026-11-08", "2026-11-10")));
    assert_eq!(world.landed_again, 0, "no day of another property");
    let seen = coverage(
        &mut world,
        "daily",
        Some(window("2026-11-08", "2026-11-10")),
    );
    assert_eq!((seen.tally.landed, seen.missing.len()), (9, 0));
    let told = told(&world);
    assert_eq!(told.len(), 1);
    for said in [
        "\"by\":\"backfill_new\"",
        "new in the roster",
        "\"properties\":[7]",
        "\"from\":\"2026-11-08\"",
        "\"runs\":1",
    ] {
        assert!(told[0].contains(said), "{}", told[0]);
    }
}

#[test]
fn history_reaches_no_further_back_than_that_of_the_others() {
    let mut world = World::new(1, Weather::default(), vec![daily(&[1, 2], Some(365))]);
    world.run_until(after(4));
    declare(&mut world, daily(&[1, 2, 7], Some(365)));
    world.run_until(after(5));
    assert_eq!(one(&world), (vec![7], window("2026-11-01", "2026-11-05")));
    let seen = coverage(&mut world, "daily", None);
    assert_eq!(
        (seen.tally.missing, seen.window.from),
        (0, day("2026-11-01"))
    );
}

/// It is decided with the commit that makes the runs: a crash right after it repeats nothing, a restart neither.
#[test]
fn it_is_decided_once() {
    let mut world = World::new(1, Weather::default(), vec![daily(&[1, 2], Some(3))]);
    world.run_until(after(9));
    declare(&mut world, daily(&[1, 2, 7], Some(3)));
    assert_eq!(backfills(&world).len(), 1, "in the turn that declares it");
    world.crash();
    let restart = |world: &mut World| {
        let now = world.now + TimeDelta::hours(3);
        world.run_until(now);
        world.restart_at(now);
    };
    restart(&mut world);
    assert_eq!(backfills(&world)[0].state, RunState::Landed);
    restart(&mut world);
    // It goes, and comes back: it has had its history.
    declare(&mut world, daily(&[1, 2], Some(3)));
    restart(&mut world);
    declare(&mut world, daily(&[1, 2, 7], Some(3)));
    restart(&mut world);
    assert_eq!((backfills(&world).len(), told(&world).len()), (1, 1));
    assert_eq!(world.landed_again, 0);
}

#[test]
fn a_roster_that_changed_while_no_daemon_ran_counts_too() {
    let mut world = World::new(1, Weather::default(), vec![daily(&[1, 2], Some(3))]);
    world.run_until(after(9));
    world.schedules = vec![daily(&[1, 2, 7], Some(3))];
    world.restart_at(after(9));
    world.run_until(after(9) + TimeDelta::hours(2));
    assert_eq!(one(&world).0, [7]);
}

#[test]
fn a_property_that_the_vendor_lists_anew_gets_its_history_behind_the_run_that_asked() {
    let mut world = World::new(1, Weather::default(), vec![asked(Some(3))]);
    world.run_until(after(9));
    assert_eq!(backfills(&world).len(), 0, "the first list is no change");
    world.listing = vec![1, 2, 3, 9];
    world.run_until(after(10));
    // The run that asked brings the 11th itself.
    assert_eq!(one(&world), (vec![9], window("2026-11-09", "2026-11-10")));
    let fresh = world
        .kept
        .runs
        .values()
        .filter(|run| run.trigger == Trigger::Cron);
    let fresh = fresh.max_by_key(|run| run.nominal_at).expect("a run");
    let last = backfills(&world).remove(0);
    assert!(last.created_at >= fresh.created_at && last.started_at >= fresh.started_at);
    world.run_until(after(11));
    assert_eq!((backfills(&world).len(), world.landed_again), (1, 0));
}

#[test]
fn the_key_counts_from_the_roster_it_finds() {
    for restart in [false, true] {
        let mut world = World::new(1, Weather::default(), vec![daily(&[1, 2], None)]);
        world.run_until(after(9));
        declare(&mut world, daily(&[1, 2, 5], None));
        world.run_until(after(10));
        assert_eq!(backfills(&world).len(), 0, "nothing is wanted");
        // In one edit with a further property.
        let both = daily(&[1, 2, 5, 7], Some(2));
        if restart {
            world.schedules = vec![both];
            world.restart_at(after(10));
        } else {
            declare(&mut world, both);
        }
        world.run_until(after(10) + TimeDelta::hours(1));
        assert_eq!(one(&world).0, [7], "restart: {restart}");
        // Whoever comes while the key is away is not new when it is back.
        declare(&mut world, daily(&[1, 2, 5, 7, 8], None));
        declare(&mut world, daily(&[1, 2, 5, 7, 8], Some(2)));
        assert_eq!(backfills(&world).len(), 1);
    }
}

#[test]
fn a_paused_schedule_and_an_excluded_property_wait() {
    let mut world = World::new(1, Weather::default(), vec![daily(&[1, 2], Some(3))]);
    world.run_until(after(9));
    let pause = Command::Pause {
        schedule: name("daily"),
        reason: "audit".into(),
        by: "test".into(),
        mode: Mode::Act,
    };
    let resume = Command::Resume {
        schedule: name("daily"),
        by: "test".into(),
        mode: Mode::Act,
    };
    let exclude = Command::Exclude {
        property: 8,
        reason: "sold".into(),
        by: "test".into(),
        mode: Mode::Act,
    };
    let include = Command::Include {
        property: 8,
        reason: None,
        by: "test".into(),
        mode: Mode::Act,
    };
    world.command(pause).expect("paused");
    world.command(exclude).expect("excluded");
    declare(&mut world, daily(&[1, 2, 7, 8], Some(3)));
    world.run_until(after(9) + TimeDelta::hours(1));
    let now = world.now;
    world.restart_at(now);
    assert_eq!(backfills(&world).len(), 0);
    world.command(resume).expect("resumed");
    assert_eq!(one(&world).0, [7]);
    world.run_until(after(9) + TimeDelta::hours(2));
    world.command(include).expect("included");
    let all: Vec<Vec<i64>> = backfills(&world)
        .iter()
        .map(|run| run.properties.to_vec())
        .collect();
    assert_eq!(all, [[7], [8]]);
}

#[test]
fn a_disabled_schedule_asks_for_nothing_until_it_is_enabled() {
    let mut world = World::new(1, Weather::default(), vec![daily(&[1, 2], Some(3))]);
    world.run_until(after(9));
    let mut off = daily(&[1, 2, 7], Some(3));
    off.enabled = false;
    declare(&mut world, off);
    world.run_until(after(9) + TimeDelta::hours(1));
    assert_eq!(backfills(&world).len(), 0);
    declare(&mut world, daily(&[1, 2, 7], Some(3)));
    assert_eq!(one(&world).0, [7]);
}

/// Many newcomers at once: one run is active, and what is fresh goes first.
#[test]
fn newcomers_stand_behind_fresh_runs_one_run_at_a_time() {
    let mut few = daily(&[1, 2], Some(10));
    few.chunk.days = 2;
    let mut world = World::new(1, Weather::default(), vec![few.clone()]);
    world.run_until(after(19));
    let many: Vec<i64> = (1..=9).collect();
    let mut more = daily(&many, Some(10));
    more.chunk = few.chunk;
    declare(&mut world, more);
    let made = backfills(&world).len();
    assert_eq!(made, 5, "two days each");
    let active = |world: &World| {
        let runs = backfills(world);
        let active = |run: &&Run| !run.state.is_terminal() && run.state != RunState::Queued;
        runs.iter().filter(active).count()
    };
    let mut most = 0;
    for minute in 0..600 {
        world.run_until(after(19) + TimeDelta::minutes(minute));
        most = most.max(active(&world));
    }
    assert_eq!(most, 1);
    world.run_until(after(22));
    assert!(
        backfills(&world)
            .iter()
            .all(|run| run.state == RunState::Landed)
    );
    assert_eq!((backfills(&world).len(), world.landed_again), (made, 0));
}
