//! What must never be visible below `data/`, and how a run ends that cannot land.

use crate::stage::{Credential, DAY, Key, Setup, Stage, fields, list, text};
use serde_json::{Value, json};

const ONE_TRY: Key = ("retry", "{ attempts = 1, first = \"1s\", max = \"1s\" }");

/// A run of one part that must fail with exit code 1 and leave nothing; its `show` document.
fn fails(setup: Setup, keys: &[Key]) -> Value {
    let mut all = vec![ONE_TRY];
    all.extend_from_slice(keys);
    let stage = Stage::running(setup, &all);
    let answer = stage.trigger("daily", &DAY).exits(1);
    assert_eq!(answer.error()["code"], "failed", "{}", answer.stderr);
    let run = text(&answer.json()["run"]["id"]);
    let shown = stage.show(&run);
    assert_eq!(shown["run"]["state"], "failed");
    assert_eq!(shown["files"], json!([]));
    assert_eq!(stage.files("data"), Vec::<std::path::PathBuf>::new());
    stage.stop();
    shown
}

#[test]
fn a_result_that_is_always_truncated_never_shows() {
    fails(Setup::faults("truncated=always"), &[]);
}

#[test]
fn a_result_that_is_silently_cut_never_shows() {
    for format in ["\"csv\"", "\"jsonl\"", "\"parquet\""] {
        fails(Setup::faults("cut-silently=always"), &[("format", format)]);
    }
}

#[test]
fn a_result_of_the_wrong_format_never_shows() {
    for format in ["\"csv\"", "\"jsonl\"", "\"parquet\""] {
        fails(Setup::faults("wrong-format=always"), &[("format", format)]);
    }
}

#[test]
fn an_error_document_in_place_of_a_result_never_shows() {
    for format in ["\"csv\"", "\"jsonl\"", "\"parquet\""] {
        fails(
            Setup::faults("error-document=always"),
            &[("format", format)],
        );
    }
}

#[test]
fn a_result_over_bytes_max_never_shows() {
    let small = Setup::default().with("download.bytes_max", "100");
    fails(small, &[]);
    let endless = Setup::faults("endless=always").with("download.bytes_max", "100000");
    fails(endless, &[]);
    fails(Setup::faults("oversized=always"), &[]);
}

#[test]
fn a_redirect_to_another_address_is_not_followed() {
    let stage = Stage::running(Setup::faults("redirect-elsewhere=always"), &[ONE_TRY]);
    let run = text(&stage.trigger("daily", &DAY).exits(1).json()["run"]["id"]);
    let shown = stage.show(&run);
    let state = stage.state();
    assert_eq!(
        state["requests"].get("file"),
        None,
        "the file host was asked"
    );
    // A connection to 169.254.169.254 would have to be waited for, or would fail with an error of its own.
    let error = text(&shown["parts"][0]["attempts"][0]["error"]);
    assert!(
        error.contains("allowed_hosts") || error.contains("169.254"),
        "{error}"
    );
    stage.stop();
}

#[test]
fn zero_rows_make_a_run_incomplete_with_a_manifest_and_no_file() {
    let stage = Stage::running(Setup::faults("zero-rows"), &[]);
    let answer = stage.trigger("daily", &DAY).exits(3);
    assert_eq!(answer.error()["code"], "incomplete");
    let run = answer.json()["run"].clone();
    assert_eq!(run["state"], "incomplete");
    assert_eq!(run["rows"], json!(0));
    assert!(stage.files("data").is_empty());
    let manifest = stage.manifest("daily", "date=2026-11-01");
    assert_eq!(manifest["file"]["rows"], json!(0));
    assert_eq!(manifest["file"]["path"], Value::Null);
    assert_eq!(manifest["properties"]["present"], json!(0));
    let missing = json!([99_001_416, 99_001_470, 99_001_471]);
    assert_eq!(manifest["properties"]["missing"], missing);
    stage.plain(&["verify"]).exits(0);
    stage.stop();
}

