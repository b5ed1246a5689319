//! The statements of every dialect, format and partition.

use super::*;
use crate::schedule::Partition;
use std::fs;

fn subject<'s>(schedule: &'s Schedule, root: &Path) -> Subject<'s> {
    Subject {
        schedule,
        table: "owned_daily".to_owned(),
        files: "owned_daily_files".to_owned(),
        landed: Landed::look(root, schedule),
        data: root.join("data").to_string_lossy().into_owned(),
        local: Some(root.to_owned()),
    }
}

/// A schedule as a file declares it.
fn schedule(format: &str, partition: &str) -> Schedule {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "report = \"property\"\nformat = \"{format}\"\ncron = \"30 12 * * *\"\n\
         timezone = \"UTC\"\nwindow = \"last_7_days\"\npartition = \"{partition}\"\n\
         properties = {{ ids = [1] }}\n"
    );
    fs::write(folder.path().join("owned-daily.toml"), text).unwrap();
    let schedules = config::load_folder(folder.path());
    schedules.unwrap().remove(0)
}

fn land(root: &Path, schedule: &Schedule, partition: &str, columns: &str) {
    let name = schedule.name.as_str();
    let folder = root.join("data").join(name).join(partition);
    fs::create_dir_all(&folder).unwrap();
    let file = format!("{name}.{}", schedule.format.as_str());
    fs::write(folder.join(file), "x").unwrap();
    let meta = root.join("meta").join(name);
    fs::create_dir_all(&meta).unwrap();
    fs::write(
        meta.join("schema.json"),
        format!("{{\"columns\":[{columns}]}}"),
    )
    .unwrap();
}

#[test]
fn a_view_of_days_has_a_date_and_a_view_of_windows_a_text() {
    let root = tempfile::tempdir().unwrap();
    let daily = schedule("parquet", "date");
    let made = duckdb::statements(&subject(&daily, root.path())).statements[0].clone();
    let expected = format!(
        "CREATE OR REPLACE VIEW \"owned_daily\" AS\nSELECT *\nFROM read_parquet(\n  \
         '{}/data/owned-daily/*/*.parquet',\n  union_by_name = true,\n  \
         hive_partitioning = true,\n  hive_types = {{'date': DATE}}\n)",
        root.path().display()
    );
    assert_eq!(made, expected);
    let windows = schedule("csv", "window");
    let made = duckdb::statements(&subject(&windows, root.path()));
    assert!(made.statements[0].contains("read_csv("));
    assert!(made.statements[0].contains("{'window': VARCHAR}"));
    assert!(made.notes[0].contains("twice"));
    let months = schedule("jsonl", "month");
    let made = duckdb::statements(&subject(&months, root.path()));
    assert!(made.statements[0].contains("format = 'newline_delimited'"));
    assert!(made.statements[0].contains("{'month': DATE}"));
}

#[test]
fn a_column_named_as_the_partition_is_not_hidden() {
    let root = tempfile::tempdir().unwrap();
    let daily = schedule("csv", "date");
    land(
        root.path(),
        &daily,
        "date=2026-11-01",
        r#"{"name":"Date","type":"text"}"#,
    );
    let subject = subject(&daily, root.path());
    let duckdb = &duckdb::statements(&subject).statements[0];
    assert!(duckdb.contains("hive_partitioning = false"), "{duckdb}");
    assert!(duckdb.contains("AS partition_date"), "{duckdb}");
    let bigquery = &bigquery::statements(&subject).statements[0];
    assert!(!bigquery.contains("PARTITION COLUMNS"), "{bigquery}");
}

