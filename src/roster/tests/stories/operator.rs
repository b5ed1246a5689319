//! What an operator asks for.

use super::story;
use crate::coverage::Only;
use crate::roster::tests::cells::{day, name, window};
use crate::roster::tests::rules::pause;
use crate::roster::tests::world::{Weather, World, schedule};
use crate::roster::{Backfill, Command, Mode, Order};
use crate::run::Retrial;
use crate::schedule::{Properties, Property, Window};

fn by() -> String {
    "uid 1000".to_owned()
}

fn trigger(mode: Mode, window: Option<Window>) -> Command {
    let (schedule, by) = (name("daily"), by());
    Command::Trigger {
        schedule,
        window,
        by,
        mode,
    }
}

fn backfill(days: Window, only: Only, mode: Mode) -> Command {
    let wanted = Backfill {
        schedule: name("daily"),
        window: days,
        only,
        max_active: 2,
        order: Order::Newest,
    };
    Command::Backfill {
        wanted,
        by: by(),
        mode,
    }
}

#[test]
fn a_day_of_commands() {
    let mut world = story(
        21,
        Weather::default(),
        vec![schedule("daily", "30 12 * * *", 3)],
    );
    let october = window("2026-10-30", "2026-10-31");
    world.ask(trigger(Mode::Dry, Some(october)));
    world.ask(trigger(Mode::Act, Some(october)));
    world.ask(trigger(Mode::Act, None));
    world.ask(trigger(Mode::Act, None));
    let (schedule, by_name) = (name("none"), by());
    world.ask(Command::Resume {
        schedule,
        by: by_name,
        mode: Mode::Act,
    });
    world.pass(10);
    let second = world.kept.runs.keys().nth(1).expect("a run").clone();
    for mode in [Mode::Dry, Mode::Act, Mode::Act] {
        let (run, by) = (second.clone(), by());
        world.ask(Command::Cancel { run, by, mode });
    }
    world.ask(pause("daily"));
    world.ask(pause("daily"));
    world.pass(3_000);
    world.ask(Command::Coverage {
        schedule: name("daily"),
        window: None,
    });
    world.ask(Command::CellMap {
        schedule: name("daily"),
        window: Some(window("2026-10-29", "2026-11-02")),
    });
    let (schedule, by_name) = (name("daily"), by());
    world.ask(Command::Resume {
        schedule,
        by: by_name,
        mode: Mode::Act,
    });
    world.pass(86_400);
    world.ends("a_day_of_commands");
}

#[test]
fn history_behind_fresh_runs() {
    let mut daily = schedule("daily", "30 12 * * *", 3);
    daily.chunk.days = 2;
    daily.chunk.properties = 3;
    let mut world = story(22, Weather::default(), vec![daily]);
    let days = window("2026-10-26", "2026-11-05");
    world.ask(backfill(days, Only::Missing, Mode::Dry));
    world.ask(backfill(days, Only::Missing, Mode::Act));
    world.ask(backfill(days, Only::Missing, Mode::Act));
    world.pass(1_900);
    world.crash();
    world.pass(9_000);
    world.ask(backfill(
        window("2026-10-29", "2026-10-30"),
        Only::All,
        Mode::Act,
    ));
    world.pass(3_600);
    world.ends("history_behind_fresh_runs");
}

#[test]
fn a_run_is_tried_again() {
    let weather = Weather {
        job_fails: 100,
        ..Weather::default()
    };
    let mut daily = schedule("daily", "30 12 2 11 *", 1);
    daily.retry.attempts = 1;
    let mut world = story(23, weather, vec![daily]);
    world.pass(3_600);
    world.weather.job_fails = 0;
    let id = world.kept.runs.keys().next().expect("a run").clone();
    for (mode, what) in [
        (Mode::Act, Retrial::Accept),
        (Mode::Dry, Retrial::Parts),
        (Mode::Act, Retrial::Parts),
        (Mode::Act, Retrial::Parts),
    ] {
        let run = Box::new(world.run(&id));
        let by = by();
        world.ask(Command::Retry {
            run,
            what,
            by,
            mode,
        });
    }
    world.pass(3_600);
    world.ends("a_run_is_tried_again");
}

fn declare(world: &mut World, schedules: Vec<crate::schedule::Schedule>, mode: Mode) {
    if mode == Mode::Act {
        world.schedules.clone_from(&schedules);
    }
    let by = by();
    world.ask(Command::Declare {
        schedules,
        by,
        mode,
    });
}

#[test]
fn schedules_change_and_properties_come_and_go() {
    let listed = |ids: &[i64]| {
        let mut daily = schedule("daily", "30 12 * * *", 1);
        let all = ids.iter().map(|&id| Property { id, name: None });
        daily.properties = Properties::Listed(all.collect());
        daily.backfill_new = Some(2);
        daily
    };
    let mut asked = schedule("asked", "40 12 * * *", 1);
    asked.properties = Properties::CompSets {
        ids: vec![7, 8],
        subjects_only: true,
    };
    let mut world = story(24, Weather::default(), vec![listed(&[1, 2]), asked.clone()]);
    world.pass(3 * 3_600);
    declare(&mut world, vec![listed(&[1, 2, 5])], Mode::Dry);
    declare(&mut world, vec![listed(&[1, 2, 5])], Mode::Act);
    for (property, mode) in [(2, Mode::Dry), (2, Mode::Act), (2, Mode::Act)] {
        world.ask(Command::Exclude {
            property,
            reason: "sold".into(),
            by: by(),
            mode,
        });
    }
    world.pass(3_600);
    world.listing = vec![1, 2, 9];
    let mut disabled = listed(&[1, 2, 5]);
    disabled.enabled = false;
    declare(&mut world, vec![disabled, asked], Mode::Act);
    world.pass(86_400);
    world.ask(Command::Include {
        property: 2,
        reason: Some("bought back".into()),
        by: by(),
        mode: Mode::Act,
    });
    world.ask(Command::Properties);
    for at in ["2026-10-31", "2026-11-01", "2026-11-02", "2026-11-03"] {
        world.ask(Command::Cell {
            schedule: name("daily"),
            property: 5,
            day: day(at),
        });
    }
    world.ends("schedules_change_and_properties_come_and_go");
}

#[test]
fn more_jobs_than_places() {
    let mut big = schedule("big", "30 12 2 11 *", 7);
    big.chunk.properties = 1;
    let small = schedule("small", "30 12 2 11 *", 2);
    let mut world = story(25, Weather::default(), vec![big, small]);
    world.pass(1_900);
    world.crash();
    world.pass(6_000);
    world.ends("more_jobs_than_places");
}
