//! Overlap, pause, limits, deadline: one rule, one test.

use super::world::{Weather, World, limits, schedule, start};
use crate::roster::{Answer, Command, Mode, Refusal};
use crate::run::{RunId, RunState, Trigger};
use crate::schedule::{Name, Overlap};
use chrono::TimeDelta;
use std::time::Duration;

fn name(text: &str) -> Name {
    Name::parse(text).expect("a valid name")
}

pub(super) fn pause(schedule: &str) -> Command {
    Command::Pause {
        schedule: name(schedule),
        reason: "maintenance".into(),
        by: "test".into(),
        mode: Mode::Act,
    }
}

#[test]
fn a_quiet_world_lands_every_fire() {
    let mut world = World::new(
        1,
        Weather::default(),
        vec![schedule("hourly", "0 * * * *", 5)],
    );
    world.run_until(start() + TimeDelta::hours(5) + TimeDelta::minutes(59));
    assert_eq!(world.count(RunState::Landed), 5);
    assert_eq!(world.jobs.len(), 15, "three parts a run, one job a part");
    assert!(world.published.values().all(|times| *times == 1));
    assert!(world.kept.runs.values().all(|run| run.whole));
}

#[test]
fn open_jobs_never_exceed_the_limit() {
    let mut world = World::with_limits(
        1,
        Weather::default(),
        vec![schedule("big", "0 * * * *", 40)],
        crate::roster::Limits {
            open_jobs_max: 3,
            ..limits()
        },
    );
    for minute in 1..120 {
        world.run_until(start() + TimeDelta::minutes(minute));
        let open = world
            .jobs
            .iter()
            .filter(|job| job.ends_at > world.now)
            .count();
        assert!(open <= 3, "{open} jobs open");
    }
    assert!(world.jobs.len() >= 20);
}

#[test]
fn one_run_waits_and_the_next_fire_is_skipped() {
    let mut slow = schedule("slow", "*/5 * * * *", 60);
    slow.chunk.properties = 1;
    let mut world = World::new(2, Weather::default(), vec![slow]);
    world.run_until(start() + TimeDelta::minutes(16));
    let states: Vec<_> = world.kept.runs.values().map(|run| run.state).collect();
    assert_eq!(
        states,
        [RunState::Running, RunState::Queued, RunState::Skipped]
    );
    let skipped = world.kept.runs.values().last().expect("a run");
    assert_eq!(skipped.reason.as_deref(), Some("overlap"));
}

#[test]
fn of_two_that_wait_the_one_made_first_starts_first() {
    let mut slow = schedule("slow", "*/5 * * * *", 60);
    slow.chunk.properties = 1;
    let mut world = World::new(2, Weather::default(), vec![slow]);
    world.run_until(start() + TimeDelta::minutes(6));
    let first = world.kept.open.first().cloned().expect("an open run");
    let of_day = |world: &mut World, day: u32| {
        let day = chrono::NaiveDate::from_ymd_opt(2026, 10, day).expect("a day");
        world.command(Command::Trigger {
            schedule: name("slow"),
            window: Some(crate::schedule::Window::day(day)),
            by: "test".into(),
            mode: Mode::Act,
        })
    };
    let Ok(Answer::Run(triggered)) = of_day(&mut world, 1) else {
        panic!("no run that waits");
    };
    assert_eq!(triggered.state, RunState::Queued);
    // One waits; another one may not.
    let refused = of_day(&mut world, 2).expect_err("a refusal");
    assert!(
        matches!(&refused, Refusal::Conflict { run: Some(run), .. } if *run == triggered.id),
        "{refused:?}"
    );
    // Fires that were missed are caught up, and wait behind it.
    world.restart_at(start() + TimeDelta::minutes(17));
    let waiting = world.kept.runs.values();
    let waiting = waiting.filter(|run| run.state == RunState::Queued);
    let waiting: Vec<RunId> = waiting.map(|run| run.id.clone()).collect();
    let [caught_up, before] = &waiting[..] else {
        panic!("{waiting:?}");
    };
    assert_eq!(before, &triggered.id);
    world.cancel(&first).expect("cancelled");
    assert_eq!(world.run(before).state, RunState::Running);
    assert_eq!(world.run(caught_up).state, RunState::Queued);
}

#[test]
fn overlap_skip_cancel_other_and_allow() {
    for (overlap, expected) in [
        (Overlap::Skip, [RunState::Running, RunState::Skipped]),
        (
            Overlap::CancelOther,
            [RunState::Cancelled, RunState::Running],
        ),
        (Overlap::Allow, [RunState::Running, RunState::Running]),
    ] {
        let mut slow = schedule("slow", "*/5 * * * *", 60);
        slow.chunk.properties = 1;
        slow.overlap = overlap;
        let mut world = World::new(2, Weather::default(), vec![slow]);
        world.run_until(start() + TimeDelta::minutes(11));
        let states: Vec<_> = world.kept.runs.values().map(|run| run.state).collect();
        assert_eq!(states, expected, "{overlap:?}");
    }
}

