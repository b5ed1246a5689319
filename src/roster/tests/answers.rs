//! What an operator is told: the snapshot, a dry run, ids, one cell, how late data is.

use super::backfill::{backfill, order, september};
use super::cells::{day, name, window};
use super::exclusions::exclude;
use super::rules::pause;
use super::world::{Weather, World, schedule, start};
use crate::coverage::{CellState, Fate, Only};
use crate::roster::{Answer, Command, Lateness, ListName, Mark, Mode, ScheduleNow, Snapshot};
use crate::run::{NextPart, PartState, RunState, next_part};
use crate::schedule::{Freshness, Partition};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

fn snapshot(world: &mut World) -> Snapshot {
    match world.command(Command::Snapshot) {
        Ok(Answer::Snapshot(snapshot)) => *snapshot,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_trigger_is_answered_with_the_run_as_it_begins() {
    let mut world = World::new(
        1,
        Weather::default(),
        vec![schedule("daily", "0 0 1 1 *", 5)],
    );
    let mut trigger = |window, mode| {
        let command = Command::Trigger {
            schedule: name("daily"),
            window: Some(window),
            by: "test".into(),
            mode,
        };
        match world.command(command) {
            Ok(Answer::Run(run)) => (run.state, run.parts.len()),
            other => panic!("{other:?}"),
        }
    };
    let (first, second) = (window("2026-10-01", "2026-10-01"), september());
    assert_eq!(trigger(first, Mode::Act), (RunState::Running, 3));
    assert_eq!(trigger(second, Mode::Dry), (RunState::Queued, 0));
    assert_eq!(
        trigger(second, Mode::Act),
        (RunState::Queued, 0),
        "it waits its turn"
    );
}

fn minute(at: i64) -> DateTime<Utc> {
    start() + TimeDelta::minutes(at)
}

#[test]
fn a_snapshot_counts_what_the_store_holds_at_any_moment() {
    let weather = Weather {
        create_lost: 20,
        callback_lost: 50,
        job_fails: 20,
        fetch_breaks: 30,
        ..Weather::default()
    };
    let two = vec![
        schedule("hourly", "0 * * * *", 9),
        schedule("often", "*/20 * * * *", 5),
    ];
    let mut world = World::new(3, weather, two);
    let (mut held, mut done, mut waited, mut waits) = (0, 0, 0, 0);
    for at in (3_590..14_400).step_by(17) {
        world.run_until(start() + TimeDelta::seconds(at));
        let told = snapshot(&mut world);
        assert_eq!(told.at, world.now);
        let open: Vec<_> = told.open.iter().map(|open| open.run.id.clone()).collect();
        let states = world.kept.open.iter().map(|id| world.run(id));
        let live = states.filter(|run| !run.state.is_terminal());
        assert_eq!(open, live.map(|run| run.id).collect::<Vec<_>>());
        let due = world
            .roster
            .poll_deadline()
            .expect("something to wait for")
            .0;
        let mut holding = 0;
        for open in &told.open {
            let kept = world.run(&open.run.id);
            let fetched = |part: &&crate::run::Part| part.state == PartState::Fetched;
            let fetched = kept.live_parts().filter(fetched).count();
            assert_eq!(open.parts_done as usize, fetched);
            assert!(
                kept.deadline_at().is_none_or(|at| due <= at),
                "it sleeps through a deadline"
            );
            for part in kept.live_parts() {
                if let NextPart::WaitUntil(at) = next_part(&kept, part, None, world.now) {
                    assert!(due <= at, "it sleeps through {at}, until {due}");
                    waits += 1;
                }
            }
            let parts = kept.parts.values();
            holding += parts.filter(|part| part.state.holds_job()).count();
            done = done.max(fetched);
            waited += usize::from(kept.state == RunState::Queued);
        }
        assert_eq!(told.jobs_in_flight, holding);
        assert!(told.downloads <= 2, "{}", told.downloads);
        held = held.max(holding);
        for now in &told.schedules {
            assert_eq!(Some(&now.mark), world.kept.marks.get(&now.schedule.name));
            let (nominal, fires_at) = now.next.expect("a next fire");
            assert!(nominal > world.now && fires_at >= nominal);
        }
    }
    assert!(held == 4 && done > 2, "{held} {done}");
    assert!(waited > 0 && waits > 0, "{waited} {waits}");
}

#[test]
fn triggers_of_one_millisecond_or_of_a_clock_that_steps_back_have_ids_of_their_own() {
    let ids = ["a", "b", "c"];
    let all = ids.map(|id| schedule(id, "0 0 1 1 *", 2)).to_vec();
    let mut world = World::new(1, Weather::default(), all);
    let mut told = Vec::new();
    for id in ids {
        told.push(world.trigger(id).expect("it may"));
        world.now -= TimeDelta::seconds(1);
    }
    let instants = told.iter().map(|id| id.origin().expect("ours").1);
    let expected = [0, 1, 2].map(|more| start() + TimeDelta::milliseconds(more));
    assert_eq!(instants.collect::<Vec<_>>(), expected);
}

#[test]
fn what_one_backfill_leaves_to_the_next_is_counted_in_cells() {
    let mut daily = schedule("daily", "30 1 1 1 *", 3);
    daily.chunk.days = 2;
    let mut world = World::new(1, Weather::default(), vec![daily]);
    let asked = window("2023-11-24", "2026-08-23");
    let command = order(asked, Only::Missing, 1, Mode::Dry);
    let Ok(Answer::Backfill { runs, left, .. }) = world.command(command) else {
        panic!("no plan")
    };
    assert_eq!(runs.len(), 500);
    assert_eq!(left, 3 * (u64::from(asked.len()) - 1_000));
}

#[test]
fn whole_windows_are_asked_for_the_properties_that_lack_them() {
    let mut monthly = schedule("daily", "0 6 2 * *", 4);
    monthly.partition = Partition::Window;
    monthly.window = crate::schedule::WindowRule::PreviousMonth;
    let mut world = World::new(1, Weather::default(), vec![monthly]);
    exclude(&mut world, 1, Mode::Act);
    let runs = backfill(&mut world, september(), Only::Missing);
    let asked: Vec<_> = runs.iter().map(|run| run.properties.to_vec()).collect();
    assert_eq!(asked, [vec![2, 3, 4]]);
    assert_eq!(runs[0].property_count, 3);
}

/// The next fire that will export a day of a property of `daily`.
fn next_for(world: &mut World, date: &str) -> Option<DateTime<Utc>> {
    let command = Command::Cell {
        schedule: name("daily"),
        property: 1,
        day: day(date),
    };
    match world.command(command) {
        Ok(Answer::Cell(cell)) => {
            assert_eq!(cell.state, CellState::NotDue);
            assert!(cell.declared);
            cell.next
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_day_is_promised_only_by_a_fire_that_will_come_and_holds_it() {
    let daily = schedule("daily", "30 12 * * *", 2);
    let mut world = World::new(1, Weather::default(), vec![daily.clone()]);
    // It is 12:00 on the second: the next fire exports the first.
    assert_eq!(next_for(&mut world, "2026-11-01"), Some(minute(30)));
    assert_eq!(next_for(&mut world, "2026-11-02"), None, "not by that fire");
    world.command(pause("daily")).expect("paused");
    assert_eq!(next_for(&mut world, "2026-11-01"), None, "paused");
    let mut disabled = daily;
    disabled.enabled = false;
    let mut world = World::new(1, Weather::default(), vec![disabled]);
    assert_eq!(next_for(&mut world, "2026-11-01"), None, "disabled");
}

#[test]
fn a_part_that_was_given_up_fails_its_cells_and_no_others() {
    let mut seen = 0;
    for seed in 0..40 {
        let weather = Weather {
            job_fails: 60,
            ..Weather::default()
        };
        let mut hourly = schedule("hourly", "0 0 3 11 *", 6);
        hourly.retry.attempts = 1;
        let mut world = World::new(seed, weather, vec![hourly]);
        let id = world.trigger("hourly").expect("it may");
        world.run_until(minute(300));
        let run = world.run(&id);
        if run.state != RunState::Incomplete {
            continue;
        }
        seen += 1;
        let ledger = &world.kept.ledgers[&name("hourly")];
        for part in run.live_parts() {
            let expected = match part.state {
                PartState::Abandoned => Fate::Failed,
                _ => Fate::Landed,
            };
            for &property in part.properties(&run.properties) {
                let fate = ledger
                    .line(property)
                    .and_then(|line| line.at(part.window.from));
                assert_eq!(fate, Some(expected), "seed {seed}, {property}");
            }
        }
    }
    assert!(seen > 3, "{seen}");
}

#[test]
fn a_lists_name_is_stored_as_it_is_printed() {
    let list = ListName::of(&[1, 2, 3]);
    let text = list.to_string();
    assert_eq!(text.len(), 32);
    assert_eq!(json!(list), json!(text));
    assert_eq!(serde_json::from_value(json!(text)).ok(), Some(list));
    assert_ne!(list, ListName::of(&[1, 2]));
    for wrong in ["", "00", "g0000000000000000000000000000000", &text[1..]] {
        assert!(serde_json::from_value::<ListName>(json!(wrong)).is_err());
    }
}

#[test]
fn data_is_late_from_the_moment_its_limit_is_reached() {
    let hours = |count: u64| Duration::from_secs(count * 3_600);
    let mut daily = schedule("daily", "30 12 * * *", 2);
    let now = |declared: &crate::schedule::Schedule| ScheduleNow {
        schedule: Arc::new(declared.clone()),
        mark: Mark::new(start()),
        next: None,
    };
    assert_eq!(now(&daily).lateness(minute(99_999)), None);
    assert!(now(&daily).late_at().is_empty());
    daily.freshness = Some(Box::new(Freshness {
        warn_after: hours(26),
        error_after: hours(48),
    }));
    let now = now(&daily);
    assert_eq!(now.lateness(minute(26 * 60) - TimeDelta::seconds(1)), None);
    let (age, limit) = (hours(26), hours(26));
    assert_eq!(
        now.lateness(minute(26 * 60)),
        Some(Lateness::Warn { age, limit })
    );
    let (age, limit) = (hours(48), hours(48));
    assert_eq!(
        now.lateness(minute(48 * 60)),
        Some(Lateness::Error { age, limit })
    );
    assert_eq!(now.lateness(minute(-1)), None, "before it was first seen");
    assert_eq!(now.late_at(), [minute(26 * 60), minute(48 * 60)]);
}