#[test]
fn missing_properties_make_a_run_incomplete_and_are_named() {
    let stage = Stage::running(Setup::faults("missing-properties"), &[]);
    let run = stage.trigger("daily", &DAY).exits(3).json()["run"].clone();
    assert_eq!(run["state"], "incomplete");
    assert_eq!(run["rows"], json!(2));
    let manifest = stage.manifest("daily", "date=2026-11-01");
    let [missing] = list(&manifest["properties"]["missing"]).as_slice() else {
        panic!("{manifest:#}");
    };
    let file = std::fs::read_to_string(stage.exports(&text(&manifest["file"]["path"])));
    let file = file.expect("the file is there");
    assert!(
        !file.contains(&missing.to_string()),
        "{missing} is in the file"
    );
    for id in [99_001_416, 99_001_470, 99_001_471] {
        assert_eq!(file.contains(&id.to_string()), json!(id) != *missing);
    }
    stage.stop();
}

#[test]
fn a_job_that_always_fails_keeps_the_vendors_words() {
    let shown = fails(
        Setup::faults("failed=always"),
        &[("retry", "{ attempts = 2, first = \"1s\", max = \"1s\" }")],
    );
    let words = "Report generation failed: warehouse query timed out";
    let attempts = list(&shown["parts"][0]["attempts"]);
    assert_eq!(attempts.len(), 2);
    for attempt in attempts {
        assert_eq!(attempt["error"], words);
        assert_eq!(attempt["state"], "failed");
    }
    assert!(
        text(&shown["run"]["reason"]).contains(words),
        "{}",
        shown["run"]
    );
    assert!(fields(&shown).contains(&"events"));
}

#[test]
fn a_forbidden_create_is_final_and_a_matter_of_the_credential() {
    let stage = Stage::running(Setup::faults("forbidden"), &[]);
    let run = text(&stage.trigger("daily", &DAY).exits(77).json()["run"]["id"]);
    let shown = stage.show(&run);
    assert_eq!(shown["run"]["state"], "failed");
    let [attempt] = list(&shown["parts"][0]["attempts"]).as_slice() else {
        panic!("{shown:#}");
    };
    assert_eq!(attempt["job_id"], Value::Null);
    assert_eq!(stage.state()["requests"]["create"], json!(1));
    stage.stop();
}

#[test]
fn a_spent_quota_is_told_and_not_hammered() {
    let stage = Stage::running(
        Setup::faults("quota"),
        &[
            ("properties", "{ ids = [1, 2, 3, 4, 5, 6] }"),
            ("chunk", "{ properties = 1, days = 31 }"),
        ],
    );
    let run = text(&stage.trigger("daily", &DAY).exits(1).json()["run"]["id"]);
    let shown = stage.show(&run);
    let reason = text(&shown["run"]["reason"]);
    assert!(reason.contains("quota limit exceeded"), "{reason}");
    let status = stage.verb(&["status"]).exits(0).json();
    let told = list(&status["attention"]).iter();
    let told = told.filter(|line| line["subject"] == "quota").count();
    assert_eq!(told, 1, "{status:#}");
    stage.stop();
}

#[test]
fn a_refused_credential_ends_a_waiting_trigger_with_77_and_lands_once_mended() {
    let mut setup = Setup::default();
    setup.credential = Credential::Token;
    let stage = Stage::set(setup);
    stage.write_secret("token", "not-a-token-of-theirs");
    stage.schedule("daily", &[]);
    stage.start();
    let answer = stage.trigger("daily", &DAY).exits(77);
    assert_eq!(answer.error()["code"], "credential_refused");
    let run = text(&answer.json()["run"]["id"]);
    let status = stage.verb(&["status"]).exits(0).json();
    assert_eq!(status["credential"]["refused"], json!(true), "{status:#}");
    let token = stage.sandbox().access_token();
    stage.write_secret("token", &token);
    stage.plain(&["reload"]).exits(0);
    assert_eq!(stage.ended(&run)["run"]["state"], "landed");
    stage.stop();
}

#[test]
fn client_credentials_that_are_always_refused_end_with_77_as_well() {
    let stage = Stage::running(Setup::faults("401=always"), &[]);
    stage.trigger("daily", &DAY).exits(77);
    stage.stop();
}