#[test]
fn fires_while_paused_are_skips_and_resuming_catches_nothing_up() {
    let mut world = World::new(
        4,
        Weather::default(),
        vec![schedule("hourly", "0 * * * *", 2)],
    );
    let pause = pause("hourly");
    world.command(pause.clone()).expect("paused");
    assert!(matches!(
        world.command(pause),
        Err(Refusal::Conflict { .. })
    ));
    assert!(matches!(
        world.trigger("hourly"),
        Err(Refusal::Conflict { .. })
    ));
    world.run_until(start() + TimeDelta::minutes(190));
    let resume = Command::Resume {
        schedule: name("hourly"),
        by: "test".into(),
        mode: Mode::Act,
    };
    world.command(resume).expect("resumed");
    world.run_until(start() + TimeDelta::minutes(230));
    assert_eq!(world.count(RunState::Skipped), 3);
    assert!(
        world
            .kept
            .runs
            .values()
            .all(|run| run.reason.as_deref() == Some("paused"))
    );
    world.run_until(start() + TimeDelta::minutes(290));
    assert_eq!(
        world.count(RunState::Landed),
        1,
        "the fire after resuming runs"
    );
}

#[test]
fn a_schedule_seen_for_the_first_time_catches_nothing_up() {
    let mut world = World::new(
        4,
        Weather::default(),
        vec![schedule("hourly", "0 * * * *", 2)],
    );
    world.run_until(start() + TimeDelta::minutes(30));
    assert!(world.kept.runs.is_empty());
}

#[test]
fn a_trigger_runs_now_and_a_second_one_for_the_same_window_is_a_conflict() {
    let mut world = World::new(
        4,
        Weather::default(),
        vec![schedule("daily", "30 1 * * *", 2)],
    );
    let id = world.trigger("daily").expect("triggered");
    assert!(matches!(
        world.trigger("daily"),
        Err(Refusal::Conflict { run: Some(_), .. })
    ));
    assert!(matches!(
        world.trigger("other"),
        Err(Refusal::NoSchedule(_))
    ));
    world.run_until(start() + TimeDelta::hours(1));
    let run = world.run(&id);
    assert_eq!(
        (run.state, run.trigger),
        (RunState::Landed, Trigger::Manual)
    );
}

#[test]
fn the_deadline_ends_a_run_and_cancels_its_jobs() {
    let mut slow = schedule("slow", "0 * * * *", 60);
    slow.chunk.properties = 1;
    slow.deadline = Duration::from_secs(60);
    let mut world = World::new(2, Weather::default(), vec![slow]);
    world.run_until(start() + TimeDelta::minutes(65));
    let run = world.kept.runs.values().next().expect("a run").clone();
    assert_eq!(run.state, RunState::Failed);
    assert!(
        run.reason
            .as_deref()
            .unwrap_or_default()
            .starts_with("deadline of 1m passed")
    );
    assert!(world.orphans().is_empty());
    assert!(world.kept.open.is_empty());
}

#[test]
fn cancel_ends_a_run_at_once_and_its_jobs_soon() {
    let mut world = World::new(
        2,
        Weather::default(),
        vec![schedule("daily", "30 1 * * *", 40)],
    );
    let id = world.trigger("daily").expect("triggered");
    let now = world.now + TimeDelta::seconds(3);
    world.run_until(now);
    world.cancel(&id).expect("cancelled");
    assert_eq!(world.run(&id).state, RunState::Cancelled);
    assert!(matches!(world.cancel(&id), Err(Refusal::NoRun(_))));
    let now = world.now + TimeDelta::seconds(5);
    world.run_until(now);
    assert!(world.orphans().is_empty());
    assert!(world.kept.open.is_empty());
}

#[test]
fn a_retry_submits_failed_parts_only() {
    let weather = Weather {
        job_fails: 100,
        ..Weather::default()
    };
    let mut world = World::new(2, weather, vec![schedule("daily", "30 1 * * *", 6)]);
    let id = world.trigger("daily").expect("triggered");
    world.run_until(start() + TimeDelta::hours(7));
    assert_eq!(world.run(&id).state, RunState::Failed);
    let before = world.jobs.len();
    // In the end each property is tried twice by itself.
    assert_eq!(before, 12 + 12, "three parts, four attempts each");
    world.weather.job_fails = 0;
    let run = Box::new(world.run(&id));
    world
        .command(Command::Retry {
            run,
            what: crate::run::Retrial::Parts,
            by: "test".into(),
            mode: Mode::Act,
        })
        .expect("retried");
    world.run_until(start() + TimeDelta::hours(9));
    assert_eq!(world.run(&id).state, RunState::Landed);
    assert_eq!(world.jobs.len(), before + 6);
}

