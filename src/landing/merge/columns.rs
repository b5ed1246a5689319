//! One column of a row group, dealt out to several outputs with its levels, nested or not.

use super::Sink;
use super::parquet::NOWHERE;
use crate::landing::inspect::{content, corrupt};
use crate::run::Fault;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{
    BoolType, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type,
    Int64Type, Int96Type,
};
use parquet::errors::ParquetError;
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

/// A column of nothing but nulls, whatever its type.
pub(super) fn put_nulls(
    column: Option<SerializedColumnWriter<'_>>,
    rows: usize,
) -> Result<(), ParquetError> {
    let Some(mut column) = column else {
        return Err(ParquetError::General("the schemas differ".to_owned()));
    };
    let absent = vec![0; BATCH.min(rows)];
    let mut left = rows;
    while left > 0 {
        let levels = &absent[..left.min(BATCH)];
        left -= levels.len();
        let levels = Some(levels);
        match column.untyped() {
            ColumnWriter::BoolColumnWriter(typed) => typed.write_batch(&[], levels, None),
            ColumnWriter::Int32ColumnWriter(typed) => typed.write_batch(&[], levels, None),
            ColumnWriter::Int64ColumnWriter(typed) => typed.write_batch(&[], levels, None),
            ColumnWriter::Int96ColumnWriter(typed) => typed.write_batch(&[], levels, None),
            ColumnWriter::FloatColumnWriter(typed) => typed.write_batch(&[], levels, None),
            ColumnWriter::DoubleColumnWriter(typed) => typed.write_batch(&[], levels, None),
            ColumnWriter::ByteArrayColumnWriter(typed) => typed.write_batch(&[], levels, None),
            ColumnWriter::FixedLenByteArrayColumnWriter(typed) => {
                typed.write_batch(&[], levels, None)
            }
        }?;
    }
    column.close()
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
        let definitions = nullable.then_some(hand.definitions.as_slice());
        let repetitions = nested.then_some(hand.repetitions.as_slice());
        if hand.values.is_empty() && hand.definitions.is_empty() {
            continue;
        }
        writer
            .typed::<T>()
            .write_batch(&hand.values, definitions, repetitions)
            .map_err(|error| corrupt(&error))?;
        hand.values.clear();
        hand.definitions.clear();
        hand.repetitions.clear();
    }
    Ok(())
}
