//! Every fire ends in a decision that can be looked up, and what is declared can be changed while the daemon runs.

use crate::stage::{DAY, PATIENCE, Setup, Stage, list, text};
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::Instant;

/// Fires every second.
const OFTEN: (&str, &str) = ("cron", "\"* * * * * *\"");

/// Asks until the daemon's answer is as wanted; each question takes its time.
#[track_caller]
pub fn until(stage: &Stage, words: &[&str], wanted: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let answer = stage.verb(words).exits(0).json();
        if wanted(&answer) {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "never came: {answer:#}");
    }
}

/// What the events of this name say.
pub fn events(stage: &Stage, name: &str) -> Vec<Value> {
    let answer = stage.verb(&["events"]).exits(0);
    let documents = answer
        .stdout
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let all: Vec<Value> = documents
        .flat_map(|document: Value| match document["events"].as_array() {
            Some(events) => events.clone(),
            None => vec![document],
        })
        .collect();
    let wanted = all.into_iter().filter(|event| event["event"] == name);
    wanted.map(|event| event["detail"].clone()).collect()
}

#[track_caller]
fn skipped_for(stage: &Stage, reason: &str) -> Value {
    let words = ["runs", "--state", "skipped"];
    let found = |answer: &Value| {
        let runs = list(&answer["runs"]).iter();
        runs.filter(|run| run["reason"] == reason).count() > 0
    };
    let runs = until(stage, &words, found);
    let runs = list(&runs["runs"]).clone();
    let run = runs.into_iter().find(|run| run["reason"] == reason);
    let run = run.expect("it was found");
    let told = events(stage, "fire_skipped");
    assert!(
        told.iter().any(|event| event["reason"] == reason),
        "{told:#?}"
    );
    run
}

#[test]
fn fires_while_paused_are_skips_that_runs_events_and_why_tell() {
    let stage = Stage::set(Setup::default());
    stage.schedule("daily", &[("cron", "\"*/4 * * * * *\"")]);
    stage.start();
    stage
        .verb(&["pause", "daily", "--reason", "audit"])
        .exits(0);
    let run = skipped_for(&stage, "paused");
    let day = text(&run["window"]["from"]);
    let why = stage
        .verb(&["why", "daily", "99001416", &day])
        .exits(0)
        .json();
    // A fire before the pause may have landed the same day.
    let because = text(&why["because"]);
    assert!(
        because.contains("paused") || because.contains("landed"),
        "{because}"
    );
    stage.verb(&["resume", "daily"]).exits(0);
    let landed = |answer: &Value| {
        let after = |run: &&Value| run["trigger"] == "cron" && run["state"] == "landed";
        list(&answer["runs"]).iter().any(|run| after(&run))
    };
    until(&stage, &["runs"], landed);
    stage.stop();
}

#[test]
fn fires_of_a_disabled_schedule_and_overlapping_ones_are_skips_with_their_reason() {
    let stage = Stage::set(Setup::faults("hold"));
    stage.schedule("off", &[OFTEN, ("enabled", "false")]);
    stage.schedule("slow", &[OFTEN, ("overlap", "\"skip\"")]);
    stage.start();
    let run = skipped_for(&stage, "disabled");
    assert_eq!(run["schedule"], "off");
    let day = text(&run["window"]["from"]);
    let why = stage
        .verb(&["why", "off", "99001416", &day])
        .exits(0)
        .json();
    assert!(
        text(&why["because"]).ends_with("skipped: disabled"),
        "{why:#}"
    );
    assert_eq!(skipped_for(&stage, "overlap")["schedule"], "slow");
    stage.control(Method::POST, "/faults", "");
    stage.stop();
}

#[test]
fn a_signal_reloads_all_files_or_none() {
    let stage = Stage::running(Setup::default(), &[]);
    stage.schedule("second", &[]);
    stage.signal(Signal::HUP);
    let reloaded = |answer: &Value| list(&answer["schedules"]).len() == 2;
    until(&stage, &["status"], reloaded);
    let told = events(&stage, "reloaded");
    assert_eq!(told[0]["added"], json!(["second"]), "{told:#?}");
    stage.schedule("third", &[]);
    stage.schedule("broken", &[("cron", "\"0 0 30 2 *\"")]);
    stage.signal(Signal::HUP);
    let status = until(&stage, &["status"], |answer| {
        answer["config"]["ok"] == json!(false)
    });
    assert_eq!(list(&status["schedules"]).len(), 2, "nothing changed");
    let fault = &status["config"]["faults"][0];
    assert!(text(&fault["file"]).ends_with("broken.toml"), "{fault}");
    assert!(stage.log().contains("reload refused, nothing changed"));
    let metrics = stage.admin(Method::GET, "/metrics").text();
    assert!(metrics.contains("aptiqd_config_last_reload_successful 0"));
    assert_eq!(stage.admin(Method::POST, "/-/reload").status, 422);
    stage.stop();
}

