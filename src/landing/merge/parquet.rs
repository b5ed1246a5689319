//! Parquet: whole row groups are appended as they are; those of several outputs are cut by row.

use super::columns::{put_nulls, split_column};
use super::union::{Leaf, Mould, union};
use super::{Merged, Pass, Sink, Source, Take};
use crate::landing::inspect::{
    Slots, corrupt, filled_groups, guarded, open_parquet, parquet_rows, route_columns,
};
use crate::run::Fault;
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{SchemaDescriptor, TypePtr};
use std::fs::File;
use std::slice;
use std::sync::Arc;

type Writers = Vec<Option<SerializedFileWriter<Sink>>>;

/// A row that no output of this pass wants.
pub(super) const NOWHERE: u16 = u16::MAX;

pub(super) fn merge(pass: &Pass, model: Option<&TypePtr>) -> Result<Vec<Option<Merged>>, Fault> {
    guarded(|| {
        let mut writers: Writers = pass.range.clone().map(|_| None).collect();
        let mut rows = vec![0u64; pass.range.len()];
        let Some(union) = union(pass, model)? else {
            return Ok(writers.iter().map(|_| None).collect());
        };
        let union = SchemaDescriptor::new(union);
        for source in pass.sources() {
            let reader = open_parquet(&source.path)?;
            let mould = Mould::of(&reader, &union);
            for index in filled_groups(reader.metadata()) {
                let routes = routes(pass, source, &reader, index)?;
                put_group(
                    pass,
                    &mut writers,
                    &mut rows,
                    &mould,
                    source,
                    &reader,
                    index,
                    &routes,
                )?;
            }
        }
        writers
            .into_iter()
            .zip(rows)
            .map(|(writer, rows)| {
                let Some(writer) = writer else {
                    return Ok(None);
                };
                let mut sink = writer.into_inner().map_err(|error| corrupt(&error))?;
                sink.rows = rows;
                sink.finish(pass.disk)
            })
            .collect()
    })
}

/// Where the rows of a row group go.
enum Routes {
    One(Option<usize>),
    Many(Vec<u16>),
}

fn routes(
    pass: &Pass,
    source: &Source,
    reader: &SerializedFileReader<File>,
    index: usize,
) -> Result<Routes, Fault> {
    let route = match &source.take {
        Take::Whole(output) => return Ok(Routes::One(pass.here(Some(*output)))),
        Take::Routed(route) => route,
    };
    let group = reader
        .get_row_group(index)
        .map_err(|error| corrupt(&error))?;
    let names = &pass.slots.names()[..2];
    let columns = route_columns(reader.metadata().file_metadata().schema_descr(), names);
    let mut places = Vec::new();
    parquet_rows(group.as_ref(), &columns, |row| {
        let at = pass.here(route(&row(Slots::PROPERTY), &row(Slots::DATE)));
        places.push(at.and_then(|at| u16::try_from(at).ok()).unwrap_or(NOWHERE));
    })?;
    let first = places.first().copied().unwrap_or(NOWHERE);
    if places.iter().all(|place| *place == first) {
        return Ok(Routes::One(
            (first != NOWHERE).then_some(usize::from(first)),
        ));
    }
    Ok(Routes::Many(places))
}

#[expect(
    clippy::too_many_arguments,
    reason = "one row group's whole surroundings"
)]
fn put_group(
    pass: &Pass,
    writers: &mut Writers,
    rows: &mut [u64],
    mould: &Mould,
    source: &Source,
    reader: &SerializedFileReader<File>,
    index: usize,
    routes: &Routes,
) -> Result<(), Fault> {
    let wanted: Vec<usize> = match routes {
        Routes::One(at) => at.iter().copied().collect(),
        Routes::Many(places) => (0..pass.range.len())
            .filter(|at| places.iter().any(|place| usize::from(*place) == *at))
            .collect(),
    };
    for &at in &wanted {
        if writers[at].is_none() {
            writers[at] = Some(begin(pass, at, mould, reader.metadata())?);
        }
    }
    match routes {
        Routes::One(Some(at)) => {
            let count = reader.metadata().row_group(index).num_rows();
            rows[*at] += count.unsigned_abs();
            match &mut writers[*at] {
                Some(writer) if count > 0 => append(writer, mould, source, reader, index),
                _ => Ok(()),
            }
        }
        Routes::One(None) => Ok(()),
        Routes::Many(places) => {
            for place in places.iter().filter(|place| **place != NOWHERE) {
                rows[usize::from(*place)] += 1;
            }
            split(writers, mould, &wanted, reader, index, places)
        }
    }
}

