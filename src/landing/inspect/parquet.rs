//! Parquet, by row groups, after the last byte: the footer against the bytes, every page unpacked,
//! the columns that matter read value by value.

use super::datum::{Datum, KnownDays};
use super::facts::Facts;
use super::keys::Sorted;
use super::tally::Tally;
use super::types::{Meaning, describe};
use super::{content, pages};
use crate::landing::disk::disk_fault;
use crate::run::Fault;
use parquet::basic::Compression;
use parquet::column::page::Page;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{FileReader, RowGroupReader};
use parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedFileReader};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor, TypePtr};
use std::borrow::Cow;
use std::cell::RefCell;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Rows read at a time.
const BATCH: usize = 4096;
/// A footer or a row group beyond these is hostile, not large.
const FOOTER_MAX: u32 = 64 << 20;
const GROUP_ROWS_MAX: i64 = 1 << 25;
const COLUMNS_MAX: usize = 16_384;

pub(in crate::landing) fn corrupt(error: &ParquetError) -> Fault {
    content(format!("the Parquet file is corrupt: {error}"))
}

/// Decoders may panic on hostile bytes; that is the file's fault, not the daemon's.
pub(in crate::landing) fn guarded<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(content("the Parquet file is corrupt: its decoder gave up")))
}

pub(super) fn inspect(path: &Path, mut tally: Tally) -> Result<(Facts, Option<Sorted>), Fault> {
    guarded(move || {
        let reader = open(path)?;
        let file = File::open(path).map_err(|error| disk_fault("open", path, &error))?;
        pages::check(&file, reader.metadata())?;
        let schema = reader.metadata().file_metadata().schema_descr();
        let columns = route_columns(schema, tally.slots.names());
        for (slot, column) in columns.iter().enumerate() {
            if column.is_some() {
                tally.declare(slot);
            }
        }
        std::thread::scope(|scope| {
            let unpacking = scope.spawn(|| guarded(|| unpack_all(path, &columns)));
            for index in filled(reader.metadata()) {
                let group = reader
                    .get_row_group(index)
                    .map_err(|error| corrupt(&error))?;
                rows(group.as_ref(), &columns, |row| tally.row(row))?;
            }
            let unpacked = unpacking.join();
            unpacked.unwrap_or_else(|_| Err(content("the Parquet file cannot be unpacked")))
        })?;
        tally.blank = blank(reader.metadata());
        tally.finish(describe(schema))
    })
}

/// Columns whose every value is null by the statistics of all row groups.
fn blank(metadata: &ParquetMetaData) -> Vec<String> {
    let groups: Vec<usize> = filled(metadata).collect();
    let is_blank = |leaf: &usize| {
        !groups.is_empty()
            && groups.iter().all(|group| {
                let chunk = metadata.row_group(*group).column(*leaf);
                let nulls = chunk.statistics().and_then(|told| told.null_count_opt());
                nulls.is_some_and(|nulls| nulls == chunk.num_values().unsigned_abs())
            })
    };
    let schema = metadata.file_metadata().schema_descr();
    let leaves = (0..schema.num_columns()).filter(is_blank);
    leaves
        .map(|leaf| schema.column(leaf).path().string())
        .collect()
}

/// Unpacks the columns that nobody looks into, beside those that are read. It opens the file anew,
/// because readers of one open file share its position.
fn unpack_all(path: &Path, read: &[Option<usize>]) -> Result<(), Fault> {
    let reader = open(path)?;
    for index in filled(reader.metadata()) {
        let group = reader
            .get_row_group(index)
            .map_err(|error| corrupt(&error))?;
        (0..group.num_columns())
            .filter(|column| !read.contains(&Some(*column)))
            .try_for_each(|column| unpack(group.as_ref(), column))?;
    }
    Ok(())
}

/// Whether every value of a flat column is null, by reading all of them; `false` if there is no such
/// column, or if it cannot be null.
pub(in crate::landing) fn is_blank(path: &Path, name: &str) -> Result<bool, Fault> {
    guarded(|| {
        let reader = open(path)?;
        let schema = reader.metadata().file_metadata().schema_descr();
        let columns = route_columns(schema, &[name.to_owned()]);
        let Some(leaf) = columns[0].filter(|leaf| schema.column(*leaf).max_def_level() > 0) else {
            return Ok(false);
        };
        for index in filled(reader.metadata()) {
            let group = reader
                .get_row_group(index)
                .map_err(|error| corrupt(&error))?;
            let mut filled = false;
            rows(group.as_ref(), &[Some(leaf)], |row| {
                filled |= !row(0).is_null();
            })?;
            if filled {
                return Ok(false);
            }
        }
        Ok(true)
    })
}

/// The types of a file, in full.
pub(in crate::landing) fn root_type(reader: &SerializedFileReader<File>) -> TypePtr {
    reader
        .metadata()
        .file_metadata()
        .schema_descr()
        .root_schema_ptr()
}

