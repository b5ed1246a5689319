//! Reads records back from a file that passed inspection.

use super::csv::{Field, MARK, Record, parse_record};
use super::{LINE_MAX, content};
use crate::landing::disk::disk_fault;
use crate::run::Fault;
use memchr::memchr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A record with its line end, and its fields.
type Parsed<'r> = (&'r [u8], &'r [Field]);

/// A file that is read on by records or by lines.
pub(in crate::landing) struct RecordReader {
    path: PathBuf,
    file: File,
    buffer: Vec<u8>,
    used: usize,
    ended: bool,
    pub fields: Vec<Field>,
}

impl RecordReader {
    pub fn open(path: &Path) -> Result<RecordReader, Fault> {
        let file = File::open(path).map_err(|error| disk_fault("open", path, &error))?;
        let mut reader = RecordReader {
            path: path.to_owned(),
            file,
            buffer: Vec::new(),
            used: 0,
            ended: false,
            fields: Vec::new(),
        };
        while reader.buffer.len() < MARK.len() && !reader.ended {
            reader.fill()?;
        }
        if reader.buffer.starts_with(MARK) {
            reader.used = MARK.len();
        }
        Ok(reader)
    }

    /// The next CSV record with its line end.
    pub fn next_record(&mut self) -> Result<Option<Parsed<'_>>, Fault> {
        self.next_with(parse_record)
    }

    /// The next line with its newline, whatever is in it.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, Fault> {
        let line = self.next_with(|buffer, _, last| match memchr(b'\n', buffer) {
            Some(at) => Record::Whole(at + 1),
            None if last && !buffer.is_empty() => Record::Whole(buffer.len()),
            None if last => Record::Blank(0),
            None => Record::Partial,
        })?;
        Ok(line.map(|(line, _)| line))
    }

    fn next_with(
        &mut self,
        parse: impl Fn(&[u8], &mut Vec<Field>, bool) -> Record,
    ) -> Result<Option<Parsed<'_>>, Fault> {
        loop {
            match parse(&self.buffer[self.used..], &mut self.fields, self.ended) {
                Record::Whole(length) => {
                    let from = self.used;
                    self.used += length;
                    return Ok(Some((&self.buffer[from..from + length], &self.fields)));
                }
                Record::Blank(0) => return Ok(None),
                Record::Blank(length) => self.used += length,
                Record::Partial => self.fill()?,
                Record::Unclosed => {
                    return Err(content(format!(
                        "{} ends within quotes",
                        self.path.display()
                    )));
                }
            }
        }
    }

    /// What is left after the records read so far, unparsed: bytes in memory, then the file.
    pub fn rest(self) -> (Vec<u8>, File) {
        (self.buffer[self.used..].to_vec(), self.file)
    }

    fn fill(&mut self) -> Result<(), Fault> {
        self.buffer.drain(..self.used);
        self.used = 0;
        let from = self.buffer.len();
        if from > LINE_MAX {
            return Err(content(format!(
                "{} has an endless record",
                self.path.display()
            )));
        }
        self.buffer.resize(from + crate::landing::merge::BLOCK, 0);
        let length = self
            .file
            .read(&mut self.buffer[from..])
            .map_err(|error| disk_fault("read", &self.path, &error))?;
        self.buffer.truncate(from + length);
        self.ended = length == 0;
        Ok(())
    }
}
