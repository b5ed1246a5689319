//! Lists that break for long: it is told once, jobs are read one by one, and nothing is concluded from what is not there.

use super::claims::{same_as, vanished};
use super::world::{Weather, World, schedule, start};
use crate::roster::{Answer, Command, Effect, Input, Listed, Report, Snapshot, Turn};
use crate::run::{JobSeen, LearnedBy, PartState, RunId, RunState};
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

pub(super) fn snapshot(world: &mut World) -> Snapshot {
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

/// Several callbacks are answered by one list; while lists break, each by a read of its own.
#[test]
fn callbacks_are_answered_while_lists_break() {
    let mut world = world(0);
    let run = world.trigger("many").expect("triggered");
    world.run_until(start() + TimeDelta::minutes(5));
    let ended = world.now;
    world.jobs.iter_mut().for_each(|job| job.ends_at = ended);
    let jobs = world.jobs.iter().map(|job| job.attempt.clone());
    let all = jobs.map(|attempt| Input::Callback { attempt, count: 1 });
    let turn = world.roster.handle(all.collect(), ended);
    world.take(turn);
    world.run_until(ended + TimeDelta::minutes(3));
    let attempts = world
        .run(&run)
        .parts
        .into_values()
        .flat_map(|part| part.attempts);
    let learned = attempts.filter(|attempt| attempt.learned_by == Some(LearnedBy::Callback));
    assert_eq!(learned.count(), 4);
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

fn listed(world: &mut World, jobs: Vec<JobSeen>, whole: bool) -> Turn {
    let listed = Listed {
        jobs: jobs.into_iter().map(|job| (job, None)).collect(),
        whole,
        ..Listed::default()
    };
    let report = Report::Listed {
        asked_at: world.now,
        outcome: Ok(listed),
    };
    world.roster.handle(vec![Input::Report(report)], world.now)
}

#[test]
fn only_a_whole_list_casts_doubt_on_a_job_that_it_does_not_hold() {
    for whole in [false, true] {
        let weather = Weather {
            callback_lost: 100,
            ..Weather::default()
        };
        let mut world = World::new(1, weather, vec![schedule("daily", "0 0 1 1 *", 1)]);
        world.trigger("daily").expect("triggered");
        world.run_until(start() + TimeDelta::seconds(5));
        let turn = listed(&mut world, Vec::new(), whole);
        let read = turn
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::CheckJob { .. }));
        assert_eq!(read, whole);
    }
}

/// Law 4: a create is made anew only after two whole lists without its job.
#[test]
fn only_a_whole_list_counts_for_a_create_whose_candidates_were_others() {
    for whole in [false, true] {
        let (mut world, run) = vanished();
        world.run_until(start() + TimeDelta::seconds(41));
        world.coming.clear();
        let before = lists_of(&world, &run);
        let theirs = same_as(&world, &run, "theirs", 1).seen;
        let turn = listed(&mut world, vec![theirs], whole);
        let asked = turn
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::RecallOwners { .. }));
        assert!(asked);
        let owned = Report::OwnersRecalled {
            owned: Some(["theirs".to_owned()].into()),
        };
        let turn = world.roster.handle(vec![Input::Report(owned)], world.now);
        world.take(turn);
        assert_eq!(lists_of(&world, &run) - before, u32::from(whole));
    }
}

/// Whole lists without the job so far.
fn lists_of(world: &World, run: &RunId) -> u32 {
    match world.run(run).parts[&1].state {
        PartState::Unanswered { lists, .. } => lists,
        ref other => panic!("{other:?}"),
    }
}
