//! Whose the jobs are that an unanswered create may have made: the store is asked, and what has ended meanwhile counts.

use super::claims::{count, job_of, minutes, same_as, vanished};
use super::world::{Weather, World, schedule};
use crate::roster::{Effect, Input, Listed, Report};
use crate::run::{AttemptId, JobSeen, RunId};
use crate::schedule::{Format, Report as Kind};
use chrono::TimeDelta;
use std::collections::BTreeSet;

/// Two runs for the same whose creates have vanished unanswered, a minute ago.
fn two_vanished() -> (World, [RunId; 2]) {
    let names = ["one", "other"];
    let weather = Weather {
        create_vanishes: 100,
        ..Weather::default()
    };
    let schedules = names.map(|name| schedule(name, "0 0 1 1 *", 1));
    let mut world = World::new(1, weather, schedules.to_vec());
    world.no_echo = true;
    world.ahead.1 = Some(TimeDelta::zero());
    let runs = names.map(|name| world.trigger(name).expect("a run"));
    minutes(&mut world, 1);
    world.weather.create_vanishes = 0;
    (world, runs)
}

/// A whole list of these jobs.
fn lists(world: &mut World, jobs: Vec<(JobSeen, Option<AttemptId>)>) -> crate::roster::Turn {
    let listed = Listed {
        jobs,
        whole: true,
        ahead: Some(TimeDelta::zero()),
        ..Listed::default()
    };
    let report = Report::Listed {
        asked_at: world.now,
        outcome: Ok(listed),
    };
    world.roster.handle(vec![Input::Report(report)], world.now)
}

/// Whether the turn that brings a list asks the store whose its jobs are.
fn asks_for_owners(world: &mut World) -> bool {
    let jobs = world.jobs.iter().filter(|job| job.foreign);
    let jobs = jobs.map(|job| (job.seen.clone(), None)).collect();
    let turn = lists(world, jobs);
    let asks = |effect: &Effect| matches!(effect, Effect::RecallOwners { .. });
    let asked = turn.effects.iter().any(asks);
    world.take(turn);
    asked
}

type Change<'a> = &'a dyn Fn(&mut JobSeen);

#[test]
fn a_job_that_asks_for_anything_else_is_not_taken() {
    let changes: [(bool, Change<'_>); 8] = [
        (true, &|_| {}),
        (false, &|job| job.report = Some(Kind::Floorplans)),
        (false, &|job| job.report = None),
        (false, &|job| job.format = Some(Format::Csv)),
        (false, &|job| job.window = None),
        (false, &|job| job.property_ids = vec![1, 2]),
        (false, &|job| job.property_ids.clear()),
        (false, &|job| {
            job.callback_url = Some("https://elsewhere.example/hook".into())
        }),
    ];
    for (number, (taken, change)) in changes.iter().enumerate() {
        let (mut world, run) = vanished();
        minutes(&mut world, 1);
        let mut job = same_as(&world, &run, "theirs", 10);
        change(&mut job.seen);
        world.jobs.push(job);
        assert_eq!(asks_for_owners(&mut world), *taken, "{number}");
    }
}

#[test]
fn while_a_create_for_the_same_is_under_way_nothing_is_claimed() {
    let other = |change: &dyn Fn(&mut crate::schedule::Schedule)| {
        let mut other = schedule("other", "0 0 1 1 *", 1);
        change(&mut other);
        other
    };
    for (number, (waits, second)) in [
        (true, other(&|_| {})),
        (false, other(&|it| it.report = Kind::Floorplans)),
        (false, other(&|it| it.format = Format::Csv)),
        (
            false,
            other(&|it| it.window = crate::schedule::WindowRule::LastDays(3)),
        ),
        (false, schedule("other", "0 0 1 1 *", 2)),
    ]
    .into_iter()
    .enumerate()
    {
        let weather = Weather {
            create_vanishes: 100,
            ..Weather::default()
        };
        let one = schedule("one", "0 0 1 1 *", 1);
        let mut world = World::new(1, weather, vec![one, second]);
        world.no_echo = true;
        let run = world.trigger("one").expect("a run");
        minutes(&mut world, 1);
        let job = same_as(&world, &run, "theirs", 10);
        world.jobs.push(job);
        world.trigger("other").expect("a run beside it");
        assert_eq!(asks_for_owners(&mut world), !waits, "{number}");
    }
}

#[test]
fn too_many_that_may_be_it_are_told_without_asking_whose_they_are() {
    for (many, asks) in [(20, true), (21, false)] {
        let (mut world, run) = vanished();
        minutes(&mut world, 1);
        for number in 0..many {
            let job = same_as(&world, &run, &format!("theirs-{number}"), 10);
            world.jobs.push(job);
        }
        assert_eq!(asks_for_owners(&mut world), asks, "{many}");
        assert_eq!(count(&world, "job_ambiguous"), u32::from(!asks));
        assert!(!asks_for_owners(&mut world), "{many}");
        assert_eq!(count(&world, "job_ambiguous"), u32::from(!asks));
    }
}

#[test]
fn an_ambiguity_is_not_told_again_because_another_run_has_ended() {
    let (mut world, run) = vanished();
    world.schedules.push(schedule("other", "0 0 1 1 *", 2));
    world.restart_at(world.now);
    for number in 0..21 {
        let job = same_as(&world, &run, &format!("theirs-{number}"), 10);
        world.jobs.push(job);
    }
    assert!(!asks_for_owners(&mut world));
    assert_eq!(count(&world, "job_ambiguous"), 1);
    let other = world.trigger("other").expect("a run beside it");
    world.cancel(&other).expect("cancelled");
    minutes(&mut world, 5);
    assert!(!world.kept.open.contains(&other) && world.kept.open.contains(&run));
    assert!(!asks_for_owners(&mut world));
    assert_eq!(count(&world, "job_ambiguous"), 1);
}

#[test]
fn a_job_of_a_run_that_has_ended_since_the_store_was_asked_is_not_taken() {
    for ended in [false, true] {
        let (mut world, [run, other]) = two_vanished();
        let job = same_as(&world, &run, "theirs", 10);
        world.jobs.push(job.clone());
        assert!(asks_for_owners(&mut world));
        world.coming.clear();
        if ended {
            // Its address shows, if late: it is the other's, which ends.
            let mut attempt = job.attempt.clone();
            attempt.run = other.clone();
            let turn = lists(&mut world, vec![(job.seen, Some(attempt))]);
            world.take(turn);
            assert_eq!(job_of(&world, &other).as_deref(), Some("theirs"));
            world.cancel(&other).expect("cancelled");
            minutes(&mut world, 1);
            assert!(!world.kept.open.contains(&other));
        }
        let owned = Some(BTreeSet::new());
        let report = Report::OwnersRecalled { owned };
        let turn = world.roster.handle(vec![Input::Report(report)], world.now);
        world.take(turn);
        let taken = [&run, &other].map(|run| job_of(&world, run)).into_iter();
        assert_eq!(taken.flatten().collect::<Vec<_>>(), ["theirs"], "{ended}");
        assert_eq!(job_of(&world, &run).is_none(), ended);
    }
}
