//! The checks of a schedule, through the real binary: what passes says so, what fails stays out of `data/`
//! until it is accepted, or is landed with its mark.

use crate::stage::{DAY, Key, Setup, Stage, list, text};
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;

const FORMATS: [&str; 3] = ["csv", "jsonl", "parquet"];
const MONTH: [&str; 4] = ["--from", "2026-10-01", "--to", "2026-10-31"];

/// One schedule a format, with these keys.
fn stage(checks: &'static str, keys: &[Key]) -> Stage {
    let stage = Stage::set(Setup::default());
    for (name, format) in FORMATS
        .into_iter()
        .zip(["\"csv\"", "\"jsonl\"", "\"parquet\""])
    {
        let mut all = vec![("format", format), ("checks", checks)];
        all.extend_from_slice(keys);
        stage.schedule(name, &all);
    }
    stage.start();
    stage
}

#[track_caller]
fn check<'v>(checks: &'v Value, name: &str) -> &'v Value {
    let found = list(checks).iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("{name} in {checks:#}"))
}

#[track_caller]
fn event<'v>(shown: &'v Value, name: &str) -> &'v Value {
    let found = list(&shown["events"]).iter();
    let mut found = found.filter(|event| event["event"] == name);
    found
        .next()
        .unwrap_or_else(|| panic!("{name} in {:#}", shown["events"]))
}

const GOOD: &str = "{ min_property_coverage = 1, min_rows_vs_median = 0.7, \
    unique = [\"id\", \"report_generation_date\"], max_null_rate = { avg_ner = 0.5 }, \
    range = { advertised_occupancy_pct = [0, 1] } }";

#[test]
fn every_configured_check_passes_with_what_was_seen_and_wanted() {
    let stage = stage(GOOD, &[]);
    for format in FORMATS {
        stage.lands(format, &DAY);
        let next = ["--from", "2026-11-02", "--to", "2026-11-02"];
        let shown = stage.lands(format, &next);
        for name in [
            "min_property_coverage",
            "min_rows_vs_median",
            "unique",
            "max_null_rate:avg_ner",
            "range:advertised_occupancy_pct",
            "schema_change",
        ] {
            let check = check(&shown["checks"], name);
            assert_eq!(check["status"], "pass", "{format} {check}");
            assert!(!check["observed"].is_null() && !check["expected"].is_null());
        }
        let manifest = stage.manifest(format, "date=2026-11-02");
        assert_eq!(manifest["checks"], shown["checks"], "{format}");
    }
    stage.stop();
}

/// Each check in turn, set so that good data must fail it.
#[test]
fn a_failed_check_keeps_the_file_out_until_it_is_accepted() {
    for (checks, name) in [
        ("{ unique = [\"report_generation_date\"] }", "unique"),
        (
            "{ max_null_rate = { applications_last_7d = 0 } }",
            "max_null_rate:applications_last_7d",
        ),
        (
            "{ range = { advertised_occupancy_pct = [0, 0.001] } }",
            "range:advertised_occupancy_pct",
        ),
    ] {
        let stage = stage(checks, &[("partition", "\"window\"")]);
        for format in FORMATS {
            let answer = stage.trigger(format, &MONTH).exits(1);
            let run = text(&answer.json()["run"]["id"]);
            let shown = stage.show(&run);
            assert_eq!(check(&shown["checks"], name)["status"], "fail", "{format}");
            let reason = text(&shown["run"]["reason"]);
            let accept = format!("aptiqd retry {run} --accept");
            assert!(
                reason.contains(name) && reason.contains(&accept),
                "{reason}"
            );
            assert_eq!(
                event(&shown, "quarantined")["detail"]["checks"],
                json!([name])
            );
            assert!(stage.files(&format!("data/{format}")).is_empty());
            let aside = format!("staging/quarantine/{run}");
            assert!(reason.contains(&aside), "{reason}");
            let aside = stage.files(&aside);
            assert!(
                aside
                    .iter()
                    .any(|path| path.ends_with(format!("{format}.{format}")))
            );
            let person = stage.plain(&["show", &run]).exits(0);
            assert!(
                person.stdout.contains(&format!("→ {accept}")),
                "{}",
                person.stdout
            );
            let creates = stage.state()["creates"].clone();
            stage.verb(&["retry", &run]).exits(5);
            stage
                .verb(&["retry", &run, "--accept", "--dry-run"])
                .exits(0);
            let accepted = stage.verb(&["retry", &run, "--accept", "--wait"]).exits(0);
            assert_eq!(accepted.json()["run"]["state"], "landed");
            let shown = stage.show(&run);
            assert!(text(&shown["run"]["reason"]).starts_with("accepted by uid "));
            assert_eq!(check(&shown["checks"], name)["status"], "fail");
            event(&shown, "checks_overruled");
            assert_eq!(stage.files(&format!("data/{format}")).len(), 1);
            assert_eq!(stage.state()["creates"], creates, "nothing is paid twice");
            stage.verb(&["retry", &run, "--accept"]).exits(5);
        }
        stage.verb(&["verify"]).exits(0);
        stage.stop();
    }
}

