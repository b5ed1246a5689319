//! Checks: what passes says so, what fails stays out or is marked.

use super::rows::grid;
use super::*;
use crate::run::{Check, CheckStatus};

const IDS: [i64; 4] = [1, 2, 3, 4];

fn check<'p>(published: &'p Published, name: &str) -> &'p Check {
    let found = published.checks.iter().find(|check| check.name == name);
    found.unwrap_or_else(|| panic!("{name} in {:?}", published.checks))
}

fn day_one() -> Window {
    window("2026-11-22", "2026-11-22")
}

#[tokio::test]
async fn every_check_is_listed_also_when_it_passes() {
    let mut world = World::new(Format::Jsonl, Partition::Date).await;
    world.checks.unique = vec!["id".to_owned()];
    world
        .checks
        .max_null_rate
        .insert("avg_rent".to_owned(), 0.5);
    world
        .checks
        .range
        .insert("avg_rent".to_owned(), (0.0, 9000.0));
    let published = world
        .land(1, &IDS, day_one(), &grid(&IDS, day_one(), "x"))
        .await;
    for name in [
        "coverage",
        "rows",
        "unexpected_properties",
        "unexpected_dates",
        "min_rows_vs_median",
        "unique",
        "max_null_rate:avg_rent",
        "range:avg_rent",
        "schema",
        "format",
    ] {
        assert_eq!(check(&published, name).status, CheckStatus::Pass, "{name}");
    }
    assert_eq!(world.manifest("date=2026-11-22").checks, published.checks);
}

async fn fails(name: &str, spoil: impl Fn(&mut World) -> Vec<Row>) {
    for on_fail in [OnFail::Quarantine, OnFail::Land] {
        let mut world = World::new(Format::Csv, Partition::Date).await;
        world.checks.on_fail = on_fail;
        let rows = spoil(&mut world);
        let published = world.land(1, &IDS, day_one(), &rows).await;
        assert_eq!(check(&published, name).status, CheckStatus::Fail, "{name}");
        match on_fail {
            OnFail::Quarantine => {
                assert_eq!(published.verdict, Verdict::Quarantined, "{name}");
                assert!(world.visible().is_empty());
                assert!(published.files.is_empty() && published.landed.is_empty());
                let reason = published.reason.expect("a reason");
                let place = format!("staging/quarantine/{}", world.run(1));
                assert!(reason.contains(name) && reason.contains(&place), "{reason}");
                assert!(
                    world
                        .root()
                        .join(place)
                        .join("date=2026-11-22/owned.csv")
                        .is_file()
                );
            }
            OnFail::Land => assert_eq!(published.verdict, Verdict::Landed, "{name}"),
        }
    }
}

#[tokio::test]
async fn what_fails_is_kept_out_or_landed_with_its_mark() {
    fails("unexpected_properties", |_| {
        grid(&[1, 2, 3, 4, 77], day_one(), "x")
    })
    .await;
    fails("unexpected_dates", |_| {
        grid(&IDS, window("2026-11-22", "2026-11-23"), "x")
    })
    .await;
    fails("unique", |world| {
        world.checks.unique = vec!["id".to_owned()];
        let rows = grid(&IDS, day_one(), "x");
        [rows.clone(), rows].concat()
    })
    .await;
    fails("max_null_rate:avg_rent", |world| {
        world
            .checks
            .max_null_rate
            .insert("avg_rent".to_owned(), 0.2);
        grid(&IDS, day_one(), "x")
    })
    .await;
    fails("max_null_rate:absent", |world| {
        world.checks.max_null_rate.insert("absent".to_owned(), 0.2);
        grid(&IDS, day_one(), "x")
    })
    .await;
    fails("range:avg_rent", |world| {
        world.checks.range.insert("avg_rent".to_owned(), (0.0, 1.0));
        grid(&IDS, day_one(), "x")
    })
    .await;
}

#[tokio::test]
async fn rows_of_another_day_never_land_under_this_one() {
    let mut world = World::new(Format::Csv, Partition::Date).await;
    world.checks.on_fail = OnFail::Land;
    world
        .land(
            1,
            &IDS,
            day_one(),
            &grid(&IDS, window("2026-11-21", "2026-11-23"), "x"),
        )
        .await;
    assert_eq!(world.visible(), ["data/owned/date=2026-11-22/owned.csv"]);
    assert!(
        world
            .rows("date=2026-11-22")
            .iter()
            .all(|row| row.day == day("2026-11-22"))
    );
}

