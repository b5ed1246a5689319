//! The state folder burns, is replaced by an old copy, or is rebuilt by hand: nothing is lost but history,
//! and nothing is exported twice.

use crate::stage::{DAY, Setup, Stage, fields, list, text};
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;

const NEXT: [&str; 4] = ["--from", "2026-11-02", "--to", "2026-11-02"];

fn events(stage: &Stage, name: &str) -> Vec<Value> {
    let lines = stage.verb(&["events"]).exits(0).stdout;
    let events = lines.lines().map(|line| {
        let document: Value = serde_json::from_str(line).expect("JSON Lines");
        document
    });
    let mut found = Vec::new();
    for event in events {
        match event["events"].as_array() {
            Some(all) => found.extend(all.iter().filter(|one| one["event"] == name).cloned()),
            None if event["event"] == name => found.push(event),
            None => {}
        }
    }
    found
}

fn jobs_with(state: &Value, status: &str) -> usize {
    let jobs = list(&state["jobs"]).iter();
    jobs.filter(|job| job["status"] == status).count()
}

/// One day landed, the next one's three jobs held at the vendor, and the daemon killed.
fn interrupted(setup: Setup) -> (Stage, String) {
    let keys = [("chunk", "{ properties = 1, days = 31 }")];
    let stage = Stage::set(setup);
    stage.write_secret("callback.key", &"5e".repeat(32));
    stage.schedule("daily", &keys);
    stage.start();
    stage.lands("daily", &DAY);
    stage.control(Method::POST, "/faults", "hold");
    let run = stage.begin("daily", &NEXT);
    stage.recorded(&run, "submit_accepted", 3);
    stage.kill();
    (stage, run)
}

/// The interrupted run has landed, by the jobs it had; what had landed before is as it was.
fn went_on(stage: &Stage, run: &str) {
    let shown = stage.ended(run);
    assert_eq!(shown["run"]["state"], "landed", "{shown:#}");
    assert_eq!(shown["run"]["window"]["from"], "2026-11-02");
    let state = stage.state();
    assert_eq!(state["creates"], json!(6), "nothing is exported again");
    assert_eq!(jobs_with(&state, "succeeded"), 6);
    let coverage = stage.verb(&["coverage", "daily"]).exits(0).json();
    assert_eq!(coverage["cells"]["landed"], json!(6), "{coverage:#}");
    assert_eq!(coverage["missing"], json!([]));
    let manifest = stage.manifest("daily", "date=2026-11-01");
    assert_eq!(manifest["generation"], json!(1));
    let runs = stage.verb(&["runs"]).exits(0).json();
    let runs: Vec<(String, String)> = list(&runs["runs"])
        .iter()
        .map(|run| (text(&run["window"]["from"]), text(&run["state"])))
        .collect();
    let landed = |day: &str| (day.to_owned(), "landed".to_owned());
    assert_eq!(runs, [landed("2026-11-02"), landed("2026-11-01")]);
    stage.plain(&["verify"]).exits(0);
}

#[test]
fn a_deleted_state_folder_costs_nothing_but_history() {
    let (stage, run) = interrupted(Setup::default());
    // With the keys in it: the addresses of the jobs can only be known by their form.
    fs::remove_dir_all(stage.path("state")).expect("it burns");
    stage.start();
    stage.recorded(&run, "run_regained", 1);
    assert_eq!(events(&stage, "state_rebuilt").len(), 1);
    stage.control(Method::POST, "/release", "");
    went_on(&stage, &run);
    let status = stage.verb(&["status"]).exits(0).json();
    assert_eq!(status["schedules"][0]["data_through"], "2026-11-02");
    stage.stop();
}

#[test]
fn a_lost_run_that_had_ended_upstream_is_fetched_not_exported_again() {
    let (stage, run) = interrupted(Setup::default());
    stage.control(Method::POST, "/release", "");
    stage.until("the jobs' end", |state| jobs_with(state, "succeeded") == 6);
    fs::remove_dir_all(stage.path("state")).expect("it burns");
    stage.start();
    stage.recorded(&run, "run_regained", 1);
    went_on(&stage, &run);
    stage.stop();
}

