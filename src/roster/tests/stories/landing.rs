//! Downloads, publishes and the folder that they go to.

use super::story;
use crate::roster::tests::cells::window;
use crate::roster::tests::rules::pause;
use crate::roster::tests::world::{Weather, schedule};
use crate::roster::{Command, Mode};

fn ended(weather: Weather) -> crate::roster::tests::world::World {
    let mut daily = schedule("daily", "30 12 2 11 *", 4);
    daily.window = crate::schedule::WindowRule::LastDays(2);
    story(3, weather, vec![daily])
}

#[test]
fn a_folder_that_is_full_for_a_while() {
    let weather = Weather {
        publish_breaks: 100,
        ..Weather::default()
    };
    let mut world = ended(weather);
    world.pass(2_700);
    world.say("there is room again");
    world.weather.publish_breaks = 0;
    world.pass(300);
    world.ends("a_folder_that_is_full_for_a_while");
}

#[test]
fn downloads_that_break() {
    let weather = Weather {
        fetch_breaks: 100,
        ..Weather::default()
    };
    let mut world = ended(weather);
    world.pass(2_900);
    world.weather.fetch_breaks = 0;
    world.pass(3_600);
    world.ends("downloads_that_break");
}

#[test]
fn files_without_a_column_of_dates() {
    let mut world = ended(Weather::default());
    world.no_date_column = true;
    world.pass(5_400);
    world.ends("files_without_a_column_of_dates");
}

#[test]
fn files_whose_rows_cannot_be_told_apart() {
    let mut world = ended(Weather::default());
    world.pass(3_000);
    world.ask(pause("daily"));
    world.no_property_column = true;
    let wanted = crate::roster::Backfill {
        schedule: crate::roster::tests::cells::name("daily"),
        window: window("2026-10-30", "2026-10-31"),
        only: crate::coverage::Only::Lacking,
        max_active: 1,
        order: crate::roster::Order::Oldest,
    };
    let by = "test".to_owned();
    let mode = Mode::Act;
    world.ask(Command::Backfill { wanted, by, mode });
    world.pass(5_400);
    world.ends("files_whose_rows_cannot_be_told_apart");
}

#[test]
fn a_run_that_is_over_its_deadline() {
    let mut daily = schedule("daily", "30 12 2 11 *", 9);
    daily.deadline = std::time::Duration::from_secs(240);
    let weather = Weather {
        callback_lost: 100,
        ..Weather::default()
    };
    let mut world = story(11, weather, vec![daily]);
    world.pass(3_600);
    world.ends("a_run_that_is_over_its_deadline");
}

#[test]
fn files_that_fail_their_checks_and_raw_files_that_are_gone() {
    use crate::roster::tests::vendor::published;
    use crate::roster::{Input, Report};
    use crate::run::{Published, Retrial, Verdict};
    let mut world = ended(Weather::default());
    world.pass(2_320);
    let id = world.kept.runs.keys().next().expect("a run").clone();
    let mut told = |what: &str, report| {
        world.say(what);
        world.coming.clear();
        let turn = world.roster.handle(vec![Input::Report(report)], world.now);
        world.take(turn);
        world.pass(2);
        world.coming.clear();
    };
    let run = id.clone();
    let parts = vec![1];
    told(
        "the raw file of part 1 is gone",
        Report::Lost { run, parts },
    );
    let published = Published {
        reason: Some("rows: 3 of 10".into()),
        names_days: Some(true),
        rows: 3,
        bytes: 30,
        told: vec![serde_json::json!({"event": "columns_changed", "added": ["x"]})],
        ..published(Verdict::Quarantined)
    };
    let outcome = Ok(Box::new(published));
    let run = id.clone();
    told("a check failed", Report::Published { run, outcome });
    for what in [Retrial::Parts, Retrial::Accept] {
        let run = Box::new(world.run(&id));
        let by = "test".to_owned();
        let mode = Mode::Act;
        world.ask(Command::Retry {
            run,
            what,
            by,
            mode,
        });
    }
    world.pass(600);
    world.ends("files_that_fail_their_checks");
}
