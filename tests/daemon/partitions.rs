//! Many parts become one file a partition; one part's file is the vendor's bytes.

use crate::stage::{Key, Setup, Stage, list, sha256, text};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;

/// 700 properties from a file, in parts of 25.
fn seven_hundred(stage: &Stage, keys: &[Key]) {
    let ids: String = (0..700).map(|n| format!("{}\n", 99_001_000 + n)).collect();
    stage.write("schedules/p.csv", &format!("id\n{ids}"));
    let mut all = vec![
        ("properties", "{ file = \"p.csv\", column = \"id\" }"),
        ("partition", "\"window\""),
    ];
    all.extend_from_slice(keys);
    stage.schedule("everything", &all);
}

#[test]
fn twenty_eight_parts_become_one_file() {
    let stage = Stage::set(Setup::default());
    seven_hundred(&stage, &[("format", "\"jsonl\"")]);
    stage.start();
    let shown = stage.lands(
        "everything",
        &["--from", "2026-11-01", "--to", "2026-11-30"],
    );
    assert_eq!(shown["run"]["parts"], json!({"total": 28, "done": 28}));
    assert_eq!(list(&shown["parts"]).len(), 28);
    for part in list(&shown["parts"]) {
        assert_eq!(part["properties"], json!(25));
        assert_eq!(list(&part["property_ids"]).len(), 25);
        assert_eq!(part["artifact"]["rows"], json!(750));
    }
    let path = "data/everything/window=2026-11-01_2026-11-30/everything.jsonl";
    assert_eq!(stage.files("data"), [stage.exports(path)]);
    assert_eq!(shown["files"][0]["path"], json!(path));
    assert_eq!(shown["files"][0]["rows"], json!(21_000));
    assert_eq!(
        shown["files"][0]["sha256"],
        json!(sha256(&stage.exports(path)))
    );
    let file = fs::read_to_string(stage.exports(path)).expect("text");
    let mut cells = BTreeSet::new();
    for line in file.lines() {
        let row: serde_json::Value = serde_json::from_str(line).expect("a row");
        let day = text(&row["report_generation_date"]);
        assert!(
            cells.insert((row["id"].as_i64().expect("an id"), day)),
            "twice: {line}"
        );
    }
    assert_eq!(cells.len(), 21_000);
    assert_eq!(stage.state()["creates"], json!(28));
    let manifest = stage.manifest("everything", "window=2026-11-01_2026-11-30");
    assert_eq!(list(&manifest["jobs"]).len(), 28);
    assert_eq!(manifest["properties"]["requested"], json!(700));
    assert_eq!(manifest["properties"]["present"], json!(700));
    stage.stop();
}

#[test]
fn many_parts_merge_in_csv_and_in_parquet() {
    let stage = Stage::set(Setup::default());
    for format in ["\"csv\"", "\"parquet\""] {
        let name = format.trim_matches('"');
        let ids = "{ ids = [1, 2, 3, 4, 5, 6, 7] }";
        stage.schedule(
            name,
            &[
                ("format", format),
                ("properties", ids),
                ("chunk", "{ properties = 2, days = 3 }"),
                ("partition", "\"window\""),
            ],
        );
    }
    stage.start();
    for name in ["csv", "parquet"] {
        let shown = stage.lands(name, &["--from", "2026-11-01", "--to", "2026-11-05"]);
        assert_eq!(shown["run"]["parts"]["total"], json!(8));
        assert_eq!(shown["files"][0]["rows"], json!(35));
    }
    let file = fs::read_to_string(stage.exports("data/csv/window=2026-11-01_2026-11-05/csv.csv"));
    let file = file.expect("text");
    assert_eq!(
        file.matches("report_generation_date").count(),
        1,
        "one header"
    );
    assert_eq!(file.lines().count(), 36);
    stage.stop();
}

#[test]
fn a_single_parts_file_is_the_vendors_bytes() {
    let stage = Stage::set(Setup::default());
    for format in ["\"csv\"", "\"jsonl\"", "\"parquet\""] {
        stage.schedule(
            format.trim_matches('"'),
            &[("format", format), ("partition", "\"window\"")],
        );
    }
    stage.start();
    for format in ["csv", "jsonl", "parquet"] {
        let shown = stage.lands(format, &["--from", "2026-11-01", "--to", "2026-11-03"]);
        let run = text(&shown["run"]["id"]);
        let job = text(&shown["parts"][0]["attempts"][0]["job_id"]);
        let landed = stage.exports(&text(&shown["files"][0]["path"]));
        let landed = fs::read(landed).expect("the landed file");
        let kept = stage.exports(&format!("raw/{format}/{run}/part-0001.{format}"));
        let kept = fs::read(kept).expect("the raw file");
        let delivered = stage.delivered(&job);
        assert!(!delivered.is_empty());
        assert!(
            landed == kept && kept == delivered,
            "{format}: bytes were altered"
        );
    }
    stage.stop();
}

#[test]
fn a_date_schedule_is_split_into_its_days() {
    let stage = Stage::set(Setup::default());
    for format in ["\"csv\"", "\"jsonl\"", "\"parquet\""] {
        stage.schedule(
            format.trim_matches('"'),
            &[("format", format), ("partition", "\"date\"")],
        );
    }
    stage.start();
    for format in ["csv", "jsonl", "parquet"] {
        let shown = stage.lands(format, &["--from", "2026-11-01", "--to", "2026-11-05"]);
        assert_eq!(shown["run"]["parts"]["total"], json!(1));
        let paths: Vec<String> = list(&shown["files"])
            .iter()
            .map(|file| text(&file["path"]))
            .collect();
        let expected: Vec<String> = (1..=5)
            .map(|day| format!("data/{format}/date=2026-11-0{day}/{format}.{format}"))
            .collect();
        assert_eq!(paths, expected);
        for (file, path) in list(&shown["files"]).iter().zip(&paths) {
            assert_eq!(file["rows"], json!(3));
            assert_eq!(file["sha256"], json!(sha256(&stage.exports(path))));
        }
    }
    let day = fs::read_to_string(stage.exports("data/csv/date=2026-11-04/csv.csv"));
    let day = day.expect("text");
    assert_eq!(day.matches("2026-11-04").count(), 3, "{day}");
    stage.stop();
}

#[test]
fn the_same_bytes_leave_a_partition_alone_and_others_replace_it() {
    let stage = Stage::running(Setup::default(), &[]);
    let first = stage.lands("daily", &crate::stage::DAY);
    let path = stage.exports(&text(&first["files"][0]["path"]));
    let changed = |at: &std::path::Path| fs::metadata(at).expect("it").modified().expect("a time");
    let before = changed(&path);
    let again = stage.lands("daily", &crate::stage::DAY);
    assert_eq!(again["files"][0]["generation"], json!(1));
    assert_eq!(changed(&path), before, "the same bytes were written again");
    // The vendor restates its figures while it delivers them.
    stage.control(reqwest::Method::POST, "/faults", "changed-etag");
    let restated = stage.lands("daily", &crate::stage::DAY);
    assert_eq!(restated["files"][0]["generation"], json!(2), "{restated:#}");
    assert_eq!(restated["files"][0]["sha256"], json!(sha256(&path)));
    assert_eq!(stage.files("data").len(), 1);
    stage.stop();
}
