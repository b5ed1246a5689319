//! What is declared anew: lists of properties, and what was learned of files that are others now.

use super::world::{Weather, World, schedule, start};
use crate::roster::{Command, Mode};
use crate::schedule::{Properties, Schedule};
use chrono::TimeDelta;

fn changes(world: &World) -> Vec<&String> {
    let told = |line: &&String| line.contains("roster_changed");
    world.log.iter().filter(told).collect()
}

fn declare(world: &mut World, schedules: Vec<Schedule>) {
    world.schedules.clone_from(&schedules);
    let command = Command::Declare {
        schedules,
        by: "test".into(),
        mode: Mode::Act,
    };
    world.command(command).expect("declared");
}

#[test]
fn a_declared_list_that_changes_tells_who_came_and_went() {
    let mut world = World::new(1, Weather::default(), vec![schedule("a", "0 1 * * *", 3)]);
    declare(&mut world, vec![schedule("a", "0 2 * * *", 3)]);
    assert_eq!(changes(&world).len(), 0, "the same properties");
    let mut other = schedule("a", "0 2 * * *", 5);
    if let Properties::Listed(list) = &mut other.properties {
        list.remove(0);
    }
    declare(&mut world, vec![other]);
    let told = changes(&world);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("\"added\":[4,5]"), "{}", told[0]);
    assert!(told[0].contains("\"removed\":[1]"), "{}", told[0]);
}

#[test]
fn a_list_that_changed_while_no_daemon_ran_is_told_at_the_start() {
    let mut world = World::new(1, Weather::default(), vec![schedule("a", "0 1 * * *", 3)]);
    let later = start() + TimeDelta::minutes(1);
    world.restart_at(later);
    assert_eq!(changes(&world).len(), 0, "the same properties");
    world.schedules = vec![schedule("a", "0 1 * * *", 4)];
    world.restart_at(later);
    assert_eq!(changes(&world).len(), 1);
}

#[test]
fn a_list_of_the_vendors_that_changes_is_told_with_the_run_that_asked() {
    let mut asked = schedule("a", "0 * * * *", 3);
    asked.properties = Properties::CompSets {
        ids: vec![1],
        subjects_only: false,
    };
    let mut world = World::new(1, Weather::default(), vec![asked]);
    world.run_until(start() + TimeDelta::minutes(119));
    assert_eq!(changes(&world).len(), 0, "the first list is no change");
    world.listing = vec![2, 3, 9];
    world.run_until(start() + TimeDelta::minutes(179));
    let told = changes(&world);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("\"added\":[9]"), "{}", told[0]);
    assert!(told[0].contains("\"removed\":[1]"), "{}", told[0]);
}

type Change<'a> = &'a dyn Fn(&mut Schedule);

/// What the files' columns allow was learned of one report, in one format, under one name.
#[test]
fn what_was_learned_of_columns_is_forgotten_with_any_of_what_it_was_learned_of() {
    let changes: [(bool, Change<'_>); 4] = [
        (true, &|it| {
            it.cadence = schedule("a", "0 2 * * *", 3).cadence
        }),
        (false, &|it| it.report = crate::schedule::Report::Floorplans),
        (false, &|it| it.format = crate::schedule::Format::Csv),
        (false, &|it| {
            let columns = std::sync::Arc::make_mut(&mut it.columns);
            columns.date = "day".into();
        }),
    ];
    for (number, (kept, change)) in changes.iter().enumerate() {
        let mut it = schedule("a", "0 1 * * *", 3);
        let mut world = World::new(1, Weather::default(), vec![it.clone()]);
        let name = it.name.clone();
        let mark = world.roster.marks.get_mut(&name).expect("a mark");
        mark.one_day_parts = true;
        change(&mut it);
        declare(&mut world, vec![it]);
        assert_eq!(world.roster.marks[&name].one_day_parts, *kept, "{number}");
    }
}