#[test]
fn on_fail_land_lands_and_flags() {
    let checks = "{ unique = [\"report_generation_date\"], on_fail = \"land\" }";
    let stage = stage(checks, &[]);
    for format in FORMATS {
        let shown = stage.lands(format, &DAY);
        assert_eq!(check(&shown["checks"], "unique")["status"], "fail");
        let reason = text(&shown["run"]["reason"]);
        assert!(
            reason.contains("on_fail") && reason.contains("unique"),
            "{reason}"
        );
        event(&shown, "checks_overruled");
        let manifest = stage.manifest(format, "date=2026-11-01");
        assert_eq!(check(&manifest["checks"], "unique")["status"], "fail");
    }
    stage.stop();
}

#[test]
fn too_few_rows_and_too_few_properties_are_told() {
    let few = "{ min_rows_vs_median = 0.7, min_property_coverage = 0.5 }";
    let stage = stage(few, &[]);
    for format in FORMATS {
        stage.lands(format, &DAY);
        stage.control(Method::POST, "/faults", "missing-properties");
        let next = ["--from", "2026-11-02", "--to", "2026-11-02"];
        let answer = stage.trigger(format, &next).exits(1);
        let shown = stage.show(&text(&answer.json()["run"]["id"]));
        let median = check(&shown["checks"], "min_rows_vs_median");
        assert_eq!(median["status"], "fail", "{median}");
        assert_eq!(
            (&median["observed"]["rows"], &median["observed"]["median"]),
            (&json!(2), &json!(3.0))
        );
        let coverage = check(&shown["checks"], "min_property_coverage");
        assert_eq!(coverage["status"], "warn");
        assert_eq!(
            list(&coverage["observed"]["missing"]).len(),
            1,
            "{coverage}"
        );
        stage.control(Method::POST, "/faults", "");
    }
    stage.stop();
}

#[test]
fn changed_columns_are_an_event_with_before_and_after_or_rejected() {
    for (rule, code) in [("notify", 0), ("accept", 0), ("reject", 1)] {
        let checks = match rule {
            "notify" => "{ schema_change = \"notify\" }",
            "accept" => "{ schema_change = \"accept\" }",
            _ => "{ schema_change = \"reject\" }",
        };
        let stage = stage(checks, &[]);
        for format in FORMATS {
            stage.lands(format, &DAY);
            let path = stage.exports(&format!("meta/{format}/schema.json"));
            let known = fs::read_to_string(&path).expect("schema.json");
            // As if the vendor had called a column otherwise before.
            fs::write(&path, known.replace("\"avg_ner\"", "\"net_rent\"")).expect("written");
            let next = ["--from", "2026-11-02", "--to", "2026-11-02"];
            let answer = stage.trigger(format, &next).exits(code);
            let shown = stage.show(&text(&answer.json()["run"]["id"]));
            let detail = &event(&shown, "schema_changed")["detail"];
            assert_eq!(detail["added"][0]["name"], "avg_ner", "{detail}");
            assert_eq!(detail["removed"][0]["name"], "net_rent");
            let status = match rule {
                "notify" => "warn",
                "accept" => "pass",
                _ => "fail",
            };
            assert_eq!(check(&shown["checks"], "schema_change")["status"], status);
            let there = stage
                .exports(&format!("data/{format}/date=2026-11-02"))
                .exists();
            assert_eq!(there, code == 0);
        }
        stage.stop();
    }
}

/// The vendor restates its figures: the event names whose days changed, `why` since when they stood.
#[test]
fn a_restatement_is_told_by_property_and_day() {
    let stage = stage("{}", &[("partition", "\"date\"")]);
    for format in FORMATS {
        let days = ["--from", "2026-11-01", "--to", "2026-11-02"];
        let first = stage.lands(format, &days);
        stage.control(Method::POST, "/faults", "changed-etag");
        let second = stage.lands(format, &days);
        stage.control(Method::POST, "/faults", "");
        let detail = &event(&second, "restated")["detail"];
        assert_eq!(detail["partitions"], json!(2), "{detail}");
        assert_eq!(detail["property_days"], json!(6));
        assert_eq!(
            (&detail["rows_before"], &detail["rows_after"]),
            (&json!(6), &json!(6))
        );
        let path = text(&second["files"][0]["path"]);
        let why = stage.verb(&["why", &path]).exits(0).json();
        let restated = &why["restatements"][0];
        assert_eq!(restated["generation"], json!(2));
        assert_eq!(restated["previous_run"], first["run"]["id"]);
        assert!(restated["first_landed_at"].is_string());
        let cell = ["why", format, "99001470", "2026-11-01"];
        let why = stage.verb(&cell).exits(0).json();
        let spans = list(&why["restatements"][0]["spans"]);
        assert_eq!(spans.len(), 1, "{why:#}");
        assert_eq!(spans[0]["property"], json!(99_001_470));
        let told = stage.plain(&cell).exits(0).stdout;
        assert!(told.contains("restated"), "{told}");
        let changes = fs::read_to_string(stage.exports(&format!("meta/{format}/changes.jsonl")));
        let changes = changes.expect("changes");
        assert_eq!(changes.lines().count(), 4);
    }
    stage.stop();
}
