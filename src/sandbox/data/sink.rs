//! Rows in, the bytes of one of the three formats out; memory does not grow with the file.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use chrono::NaiveDate;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::{Column, Format, Kind, Value};

/// Rows of the first row group; each next one is twice as long, up to the largest, so that a small
/// file has several and a big one has no needless many.
const FIRST_GROUP: usize = 64;
const LARGEST_GROUP: usize = 65_536;

pub enum Sink<W: Write + Send> {
    Csv {
        columns: &'static [Column],
        out: csv::Writer<W>,
    },
    Jsonl {
        columns: &'static [Column],
        out: BufWriter<W>,
    },
    Parquet(ParquetSink<W>),
}

impl<W: Write + Send> Sink<W> {
    pub fn new(format: Format, columns: &'static [Column], out: W) -> io::Result<Self> {
        Ok(match format {
            Format::Csv => {
                let mut out = csv::Writer::from_writer(out);
                out.write_record(columns.iter().map(|column| column.name))
                    .map_err(io::Error::other)?;
                Sink::Csv { columns, out }
            }
            Format::Jsonl => Sink::Jsonl {
                columns,
                out: BufWriter::with_capacity(1 << 16, out),
            },
            Format::Parquet => {
                Sink::Parquet(ParquetSink::new(columns, out).map_err(io::Error::other)?)
            }
        })
    }

    pub fn row(&mut self, values: Vec<Value>) -> io::Result<()> {
        match self {
            Sink::Csv { columns, out } => {
                let fields = columns
                    .iter()
                    .zip(&values)
                    .map(|(column, value)| csv_field(column, value));
                out.write_record(fields).map_err(io::Error::other)
            }
            Sink::Jsonl { columns, out } => jsonl_row(columns, &values, out),
            Sink::Parquet(sink) => sink.row(values).map_err(io::Error::other),
        }
    }

    pub fn finish(self) -> io::Result<()> {
        match self {
            Sink::Csv { mut out, .. } => out.flush(),
            Sink::Jsonl { mut out, .. } => out.flush(),
            Sink::Parquet(sink) => sink.finish().map_err(io::Error::other),
        }
    }
}

fn csv_field(column: &Column, value: &Value) -> String {
    match (value, column.kind) {
        (Value::Null, _) => String::new(),
        (Value::Int(number), _) => number.to_string(),
        (Value::Float(number), Kind::Float(digits)) => format!("{number:.digits$}"),
        (Value::Float(number), _) => number.to_string(),
        (Value::Text(text), _) => text.clone().into_owned(),
        (Value::Date(date), _) => date.to_string(),
    }
}

fn jsonl_row(columns: &[Column], values: &[Value], out: &mut impl Write) -> io::Result<()> {
    for (position, (column, value)) in columns.iter().zip(values).enumerate() {
        write!(
            out,
            "{}\"{}\":",
            if position == 0 { "{" } else { "," },
            column.name
        )?;
        match value {
            Value::Null => write!(out, "null")?,
            Value::Int(number) => write!(out, "{number}")?,
            Value::Float(number) => write!(out, "{number:?}")?,
            Value::Text(text) => serde_json::to_writer(&mut *out, text)?,
            Value::Date(date) => write!(out, "\"{date}\"")?,
        }
    }
    out.write_all(b"}\n")
}

enum Buffer {
    Int(Vec<i64>),
    Float(Vec<f64>),
    Text(Vec<ByteArray>),
    Date(Vec<i32>),
}

pub struct ParquetSink<W: Write + Send> {
    out: SerializedFileWriter<W>,
    /// A buffer a column and, where it is nullable, which rows have a value.
    buffers: Vec<(Buffer, Option<Vec<i16>>)>,
    rows: usize,
    group: usize,
}

