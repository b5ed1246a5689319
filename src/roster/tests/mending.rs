//! A state that is older than what was done, and what its files alone still tell.

use super::cells::{name, window};
use super::exclusions::exclude;
use super::kept::Kept;
use super::world::{Weather, World, schedule, start};
use crate::roster::{Cause, Grounds, Loaded, Mode};
use crate::run::{CellSpan, JobStatus, PublishedFile, Remains, Run, RunId, RunRemains, RunState};
use crate::schedule::{Format, Report};
use chrono::TimeDelta;
use std::collections::BTreeSet;

/// The store is put back to what it was, and says so.
fn put_back(world: &mut World, mut older: Kept) {
    older.put_in_doubt(Cause::Behind, world.now);
    world.kept = older;
    world.coming.clear();
    let now = world.now + TimeDelta::seconds(2);
    world.restart_at(now);
}

#[test]
fn jobs_that_an_older_state_is_about_to_ask_for_are_adopted() {
    let slow = Weather {
        callback_lost: 100,
        ..Weather::default()
    };
    let mut five = schedule("five", "0 0 1 1 *", 10);
    five.chunk.properties = 2;
    let mut world = World::new(5, slow, vec![five]);
    let run = world.trigger("five").expect("it may");
    // Four of five parts were asked for since; the fifth had no free place.
    let mut older = world.kept.clone();
    let parts: Vec<u32> = older.whole(&run).parts.keys().copied().collect();
    assert_eq!(parts.len(), 5);
    for part in older.parts.values_mut() {
        part.state = crate::run::PartState::Planned;
        part.attempts.clear();
    }
    world.run_until(start() + TimeDelta::seconds(5));
    let asked = world.jobs.len();
    assert_eq!(asked, 4);
    put_back(&mut world, older);
    world.run_until(start() + TimeDelta::hours(2));
    assert_eq!(world.jobs.len(), 5, "none is asked for twice");
    assert!(world.submits.values().all(|sent| *sent == 1));
    let told: Vec<&String> = world
        .log
        .iter()
        .filter(|line| line.contains("\"reconciled\""))
        .collect();
    assert_eq!(told.len(), 1);
    assert!(
        told[0].replace(' ', "").contains("\"adopted\":4"),
        "{told:?}"
    );
    assert_eq!(world.run(&run).state, RunState::Landed);
}

#[test]
fn a_state_that_lost_a_run_takes_it_up_as_it_was_planned() {
    for asked in 1..=4 {
        let mut world = World::with_limits(
            5,
            Weather::default(),
            vec![schedule("five", "0 0 1 1 *", 10)],
            crate::roster::Limits {
                open_jobs_max: asked,
                ..super::world::limits()
            },
        );
        let older = world.kept.clone();
        let run = world.trigger("five").expect("it may");
        assert_eq!(world.jobs.len(), asked);
        put_back(&mut world, older);
        world.run_until(start() + TimeDelta::hours(3));
        let regained = world.run(&run);
        assert_eq!(regained.state, RunState::Landed, "{asked}");
        assert_eq!(
            regained.properties.len(),
            10,
            "those too that had no job yet"
        );
        assert_eq!(world.jobs.len(), 5);
        assert_eq!(world.happened.get("run_regained"), Some(&1));
    }
}

#[test]
fn a_lost_run_without_the_property_left_out_is_taken_up_without_it() {
    let mut world = World::new(
        5,
        Weather::default(),
        vec![schedule("five", "0 0 1 1 *", 3)],
    );
    exclude(&mut world, 2, Mode::Act);
    let older = world.kept.clone();
    let run = world.trigger("five").expect("it may");
    put_back(&mut world, older);
    world.run_until(start() + TimeDelta::hours(1));
    assert_eq!(world.run(&run).properties.as_slice(), [1, 3]);
    assert_eq!(world.run(&run).state, RunState::Landed);
}

#[test]
fn what_has_landed_is_not_taken_up_again_however_young_its_job_is() {
    let mut world = World::new(
        5,
        Weather::default(),
        vec![schedule("five", "0 0 1 1 *", 2)],
    );
    let nothing = world.kept.clone();
    let run = world.trigger("five").expect("it may");
    world.run_until(start() + TimeDelta::minutes(30));
    assert_eq!(world.run(&run).state, RunState::Landed);
    assert_eq!(world.jobs[0].seen.status, JobStatus::Succeeded);
    // The run is forgotten, its cells are not.
    let mut older = nothing;
    older.ledgers = world.kept.ledgers.clone();
    put_back(&mut world, older);
    world.run_until(start() + TimeDelta::hours(2));
    assert!(world.kept.runs.is_empty(), "{:?}", world.kept.runs);
    assert_eq!(world.published.values().copied().sum::<u32>(), 1);
}

