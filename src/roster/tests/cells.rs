//! The ledger follows the runs, and questions about it are answered as the contract says.

use super::world::{Weather, World, schedule, start};
use crate::coverage::{CellState, Fate, Tally};
use crate::roster::{Answer, Command, Coverage, Mode, Refusal};
use crate::run::RunState;
use crate::schedule::{Name, Window};
use chrono::{NaiveDate, TimeDelta};
use std::time::Duration;

pub fn name(text: &str) -> Name {
    Name::parse(text).expect("a valid name")
}

pub fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

pub fn window(from: &str, to: &str) -> Window {
    Window::new(day(from), day(to)).expect("in order")
}

pub fn coverage(world: &mut World, schedule: &str, window: Option<Window>) -> Coverage {
    let schedule = name(schedule);
    match world.command(Command::Coverage { schedule, window }) {
        Ok(Answer::Coverage(coverage)) => *coverage,
        other => panic!("{other:?}"),
    }
}

#[test]
fn landed_cells_are_counted_and_survive_a_restart() {
    let mut world = World::new(
        1,
        Weather::default(),
        vec![schedule("daily", "30 12 * * *", 5)],
    );
    world.run_until(start() + TimeDelta::days(3) + TimeDelta::hours(6));
    let seen = coverage(&mut world, "daily", None);
    assert_eq!(seen.window, window("2026-11-01", "2026-11-04"));
    let tally = Tally {
        landed: 20,
        ..Tally::default()
    };
    assert_eq!((seen.tally, seen.missing.len()), (tally, 0));
    let now = world.now;
    world.restart_at(now);
    assert_eq!(coverage(&mut world, "daily", None), seen);
    let unknown = Command::Coverage {
        schedule: name("other"),
        window: None,
    };
    assert!(matches!(
        world.command(unknown),
        Err(Refusal::NoSchedule(_))
    ));
}

#[test]
fn days_never_asked_for_are_missing_and_days_to_come_are_not_due() {
    let mut world = World::new(
        1,
        Weather::default(),
        vec![schedule("daily", "30 12 * * *", 2)],
    );
    let seen = coverage(
        &mut world,
        "daily",
        Some(window("2026-10-30", "2026-11-05")),
    );
    // It is the 2nd, before the fire: the 31st is the last day that is due.
    assert_eq!((seen.tally.missing, seen.tally.not_due), (4, 10));
    assert_eq!(seen.missing.len(), 2);
    let fresh = coverage(&mut world, "daily", None);
    assert_eq!(
        fresh.tally.missing, 0,
        "nothing before it was first seen: {fresh:?}"
    );
}

#[test]
fn a_failed_run_fails_its_cells_but_takes_nothing_that_landed() {
    let mut daily = schedule("daily", "30 12 * * *", 4);
    daily.window = crate::schedule::WindowRule::LastDays(2);
    let mut world = World::new(1, Weather::default(), vec![daily]);
    world.run_until(start() + TimeDelta::hours(6));
    world.weather.job_fails = 100;
    world.run_until(start() + TimeDelta::hours(36));
    assert_eq!(world.count(RunState::Failed), 1);
    let seen = coverage(&mut world, "daily", None);
    assert_eq!((seen.tally.landed, seen.tally.failed), (8, 4));
    assert!(
        seen.missing
            .iter()
            .all(|span| span.from == day("2026-11-02"))
    );
}

#[test]
fn a_cancelled_run_leaves_its_cells_missing() {
    let mut world = World::new(
        1,
        Weather::default(),
        vec![schedule("daily", "30 1 * * *", 4)],
    );
    let run = world.trigger("daily").expect("triggered");
    world.cancel(&run).expect("cancelled");
    let seen = coverage(&mut world, "daily", None);
    assert_eq!((seen.tally.missing, seen.tally.failed), (4, 0));
}

#[test]
fn an_excluded_property_leaves_new_runs_and_comes_back() {
    let mut world = World::new(
        1,
        Weather::default(),
        vec![schedule("daily", "30 12 * * *", 4)],
    );
    let exclude = Command::Exclude {
        property: 3,
        reason: "sold".into(),
        by: "test".into(),
        mode: Mode::Act,
    };
    world.command(exclude.clone()).expect("excluded");
    assert!(matches!(
        world.command(exclude),
        Err(Refusal::Conflict { .. })
    ));
    let now = world.now;
    world.restart_at(now);
    world.run_until(start() + TimeDelta::hours(6));
    assert_eq!(world.count(RunState::Landed), 1);
    let seen = coverage(&mut world, "daily", None);
    assert_eq!((seen.tally.landed, seen.tally.excluded), (3, 1));
    let cell = Command::Cell {
        schedule: name("daily"),
        property: 3,
        day: day("2026-11-01"),
    };
    match world.command(cell) {
        Ok(Answer::Cell(cell)) => {
            assert_eq!(cell.state, CellState::Excluded);
            assert_eq!(cell.excluded.map(|out| out.reason).as_deref(), Some("sold"));
        }
        other => panic!("{other:?}"),
    }
    let include = Command::Include {
        property: 3,
        reason: None,
        by: "test".into(),
        mode: Mode::Act,
    };
    world.command(include.clone()).expect("included");
    assert!(matches!(
        world.command(include),
        Err(Refusal::Conflict { .. })
    ));
    let seen = coverage(&mut world, "daily", None);
    assert_eq!((seen.tally.landed, seen.tally.missing), (3, 1));
}

/// Every end of a run, in any weather, is in the ledger; the store holds what the roster holds.
#[test]
fn the_store_and_the_roster_agree_in_any_weather() {
    for seed in 0..super::seeds(60) {
        let mut daily = schedule("daily", "0 */6 * * *", 7);
        daily.deadline = Duration::from_secs(3 * 3_600);
        let weather = Weather {
            job_fails: 50,
            fetch_breaks: 30,
            create_lost: 20,
            crash: 30,
            ..Weather::default()
        };
        let mut world = World::new(seed, weather, vec![daily]);
        world.run_until(start() + TimeDelta::days(3));
        let before = coverage(&mut world, "daily", None);
        let now = world.now;
        world.restart_at(now);
        assert_eq!(coverage(&mut world, "daily", None), before, "seed {seed}");
        let ledger = world.kept.ledgers.get(&name("daily"));
        for run in world
            .kept
            .runs
            .values()
            .filter(|run| run.state == RunState::Landed)
        {
            for property in 1..=7 {
                let line = ledger.and_then(|ledger| ledger.line(property));
                let line = line.expect("a line");
                let fates = line.within(run.window).map(|(_, fate)| fate);
                assert!(
                    fates.into_iter().all(|fate| fate == Some(Fate::Landed)),
                    "seed {seed}"
                );
            }
        }
    }
}
