//! CSV under one header, JSONL line after line.

use super::{BLOCK, Merged, Pass, Sink, Source, Take};
use crate::landing::disk::disk_fault;
use crate::landing::inspect::{Header, RecordReader, Slots, Slotted, content};
use crate::run::Fault;
use std::io::Read;
use std::path::Path;

type Sinks = Vec<Option<Sink>>;

fn finish(pass: &Pass, sinks: Sinks) -> Result<Vec<Option<Merged>>, Fault> {
    sinks
        .into_iter()
        .map(|sink| sink.map_or(Ok(None), |sink| sink.finish(pass.disk)))
        .collect()
}

fn with_newline(mut record: Vec<u8>) -> Vec<u8> {
    if record.last() != Some(&b'\n') {
        record.push(b'\n');
    }
    record
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

pub(super) fn merge_csv(pass: &Pass) -> Result<Vec<Option<Merged>>, Fault> {
    let mut sinks: Sinks = pass.range.clone().map(|_| None).collect();
    let mut first: Option<(Header, Vec<u8>)> = None;
    for source in pass.sources() {
        let mut reader = RecordReader::open(&source.path)?;
        let Some((record, fields)) = reader.next_record()? else {
            continue;
        };
        let header = Header::read(record, fields, pass.slots)?;
        let opening = with_newline(record.to_vec());
        let (known, opening) = first.get_or_insert((header.clone(), opening));
        if known.names != header.names {
            return Err(content("the files to be merged have different columns"));
        }
        match &source.take {
            Take::Whole(output) => {
                let Some(at) = pass.here(Some(*output)) else {
                    continue;
                };
                let sink = open(pass, &mut sinks, at, opening)?;
                copy_rest(reader, source, sink)?;
            }
            Take::Routed(route) => {
                while let Some((record, fields)) = reader.next_record()? {
                    let property = header.datum(Slots::PROPERTY, record, fields);
                    let day = header.datum(Slots::DATE, record, fields);
                    let Some(at) = pass.here(route(&property, &day)) else {
                        continue;
                    };
                    put_row(open(pass, &mut sinks, at, opening)?, record)?;
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