#[test]
fn a_job_that_nothing_waits_for_is_cancelled_and_a_foreign_one_is_left_alone() {
    let setup = Setup::default().with("callback.key_file", "\"callback.key\"");
    let (stage, run) = interrupted(setup);
    let body = json!({
        "report_type": "property", "output_format": "csv", "property_ids": [1],
        "start_date": "2026-11-02", "end_date": "2026-11-02",
        "callback_url": format!("http://127.0.0.1:{}/cb/v1/{run}.p9.a1.{}", stage.callback_port, "0".repeat(32)),
    });
    let sandbox = stage.sandbox();
    let url = format!("{}/bulk_api/jobs", sandbox.base_url());
    let create = stage.request(Method::POST, &url).json(&body);
    let made = stage.send(create.bearer_auth(sandbox.access_token()));
    let foreign = text(&made.json()["job_id"]);
    fs::remove_dir_all(stage.path("state")).expect("it burns");
    fs::remove_file(stage.path("schedules/daily.toml")).expect("its schedule goes");
    stage.start();
    let state = stage.until("the cancels", |state| jobs_with(state, "cancelled") == 3);
    for job in list(&state["jobs"]) {
        if job["job_id"] == foreign.as_str() {
            assert_eq!(job["status"], "submitted", "it is not ours");
        }
    }
    stage.recorded(&run, "cancel_settled", 3);
    assert_eq!(stage.show(&run)["run"]["state"], "cancelled");
    let metrics = stage.admin(Method::GET, "/metrics").text();
    assert!(
        metrics.contains("aptiqd_duplicate_jobs_total 3"),
        "{metrics}"
    );
    stage.stop();
}

