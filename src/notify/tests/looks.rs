//! What a look tells.

use super::super::decide::{look, next_look};
use super::super::heard::Fact;
use super::super::notice::Level;
use super::super::seen::Health;
use super::{World, a_run, at, channels, hours, shown};
use crate::roster::Paused;
use crate::run::{RunState, Trigger};
use crate::schedule::Freshness;
use chrono::TimeDelta;
use serde_json::json;
use std::time::Duration;

#[test]
fn a_failure_is_told_once_then_after_hours_and_its_end_once() {
    let mut world = World::new(&[("all", &["ops"])]);
    assert!(world.told().is_empty(), "nothing has happened");
    world.ends(RunState::Failed);
    assert_eq!(world.told(), ["failed→ops"]);
    for _ in 0..5 {
        world.after(hours(1)).ends(RunState::Failed);
        assert!(world.told().is_empty(), "the same state");
    }
    world.after(hours(1));
    let again = world.look();
    assert_eq!(shown(&again[0]), "failed→ops");
    assert_eq!(again[0].notice.repeat, 1);
    assert!(again[0].notice.text.contains("since 2026-11-22 12:00"));
    world.after(hours(1)).ends(RunState::Cancelled);
    assert!(world.told().is_empty(), "a cancelled run says nothing new");
    world.ends(RunState::Landed);
    assert_eq!(world.told(), ["recovered→ops"]);
    assert!(world.after(hours(24)).told().is_empty());
}

#[test]
fn another_state_is_another_notice_with_another_id() {
    let mut world = World::new(&[("failed", &["ops"])]);
    let mut ids = Vec::new();
    for state in [RunState::Failed, RunState::Incomplete, RunState::Failed] {
        world.after(hours(1)).ends(state);
        let told = world.look();
        assert_eq!(told.len(), 1, "{state:?}");
        ids.push(told[0].notice.id.clone());
    }
    ids.dedup();
    assert_eq!(ids.len(), 3, "{ids:?}");
    world.ends(RunState::Landed);
    assert!(world.told().is_empty(), "nobody asked for recoveries");
}

#[test]
fn a_restart_tells_nothing_twice_and_forgets_nothing() {
    let mut world = World::new(&[("all", &["ops"])]);
    world.ends(RunState::Failed);
    world.callbacks.silent_since = Some(world.now);
    world.health.callbacks_expected = true;
    assert_eq!(world.told(), ["failed→ops", "callbacks_silent→ops"]);
    world.restart();
    assert!(world.told().is_empty());
    world.ends(RunState::Landed);
    assert_eq!(world.told(), ["recovered→ops"]);
    world.restart();
    assert!(world.told().is_empty());
    world.callbacks.silent_since = None;
    assert_eq!(world.told(), ["callbacks_back→ops"]);
}

#[test]
fn data_grows_late_by_its_own_freshness_and_is_fresh_again() {
    let mut world = World::new(&[("late", &["ops"]), ("recovered", &["ops"])]);
    world.schedule.freshness = Some(Box::new(Freshness {
        warn_after: Duration::from_secs(26 * 3600),
        error_after: Duration::from_secs(36 * 3600),
    }));
    world.ends(RunState::Landed);
    let next = |world: &World| next_look(&world.memory, &world.seen());
    assert_eq!(next(&world), Some(at("2026-11-23T14:00:00Z")));
    world.after(hours(26) - TimeDelta::seconds(1));
    assert!(world.told().is_empty());
    world.after(TimeDelta::seconds(1));
    let late = world.look();
    assert_eq!(
        (shown(&late[0]).as_str(), late[0].notice.level),
        ("late→ops", Level::Warning)
    );
    world.after(hours(1));
    assert!(world.told().is_empty());
    assert_eq!(next(&world), Some(at("2026-11-23T20:00:00Z")), "the repeat");
    world.after(hours(9));
    let late = world.look();
    assert_eq!(
        (shown(&late[0]).as_str(), late[0].notice.level),
        ("late→ops", Level::Error)
    );
    world.ends(RunState::Landed);
    assert_eq!(world.told(), ["fresh_again→ops"]);
    world.mark.paused = Some(Box::new(Paused {
        since: world.now,
        reason: "r".to_owned(),
        by: "b".to_owned(),
    }));
    assert!(
        world.after(hours(100)).told().is_empty(),
        "nobody waits for a paused schedule"
    );
}

