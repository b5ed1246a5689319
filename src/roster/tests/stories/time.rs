//! Fires that were missed, and clocks that are wrong.

use super::story;
use crate::roster::tests::world::{Weather, World, schedule, start};
use crate::schedule::{CatchUpMode, Overlap};
use chrono::{DateTime, TimeDelta, TimeZone, Utc};

fn jump(world: &mut World, to: DateTime<Utc>) {
    world.say("the clock is set");
    world.now = to;
    let turn = world.roster.handle(Vec::new(), to);
    world.take(turn);
}

#[test]
fn fires_of_an_absence() {
    for (name, mode) in [
        ("an_absence_without_catching_up", CatchUpMode::None),
        ("an_absence_and_the_latest_fire", CatchUpMode::Latest),
        ("an_absence_and_all_its_fires", CatchUpMode::All),
        ("an_absence_in_one_run", CatchUpMode::Coalesce),
    ] {
        let mut daily = schedule("daily", "30 12 * * *", 1);
        daily.catch_up.mode = mode;
        daily.catch_up.max_runs = 2;
        daily.catch_up.max_age = std::time::Duration::from_secs(3 * 86_400);
        let mut world = story(4, Weather::default(), vec![daily]);
        world.pass(3_600);
        world.restart_at(start() + TimeDelta::days(5));
        world.pass(3_000);
        world.ends(name);
    }
}

#[test]
fn fires_that_overlap() {
    for (name, overlap) in [
        ("a_fire_beside_a_run_is_skipped", Overlap::Skip),
        ("a_fire_beside_a_run_waits", Overlap::Queue),
        ("a_fire_ends_the_run_before_it", Overlap::CancelOther),
        ("fires_side_by_side", Overlap::Allow),
    ] {
        let mut often = schedule("often", "0,1,2 13 2 11 *", 3);
        often.overlap = overlap;
        let mut world = story(9, Weather::default(), vec![often]);
        world.pass(3_600 + 130);
        world.weather.callback_lost = 100;
        world.pass(3_000);
        world.ends(name);
    }
}

#[test]
fn a_clock_that_is_set_later_and_falls_back() {
    let mut world = story(
        1,
        Weather::default(),
        vec![schedule("daily", "30 12 * * *", 1)],
    );
    world.restart_at(Utc.timestamp_opt(30, 0).single().expect("an instant"));
    world.pass(60);
    jump(&mut world, start() + TimeDelta::days(3));
    world.pass(3_600);
    jump(&mut world, start() + TimeDelta::hours(1));
    world.pass(86_400);
    jump(&mut world, start() + TimeDelta::days(3));
    world.pass(3_600);
    world.ends("a_clock_that_is_set_later_and_falls_back");
}

#[test]
fn a_clock_that_falls_back_during_a_run() {
    let weather = Weather {
        create_vanishes: 100,
        ..Weather::default()
    };
    let mut world = story(5, weather, vec![schedule("daily", "30 12 2 11 *", 3)]);
    world.pass(1_900);
    world.weather = Weather::default();
    let before = world.now - TimeDelta::hours(2);
    let left = std::mem::take(&mut world.coming);
    jump(&mut world, before);
    let moved = left.into_iter();
    let moved = moved.map(|((at, order), it)| ((at - TimeDelta::hours(2), order), it));
    world.coming.extend(moved);
    world.pass(9_000);
    world.ends("a_clock_that_falls_back_during_a_run");
}

#[test]
fn a_clock_that_falls_back_while_the_state_is_in_doubt() {
    let mut world = story(
        6,
        Weather::default(),
        vec![schedule("daily", "30 12 2 11 *", 3)],
    );
    world.pass(60);
    world.weather.list_breaks = 100;
    world.burn();
    world.pass(20);
    let before = world.now - TimeDelta::minutes(50);
    world.coming.clear();
    jump(&mut world, before);
    world.pass(40);
    world.weather.list_breaks = 0;
    world.pass(4_800);
    world.ends("a_clock_that_falls_back_in_doubt");
}

/// Days and hours are those of the schedule's zone, over the end of summer time.
#[test]
fn a_schedule_elsewhere() {
    let mut there = schedule("there", "30 1 * * *", 1);
    there.timezone = chrono_tz::America::New_York;
    let cron = ["30 1 * * *".to_owned()];
    there.cadence = crate::schedule::Cadence::compile(&cron, there.timezone).expect("a cron");
    there.window = crate::schedule::WindowRule::LastDays(2);
    there.jitter = std::time::Duration::from_secs(600);
    let mut world = story(7, Weather::default(), vec![there]);
    world.restart_at(start() - TimeDelta::days(3));
    world.pass(3 * 86_400);
    world.ends("a_schedule_elsewhere");
}