#[test]
fn snowflake_uploads_each_partition_and_loads_them_once() {
    let root = tempfile::tempdir().unwrap();
    let monthly = schedule("parquet", "month");
    let columns = r#"{"name":"id","type":"int64"},{"name":"avg_rent","type":"double"},
        {"name":"day","type":"int32 date"},{"name":"n","type":"byte_array string"}"#;
    land(root.path(), &monthly, "month=2026-10-01", columns);
    land(root.path(), &monthly, "month=2026-11-01", columns);
    let statements = snowflake::statements(&subject(&monthly, root.path())).statements;
    let puts: Vec<&String> = statements
        .iter()
        .filter(|one| one.starts_with("PUT"))
        .collect();
    assert_eq!(puts.len(), 2);
    assert!(
        puts[0].contains("@APTIQD/owned-daily/month=2026-10-01/"),
        "{}",
        puts[0]
    );
    let table = statements
        .iter()
        .find(|one| one.starts_with("CREATE TABLE"));
    assert_eq!(
        table.map(String::as_str),
        Some(
            "CREATE TABLE IF NOT EXISTS \"OWNED_DAILY\" (\n  \"ID\" NUMBER(38, 0),\n  \
             \"AVG_RENT\" DOUBLE,\n  \"DAY\" DATE,\n  \"N\" VARCHAR,\n  APTIQD_FILE VARCHAR\n)"
        )
    );
    let ends = &statements[statements.len() - 4..];
    assert_eq!((ends[0].as_str(), ends[3].as_str()), ("BEGIN", "COMMIT"));
    assert!(ends[2].contains("[.]parquet"), "{}", ends[2]);
}

#[test]
fn a_location_elsewhere_needs_no_upload() {
    let root = tempfile::tempdir().unwrap();
    let daily = schedule("jsonl", "date");
    let elsewhere = Subject {
        data: "gs://b/data".to_owned(),
        local: None,
        ..subject(&daily, root.path())
    };
    let bigquery = &bigquery::statements(&elsewhere).statements[0];
    assert!(
        bigquery.contains("uris = ['gs://b/data/owned-daily/*']"),
        "{bigquery}"
    );
    assert!(bigquery.contains("NEWLINE_DELIMITED_JSON"), "{bigquery}");
    let snowflake = snowflake::statements(&elsewhere).statements;
    assert!(
        snowflake[0].contains("URL = 'gs://b/data/'"),
        "{}",
        snowflake[0]
    );
    assert!(!snowflake.iter().any(|one| one.starts_with("PUT")));
    assert_eq!(duckdb::statements(&elsewhere).statements.len(), 1);
}

#[test]
fn before_anything_landed_a_script_does_nothing() {
    let root = tempfile::tempdir().unwrap();
    let daily = schedule("parquet", "date");
    let subject = subject(&daily, root.path());
    let script = text(&subject, &duckdb::statements(&subject));
    assert!(script.contains("read_parquet("));
    assert!(
        script.lines().all(|line| line.starts_with("--")),
        "{script}"
    );
}

#[test]
fn names_that_would_collide_stay_apart() {
    let mut twins = vec![schedule("csv", "date"), schedule("csv", "date")];
    twins[1].name = crate::schedule::Name::parse("owned_daily").unwrap();
    let names = table_names(&twins);
    assert_eq!(names["owned-daily"], "owned-daily");
    assert_eq!(names["owned_daily"], "owned_daily");
    twins[1].name = crate::schedule::Name::parse("7days").unwrap();
    let names = table_names(&twins);
    assert_eq!(names["owned-daily"], "owned_daily");
    assert_eq!(names["7days"], "s7days");
    assert_eq!(twins[0].partition, Partition::Date);
}

#[test]
fn paths_cannot_leave_their_literals() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("it's [a] *");
    let daily = schedule("csv", "date");
    let made = &duckdb::statements(&subject(&daily, &root)).statements[0];
    assert!(made.contains("it''s [[]a] [*]/data/owned-daily"), "{made}");
    assert!(location("gs://b/x/").is_ok_and(|url| url == "gs://b/x"));
    assert!(location("/etc").is_err() && location("gs://a b").is_err());
    assert_eq!(literal("a'b"), "'a''b'");
}

#[test]
fn a_view_of_manifests_never_takes_a_schedules_name() {
    let tables = ["a", "a_files", "b"].map(|name| (name.to_owned(), name.to_owned()));
    let tables = BTreeMap::from(tables);
    assert_eq!(files_name("a", &tables), "a_files_");
    assert_eq!(files_name("b", &tables), "b_files");
}
