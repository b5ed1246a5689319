//! States that were lost or are older than what was done, and creates that nobody can name.

use super::{attempt, percent, story};
use crate::roster::tests::world::{Weather, World, schedule};
use crate::roster::{Cause, Command, Input, Listed, Mode, Report};
use crate::run::{JobSeen, JobStatus};
use chrono::TimeDelta;
use std::collections::BTreeMap;

#[test]
fn a_state_that_burnt() {
    let schedules = vec![
        schedule("other", "0 13 2 11 *", 2),
        schedule("daily", "0 13 2 11 *", 9),
        schedule("early", "10 12 2 11 *", 2),
    ];
    let mut world = story(12, Weather::default(), schedules);
    world.pass(3_605);
    world.say("all is lost but the files, and `other` is not declared any more");
    world.schedules.remove(0);
    world.weather.list_breaks = 100;
    world.burn();
    world.pass(40);
    world.say("the list can be read again");
    world.weather.list_breaks = 0;
    world.pass(2_000);
    world.ends("a_state_that_burnt");
}

#[test]
fn a_state_that_is_behind() {
    let mut world = story(
        13,
        Weather::default(),
        vec![schedule("daily", "30 12 2 11 *", 7)],
    );
    let older = world.kept.clone();
    world.pass(1_801);
    world.say("put back to what it was");
    world.kept = older;
    world.kept.put_in_doubt(Cause::Behind, world.now);
    world.coming.clear();
    let now = world.now + TimeDelta::seconds(2);
    world.restart_at(now);
    world.pass(1_500);
    world.ends("a_state_that_is_behind");
}

fn listed(jobs: &[(&str, &str, JobStatus)], world: &World) -> Listed {
    let seen = |id: &str, status: &JobStatus| JobSeen {
        job_id: id.to_owned(),
        status: status.clone(),
        callback_url: Some("https://example.com/cb".into()),
        ..world.jobs[0].seen.clone()
    };
    Listed {
        jobs: jobs
            .iter()
            .map(|(id, of, status)| (seen(id, status), Some(attempt(of))))
            .collect(),
        whole: true,
        unproven: BTreeMap::new(),
        ahead: None,
    }
}

#[test]
fn jobs_that_nothing_waits_for() {
    let mut world = story(
        14,
        Weather::default(),
        vec![schedule("daily", "30 12 2 11 *", 1)],
    );
    world.pass(2_800);
    let run = "daily.20261102T123000Z";
    let (first, later) = (format!("{run}.p1.a1"), format!("{run}.p1.a2"));
    let jobs = [
        ("job-0", first.as_str(), JobStatus::Submitted),
        ("second", first.as_str(), JobStatus::Submitted),
        ("later", later.as_str(), JobStatus::Submitted),
        ("ended", later.as_str(), JobStatus::Succeeded),
        ("gone", "gone.20261101T000000Z.p1.a1", JobStatus::Submitted),
        ("dead", "gone.20261101T000000Z.p2.a1", JobStatus::Failed),
    ];
    for again in [false, true] {
        world.say(if again {
            "the same list again"
        } else {
            "a list of strange jobs"
        });
        let report = Report::Listed {
            asked_at: world.now,
            outcome: Ok(listed(&jobs, &world)),
        };
        let turn = world.roster.handle(vec![Input::Report(report)], world.now);
        world.take(turn);
        world.pass(20);
    }
    world.ends("jobs_that_nothing_waits_for");
}

#[test]
fn a_create_that_no_address_tells_of() {
    for (name, vanishes, foreign, unread) in [
        ("a_job_is_told_by_its_looks", false, false, false),
        ("a_job_that_is_somebody_elses", true, true, false),
        ("a_job_while_the_store_cannot_be_read", false, false, true),
    ] {
        let weather = Weather {
            create_lost: 100,
            create_vanishes: percent(vanishes),
            ..Weather::default()
        };
        let both = vec![
            schedule("daily", "30 12 2 11 *", 1),
            schedule("other", "30 1 1 1 *", 1),
        ];
        let mut world = story(15, weather, both);
        world.no_echo = true;
        world.owners_unread = unread;
        world.roster.expect_callbacks();
        world.pass(1_801);
        world.weather = Weather::default();
        if foreign {
            world.weather.foreign = 100;
            world
                .trigger("other")
                .expect("another that asks for the same");
        }
        world.pass(120);
        world.owners_unread = false;
        world.pass(3_600);
        world.ends(name);
    }
}

/// Two runs ask for the very same, and the answer to one create is lost.
#[test]
fn two_creates_for_the_same() {
    let weather = Weather {
        create_lost: 100,
        ..Weather::default()
    };
    let mut world = story(
        16,
        weather,
        vec![
            schedule("daily", "30 12 2 11 *", 1),
            schedule("other", "30 1 1 1 *", 1),
        ],
    );
    world.no_echo = true;
    world.pass(1_829);
    world.weather = Weather::default();
    world.trigger("other").expect("triggered");
    world.pass(2);
    let by = "test".to_owned();
    let run = world.kept.runs.keys().next().expect("a run").clone();
    let mode = Mode::Dry;
    world.ask(Command::Cancel { run, by, mode });
    world.pass(3_600);
    world.ends("two_creates_for_the_same");
}

#[test]
fn a_state_that_burnt_while_nothing_ran() {
    for (name, remains) in [("nothing_is_left", false), ("only_files_are_left", true)] {
        let daily = schedule("daily", "30 12 2 11 *", 2);
        let mut world = story(17, Weather::default(), vec![daily]);
        if remains {
            world.pass(2_800);
        }
        world.burn();
        world.pass(2_400);
        world.ends(name);
    }
}

/// Its properties are others now, so that its parts are made of what their jobs asked for.
#[test]
fn a_lost_run_that_its_schedule_would_not_plan_so() {
    let mut world = story(
        20,
        Weather::default(),
        vec![schedule("daily", "30 12 2 11 *", 5)],
    );
    world.pass(1_801);
    world.say("the declaration has changed, and all is lost");
    let mut fewer = schedule("daily", "30 12 2 11 *", 4);
    fewer.chunk.properties = 3;
    world.schedules = vec![fewer];
    world.jobs[2].seen.status = JobStatus::Failed;
    world.burn();
    world.pass(1_500);
    world.ends("a_lost_run_made_of_its_jobs");
}
