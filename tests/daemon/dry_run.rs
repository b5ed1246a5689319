//! `--dry-run` on every verb that changes something: the same document, and nothing done.

use crate::stage::{DAY, Setup, Stage, fields, list, text};
use serde_json::{Value, json};

/// The newest event's number: nothing happens without one.
fn position(stage: &Stage) -> Value {
    stage.verb(&["status"]).exits(0).json()["store"]["position"].clone()
}

#[test]
fn a_dry_run_says_what_it_would_do_and_does_nothing() {
    let stage = Stage::running(Setup::faults("hold"), &[]);
    let open = stage.begin("daily", &DAY);
    stage.until("a job", |state| state["creates"] == json!(1));
    stage.recorded(&open, "submit_accepted", 1);
    stage.schedule("other", &[]);
    stage.verb(&["reload"]).exits(0);
    stage.verb(&["pause", "other", "--reason", "r"]).exits(0);
    stage
        .verb(&["properties", "exclude", "99001471", "--reason", "sold"])
        .exits(0);
    stage.schedule("third", &[]);
    let before = position(&stage);
    let verbs: [(&[&str], &str); 7] = [
        (&["cancel", &open], "aptiqd.act/1"),
        (&["pause", "daily", "--reason", "r"], "aptiqd.act/1"),
        (&["resume", "other"], "aptiqd.act/1"),
        (&["reload"], "aptiqd.reload/1"),
        (
            &["properties", "exclude", "99001416", "--reason", "r"],
            "aptiqd.properties/1",
        ),
        (
            &["properties", "include", "99001471"],
            "aptiqd.properties/1",
        ),
        (
            &[
                "backfill",
                "daily",
                "--from",
                "2026-10-01",
                "--to",
                "2026-10-03",
            ],
            "aptiqd.backfill/1",
        ),
    ];
    for (words, schema) in verbs {
        let words = [words, &["--dry-run"]].concat();
        let document = stage.verb(&words).exits(0).json();
        assert_eq!(document["schema"], *schema, "{words:?}");
        // A list of properties shows what would be; the others say that nothing was done.
        if schema != "aptiqd.properties/1" {
            assert_eq!(document["dry_run"], json!(true), "{words:?}");
        }
        let said = stage.plain(&words).exits(0).stdout;
        assert!(
            said.contains("would") || said.contains("third"),
            "{words:?}: {said}"
        );
    }
    assert_eq!(position(&stage), before);
    assert_eq!(stage.state()["creates"], json!(1));
    assert_eq!(stage.show(&open)["run"]["state"], "running");
    stage.stop();
}

#[test]
fn a_dry_retry_leaves_a_failed_run_as_it_is() {
    let stage = Stage::running(Setup::faults("failed=always"), &[]);
    let run = text(&stage.trigger("daily", &DAY).exits(1).json()["run"]["id"]);
    let before = position(&stage);
    let acted = stage.verb(&["retry", &run, "--dry-run"]).exits(0).json();
    assert_eq!(
        (&acted["schema"], &acted["dry_run"]),
        (&json!("aptiqd.act/1"), &json!(true))
    );
    assert_eq!(position(&stage), before);
    assert_eq!(stage.show(&run)["run"]["state"], "failed");
    stage.stop();
}

#[test]
fn a_dry_trigger_counts_parts_and_property_days() {
    let stage = Stage::running(
        Setup::default(),
        &[("chunk", "{ properties = 2, days = 31 }")],
    );
    stage.schedule("asked", &[("properties", "{ accounts = \"all\" }")]);
    stage.verb(&["reload"]).exits(0);
    let before = position(&stage);
    let days = ["--from", "2026-11-01", "--to", "2026-11-04", "--dry-run"];
    let words = [&["trigger", "daily"][..], &days].concat();
    let document = stage.verb(&words).exits(0).json();
    assert_eq!(
        fields(&document),
        ["dry_run", "properties", "property_days", "run", "schema"]
    );
    assert_eq!(document["dry_run"], json!(true));
    assert_eq!(document["run"]["parts"], json!({"total": 2, "done": 0}));
    assert_eq!(
        (&document["properties"], &document["property_days"]),
        (&json!(3), &json!(12))
    );
    let said = stage.plain(&words).exits(0).stdout;
    assert_eq!(
        said,
        "would export 2026-11-01 to 2026-11-04 of daily in 2 parts: 3 properties, 12 property-days\n"
    );
    // Those that only the vendor can list are asked for, which begins nothing either.
    let words = [&["trigger", "asked"][..], &days].concat();
    let document = stage.verb(&words).exits(0).json();
    let asked = document["properties"].as_u64().expect("a number");
    assert!(asked > 0, "{document}");
    assert_eq!(document["property_days"], json!(asked * 4));
    assert!(
        document["run"]["parts"]["total"]
            .as_u64()
            .expect("a number")
            > 0
    );
    assert_eq!(position(&stage), before);
    assert_eq!(stage.state()["creates"], json!(0));
    assert_eq!(
        list(&stage.verb(&["runs"]).exits(0).json()["runs"]).len(),
        0
    );
    stage.verb(&["trigger", "nightly", "--dry-run"]).exits(4);
    stage.stop();
}
