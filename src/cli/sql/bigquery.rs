//! BigQuery: external tables over a copy of the files in Cloud Storage.

use super::landed::key;
use super::{Statements, Subject};
use crate::schedule::{Format, Partition};

/// Stands where the user's own must stand.
const BUCKET: &str = "gs://BUCKET/exports/data";

pub fn statements(subject: &Subject) -> Statements {
    let schedule = subject.schedule;
    let name = &schedule.name;
    let mut notes = Vec::new();
    let data = match &subject.local {
        None => subject.data.clone(),
        Some(_) => {
            let folder = super::super::render::shell_word(&format!("{}/{name}", subject.data));
            notes.push(
                "BigQuery reads from Cloud Storage. Copy the files first, and after each run:"
                    .to_owned(),
            );
            notes.push(format!(
                "  gcloud storage rsync --recursive {folder} {BUCKET}/{name}"
            ));
            notes.push(
                "Then put your bucket and dataset in (--location gs://… does the first)."
                    .to_owned(),
            );
            BUCKET.to_owned()
        }
    };
    if schedule.partition == Partition::Window {
        notes.push("Days in two windows that overlap are in it twice.".to_owned());
    }
    let statements = vec![external_table(subject, &data, &mut notes)];
    Statements { notes, statements }
}

fn external_table(subject: &Subject, data: &str, notes: &mut Vec<String>) -> String {
    let schedule = subject.schedule;
    let name = &schedule.name;
    let key = key(schedule.partition);
    let mut options = vec![
        format!("format = '{}'", format_name(schedule.format)),
        format!("uris = [{}]", literal(&format!("{data}/{name}/*"))),
    ];
    if schedule.format == Format::Csv {
        options.push("skip_leading_rows = 1".to_owned());
        options.push("allow_quoted_newlines = TRUE".to_owned());
    }
    let partition = if subject.landed.has_column(key) {
        notes.push(format!(
            "The files have a column `{key}` of their own, so the partition is only in _FILE_NAME."
        ));
        String::new()
    } else {
        options.push(format!(
            "hive_partition_uri_prefix = {}",
            literal(&format!("{data}/{name}"))
        ));
        let kind = match schedule.partition {
            Partition::Date | Partition::Month => "DATE",
            Partition::Window => "STRING",
        };
        format!("WITH PARTITION COLUMNS (`{key}` {kind})\n")
    };
    format!(
        "CREATE OR REPLACE EXTERNAL TABLE `DATASET.{}`\n{partition}OPTIONS (\n  {}\n)",
        subject.table,
        options.join(",\n  ")
    )
}

fn format_name(format: Format) -> &'static str {
    match format {
        Format::Csv => "CSV",
        Format::Jsonl => "NEWLINE_DELIMITED_JSON",
        Format::Parquet => "PARQUET",
    }
}

/// Here a backslash escapes.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
