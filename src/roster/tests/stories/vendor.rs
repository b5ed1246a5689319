//! What the vendor does to a run.

use super::{percent, story};
use crate::roster::tests::world::{Weather, schedule};
use crate::roster::{Input, Report};
use crate::run::{Fault, FaultClass};

fn once(name: &str, properties: i64) -> crate::schedule::Schedule {
    schedule(name, "30 12 2 11 *", properties)
}

#[test]
fn a_day_that_goes_well() {
    let mut world = story(1, Weather::default(), vec![once("daily", 5)]);
    world.roster.expect_callbacks();
    world.pass(2_400);
    world.ends("a_day_that_goes_well");
}

#[test]
fn callbacks_stop_and_come_back() {
    let weather = Weather {
        callback_lost: 100,
        ..Weather::default()
    };
    let mut world = story(3, weather, vec![schedule("often", "*/10 * * * *", 4)]);
    world.roster.expect_callbacks();
    world.pass(2_500);
    world.say("they come again, twice each");
    (world.weather.callback_lost, world.weather.callback_twice) = (0, 100);
    world.pass(1_200);
    world.ends("callbacks_stop_and_come_back");
}

#[test]
fn creates_are_held_back_together() {
    let mut weather = Weather {
        create_unsent: 100,
        ..Weather::default()
    };
    let mut world = story(2, weather, vec![once("daily", 6)]);
    world.pass(1_830);
    world.say("throttled for twenty seconds each");
    (weather.create_unsent, weather.create_refused) = (0, 100);
    world.weather = weather;
    world.pass(50);
    world.say("and let through");
    world.weather = Weather::default();
    world.pass(1_500);
    world.ends("creates_are_held_back_together");
}

#[test]
fn creates_without_an_answer() {
    for (name, lost, vanishes, twice, lags) in [
        ("a_create_whose_answer_is_lost", true, false, false, false),
        ("a_create_that_never_arrived", false, true, false, false),
        ("a_create_that_made_two_jobs", true, false, true, true),
    ] {
        let weather = Weather {
            create_lost: percent(lost),
            create_vanishes: percent(vanishes),
            create_twice: percent(twice),
            list_lags: percent(lags),
            callback_lost: percent(twice),
            ..Weather::default()
        };
        let mut world = story(4, weather, vec![once("daily", 3)]);
        world.roster.expect_callbacks();
        world.pass(1_860);
        world.weather = Weather::default();
        world.pass(3_600);
        world.ends(name);
    }
}

#[test]
fn jobs_fail_until_one_property_is_left() {
    let weather = Weather {
        job_fails: 100,
        ..Weather::default()
    };
    let mut daily = once("daily", 2);
    daily.retry.attempts = 2;
    let mut world = story(6, weather, vec![daily]);
    world.pass(1_860 + 3_600);
    world.say("it is well again");
    world.weather.job_fails = 0;
    world.pass(7_200);
    world.ends("jobs_fail_until_one_property_is_left");
}

#[test]
fn a_job_is_gone_and_lists_break() {
    let weather = Weather {
        job_vanishes: 100,
        callback_lost: 100,
        ..Weather::default()
    };
    let mut world = story(7, weather, vec![once("daily", 1)]);
    world.pass(1_805);
    world.weather = Weather {
        list_breaks: 100,
        ..Weather::default()
    };
    world.pass(200);
    world.weather = Weather::default();
    world.pass(3_000);
    world.ends("a_job_is_gone_and_lists_break");
}

#[test]
fn reads_that_break_and_answers_that_come_too_late() {
    let weather = Weather {
        callback_lost: 100,
        ..Weather::default()
    };
    let mut world = story(8, weather, vec![once("daily", 1)]);
    world.pass(1_802);
    let attempt = super::attempt("daily.20261102T123000Z.p1.a1");
    let broken = |class| Report::Checked {
        attempt: attempt.clone(),
        asked_at: super::start(),
        outcome: Err(Fault::new(class, "as it is")),
    };
    let callback = |count| Input::Callback {
        attempt: attempt.clone(),
        count,
    };
    let mut feed = |what: &str, input| {
        world.say(what);
        let turn = world.roster.handle(vec![input], world.now);
        world.take(turn);
        world.pass(1);
    };
    feed("a callback", callback(2));
    feed(
        "a status read that broke",
        Input::Report(broken(FaultClass::Unanswered)),
    );
    feed(
        "one that was refused",
        Input::Report(broken(FaultClass::Forbidden)),
    );
    feed("another callback", callback(1));
    let stranger = Input::Callback {
        attempt: super::attempt("gone.20261101T000000Z.p1.a1"),
        count: 3,
    };
    feed("somebody else's", stranger.clone());
    feed("again", stranger);
    let drifted = Report::Drifted {
        notes: vec!["job field `a`".into()],
    };
    feed("a field that nobody knows", Input::Report(drifted.clone()));
    feed("again", Input::Report(drifted));
    world.pass(2_000);
    world.ends("reads_that_break");
}

#[test]
fn callbacks_of_many_jobs_at_once() {
    let weather = Weather {
        callback_lost: 100,
        ..Weather::default()
    };
    let mut world = story(18, weather, vec![once("daily", 8)]);
    world.pass(1_802);
    let attempts = |from: u32, to: u32| {
        let name = move |part| format!("daily.20261102T123000Z.p{part}.a1");
        let heard = move |part| Input::Callback {
            attempt: super::attempt(&name(part)),
            count: 1,
        };
        (from..=to).map(heard).collect::<Vec<_>>()
    };
    for (what, inputs) in [
        ("one", attempts(1, 1)),
        ("and another while it is asked about", attempts(2, 2)),
        ("three at once", attempts(2, 4)),
        ("and again", attempts(1, 4)),
    ] {
        world.say(what);
        let turn = world.roster.handle(inputs, world.now);
        world.take(turn);
        world.pass(if what == "one" { 0 } else { 9 });
    }
    world.pass(1_200);
    world.ends("callbacks_of_many_jobs_at_once");
}

#[test]
fn properties_are_asked_for_and_cannot_be_had() {
    let mut asked = once("asked", 1);
    asked.properties = crate::schedule::Properties::Accounts(crate::schedule::Accounts::All);
    let mut world = story(19, Weather::default(), vec![asked]);
    world.pass(1_800);
    world.coming.clear();
    let run = world.kept.runs.keys().next().expect("a run").clone();
    for class in [FaultClass::Throttled, FaultClass::Unanswered] {
        world.say(&format!("{class:?}"));
        let outcome = Err(Fault::new(class, "as it is"));
        let run = run.clone();
        let report = Report::Asked { run, outcome };
        let turn = world.roster.handle(vec![Input::Report(report)], world.now);
        world.take(turn);
        world.pass(60);
        world.coming.clear();
    }
    world.say("the daemon starts again");
    world.listing = vec![30, 10, 20, 10];
    let now = world.now;
    world.restart_at(now);
    world.pass(3_600);
    world.ends("properties_are_asked_for");
}
