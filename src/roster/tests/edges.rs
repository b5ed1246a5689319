//! Where a number or a rule turns over: one step before it, one behind.

use super::cells::name;
use super::world::{Weather, World, limits, schedule, start};
use crate::roster::catch_up::undecided;
use crate::roster::due::{due_by_fires, fire_windows};
use crate::roster::reconcile::Reconciliation;
use crate::roster::{Answer, Command, Grounds, Input, Loaded, Mark, Mode, Refusal, Report, Roster};
use crate::run::{Fault, FaultClass, Quarantine, Remains, Retrial, Run, RunState};
use crate::schedule::{Schedule, Window};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeSet;

pub(super) fn seconds(count: i64) -> DateTime<Utc> {
    start() + TimeDelta::seconds(count)
}

/// How many of the fires since `start` are summed up, and the first and the last of the others.
fn decided(count: i64) -> (serde_json::Value, i64, i64) {
    let every = schedule("every", "* * * * * *", 1);
    let undecided = undecided(&every, &Mark::new(start()), seconds(count));
    let of = |at: Option<&DateTime<Utc>>| (*at.expect("a fire") - start()).num_seconds();
    let (first, last) = (undecided.fires.first(), undecided.fires.last());
    let told = undecided.older.map(|older| older.body());
    (told.unwrap_or_default(), of(first), of(last))
}

#[test]
fn an_absence_of_any_length_is_decided_to_its_end() {
    assert_eq!(decided(10_000), (serde_json::Value::Null, 1, 10_000));
    let told = |count: i64| {
        let (told, first, last) = decided(count);
        assert_eq!(told["from"], serde_json::json!(seconds(1)));
        assert_eq!(told["to"], serde_json::json!(seconds(first)));
        (told["count"].as_i64(), first, last)
    };
    assert_eq!(told(10_001), (Some(1), 2, 10_001));
    assert_eq!(told(99_999), (Some(89_999), 90_000, 99_999));
    // So many that they are not walked over, nor counted.
    assert_eq!(told(400_000), (None, 390_001, 400_000));
}

#[test]
fn days_are_due_for_as_far_back_as_fires_can_have_asked() {
    let daily = schedule("daily", "30 12 * * *", 1);
    let from = "2000-01-01".parse().expect("a day");
    let windows = fire_windows(&daily, from, start());
    assert_eq!(windows.first(), Some(&Window::day(from)));
    // It is the second, before the fire.
    let last = "2026-10-31".parse().expect("a day");
    assert_eq!(windows.last(), Some(&Window::day(last)));
    let due = due_by_fires(&daily, from, start());
    assert!(due.contains(from) && due.contains(last) && !due.contains(start().date_naive()));
}

/// The turns that decide what is due one hour after the start.
fn turns(schedules: Vec<Schedule>) -> usize {
    let mut world = World::new(4, Weather::default(), schedules);
    world.now = start() + TimeDelta::hours(1);
    let mut turns = 0;
    while world
        .roster
        .poll_deadline()
        .is_some_and(|(_, why)| why == "a fire")
    {
        let turn = world.roster.handle(Vec::new(), world.now);
        world.take(turn);
        turns += 1;
        if world.kept.runs.len() == world.schedules.len() {
            return turns;
        }
    }
    panic!("{turns} turns decide {} fires", world.kept.runs.len());
}

#[test]
fn a_turn_takes_as_many_fires_as_a_commit_takes() {
    let made = |count: usize, properties: i64| {
        let name = |number| format!("s{number:04}");
        let one = |number| {
            let mut one = schedule(&name(number), "0 13 2 11 *", properties);
            one.chunk.properties = 1;
            one
        };
        (0..count).map(one).collect::<Vec<_>>()
    };
    assert_eq!(turns(made(2_000, 1)), 1, "light ones go together");
    // 16 MiB at 1,020,000 bytes and two records each.
    assert_eq!(turns(made(40, 2_000)), 3);
}

#[test]
fn a_thousand_new_schedules_are_named_and_more_are_counted() {
    for (count, told) in [(1_000, 1_000), (1_001, 1), (1_002, 1)] {
        let many = (0..count).map(|number| schedule(&format!("s{number:04}"), "0 0 1 1 *", 1));
        let world = World::new(1, Weather::default(), many.collect());
        let events = world.log.iter().filter(|line| line.contains("first_seen"));
        assert_eq!(events.count(), told, "{count}");
    }
}

