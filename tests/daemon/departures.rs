//! The vendor departs from what it documents, or from what it said before: seen, told once, believed never.

use crate::stage::{DAY, Setup, Stage, list, text};
use reqwest::Method;
use serde_json::{Value, json};

fn count(stage: &Stage, name: &str) -> usize {
    let events = stage.verb(&["events"]).exits(0).stdout;
    events.matches(&format!("\"event\":\"{name}\"")).count()
}

#[test]
fn an_unknown_field_is_one_event_however_often_it_comes() {
    let stage = Stage::running(Setup::faults("new-field"), &[]);
    stage.lands("daily", &DAY);
    stage.lands("daily", &DAY);
    assert_eq!(count(&stage, "contract_drift"), 1);
    stage.stop();
    stage.start();
    stage.lands("daily", &DAY);
    assert_eq!(count(&stage, "contract_drift"), 1, "also after a restart");
    stage.stop();
}

#[test]
fn a_job_that_takes_its_end_back_changes_nothing() {
    let stage = Stage::running(Setup::faults("flips"), &[]);
    let run = text(&stage.lands("daily", &DAY)["run"]["id"]);
    stage.stop();
    let lists = stage.state()["requests"]["list"].clone();
    // A start reads the list, in which the job is alive again.
    stage.start();
    stage.until("a list", |state| state["requests"]["list"] != lists);
    stage.lands("daily", &["--from", "2026-11-02", "--to", "2026-11-02"]);
    let state = stage.state();
    assert_eq!(
        state["requests"].get("cancel"),
        None,
        "{}",
        state["requests"]
    );
    assert_eq!(state["creates"], json!(2));
    assert_eq!(stage.show(&run)["run"]["state"], "landed");
    stage.stop();
}

#[test]
fn an_unanswered_create_is_found_though_the_vendor_echoes_no_address() {
    let stage = Stage::running(Setup::faults("lost-create-reply,no-echo"), &[]);
    let shown = stage.lands("daily", &DAY);
    assert_eq!(stage.state()["creates"], json!(1));
    let attempts = list(&shown["parts"][0]["attempts"]);
    assert_eq!(attempts.len(), 1, "{attempts:#?}");
    stage.stop();
}

/// No job shows whose it is: the first run's, for the very same, is minutes or moments old.
#[test]
fn an_unanswered_create_does_not_take_the_job_that_an_earlier_run_has_had() {
    for setup in [
        Setup::faults("no-echo"),
        Setup::default().without_callbacks(),
    ] {
        let stage = Stage::running(setup, &[]);
        let job = |shown: &Value| {
            let attempts = list(&shown["parts"][0]["attempts"]).clone();
            text(&attempts.last().expect("an attempt")["job_id"])
        };
        let first = job(&stage.lands("daily", &DAY));
        stage.control(Method::POST, "/faults", "no-echo,5xx");
        let second = job(&stage.lands("daily", &DAY));
        assert_ne!(first, second);
        assert_eq!(stage.state()["creates"], json!(2));
        stage.stop();
    }
}

#[test]
fn callbacks_that_stop_are_told_of_and_so_is_their_return() {
    let keys = [("chunk", "{ properties = 1, days = 31 }")];
    let stage = Stage::running(Setup::faults("lost-callback"), &keys);
    stage.lands("daily", &DAY);
    // The last one may still be on its way for some seconds.
    stage.happens("callbacks_silent");
    let status = stage.verb(&["status"]).exits(0).json();
    assert_ne!(status["callbacks"]["silent_since"], Value::Null);
    assert_eq!(status["callbacks"]["last_heard_at"], Value::Null);
    assert_eq!(status["callbacks"]["share"], json!(0.0));
    let subjects: Vec<String> = list(&status["attention"])
        .iter()
        .map(|line| text(&line["subject"]))
        .collect();
    assert!(subjects.contains(&"callbacks".to_owned()), "{subjects:?}");
    stage.control(Method::POST, "/faults", "");
    stage.lands("daily", &["--from", "2026-11-02", "--to", "2026-11-02"]);
    stage.happens("callbacks_back");
    let status = stage.verb(&["status"]).exits(0).json();
    assert_eq!(status["callbacks"]["silent_since"], Value::Null);
    assert_ne!(status["callbacks"]["last_heard_at"], Value::Null);
    assert_ne!(status["callbacks"]["lead_seconds"], Value::Null);
    assert_eq!(count(&stage, "callbacks_silent"), 1);
    stage.stop();
}
