//! What is in a file: rows, columns, cells, nulls, ranges, keys; found while it streams by.

mod csv;
mod datum;
mod facts;
mod jsonl;
mod keys;
mod levels;
mod looks;
mod pages;
mod parquet;
mod records;
mod tally;
mod types;
mod unique;

pub(super) use self::csv::{Field, Header};
pub(super) use self::parquet::{
    corrupt, filled as filled_groups, guarded, is_blank, open as open_parquet, root_type,
    route_columns, rows as parquet_rows,
};
pub(super) use datum::{Datum, day_number, day_of_number};
pub(super) use facts::{Facts, Foreign, Kept, Watched};
pub(super) use jsonl::{LINE_MAX, Slotted};
pub(super) use keys::{NO_DAY, Reader as KeyReader, Sorted, merge as merge_keys};
pub(super) use levels::{BATCH, Entry, Levels, Work, work_on};
pub(super) use records::RecordReader;
pub(super) use tally::Slots;

use crate::run::{Fault, FaultClass};
use crate::schedule::{Checks, Columns, Format, Partition, Window};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use tally::Tally;

/// What inspection must know of a part: whose rows to expect, and what the checks will ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// Sorted.
    pub properties: Vec<i64>,
    pub window: Window,
    /// How the rows will be cut: keys are unique within one file.
    pub partition: Partition,
    pub columns: Columns,
    pub checks: Checks,
}

/// A file that is not what was asked for.
pub(super) fn content(message: impl Into<String>) -> Fault {
    Fault::new(FaultClass::Content, message)
}

/// Takes a file's bytes as they come, in any portions.
pub(super) struct Inspector {
    format: Format,
    head: Vec<u8>,
    sniffed: bool,
    body: Body,
}

enum Body {
    Csv(csv::Inspection),
    Jsonl(jsonl::Inspection),
    /// Parquet is read backwards from its footer, so it waits for the last byte.
    Parquet(Tally),
}

/// So much of a file is looked at before it is taken for its format.
const HEAD: usize = 512;

impl Inspector {
    /// `scratch`: where keys go that do not fit into memory.
    pub fn new(format: Format, terms: &Terms, scratch: &Path) -> Inspector {
        let tally = Tally::new(terms, scratch);
        Inspector {
            format,
            head: Vec::new(),
            sniffed: false,
            body: match format {
                Format::Csv => Body::Csv(csv::Inspection::new(tally)),
                Format::Jsonl => Body::Jsonl(jsonl::Inspection::new(tally)),
                Format::Parquet => Body::Parquet(tally),
            },
        }
    }

    /// The next bytes of the file.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if !self.sniffed {
            self.head.extend_from_slice(bytes);
            if self.head.len() < HEAD {
                return Ok(());
            }
            let head = std::mem::take(&mut self.head);
            return self.begin(&head);
        }
        self.pass_on(bytes)
    }

    fn begin(&mut self, head: &[u8]) -> Result<(), Fault> {
        self.sniffed = true;
        looks::admit(self.format, &head[..head.len().min(HEAD)])?;
        self.pass_on(head)
    }

    fn pass_on(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        match &mut self.body {
            Body::Csv(inspection) => inspection.feed(bytes),
            Body::Jsonl(inspection) => inspection.feed(bytes),
            Body::Parquet(_) => Ok(()),
        }
    }

    /// The file is whole; `path` is where it was staged.
    pub fn finish(mut self, path: &Path) -> Result<(Facts, Option<Sorted>), Fault> {
        if !self.sniffed && !self.head.is_empty() {
            let head = std::mem::take(&mut self.head);
            self.begin(&head)?;
        }
        match self.body {
            Body::Csv(inspection) => inspection.finish(),
            Body::Jsonl(inspection) => inspection.finish(),
            Body::Parquet(tally) if !self.sniffed => tally.finish(Vec::new()),
            Body::Parquet(tally) => parquet::inspect(path, tally),
        }
    }
}

/// Reads a file that is already on disk, as after a lost cache.
pub(super) fn inspect_file(
    path: &Path,
    format: Format,
    terms: &Terms,
    scratch: &Path,
) -> Result<(Facts, Option<Sorted>), Fault> {
    let failed = |error: std::io::Error| super::disk::disk_fault("read", path, &error);
    let mut inspector = Inspector::new(format, terms, scratch);
    let mut file = File::open(path).map_err(failed)?;
    let mut block = vec![0; super::merge::BLOCK];
    loop {
        let length = file.read(&mut block).map_err(failed)?;
        if length == 0 {
            return inspector.finish(path);
        }
        inspector.feed(&block[..length])?;
    }
}
