//! One column of a row group, dealt out to several outputs with its levels, nested or not.

use super::Sink;
use super::parquet::NOWHERE;
use crate::landing::inspect::{content, corrupt};
use crate::run::Fault;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::column::writer::{ColumnWriter, ColumnWriterImpl};
use parquet::data_type::{
    BoolType, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type,
    Int64Type, Int96Type,
};
use parquet::file::reader::RowGroupReader;
use parquet::file::writer::{SerializedColumnWriter, SerializedRowGroupWriter};
use parquet::schema::types::ColumnDescriptor;

/// Records read at a time.
const BATCH: usize = 4096;

/// Writes each record of `column` to the output that `places` names for it.
pub(super) fn split_column(
    group: &dyn RowGroupReader,
    column: usize,
    outs: &mut [SerializedRowGroupWriter<'_, Sink>],
    places: &[u16],
) -> Result<(), Fault> {
    let reader = group
        .get_column_reader(column)
        .map_err(|error| corrupt(&error))?;
    let descriptor = group.metadata().schema_descr().column(column);
    let mut writers = Vec::with_capacity(outs.len());
    for out in outs {
        let writer = out.next_column().map_err(|error| corrupt(&error))?;
        writers.push(writer.ok_or_else(|| content("the Parquet schemas differ"))?);
    }
    match reader {
        ColumnReader::BoolColumnReader(typed) => {
            deal::<BoolType>(typed, &descriptor, &mut writers, places)
        }
        ColumnReader::Int32ColumnReader(typed) => {
            deal::<Int32Type>(typed, &descriptor, &mut writers, places)
        }
        ColumnReader::Int64ColumnReader(typed) => {
            deal::<Int64Type>(typed, &descriptor, &mut writers, places)
        }
        ColumnReader::Int96ColumnReader(typed) => {
            deal::<Int96Type>(typed, &descriptor, &mut writers, places)
        }
        ColumnReader::FloatColumnReader(typed) => {
            deal::<FloatType>(typed, &descriptor, &mut writers, places)
        }
        ColumnReader::DoubleColumnReader(typed) => {
            deal::<DoubleType>(typed, &descriptor, &mut writers, places)
        }
        ColumnReader::ByteArrayColumnReader(typed) => {
            deal::<ByteArrayType>(typed, &descriptor, &mut writers, places)
        }
        ColumnReader::FixedLenByteArrayColumnReader(typed) => {
            deal::<FixedLenByteArrayType>(typed, &descriptor, &mut writers, places)
        }
    }?;
    writers
        .into_iter()
        .try_for_each(SerializedColumnWriter::close)
        .map_err(|error| corrupt(&error))
}

/// The next column, in which no row has a value, whatever its type.
pub(super) fn put_nulls(
    out: &mut SerializedRowGroupWriter<'_, Sink>,
    rows: usize,
) -> Result<(), Fault> {
    let next = out.next_column().map_err(|error| corrupt(&error))?;
    let mut column = next.ok_or_else(|| content("the Parquet schemas differ"))?;
    let levels = vec![0; BATCH.min(rows)];
    let mut left = rows;
    while left > 0 {
        let none = &levels[..left.min(BATCH)];
        left -= none.len();
        match column.untyped() {
            ColumnWriter::BoolColumnWriter(typed) => put_none(typed, none),
            ColumnWriter::Int32ColumnWriter(typed) => put_none(typed, none),
            ColumnWriter::Int64ColumnWriter(typed) => put_none(typed, none),
            ColumnWriter::Int96ColumnWriter(typed) => put_none(typed, none),
            ColumnWriter::FloatColumnWriter(typed) => put_none(typed, none),
            ColumnWriter::DoubleColumnWriter(typed) => put_none(typed, none),
            ColumnWriter::ByteArrayColumnWriter(typed) => put_none(typed, none),
            ColumnWriter::FixedLenByteArrayColumnWriter(typed) => put_none(typed, none),
        }?;
    }
    column.close().map_err(|error| corrupt(&error))
}

fn put_none<T: DataType>(
    column: &mut ColumnWriterImpl<'_, T>,
    levels: &[i16],
) -> Result<(), Fault> {
    let nested = column.get_descriptor().max_rep_level() > 0;
    let repetitions = nested.then_some(levels);
    let put = column.write_batch(&[], Some(levels), repetitions);
    put.map(|_| ()).map_err(|error| corrupt(&error))
}

/// The records of one batch that go to one output.
struct Hand<T: DataType> {
    values: Vec<T::T>,
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
}

fn deal<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    descriptor: &ColumnDescriptor,
    writers: &mut [SerializedColumnWriter<'_>],
    places: &[u16],
) -> Result<(), Fault> {
    let (full, nested) = (descriptor.max_def_level(), descriptor.max_rep_level() > 0);
    let mut hands: Vec<Hand<T>> = writers
        .iter()
        .map(|_| Hand {
            values: Vec::new(),
            definitions: Vec::new(),
            repetitions: Vec::new(),
        })
        .collect();
    let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
    let mut record = 0;
    while record < places.len() {
        values.clear();
        definitions.clear();
        repetitions.clear();
        let wanted = BATCH.min(places.len() - record);
        let (records, _, levels) = reader
            .read_records(
                wanted,
                Some(&mut definitions),
                Some(&mut repetitions),
                &mut values,
            )
            .map_err(|error| corrupt(&error))?;
        if records == 0 {
            return Err(content(
                "the Parquet file is corrupt: a column ends before its rows do",
            ));
        }
        let mut source = values.drain(..);
        let mut current = record;
        for level in 0..levels {
            if level > 0 && (!nested || repetitions[level] == 0) {
                current += 1;
            }
            let filled = full == 0 || definitions[level] == full;
            let value = if filled { source.next() } else { None };
            let place = places.get(current).copied().unwrap_or(NOWHERE);
            let Some(hand) = hands.get_mut(usize::from(place)) else {
                continue;
            };
            if full > 0 {
                hand.definitions.push(definitions[level]);
            }
            if nested {
                hand.repetitions.push(repetitions[level]);
            }
            hand.values.extend(value);
        }
        drop(source);
        record += records;
        play(&mut hands, writers, full > 0, nested)?;
    }
    Ok(())
}

fn play<T: DataType>(
    hands: &mut [Hand<T>],
    writers: &mut [SerializedColumnWriter<'_>],
    nullable: bool,
    nested: bool,
) -> Result<(), Fault> {
    for (hand, writer) in hands.iter_mut().zip(writers) {
        let typed = writer.typed::<T>();
        if !nullable && typed.get_descriptor().max_def_level() > 0 {
            // It may be null there, though it never is here.
            hand.definitions.resize(hand.values.len(), 1);
        }
        let definitions = (!hand.definitions.is_empty()).then_some(hand.definitions.as_slice());
        let repetitions = nested.then_some(hand.repetitions.as_slice());
        if hand.values.is_empty() && hand.definitions.is_empty() {
            continue;
        }
        typed
            .write_batch(&hand.values, definitions, repetitions)
            .map_err(|error| corrupt(&error))?;
        hand.values.clear();
        hand.definitions.clear();
        hand.repetitions.clear();
    }
    Ok(())
}