/// Small pages and dictionaries: a split writes many files at a time. No page index, since none
/// can be carried along when a row group is appended: the same rows must make the same bytes.
fn properties() -> WriterPropertiesPtr {
    Arc::new(
        WriterProperties::builder()
            .set_created_by("aptiqd".to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_data_page_size_limit(128 << 10)
            .set_dictionary_page_size_limit(128 << 10)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .build(),
    )
}

/// Readers take the types of these rather than the file's own; they are of one source's types.
const TYPE_HINTS: [&str; 2] = ["ARROW:schema", "pandas"];

fn begin(
    pass: &Pass,
    at: usize,
    mould: &Mould,
    metadata: &ParquetMetaData,
) -> Result<SerializedFileWriter<Sink>, Fault> {
    let root = Arc::clone(&mould.root);
    let mut writer = SerializedFileWriter::new(pass.sink(at)?, root, properties())
        .map_err(|error| corrupt(&error))?;
    let pairs = metadata.file_metadata().key_value_metadata();
    for pair in pairs.into_iter().flatten() {
        if mould.is_plain || !TYPE_HINTS.contains(&pair.key.as_str()) {
            writer.append_key_value_metadata(pair.clone());
        }
    }
    Ok(writer)
}

fn append(
    writer: &mut SerializedFileWriter<Sink>,
    mould: &Mould,
    source: &Source,
    reader: &SerializedFileReader<File>,
    index: usize,
) -> Result<(), Fault> {
    let file = File::open(&source.path)
        .map_err(|error| crate::landing::disk::disk_fault("open", &source.path, &error))?;
    let group = reader.metadata().row_group(index);
    let rows = usize::try_from(group.num_rows()).unwrap_or_default();
    let mut out = writer.next_row_group().map_err(|error| corrupt(&error))?;
    for leaf in &mould.leaves {
        let chunk = match leaf {
            Leaf::Same(at) => group.column(*at),
            Leaf::Recast(at) => {
                let group = reader
                    .get_row_group(index)
                    .map_err(|error| corrupt(&error))?;
                split_column(
                    group.as_ref(),
                    *at,
                    slice::from_mut(&mut out),
                    &vec![0; rows],
                )?;
                continue;
            }
            Leaf::Null => {
                put_nulls(&mut out, rows)?;
                continue;
            }
        };
        let close = ColumnCloseResult {
            bytes_written: chunk.compressed_size().unsigned_abs(),
            rows_written: group.num_rows().unsigned_abs(),
            metadata: chunk.clone(),
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        out.append_column(&file, close)
            .map_err(|error| corrupt(&error))?;
    }
    out.close().map(|_| ()).map_err(|error| corrupt(&error))
}

fn split(
    writers: &mut Writers,
    mould: &Mould,
    wanted: &[usize],
    reader: &SerializedFileReader<File>,
    index: usize,
    places: &[u16],
) -> Result<(), Fault> {
    let group = reader
        .get_row_group(index)
        .map_err(|error| corrupt(&error))?;
    // Where each output stands among those that take rows of this group.
    let mut rank = vec![NOWHERE; writers.len()];
    for (position, at) in wanted.iter().enumerate() {
        rank[*at] = u16::try_from(position).unwrap_or(NOWHERE);
    }
    let mut outs = Vec::with_capacity(wanted.len());
    for (at, writer) in writers.iter_mut().enumerate() {
        if let Some(writer) = writer
            && wanted.contains(&at)
        {
            outs.push(writer.next_row_group().map_err(|error| corrupt(&error))?);
        }
    }
    let ranked: Vec<u16> = places
        .iter()
        .map(|place| rank.get(usize::from(*place)).copied().unwrap_or(NOWHERE))
        .collect();
    for leaf in &mould.leaves {
        if let Leaf::Same(column) | Leaf::Recast(column) = leaf {
            split_column(group.as_ref(), *column, &mut outs, &ranked)?;
            continue;
        }
        for (position, out) in outs.iter_mut().enumerate() {
            let mine = |rank: &&u16| usize::from(**rank) == position;
            put_nulls(out, ranked.iter().filter(mine).count())?;
        }
    }
    outs.into_iter()
        .try_for_each(|out| out.close().map(|_| ()))
        .map_err(|error| corrupt(&error))
}
