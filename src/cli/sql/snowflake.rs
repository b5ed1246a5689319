//! Snowflake: a stage, a table, and a load that may be repeated.

use super::landed::{Column, key};
use super::{Statements, Subject, literal, quoted};
use crate::schedule::{Format, Partition};

/// The stage that files go through.
const STAGE: &str = "APTIQD";

pub fn statements(subject: &Subject) -> Statements {
    let name = &subject.schedule.name;
    let table = quoted(&subject.table.to_uppercase());
    let format = format_name(subject.schedule.format);
    let mut statements = vec![stage(subject), file_format(subject.schedule.format)];
    statements.extend(uploads(subject));
    statements.push(create(subject, &table, format));
    statements.extend(load(subject, &table, format));
    let mut notes = vec![format!(
        "The load replaces the rows of {} whole, in one transaction: files that were exported again count once.",
        subject.table.to_uppercase()
    )];
    if subject.local.is_some() {
        notes.push(
            "PUT is a command of the clients (snow sql, snowsql), not of the worksheet.".to_owned(),
        );
    } else {
        notes.push(format!(
            "Give the stage what lets it read {}: STORAGE_INTEGRATION or CREDENTIALS.",
            subject.data
        ));
    }
    if subject.schedule.partition == Partition::Window {
        notes.push(format!(
            "Days in two windows of {name} that overlap are in it twice."
        ));
    }
    Statements { notes, statements }
}

fn stage(subject: &Subject) -> String {
    let url = match subject.local {
        Some(_) => String::new(),
        None => format!(" URL = {}", literal(&format!("{}/", subject.data))),
    };
    format!("CREATE STAGE IF NOT EXISTS {STAGE}{url}")
}

fn format_name(format: Format) -> &'static str {
    match format {
        Format::Csv => "APTIQD_CSV",
        Format::Jsonl => "APTIQD_JSONL",
        Format::Parquet => "APTIQD_PARQUET",
    }
}

fn file_format(format: Format) -> String {
    let options = match format {
        Format::Csv => {
            "TYPE = CSV PARSE_HEADER = TRUE FIELD_OPTIONALLY_ENCLOSED_BY = '\"' \
             NULL_IF = () EMPTY_FIELD_AS_NULL = TRUE"
        }
        Format::Jsonl => "TYPE = JSON",
        Format::Parquet => "TYPE = PARQUET USE_LOGICAL_TYPE = TRUE",
    };
    format!(
        "CREATE FILE FORMAT IF NOT EXISTS {} {options}",
        format_name(format)
    )
}

/// All files have one name, so each goes to a folder of its own.
fn uploads(subject: &Subject) -> Vec<String> {
    let Some(root) = &subject.local else {
        return Vec::new();
    };
    let name = &subject.schedule.name;
    let file = format!("{name}.{}", subject.schedule.format.as_str());
    let upload = |partition: &String| {
        let path = root
            .join("data")
            .join(name.as_str())
            .join(partition)
            .join(&file);
        let from = path
            .to_string_lossy()
            .replace('\\', "\\\\")
            .replace('\'', "\\'");
        format!(
            "PUT 'file://{from}' @{STAGE}/{name}/{partition}/ AUTO_COMPRESS = FALSE OVERWRITE = TRUE"
        )
    };
    subject.landed.partitions.iter().map(upload).collect()
}

fn create(subject: &Subject, table: &str, format: &str) -> String {
    let name = &subject.schedule.name;
    let columns = &subject.landed.columns;
    if columns.is_empty() {
        return format!(
            "CREATE TABLE IF NOT EXISTS {table} USING TEMPLATE (\n  \
             SELECT ARRAY_AGG(OBJECT_CONSTRUCT(*)) FROM TABLE(INFER_SCHEMA(\n    \
             LOCATION => '@{STAGE}/{name}/', FILE_FORMAT => '{format}', IGNORE_CASE => TRUE))\n)"
        );
    }
    let mut lines: Vec<String> = columns
        .iter()
        .map(|column| format!("  {} {}", quoted(&column.name.to_uppercase()), kind(column)))
        .collect();
    lines.push("  APTIQD_FILE VARCHAR".to_owned());
    format!(
        "CREATE TABLE IF NOT EXISTS {table} (\n{}\n)",
        lines.join(",\n")
    )
}

fn load(subject: &Subject, table: &str, format: &str) -> Vec<String> {
    let name = &subject.schedule.name;
    let key = key(subject.schedule.partition);
    let extension = subject.schedule.format.as_str();
    let pattern = literal(&format!(".*{key}=[^/]*/{name}[.]{extension}"));
    let file = match subject.landed.columns.is_empty() {
        true => "",
        false => "\n  INCLUDE_METADATA = (APTIQD_FILE = METADATA$FILENAME)",
    };
    vec![
        "BEGIN".to_owned(),
        format!("DELETE FROM {table}"),
        format!(
            "COPY INTO {table} FROM @{STAGE}/{name}/\n  PATTERN = {pattern}\n  \
             FILE_FORMAT = (FORMAT_NAME = {format})\n  \
             MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE{file}\n  FORCE = TRUE"
        ),
        "COMMIT".to_owned(),
    ]
}

/// Wide rather than exact: a type that is too narrow stops a load.
fn kind(column: &Column) -> &'static str {
    let kind = column.kind.to_lowercase();
    let has = |word: &str| kind.contains(word);
    match () {
        () if has("timestamp") || kind.starts_with("int96") => "TIMESTAMP_NTZ",
        () if has("date") => "DATE",
        () if has("decimal") => "NUMBER(38, 9)",
        () if kind.starts_with("int") => "NUMBER(38, 0)",
        () if has("double") || has("float") => "DOUBLE",
        () if has("bool") => "BOOLEAN",
        () if has("object") || has("array") && !has("byte_array") || has("mixed") => "VARIANT",
        () => "VARCHAR",
    }
}
