//! `backfill`: what lacks and nothing else, over restarts.

use crate::stage::{Setup, Stage, list, text};
use crate::{IDS, backfill, coverage, each_once};
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

const DATES: (&str, &str) = ("partition", "\"date\"");

#[test]
fn a_backfill_fills_the_gaps_and_nothing_else() {
    let stage = Stage::running(Setup::default(), &[DATES]);
    stage.lands("daily", &["--from", "2026-11-03", "--to", "2026-11-03"]);
    let dry = backfill(&stage, &["--dry-run"], 0);
    assert_eq!(dry["schema"], json!("aptiqd.backfill/1"));
    let windows = |document: &Value| -> Vec<Value> {
        let runs = list(&document["runs"]).iter();
        runs.map(|run| run["window"].clone()).collect()
    };
    let expected = [
        json!({"from": "2026-11-04", "to": "2026-11-05"}),
        json!({"from": "2026-11-01", "to": "2026-11-02"}),
    ];
    assert_eq!(windows(&dry), expected, "newest first");
    assert_eq!(
        stage.state()["creates"],
        json!(1),
        "a dry run sends nothing"
    );
    let done = backfill(&stage, &["--wait"], 0);
    assert_eq!(windows(&done), expected);
    for run in list(&done["runs"]) {
        assert_eq!(
            (&run["trigger"], &run["state"]),
            (&json!("backfill"), &json!("landed"))
        );
    }
    assert_eq!(coverage(&stage, 0)["cells"]["landed"], json!(15));
    assert_eq!(each_once(&stage), 15);
    assert_eq!(stage.files("data").len(), 5);
    let again = stage.plain(&[
        "backfill",
        "daily",
        "--from",
        "2026-11-01",
        "--to",
        "2026-11-05",
    ]);
    assert!(again.exits(0).stdout.contains("nothing to fill"));
    assert_eq!(backfill(&stage, &["--wait"], 0)["runs"], json!([]));
    stage.verb(&["verify"]).exits(0);
    stage.stop();
}

#[test]
fn a_missing_property_is_added_to_the_files_of_the_others() {
    let stage = Stage::running(Setup::faults("missing-properties=1"), &[DATES]);
    stage.trigger("daily", &crate::DAYS).exits(3);
    let missing = coverage(&stage, 3)["missing"].clone();
    let absent = missing[0]["property"].as_i64().expect("an id");
    assert!(IDS.contains(&absent));
    backfill(&stage, &["--wait"], 0);
    let state = stage.state();
    let jobs = list(&state["jobs"]);
    let asked: Vec<&Value> = jobs.iter().map(|job| &job["property_ids"]).collect();
    assert!(asked.contains(&&json!([absent])), "{asked:?}");
    assert_eq!(coverage(&stage, 0)["cells"]["landed"], json!(15));
    for file in stage.files("data") {
        let rows = fs::read_to_string(&file).expect("text");
        for id in IDS {
            assert_eq!(
                rows.matches(&id.to_string()).count(),
                1,
                "{}",
                file.display()
            );
        }
    }
    stage.verb(&["verify"]).exits(0);
    stage.stop();
}

#[test]
fn failed_cells_are_filled_by_only_failed() {
    let stage = Stage::running(Setup::faults("failed=always"), &[DATES]);
    stage.trigger("daily", &crate::DAYS).exits(1);
    assert_eq!(coverage(&stage, 3)["cells"]["failed"], json!(15));
    assert_eq!(backfill(&stage, &[], 0)["runs"], json!([]));
    let failed = backfill(&stage, &["--only", "failed", "--wait"], 1);
    assert_eq!(failed["runs"][0]["state"], json!("failed"));
    stage.control(Method::POST, "/faults", "");
    backfill(&stage, &["--only", "failed", "--wait"], 0);
    assert_eq!(coverage(&stage, 0)["cells"]["landed"], json!(15));
    stage.stop();
}

/// Killed in the middle, it goes on where it was: every cell lands, each from one job.
#[test]
fn a_backfill_survives_a_kill() {
    let setup = Setup::default().job_time(Duration::from_millis(300));
    let chunk = ("chunk", "{ properties = 25, days = 1 }");
    let stage = Stage::running(setup, &[DATES, chunk]);
    let asked = backfill(&stage, &["--max-active", "1"], 0);
    let runs: Vec<String> = list(&asked["runs"])
        .iter()
        .map(|run| text(&run["id"]))
        .collect();
    assert_eq!(runs.len(), 5);
    stage.until("a second job", |state| state["creates"].as_u64() >= Some(2));
    stage.kill();
    stage.start();
    for run in &runs {
        assert_eq!(stage.ended(run)["run"]["state"], json!("landed"));
    }
    assert_eq!(coverage(&stage, 0)["cells"]["landed"], json!(15));
    assert_eq!(each_once(&stage), 15);
    stage.stop();
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let stage = Stage::running(Setup::default(), &[]);
    let days = ["--from", "2026-11-01", "--to", "2026-11-05"];
    let words = |schedule: &'static str, more: &[&'static str]| -> Vec<&'static str> {
        let all = ["backfill", schedule].into_iter().chain(days);
        all.chain(more.iter().copied()).collect()
    };
    stage.verb(&words("nobody", &[])).exits(4);
    stage.verb(&words("daily", &["--only", "some"])).exits(2);
    stage.verb(&words("daily", &["--max-active", "0"])).exits(2);
    stage
        .verb(&[
            "backfill",
            "daily",
            "--from",
            "2026-11-05",
            "--to",
            "2026-11-01",
        ])
        .exits(2);
    stage
        .verb(&["pause", "daily", "--reason", "audit"])
        .exits(0);
    stage.verb(&words("daily", &[])).exits(5);
    stage.stop();
}
