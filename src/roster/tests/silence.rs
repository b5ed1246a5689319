//! Callbacks that stop and come back, and what the vendor's contract does not know.

use super::world::{Weather, World, schedule, start};
use crate::roster::{Answer, CallbacksNow, Command, Input, Report};
use chrono::TimeDelta;

/// As a snapshot shows it.
fn now(world: &mut World) -> CallbacksNow {
    match world.command(Command::Snapshot) {
        Ok(Answer::Snapshot(snapshot)) => snapshot.callbacks,
        other => panic!("{other:?}"),
    }
}

#[test]
fn silent_callbacks_are_told_once_and_so_is_their_return() {
    let weather = Weather {
        callback_lost: 100,
        ..Weather::default()
    };
    let mut world = World::new(3, weather, vec![schedule("often", "*/10 * * * *", 6)]);
    world.roster.expect_callbacks();
    world.run_until(start() + TimeDelta::hours(1));
    let told = |world: &World, event: &str| {
        let lines = world.log.iter().filter(|line| line.contains(event));
        lines.count()
    };
    assert_eq!(told(&world, "callbacks_silent"), 1);
    assert_eq!(told(&world, "callbacks_back"), 0);
    // A restart neither tells it again nor forgets it.
    let at = world.now;
    world.restart_at(at);
    assert_eq!(
        now(&mut world).silent_since,
        None,
        "nobody is waited for yet"
    );
    world.roster.expect_callbacks();
    world.run_until(start() + TimeDelta::minutes(80));
    assert_eq!(told(&world, "callbacks_silent"), 1);
    assert!(now(&mut world).silent_since.is_some());
    world.weather.callback_lost = 0;
    world.run_until(start() + TimeDelta::hours(2));
    assert_eq!(told(&world, "callbacks_silent"), 1);
    assert_eq!(told(&world, "callbacks_back"), 1);
    assert_eq!(now(&mut world).silent_since, None);
    assert!(now(&mut world).last_heard_at > Some(start() + TimeDelta::hours(1)));
    let mut deaf = World::new(3, weather, vec![schedule("often", "*/10 * * * *", 6)]);
    deaf.run_until(start() + TimeDelta::hours(1));
    assert_eq!(
        told(&deaf, "callbacks_silent"),
        0,
        "none is expected without an address"
    );
}

#[test]
fn what_lies_outside_the_contract_is_one_event_for_ever() {
    let mut world = World::new(1, Weather::default(), Vec::new());
    let drifted = |world: &mut World, notes: &[&str]| {
        let notes = notes.iter().map(|note| (*note).to_owned()).collect();
        let report = Report::Drifted { notes };
        let turn = world.roster.handle(vec![Input::Report(report)], world.now);
        let count = turn.entries.len();
        for saved in turn.saved {
            world.kept.keep(saved);
        }
        count
    };
    assert_eq!(drifted(&mut world, &["job field `a`", "job field `b`"]), 2);
    assert_eq!(drifted(&mut world, &["job field `a`", "job field `c`"]), 1);
    assert_eq!(world.kept.settings.len(), 3);
}