/// Opens a file whose footer agrees with its length.
pub(in crate::landing) fn open(path: &Path) -> Result<SerializedFileReader<File>, Fault> {
    let file = File::open(path).map_err(|error| disk_fault("open", path, &error))?;
    let length = file
        .metadata()
        .map_err(|error| disk_fault("read", path, &error))?
        .len();
    footer_length(&file, length)?;
    // Kept in full, so that an appended row group carries all its metadata along.
    let options = ReadOptionsBuilder::new()
        .with_encoding_stats_as_mask(false)
        .build();
    let reader =
        SerializedFileReader::new_with_options(file, options).map_err(|error| corrupt(&error))?;
    agree(reader.metadata(), length)?;
    Ok(reader)
}

/// The row groups that hold rows. Writers leave one of none behind for a table without rows, and its columns
/// need not have a page, nor lie anywhere.
pub(in crate::landing) fn filled(metadata: &ParquetMetaData) -> impl Iterator<Item = usize> {
    let groups = metadata.row_groups().iter().enumerate();
    groups.filter_map(|(index, group)| (group.num_rows() != 0).then_some(index))
}

/// The declared length of the footer is bounded before anything is allocated for it.
fn footer_length(file: &File, length: u64) -> Result<(), Fault> {
    use std::os::unix::fs::FileExt;
    let cut = || content("the Parquet file is cut short: it does not end with a footer");
    let mut tail = [0; 8];
    let at = length.checked_sub(8).ok_or_else(cut)?;
    file.read_exact_at(&mut tail, at).map_err(|_| cut())?;
    let [a, b, c, d, magic @ ..] = tail;
    let declared = u32::from_le_bytes([a, b, c, d]);
    if magic != *b"PAR1" || u64::from(declared) + 12 > length {
        return Err(cut());
    }
    if declared > FOOTER_MAX {
        return Err(content(format!(
            "the Parquet footer claims {declared} bytes"
        )));
    }
    Ok(())
}

fn agree(metadata: &ParquetMetaData, length: u64) -> Result<(), Fault> {
    let wrong = |what: &str| {
        Err(content(format!(
            "the Parquet footer contradicts the file: {what}"
        )))
    };
    let columns = metadata.file_metadata().schema_descr().num_columns();
    if columns == 0 || columns > COLUMNS_MAX {
        return wrong(&format!("{columns} columns"));
    }
    let mut rows = 0i64;
    for group in metadata.row_groups() {
        if group.num_rows() < 0 || group.num_rows() > GROUP_ROWS_MAX {
            return wrong(&format!("a row group of {} rows", group.num_rows()));
        }
        rows = rows.saturating_add(group.num_rows());
        for chunk in group.columns() {
            unpackable(chunk)?;
            if group.num_rows() == 0 && chunk.num_values() == 0 {
                continue;
            }
            let start = chunk
                .dictionary_page_offset()
                .unwrap_or(chunk.data_page_offset());
            let start = start.min(chunk.data_page_offset());
            let end = start.checked_add(chunk.compressed_size());
            let inside = start >= 4
                && chunk.compressed_size() >= 0
                && end.is_some_and(|end| end.unsigned_abs() <= length);
            if !inside {
                return wrong("a column chunk outside of it");
            }
            let flat = chunk.column_descr().max_rep_level() == 0;
            if flat && chunk.num_values() != group.num_rows() {
                return wrong("a column with another number of values than rows");
            }
        }
    }
    if rows != metadata.file_metadata().num_rows() {
        return wrong("the rows of its row groups do not add up");
    }
    Ok(())
}

/// Refuses a compression that is not built in, which is no damage.
fn unpackable(chunk: &ColumnChunkMetaData) -> Result<(), Fault> {
    let codec = match chunk.compression() {
        Compression::UNCOMPRESSED
        | Compression::SNAPPY
        | Compression::GZIP(_)
        | Compression::ZSTD(_) => return Ok(()),
        Compression::LZ4 => "LZ4 in Hadoop's frames",
        Compression::LZ4_RAW => "LZ4",
        Compression::BROTLI(_) => "Brotli",
        Compression::LZO => "LZO",
    };
    let column = chunk.column_path().string();
    Err(content(format!(
        "the Parquet file is compressed by {codec} (column `{column}`), and Snappy, gzip, Zstandard or none can be \
         read: ask ApartmentIQ for one of these, or set format = \"csv\" or \"jsonl\" in the schedule"
    )))
}

/// Unpacks every page of a column chunk and counts its values.
fn unpack(group: &dyn RowGroupReader, column: usize) -> Result<(), Fault> {
    let mut pages = group
        .get_column_page_reader(column)
        .map_err(|error| corrupt(&error))?;
    let mut values = 0;
    while let Some(page) = pages.get_next_page().map_err(|error| corrupt(&error))? {
        values += match page {
            Page::DictionaryPage { .. } => 0,
            data => i64::from(data.num_values()),
        };
    }
    let chunk = group.metadata().column(column);
    if values == chunk.num_values() {
        return Ok(());
    }
    let name = chunk.column_path().string();
    Err(content(format!(
        "the Parquet file is corrupt: column `{name}` has {values} values of {}",
        chunk.num_values()
    )))
}

