//! The laws of a backfill: nothing landed is asked for again, fresh runs go first, a restart loses
//! nothing, and asking often enough fills every gap.

use super::cells::{coverage, name, window};
use super::world::{Weather, World, schedule, start};
use crate::coverage::Only;
use crate::roster::{Answer, Backfill, Command, Mode, Order, Refusal};
use crate::run::{Run, RunState, Trigger};
use crate::schedule::Window;
use chrono::TimeDelta;

pub(super) fn order(window: Window, only: Only, max_active: u32, mode: Mode) -> Command {
    Command::Backfill {
        wanted: Backfill {
            schedule: name("daily"),
            window,
            only,
            max_active,
            order: Order::Newest,
        },
        by: "test".into(),
        mode,
    }
}

pub(super) fn backfill(world: &mut World, window: Window, only: Only) -> Vec<Run> {
    match world.command(order(window, only, 2, Mode::Act)) {
        Ok(Answer::Backfill { runs, left: 0, .. }) => runs,
        other => panic!("{other:?}"),
    }
}

pub(super) fn september() -> Window {
    window("2026-09-01", "2026-09-30")
}

fn active(world: &World) -> usize {
    let backfills = world.kept.runs.values();
    let active = |run: &&Run| {
        run.trigger == Trigger::Backfill
            && !run.state.is_terminal()
            && run.state != RunState::Queued
    };
    backfills.filter(active).count()
}

#[test]
fn gaps_become_runs_newest_first_and_at_most_so_many_at_once() {
    let mut daily = schedule("daily", "30 1 1 1 *", 4);
    daily.chunk.days = 5;
    let mut world = World::new(1, Weather::default(), vec![daily]);
    let runs = backfill(&mut world, september(), Only::Missing);
    assert_eq!(runs.len(), 6);
    assert!(runs.is_sorted_by(|a, b| a.window.to > b.window.to));
    assert!(runs.iter().all(|run| run.trigger == Trigger::Backfill));
    assert!(
        runs[0].id.as_str().starts_with("daily.b2026"),
        "{}",
        runs[0].id
    );
    let mut most = 0;
    for minute in 1..180 {
        world.run_until(start() + TimeDelta::minutes(minute));
        most = most.max(active(&world));
    }
    assert_eq!(most, 2);
    assert_eq!(world.count(RunState::Landed), 6);
    let starts: Vec<_> = runs
        .iter()
        .map(|run| world.run(&run.id).started_at)
        .collect();
    assert!(starts.is_sorted(), "the newest days come first: {starts:?}");
    let seen = coverage(&mut world, "daily", Some(september()));
    assert_eq!((seen.tally.landed, seen.missing.len()), (120, 0));
    assert!(backfill(&mut world, september(), Only::Lacking).is_empty());
    // All means all: what has landed is exported anew.
    let jobs = world.jobs.len();
    let again = backfill(&mut world, september(), Only::All);
    assert_eq!(again.len(), 6);
    world.run_until(start() + TimeDelta::hours(6));
    assert_eq!(world.count(RunState::Landed), 12);
    assert_eq!(world.jobs.len(), 2 * jobs);
}

#[test]
fn the_oldest_days_come_first_if_that_is_wanted() {
    let mut daily = schedule("daily", "30 1 1 1 *", 4);
    daily.chunk.days = 5;
    let mut world = World::new(1, Weather::default(), vec![daily]);
    let Command::Backfill {
        mut wanted,
        by,
        mode,
    } = order(september(), Only::Missing, 1, Mode::Act)
    else {
        unreachable!("it is one")
    };
    wanted.order = Order::Oldest;
    let answer = world.command(Command::Backfill { wanted, by, mode });
    let Ok(Answer::Backfill { runs, .. }) = answer else {
        panic!("{answer:?}")
    };
    assert!(runs.is_sorted_by(|a, b| a.window.to < b.window.to));
    world.run_until(start() + TimeDelta::hours(6));
    let starts: Vec<_> = runs
        .iter()
        .map(|run| world.run(&run.id).started_at)
        .collect();
    assert!(
        starts.is_sorted() && starts.iter().all(Option::is_some),
        "{starts:?}"
    );
}

/// Who lists its properties by asking knows them from the first time on.
#[test]
fn properties_that_are_asked_for_can_be_filled_once_they_are_known() {
    let mut daily = schedule("daily", "30 1 1 1 *", 1);
    daily.properties = crate::schedule::Properties::CompSets {
        ids: vec![7],
        subjects_only: false,
    };
    let mut world = World::new(1, Weather::default(), vec![daily]);
    let command = || order(september(), Only::Missing, 2, Mode::Act);
    let refused = world.command(command()).expect_err("a refusal");
    assert!(
        matches!(&refused, Refusal::Conflict { message, .. } if message.contains("not known yet"))
    );
    world.trigger("daily").expect("triggered");
    world.run_until(start() + TimeDelta::hours(1));
    let runs = backfill(&mut world, september(), Only::Missing);
    assert!(
        runs.iter().all(|run| *run.properties == [1, 2, 3]),
        "{runs:?}"
    );
    assert!(!runs.is_empty());
}

