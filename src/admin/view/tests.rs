//! The spelling that scripts rely on, field for field.

use super::*;
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

fn run() -> Run {
    Run {
        id: "owned.20261122T183000Z".into(),
        schedule: "owned".into(),
        trigger: "cron".into(),
        nominal_at: instant("2026-11-22T18:30:00Z"),
        window: Window {
            from: day("2026-11-21"),
            to: day("2026-11-21"),
        },
        state: RunState::Landed,
        reason: None,
        parts: PartCount { total: 2, done: 2 },
        rows: 50,
        bytes: 4096,
        created_at: instant("2026-11-22T18:30:00.004Z"),
        finished_at: Some(instant("2026-11-22T18:41:00Z")),
    }
}

#[test]
fn a_run_has_exactly_the_fields_of_the_contract() {
    assert_eq!(
        serde_json::to_value(run()).unwrap(),
        json!({
            "id": "owned.20261122T183000Z", "schedule": "owned", "trigger": "cron",
            "nominal_at": "2026-11-22T18:30:00Z",
            "window": {"from": "2026-11-21", "to": "2026-11-21"},
            "state": "landed", "reason": null, "parts": {"total": 2, "done": 2},
            "rows": 50, "bytes": 4096, "created_at": "2026-11-22T18:30:00.004Z",
            "finished_at": "2026-11-22T18:41:00Z",
        })
    );
}

#[test]
fn every_state_is_spelled_as_in_the_contract_and_read_back() {
    for state in RunState::ALL {
        assert_eq!(serde_json::to_value(state).unwrap(), json!(state.as_str()));
        assert_eq!(RunState::parse(state.as_str()), Some(state));
    }
    assert_eq!(RunState::parse("done"), None);
}

#[test]
fn the_documents_are_named_and_shaped_as_in_the_contract() {
    let runs = serde_json::to_value(Runs::new(vec![run()])).unwrap();
    assert_eq!(runs["schema"], "aptiqd.runs/1");
    assert_eq!(runs["runs"][0]["state"], "landed");
    let triggered = serde_json::to_value(Triggered::new(run())).unwrap();
    assert_eq!(triggered["schema"], "aptiqd.trigger/1");
    assert_eq!(keys(&triggered), ["run", "schema"]);
    let backfill = serde_json::to_value(Backfill::new(vec![run()])).unwrap();
    assert_eq!(backfill["schema"], "aptiqd.backfill/1");
    assert_eq!(keys(&backfill), ["runs", "schema"]);
}

#[test]
fn show_carries_parts_files_checks_and_events() {
    let mut detail = RunDetail::new(run());
    detail.parts.push(Part {
        number: 1,
        properties: 1,
        property_ids: vec![99_001_416],
        from: day("2026-11-21"),
        to: day("2026-11-21"),
        state: "fetched".into(),
        attempts: vec![Attempt {
            number: 1,
            job_id: Some("j".into()),
            state: "succeeded".into(),
            learned_by: Some("callback".into()),
            error: None,
        }],
        artifact: Some(Artifact {
            bytes: 1,
            sha256: "00".into(),
            rows: 1,
        }),
    });
    detail.files.push(File {
        path: "data/owned/date=2026-11-21/owned.csv".into(),
        bytes: 1,
        sha256: "00".into(),
        rows: 1,
        generation: 1,
    });
    detail.checks.push(CheckResult {
        name: "zero_rows".into(),
        status: "pass".into(),
        observed: json!(1),
        expected: json!("> 0"),
    });
    let shown = serde_json::to_value(detail).unwrap();
    assert_eq!(shown["schema"], "aptiqd.run/1");
    assert_eq!(
        keys(&shown),
        ["checks", "events", "files", "parts", "run", "schema"]
    );
    assert_eq!(
        shown["parts"][0],
        json!({
            "number": 1, "properties": 1, "property_ids": [99_001_416],
            "from": "2026-11-21", "to": "2026-11-21", "state": "fetched",
            "attempts": [{"number": 1, "job_id": "j", "state": "succeeded",
                          "learned_by": "callback", "error": null}],
            "artifact": {"bytes": 1, "sha256": "00", "rows": 1},
        })
    );
    assert_eq!(
        keys(&shown["files"][0]),
        ["bytes", "generation", "path", "rows", "sha256"]
    );
    assert_eq!(
        keys(&shown["checks"][0]),
        ["expected", "name", "observed", "status"]
    );
}

#[test]
fn a_plan_keeps_the_zones_offset() {
    let fire = Fire {
        schedule: "owned".into(),
        nominal_at: "2026-11-22T12:30:00-06:00".parse().unwrap(),
        fires_at: "2026-11-22T12:30:00-06:00".parse().unwrap(),
        window: run().window,
        parts: Some(28),
        properties: Some(700),
        property_days: Some(700),
        requests: Some(84),
    };
    let plan = serde_json::to_value(Plan::new(vec![fire])).unwrap();
    assert_eq!(
        plan,
        json!({"schema": "aptiqd.plan/1", "fires": [{
            "schedule": "owned",
            "nominal_at": "2026-11-22T12:30:00-06:00", "fires_at": "2026-11-22T12:30:00-06:00",
            "window": {"from": "2026-11-21", "to": "2026-11-21"},
            "parts": 28, "properties": 700, "property_days": 700, "requests": 84,
        }]})
    );
}

#[test]
fn a_check_and_an_error_have_exactly_their_fields() {
    let fault = Fault {
        file: "schedules/a.toml".into(),
        line: 3,
        column: 9,
        code: "bad_cron".into(),
        message: "m".into(),
        help: "h".into(),
    };
    let check = serde_json::to_value(Check::new(vec![fault])).unwrap();
    assert_eq!(
        check,
        json!({"schema": "aptiqd.check/1", "ok": false, "faults": [{
            "file": "schedules/a.toml", "line": 3, "column": 9,
            "code": "bad_cron", "message": "m", "help": "h"}]})
    );
    let error = ErrorDocument {
        error: Error::new(Code::Unreachable, "m", "h"),
    };
    assert_eq!(
        serde_json::to_value(error).unwrap(),
        json!({"error": {"code": "unreachable", "message": "m", "help": "h", "retryable": true}})
    );
}

#[test]
fn a_problem_is_an_rfc_9457_document_and_reads_back_as_its_error() {
    let error = Error::new(Code::UnknownSchedule, "no schedule `x`", "aptiqd status");
    let problem = Problem::new(error.clone(), Vec::new());
    let wire = serde_json::to_value(&problem).unwrap();
    assert_eq!(wire["type"], "about:blank");
    assert_eq!(wire["status"], 404);
    assert_eq!(wire["code"], "unknown_schedule");
    assert_eq!(Error::from(problem), error);
}

#[test]
fn a_stored_event_gives_its_name_and_keeps_the_rest() {
    let event = Event::from(crate::store::StoredEvent {
        sequence: 7,
        at: instant("2026-11-22T18:30:00Z"),
        entry: crate::store::Entry {
            schedule: Some("owned".into()),
            run: None,
            body: json!({"event": "schedule_paused", "reason": "audit"}),
        },
    });
    assert_eq!(
        serde_json::to_value(event).unwrap(),
        json!({"sequence": 7, "at": "2026-11-22T18:30:00Z", "event": "schedule_paused",
               "schedule": "owned", "run": null, "detail": {"reason": "audit"}})
    );
}
