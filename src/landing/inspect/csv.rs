//! CSV, split into records without copying or changing a byte: quoted newlines, CRLF, a byte order mark.

use super::datum::Datum;
use super::facts::Facts;
use super::keys::Sorted;
use super::tally::{Slots, Tally};
use super::{LINE_MAX, content};
use crate::landing::manifest::Column;
use crate::run::Fault;
use memchr::{memchr, memchr2};
use std::borrow::Cow;

/// Where a field lies within its record, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::landing) struct Field {
    from: u32,
    to: u32,
    /// Holds doubled quotes that stand for one.
    escaped: bool,
}

/// How a buffer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::landing) enum Record {
    /// A record of so many bytes, its line end included.
    Whole(usize),
    /// An empty line of so many bytes.
    Blank(usize),
    /// More bytes are needed.
    Partial,
    /// The file ends within quotes.
    Unclosed,
}

pub(in crate::landing) const MARK: &[u8] = b"\xef\xbb\xbf";
const COLUMNS_MAX: usize = 16_384;

#[expect(
    clippy::cast_possible_truncation,
    reason = "a record is at most LINE_MAX bytes"
)]
fn field(from: usize, to: usize, escaped: bool) -> Field {
    Field {
        from: from as u32,
        to: to as u32,
        escaped,
    }
}

/// Finds the first record of `buffer` and its fields; `last` says that no more bytes will come.
pub(in crate::landing) fn parse_record(
    buffer: &[u8],
    fields: &mut Vec<Field>,
    last: bool,
) -> Record {
    fields.clear();
    match buffer {
        [] | [b'\r'] if !last => return Record::Partial,
        [] => return Record::Blank(0),
        [b'\n', ..] => return Record::Blank(1),
        [b'\r', b'\n', ..] => return Record::Blank(2),
        _ => {}
    }
    let mut from = 0;
    loop {
        let (start, mut end, mut escaped) = (from, from, false);
        let quoted = buffer.get(start) == Some(&b'"');
        if quoted {
            match close_quote(buffer, start + 1, &mut escaped) {
                Some(close) => end = close,
                None if last => return Record::Unclosed,
                None => return Record::Partial,
            }
        }
        let after = if quoted { end + 1 } else { start };
        let stop = memchr2(b',', b'\n', &buffer[after..]).map(|at| after + at);
        let next = match stop {
            Some(stop) => stop,
            None if last => buffer.len(),
            None => return Record::Partial,
        };
        let ends_record = buffer.get(next) != Some(&b',');
        let text_end = match next {
            _ if !ends_record => next,
            _ if next > after && buffer[next - 1] == b'\r' => next - 1,
            _ => next,
        };
        if quoted && text_end == after {
            fields.push(field(start + 1, end, escaped));
        } else {
            // Text behind a closing quote is odd but whole: the field is taken as it stands.
            fields.push(field(start, text_end, false));
        }
        if ends_record {
            return Record::Whole((next + 1).min(buffer.len()));
        }
        from = next + 1;
    }
}

fn close_quote(buffer: &[u8], mut from: usize, escaped: &mut bool) -> Option<usize> {
    loop {
        let at = from + memchr(b'"', &buffer[from..])?;
        if buffer.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        *escaped = true;
        from = at + 2;
    }
}

impl Field {
    pub fn text(self, record: &[u8]) -> Cow<'_, [u8]> {
        let raw = &record[self.from as usize..self.to as usize];
        if !self.escaped {
            return Cow::Borrowed(raw);
        }
        let mut text = Vec::with_capacity(raw.len());
        let mut rest = raw;
        while let Some(at) = memchr(b'"', rest) {
            text.extend_from_slice(&rest[..=at]);
            rest = &rest[(at + 2).min(rest.len())..];
        }
        text.extend_from_slice(rest);
        Cow::Owned(text)
    }

    /// As it stands in the record, in its quotes if it has any.
    pub fn raw(self, record: &[u8]) -> &[u8] {
        let (from, to) = (self.from as usize, self.to as usize);
        match from > 0 && record.get(from - 1) == Some(&b'"') {
            true => &record[from - 1..to + 1],
            false => &record[from..to],
        }
    }

    fn datum(self, record: &[u8]) -> Datum<'_> {
        if self.from == self.to {
            Datum::Null
        } else {
            Datum::Text(self.text(record))
        }
    }
}

/// The first record: names of the columns, and which of them are looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::landing) struct Header {
    pub names: Vec<String>,
    /// Slot → column.
    columns: Vec<Option<usize>>,
}