/// Both pay, and the journal says for what and why.
#[test]
fn two_schedules_that_want_the_same_cells_are_told_of() {
    for (first, days, told) in [
        (0, "2026-09-03", true),
        (4, "2026-09-03", false),
        (0, "2026-09-07", false),
    ] {
        let mut other = schedule("other", "30 1 1 1 *", 8);
        if let crate::schedule::Properties::Listed(list) = &mut other.properties {
            list.drain(..first);
        }
        let schedules = vec![schedule("daily", "30 1 1 1 *", 4), other];
        let mut world = World::new(1, Weather::default(), schedules);
        for (name_of, day) in [("daily", "2026-09-03"), ("other", days)] {
            let trigger = Command::Trigger {
                schedule: name(name_of),
                window: Some(window(day, day)),
                by: "test".into(),
                mode: Mode::Act,
            };
            world.command(trigger).expect("triggered");
        }
        let log = format!("{:?}", world.log);
        assert_eq!(log.contains("same_cells_wanted"), told, "{log}");
        assert_eq!(log.contains("a job belongs to one run"), told, "{log}");
    }
}

#[test]
fn what_an_open_run_brings_is_not_asked_for_again() {
    let mut world = World::new(
        1,
        Weather::default(),
        vec![schedule("daily", "30 1 1 1 *", 4)],
    );
    assert_eq!(backfill(&mut world, september(), Only::Missing).len(), 1);
    assert!(backfill(&mut world, september(), Only::Missing).is_empty());
    assert_eq!(
        backfill(
            &mut world,
            window("2026-08-30", "2026-09-02"),
            Only::Lacking
        )
        .len(),
        1
    );
}

#[test]
fn a_dry_run_shows_the_parts_and_does_nothing() {
    let mut world = World::new(
        1,
        Weather::default(),
        vec![schedule("daily", "30 1 1 1 *", 5)],
    );
    let dry = world.command(order(september(), Only::Missing, 2, Mode::Dry));
    let Ok(Answer::Backfill { runs, .. }) = dry else {
        panic!("{dry:?}")
    };
    assert_eq!((runs.len(), runs[0].parts.len()), (1, 3));
    assert!(world.kept.runs.is_empty());
    world.run_until(start() + TimeDelta::hours(2));
    assert!(world.jobs.is_empty());
}

#[test]
fn a_paused_or_unknown_schedule_is_refused() {
    let mut world = World::new(
        1,
        Weather::default(),
        vec![schedule("daily", "30 1 1 1 *", 5)],
    );
    world.command(super::rules::pause("daily")).expect("paused");
    let refused = world.command(order(september(), Only::Missing, 2, Mode::Act));
    assert!(matches!(refused, Err(Refusal::Conflict { .. })));
    world.schedules.clear();
    let now = world.now;
    world.restart_at(now);
    let refused = world.command(order(september(), Only::Missing, 2, Mode::Act));
    assert!(matches!(refused, Err(Refusal::NoSchedule(_))));
}

#[test]
fn only_failed_leaves_missing_cells_alone() {
    let mut world = World::new(
        1,
        Weather::default(),
        vec![schedule("daily", "30 1 1 1 *", 4)],
    );
    world.weather.job_fails = 100;
    let first = window("2026-09-01", "2026-09-03");
    backfill(&mut world, first, Only::Missing);
    world.run_until(start() + TimeDelta::hours(8));
    world.weather.job_fails = 0;
    assert_eq!(
        coverage(&mut world, "daily", Some(september()))
            .tally
            .failed,
        12
    );
    let runs = backfill(&mut world, september(), Only::Failed);
    assert_eq!(
        runs.iter().map(|run| run.window).collect::<Vec<_>>(),
        [first]
    );
    let rest = backfill(&mut world, september(), Only::Missing);
    assert_eq!(rest[0].window, window("2026-09-04", "2026-09-30"));
}

/// A fresh run that comes while a backfill holds every slot is served with the next free slots.
#[test]
fn fresh_runs_go_first() {
    let mut daily = schedule("daily", "30 12 * * *", 60);
    daily.chunk.properties = 1;
    let mut world = World::new(3, Weather::default(), vec![daily]);
    backfill(&mut world, september(), Only::Missing);
    world.run_until(start() + TimeDelta::minutes(29));
    let before = world.jobs.len();
    assert!(before > 0 && active(&world) == 1);
    world.run_until(start() + TimeDelta::hours(5));
    let later = &world.jobs[before..];
    let fresh = later
        .iter()
        .position(|job| !job.attempt.run.as_str().contains(".b"))
        .expect("a fresh job");
    // Slots that came free before the fire went to the backfill, none after it.
    let at = later[fresh].seen.created_at.expect("an instant");
    let mixed = later[fresh..fresh + 60]
        .iter()
        .any(|job| job.attempt.run.as_str().contains(".b"));
    assert!(!mixed);
    assert!(
        at - (start() + TimeDelta::minutes(30)) < TimeDelta::minutes(16),
        "{at}"
    );
}

