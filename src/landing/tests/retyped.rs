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
    file_of(properties, days, rent, None)
}

/// Without a rent as a fraction, whole ones.
fn file_of(properties: &[i64], days: Window, rent: Option<f64>, whole: Option<i32>) -> Vec<u8> {
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
            let levels = vec![i16::from(whole.is_some()); cells.len()];
            let rents: Vec<i32> = cells.iter().filter_map(|_| whole).collect();
            column
                .typed::<Int32Type>()
                .write_batch(&rents, Some(&levels), None)
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
    let told: Vec<_> = proven.told.iter().map(|event| &event["event"]).collect();
    assert_eq!(told, ["columns_proven"]);
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

/// The first files know no type for a column that is null throughout; once values show it, they have it too, and readers
/// of all files meet one type.
#[tokio::test]
async fn files_of_nulls_take_the_type_that_values_show_later() {
    for partition in [Partition::Date, Partition::Month, Partition::Window] {
        let world = World::new(Format::Parquet, partition).await;
        let first = window("2026-09-01", "2026-09-01");
        let second = window("2026-10-01", "2026-10-01");
        land(&world, 1, &[1, 2], first, None).await;
        land(&world, 2, &[1, 2], second, None).await;
        let third = window("2026-11-01", "2026-11-01");
        let published = land(&world, 3, &[1, 2], third, Some(5.5)).await;
        assert_eq!(published.verdict, Verdict::Landed, "{published:?}");
        assert_eq!(published.files.len(), 1);
        let keys: Vec<String> = [first, second]
            .iter()
            .flat_map(|days| super::super::partition::slices(partition, *days))
            .map(|slice| slice.key)
            .collect();
        for key in &keys {
            assert_eq!(rents(&world, key), ("DOUBLE".to_owned(), vec![None, None]));
            let manifest = world.manifest(key);
            assert_eq!(manifest.columns[2].kind, "double");
            assert_eq!((manifest.generation, manifest.file.rows), (2, 2));
        }
        assert!(verify(world.root(), None).expect("verified").is_clean());
        let event = &published.told[0];
        assert_eq!(
            (&event["event"], &event["files"]),
            (&"columns_proven".into(), &2.into())
        );
        let again = |line: &&serde_json::Value| line["generation"] == 2;
        assert_eq!(world.changes().iter().filter(again).count(), 2);
        assert_eq!(world.changes().len(), 5);
        // What is proven is proven: nothing is made anew again, and the same delivery gives the same bytes.
        let fourth = land(
            &world,
            4,
            &[1, 2],
            window("2026-12-01", "2026-12-01"),
            Some(7.0),
        )
        .await;
        assert!(fourth.told.is_empty(), "{:?}", fourth.told);
        let same = land(&world, 5, &[1, 2], first, None).await;
        assert_eq!(same.files[0].generation, 2);
        assert_eq!(world.changes().len(), 6);
    }
}

/// Only a file that is null throughout can take another type.
#[tokio::test]
async fn files_with_values_of_another_type_stay_as_they_are() {
    let world = World::new(Format::Parquet, Partition::Date).await;
    let first = window("2026-11-01", "2026-11-01");
    let body = file_of(&[1], first, None, Some(5));
    let part = world.deliver_bytes(1, 1, &[1], first, body).await;
    let part = part.expect("delivered");
    world.publish(1, &[1], first, vec![part]).await;
    let second = window("2026-11-02", "2026-11-02");
    land(&world, 2, &[1], second, None).await;
    let known = layout::meta(world.root(), &world.schedule()).join("schema.json");
    let text = std::fs::read_to_string(&known).expect("schema.json");
    // As if the values of the first file had not been seen.
    let unseen = text.replace("\"filled\": true", "\"filled\": false");
    assert_ne!(unseen, text);
    std::fs::write(&known, unseen).expect("written");
    let bytes = std::fs::read(world.data("date=2026-11-01")).expect("a file");
    let third = window("2026-11-03", "2026-11-03");
    land(&world, 3, &[1], third, Some(6.5)).await;
    let after = std::fs::read(world.data("date=2026-11-01")).expect("a file");
    assert_eq!(after, bytes);
    assert_eq!(world.manifest("date=2026-11-01").generation, 1);
    assert_eq!(world.manifest("date=2026-11-02").generation, 2);
}

/// Whatever stops it, a repeat ends where an undisturbed publish does.
#[tokio::test]
async fn taking_the_type_that_values_show_is_completed_by_a_repeat() {
    let days = |day: u32| window(&format!("2026-11-0{day}"), &format!("2026-11-0{day}"));
    let prepared = || async {
        let world = World::new(Format::Parquet, Partition::Date).await;
        land(&world, 1, &[1], days(1), None).await;
        land(&world, 2, &[1], days(2), None).await;
        let body = file(&[1], days(3), Some(5.5));
        let part = world.deliver_bytes(3, 1, &[1], days(3), body).await;
        let order = world.order(3, &[1], days(3), vec![part.expect("delivered")]);
        (world, order)
    };
    let (calm, order) = prepared().await;
    let expected = calm.landing.publish(order).await.expect("published");
    let mut stops = 0;
    for at in 0.. {
        let (world, order) = prepared().await;
        let (witness, _) = super::crash::power_cut(at);
        let stopped = super::crash::with_witness(&world, witness);
        let cut = stopped.publish(order.clone()).await;
        stops += usize::from(cut.is_err());
        let again = Landing::open(settings(world.root())).expect("landing");
        let published = again.publish(order).await.expect("repeated");
        assert_eq!(published.files, expected.files, "stopped at {at}");
        for day in 1..=3 {
            let key = format!("date=2026-11-0{day}");
            assert_eq!(rents(&world, &key), rents(&calm, &key), "stopped at {at}");
            assert_eq!(world.manifest(&key), calm.manifest(&key), "stopped at {at}");
        }
        assert_eq!(world.changes(), calm.changes(), "stopped at {at}");
        assert!(verify(world.root(), None).expect("verified").is_clean());
        if cut.is_ok() {
            break;
        }
    }
    assert!(stops > 15, "{stops}");
}