impl<W: Write + Send> ParquetSink<W> {
    fn new(columns: &[Column], out: W) -> parquet::errors::Result<Self> {
        let fields = columns
            .iter()
            .map(|column| parquet_field(column).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        let schema = Type::group_type_builder("report")
            .with_fields(fields)
            .build()?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .build();
        let buffers = columns
            .iter()
            .map(|column| (empty(column.kind), column.nullable.then(Vec::new)))
            .collect();
        let out = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?;
        Ok(ParquetSink {
            out,
            buffers,
            rows: 0,
            group: FIRST_GROUP,
        })
    }

    fn row(&mut self, values: Vec<Value>) -> parquet::errors::Result<()> {
        for ((buffer, present), value) in self.buffers.iter_mut().zip(values) {
            if let Some(present) = present {
                present.push(i16::from(!matches!(value, Value::Null)));
            }
            match (buffer, value) {
                (Buffer::Int(numbers), Value::Int(number)) => numbers.push(number),
                (Buffer::Float(numbers), Value::Float(number)) => numbers.push(number),
                (Buffer::Text(texts), Value::Text(text)) => {
                    texts.push(text.into_owned().into_bytes().into())
                }
                (Buffer::Date(days), Value::Date(date)) => days.push(days_since_epoch(date)),
                (_, Value::Null) => {}
                (_, value) => unreachable!("{value:?} in a column of another kind"),
            }
        }
        self.rows += 1;
        if self.rows == self.group {
            self.group = (2 * self.group).min(LARGEST_GROUP);
            self.end_group()?;
        }
        Ok(())
    }

    fn end_group(&mut self) -> parquet::errors::Result<()> {
        let mut group = self.out.next_row_group()?;
        for (buffer, present) in &mut self.buffers {
            let mut column = group.next_column()?.expect("a buffer for each column");
            let levels = present.as_deref();
            match buffer {
                Buffer::Int(numbers) => column
                    .typed::<Int64Type>()
                    .write_batch(numbers, levels, None)?,
                Buffer::Float(numbers) => column
                    .typed::<DoubleType>()
                    .write_batch(numbers, levels, None)?,
                Buffer::Text(texts) => column
                    .typed::<ByteArrayType>()
                    .write_batch(texts, levels, None)?,
                Buffer::Date(days) => column
                    .typed::<Int32Type>()
                    .write_batch(days, levels, None)?,
            };
            column.close()?;
            clear(buffer);
            if let Some(present) = present {
                present.clear();
            }
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }

    fn finish(mut self) -> parquet::errors::Result<()> {
        if self.rows > 0 {
            self.end_group()?;
        }
        self.out.close().map(drop)
    }
}

fn parquet_field(column: &Column) -> parquet::errors::Result<Type> {
    let (physical, logical) = match column.kind {
        Kind::Int => (Physical::INT64, None),
        Kind::Float(_) => (Physical::DOUBLE, None),
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Date => (Physical::INT32, Some(LogicalType::Date)),
    };
    let repetition = if column.nullable {
        Repetition::OPTIONAL
    } else {
        Repetition::REQUIRED
    };
    Type::primitive_type_builder(column.name, physical)
        .with_repetition(repetition)
        .with_logical_type(logical)
        .build()
}

fn empty(kind: Kind) -> Buffer {
    match kind {
        Kind::Int => Buffer::Int(Vec::new()),
        Kind::Float(_) => Buffer::Float(Vec::new()),
        Kind::Text => Buffer::Text(Vec::new()),
        Kind::Date => Buffer::Date(Vec::new()),
    }
}

fn clear(buffer: &mut Buffer) {
    match buffer {
        Buffer::Int(numbers) => numbers.clear(),
        Buffer::Float(numbers) => numbers.clear(),
        Buffer::Text(texts) => texts.clear(),
        Buffer::Date(days) => days.clear(),
    }
}

fn days_since_epoch(date: NaiveDate) -> i32 {
    date.signed_duration_since(NaiveDate::default()).num_days() as i32
}
