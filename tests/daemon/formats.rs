//! All three reports in all three formats land, and what is said of a file is true of the file.

use crate::stage::{DAY, Setup, Stage, fields, list, sha256, text};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const REPORTS: [&str; 3] = ["property", "units", "floorplans"];
const FORMATS: [&str; 3] = ["csv", "jsonl", "parquet"];

/// Rows as a reader of the format counts them, by none of the daemon's code.
fn rows_of(path: &Path) -> u64 {
    let text = || fs::read_to_string(path).expect("text");
    match path.extension().and_then(|end| end.to_str()) {
        Some("csv") => {
            let mut reader = csv::Reader::from_path(path).expect("a CSV file");
            reader
                .records()
                .map(|row| row.expect("a whole row"))
                .count() as u64
        }
        Some("jsonl") => {
            let text = text();
            let rows = text.lines().map(serde_json::from_str::<Value>);
            rows.map(|row| row.expect("a row")).count() as u64
        }
        _ => {
            use parquet::file::reader::{FileReader, SerializedFileReader};
            let file = fs::File::open(path).expect("a file");
            let reader = SerializedFileReader::new(file).expect("a Parquet file");
            let rows = reader.get_row_iter(None).expect("rows");
            rows.map(|row| row.expect("a whole row")).count() as u64
        }
    }
}

#[test]
fn every_report_lands_in_every_format() {
    let stage = Stage::set(Setup::default());
    for report in REPORTS {
        for format in FORMATS {
            let name = format!("{report}-{format}");
            let keys = format!("report = \"{report}\"\nformat = \"{format}\"\n");
            let rest = crate::stage::schedule(&[]);
            let rest = rest
                .lines()
                .filter(|line| !line.starts_with("report") && !line.starts_with("format"));
            let rest: String = rest.map(|line| format!("{line}\n")).collect();
            stage.write(&format!("schedules/{name}.toml"), &(keys + &rest));
        }
    }
    stage.start();
    let names: Vec<String> = REPORTS
        .iter()
        .flat_map(|report| FORMATS.map(|format| format!("{report}-{format}")))
        .collect();
    let runs: Vec<String> = names.iter().map(|name| stage.begin(name, &DAY)).collect();
    for (name, run) in names.iter().zip(&runs) {
        stage.ended(run);
        let shown = stage.show(run);
        assert_eq!(shown["run"]["state"], "landed", "{shown:#}");
        let format = name.rsplit('-').next().expect("a format");
        let path = format!("data/{name}/date=2026-11-01/{name}.{format}");
        let file = stage.exports(&path);
        let [described] = list(&shown["files"]).as_slice() else {
            panic!("{name}: {shown:#}");
        };
        assert_eq!(described["path"], json!(path));
        assert_eq!(
            described["bytes"],
            json!(fs::metadata(&file).expect("it is there").len())
        );
        assert_eq!(described["sha256"], json!(sha256(&file)));
        assert_eq!(described["rows"], json!(rows_of(&file)));
        assert_eq!(described["generation"], json!(1));
        assert_eq!(shown["run"]["rows"], described["rows"]);
        assert_eq!(shown["run"]["bytes"], described["bytes"]);
        assert!(described["rows"].as_u64() >= Some(3), "{name}: {described}");
        check_manifest(&stage, name, run, described, &shown);
    }
    assert!(stage.files("staging").is_empty());
    assert_eq!(stage.files("data").len(), 9);
    stage.plain(&["verify"]).exits(0);
    stage.stop();
}

fn check_manifest(stage: &Stage, name: &str, run: &str, file: &Value, shown: &Value) {
    let manifest = stage.manifest(name, "date=2026-11-01");
    let contract = [
        "checks",
        "columns",
        "dates",
        "file",
        "format",
        "generation",
        "jobs",
        "landed_at",
        "properties",
        "report",
        "run",
        "schedule",
        "schema",
        "window",
    ];
    for field in contract {
        assert!(
            fields(&manifest).contains(&field),
            "{field} in {manifest:#}"
        );
    }
    let (report, format) = name.split_once('-').expect("two words");
    assert_eq!(manifest["schema"], "aptiqd.manifest/1");
    assert_eq!(manifest["schedule"], json!(name));
    assert_eq!(manifest["run"], json!(run));
    assert_eq!(manifest["generation"], json!(1));
    assert_eq!(
        manifest["window"],
        json!({"from": "2026-11-01", "to": "2026-11-01"})
    );
    assert_eq!(manifest["report"], json!(report));
    assert_eq!(manifest["format"], json!(format));
    for field in ["path", "bytes", "sha256", "rows"] {
        assert_eq!(manifest["file"][field], file[field], "{field}");
    }
    assert_eq!(
        fields(&manifest["file"]),
        ["bytes", "path", "rows", "sha256"]
    );
    let [job] = list(&manifest["jobs"]).as_slice() else {
        panic!("{manifest:#}");
    };
    let attempt = &shown["parts"][0]["attempts"][0];
    assert_eq!(job["job_id"], attempt["job_id"]);
    assert_eq!(job["properties"], json!(3));
    assert_eq!(
        (&job["from"], &job["to"]),
        (&json!("2026-11-01"), &json!("2026-11-01"))
    );
    assert_eq!(job["bytes"], shown["parts"][0]["artifact"]["bytes"]);
    assert_eq!(job["sha256"], shown["parts"][0]["artifact"]["sha256"]);
    assert_eq!(manifest["properties"]["requested"], json!(3));
    assert_eq!(manifest["properties"]["missing"], json!([]));
    assert_eq!(manifest["dates"]["from"], "2026-11-01");
    assert_eq!(manifest["dates"]["to"], "2026-11-01");
    assert_eq!(manifest["dates"]["missing"], json!([]));
    assert!(!list(&manifest["columns"]).is_empty());
    for column in list(&manifest["columns"]) {
        assert_eq!(fields(column), ["name", "type"]);
    }
    let landed_at = text(&manifest["landed_at"]);
    chrono::DateTime::parse_from_rfc3339(&landed_at).expect("an RFC 3339 instant");
}