/// Leaf columns by name, as far as the file has them; repeated ones say nothing about a row.
pub(in crate::landing) fn route_columns(
    schema: &SchemaDescriptor,
    names: &[String],
) -> Vec<Option<usize>> {
    let leaf = |name: &String| {
        let named = |column: &std::sync::Arc<ColumnDescriptor>| {
            column.max_rep_level() == 0 && column.path().string() == *name
        };
        schema.columns().iter().position(named)
    };
    names.iter().map(leaf).collect()
}

/// Reads the given columns of a row group in step and hands out each row.
pub(in crate::landing) fn rows(
    group: &dyn RowGroupReader,
    columns: &[Option<usize>],
    mut each: impl for<'r> FnMut(&dyn Fn(usize) -> Datum<'r>),
) -> Result<(), Fault> {
    let mut leaves: Vec<usize> = columns.iter().flatten().copied().collect();
    leaves.sort_unstable();
    leaves.dedup();
    let mut readers = Vec::with_capacity(leaves.len());
    for &leaf in &leaves {
        readers.push(
            group
                .get_column_reader(leaf)
                .map_err(|error| corrupt(&error))?,
        );
    }
    let place: Vec<Option<usize>> = columns
        .iter()
        .map(|column| column.and_then(|leaf| leaves.iter().position(|known| *known == leaf)))
        .collect();
    let mut remaining = usize::try_from(group.metadata().num_rows()).unwrap_or_default();
    let days = RefCell::new(KnownDays::default());
    while remaining > 0 {
        let wanted = remaining.min(BATCH);
        let mut batches = Vec::with_capacity(readers.len());
        for (reader, leaf) in readers.iter_mut().zip(&leaves) {
            batches.push(batch(reader, group.metadata(), *leaf, wanted, &days)?);
        }
        (0..wanted).for_each(|row| {
            each(&|slot| place[slot].map_or(Datum::Absent, |at| batches[at][row].borrowed()));
        });
        remaining -= wanted;
    }
    Ok(())
}

fn batch(
    reader: &mut ColumnReader,
    group: &RowGroupMetaData,
    leaf: usize,
    wanted: usize,
    days: &RefCell<KnownDays>,
) -> Result<Vec<Datum<'static>>, Fault> {
    let descriptor = group.schema_descr().column(leaf);
    let meaning = Meaning::of(&descriptor);
    let text = |bytes: &[u8]| text_or_day(bytes, &mut days.borrow_mut());
    match reader {
        ColumnReader::BoolColumnReader(typed) => {
            read(typed, &descriptor, wanted, |v| Datum::Bool(*v))
        }
        ColumnReader::Int32ColumnReader(typed) => {
            read(typed, &descriptor, wanted, |v| meaning.datum(i64::from(*v)))
        }
        ColumnReader::Int64ColumnReader(typed) => {
            read(typed, &descriptor, wanted, |v| meaning.datum(*v))
        }
        ColumnReader::Int96ColumnReader(typed) => read(typed, &descriptor, wanted, |v| {
            // The third word is a Julian day; 2440588 is 1970-01-01.
            let julian = i64::from(v.data()[2]) - 2_440_588;
            Datum::Day(i32::try_from(julian).unwrap_or(i32::MAX))
        }),
        ColumnReader::FloatColumnReader(typed) => {
            read(typed, &descriptor, wanted, |v| Datum::Float(f64::from(*v)))
        }
        ColumnReader::DoubleColumnReader(typed) => {
            read(typed, &descriptor, wanted, |v| Datum::Float(*v))
        }
        ColumnReader::ByteArrayColumnReader(typed) => {
            read(typed, &descriptor, wanted, |v| text(v.data()))
        }
        ColumnReader::FixedLenByteArrayColumnReader(typed) => {
            read(typed, &descriptor, wanted, |v| text(v.data()))
        }
    }
}

/// Text that is a plain day becomes one here.
fn text_or_day(bytes: &[u8], days: &mut KnownDays) -> Datum<'static> {
    let plain = bytes.len() == 10;
    let day = plain.then(|| days.parse(bytes)).flatten();
    day.map_or_else(|| Datum::Text(Cow::Owned(bytes.to_vec())), Datum::Day)
}

fn read<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    descriptor: &ColumnDescriptor,
    wanted: usize,
    datum: impl Fn(&T::T) -> Datum<'static>,
) -> Result<Vec<Datum<'static>>, Fault> {
    let mut values = Vec::with_capacity(wanted);
    let mut levels = Vec::new();
    let (mut records, full) = (0, descriptor.max_def_level());
    while records < wanted {
        let (more, _, _) = reader
            .read_records(wanted - records, Some(&mut levels), None, &mut values)
            .map_err(|error| corrupt(&error))?;
        if more == 0 {
            return Err(content(
                "the Parquet file is corrupt: a column ends before its rows do",
            ));
        }
        records += more;
    }
    if full == 0 {
        return Ok(values.iter().map(datum).collect());
    }
    let mut values = values.iter();
    let mut next = |level: &i16| {
        if *level < full {
            return Datum::Null;
        }
        values.next().map_or(Datum::Null, &datum)
    };
    Ok(levels.iter().map(&mut next).collect())
}
