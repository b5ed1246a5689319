//! What an end leaves in a schedule's mark, and a publish that is under way when something else would end its run.

use super::world::{Weather, World, schedule, start};
use crate::roster::Refusal;
use crate::run::{LearnedBy, RunState};
use crate::schedule::Name;
use chrono::TimeDelta;

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
    world.cancel(&run).expect("cancelled");
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
    let refusal = world.cancel(&run).err();
    assert!(
        matches!(&refusal, Some(Refusal::Conflict { message, .. }) if message.contains("being published")),
        "{refusal:?}"
    );
    world.run_until(start() + TimeDelta::hours(2));
    assert_eq!(world.run(&run).state, RunState::Landed);
}

/// What a job came to while no daemon ran is learned by reconciling, whatever ended meanwhile.
#[test]
fn an_end_before_the_first_list_takes_nothing_from_other_runs() {
    let weather = Weather {
        callback_lost: 100,
        ..Weather::default()
    };
    let names = ["one", "other"];
    let schedules = names.map(|name| schedule(name, "0 0 1 1 *", 2)).to_vec();
    let mut world = World::new(1, weather, schedules);
    let runs = names.map(|name| world.trigger(name).expect("a run"));
    world.run_until(start() + TimeDelta::seconds(2));
    world.weather.list_breaks = 100;
    world.crash();
    // They end while nobody can be asked.
    let ended = world.now;
    world.jobs.iter_mut().for_each(|job| job.ends_at = ended);
    world.cancel(&runs[0]).expect("cancelled");
    let now = world.now;
    world.run_until(now + TimeDelta::seconds(30));
    assert_eq!(world.kept.open.len(), 1, "one is cancelled");
    world.weather.list_breaks = 0;
    world.run_until(now + TimeDelta::minutes(40));
    let run = world.run(&runs[1]);
    assert_eq!(run.state, RunState::Landed);
    let learned = run.parts[&1].attempts[0].learned_by;
    assert_eq!(learned, Some(LearnedBy::Reconcile));
}
