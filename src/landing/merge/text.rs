//! CSV under one header, JSONL line after line.

use super::{BLOCK, Merged, Pass, Sink, Source, Take};
use crate::landing::disk::disk_fault;
use crate::landing::inspect::{Field, Header, RecordReader, Slots, Slotted};
use crate::run::Fault;
use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::Path;

type Sinks = Vec<Option<Sink>>;

fn finish(pass: &Pass, sinks: Sinks) -> Result<Vec<Option<Merged>>, Fault> {
    sinks
        .into_iter()
        .map(|sink| sink.map_or(Ok(None), |sink| sink.finish(pass.disk)))
        .collect()
}

/// The sink of an output, begun with `opening` when its first row comes.
fn open<'s>(
    pass: &Pass,
    sinks: &'s mut Sinks,
    at: usize,
    opening: &[u8],
) -> Result<&'s mut Sink, Fault> {
    if sinks[at].is_none() {
        let mut sink = pass.sink(at)?;
        sink.put(opening)?;
        sinks[at] = Some(sink);
    }
    Ok(sinks[at].as_mut().expect("just opened"))
}

/// The columns of several files as one header, each with its name as it was first written.
struct Union {
    names: Vec<String>,
    /// With its line end.
    opening: Vec<u8>,
}

impl Union {
    fn of(pass: &Pass) -> Result<Union, Fault> {
        let mut names: Vec<String> = Vec::new();
        let mut known: HashSet<String> = HashSet::new();
        let mut written: Vec<Vec<u8>> = Vec::new();
        let mut end: Option<Vec<u8>> = None;
        for source in pass.sources() {
            let mut reader = RecordReader::open(&source.path)?;
            let Some((record, fields)) = reader.next_record()? else {
                continue;
            };
            let header = Header::read(record, fields, pass.slots)?;
            for (name, field) in header.names.into_iter().zip(fields) {
                if known.insert(name.clone()) {
                    names.push(name);
                    written.push(field.raw(record).to_vec());
                }
            }
            end.get_or_insert_with(|| line_end(record).to_vec());
        }
        let mut opening = written.join(&b","[..]);
        opening.extend(
            end.as_deref()
                .filter(|end| !end.is_empty())
                .unwrap_or(b"\n"),
        );
        Ok(Union { names, opening })
    }

    /// Where each column is in a file with this header; `None` if just there.
    fn places(&self, header: &Header) -> Option<Vec<Option<usize>>> {
        if self.names == header.names {
            return None;
        }
        let theirs = header.names.iter().zip(0_usize..);
        let theirs: HashMap<&String, usize> = theirs.collect();
        Some(
            self.names
                .iter()
                .map(|name| theirs.get(name).copied())
                .collect(),
        )
    }
}

/// The newline of a record, with its carriage return; empty at the end of a file without one.
fn line_end(record: &[u8]) -> &[u8] {
    let text = record.strip_suffix(b"\n").unwrap_or(record);
    let text = match text.len() < record.len() {
        true => text.strip_suffix(b"\r").unwrap_or(text),
        false => text,
    };
    &record[text.len()..]
}

/// A record with its fields, as they were written, in other places; absent ones are empty.
fn relaid(record: &[u8], fields: &[Field], places: &[Option<usize>], row: &mut Vec<u8>) {
    row.clear();
    for (at, place) in places.iter().enumerate() {
        if at > 0 {
            row.push(b',');
        }
        let field = place.and_then(|place| fields.get(place));
        row.extend(field.map_or(&b""[..], |field| field.raw(record)));
    }
    row.extend_from_slice(line_end(record));
}

pub(super) fn merge_csv(pass: &Pass) -> Result<Vec<Option<Merged>>, Fault> {
    let mut sinks: Sinks = pass.range.clone().map(|_| None).collect();
    let union = Union::of(pass)?;
    let mut row = Vec::new();
    for source in pass.sources() {
        let mut reader = RecordReader::open(&source.path)?;
        let Some((record, fields)) = reader.next_record()? else {
            continue;
        };
        let header = Header::read(record, fields, pass.slots)?;
        let places = union.places(&header);
        if let (Take::Whole(output), None) = (&source.take, &places) {
            if let Some(at) = pass.here(Some(*output)) {
                copy_rest(reader, source, open(pass, &mut sinks, at, &union.opening)?)?;
            }
            continue;
        }
        while let Some((record, fields)) = reader.next_record()? {
            let output = match &source.take {
                Take::Whole(output) => Some(*output),
                Take::Routed(route) => route(
                    &header.datum(Slots::PROPERTY, record, fields),
                    &header.datum(Slots::DATE, record, fields),
                ),
            };
            let Some(at) = pass.here(output) else {
                continue;
            };
            let sink = open(pass, &mut sinks, at, &union.opening)?;
            match &places {
                None => put_row(sink, record)?,
                Some(places) => {
                    relaid(record, fields, places, &mut row);
                    put_row(sink, &row)?;
                }
            }
        }
    }
    finish(pass, sinks)
}

pub(super) fn merge_jsonl(pass: &Pass) -> Result<Vec<Option<Merged>>, Fault> {
    let mut sinks: Sinks = pass.range.clone().map(|_| None).collect();
    for source in pass.sources() {
        let mut reader = RecordReader::open(&source.path)?;
        match &source.take {
            Take::Whole(output) => {
                let Some(at) = pass.here(Some(*output)) else {
                    continue;
                };
                copy_rest(reader, source, open(pass, &mut sinks, at, b"")?)?;
            }
            Take::Routed(route) => {
                let mut slotted = Slotted::new(pass.slots.clone());
                while let Some(line) = reader.next_line()? {
                    if line.trim_ascii().is_empty() {
                        continue;
                    }
                    let values = slotted.read(line)?;
                    let output = route(&values[Slots::PROPERTY], &values[Slots::DATE]);
                    let Some(at) = pass.here(output) else {
                        continue;
                    };
                    put_row(open(pass, &mut sinks, at, b"")?, line)?;
                }
            }
        }
    }
    finish(pass, sinks)
}

fn put_row(sink: &mut Sink, row: &[u8]) -> Result<(), Fault> {
    sink.put(row)?;
    if row.last() != Some(&b'\n') {
        sink.put(b"\n")?;
    }
    sink.rows += 1;
    Ok(())
}

/// Copies what follows the records already read, and ends it with a newline.
fn copy_rest(reader: RecordReader, source: &Source, sink: &mut Sink) -> Result<(), Fault> {
    let (mut block, mut file) = reader.rest();
    let mut last = b'\n';
    loop {
        if let Some(byte) = block.last() {
            last = *byte;
            sink.put(&block)?;
        }
        block.resize(BLOCK, 0);
        let length = read(&mut file, &mut block, &source.path)?;
        if length == 0 {
            break;
        }
        block.truncate(length);
    }
    if last != b'\n' {
        sink.put(b"\n")?;
    }
    sink.rows += source.rows;
    Ok(())
}

fn read(file: &mut std::fs::File, block: &mut [u8], path: &Path) -> Result<usize, Fault> {
    file.read(block)
        .map_err(|error| disk_fault("read", path, &error))
}