#[test]
fn days_that_landed_meanwhile_are_left_out() {
    let mut daily = schedule("daily", "30 1 1 1 *", 4);
    daily.chunk.days = 5;
    daily.overlap = crate::schedule::Overlap::Allow;
    let mut world = World::new(1, Weather::default(), vec![daily]);
    let asked = world.command(order(september(), Only::Missing, 1, Mode::Act));
    let Ok(Answer::Backfill { runs, .. }) = asked else {
        panic!("{asked:?}")
    };
    // The oldest days wait; a trigger brings them first.
    let last = runs.last().expect("a run");
    let trigger = Command::Trigger {
        schedule: name("daily"),
        window: Some(last.window),
        by: "test".into(),
        mode: Mode::Act,
    };
    world.command(trigger).expect("triggered");
    world.run_until(start() + TimeDelta::hours(6));
    let run = world.run(&last.id);
    assert_eq!(run.state, RunState::Cancelled);
    assert_eq!(
        run.reason.as_deref(),
        Some("all its days have landed meanwhile")
    );
    assert_eq!(world.landed_again, 0);
    assert!(world.kept.open.is_empty());
    assert_eq!(
        coverage(&mut world, "daily", Some(september()))
            .tally
            .landed,
        120
    );
}

/// In any weather, with crashes: asked for again and again it fills everything, and nothing that has
/// landed is submitted again.
#[test]
fn backfills_converge() {
    let mut crashes = 0;
    for seed in 0..super::seeds(60) {
        let mut daily = schedule("daily", "30 1 1 1 *", 6);
        daily.chunk.days = 7;
        let weather = Weather {
            create_lost: 20,
            job_fails: 60,
            fetch_breaks: 30,
            callback_lost: 50,
            crash: 40,
            ..Weather::default()
        };
        let mut world = World::new(seed, weather, vec![daily]);
        for round in 1..=20 {
            // An order is durable with its answer: what a crash takes is only what was not told.
            backfill(&mut world, september(), Only::Lacking);
            let now = world.now;
            world.restart_at(now);
            world.run_until(start() + TimeDelta::days(round));
            assert!(
                world.kept.open.is_empty(),
                "seed {seed}: {:?}",
                world.kept.open
            );
            world.weather.job_fails = world.weather.job_fails.saturating_sub(10);
        }
        crashes += world.crashes;
        let seen = coverage(&mut world, "daily", Some(september()));
        assert_eq!(seen.tally.landed, 180, "seed {seed}: {seen:?}");
        assert_eq!(world.landed_again, 0, "seed {seed}");
    }
    assert!(crashes > 0);
}

/// Where rows cannot be told apart, an addition asks for the whole partition: the first time it is
/// learned, then it is known.
#[test]
fn without_a_property_column_an_addition_asks_for_all() {
    let declare = |properties| {
        let mut daily = schedule("daily", "30 1 1 1 *", properties);
        daily.chunk.properties = 2;
        daily
    };
    let mut world = World::new(1, Weather::default(), vec![declare(4)]);
    world.no_property_column = true;
    let day = window("2026-09-01", "2026-09-01");
    let first = backfill(&mut world, day, Only::Missing);
    assert!(world.run(&first[0].id).whole, "it asks for all there are");
    world.run_until(start() + TimeDelta::hours(1));
    assert_eq!(world.count(RunState::Landed), first.len());
    for (properties, jobs) in [(5_i64, 3), (6, 0)] {
        let command = Command::Declare {
            schedules: vec![declare(properties)],
            by: "test".into(),
            mode: Mode::Act,
        };
        world.command(command).expect("declared");
        let before = world.jobs.len();
        let runs = backfill(&mut world, day, Only::Missing);
        let [run] = &runs[..] else { panic!("{runs:?}") };
        let asked = run.properties.len();
        assert_eq!(
            asked,
            if jobs > 0 { 1 } else { 6 },
            "known from the second time on"
        );
        world.run_until(start() + TimeDelta::hours(properties));
        let run = world.run(&run.id);
        assert_eq!(
            (run.state, run.properties.len()),
            (RunState::Landed, properties as usize)
        );
        let wanted = if jobs > 0 { 1 + jobs } else { 3 };
        assert_eq!(run.parts.len(), wanted, "other parts take no number twice");
        assert_eq!(world.jobs.len() - before, wanted);
        let seen = coverage(&mut world, "daily", Some(day));
        assert_eq!(
            (seen.tally.landed, seen.missing.len()),
            (properties as u64, 0)
        );
    }
}
