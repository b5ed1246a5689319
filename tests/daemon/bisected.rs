//! A property that fails every job it is in: it is named, and the others land.

use crate::stage::{DAY, Key, Setup, Stage, list, text};
use serde_json::{Value, json};

const KEYS: &[Key] = &[
    (
        "properties",
        "{ ids = [99001401, 99001402, 99001403, 99001404, 99001413, 99001420] }",
    ),
    ("retry", "{ attempts = 2, first = \"1s\", max = \"1s\" }"),
];

/// Triggers the run, which must end incomplete for the one property; its `show` document.
fn incomplete(stage: &Stage) -> Value {
    let triggered = stage.trigger("daily", &DAY).exits(3).json();
    let shown = stage.show(&text(&triggered["run"]["id"]));
    let run = &shown["run"];
    assert_eq!(run["state"], "incomplete", "{shown:#}");
    let reason = text(&run["reason"]);
    assert!(reason.starts_with("property 99001413 failed: "), "{reason}");
    assert!(reason.contains("has no data source"), "{reason}");
    assert_eq!(shown["files"][0]["rows"], json!(5));
    let manifest = stage.manifest("daily", "date=2026-11-01");
    assert_eq!(manifest["properties"]["missing"], json!([99001413]));
    let words = [
        "coverage",
        "daily",
        "--from",
        "2026-11-01",
        "--to",
        "2026-11-01",
    ];
    let coverage = stage.verb(&words);
    let cells = coverage.json()["cells"].clone();
    assert_eq!((&cells["landed"], &cells["failed"]), (&json!(5), &json!(1)));
    let why = stage.verb(&["why", "daily", "99001413", "2026-11-01"]);
    let because = text(&why.json()["because"]);
    assert!(because.contains("has no data source"), "{because}");
    shown
}

fn offenders(shown: &Value) -> Vec<Value> {
    let parts = list(&shown["parts"]).iter();
    parts
        .filter(|part| part["state"] == "abandoned")
        .map(|part| part["property_ids"].clone())
        .collect()
}

#[test]
fn a_property_that_fails_its_jobs_is_found_and_the_rest_lands() {
    let stage = Stage::running(Setup::faults("bad-property"), KEYS);
    let shown = incomplete(&stage);
    assert_eq!(offenders(&shown), [json!([99001413])]);
    // Twice the whole part; halves of 3, 2 and 1 of the failing side; the offender a second time.
    let creates = stage.state()["creates"].as_u64().expect("a number");
    assert!((5..=9).contains(&creates), "{creates}");
    let split = |event: &&Value| event["event"] == "part_split";
    let events = list(&shown["events"]);
    assert!(events.iter().any(|event| split(&event)), "{events:#?}");
    // A retry asks for the offender alone.
    let run = text(&shown["run"]["id"]);
    stage.verb(&["retry", &run]).exits(0);
    stage.ended(&run);
    let after = stage.state()["creates"].as_u64().expect("a number");
    assert_eq!(after, creates + 2);
    stage.stop();
}

#[test]
fn a_property_that_the_vendor_names_is_set_aside_at_once() {
    let stage = Stage::running(Setup::faults("bad-property-named"), KEYS);
    let shown = incomplete(&stage);
    assert_eq!(offenders(&shown), [json!([99001413])]);
    assert_eq!(stage.state()["creates"], json!(5), "{:#}", shown["parts"]);
    stage.stop();
}
