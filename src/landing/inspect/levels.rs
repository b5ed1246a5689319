//! A Parquet column in batches of whole records, each value with the record it belongs to, nested or not.

use super::{content, corrupt};
use crate::run::Fault;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::file::reader::RowGroupReader;
use parquet::schema::types::ColumnDescriptor;

/// Records read at a time.
pub(in crate::landing) const BATCH: usize = 4096;

/// What is to be done with a column, whatever its type.
pub(in crate::landing) trait Work {
    fn on<T: DataType>(self, column: Levels<T>) -> Result<(), Fault>;
}

/// Hands a column of a row group to `work`; its first `records` are read.
pub(in crate::landing) fn work_on(
    group: &dyn RowGroupReader,
    column: usize,
    records: usize,
    work: impl Work,
) -> Result<(), Fault> {
    let reader = group.get_column_reader(column);
    let descriptor = group.metadata().schema_descr().column(column);
    match reader.map_err(|error| corrupt(&error))? {
        ColumnReader::BoolColumnReader(typed) => work.on(Levels::of(typed, &descriptor, records)),
        ColumnReader::Int32ColumnReader(typed) => work.on(Levels::of(typed, &descriptor, records)),
        ColumnReader::Int64ColumnReader(typed) => work.on(Levels::of(typed, &descriptor, records)),
        ColumnReader::Int96ColumnReader(typed) => work.on(Levels::of(typed, &descriptor, records)),
        ColumnReader::FloatColumnReader(typed) => work.on(Levels::of(typed, &descriptor, records)),
        ColumnReader::DoubleColumnReader(typed) => work.on(Levels::of(typed, &descriptor, records)),
        ColumnReader::ByteArrayColumnReader(typed) => {
            work.on(Levels::of(typed, &descriptor, records))
        }
        ColumnReader::FixedLenByteArrayColumnReader(typed) => {
            work.on(Levels::of(typed, &descriptor, records))
        }
    }
}

/// One level of a column: a value, or that there is none here.
pub(in crate::landing) struct Entry<V> {
    /// Counted from the column's first.
    pub record: usize,
    /// How deep a value is defined; 0 in a column that is never null.
    pub definition: i16,
    pub repetition: i16,
    pub value: Option<V>,
}

/// A column that is read on.
pub(in crate::landing) struct Levels<T: DataType> {
    reader: ColumnReaderImpl<T>,
    records: usize,
    done: usize,
    /// The definition level of a value; 0: never null.
    pub full: i16,
    pub nested: bool,
    values: Vec<T::T>,
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
}

impl<T: DataType> Levels<T> {
    fn of(reader: ColumnReaderImpl<T>, descriptor: &ColumnDescriptor, records: usize) -> Self {
        Levels {
            reader,
            records,
            done: 0,
            full: descriptor.max_def_level(),
            nested: descriptor.max_rep_level() > 0,
            values: Vec::new(),
            definitions: Vec::new(),
            repetitions: Vec::new(),
        }
    }

    /// Hands out the next batch; `false` once all records were.
    pub fn next_batch(&mut self, mut each: impl FnMut(Entry<T::T>)) -> Result<bool, Fault> {
        if self.done >= self.records {
            return Ok(false);
        }
        self.definitions.clear();
        self.repetitions.clear();
        let (records, _, levels) = self
            .reader
            .read_records(
                BATCH.min(self.records - self.done),
                Some(&mut self.definitions),
                Some(&mut self.repetitions),
                &mut self.values,
            )
            .map_err(|error| corrupt(&error))?;
        if records == 0 {
            return Err(content(
                "the Parquet file is corrupt: a column ends before its rows do",
            ));
        }
        let mut values = self.values.drain(..);
        let mut record = self.done;
        for level in 0..levels {
            let repetition = if self.nested {
                self.repetitions[level]
            } else {
                0
            };
            record += usize::from(level > 0 && repetition == 0);
            let definition = if self.full == 0 {
                0
            } else {
                self.definitions[level]
            };
            let filled = definition == self.full;
            each(Entry {
                record,
                definition,
                repetition,
                value: if filled { values.next() } else { None },
            });
        }
        drop(values);
        self.done += records;
        Ok(true)
    }
}
