//! Files whose columns differ become one with all of them: added, removed or moved, values unaltered.

use super::*;
use crate::landing::inspect::open_parquet;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::FileReader;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// Name → value, as text; no value is empty.
type Record = BTreeMap<String, String>;

const OLD: &[&str] = &["id", "report_generation_date", "rent", "tags"];
const ADDED: &[&str] = &["id", "report_generation_date", "rent", "tags", "units"];
const MOVED: &[&str] = &["units", "rent", "report_generation_date", "id"];

fn value(column: &str, id: i64, day: NaiveDate) -> String {
    match column {
        "id" => id.to_string(),
        "report_generation_date" => day.to_string(),
        "rent" => format!("{id}.5"),
        "units" => (id * 10).to_string(),
        _ => format!("a \"b\", {id}"),
    }
}

fn records(columns: &[&str], ids: &[i64], days: Window) -> Vec<Record> {
    let of = |id: i64, day: NaiveDate| {
        let pairs = columns
            .iter()
            .map(|column| ((*column).to_owned(), value(column, id, day)));
        pairs.collect()
    };
    ids.iter()
        .flat_map(|id| days.days().map(move |day| of(*id, day)))
        .collect()
}

fn encoded(format: Format, columns: &[&str], ids: &[i64], days: Window) -> Vec<u8> {
    let records = records(columns, ids, days);
    match format {
        Format::Csv => {
            let mut text = columns.join(",") + "\r\n";
            for record in &records {
                let fields = columns.iter().map(|column| match *column {
                    "tags" => format!("\"{}\"", record[*column].replace('"', "\"\"")),
                    column => record[column].clone(),
                });
                text += &(fields.collect::<Vec<_>>().join(",") + "\r\n");
            }
            text.into_bytes()
        }
        Format::Jsonl => {
            let lines = records
                .iter()
                .map(|record| format!("{}\n", serde_json::json!(record)));
            lines.collect::<String>().into_bytes()
        }
        Format::Parquet => table(columns, &records),
    }
}

fn table(columns: &[&str], records: &[Record]) -> Vec<u8> {
    let fields = columns.iter().map(|column| match *column {
        "id" | "units" => format!("REQUIRED INT64 {column};"),
        "rent" => "OPTIONAL DOUBLE rent;".to_owned(),
        "tags" => "OPTIONAL group tags (LIST) { REPEATED group list { OPTIONAL BYTE_ARRAY element \
                   (STRING); } }"
            .to_owned(),
        column => format!("REQUIRED BYTE_ARRAY {column} (STRING);"),
    });
    let schema = format!("message schema {{ {} }}", fields.collect::<String>());
    let schema = Arc::new(parse_message_type(&schema).expect("schema"));
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).expect("writer");
    let mut group = writer.next_row_group().expect("group");
    for column in columns {
        let values: Vec<&String> = records.iter().map(|record| &record[*column]).collect();
        let bytes = |value: &&String| ByteArray::from(value.as_bytes().to_vec());
        let ones = vec![1; values.len()];
        let mut out = group.next_column().expect("next").expect("a column");
        match *column {
            "id" | "units" => {
                let values: Vec<i64> = values.iter().map(|v| v.parse().expect("int")).collect();
                out.typed::<Int64Type>().write_batch(&values, None, None)
            }
            "rent" => {
                let values: Vec<f64> = values.iter().map(|v| v.parse().expect("float")).collect();
                out.typed::<DoubleType>()
                    .write_batch(&values, Some(&ones), None)
            }
            "tags" => {
                let values: Vec<ByteArray> = values.iter().map(bytes).collect();
                let (full, first) = (vec![3; values.len()], vec![0; values.len()]);
                out.typed::<ByteArrayType>()
                    .write_batch(&values, Some(&full), Some(&first))
            }
            _ => {
                let values: Vec<ByteArray> = values.iter().map(bytes).collect();
                out.typed::<ByteArrayType>()
                    .write_batch(&values, None, None)
            }
        }
        .expect("written");
        out.close().expect("closed");
    }
    group.close().expect("closed");
    writer.into_inner().expect("file")
}

fn decoded(format: Format, path: &Path) -> (Vec<String>, Vec<Record>) {
    match format {
        Format::Csv => {
            let mut reader = csv::Reader::from_path(path).expect("a csv");
            let names: Vec<String> = reader
                .headers()
                .expect("header")
                .iter()
                .map(str::to_owned)
                .collect();
            let record = |record: csv::StringRecord| {
                assert_eq!(record.len(), names.len());
                let pairs = names.iter().cloned().zip(record.iter().map(str::to_owned));
                pairs.filter(|(_, value)| !value.is_empty()).collect()
            };
            let records = reader
                .records()
                .map(|one| record(one.expect("a record")))
                .collect();
            (names, records)
        }
        Format::Jsonl => {
            let text = std::fs::read_to_string(path).expect("text");
            let records = text
                .lines()
                .map(|line| serde_json::from_str(line).expect("a line"));
            (Vec::new(), records.collect())
        }
        Format::Parquet => {
            let reader = open_parquet(path).expect("a parquet");
            let schema = reader.metadata().file_metadata().schema();
            let names = schema
                .get_fields()
                .iter()
                .map(|field| field.name().to_owned())
                .collect();
            let rows = reader.get_row_iter(None).expect("rows").map(|row| {
                let row = row.expect("a row");
                let plain = |field: &parquet::record::Field| match field {
                    parquet::record::Field::Str(text) => text.clone(),
                    parquet::record::Field::ListInternal(list) => match list.elements() {
                        [parquet::record::Field::Str(text)] => text.clone(),
                        _ => String::new(),
                    },
                    parquet::record::Field::Null => String::new(),
                    other => other.to_string(),
                };
                let pairs = row
                    .get_column_iter()
                    .map(|(name, field)| (name.clone(), plain(field)));
                pairs.filter(|(_, value)| !value.is_empty()).collect()
            });
            (names, rows.collect())
        }
    }
}

