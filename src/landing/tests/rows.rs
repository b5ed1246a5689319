//! Rows as the vendor would write them, and read back.

use super::super::inspect::{RecordReader, open_parquet};
use super::{Format, NaiveDate, Window};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::FileReader;
use parquet::file::writer::SerializedFileWriter;
use parquet::record::RowAccessor;
use parquet::schema::parser::parse_message_type;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub struct Row {
    pub id: i64,
    pub day: NaiveDate,
    pub rent: Option<f64>,
    pub note: String,
}

/// One row for each property and day.
pub fn grid(properties: &[i64], days: Window, note: &str) -> Vec<Row> {
    let row = |id: i64, day: NaiveDate| Row {
        id,
        day,
        rent: (id % 3 != 0).then_some(1500.25 + f64::from(u16::try_from(id).unwrap_or(7))),
        note: format!("{note}, \"{id}\"\nof {day}"),
    };
    let all = properties
        .iter()
        .flat_map(|id| days.days().map(move |day| row(*id, day)));
    all.collect()
}

pub fn encode(format: Format, rows: &[Row]) -> Vec<u8> {
    match format {
        Format::Csv => csv(rows),
        Format::Jsonl => jsonl(rows),
        Format::Parquet => parquet(rows, 5),
    }
}

pub fn csv(rows: &[Row]) -> Vec<u8> {
    let mut text = String::from("id,report_generation_date,avg_rent,note\n");
    for row in rows {
        let rent = row.rent.map(|rent| rent.to_string()).unwrap_or_default();
        let note = row.note.replace('"', "\"\"");
        writeln!(text, "{},{},{rent},\"{note}\"", row.id, row.day).expect("text");
    }
    text.into_bytes()
}

pub fn jsonl(rows: &[Row]) -> Vec<u8> {
    let mut text = String::new();
    for row in rows {
        let line = serde_json::json!({
            "id": row.id, "report_generation_date": row.day, "avg_rent": row.rent, "note": row.note,
        });
        writeln!(text, "{line}").expect("text");
    }
    text.into_bytes()
}

const SCHEMA: &str = "message schema {
    REQUIRED INT64 id;
    REQUIRED BYTE_ARRAY report_generation_date (STRING);
    OPTIONAL DOUBLE avg_rent;
    OPTIONAL group notes (LIST) { REPEATED group list { OPTIONAL BYTE_ARRAY element (STRING); } }
}";

/// The note is written as a list of its words, so that a nested column is carried along.
pub fn parquet(rows: &[Row], group: usize) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(SCHEMA).expect("schema"));
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).expect("writer");
    for rows in rows.chunks(group) {
        let mut out = writer.next_row_group().expect("group");
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let days: Vec<ByteArray> = rows
            .iter()
            .map(|row| row.day.to_string().into_bytes().into())
            .collect();
        let rents: Vec<f64> = rows.iter().filter_map(|row| row.rent).collect();
        let filled: Vec<i16> = rows
            .iter()
            .map(|row| i16::from(row.rent.is_some()))
            .collect();
        let (mut words, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            for (at, word) in row.note.split(' ').enumerate() {
                words.push(ByteArray::from(word.as_bytes().to_vec()));
                definitions.push(3i16);
                repetitions.push(i16::from(at > 0));
            }
        }
        let mut column = out.next_column().expect("column").expect("id");
        column
            .typed::<Int64Type>()
            .write_batch(&ids, None, None)
            .expect("ids");
        column.close().expect("closed");
        let mut column = out.next_column().expect("column").expect("day");
        column
            .typed::<ByteArrayType>()
            .write_batch(&days, None, None)
            .expect("days");
        column.close().expect("closed");
        let mut column = out.next_column().expect("column").expect("rent");
        column
            .typed::<DoubleType>()
            .write_batch(&rents, Some(&filled), None)
            .expect("rents");
        column.close().expect("closed");
        let mut column = out.next_column().expect("column").expect("notes");
        column
            .typed::<ByteArrayType>()
            .write_batch(&words, Some(&definitions), Some(&repetitions))
            .expect("words");
        column.close().expect("closed");
        out.close().expect("group closed");
    }
    writer.into_inner().expect("file")
}

pub fn decode(format: Format, path: &Path) -> Vec<Row> {
    match format {
        Format::Csv => decode_csv(path),
        Format::Jsonl => decode_jsonl(path),
        Format::Parquet => decode_parquet(path),
    }
}

fn decode_csv(path: &Path) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(path).expect("a csv");
    let names: Vec<String> = reader
        .headers()
        .expect("header")
        .iter()
        .map(str::to_owned)
        .collect();
    assert_eq!(names, ["id", "report_generation_date", "avg_rent", "note"]);
    let rows = reader.records().map(|record| {
        let record = record.expect("a record");
        Row {
            id: record[0].parse().expect("id"),
            day: record[1].parse().expect("day"),
            rent: (!record[2].is_empty()).then(|| record[2].parse().expect("rent")),
            note: record[3].to_owned(),
        }
    });
    rows.collect()
}

fn decode_jsonl(path: &Path) -> Vec<Row> {
    let mut reader = RecordReader::open(path).expect("a file");
    let mut rows = Vec::new();
    while let Some(line) = reader.next_line().expect("a line") {
        let value: serde_json::Value = serde_json::from_slice(line).expect("an object");
        rows.push(Row {
            id: value["id"].as_i64().expect("id"),
            day: value["report_generation_date"]
                .as_str()
                .expect("day")
                .parse()
                .expect("day"),
            rent: value["avg_rent"].as_f64(),
            note: value["note"].as_str().expect("note").to_owned(),
        });
    }
    rows
}

fn decode_parquet(path: &Path) -> Vec<Row> {
    let reader = open_parquet(path).expect("a parquet");
    let rows = reader.get_row_iter(None).expect("rows").map(|row| {
        let row = row.expect("a row");
        let words = row.get_list(3).expect("notes");
        let words: Vec<String> = words
            .elements()
            .iter()
            .map(|word| match word {
                parquet::record::Field::Str(word) => word.clone(),
                other => panic!("{other}"),
            })
            .collect();
        Row {
            id: row.get_long(0).expect("id"),
            day: row.get_string(1).expect("day").parse().expect("day"),
            rent: row.get_double(2).ok(),
            note: words.join(" "),
        }
    });
    rows.collect()
}
