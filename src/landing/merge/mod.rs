//! From parts to partitions in one streaming pass: rows are moved, never altered.

mod columns;
mod parquet;
mod text;
mod union;

pub(super) use union::nullable;

use super::disk::{Disk, disk_fault};
use super::inspect::{Datum, Slots};
use crate::run::Fault;
use ::parquet::schema::types::TypePtr;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Bytes read or written at a time.
pub(super) const BLOCK: usize = 256 << 10;
/// Files written at the same time; more outputs take more passes.
const OPEN_MAX: usize = 48;

/// Decides by property and day which output a row belongs to; `None` leaves it out.
pub(super) type Route = Box<dyn Fn(&Datum, &Datum) -> Option<usize> + Send>;

/// What becomes of a source's rows.
pub(super) enum Take {
    /// All of them go into one output.
    Whole(usize),
    Routed(Route),
}

/// The form that all sources and outputs have.
pub(super) enum Form {
    Csv,
    Jsonl,
    /// With types that outputs are to have; a source may differ in columns that are null throughout.
    Parquet(Option<TypePtr>),
}

/// A file that passed inspection.
pub(super) struct Source {
    pub path: PathBuf,
    pub rows: u64,
    pub take: Take,
}

/// A finished output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Merged {
    pub bytes: u64,
    pub sha256: String,
    pub rows: u64,
}

/// Writes each output from the sources, in their order. An output without rows is left out.
pub(super) fn merge(
    disk: &Disk,
    form: &Form,
    slots: &Slots,
    sources: &[Source],
    outputs: &[PathBuf],
) -> Result<Vec<Option<Merged>>, Fault> {
    let mut merged = Vec::with_capacity(outputs.len());
    for first in (0..outputs.len()).step_by(OPEN_MAX) {
        let pass = Pass {
            disk,
            slots,
            sources,
            outputs,
            range: first..(first + OPEN_MAX).min(outputs.len()),
        };
        merged.extend(match form {
            Form::Csv => text::merge_csv(&pass)?,
            Form::Jsonl => text::merge_jsonl(&pass)?,
            Form::Parquet(model) => parquet::merge(&pass, model.as_ref())?,
        });
    }
    Ok(merged)
}

/// One pass over the sources, for some of the outputs.
struct Pass<'a> {
    disk: &'a Disk,
    slots: &'a Slots,
    sources: &'a [Source],
    outputs: &'a [PathBuf],
    range: Range<usize>,
}

impl Pass<'_> {
    /// The place of an output among those of this pass.
    fn here(&self, output: Option<usize>) -> Option<usize> {
        output
            .filter(|output| self.range.contains(output))
            .map(|output| output - self.range.start)
    }

    /// Sources that may have rows for this pass.
    fn sources(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(|source| match source.take {
            Take::Whole(output) => self.range.contains(&output),
            Take::Routed(_) => true,
        })
    }

    fn sink(&self, at: usize) -> Result<Sink, Fault> {
        Sink::create(self.disk, &self.outputs[self.range.start + at])
    }
}

/// A file being written and hashed.
pub(super) struct Sink {
    path: PathBuf,
    file: File,
    hasher: Sha256,
    buffer: Vec<u8>,
    bytes: u64,
    pub rows: u64,
}

impl Sink {
    pub fn create(disk: &Disk, path: &Path) -> Result<Sink, Fault> {
        if let Some(folder) = path.parent() {
            disk.make_folder(folder)?;
        }
        Ok(Sink {
            path: path.to_owned(),
            file: disk.create(path)?,
            hasher: Sha256::new(),
            buffer: Vec::with_capacity(BLOCK),
            bytes: 0,
            rows: 0,
        })
    }

    pub fn put(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.write_all(bytes)
            .map_err(|error| disk_fault("write", &self.path, &error))
    }

    fn spill(&mut self) -> io::Result<()> {
        self.hasher.update(&self.buffer);
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Syncs and seals the file; one without rows is removed.
    pub fn finish(mut self, disk: &Disk) -> Result<Option<Merged>, Fault> {
        if self.rows == 0 {
            disk.remove(&self.path)?;
            return Ok(None);
        }
        self.spill()
            .map_err(|error| disk_fault("write", &self.path, &error))?;
        disk.seal(&self.file, &self.path)?;
        Ok(Some(Merged {
            bytes: self.bytes,
            sha256: hex(&self.hasher.finalize()),
            rows: self.rows,
        }))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BLOCK {
            self.spill()?;
        }
        if bytes.len() >= BLOCK {
            self.hasher.update(bytes);
            self.file.write_all(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.spill()
    }
}

pub(super) fn hex(digest: &[u8]) -> String {
    digest
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Length and SHA-256 of a file, in flat memory.
pub(super) fn hash_file(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut block = vec![0; BLOCK];
    let mut bytes = 0;
    loop {
        match file.read(&mut block)? {
            0 => return Ok((bytes, hex(&hasher.finalize()))),
            length => {
                hasher.update(&block[..length]);
                bytes += length as u64;
            }
        }
    }
}