fn sorted(mut records: Vec<Record>) -> Vec<Record> {
    records.sort();
    records
}

#[tokio::test]
async fn parts_with_other_columns_become_one_file() {
    let days = window("2026-11-01", "2026-11-02");
    for format in FORMATS {
        for partition in [Partition::Window, Partition::Date, Partition::Month] {
            let world = World::new(format, partition).await;
            let mut parts = Vec::new();
            let mut expected = Vec::new();
            for (number, (columns, id)) in (1..).zip([(OLD, 1), (ADDED, 2), (MOVED, 3)]) {
                let body = encoded(format, columns, &[id], days);
                let part = world.deliver_bytes(1, number, &[id], days, body).await;
                parts.push(part.expect("delivered"));
                expected.extend(records(columns, &[id], days));
            }
            let published = world.publish(1, &[1, 2, 3], days, parts).await;
            assert_eq!(published.verdict, Verdict::Landed, "{published:?}");
            let mut all = Vec::new();
            for slice in super::super::partition::slices(partition, days) {
                let (names, records) = decoded(format, &world.data(&slice.key));
                let manifest = world.manifest(&slice.key);
                assert_eq!(manifest.file.rows, records.len() as u64);
                if format != Format::Jsonl {
                    assert_eq!(names, ADDED, "{format:?} {partition:?}");
                }
                if format == Format::Csv {
                    let said = manifest.columns.iter().map(|column| column.name.as_str());
                    assert_eq!(said.collect::<Vec<_>>(), ADDED);
                }
                all.extend(records);
            }
            assert_eq!(sorted(all), sorted(expected), "{format:?} {partition:?}");
        }
    }
}

#[tokio::test]
async fn rows_that_stay_keep_their_columns_and_the_new_ones_bring_theirs() {
    let days = window("2026-11-01", "2026-11-01");
    let later = window("2026-11-02", "2026-11-02");
    for format in FORMATS {
        for change in [SchemaChange::Accept, SchemaChange::Notify] {
            let mut world = World::new(format, Partition::Month).await;
            world.checks.schema_change = change;
            let body = encoded(format, OLD, &[1, 2], days);
            let part = world
                .deliver_bytes(1, 1, &[1, 2], days, body)
                .await
                .expect("old");
            world.publish(1, &[1, 2], days, vec![part]).await;
            let body = encoded(format, MOVED, &[1, 2], later);
            let part = world
                .deliver_bytes(2, 1, &[1, 2], later, body)
                .await
                .expect("new");
            let published = world.publish(2, &[1, 2], later, vec![part]).await;
            assert_eq!(published.verdict, Verdict::Landed, "{published:?}");
            let (_, all) = decoded(format, &world.data("month=2026-11-01"));
            let expected = [records(OLD, &[1, 2], days), records(MOVED, &[1, 2], later)].concat();
            assert_eq!(sorted(all), sorted(expected), "{format:?}");
            let manifest = world.manifest("month=2026-11-01");
            assert!(manifest.columns.iter().any(|column| column.name == "units"));
            assert!(
                manifest
                    .columns
                    .iter()
                    .any(|column| column.name.starts_with("tags"))
            );
            assert!(verify(world.root(), None).expect("verified").is_clean());
        }
    }
}

#[tokio::test]
async fn columns_of_other_types_are_refused_by_name() {
    let world = World::new(Format::Parquet, Partition::Window).await;
    let days = window("2026-11-01", "2026-11-01");
    let one = encoded(Format::Parquet, &["id", "rent"], &[1], days);
    // The same length and the same names, but a text.
    let two = encoded(Format::Parquet, &["id", "text"], &[2], days);
    let two = renamed(&two);
    let parts = vec![
        world
            .deliver_bytes(1, 1, &[1], days, one)
            .await
            .expect("one"),
        world
            .deliver_bytes(1, 2, &[2], days, two)
            .await
            .expect("two"),
    ];
    let order = world.order(1, &[1, 2], days, parts);
    let fault = world.landing.publish(order).await.expect_err("differ");
    assert_eq!(fault.class, FaultClass::Content);
    assert!(fault.message.contains("retyped rent"), "{fault}");
}

/// The column `text` under the name of another.
fn renamed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    while let Some(at) = bytes.windows(4).position(|four| four == b"text") {
        bytes[at..at + 4].copy_from_slice(b"rent");
    }
    bytes
}
