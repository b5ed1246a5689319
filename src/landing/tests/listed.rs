//! Which checks a run and a manifest list.

use super::quality::{check, day_one};
use super::rows::grid;
use super::*;
use crate::run::CheckStatus;

const IDS: [i64; 4] = [1, 2, 3, 4];

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
        "min_property_coverage",
        "rows",
        "unexpected_properties",
        "unexpected_dates",
        "unique",
        "max_null_rate:avg_rent",
        "range:avg_rent",
        "schema_change",
        "format",
    ] {
        let check = check(&published, name);
        assert_eq!(check.status, CheckStatus::Pass, "{name}");
        assert!(
            !check.observed.is_null() && !check.expected.is_null(),
            "{name}"
        );
    }
    assert_eq!(published.checks.len(), 9);
    assert_eq!(world.manifest("date=2026-11-22").checks, published.checks);
}

#[tokio::test]
async fn what_was_not_looked_at_is_not_listed() {
    let world = World::new(Format::Csv, Partition::Date).await;
    let body = b"name,rent\nx,1\n".to_vec();
    let part = world
        .deliver_bytes(1, 1, &IDS, day_one(), body)
        .await
        .expect("delivered");
    let published = world.publish(1, &IDS, day_one(), vec![part]).await;
    let names: Vec<&str> = published
        .checks
        .iter()
        .map(|check| check.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["min_property_coverage", "rows", "schema_change", "format"]
    );
}

/// Each file's manifest tells of that file alone.
#[tokio::test]
async fn a_manifest_carries_the_checks_of_its_own_file() {
    let days = window("2026-11-21", "2026-11-22");
    for format in FORMATS {
        let mut world = World::new(format, Partition::Date).await;
        world.checks.on_fail = OnFail::Land;
        world.checks.unique = vec!["id".to_owned(), "report_generation_date".to_owned()];
        world
            .checks
            .max_null_rate
            .insert("avg_rent".to_owned(), 0.1);
        world
            .checks
            .range
            .insert("avg_rent".to_owned(), (0.0, 1504.0));
        let mut rows = grid(&[1, 2], days, "x");
        rows.push(rows[1].clone());
        rows[0].rent = None;
        rows[2].rent = Some(9999.0);
        let published = world.land(1, &[1, 2], days, &rows).await;
        assert_eq!(published.verdict, Verdict::Landed);
        let reason = published.reason.clone().expect("it is flagged");
        assert!(
            reason.contains("on_fail") && reason.contains("unique (duplicates 1)"),
            "{reason}"
        );
        assert!(
            published
                .told
                .iter()
                .any(|event| event["event"] == "checks_overruled")
        );
        let status = |key: &str, name: &str| {
            let manifest = world.manifest(key);
            let found = manifest.checks.iter().find(|check| check.name == name);
            found
                .unwrap_or_else(|| panic!("{name} in {:?}", manifest.checks))
                .status
        };
        let (first, second) = ("date=2026-11-21", "date=2026-11-22");
        assert_eq!(status(first, "unique"), CheckStatus::Pass, "{format:?}");
        assert_eq!(status(second, "unique"), CheckStatus::Fail);
        assert_eq!(status(first, "max_null_rate:avg_rent"), CheckStatus::Fail);
        assert_eq!(status(second, "max_null_rate:avg_rent"), CheckStatus::Pass);
        assert_eq!(status(first, "range:avg_rent"), CheckStatus::Fail);
        assert_eq!(status(second, "range:avg_rent"), CheckStatus::Pass);
        for name in ["unique", "max_null_rate:avg_rent", "range:avg_rent"] {
            assert_eq!(check(&published, name).status, CheckStatus::Fail, "{name}");
        }
    }
}
