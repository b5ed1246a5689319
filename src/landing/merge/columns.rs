//! One column of a row group, dealt out to several outputs with its levels, nested or not.

use super::Sink;
use super::parquet::NOWHERE;
use crate::landing::inspect::{BATCH, Entry, Levels, Work, content, corrupt, work_on};
use crate::run::Fault;
use parquet::column::writer::{ColumnWriter, ColumnWriterImpl};
use parquet::data_type::DataType;
use parquet::file::reader::RowGroupReader;
use parquet::file::writer::{SerializedColumnWriter, SerializedRowGroupWriter};

/// Writes each record of `column` to the output that `places` names for it.
pub(super) fn split_column(
    group: &dyn RowGroupReader,
    column: usize,
    outs: &mut [SerializedRowGroupWriter<'_, Sink>],
    places: &[u16],
) -> Result<(), Fault> {
    let mut writers = Vec::with_capacity(outs.len());
    for out in outs {
        let writer = out.next_column().map_err(|error| corrupt(&error))?;
        writers.push(writer.ok_or_else(|| content("the Parquet schemas differ"))?);
    }
    let deal = Deal {
        writers: &mut writers,
        places,
    };
    work_on(group, column, places.len(), deal)?;
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

/// Deals a column's records out to the places named for them.
struct Deal<'d, 'w> {
    writers: &'d mut [SerializedColumnWriter<'w>],
    places: &'d [u16],
}

impl Work for Deal<'_, '_> {
    fn on<T: DataType>(self, mut column: Levels<T>) -> Result<(), Fault> {
        let Deal { writers, places } = self;
        let (nullable, nested) = (column.full > 0, column.nested);
        let hand = |_: &SerializedColumnWriter| Hand {
            values: Vec::new(),
            definitions: Vec::new(),
            repetitions: Vec::new(),
        };
        let mut hands: Vec<Hand<T>> = writers.iter().map(hand).collect();
        let mut take = |hands: &mut [Hand<T>]| {
            column.next_batch(|entry: Entry<T::T>| {
                let place = places.get(entry.record).copied().unwrap_or(NOWHERE);
                let Some(hand) = hands.get_mut(usize::from(place)) else {
                    return;
                };
                if nullable {
                    hand.definitions.push(entry.definition);
                }
                if nested {
                    hand.repetitions.push(entry.repetition);
                }
                hand.values.extend(entry.value);
            })
        };
        while take(&mut hands)? {
            play(&mut hands, writers, nullable, nested)?;
        }
        Ok(())
    }
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