#[test]
fn a_lookup_reads_the_list_back_to_half_an_hour_before_the_create() {
    let weather = Weather {
        create_lost: 100,
        create_vanishes: 100,
        ..Weather::default()
    };
    let mut world = World::new(5, weather, vec![schedule("one", "0 0 1 1 *", 1)]);
    world.run_until(start() + TimeDelta::minutes(1));
    assert_eq!(world.listed_back_to, None, "nothing is looked for");
    world.trigger("one").expect("it may");
    world.run_until(start() + TimeDelta::minutes(3));
    let begun = start() + TimeDelta::minutes(1);
    assert_eq!(world.listed_back_to, Some(begun - TimeDelta::minutes(30)));
}

fn restored(rows: u64, absent: u64) -> Run {
    let id: RunId = "five.20261101T060000Z".parse().expect("an id");
    let days = window("2026-10-31", "2026-10-31");
    let file = PublishedFile {
        path: "data".into(),
        bytes: 10 * rows,
        sha256: "00".into(),
        rows,
        generation: 1,
    };
    let span = |property| CellSpan {
        property,
        from: days.from,
        to: days.to,
    };
    let remains = Remains {
        schedule: name("five"),
        landed: vec![span(1)],
        empty: Vec::new(),
        missing: vec![span(2)],
        columns: Vec::new(),
        runs: vec![RunRemains {
            id: id.clone(),
            window: days,
            report: Report::Property,
            format: Format::Csv,
            landed_at: start(),
            files: vec![file.clone(), file],
            checks: Vec::new(),
            properties: vec![1, 2],
            jobs: Vec::new(),
            present: 2 - absent.min(2),
            absent,
            through: None,
        }],
    };
    let grounds = Grounds {
        loaded: &Loaded::default(),
        known: &BTreeSet::new(),
        schedules: &[],
        submit_settle: std::time::Duration::from_secs(600),
        now: start(),
    };
    let mut kept = Kept::default();
    for saved in grounds.restore(&remains).saved {
        kept.keep(saved);
    }
    kept.runs[&id].clone()
}

#[test]
fn manifests_tell_how_a_run_ended() {
    let run = restored(7, 0);
    assert_eq!((run.state, run.reason), (RunState::Landed, None));
    assert_eq!((run.rows, run.bytes), (14, 140));
    assert_eq!((run.cells.landed, run.cells.missing), (2, 0));
    assert_eq!(run.finished_at, Some(start()));
    for (rows, absent, reason) in [
        (7, 1, "1 property-day is in no file"),
        (7, 2, "2 property-days are in no file"),
        (0, 1, "its manifests hold no rows"),
    ] {
        let run = restored(rows, absent);
        assert_eq!(run.state, RunState::Incomplete);
        assert_eq!(run.reason.as_deref(), Some(reason));
    }
}

/// Only rows that cannot be told apart make a backfill ask for all properties; a full disk does not.
#[test]
fn a_publish_that_breaks_for_another_reason_widens_nothing() {
    let september = super::backfill::september();
    let fill = |world: &mut World| {
        super::backfill::backfill(world, september, crate::coverage::Only::Missing)
    };
    let of = |properties| vec![schedule("daily", "30 1 1 1 *", properties)];
    let mut world = World::new(1, Weather::default(), of(2));
    fill(&mut world);
    world.run_until(start() + TimeDelta::hours(6));
    world.schedules = of(4);
    let now = world.now;
    world.restart_at(now);
    world.weather.publish_breaks = 100;
    let runs = fill(&mut world);
    assert!(
        runs.iter()
            .all(|run| *run.properties == [3, 4] && !run.whole)
    );
    world.run_until(now + TimeDelta::hours(1));
    assert!(world.happened.contains_key("publish_broken"));
    assert!(!world.happened.contains_key("widened"));
    world.weather.publish_breaks = 0;
    world.run_until(now + TimeDelta::hours(6));
    for run in runs {
        assert_eq!(world.run(&run.id).state, RunState::Landed);
    }
}