#[tokio::test]
async fn duplicates_across_parts_are_found() {
    let mut world = World::new(Format::Parquet, Partition::Date).await;
    world.checks.unique = vec!["avg_rent".to_owned()];
    let parts = vec![
        world
            .deliver(1, 1, &[1], day_one(), &grid(&[1], day_one(), "x"))
            .await,
        world
            .deliver(1, 2, &[2], day_one(), &{
                let mut rows = grid(&[2], day_one(), "x");
                rows[0].rent = grid(&[1], day_one(), "x")[0].rent;
                rows
            })
            .await,
    ];
    let published = world.publish(1, &[1, 2], day_one(), parts).await;
    assert_eq!(published.verdict, Verdict::Quarantined);
    assert_eq!(check(&published, "unique").observed["duplicates"], 1);
}

#[tokio::test]
async fn partial_coverage_is_enough_if_the_schedule_says_so() {
    let mut world = World::new(Format::Csv, Partition::Date).await;
    world.checks.min_property_coverage = Some(0.75);
    let published = world
        .land(1, &IDS, day_one(), &grid(&IDS[..3], day_one(), "x"))
        .await;
    assert_eq!(published.verdict, Verdict::Landed);
    assert_eq!(check(&published, "coverage").status, CheckStatus::Warn);
    assert_eq!(published.missing, [span(4, "2026-11-22", "2026-11-22")]);
    let published = world
        .land(
            2,
            &IDS,
            window("2026-11-23", "2026-11-23"),
            &grid(&IDS[..2], window("2026-11-23", "2026-11-23"), "x"),
        )
        .await;
    assert_eq!(published.verdict, Verdict::Incomplete);
    assert_eq!(check(&published, "coverage").status, CheckStatus::Fail);
    assert_eq!(world.visible().len(), 2);
}

#[tokio::test]
async fn too_few_rows_against_the_median_fail_once_there_is_a_history() {
    let mut world = World::new(Format::Jsonl, Partition::Date).await;
    world.checks.min_rows_vs_median = Some(0.7);
    for (run, date) in (1..).zip(["2026-11-18", "2026-11-19", "2026-11-20"]) {
        let days = window(date, date);
        let published = world.land(run, &IDS, days, &grid(&IDS, days, "x")).await;
        assert_eq!(
            check(&published, "min_rows_vs_median").status,
            CheckStatus::Pass
        );
    }
    let days = window("2026-11-21", "2026-11-21");
    let published = world.land(4, &IDS, days, &grid(&IDS[..2], days, "x")).await;
    assert_eq!(published.verdict, Verdict::Quarantined);
    assert_eq!(
        check(&published, "min_rows_vs_median").observed["ratio"],
        0.5
    );
}

#[tokio::test]
async fn a_schema_change_is_told_or_rejected() {
    for (rule, verdict, status) in [
        (SchemaChange::Notify, Verdict::Landed, CheckStatus::Warn),
        (SchemaChange::Accept, Verdict::Landed, CheckStatus::Pass),
        (
            SchemaChange::Reject,
            Verdict::Quarantined,
            CheckStatus::Fail,
        ),
    ] {
        let mut world = World::new(Format::Csv, Partition::Date).await;
        world.checks.schema_change = rule;
        world.checks.on_fail = OnFail::Land;
        world
            .land(1, &[1], day_one(), &grid(&[1], day_one(), "x"))
            .await;
        let next = window("2026-11-23", "2026-11-23");
        let body = b"id,report_generation_date,rent\n1,2026-11-23,5\n".to_vec();
        let part = world
            .deliver_bytes(2, 1, &[1], next, body)
            .await
            .expect("delivered");
        let published = world.publish(2, &[1], next, vec![part]).await;
        assert_eq!(published.verdict, verdict);
        let schema = check(&published, "schema");
        assert_eq!(schema.status, status);
        assert_eq!(schema.observed["added"], serde_json::json!(["rent"]));
        assert_eq!(
            schema.observed["removed"],
            serde_json::json!(["avg_rent", "note"])
        );
    }
}
