//! Which lost jobs are worth having, and what run they are made into.

use super::cells::{name, window};
use super::world::{schedule, start};
use crate::coverage::{Fate, Ledger};
use crate::roster::Proof;
use crate::roster::lost::{Lost, Regained, is_wanted, place_of, regain, shell};
use crate::run::{
    AttemptId, AttemptState, CellSpan, JobSeen, JobStatus, PartState, RunId, RunState, Trigger,
};
use crate::schedule::{Format, Report, Schedule, Window};
use chrono::TimeDelta;
use std::collections::BTreeSet;
use std::time::Duration;

const SETTLE: Duration = Duration::from_secs(60);

fn day() -> Window {
    window("2026-11-01", "2026-11-01")
}

fn job(id: &str, properties: &[i64]) -> JobSeen {
    JobSeen {
        job_id: id.to_owned(),
        status: JobStatus::Submitted,
        error_message: None,
        callback_url: None,
        report: Some(Report::Property),
        format: Some(Format::Jsonl),
        window: Some(day()),
        property_ids: properties.to_vec(),
        created_at: Some(start() - TimeDelta::hours(1)),
    }
}

/// Of the run that `daily` should have had at the start.
fn lost(part: u32, number: u32, job: JobSeen) -> Lost {
    let run = RunId::of_fire(&name("daily"), start());
    Lost {
        job,
        attempt: AttemptId { run, part, number },
        proof: Proof::Mac,
        asked_at: start(),
    }
}

fn regained(schedule: &Schedule, jobs: &[Lost], excluded: &[i64]) -> Option<Regained> {
    let id = jobs[0].attempt.run.clone();
    let excluded: BTreeSet<i64> = excluded.iter().copied().collect();
    regain(schedule, &id, jobs, &excluded, SETTLE, start())
}

#[test]
fn a_lost_job_is_wanted_while_it_runs_or_its_result_is_young_and_its_cells_are_not_there() {
    let daily = schedule("daily", "0 12 * * *", 4);
    let wanted = |change: &dyn Fn(&mut JobSeen), ledger: Option<&Ledger>| {
        let mut job = job("one", &[1, 2]);
        change(&mut job);
        is_wanted(&daily, ledger, &job, start())
    };
    let week = TimeDelta::days(7);
    let aged = |status: JobStatus, age: TimeDelta| {
        move |job: &mut JobSeen| {
            job.status = status.clone();
            job.created_at = Some(start() - age);
        }
    };
    let second = TimeDelta::seconds(1);
    for (status, age, yes) in [
        (JobStatus::Submitted, week + second, true),
        (JobStatus::Unknown("paused".into()), week + second, true),
        (JobStatus::Succeeded, week, true),
        (JobStatus::Succeeded, week + second, false),
        (JobStatus::Failed, second, false),
        (JobStatus::Cancelled, second, false),
    ] {
        let named = status.clone();
        assert_eq!(wanted(&aged(status, age), None), yes, "{named:?} {age}");
    }
    assert!(wanted(
        &|job| (job.status, job.created_at) = (JobStatus::Succeeded, None),
        None
    ));
    assert!(!wanted(&|job| job.window = None, None));
    assert!(!wanted(&|job| job.property_ids.clear(), None));
    let mut ledger = Ledger::default();
    let mut tell = |property, fate| {
        let Window { from, to } = day();
        ledger.record(CellSpan { property, from, to }, fate);
        wanted(&|_| {}, Some(&ledger))
    };
    assert!(tell(1, Fate::Landed), "one of two");
    assert!(!tell(2, Fate::Empty));
    assert!(!tell(2, Fate::Landed));
    let mut ledger = Ledger::default();
    let Window { from, to } = day();
    for (property, fate) in [(1, Fate::Landed), (2, Fate::Failed)] {
        ledger.record(CellSpan { property, from, to }, fate);
    }
    assert!(wanted(&|_| {}, Some(&ledger)));
}

#[test]
fn where_ids_stand_side_by_side() {
    for (ids, all, place) in [
        (&[3, 4][..], &[1, 3, 4, 9][..], Some((1, 2))),
        (&[1], &[1], Some((0, 1))),
        (&[4, 9], &[1, 3, 4, 9], Some((2, 2))),
        (&[3, 9], &[1, 3, 4, 9], None),
        (&[9, 10], &[1, 3, 4, 9], None),
        (&[2], &[1, 3], None),
        (&[], &[1, 3], None),
    ] {
        assert_eq!(place_of(ids, all), place, "{ids:?} in {all:?}");
    }
}

#[test]
fn jobs_that_fit_the_plan_make_the_run_as_it_was_planned() {
    let daily = schedule("daily", "0 12 * * *", 5);
    let jobs = [lost(2, 1, job("two", &[3, 4]))];
    let run = regained(&daily, &jobs, &[]).expect("a run").run;
    assert_eq!((run.state, run.trigger), (RunState::Running, Trigger::Cron));
    assert_eq!(run.properties.as_slice(), [1, 2, 3, 4, 5]);
    assert!(run.whole);
    let states: Vec<&str> = run.parts.values().map(|part| part.state.as_str()).collect();
    assert_eq!(states, ["planned", "exporting", "planned"]);
    // Whoever is left out now was not asked for either.
    let jobs = [lost(1, 1, job("one", &[2, 3]))];
    let run = regained(&daily, &jobs, &[1]).expect("a run").run;
    assert_eq!(run.properties.as_slice(), [2, 3, 4, 5]);
    // A vendor that shows neither report nor format says nothing against it.
    let mut bare = job("two", &[3, 4]);
    (bare.report, bare.format) = (None, None);
    let run = regained(&daily, &[lost(2, 1, bare)], &[])
        .expect("a run")
        .run;
    assert_eq!(run.properties.len(), 5);
}

