//! DuckDB: a view over the files, and one over their manifests.

use super::landed::key;
use super::{Statements, Subject, literal, quoted};
use crate::schedule::{Format, Partition};

pub fn statements(subject: &Subject) -> Statements {
    let schedule = subject.schedule;
    let mut notes = Vec::new();
    if schedule.partition == Partition::Window {
        notes.push("Days in two windows that overlap are in it twice.".to_owned());
    }
    let mut statements = vec![view(subject, &mut notes)];
    statements.extend(partitions(subject));
    Statements { notes, statements }
}

fn view(subject: &Subject, notes: &mut Vec<String>) -> String {
    let schedule = subject.schedule;
    let key = key(schedule.partition);
    let hides = subject.landed.has_column(key);
    let reader = reader(schedule.format);
    let glob = format!(
        "{}/{}/*/*.{}",
        escaped(&subject.data),
        schedule.name,
        schedule.format.as_str()
    );
    let kind = match schedule.partition {
        Partition::Date | Partition::Month => "DATE",
        Partition::Window => "VARCHAR",
    };
    let mut options = vec![literal(&glob)];
    options.extend(reading(schedule.format).iter().map(|one| (*one).to_owned()));
    options.push("union_by_name = true".to_owned());
    let columns = if hides {
        notes.push(format!(
            "The files have a column `{key}`; the partition's is `partition_{key}`."
        ));
        options.push("hive_partitioning = false, filename = true".to_owned());
        let value = format!("regexp_extract(filename, '/{key}=([^/]*)/', 1)::{kind}");
        format!("* EXCLUDE (filename),\n  {value} AS partition_{key}")
    } else {
        options.push("hive_partitioning = true".to_owned());
        options.push(format!("hive_types = {{'{key}': {kind}}}"));
        "*".to_owned()
    };
    format!(
        "CREATE OR REPLACE VIEW {} AS\nSELECT {columns}\nFROM {reader}(\n  {}\n)",
        quoted(&subject.table),
        options.join(",\n  ")
    )
}

/// One row a file: what its manifest says. Only where the manifests are at hand.
fn partitions(subject: &Subject) -> Option<String> {
    let root = subject.local.as_ref()?;
    let glob = format!(
        "{}/meta/{}/*=*.json",
        escaped(&root.to_string_lossy()),
        subject.schedule.name
    );
    let columns = "{file: 'STRUCT(path VARCHAR, bytes UBIGINT, sha256 VARCHAR, rows UBIGINT)', \
        generation: 'UBIGINT', run: 'VARCHAR', landed_at: 'TIMESTAMPTZ', \
        properties: 'STRUCT(requested UBIGINT, present UBIGINT, missing BIGINT[])'}";
    Some(format!(
        "CREATE OR REPLACE VIEW {} AS\n\
         SELECT file.path, file.rows, file.bytes, generation, run, landed_at,\n  \
         properties.requested, properties.present, properties.missing\n\
         FROM read_json(\n  {},\n  format = 'auto',\n  columns = {columns}\n)",
        quoted(&subject.files),
        literal(&glob)
    ))
}

fn reader(format: Format) -> &'static str {
    match format {
        Format::Csv => "read_csv",
        Format::Jsonl => "read_json",
        Format::Parquet => "read_parquet",
    }
}

/// Types are taken from all rows: a guess from the first ones breaks at a later one.
fn reading(format: Format) -> &'static [&'static str] {
    match format {
        Format::Csv => &["header = true", "sample_size = -1"],
        Format::Jsonl => &["format = 'newline_delimited'", "sample_size = -1"],
        Format::Parquet => &[],
    }
}

/// A folder whose name holds a pattern's characters still means itself.
fn escaped(path: &str) -> String {
    let mut text = String::new();
    for c in path.chars() {
        match c {
            '[' => text.push_str("[[]"),
            '*' => text.push_str("[*]"),
            '?' => text.push_str("[?]"),
            c => text.push(c),
        }
    }
    text
}