#[test]
fn beats_hear_of_each_run_and_readers_of_changes() {
    let mut world = World::new(&[("all", &["ops", "beat"])]);
    for _ in 0..2 {
        let run = Box::new(a_run(RunState::Failed, Trigger::Cron));
        world.hear(Fact::Started {
            schedule: run.schedule.clone(),
            run: run.id.clone(),
        });
        world.hear(Fact::Ended { run });
        world.ends(RunState::Failed);
    }
    assert_eq!(
        world.told(),
        [
            "started→beat",
            "failed→beat",
            "started→beat",
            "failed→beat",
            "failed→ops"
        ]
    );
    world.hear(Fact::Ended {
        run: Box::new(a_run(RunState::Landed, Trigger::Cron)),
    });
    world.ends(RunState::Landed);
    assert_eq!(world.told(), ["landed→beat,ops", "recovered→ops"]);
}

#[test]
fn each_word_of_the_table_reaches_whom_it_names() {
    let mut world = World::new(&[("failed", &["ops"]), ("landed", &["load", "nobody"])]);
    world.hear(Fact::Ended {
        run: Box::new(a_run(RunState::Landed, Trigger::Manual)),
    });
    world.health.credential_refused = true;
    world.health.quota = Some("the quota is spent".to_owned());
    world.health.reload_fault = Some("a.toml:1:1: no".to_owned());
    world.health.free_bytes = Some(1);
    assert_eq!(
        world.told(),
        [
            "landed→load",
            "credential_refused→ops",
            "quota_spent→ops",
            "reload_rejected→ops",
            "disk_low→ops",
        ]
    );
    world.health = Health::default();
    world.health.free_bytes = Some(2_100_000_000);
    assert_eq!(
        world.told(),
        ["credential_good→ops", "quota_free→ops", "reload_taken→ops"],
        "a little room is no relief yet"
    );
    world.health.free_bytes = Some(3_000_000_000);
    assert_eq!(world.told(), ["disk_free→ops"]);
}

#[test]
fn only_a_pasted_token_needs_somebody_before_it_ends() {
    let mut world = World::new(&[("all", &["ops"])]);
    world.health.credential_expires_at = Some(world.now + hours(8 * 24));
    world.health.credential_renews = true;
    assert!(world.told().is_empty());
    assert_eq!(next_look(&world.memory, &world.seen()), None);
    world.health.credential_renews = false;
    assert!(world.told().is_empty());
    let soon = world.now + hours(24);
    assert_eq!(next_look(&world.memory, &world.seen()), Some(soon));
    world.after(hours(25));
    assert_eq!(world.told(), ["credential_expiring→ops"]);
}

/// Whether they are silent is the roster's judgement; here it is only passed on, where somebody expects callbacks.
#[test]
fn callbacks_are_silent_and_back_as_the_roster_judges() {
    let mut world = World::new(&[("all", &["ops"])]);
    world.callbacks.silent_since = Some(world.now);
    assert!(world.told().is_empty(), "nobody expects any");
    world.health.callbacks_expected = true;
    let told = world.look();
    assert_eq!(shown(&told[0]), "callbacks_silent→ops");
    assert!(told[0].notice.text.contains("2026-11-22T12:00:00Z"));
    assert!(world.told().is_empty());
    world.callbacks.silent_since = None;
    assert_eq!(world.told(), ["callbacks_back→ops"]);
    assert!(world.told().is_empty());
}

#[test]
fn a_backfill_is_told_of_as_a_whole() {
    let mut world = World::new(&[("all", &["ops"])]);
    for state in [RunState::Failed, RunState::Incomplete] {
        let run = Box::new(a_run(state, Trigger::Backfill));
        world.hear(Fact::Ended { run });
    }
    let told = world.look();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(shown(&told[0]), "backfill_finished→ops");
    assert_eq!(told[0].notice.level, Level::Error);
    assert_eq!(told[0].notice.data["failed"], json!(1));
    assert!(world.told().is_empty());
}

#[test]
fn a_change_of_columns_is_told_and_old_news_is_not() {
    let mut world = World::new(&[("failed", &["ops"])]);
    let mut run = a_run(RunState::Landed, Trigger::Cron);
    run.checks = serde_json::from_value(json!([{
        "name": "schema", "status": "warn", "observed": {"added": ["new_column"]}, "expected": null,
    }]))
    .expect("a check");
    world.hear(Fact::Ended {
        run: Box::new(run.clone()),
    });
    let told = world.look();
    assert_eq!(shown(&told[0]), "schema_changed→ops");
    assert!(told[0].notice.text.contains("new_column"));
    world.hear(Fact::Ended { run: Box::new(run) });
    assert!(world.after(hours(25)).told().is_empty());
}

#[test]
fn what_is_gone_is_forgotten() {
    let mut world = World::new(&[("all", &["ops"])]);
    world.ends(RunState::Failed);
    assert_eq!(world.told().len(), 1);
    let mut seen = world.seen();
    seen.snapshot.schedules.clear();
    assert!(look(&mut world.memory, &[], &seen, &channels()).is_empty());
    assert!(world.memory.told.is_empty());
}
