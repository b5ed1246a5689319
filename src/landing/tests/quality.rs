//! Checks: what passes says so, what fails stays out or is marked.

use super::rows::grid;
use super::*;
use crate::run::{Check, CheckStatus};

const IDS: [i64; 4] = [1, 2, 3, 4];

pub fn check<'p>(published: &'p Published, name: &str) -> &'p Check {
    let found = published.checks.iter().find(|check| check.name == name);
    found.unwrap_or_else(|| panic!("{name} in {:?}", published.checks))
}

pub fn day_one() -> Window {
    window("2026-11-22", "2026-11-22")
}

/// Keys are unique within one file: the same property on two days is no repetition.
#[tokio::test]
async fn keys_are_compared_within_one_partition() {
    let days = window("2026-11-29", "2026-12-01");
    for format in FORMATS {
        for (partition, verdict) in [
            (Partition::Date, Verdict::Landed),
            (Partition::Month, Verdict::Quarantined),
            (Partition::Window, Verdict::Quarantined),
        ] {
            let mut world = World::new(format, partition).await;
            world.checks.unique = vec!["id".to_owned()];
            let published = world.land(1, &IDS, days, &grid(&IDS, days, "x")).await;
            assert_eq!(published.verdict, verdict, "{format:?} {partition:?}");
        }
    }
}

#[tokio::test]
async fn quarantined_files_land_once_they_are_accepted() {
    for format in FORMATS {
        let mut world = World::new(format, Partition::Date).await;
        world.checks.unique = vec!["id".to_owned()];
        let rows = grid(&IDS, day_one(), "x");
        let twice = [rows.clone(), rows].concat();
        let part = world.deliver(1, 1, &IDS, day_one(), &twice).await;
        let published = world.publish(1, &IDS, day_one(), vec![part.clone()]).await;
        assert_eq!(published.verdict, Verdict::Quarantined);
        let reason = published.reason.expect("a reason");
        let accept = format!("aptiqd retry {} --accept", world.run(1));
        assert!(
            reason.contains("unique (duplicates 4)") && reason.contains(&accept),
            "{reason}"
        );
        let aside = world
            .root()
            .join(format!("staging/quarantine/{}", world.run(1)));
        assert!(aside.join("checks.json").is_file());
        assert!(world.visible().is_empty());
        world.accepted_by = Some("uid 0".to_owned());
        let accepted = world.publish(1, &IDS, day_one(), vec![part.clone()]).await;
        assert_eq!(accepted.verdict, Verdict::Landed);
        assert!(
            accepted
                .reason
                .expect("a mark")
                .starts_with("accepted by uid 0")
        );
        assert_eq!(world.rows("date=2026-11-22").len(), 8);
        assert!(!aside.exists());
        // What has landed since is not replaced by older rows.
        world.accepted_by = None;
        world.checks.unique.clear();
        let mut order = world.order(2, &IDS, day_one(), Vec::new());
        order.at = crate::clock::now() + chrono::TimeDelta::hours(1);
        order.parts = vec![
            world
                .deliver(2, 1, &IDS, day_one(), &grid(&IDS, day_one(), "y"))
                .await,
        ];
        world.landing.publish(order).await.expect("published");
        world.accepted_by = Some("uid 0".to_owned());
        let order = world.order(1, &IDS, day_one(), vec![part]);
        let fault = world.landing.publish(order).await.expect_err("older");
        assert_eq!(fault.class, FaultClass::Check);
        assert!(fault.message.contains("newer rows"), "{fault}");
    }
}

#[tokio::test]
async fn a_column_named_like_the_folders_key_is_refused() {
    for (partition, name) in [
        (Partition::Date, "Date"),
        (Partition::Month, "month"),
        (Partition::Window, "window"),
    ] {
        let world = World::new(Format::Csv, partition).await;
        let body = format!("id,report_generation_date,{name}\n1,2026-11-22,x\n");
        let part = world
            .deliver_bytes(1, 1, &[1], day_one(), body.into_bytes())
            .await
            .expect("delivered");
        let order = world.order(1, &[1], day_one(), vec![part]);
        let fault = world.landing.publish(order).await.expect_err("hidden");
        assert_eq!(fault.class, FaultClass::Check);
        assert!(fault.message.contains(&format!("`{name}`")), "{fault}");
        assert!(world.visible().is_empty());
    }
}

#[tokio::test]
async fn what_is_missing_is_named_and_a_day_without_rows_is_marked() {
    let mut world = World::new(Format::Jsonl, Partition::Date).await;
    world.checks.min_property_coverage = Some(0.3);
    let days = window("2026-11-21", "2026-11-22");
    let published = world
        .land(1, &IDS, days, &grid(&IDS[..3], day_one(), "x"))
        .await;
    assert_eq!(published.verdict, Verdict::Landed);
    let coverage = check(&published, "min_property_coverage");
    assert_eq!(coverage.status, CheckStatus::Warn);
    let expected = [
        "1 2026-11-21",
        "2 2026-11-21",
        "3 2026-11-21",
        "4 2026-11-21 to 2026-11-22",
    ];
    let named = coverage.observed["missing"].as_array().expect("names");
    assert_eq!(named.len(), 4, "{named:?}");
    assert!(
        named[0].as_str().expect("text").starts_with(expected[0]),
        "{named:?}"
    );
    let rows = check(&published, "rows");
    assert_eq!(rows.status, CheckStatus::Warn);
    assert_eq!(
        rows.observed["first"],
        serde_json::json!(["date=2026-11-21"])
    );
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
                let told = published
                    .told
                    .iter()
                    .find(|event| event["event"] == "quarantined");
                assert_eq!(told.expect("an event")["checks"][0], name);
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
    assert_eq!(
        check(&published, "min_property_coverage").status,
        CheckStatus::Warn
    );
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
    assert_eq!(
        check(&published, "min_property_coverage").status,
        CheckStatus::Fail
    );
    assert_eq!(world.visible().len(), 2);
}