#[test]
fn whether_files_name_their_days_is_remembered_both_ways() {
    let mut world = World::new(
        1,
        Weather::default(),
        vec![schedule("daily", "30 12 * * *", 1)],
    );
    let id = world.trigger("daily").expect("triggered");
    for (told, one_day_parts) in [
        (None, false),
        (Some(true), false),
        (Some(false), true),
        (None, true),
        (Some(false), true),
        (Some(true), false),
    ] {
        world.roster.note_named_days(&id, told);
        let turn = world.roster.handle(Vec::new(), world.now);
        world.take(turn);
        let mark = &world.kept.marks[&name("daily")];
        assert_eq!(mark.one_day_parts, one_day_parts, "{told:?}");
    }
}

#[test]
fn manifests_without_a_column_of_dates_tell_that_parts_are_one_day_long() {
    for (columns, one_day_parts) in [
        (vec![], false),
        (vec!["id".to_owned(), "rent".to_owned()], true),
        (
            vec!["id".to_owned(), "report_generation_date".to_owned()],
            false,
        ),
    ] {
        let remains = Remains {
            columns,
            schedule: name("daily"),
            landed: Vec::new(),
            empty: Vec::new(),
            missing: Vec::new(),
            runs: Vec::new(),
        };
        let restored = |schedules: &[Schedule]| {
            let grounds = Grounds {
                loaded: &Loaded::default(),
                known: &BTreeSet::new(),
                schedules,
                submit_settle: limits().submit_settle,
                now: start(),
            };
            let mut kept = super::kept::Kept::default();
            for saved in grounds.restore(&remains).saved {
                kept.keep(saved);
            }
            kept.marks[&name("daily")].clone()
        };
        let mark = restored(&[schedule("daily", "30 12 * * *", 1)]);
        assert_eq!((mark.one_day_parts, mark.removed_at), (one_day_parts, None));
        let gone = restored(&[]);
        assert_eq!(
            (gone.one_day_parts, gone.removed_at),
            (false, Some(start()))
        );
    }
}

