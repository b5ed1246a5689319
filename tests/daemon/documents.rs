//! The JSON documents of the contract, field by field: what is there, and nothing more.

use crate::stage::{DAY, Setup, Stage, fields, list, text};
use chrono::DateTime;
use serde_json::{Value, json};

const RUN: [&str; 13] = [
    "bytes",
    "created_at",
    "finished_at",
    "id",
    "nominal_at",
    "parts",
    "reason",
    "rows",
    "schedule",
    "state",
    "trigger",
    "window",
    "finished_at",
];

fn run_fields() -> Vec<&'static str> {
    let mut names = RUN.to_vec();
    names.sort_unstable();
    names.dedup();
    names
}

#[track_caller]
fn instant(value: &Value) {
    let at = text(value);
    DateTime::parse_from_rfc3339(&at).unwrap_or_else(|error| panic!("{at}: {error}"));
}

#[track_caller]
fn check_run(run: &Value) {
    assert_eq!(fields(run), run_fields());
    assert_eq!(fields(&run["window"]), ["from", "to"]);
    assert_eq!(fields(&run["parts"]), ["done", "total"]);
    for at in ["nominal_at", "created_at", "finished_at"] {
        instant(&run[at]);
    }
    assert!(run["rows"].is_u64() && run["bytes"].is_u64());
}

#[test]
fn runs_show_and_trigger_are_as_the_contract_says() {
    let stage = Stage::running(
        Setup::faults("failed"),
        &[(
            "checks",
            "{ unique = [\"id\", \"report_generation_date\"] }",
        )],
    );
    let triggered = stage.trigger("daily", &DAY).exits(0).json();
    assert_eq!(fields(&triggered), ["run", "schema"]);
    assert_eq!(triggered["schema"], "aptiqd.trigger/1");
    check_run(&triggered["run"]);
    assert_eq!(triggered["run"]["trigger"], "manual");
    assert_eq!(triggered["run"]["state"], "landed");
    assert_eq!(
        triggered["run"]["window"],
        json!({"from": "2026-11-01", "to": "2026-11-01"})
    );

    let runs = stage.verb(&["runs"]).exits(0).json();
    assert_eq!(fields(&runs), ["runs", "schema"]);
    assert_eq!(runs["schema"], "aptiqd.runs/1");
    assert_eq!(runs["runs"], json!([triggered["run"]]));

    let shown = stage.show(&text(&triggered["run"]["id"]));
    assert_eq!(
        fields(&shown),
        ["checks", "events", "files", "parts", "run", "schema"]
    );
    assert_eq!(shown["schema"], "aptiqd.run/1");
    assert_eq!(shown["run"], triggered["run"]);
    let [part] = list(&shown["parts"]).as_slice() else {
        panic!("{shown:#}");
    };
    let part_fields = [
        "artifact",
        "attempts",
        "from",
        "number",
        "properties",
        "property_ids",
        "state",
        "to",
    ];
    assert_eq!(fields(part), part_fields);
    assert_eq!(part["number"], json!(1));
    assert_eq!(
        part["property_ids"],
        json!([99_001_416, 99_001_470, 99_001_471])
    );
    assert_eq!(fields(&part["artifact"]), ["bytes", "rows", "sha256"]);
    let attempts = list(&part["attempts"]);
    assert_eq!(attempts.len(), 2);
    for (number, attempt) in (1..).zip(attempts) {
        assert_eq!(
            fields(attempt),
            ["error", "job_id", "learned_by", "number", "state"]
        );
        assert_eq!(attempt["number"], json!(number));
        assert_eq!(attempt["learned_by"], "callback");
    }
    assert!(attempts[0]["error"].is_string() && attempts[1]["error"].is_null());
    for file in list(&shown["files"]) {
        assert_eq!(
            fields(file),
            ["bytes", "generation", "path", "rows", "sha256"]
        );
    }
    assert!(!list(&shown["checks"]).is_empty(), "{shown:#}");
    for check in list(&shown["checks"]) {
        assert_eq!(fields(check), ["expected", "name", "observed", "status"]);
        assert_eq!(check["status"], "pass", "{check}");
    }
    assert!(!list(&shown["events"]).is_empty());
    for event in list(&shown["events"]) {
        instant(&event["at"]);
        assert!(
            event["event"].is_string() && event["sequence"].is_u64(),
            "{event}"
        );
    }
    stage.stop();
}

