//! A column that is null throughout one day keeps its type in the published Parquet.

use super::*;
use crate::run::CheckStatus;
use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::reader::FileReader;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::record::RowAccessor;
use ::parquet::schema::parser::parse_message_type;

/// One row a day and property; `rent` has values, or is null throughout and of another type.
fn file(properties: &[i64], days: Window, rent: Option<f64>) -> Vec<u8> {
    let kind = match rent {
        Some(_) => "OPTIONAL DOUBLE avg_rent;",
        None => "OPTIONAL INT32 avg_rent;",
    };
    let schema = format!(
        "message schema {{ REQUIRED INT64 id; REQUIRED BYTE_ARRAY report_generation_date (STRING); {kind} }}"
    );
    let schema = Arc::new(parse_message_type(&schema).expect("a schema"));
    let plain = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, plain).expect("a writer");
    let cells: Vec<(i64, NaiveDate)> = properties
        .iter()
        .flat_map(|id| days.days().map(move |day| (*id, day)))
        .collect();
    let mut group = writer.next_row_group().expect("a group");
    let ids: Vec<i64> = cells.iter().map(|cell| cell.0).collect();
    let mut column = group.next_column().expect("a column").expect("id");
    column
        .typed::<Int64Type>()
        .write_batch(&ids, None, None)
        .expect("ids");
    column.close().expect("closed");
    let dates: Vec<ByteArray> = cells
        .iter()
        .map(|cell| cell.1.to_string().into_bytes().into())
        .collect();
    let mut column = group.next_column().expect("a column").expect("day");
    column
        .typed::<ByteArrayType>()
        .write_batch(&dates, None, None)
        .expect("days");
    column.close().expect("closed");
    let mut column = group.next_column().expect("a column").expect("rent");
    match rent {
        Some(rent) => {
            let rents = vec![rent; cells.len()];
            let full = vec![1; cells.len()];
            column
                .typed::<DoubleType>()
                .write_batch(&rents, Some(&full), None)
                .expect("rents");
        }
        None => {
            let none = vec![0; cells.len()];
            column
                .typed::<Int32Type>()
                .write_batch(&[], Some(&none), None)
                .expect("nulls");
        }
    }
    column.close().expect("closed");
    group.close().expect("closed");
    writer.into_inner().expect("a file")
}

/// The type of the rent and its values, as published.
fn rents(world: &World, key: &str) -> (String, Vec<Option<f64>>) {
    let reader = super::super::inspect::open_parquet(&world.data(key)).expect("a parquet");
    let schema = reader.metadata().file_metadata().schema_descr();
    let kind = format!("{:?}", schema.column(2).physical_type());
    let rows = reader.get_row_iter(None).expect("rows");
    let rents = rows.map(|row| row.expect("a row").get_double(2).ok());
    (kind, rents.collect())
}

async fn land(
    world: &World,
    run: u32,
    properties: &[i64],
    days: Window,
    rent: Option<f64>,
) -> Published {
    let body = file(properties, days, rent);
    let part = world
        .deliver_bytes(run, 1, properties, days, body)
        .await
        .expect("delivered");
    world.publish(run, properties, days, vec![part]).await
}

#[tokio::test]
async fn a_day_of_nulls_lands_under_the_type_of_the_days_before() {
    let world = World::new(Format::Parquet, Partition::Date).await;
    let first = window("2026-11-01", "2026-11-01");
    land(&world, 1, &[1, 2], first, Some(5.5)).await;
    // One day, whose file would otherwise be the vendor's bytes, and two, which are split.
    for (run, days) in [
        (2, window("2026-11-02", "2026-11-02")),
        (3, window("2026-11-03", "2026-11-04")),
    ] {
        let published = land(&world, run, &[1, 2], days, None).await;
        assert_eq!(published.verdict, Verdict::Landed, "{published:?}");
        assert!(published.told.is_empty(), "{:?}", published.told);
        let check = published
            .checks
            .iter()
            .find(|check| check.name == "schema_change");
        assert_eq!(check.expect("the check").status, CheckStatus::Pass);
        for day in days.days() {
            let key = format!("date={day}");
            assert_eq!(rents(&world, &key), ("DOUBLE".to_owned(), vec![None, None]));
            assert_eq!(world.manifest(&key).columns[2].kind, "double");
        }
    }
    // Again: the same bytes, and no new generation.
    let again = land(&world, 4, &[1, 2], window("2026-11-02", "2026-11-02"), None).await;
    assert_eq!(again.files[0].generation, 1);
    assert!(verify(world.root(), None).expect("verified").is_clean());
}

#[tokio::test]
async fn parts_of_one_run_agree_where_one_of_them_is_null_throughout() {
    let days = window("2026-11-01", "2026-11-02");
    for partition in [Partition::Window, Partition::Date, Partition::Month] {
        for order in [[None, Some(7.0)], [Some(7.0), None]] {
            let world = World::new(Format::Parquet, partition).await;
            let mut parts = Vec::new();
            for ((number, property), rent) in (1..).zip([1, 2]).zip(order) {
                let body = file(&[property], days, rent);
                let part = world
                    .deliver_bytes(1, number, &[property], days, body)
                    .await;
                parts.push(part.expect("delivered"));
            }
            let published = world.publish(1, &[1, 2], days, parts).await;
            assert_eq!(published.verdict, Verdict::Landed, "{published:?}");
            for slice in super::super::partition::slices(partition, days) {
                let (kind, rents) = rents(&world, &slice.key);
                assert_eq!(kind, "DOUBLE");
                let filled = rents.iter().filter(|rent| **rent == Some(7.0)).count();
                assert_eq!(
                    (filled * 2, rents.iter().flatten().count()),
                    (rents.len(), filled)
                );
            }
        }
    }
}

#[tokio::test]
async fn a_real_change_of_type_is_an_event_with_before_and_after() {
    let world = World::new(Format::Parquet, Partition::Date).await;
    let first = window("2026-11-01", "2026-11-01");
    let second = window("2026-11-02", "2026-11-02");
    // Nulls under a type that no value proved: what comes then is no change.
    land(&world, 1, &[1], first, None).await;
    let proven = land(&world, 2, &[1], second, Some(5.5)).await;
    assert!(proven.told.is_empty(), "{:?}", proven.told);
    let known = layout::meta(world.root(), &world.schedule()).join("schema.json");
    let text = std::fs::read_to_string(&known).expect("schema.json");
    // As if it had been text all along.
    std::fs::write(&known, text.replace("\"double\"", "\"byte_array string\"")).expect("written");
    let third = window("2026-11-03", "2026-11-03");
    let changed = land(&world, 3, &[1], third, Some(5.5)).await;
    let event = changed
        .told
        .iter()
        .find(|event| event["event"] == "schema_changed");
    let retyped = &event.expect("an event")["retyped"][0];
    assert_eq!(retyped["name"], "avg_rent");
    assert_eq!(
        (&retyped["before"], &retyped["after"]),
        (&"byte_array string".into(), &"double".into())
    );
    let text = std::fs::read_to_string(&known).expect("schema.json");
    let known: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(known["changed"]["run"], world.run(3).as_str());
    assert_eq!(known["changed"]["before"][2]["type"], "byte_array string");
}