impl Header {
    pub fn read(record: &[u8], fields: &[Field], slots: &Slots) -> Result<Header, Fault> {
        if fields.len() > COLUMNS_MAX {
            return Err(content(format!(
                "the CSV has more than {COLUMNS_MAX} columns"
            )));
        }
        let mut names = Vec::with_capacity(fields.len());
        for field in fields {
            let name = String::from_utf8(field.text(record).into_owned())
                .map_err(|_| content("the CSV header is not UTF-8"))?;
            names.push(name);
        }
        let mut sorted: Vec<&String> = names.iter().collect();
        sorted.sort();
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(content(format!(
                "the CSV header names column `{}` twice",
                twice[0]
            )));
        }
        let place = |slot: &String| names.iter().position(|name| name == slot);
        let columns = slots.names().iter().map(place).collect();
        Ok(Header { names, columns })
    }

    pub fn has(&self, slot: usize) -> bool {
        self.columns[slot].is_some()
    }

    pub fn datum<'d>(&self, slot: usize, record: &'d [u8], fields: &[Field]) -> Datum<'d> {
        match self.columns[slot].and_then(|column| fields.get(column)) {
            Some(field) => field.datum(record),
            None => Datum::Absent,
        }
    }
}

pub(super) struct Inspection {
    tally: Tally,
    pending: Vec<u8>,
    fields: Vec<Field>,
    header: Option<Header>,
    started: bool,
    ends_in_newline: bool,
}

impl Inspection {
    pub fn new(tally: Tally) -> Inspection {
        Inspection {
            tally,
            pending: Vec::new(),
            fields: Vec::new(),
            header: None,
            started: false,
            ends_in_newline: true,
        }
    }

    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let bytes = if self.started {
            bytes
        } else {
            self.start(bytes)
        };
        if let Some(last) = bytes.last() {
            self.ends_in_newline = *last == b'\n';
        }
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(bytes);
        let used = self.records(&pending, false)?;
        pending.drain(..used);
        if pending.len() > LINE_MAX {
            let row = self.tally.rows() + 1;
            return Err(content(format!(
                "row {row} of the CSV is longer than {LINE_MAX} bytes"
            )));
        }
        self.pending = pending;
        Ok(())
    }

    fn start<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        self.started = true;
        match bytes.strip_prefix(MARK) {
            None => bytes,
            Some(rest) => {
                self.tally
                    .remarks
                    .push("begins with a byte order mark".to_owned());
                rest
            }
        }
    }

    fn records(&mut self, buffer: &[u8], last: bool) -> Result<usize, Fault> {
        let mut used = 0;
        while used < buffer.len() {
            match parse_record(&buffer[used..], &mut self.fields, last) {
                Record::Whole(length) => {
                    self.record(&buffer[used..used + length])?;
                    used += length;
                }
                Record::Blank(length) => used += length.max(1),
                Record::Partial => break,
                Record::Unclosed => {
                    let row = self.tally.rows() + 1;
                    return Err(content(format!(
                        "the CSV ends within the quotes of row {row}"
                    )));
                }
            }
        }
        Ok(used)
    }

    fn record(&mut self, record: &[u8]) -> Result<(), Fault> {
        let Some(header) = &self.header else {
            let header = Header::read(record, &self.fields, &self.tally.slots)?;
            (0..self.tally.slots.len())
                .filter(|slot| header.has(*slot))
                .for_each(|slot| self.tally.declare(slot));
            self.header = Some(header);
            return Ok(());
        };
        let (found, wanted) = (self.fields.len(), header.names.len());
        if found != wanted {
            let row = self.tally.rows() + 1;
            return Err(content(format!(
                "row {row} of the CSV has {found} fields, the header has {wanted}"
            )));
        }
        let fields = &self.fields;
        self.tally.row(|slot| header.datum(slot, record, fields));
        Ok(())
    }

    pub fn finish(mut self) -> Result<(Facts, Option<Sorted>), Fault> {
        let pending = std::mem::take(&mut self.pending);
        self.records(&pending, true)?;
        if !self.ends_in_newline {
            self.tally.remarks.push("ends without a newline".to_owned());
        }
        let names = self.header.map(|header| header.names).unwrap_or_default();
        let columns = names.into_iter().map(|name| Column {
            name,
            // CSV has no types; guessing them from values would make a change out of a blank day.
            kind: "text".to_owned(),
        });
        self.tally.finish(columns.collect())
    }
}
