//! Each verb against a running daemon, or without one: what it does and how it exits.

use crate::stage::{DAY, Setup, Stage, list, text};
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

#[test]
fn verbs_without_a_daemon_exit_69() {
    let stage = Stage::set(Setup::default());
    stage.schedule("daily", &[]);
    let verbs: [&[&str]; 9] = [
        &["status"],
        &["runs"],
        &["show", "daily.20261101T000000Z"],
        &["events"],
        &["trigger", "daily"],
        &["cancel", "daily.20261101T000000Z"],
        &["pause", "daily", "--reason", "r"],
        &["resume", "daily"],
        &["reload"],
    ];
    for words in verbs {
        let answer = stage.verb(words).exits(69);
        let error = answer.error();
        assert_eq!(error["code"], "unreachable", "{words:?}");
        assert_eq!(error["retryable"], json!(true));
        assert!(!text(&error["message"]).is_empty() && !text(&error["help"]).is_empty());
        assert_eq!(answer.stdout, "");
    }
}

#[test]
fn what_does_not_exist_exits_4() {
    let stage = Stage::running(Setup::default(), &[]);
    let unknown: [&[&str]; 6] = [
        &["trigger", "nightly"],
        &["pause", "nightly", "--reason", "r"],
        &["resume", "nightly"],
        &["plan", "nightly"],
        &["show", "daily.20200101T000000Z"],
        &["cancel", "daily.20200101T000000Z"],
    ];
    for words in unknown {
        let answer = stage.verb(words).exits(4);
        let code = text(&answer.error()["code"]);
        let what = if words[1] == "nightly" {
            "unknown_schedule"
        } else {
            "unknown_run"
        };
        assert_eq!(code, what, "{words:?}");
    }
    stage.stop();
}

