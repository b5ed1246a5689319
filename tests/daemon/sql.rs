//! `sql` over files that really landed, run by DuckDB where there is one.

use crate::stage::{Setup, Stage, list};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;

/// Runs a script and prints the rows of every view, as JSON.
const RUNNER: &str = "import duckdb, json, sys
db = duckdb.connect()
db.execute(sys.stdin.read())
views = [row[0] for row in db.execute(\"select view_name from duckdb_views() where not internal order by 1\").fetchall()]
print(json.dumps({view: db.execute(f'select count(*) from \"{view}\"').fetchone()[0] for view in views}))";

/// A Python with DuckDB, or why there is none.
fn python() -> Result<PathBuf, String> {
    let named = std::env::var_os("APTIQD_TEST_PYTHON").map(PathBuf::from);
    let python = named.unwrap_or_else(|| "python3".into());
    match Command::new(&python).args(["-c", "import duckdb"]).output() {
        Ok(output) if output.status.success() => Ok(python),
        Ok(_) => Err(format!("{} has no module duckdb", python.display())),
        Err(error) => Err(format!("{}: {error}", python.display())),
    }
}

#[test]
fn duckdb_reads_every_format_and_partition_by_the_views_it_is_given() {
    let stage = Stage::set(Setup::default());
    let kinds = [
        ("csv-date", "\"csv\"", "\"date\""),
        ("jsonl-date", "\"jsonl\"", "\"date\""),
        ("parquet-date", "\"parquet\"", "\"date\""),
        ("csv-month", "\"csv\"", "\"month\""),
        ("parquet-window", "\"parquet\"", "\"window\""),
        ("jsonl-window", "\"jsonl\"", "\"window\""),
    ];
    for (name, format, partition) in kinds {
        stage.schedule(name, &[("format", format), ("partition", partition)]);
    }
    stage.start();
    let days = ["--from", "2026-10-30", "--to", "2026-11-02"];
    for (name, ..) in kinds {
        stage.lands(name, &days);
    }
    // Needs no daemon.
    stage.stop();
    let document = stage.verb(&["sql", "--dialect", "duckdb"]).exits(0).json();
    assert_eq!(document["schema"], "aptiqd.sql/1");
    assert_eq!(list(&document["schedules"]).len(), kinds.len());
    let script = stage.plain(&["sql", "--dialect", "duckdb"]).exits(0).stdout;
    match python() {
        Err(why) => println!("skipped: DuckDB does not run the views: {why}"),
        Ok(python) => {
            let path = stage.path("views.sql");
            std::fs::write(&path, script).expect("a file");
            let counts = Command::new(python)
                .args(["-c", RUNNER])
                .stdin(std::fs::File::open(path).expect("a file"))
                .output()
                .expect("Python runs");
            let stderr = String::from_utf8_lossy(&counts.stderr).into_owned();
            assert!(counts.status.success(), "{stderr}");
            let counts: Value = serde_json::from_slice(&counts.stdout).expect("JSON");
            // 3 properties × 4 days; a file a day, a month or a window.
            let expected = json!({
                "csv_date": 12, "csv_date_files": 4, "jsonl_date": 12, "jsonl_date_files": 4,
                "parquet_date": 12, "parquet_date_files": 4, "csv_month": 12, "csv_month_files": 2,
                "parquet_window": 12, "parquet_window_files": 1,
                "jsonl_window": 12, "jsonl_window_files": 1,
            });
            assert_eq!(counts, expected);
        }
    }
}
