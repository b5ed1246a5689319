//! Prints of a Parquet file's cells: each row's hash is a sum over its columns, so that neither their
//! order nor a column of nulls matters.

use super::prints::{Collecting, hash_of};
use crate::landing::inspect::{
    Slots, content, corrupt, filled_groups, guarded, open_parquet, parquet_rows, route_columns,
};
use crate::run::Fault;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{AsBytes, DataType};
use parquet::file::reader::{FileReader, RowGroupReader};
use parquet::schema::types::ColumnDescriptor;
use std::path::Path;

/// Records read at a time.
const BATCH: usize = 4096;

pub(super) fn prints(path: &Path, slots: &Slots, collecting: &mut Collecting) -> Result<(), Fault> {
    guarded(|| {
        let reader = open_parquet(path)?;
        let schema = reader.metadata().file_metadata().schema_descr();
        let routes = route_columns(schema, slots.names());
        for index in filled_groups(reader.metadata()) {
            let group = reader
                .get_row_group(index)
                .map_err(|error| corrupt(&error))?;
            let rows = usize::try_from(group.metadata().num_rows()).unwrap_or_default();
            let mut hashes = vec![0_u64; rows];
            for column in 0..group.num_columns() {
                add_column(group.as_ref(), column, &mut hashes)?;
            }
            let mut hashes = hashes.into_iter();
            parquet_rows(group.as_ref(), &routes, |row| {
                let hash = hashes.next().unwrap_or_default();
                collecting.note(&row(Slots::PROPERTY), &row(Slots::DATE), hash);
            })?;
        }
        Ok(())
    })
}

fn add_column(group: &dyn RowGroupReader, column: usize, hashes: &mut [u64]) -> Result<(), Fault> {
    let reader = group
        .get_column_reader(column)
        .map_err(|error| corrupt(&error))?;
    let descriptor = group.metadata().schema_descr().column(column);
    match reader {
        ColumnReader::BoolColumnReader(typed) => add(typed, &descriptor, hashes),
        ColumnReader::Int32ColumnReader(typed) => add(typed, &descriptor, hashes),
        ColumnReader::Int64ColumnReader(typed) => add(typed, &descriptor, hashes),
        ColumnReader::Int96ColumnReader(typed) => add(typed, &descriptor, hashes),
        ColumnReader::FloatColumnReader(typed) => add(typed, &descriptor, hashes),
        ColumnReader::DoubleColumnReader(typed) => add(typed, &descriptor, hashes),
        ColumnReader::ByteArrayColumnReader(typed) => add(typed, &descriptor, hashes),
        ColumnReader::FixedLenByteArrayColumnReader(typed) => add(typed, &descriptor, hashes),
    }
}

fn add<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    descriptor: &ColumnDescriptor,
    hashes: &mut [u64],
) -> Result<(), Fault> {
    let (full, nested) = (descriptor.max_def_level(), descriptor.max_rep_level() > 0);
    let seed = hash_of(descriptor.path().string());
    let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
    let mut done = 0;
    while done < hashes.len() {
        values.clear();
        definitions.clear();
        repetitions.clear();
        let wanted = BATCH.min(hashes.len() - done);
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
        let mut source = values.iter();
        let (mut row, mut place) = (done, 0_u64);
        for level in 0..levels {
            if level > 0 {
                let next = !nested || repetitions[level] == 0;
                row += usize::from(next);
                place = if next { 0 } else { place + 1 };
            }
            let depth = if full == 0 { 0 } else { definitions[level] };
            let filled = depth == full;
            let value = if filled { source.next() } else { None };
            let Some(hash) = hashes.get_mut(row) else {
                break;
            };
            // A plain null adds nothing.
            if filled || nested {
                let bytes = value.map(|value| value.as_bytes());
                *hash = hash.wrapping_add(hash_of((seed, place, depth, bytes)));
            }
        }
        done += records;
    }
    Ok(())
}