/// All files of the state folder but those that only say who has it.
fn contents(stage: &Stage) -> Vec<(String, Vec<u8>)> {
    let mut open = vec![stage.path("state")];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => open.push(path),
                false
                    if path.ends_with("ballast")
                        || path.extension().is_some_and(|e| e == "sock") => {}
                false => found.push((
                    path.display().to_string(),
                    fs::read(&path).unwrap_or_default(),
                )),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn store_rebuild_needs_a_stopped_daemon_and_keeps_the_old_state() {
    let (stage, run) = interrupted(Setup::default());
    let before = contents(&stage);
    let dry = stage
        .verb(&["store", "rebuild", "--dry-run"])
        .exits(0)
        .json();
    assert_eq!(dry["schema"], "aptiqd.store_rebuild/1");
    assert_eq!(dry["vendor"]["regained"], json!([run]));
    assert_eq!(dry["cells"], json!({"landed": 3, "empty": 0, "missing": 0}));
    assert!(contents(&stage) == before, "a dry run changes nothing");
    let rebuilt = stage.verb(&["store", "rebuild"]).exits(0).json();
    assert_eq!(rebuilt["vendor"]["regained"], json!([run]));
    assert_eq!(
        (&rebuilt["manifests"], &rebuilt["runs"]),
        (&json!(1), &json!(1))
    );
    let aside = text(&rebuilt["set_aside"]);
    assert!(
        std::path::Path::new(&aside).join("journal").is_dir(),
        "{aside}"
    );
    stage.start();
    for words in [
        &["store", "rebuild"][..],
        &["store", "rebuild", "--dry-run"],
        &["store", "export"],
        &["store", "import", "aptiqd.toml", "--replace"],
    ] {
        let refused = stage.verb(words).exits(5);
        assert_eq!(refused.error()["code"], "conflict", "{words:?}");
    }
    stage.control(Method::POST, "/release", "");
    went_on(&stage, &run);
    stage.stop();
}

#[test]
fn store_rebuild_does_without_a_vendor_that_cannot_be_reached() {
    let (stage, run) = interrupted(Setup::default());
    stage.control(Method::POST, "/faults", "5xx=always");
    let rebuilt = stage.verb(&["store", "rebuild"]).exits(3).json();
    assert_ne!(rebuilt["vendor"]["error"], Value::Null);
    assert_eq!(rebuilt["cells"]["landed"], json!(3));
    stage.control(Method::POST, "/faults", "401=always");
    let refused = stage.verb(&["store", "rebuild"]).exits(77).json();
    assert_eq!(refused["cells"]["landed"], json!(3));
    stage.control(Method::POST, "/faults", "");
    stage.start();
    stage.recorded(&run, "run_regained", 1);
    stage.control(Method::POST, "/release", "");
    went_on(&stage, &run);
    stage.stop();
}

#[test]
fn an_export_comes_back_and_the_days_since_it_are_known_again() {
    let stage = Stage::running(Setup::default(), &[]);
    stage.lands("daily", &DAY);
    stage.stop();
    let export = stage.verb(&["store", "export"]).exits(0).stdout;
    for line in export.lines() {
        let document: Value = serde_json::from_str(line).expect("JSON Lines");
        assert!(document.is_object());
    }
    stage.write("old.jsonl", &export);
    let written = stage
        .verb(&["store", "export", "--output", "same.jsonl"])
        .exits(0)
        .json();
    assert_eq!(fields(&written), ["path", "schema", "sequence"]);
    stage.start();
    stage.lands("daily", &NEXT);
    stage.stop();

    let before = contents(&stage);
    stage.verb(&["store", "import", "old.jsonl"]).exits(5);
    stage
        .verb(&["store", "import", "old.jsonl", "--replace", "--dry-run"])
        .exits(0);
    let cut: String = export
        .lines()
        .take(3)
        .map(|line| format!("{line}\n"))
        .collect();
    stage.write("cut.jsonl", &cut);
    stage
        .verb(&["store", "import", "cut.jsonl", "--replace"])
        .exits(1);
    stage
        .verb(&["store", "import", "none.jsonl", "--replace"])
        .exits(4);
    assert!(
        contents(&stage) == before,
        "what is refused changes nothing"
    );

    let taken = stage
        .verb(&["store", "import", "old.jsonl", "--replace"])
        .exits(0)
        .json();
    assert_ne!(taken["set_aside"], Value::Null);
    stage.start();
    let coverage = stage.verb(&["coverage", "daily"]).exits(0).json();
    assert_eq!(coverage["cells"]["landed"], json!(6), "{coverage:#}");
    let runs = stage.verb(&["runs"]).exits(0).json();
    assert_eq!(list(&runs["runs"]).len(), 2, "{runs:#}");
    assert_eq!(stage.state()["creates"], json!(2));
    assert_eq!(events(&stage, "state_imported").len(), 1);
    stage.stop();
}

#[test]
fn an_import_into_a_new_folder_needs_no_word() {
    let stage = Stage::running(Setup::default(), &[]);
    stage.lands("daily", &DAY);
    stage.stop();
    stage
        .verb(&["store", "export", "--output", "all.jsonl"])
        .exits(0);
    fs::remove_dir_all(stage.path("state")).expect("it burns");
    stage.verb(&["store", "export"]).exits(4);
    let taken = stage
        .verb(&["store", "import", "all.jsonl"])
        .exits(0)
        .json();
    assert_eq!(taken["set_aside"], Value::Null);
    stage.start();
    let runs = stage.verb(&["runs"]).exits(0).json();
    assert_eq!(runs["runs"][0]["state"], "landed");
    stage.stop();
}

#[test]
fn a_folder_put_back_from_an_old_copy_learns_what_was_done_since() {
    let stage = Stage::running(Setup::default(), &[]);
    stage.lands("daily", &DAY);
    stage.stop();
    let copied = std::process::Command::new("cp")
        .args(["-a", "state", "copy"])
        .current_dir(stage.folder.path())
        .status();
    assert!(copied.expect("a copy").success());
    stage.start();
    stage.lands("daily", &NEXT);
    stage.stop();
    fs::remove_dir_all(stage.path("state")).expect("it goes");
    fs::rename(stage.path("copy"), stage.path("state")).expect("the copy comes");
    stage.start();
    let coverage = stage.verb(&["coverage", "daily"]).exits(0).json();
    assert_eq!(coverage["cells"]["landed"], json!(6), "{coverage:#}");
    assert_eq!(events(&stage, "state_behind").len(), 1);
    assert_eq!(stage.state()["creates"], json!(2));
    stage.stop();
}