fn retried(run: &Run, what: Retrial) -> Result<(), String> {
    let (mut roster, _) = Roster::load(limits(), Loaded::default(), Vec::new(), start());
    let command = Command::Retry {
        run: Box::new(run.clone()),
        what,
        by: "test".into(),
        mode: Mode::Dry,
    };
    let turn = roster.handle(vec![Input::Command(1, command)], start());
    match &turn.answers[0].1 {
        Ok(Answer::Run(_)) => Ok(()),
        Ok(other) => panic!("{other:?}"),
        Err(Refusal::Conflict { message, .. }) => Err(message.clone()),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn what_may_be_tried_again() {
    let weather = Weather {
        job_fails: 100,
        ..Weather::default()
    };
    let mut one = schedule("one", "0 0 1 1 *", 1);
    one.retry.attempts = 1;
    let mut world = World::new(1, weather, vec![one]);
    let id = world.trigger("one").expect("triggered");
    world.run_until(start() + TimeDelta::hours(1));
    let failed = world.run(&id);
    assert_eq!(failed.state, RunState::Failed);
    let mut kept = failed.clone();
    kept.quarantine = Some(Quarantine::Kept);
    let mut unfit = kept.clone();
    for part in unfit.parts.values_mut() {
        part.state = crate::run::PartState::Fetched;
    }
    let mut untold = unfit.clone();
    untold.quarantine = None;
    let mut landed = untold.clone();
    landed.state = RunState::Landed;
    for (what, run, parts, accept) in [
        ("failed parts", &failed, true, false),
        ("failed parts and files in quarantine", &kept, true, true),
        ("files in quarantine", &unfit, false, true),
        ("neither", &untold, true, false),
        ("landed", &landed, false, false),
    ] {
        assert_eq!(retried(run, Retrial::Parts).is_ok(), parts, "{what}");
        assert_eq!(retried(run, Retrial::Accept).is_ok(), accept, "{what}");
    }
    let told = retried(&unfit, Retrial::Parts).expect_err("refused");
    assert!(
        told.contains(&format!("aptiqd retry {id} --accept")),
        "{told}"
    );
}

#[test]
fn a_callback_that_changes_nothing_is_an_event_once_an_hour() {
    let mut world = World::new(1, Weather::default(), Vec::new());
    let mut told = |after: i64| {
        let input = Input::Callback {
            attempt: "gone.20261101T000000Z.p1.a1".parse().expect("an attempt"),
            count: 2,
        };
        let turn = world.roster.handle(vec![input], seconds(after));
        let [entry] = &turn.entries[..] else {
            panic!("{:?}", turn.entries)
        };
        entry.body["event"].as_str().expect("a name").to_owned()
    };
    assert_eq!(told(0), "callback_heard");
    assert_eq!(told(3_599), "callbacks_repeated");
    assert_eq!(told(3_600), "callback_heard");
    assert_eq!(told(3_601), "callbacks_repeated");
    // A clock that went back far enough makes it one again.
    assert_eq!(told(-1), "callback_heard");
}

/// What becomes of the order to cancel a job, by what the errand brought.
fn ordered(class: FaultClass) -> (Option<String>, bool) {
    let mut world = World::new(1, Weather::default(), vec![schedule("one", "0 0 1 1 *", 1)]);
    let id = world.trigger("one").expect("triggered");
    world.run_until(seconds(2));
    world.cancel(&id).expect("cancelled");
    world.coming.clear();
    let attempt = crate::run::AttemptId {
        run: id.clone(),
        part: 1,
        number: 1,
    };
    let report = Report::Cancelled {
        attempt,
        job_id: "job-0".into(),
        outcome: Err(Fault::new(class, "words")),
    };
    let turn = world.roster.handle(vec![Input::Report(report)], world.now);
    world.take(turn);
    let order = world.run(&id).parts[&1].attempts[0].cancelling[0].clone();
    (order.outcome, world.kept.open.contains(&id))
}

#[test]
fn a_cancel_that_broke_is_tried_again_and_one_that_finds_nothing_is_not() {
    for class in [FaultClass::Gone, FaultClass::Invalid] {
        assert_eq!(
            ordered(class),
            (Some("words".to_owned()), false),
            "{class:?}"
        );
    }
    for class in [
        FaultClass::Unanswered,
        FaultClass::Throttled,
        FaultClass::Unreachable,
    ] {
        assert_eq!(ordered(class), (None, true), "{class:?}");
    }
}

/// Nothing new is begun until the hold is over, to the second.
#[test]
fn a_state_in_doubt_holds_for_ten_minutes_and_no_longer() {
    let doubt = crate::roster::Doubt {
        cause: crate::roster::Cause::Rebuilt,
        since: start(),
        manifests_read: true,
    };
    let mut state = Reconciliation::begin(Some(doubt), start());
    assert!(state.is_due(start()) && !state.is_due(seconds(-1)));
    assert!(state.holds(seconds(599)) && !state.holds(seconds(600)));
    assert_eq!(
        state.held_for(seconds(599)),
        Some(crate::roster::Cause::Rebuilt)
    );
    assert_eq!(state.held_for(seconds(600)), None);
    // A clock that goes back makes it no longer; one that went on takes nothing away.
    state.look_again(seconds(-3_600));
    assert_eq!(state.due_at(), seconds(-3_600));
    assert!(state.holds(seconds(-3_001)) && !state.holds(seconds(-3_000)));
    state.look_again(seconds(-3_300));
    assert!(state.holds(seconds(-3_001)) && !state.holds(seconds(-3_000)));
    let sure = Reconciliation::begin(None, start());
    assert!(!sure.holds(start()) && !sure.is_in_doubt());
}

/// Fires that come in heaps: where the walk over them is cut short, the last ten thousand are decided all the same.
#[test]
fn an_absence_over_heaps_of_fires_is_decided_to_its_end() {
    let heaps = schedule("heaps", "* * 8 * * *", 1);
    let undecided = undecided(
        &heaps,
        &Mark::new(start()),
        seconds(120 * 86_400 - 5 * 3_600),
    );
    assert_eq!(undecided.fires.len(), 10_000);
    // As many as there were in the last three mornings.
    assert!(undecided.fires[0] > seconds(117 * 86_400 - 5 * 3_600));
    assert!(undecided.older.is_some());
}

/// An address that no key proves is good enough to fetch a result, not to cancel a job.
#[test]
fn what_is_not_proven_to_be_ours_is_not_cancelled() {
    for (number, proven) in [(1, false), (2, false), (1, true), (2, true)] {
        let one = schedule("one", "0 0 1 1 *", 1);
        let mut world = World::new(1, Weather::default(), vec![one]);
        let id = world.trigger("one").expect("triggered");
        world.run_until(seconds(2));
        world
            .kept
            .put_in_doubt(crate::roster::Cause::Rebuilt, world.now);
        world.restart_at(seconds(3));
        world.coming.clear();
        let attempt = crate::run::AttemptId {
            run: id.clone(),
            part: 1,
            number,
        };
        let mut strange = world.jobs[0].seen.clone();
        strange.job_id = "strange".into();
        let listed = crate::roster::Listed {
            jobs: vec![(strange, proven.then(|| attempt.clone()))],
            whole: true,
            unproven: [("strange".to_owned(), attempt)].into_iter().collect(),
            ahead: None,
        };
        let report = Report::Listed {
            asked_at: world.now,
            outcome: Ok(listed),
        };
        let turn = world.roster.handle(vec![Input::Report(report)], world.now);
        let cancels = |effect: &crate::roster::Effect| matches!(effect, crate::roster::Effect::CancelJob { job_id, .. } if job_id == "strange");
        assert_eq!(turn.effects.iter().any(cancels), proven, "attempt {number}");
    }
}
