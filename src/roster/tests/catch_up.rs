//! What becomes of the fires that were missed.

use super::cells::window;
use super::world::{Weather, World, schedule, start};
use crate::roster::{Command, Mode};
use crate::run::RunState;
use crate::schedule::CatchUpMode;
use chrono::TimeDelta;
use std::time::Duration;

fn missed_days(mode: CatchUpMode) -> World {
    let mut daily = schedule("daily", "30 12 * * *", 2);
    daily.catch_up.mode = mode;
    daily.catch_up.max_runs = 2;
    let mut world = World::new(4, Weather::default(), vec![daily]);
    world.run_until(start() + TimeDelta::hours(3));
    assert_eq!(world.count(RunState::Landed), 1);
    // Down for four days: the fires of the 3rd to the 6th are missed.
    world.restart_at(start() + TimeDelta::days(4) + TimeDelta::hours(3));
    let end = world.now + TimeDelta::hours(6);
    world.run_until(end);
    world
}

fn summary(world: &World) -> Vec<String> {
    world
        .kept
        .runs
        .values()
        .map(|run| {
            let reason = run.reason.clone().unwrap_or_default();
            format!(
                "{} {} {} {reason}",
                run.trigger.as_str(),
                run.state.as_str(),
                run.window
            )
        })
        .collect()
}

#[test]
fn coalesce_makes_one_run_of_the_union() {
    assert_eq!(
        summary(&missed_days(CatchUpMode::Coalesce)),
        [
            "cron landed 2026-11-01..2026-11-01 ",
            "cron skipped 2026-11-02..2026-11-02 coalesced",
            "cron skipped 2026-11-03..2026-11-03 coalesced",
            "cron skipped 2026-11-04..2026-11-04 coalesced",
            "catch_up landed 2026-11-02..2026-11-05 ",
        ]
    );
}

#[test]
fn none_latest_and_all_decide_every_missed_fire() {
    let states = |mode| {
        summary(&missed_days(mode))[1..]
            .iter()
            .map(|line| line.split(' ').nth(1).unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        states(CatchUpMode::None),
        ["skipped", "skipped", "skipped", "skipped"]
    );
    assert_eq!(
        states(CatchUpMode::Latest),
        ["skipped", "skipped", "skipped", "landed"]
    );
    assert_eq!(
        states(CatchUpMode::All),
        ["skipped", "skipped", "landed", "landed"]
    );
}

/// A mark that knows less than the files do, as after an older state was put back.
#[test]
fn days_that_a_later_run_has_landed_are_not_caught_up() {
    let daily = schedule("daily", "30 12 * * *", 2);
    let name = daily.name.clone();
    let mut world = World::new(4, Weather::default(), vec![daily]);
    let trigger = Command::Trigger {
        schedule: name.clone(),
        window: Some(window("2026-10-30", "2026-11-01")),
        by: "test".into(),
        mode: Mode::Act,
    };
    world.command(trigger).expect("triggered");
    world.run_until(start() + TimeDelta::minutes(20));
    assert_eq!(world.count(RunState::Landed), 1);
    let mark = world.kept.marks.get_mut(&name).expect("a mark");
    mark.decided_through = start() - TimeDelta::hours(73);
    world.restart_at(start() + TimeDelta::minutes(25));
    let decided = summary(&world);
    assert_eq!(
        decided[..3],
        [
            "catch_up running 2026-10-29..2026-10-29 ",
            "cron skipped 2026-10-30..2026-10-30 already_covered",
            "cron skipped 2026-10-31..2026-10-31 already_covered",
        ]
    );
}

#[test]
fn fires_beyond_max_age_are_skipped_as_too_old() {
    let mut daily = schedule("daily", "30 12 * * *", 2);
    daily.catch_up.max_age = Duration::from_secs(2 * 86_400);
    let mut world = World::new(4, Weather::default(), vec![daily]);
    world.run_until(start() + TimeDelta::hours(3));
    world.restart_at(start() + TimeDelta::days(4) + TimeDelta::hours(3));
    let reasons: Vec<_> = world
        .kept
        .runs
        .values()
        .filter_map(|run| run.reason.clone())
        .collect();
    assert_eq!(reasons, ["too_old", "too_old", "coalesced"]);
}

/// However short the absence: the fires of it make one run, and none of them loses to it.
#[test]
fn a_fire_a_moment_before_the_restart_is_caught_up_with_the_others() {
    let mut world = World::new(
        4,
        Weather::default(),
        vec![schedule("busy", "*/2 * * * * *", 1)],
    );
    world.restart_at(start() + TimeDelta::milliseconds(7_500));
    let decided: Vec<_> = world
        .kept
        .runs
        .values()
        .map(|run| {
            let reason = run.reason.clone().unwrap_or_default();
            format!(
                "{} {} {reason}",
                run.nominal_at.format("%S"),
                run.trigger.as_str()
            )
        })
        .collect();
    assert_eq!(
        decided,
        ["02 cron coalesced", "04 cron coalesced", "06 catch_up "]
    );
}