#[test]
fn a_changed_cron_takes_effect_and_the_old_one_is_forgotten() {
    let mut world = World::new(4, Weather::default(), vec![schedule("a", "0 * * * *", 2)]);
    let schedules = vec![
        schedule("a", "30 * * * *", 2),
        schedule("b", "15 * * * *", 2),
    ];
    let declare = Command::Declare {
        schedules,
        by: "test".into(),
        mode: Mode::Act,
    };
    let Ok(crate::roster::Answer::Declared(declared)) = world.command(declare) else {
        panic!("not declared")
    };
    assert_eq!((declared.added.len(), declared.changed.len()), (1, 1));
    world.run_until(start() + TimeDelta::minutes(119));
    let nominal: Vec<_> = world
        .kept
        .runs
        .values()
        .map(|run| run.nominal_at.format("%H:%M").to_string())
        .collect();
    assert_eq!(nominal, ["12:30", "13:30", "12:15", "13:15"]);
}

/// The reach of a crowd: many schedules that fire in the same second cost one turn, not one each.
#[test]
fn a_crowd_fires_in_one_turn() {
    let schedules: Vec<_> = (0..3_000)
        .map(|number| schedule(&format!("s{number}"), "0 * * * *", 1))
        .collect();
    let mut world = World::new(4, Weather::default(), schedules);
    world.run_until(start() + TimeDelta::minutes(60));
    assert_eq!(world.kept.runs.len(), 3_000);
    assert_eq!(world.jobs.len(), limits().open_jobs_max);
}

#[test]
fn files_without_a_date_column_make_parts_of_one_day_now_and_next_time() {
    let mut month = schedule("month", "0 13 * * *", 2);
    month.window = crate::schedule::WindowRule::LastDays(3);
    let mut world = World::new(4, Weather::default(), vec![month]);
    world.no_date_column = true;
    world.run_until(start() + TimeDelta::hours(3));
    assert_eq!(world.count(RunState::Landed), 1);
    assert_eq!(
        world.jobs.len(),
        4,
        "one of three days, then three of one day"
    );
    world.run_until(start() + TimeDelta::hours(27));
    assert_eq!(world.count(RunState::Landed), 2);
    assert_eq!(world.jobs.len(), 7, "the second run knows");
}

/// A world whose only run has published its files, and whose process ends before that is told.
fn killed_before_it_was_told() -> (World, RunId) {
    let mut world = World::new(1, Weather::default(), vec![schedule("a", "0 13 * * *", 2)]);
    let mut second = 0;
    while world.published.is_empty() {
        second += 1;
        world.run_until(start() + TimeDelta::seconds(second));
    }
    let id = world.published.keys().next().cloned().expect("a run");
    assert_eq!(world.run(&id).state, RunState::Publishing);
    (world, id)
}

#[test]
fn files_that_are_there_count_though_the_deadline_passed_while_no_daemon_ran() {
    let (mut world, id) = killed_before_it_was_told();
    let later = world.now + TimeDelta::hours(7);
    world.crash();
    world.restart_at(later);
    world.run_until(later + TimeDelta::minutes(1));
    assert_eq!(world.run(&id).state, RunState::Landed);
    assert!(!world.happened.contains_key("deadline_passed"));
}

#[test]
fn a_publish_that_still_fails_after_the_deadline_ends_the_run() {
    let (mut world, id) = killed_before_it_was_told();
    world.weather.publish_breaks = 100;
    let later = world.now + TimeDelta::hours(7);
    world.crash();
    world.restart_at(later);
    world.run_until(later + TimeDelta::minutes(1));
    assert_eq!(world.run(&id).state, RunState::Failed);
    assert_eq!(world.happened.get("deadline_passed"), Some(&1));
    assert!(world.kept.open.is_empty());
}

#[test]
fn a_second_job_that_a_lookup_finds_is_cancelled_and_counted() {
    let weather = Weather {
        create_lost: 100,
        create_twice: 100,
        ..Weather::default()
    };
    let mut world = World::new(9, weather, vec![schedule("daily", "30 12 * * *", 1)]);
    world.run_until(start() + TimeDelta::hours(2));
    let Ok(Answer::Snapshot(snapshot)) = world.command(Command::Snapshot) else {
        panic!("no snapshot")
    };
    assert_eq!(snapshot.second_jobs, 1);
}
