//! A schedule against what it has landed: readers of `data/` rely on one kind of key and one format.

use super::section::Section;
use super::sheet::Sheet;
use crate::schedule::{Format, Partition, Schedule};
use std::ops::Range;
use std::path::Path;

/// Where the keys stand that faults point at.
pub(super) struct Spans {
    partition: Range<usize>,
    format: Range<usize>,
}

impl Spans {
    pub fn of(top: &Section<'_>) -> Spans {
        // Left out, `partition` follows from `window`.
        let key = match top.has("partition") {
            true => "partition",
            false => "window",
        };
        Spans {
            partition: top.key_span(key),
            format: top.key_span("format"),
        }
    }
}

/// Faults if `data/NAME` below `root` holds files by another key, or of another format.
pub(super) fn hold(sheet: &Sheet, spans: &Spans, schedule: &Schedule, root: &Path) {
    let name = &schedule.name;
    let Ok(keys) = std::fs::read_dir(root.join("data").join(name.as_str())) else {
        return;
    };
    let own = key_name(schedule.partition);
    let (mut other_key, mut other_format) = (None, None);
    for key in keys.flatten() {
        let folder = key.file_name().to_string_lossy().into_owned();
        for format in [Format::Csv, Format::Jsonl, Format::Parquet] {
            let file = format!("{name}.{}", format.as_str());
            if !key.path().join(file).exists() {
                continue;
            }
            let kind = folder.split_once('=').map(|(kind, _)| kind);
            if kind.is_some_and(|kind| kind != own) {
                other_key = kind.map(str::to_owned);
            }
            if format != schedule.format {
                other_format = Some(format);
            }
        }
    }
    let way_out = format!(
        "move data/{name} and meta/{name} away and export the days anew by `aptiqd backfill {name}`, or \
         give the schedule another name"
    );
    if let Some(kind) = other_key {
        let message = format!(
            "data/{name} holds files by `{kind}`: beside files by `{own}` readers would see days twice"
        );
        let help = format!("keep partition = \"{kind}\"; or {way_out}");
        sheet.fault(spans.partition.clone(), "landed-otherwise", message, help);
    }
    if let Some(format) = other_format {
        let (before, now) = (format.as_str(), schedule.format.as_str());
        let message = format!(
            "data/{name} holds {before} files: readers could not read {now} files beside them as one"
        );
        let help = format!("keep format = \"{before}\"; or {way_out}");
        sheet.fault(spans.format.clone(), "landed-otherwise", message, help);
    }
}

/// The name of the folders' key, which readers take for a column.
pub(super) fn key_name(partition: Partition) -> &'static str {
    match partition {
        Partition::Date => "date",
        Partition::Month => "month",
        Partition::Window => "window",
    }
}