#[test]
fn a_run_under_way_has_no_end_and_no_artifact() {
    let stage = Stage::running(Setup::faults("hold"), &[]);
    let run = stage.begin("daily", &DAY);
    stage.until("a job", |state| state["creates"] == json!(1));
    let shown = stage.show(&run);
    assert_eq!(fields(&shown["run"]), run_fields());
    assert_eq!(shown["run"]["state"], "running");
    assert_eq!(shown["run"]["finished_at"], Value::Null);
    assert_eq!(shown["run"]["parts"], json!({"total": 1, "done": 0}));
    assert_eq!(shown["parts"][0]["artifact"], Value::Null);
    assert_eq!(shown["parts"][0]["attempts"][0]["learned_by"], Value::Null);
    assert_eq!(shown["files"], json!([]));
    stage.verb(&["cancel", &run]).exits(0);
    stage.until("the DELETE", |state| state["cancels"] == json!(1));
    stage.stop();
}

#[test]
fn plan_needs_no_daemon_and_counts() {
    let stage = Stage::set(Setup::default());
    stage.schedule(
        "daily",
        &[
            ("cron", "\"30 12 * * *\""),
            ("window", "\"last_7_days\""),
            ("chunk", "{ properties = 2, days = 5 }"),
        ],
    );
    stage.schedule(
        "weekly",
        &[("cron", "\"0 6 * * 1\""), ("window", "\"previous_week\"")],
    );
    let plan = stage.verb(&["plan", "--from", "2026-10-31", "--to", "2026-11-02"]);
    let plan = plan.exits(0).json();
    assert_eq!(fields(&plan), ["fires", "schema"]);
    assert_eq!(plan["schema"], "aptiqd.plan/1");
    let fires = list(&plan["fires"]);
    let nominal: Vec<String> = fires.iter().map(|fire| text(&fire["nominal_at"])).collect();
    // Daylight saving time ends in Chicago on the first of November.
    let expected = [
        "2026-10-31T12:30:00-05:00",
        "2026-11-01T12:30:00-06:00",
        "2026-11-02T06:00:00-06:00",
        "2026-11-02T12:30:00-06:00",
    ];
    assert_eq!(nominal, expected);
    let daily = json!({
        "schedule": "daily", "nominal_at": "2026-10-31T12:30:00-05:00",
        "fires_at": "2026-10-31T12:30:00-05:00",
        "window": {"from": "2026-10-24", "to": "2026-10-30"},
        "parts": 4, "properties": 3, "property_days": 21, "requests": 12,
    });
    assert_eq!(fires[0], daily);
    assert_eq!(fires[2]["schedule"], "weekly");
    assert_eq!(
        fires[2]["window"],
        json!({"from": "2026-10-26", "to": "2026-11-01"})
    );
    let next = stage
        .verb(&["plan", "daily", "--next", "3"])
        .exits(0)
        .json();
    assert_eq!(list(&next["fires"]).len(), 3);
    assert_eq!(stage.state()["requests"], json!({}), "plan sends nothing");
    assert!(!stage.path("state").exists() && !stage.path("exports").exists());
}

#[test]
fn events_follow_is_json_lines() {
    use std::io::{BufRead, BufReader};
    let stage = Stage::running(Setup::default(), &[]);
    let mut command = stage.binary();
    command
        .args(["events", "--follow", "--json", "--config"])
        .arg(stage.path("aptiqd.toml"))
        .stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let run = text(&stage.lands("daily", &DAY)["run"]["id"]);
    let mut last = 0;
    let mut seen = Vec::new();
    for line in lines {
        let event: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        assert_eq!(event["schema"], "aptiqd.event/1");
        let sequence = event["sequence"].as_u64().expect("a number");
        assert!(sequence > last, "out of order: {event}");
        last = sequence;
        if event["run"] == json!(run) {
            seen.push(text(&event["event"]));
        }
        if event["event"] == "run_published" {
            break;
        }
    }
    stage.stop();
    // The stream ends with the daemon, and says so.
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(69));
    assert!(seen.contains(&"submit_accepted".to_owned()), "{seen:?}");
}
