//! What a restatement tells: whose days changed, by how many rows, and since when the earlier ones stood.

use super::rows::grid;
use super::*;

const IDS: [i64; 4] = [1, 2, 3, 4];

fn event(published: &Published) -> Option<&serde_json::Value> {
    let mut told = published.told.iter();
    told.find(|event| event["event"] == "restated")
}

#[tokio::test]
async fn changed_properties_and_days_are_told_by_name() {
    let days = window("2026-11-01", "2026-11-05");
    for format in FORMATS {
        for partition in [Partition::Date, Partition::Month, Partition::Window] {
            let world = World::new(format, partition).await;
            let rows = grid(&IDS, days, "x");
            let first = world.land(1, &IDS, days, &rows).await;
            assert!(event(&first).is_none());
            let same = world.land(2, &IDS, days, &rows).await;
            assert!(event(&same).is_none(), "{:?}", same.told);
            // Property 2 has another rent on two days, and property 3 a second row on one.
            let mut changed = rows.clone();
            for row in &mut changed {
                if row.id == 2 && row.day >= day("2026-11-02") && row.day <= day("2026-11-03") {
                    row.rent = Some(1.0);
                }
            }
            let twice = changed
                .iter()
                .find(|row| row.id == 3 && row.day == day("2026-11-05"));
            let twice = twice.expect("a row").clone();
            changed.push(twice);
            let mut order = world.order(3, &IDS, days, Vec::new());
            order.parts = vec![world.deliver(3, 1, &IDS, days, &changed).await];
            order.at += chrono::TimeDelta::days(1);
            let restated = world.landing.publish(order).await.expect("published");
            let event = event(&restated).unwrap_or_else(|| panic!("{format:?} {partition:?}"));
            assert_eq!(event["property_days"], 3, "{event}");
            assert_eq!(event["properties"], 2);
            assert_eq!(
                (&event["rows_before"], &event["rows_after"]),
                (&3.into(), &4.into())
            );
            assert_eq!(event["first_landed_at"], "2026-12-01T00:00:00Z");
            let spans = event["spans"].as_array().expect("spans");
            let has = |property: i64, from: &str, to: &str| {
                spans.iter().any(|span| {
                    span["property"] == property
                        && span["from"].as_str() <= Some(from)
                        && span["to"].as_str() >= Some(to)
                })
            };
            assert!(has(2, "2026-11-02", "2026-11-02") && has(2, "2026-11-03", "2026-11-03"));
            assert!(has(3, "2026-11-05", "2026-11-05"));
            assert!(!has(1, "2026-11-02", "2026-11-02"));
            let key = match partition {
                Partition::Date => "date=2026-11-02",
                Partition::Month => "month=2026-11-01",
                Partition::Window => "window=2026-11-01_2026-11-05",
            };
            let lines = world.landing.restatements(&world.schedule(), key);
            assert_eq!(lines.len(), 1);
            assert_eq!(
                (lines[0].generation, &lines[0].previous_run),
                (2, &world.run(2))
            );
        }
    }
}

/// A property that comes only now, or a column of nulls, restates nothing.
#[tokio::test]
async fn additions_are_no_restatement() {
    let days = window("2026-11-01", "2026-11-02");
    for format in FORMATS {
        let world = World::new(format, Partition::Date).await;
        world
            .land(1, &IDS[..2], days, &grid(&IDS[..2], days, "x"))
            .await;
        let more = world
            .land(2, &IDS[2..], days, &grid(&IDS[2..], days, "x"))
            .await;
        assert!(more.files.iter().all(|file| file.generation == 2));
        assert!(event(&more).is_none(), "{:?}", more.told);
    }
}

#[tokio::test]
async fn a_file_that_gave_way_to_another_format_is_told_as_deleted() {
    let mut world = World::new(Format::Csv, Partition::Date).await;
    let days = window("2026-11-22", "2026-11-22");
    world.land(1, &IDS, days, &grid(&IDS, days, "x")).await;
    world.format = Format::Jsonl;
    let published = world.land(2, &IDS, days, &grid(&IDS, days, "x")).await;
    assert!(event(&published).is_some());
    let changes = world.changes();
    let told: Vec<(&str, &str)> = changes
        .iter()
        .map(|line| {
            (
                line["change"].as_str().unwrap(),
                line["path"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("put", "data/owned/date=2026-11-22/owned.csv"),
            ("delete", "data/owned/date=2026-11-22/owned.csv"),
            ("put", "data/owned/date=2026-11-22/owned.jsonl"),
        ]
    );
    assert_eq!(changes[1]["rows"], 4);
    assert_eq!(changes[1]["sha256"], changes[0]["sha256"]);
}