#[test]
fn jobs_that_do_not_fit_the_plan_make_a_run_of_what_they_asked_for() {
    let daily = schedule("daily", "0 12 * * *", 5);
    let changes: [&dyn Fn(&mut JobSeen); 5] = [
        &|job| job.report = Some(Report::Floorplans),
        &|job| job.format = Some(Format::Csv),
        &|job| job.window = Some(window("2026-10-01", "2026-11-01")),
        &|job| job.property_ids = vec![3, 5],
        &|job| job.property_ids = vec![7],
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut odd = job("two", &[3, 4]);
        change(&mut odd);
        // One that fits beside one that does not is no help.
        let other = lost(4, 1, job("four", &[50]));
        let run = regained(&daily, &[lost(2, 1, odd.clone()), other], &[]);
        let run = run.unwrap_or_else(|| panic!("{number}")).run;
        let mut all = odd.property_ids.clone();
        all.push(50);
        assert_eq!(*run.properties, all, "{number}");
        assert_eq!(run.parts.keys().copied().collect::<Vec<_>>(), [2, 4]);
        assert_eq!(
            (Some(run.terms.report), Some(run.terms.format)),
            (odd.report, odd.format)
        );
        assert_eq!(run.window, odd.window.expect("days").union(day()));
        assert!(!run.whole);
    }
    // Jobs of one part that asked for different things, or for what does not stand together.
    let two = lost(2, 1, job("two", &[30, 40]));
    let again = lost(2, 2, job("again", &[30]));
    assert!(regained(&daily, &[two, again], &[]).is_none());
    let wide = lost(1, 1, job("wide", &[30, 50]));
    let between = lost(2, 1, job("between", &[40]));
    assert!(regained(&daily, &[wide, between], &[]).is_none());
}

#[test]
fn a_lost_window_of_another_length_is_taken_from_the_jobs() {
    let daily = schedule("daily", "0 12 * * *", 2);
    let mut long = job("long", &[1, 2]);
    long.window = Some(window("2026-10-01", "2026-10-03"));
    let id: RunId = "daily.m20261101T000000000Z".parse().expect("a run's id");
    let (trigger, _) = id.origin().expect("ours");
    assert_eq!(trigger, Trigger::Manual);
    let mut lost = lost(1, 1, long);
    lost.attempt.run = id.clone();
    let regained = regain(&daily, &id, &[lost], &BTreeSet::new(), SETTLE, start());
    let run = regained.expect("a run").run;
    assert_eq!(run.window, window("2026-10-01", "2026-10-03"));
    assert_eq!((run.parts.len(), run.whole), (1, true));
}

#[test]
fn of_many_attempts_the_newest_goes_on_and_what_still_runs_beside_it_is_cancelled() {
    let daily = schedule("daily", "0 12 * * *", 2);
    let ended = |id: &str, status| JobSeen {
        status,
        ..job(id, &[1, 2])
    };
    let jobs = [
        lost(1, 3, ended("dead", JobStatus::Failed)),
        lost(1, 1, ended("first", JobStatus::Failed)),
        lost(1, 3, job("newest", &[1, 2])),
        lost(1, 2, job("older", &[1, 2])),
        lost(1, 3, job("second", &[1, 2])),
    ];
    let Regained { run, seen } = regained(&daily, &jobs, &[]).expect("a run");
    let part = &run.parts[&1];
    assert!(matches!(part.state, PartState::Exporting { .. }));
    let told = part.attempts.iter().map(|attempt| {
        let cancels = attempt.cancelling.iter().map(|order| order.job_id.as_str());
        let (job, ended) = (attempt.job_id.as_deref(), attempt.ended_at.is_some());
        (
            attempt.number,
            job,
            attempt.state,
            ended,
            cancels.collect::<Vec<_>>(),
        )
    });
    let told: Vec<_> = told.collect();
    let failed = AttemptState::Failed;
    assert_eq!(
        told,
        [
            (1, Some("first"), failed, true, vec![]),
            (2, Some("older"), failed, true, vec!["older"]),
            (
                3,
                Some("newest"),
                AttemptState::Exporting,
                false,
                vec!["second"]
            ),
        ]
    );
    let seen: Vec<_> = seen
        .iter()
        .map(|(part, number, job)| (*part, *number, &job.job_id[..]))
        .collect();
    assert_eq!(seen, [(1, 3, "newest")]);
}

#[test]
fn a_shell_stands_for_its_jobs_alone() {
    let mut first = job("one", &[1]);
    (first.report, first.format) = (None, None);
    let mut second = job("two", &[2]);
    second.window = Some(window("2026-10-30", "2026-10-30"));
    let jobs = [lost(1, 1, first), lost(2, 1, second)];
    let id = jobs[0].attempt.run.clone();
    let run = shell(&id, &jobs, SETTLE, start()).expect("a run");
    assert_eq!(
        (run.state, run.finished_at),
        (RunState::Cancelled, Some(start()))
    );
    assert_eq!(run.window, window("2026-10-30", "2026-11-01"));
    assert_eq!(
        (run.terms.report, run.terms.format),
        (Report::Property, Format::Csv)
    );
    assert_eq!(run.terms.deadline, Duration::from_secs(21_600));
    assert!(shell(&id, &[], SETTLE, start()).is_none());
}