#[test]
fn a_command_line_outside_the_contract_exits_2() {
    let stage = Stage::set(Setup::default());
    stage.schedule("daily", &[]);
    let wrong: [&[&str]; 6] = [
        &["sing"],
        &["show"],
        &["trigger", "daily", "--from", "2026-11-01"],
        &[
            "trigger",
            "daily",
            "--from",
            "2026-11-02",
            "--to",
            "2026-11-01",
        ],
        &["runs", "--state", "asleep"],
        &["plan", "--from", "soon", "--to", "later"],
    ];
    for words in wrong {
        let answer = stage.verb(words).exits(2);
        assert_eq!(answer.error()["code"], "usage", "{words:?}");
    }
    let mut command = stage.binary();
    command.arg("--version");
    let version = stage.answer(command).exits(0).stdout;
    assert_eq!(
        version.trim(),
        concat!("aptiqd ", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn config_may_stand_before_or_after_the_verb_or_in_the_environment() {
    let stage = Stage::running(Setup::default(), &[]);
    let path = stage.path("aptiqd.toml");
    let mut before = stage.binary();
    before.arg("--config").arg(&path).args(["runs", "--json"]);
    let mut after = stage.binary();
    after.args(["runs", "--json", "--config"]).arg(&path);
    let mut variable = stage.binary();
    variable
        .args(["runs", "--json"])
        .env("APTIQD_CONFIG", &path)
        .current_dir("/");
    let mut folder = stage.binary();
    folder.args(["runs", "--json"]).current_dir(stage.path("."));
    for command in [before, after, variable, folder] {
        assert_eq!(stage.answer(command).exits(0).json()["runs"], json!([]));
    }
    stage.stop();
}

#[test]
fn conflicts_exit_5() {
    let stage = Stage::running(Setup::faults("hold"), &[]);
    stage.begin("daily", &DAY);
    let again = stage.verb(&["trigger", "daily", DAY[0], DAY[1], DAY[2], DAY[3]]);
    assert_eq!(again.exits(5).error()["code"], "conflict");
    let paused = ["pause", "daily", "--reason", "the vendor moves house"];
    stage.verb(&paused).exits(0);
    stage.verb(&paused).exits(5);
    let refused = stage.verb(&["trigger", "daily"]).exits(5).error();
    assert!(
        text(&refused["message"]).contains("the vendor moves house"),
        "{refused}"
    );
    stage.verb(&["resume", "daily"]).exits(0);
    stage.control(Method::POST, "/release", "");
    stage.stop();
}

/// Every file below a folder with its bytes, save what a living daemon writes by itself.
fn snapshot(folder: PathBuf) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![folder];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if let Ok(bytes) = fs::read(&path) {
                found.push((path, bytes));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_second_daemon_on_the_same_state_folder_exits_5_and_writes_nothing() {
    let stage = Stage::running(Setup::default(), &[]);
    stage.lands("daily", &DAY);
    let configuration = fs::read_to_string(stage.path("aptiqd.toml")).expect("text");
    // Its own ports and socket: the lock of the state folder alone stands in its way.
    let other = configuration
        .replace(
            &stage.callback_port.to_string(),
            &crate::stage::free_port().to_string(),
        )
        .replace(
            &stage.admin_port.to_string(),
            &crate::stage::free_port().to_string(),
        )
        .replace("[admin]", "[admin]\nsocket = \"other.sock\"");
    stage.write("other.toml", &other);
    let before = snapshot(stage.path("state"));
    let mut command = stage.binary();
    command
        .args(["run", "--config"])
        .arg(stage.path("other.toml"));
    let answer = stage.answer(command).exits(5);
    assert!(answer.stderr.contains("state"), "{}", answer.stderr);
    let paths = |files: &[(PathBuf, Vec<u8>)]| -> Vec<PathBuf> {
        files.iter().map(|(path, _)| path.clone()).collect()
    };
    assert_eq!(paths(&snapshot(stage.path("state"))), paths(&before));
    assert!(!stage.path("other.sock").exists());
    // The first one is as well as before.
    stage.verb(&["status"]).exits(0);
    stage
        .trigger("daily", &["--from", "2026-11-02", "--to", "2026-11-02"])
        .exits(0);
    stage.stop();
}

#[test]
fn cancel_ends_the_run_and_its_jobs_upstream() {
    let stage = Stage::running(Setup::faults("hold"), &[]);
    let run = stage.begin("daily", &DAY);
    stage.until("a job", |state| state["creates"] == json!(1));
    let dry = stage.verb(&["cancel", &run, "--dry-run"]).exits(0).json();
    assert_eq!(dry["dry_run"], json!(true));
    assert_eq!(stage.show(&run)["run"]["state"], "running");
    stage.verb(&["cancel", &run]).exits(0);
    stage.until("the DELETE", |state| state["cancels"] == json!(1));
    let shown = stage.ended(&run);
    assert_eq!(shown["run"]["state"], "cancelled");
    assert_eq!(stage.state()["jobs"][0]["status"], "cancelled");
    let again = stage.verb(&["cancel", &run]);
    assert!([4, 5].contains(&again.code), "{again:?}");
    assert!(stage.files("data").is_empty());
    stage.stop();
}

#[test]
fn dry_runs_change_nothing() {
    let stage = Stage::running(Setup::default(), &[]);
    stage.verb(&["trigger", "daily", "--dry-run"]).exits(0);
    stage
        .verb(&["pause", "daily", "--reason", "r", "--dry-run"])
        .exits(0);
    stage.verb(&["resume", "daily", "--dry-run"]);
    stage.schedule("other", &[]);
    let reload = stage.verb(&["reload", "--dry-run"]).exits(0).json();
    assert_eq!(reload["added"], json!(["other"]));
    let status = stage.verb(&["status"]).exits(0).json();
    let [daily] = list(&status["schedules"]).as_slice() else {
        panic!("{status:#}");
    };
    assert_eq!(daily["paused"], Value::Null);
    assert_eq!(stage.verb(&["runs"]).exits(0).json()["runs"], json!([]));
    assert_eq!(stage.state()["creates"], json!(0));
    stage.stop();
}

#[test]
fn reload_takes_all_files_or_none() {
    let stage = Stage::running(Setup::default(), &[]);
    stage.schedule("good", &[]);
    stage.schedule("bad", &[("report", "\"rents\"")]);
    let refused = stage.verb(&["reload"]).exits(78);
    assert_eq!(refused.error()["code"], "config");
    let refused = stage.plain(&["reload"]).exits(78);
    assert!(refused.stderr.contains("bad.toml"), "{}", refused.stderr);
    stage.verb(&["trigger", "good"]).exits(4);
    let metrics = stage.admin(Method::GET, "/metrics").text();
    assert!(metrics.contains("aptiqd_config_last_reload_successful 0"));
    stage.schedule("bad", &[]);
    let taken = stage.verb(&["reload"]).exits(0).json();
    assert_eq!(taken["schema"], "aptiqd.reload/1");
    assert_eq!(taken["added"], json!(["bad", "good"]));
    stage.lands("good", &DAY);
    fs::remove_file(stage.path("schedules/bad.toml")).expect("it is there");
    let taken = stage.verb(&["reload"]).exits(0).json();
    assert_eq!(taken["removed"], json!(["bad"]));
    stage.verb(&["trigger", "bad"]).exits(4);
    stage.stop();
}

#[test]
fn verify_notices_a_file_that_was_touched() {
    let stage = Stage::running(Setup::default(), &[]);
    let shown = stage.lands("daily", &DAY);
    stage.stop();
    let clean = stage.verb(&["verify"]).exits(0).json();
    assert_eq!((&clean["ok"], &clean["files"]), (&json!(true), &json!(1)));
    stage.verb(&["verify", "daily"]).exits(0);
    stage.verb(&["verify", "nightly"]).exits(4);
    let path = stage.exports(&text(&shown["files"][0]["path"]));
    let mut bytes = fs::read(&path).expect("the file");
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    fs::write(&path, bytes).expect("it can be changed");
    let answer = stage.verb(&["verify"]).exits(3);
    let differences = list(&answer.json()["differences"]).clone();
    assert_eq!(differences.len(), 1);
    assert_eq!(differences[0]["path"], shown["files"][0]["path"]);
    fs::remove_file(&path).expect("it can be removed");
    stage.verb(&["verify", "daily"]).exits(3);
}

#[test]
fn runs_are_filtered_and_events_listed() {
    let stage = Stage::set(Setup::default());
    stage.schedule("one", &[]);
    stage.schedule("two", &[]);
    stage.start();
    let first = text(&stage.lands("one", &DAY)["run"]["id"]);
    let second = text(&stage.lands("two", &DAY)["run"]["id"]);
    let ids = |words: &[&str]| -> Vec<String> {
        let runs = stage.verb(words).exits(0).json();
        list(&runs["runs"])
            .iter()
            .map(|run| text(&run["id"]))
            .collect()
    };
    assert_eq!(ids(&["runs"]), [second.clone(), first.clone()]);
    assert_eq!(ids(&["runs", "--limit", "1"]), [second.clone()]);
    assert_eq!(ids(&["runs", "--schedule", "one"]), [first.clone()]);
    assert_eq!(ids(&["runs", "--state", "failed"]), Vec::<String>::new());
    assert_eq!(ids(&["runs", "--since", "1h"]), [second, first.clone()]);
    let events = stage.verb(&["events", "--run", &first]).exits(0).json();
    let names: Vec<String> = list(&events["events"])
        .iter()
        .map(|event| text(&event["event"]))
        .collect();
    for name in [
        "triggered",
        "planned",
        "submit_started",
        "submit_accepted",
        "job_checked",
    ] {
        assert!(
            names.iter().any(|one| one == name),
            "no {name} in {names:?}"
        );
    }
    let sequences: Vec<u64> = list(&events["events"])
        .iter()
        .map(|event| event["sequence"].as_u64().expect("a number"))
        .collect();
    assert!(sequences.is_sorted_by(|a, b| a < b), "{sequences:?}");
    stage.stop();
}

#[test]
fn the_words_for_people_say_what_is_so() {
    let stage = Stage::running(Setup::default(), &[]);
    let waited = stage.plain(&["trigger", "daily", "--wait", DAY[0], DAY[1], DAY[2], DAY[3]]);
    let waited = waited.exits(0);
    assert!(
        waited.stdout.contains("landed") && waited.stdout.contains("3 rows"),
        "{waited:?}"
    );
    for words in [&["status"][..], &["runs"], &["events"], &["plan"]] {
        let said = stage.plain(words).exits(0).stdout;
        assert!(said.contains("daily"), "{words:?}: {said}");
        assert!(
            !said.contains('\u{1b}'),
            "colour where nobody sees it: {said:?}"
        );
    }
    let runs = stage.verb(&["runs"]).json();
    let shown = stage
        .plain(&["show", &text(&runs["runs"][0]["id"])])
        .exits(0)
        .stdout;
    assert!(
        shown.contains("callback") && shown.contains("data/daily/"),
        "{shown}"
    );
    stage.stop();
}
