//! `events` says who did what: by the kernel's word over the Unix socket, `tcp` over the listener, `signal` by a signal.

use crate::stage::{DAY, Setup, Stage, list};
use reqwest::Method;
use rustix::process::getuid;
use serde_json::{Value, json};

fn named(events: &[Value], name: &str) -> Vec<Value> {
    let found = events.iter().filter(|event| event["event"] == name);
    found.map(|event| event["detail"]["by"].clone()).collect()
}

#[test]
fn the_audit_trail_names_who_acted() {
    let stage = Stage::running(Setup::faults("hold"), &[]);
    let uid = format!("uid {}", getuid().as_raw());
    let run = stage.begin("daily", &DAY);
    stage
        .verb(&["pause", "daily", "--reason", "night"])
        .exits(0);
    stage.verb(&["resume", "daily"]).exits(0);
    stage.verb(&["reload"]).exits(0);
    stage.admin(Method::POST, "/-/reload");
    stage.verb(&["cancel", &run]).exits(0);
    let document = stage.verb(&["events"]).exits(0).json();
    let events = list(&document["events"]);
    for name in ["triggered", "paused", "resumed"] {
        assert_eq!(named(events, name), [json!(uid)], "{name}: {document:#}");
    }
    assert_eq!(named(events, "reloaded"), [json!(uid), json!("tcp")]);
    let ended = events.iter().find(|event| event["event"] == "run_ended");
    let ended = ended.unwrap_or_else(|| panic!("{document:#}"));
    assert_eq!(ended["detail"]["state"], "cancelled");
    assert_eq!(
        ended["detail"]["reason"],
        json!(format!("cancelled by {uid}"))
    );
    // One line a change of state, with what it is about.
    let log = stage.log();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = lines.into_iter().find(|line| line["event"] == "run_ended");
    let line = line.unwrap_or_else(|| panic!("{log}"));
    assert_eq!(
        (&line["run"], &line["schedule"]),
        (&json!(run), &json!("daily"))
    );
    assert_eq!(line["level"], "INFO");
    stage.stop();
}