#[test]
fn a_run_under_way_keeps_its_terms_and_a_changed_list_is_an_event() {
    let stage = Stage::running(Setup::faults("hold"), &[]);
    let run = stage.begin("daily", &DAY);
    stage.until("one job", |state| state["creates"] == json!(1));
    stage.schedule("daily", &[("properties", "{ ids = [99001416, 99009999] }")]);
    let reload = stage.verb(&["reload"]).exits(0).json();
    assert_eq!(reload["changed"], json!(["daily"]));
    let told = events(&stage, "roster_changed");
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0]["added"], json!([99009999]));
    assert_eq!(told[0]["removed"], json!([99001470, 99001471]));
    let shown = stage.show(&run);
    assert_eq!(
        shown["parts"][0]["property_ids"],
        json!([99001416, 99001470, 99001471])
    );
    stage.control(Method::POST, "/faults", "");
    stage.stop();
}

#[test]
fn properties_asked_at_fire_time_are_frozen_in_the_run_and_planned_from_then_on() {
    let stage = Stage::set(Setup::default());
    let subjects = "{ comp_sets = [11848667, 11848668], subjects_only = true }";
    stage.schedule(
        "sets",
        &[("properties", subjects), ("cron", "\"30 12 * * *\"")],
    );
    let plan = |stage: &Stage| stage.verb(&["plan", "sets", "--next", "1"]).exits(0).json();
    assert_eq!(plan(&stage)["fires"][0]["properties"], Value::Null);
    stage.start();
    let shown = stage.lands("sets", &DAY);
    assert_eq!(
        shown["parts"][0]["property_ids"],
        json!([99001416, 99001470])
    );
    let fire = plan(&stage)["fires"][0].clone();
    assert_eq!(
        (&fire["properties"], &fire["parts"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(fire["requests"], json!(3 + 2));
    stage
        .verb(&["properties", "exclude", "99001470", "--reason", "sold"])
        .exits(0);
    assert_eq!(plan(&stage)["fires"][0]["properties"], json!(1));
    stage.verb(&["pause", "sets", "--reason", "audit"]).exits(0);
    let said = stage.plain(&["plan", "sets"]).exits(0);
    assert!(said.stderr.contains("paused (audit)"), "{}", said.stderr);
    stage.stop();
}

#[test]
fn what_was_probably_not_meant_is_a_warning_and_no_fault() {
    let stage = Stage::set(Setup::default());
    stage.schedule("early", &[("cron", "\"0 6 * * *\"")]);
    stage.schedule(
        "twice",
        &[
            ("cron", "\"0 12 * * *\""),
            ("window", "\"last_3_days\""),
            ("partition", "\"window\""),
        ],
    );
    stage.schedule(
        "ahead",
        &[
            ("cron", "\"0 12 1 1 *\""),
            ("window", "{ from = \"2099-01-01\", to = \"2099-01-31\" }"),
            ("partition", "\"date\""),
        ],
    );
    let checked = stage.verb(&["check"]).exits(0);
    let report = json!({"schema": "aptiqd.check/1", "ok": true, "faults": []});
    assert_eq!(checked.json(), report);
    for (file, code) in [
        ("early.toml", "unfinished-day"),
        ("twice.toml", "overlapping-windows"),
        ("ahead.toml", "unfinished-day"),
    ] {
        let told = |line: &str| line.contains(file) && line.contains(code);
        assert!(
            checked.stderr.lines().any(told),
            "{file}: {}",
            checked.stderr
        );
    }
}

#[test]
fn a_deadline_ends_a_run_and_its_jobs_and_hangs_no_other() {
    let stage = Stage::set(Setup::faults("hold=1"));
    stage.schedule("slow", &[("deadline", "\"3s\"")]);
    stage.schedule("other", &[]);
    stage.start();
    let slow = stage.begin("slow", &DAY);
    stage.until("one job", |state| state["creates"] == json!(1));
    stage.lands("other", &DAY);
    let shown = stage.ended(&slow);
    assert_eq!(shown["run"]["state"], "failed", "{shown:#}");
    let reason = text(&shown["run"]["reason"]);
    assert!(reason.starts_with("deadline of 3s passed"), "{reason}");
    stage.until("its job is cancelled", |state| state["cancels"] == json!(1));
    stage.stop();
}

#[test]
fn a_newer_fire_cancels_the_run_before_it_where_that_is_wished() {
    let stage = Stage::set(Setup::faults("hold=1"));
    let keys = [
        ("cron", "\"*/3 * * * * *\""),
        ("overlap", "\"cancel_other\""),
    ];
    stage.schedule("daily", &keys);
    stage.start();
    let ended = |answer: &Value| {
        let runs = list(&answer["runs"]);
        let landed = runs.iter().any(|run| run["state"] == "landed");
        landed && runs.iter().any(|run| run["state"] == "cancelled")
    };
    let runs = until(&stage, &["runs"], ended);
    let cancelled = list(&runs["runs"])
        .iter()
        .find(|run| run["state"] == "cancelled");
    let reason = text(&cancelled.expect("it was found")["reason"]);
    assert!(reason.starts_with("superseded by the fire of "), "{reason}");
    stage.until("its job is cancelled", |state| {
        state["cancels"].as_u64() >= Some(1)
    });
    stage.stop();
}
