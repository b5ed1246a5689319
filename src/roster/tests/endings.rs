//! What an end leaves in a schedule's mark, and a publish that is under way when something else would end its run.

use super::world::{Weather, World, schedule, start};
use crate::roster::{Command, Mode, Refusal};
use crate::run::{RunId, RunState};
use crate::schedule::Name;
use chrono::TimeDelta;

fn cancel(world: &mut World, run: &RunId) -> Option<Refusal> {
    let command = Command::Cancel {
        run: run.clone(),
        by: "test".into(),
        mode: Mode::Act,
    };
    world.command(command).err()
}

#[test]
fn a_run_that_did_not_land_is_no_last_landing() {
    let name = Name::parse("hourly").expect("a valid name");
    let mut world = World::new(
        1,
        Weather::default(),
        vec![schedule("hourly", "0 * * * *", 2)],
    );
    world.run_until(start() + TimeDelta::minutes(61));
    let run = world.kept.open.first().cloned().expect("an open run");
    assert_eq!(cancel(&mut world, &run), None);
    world.run_until(start() + TimeDelta::minutes(70));
    let mark = &world.kept.marks[&name];
    let ended = mark.last_ended.as_ref().expect("it has ended");
    assert_eq!((&ended.run, ended.state), (&run, RunState::Cancelled));
    assert_eq!((&mark.last_landed, mark.data_through), (&None, None));
    world.run_until(start() + TimeDelta::minutes(179));
    let mark = &world.kept.marks[&name];
    let landed = mark.last_landed.as_ref().expect("it has landed");
    assert_eq!(mark.data_through, Some(landed.window.to));
}

#[test]
fn nothing_ends_a_run_while_it_is_published() {
    let mut world = World::new(
        1,
        Weather::default(),
        vec![schedule("hourly", "0 * * * *", 2)],
    );
    let mut second = 0;
    let run = loop {
        second += 1;
        assert!(second < 7_200, "no publish was seen");
        world.run_until(start() + TimeDelta::seconds(second));
        let open = world.kept.open.iter();
        let mut publishing = open.filter(|id| world.run(id).state == RunState::Publishing);
        if let Some(run) = publishing.next() {
            break run.clone();
        }
    };
    let refusal = cancel(&mut world, &run);
    assert!(
        matches!(&refusal, Some(Refusal::Conflict { message, .. }) if message.contains("being published")),
        "{refusal:?}"
    );
    world.run_until(start() + TimeDelta::hours(2));
    assert_eq!(world.run(&run).state, RunState::Landed);
}
