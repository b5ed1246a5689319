//! Prints of a Parquet file's cells: each row's hash is a sum over its columns, so that neither their
//! order nor a column of nulls matters.

use super::prints::{Collecting, hash_of};
use crate::landing::inspect::{
    Entry, Levels, Slots, Work, corrupt, filled_groups, guarded, open_parquet, parquet_rows,
    route_columns, work_on,
};
use crate::run::Fault;
use parquet::data_type::{AsBytes, DataType};
use parquet::file::reader::FileReader;
use std::path::Path;

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
                let path = group
                    .metadata()
                    .schema_descr()
                    .column(column)
                    .path()
                    .string();
                let add = Add {
                    seed: hash_of(path),
                    hashes: &mut hashes,
                };
                work_on(group.as_ref(), column, rows, add)?;
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

/// Adds the hashes of a column's values to those of their rows.
struct Add<'h> {
    seed: u64,
    hashes: &'h mut [u64],
}

impl Work for Add<'_> {
    fn on<T: DataType>(self, mut column: Levels<T>) -> Result<(), Fault> {
        let Add { seed, hashes } = self;
        let (full, nested) = (column.full, column.nested);
        let mut place = 0_u64;
        let mut add = |entry: Entry<T::T>| {
            place = if entry.repetition == 0 { 0 } else { place + 1 };
            let Some(hash) = hashes.get_mut(entry.record) else {
                return;
            };
            // A plain null adds nothing.
            let depth = entry.definition;
            if depth == full || nested {
                let bytes = entry.value.as_ref().map(AsBytes::as_bytes);
                *hash = hash.wrapping_add(hash_of((seed, place, depth, bytes)));
            }
        };
        while column.next_batch(&mut add)? {}
        Ok(())
    }
}
