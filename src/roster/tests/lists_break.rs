//! Lists that break for long: it is told once, jobs are read one by one, and nothing is concluded from what is not there.

use super::world::{Weather, World, schedule, start};
use crate::roster::{Answer, Command, Snapshot};
use crate::run::RunState;
use chrono::TimeDelta;

fn world(job_vanishes: u64) -> World {
    let weather = Weather {
        callback_lost: 100,
        list_breaks: 100,
        job_vanishes,
        ..Weather::default()
    };
    World::new(3, weather, vec![schedule("many", "0 0 1 1 *", 30)])
}

fn snapshot(world: &mut World) -> Snapshot {
    match world.command(Command::Snapshot) {
        Ok(Answer::Snapshot(snapshot)) => *snapshot,
        other => panic!("{other:?}"),
    }
}

fn told(world: &World, event: &str) -> u32 {
    world.happened.get(event).copied().unwrap_or(0)
}

#[test]
fn jobs_are_read_one_by_one_and_it_is_told_once() {
    let mut world = world(0);
    let run = world.trigger("many").expect("triggered");
    world.run_until(start() + TimeDelta::seconds(40));
    assert_eq!(snapshot(&mut world).list_trouble, None, "it may pass");
    world.run_until(start() + TimeDelta::hours(3));
    assert_eq!(world.run(&run).state, RunState::Landed);
    assert_eq!(
        (told(&world, "list_broken"), told(&world, "list_back")),
        (1, 0)
    );
    let trouble = snapshot(&mut world).list_trouble;
    assert!(trouble.is_some_and(|(_, words)| words == "list broken"));
    world.weather.list_breaks = 0;
    world.run_until(start() + TimeDelta::hours(4));
    assert_eq!(
        (told(&world, "list_broken"), told(&world, "list_back")),
        (1, 1)
    );
    assert_eq!(snapshot(&mut world).list_trouble, None);
}

#[test]
fn what_is_not_there_while_lists_break_may_be_there_later() {
    let mut world = world(100);
    let run = world.trigger("many").expect("triggered");
    let jobs = world.jobs.len();
    world.run_until(start() + TimeDelta::hours(3));
    assert_eq!(world.jobs.len(), jobs, "no job is asked for anew");
    world.weather.job_vanishes = 0;
    world.weather.list_breaks = 0;
    world.run_until(start() + TimeDelta::hours(5));
    assert_eq!(world.run(&run).state, RunState::Landed);
}
