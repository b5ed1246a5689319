//! One file a window, and windows that share days.

use super::quality::check;
use super::rows::grid;
use super::*;
use crate::run::CheckStatus;

const IDS: [i64; 2] = [1, 2];

#[tokio::test]
async fn a_file_beside_others_with_days_of_its_own_says_so() {
    for format in FORMATS {
        let world = World::new(format, Partition::Window).await;
        let first = window("2026-11-01", "2026-11-03");
        let apart = window("2026-11-04", "2026-11-06");
        let astride = window("2026-11-03", "2026-11-05");
        for (run, days) in [(1, first), (2, apart)] {
            let published = world.land(run, &IDS, days, &grid(&IDS, days, "x")).await;
            let check = check(&published, "overlapping_windows");
            assert_eq!(check.status, CheckStatus::Pass, "{check:?}");
            assert_eq!(
                (&check.observed["windows"], &check.expected["windows"]),
                (&0.into(), &0.into())
            );
            assert!(published.told.is_empty(), "{:?}", published.told);
        }
        let rows = grid(&IDS, astride, "x");
        let published = world.land(3, &IDS, astride, &rows).await;
        assert_eq!(published.verdict, Verdict::Landed);
        let check = check(&published, "overlapping_windows");
        assert_eq!(check.status, CheckStatus::Warn);
        let both = serde_json::json!(["2026-11-04_2026-11-06", "2026-11-01_2026-11-03"]);
        assert_eq!(check.observed["first"], both);
        let event = &published.told[0];
        assert_eq!(
            (&event["event"], &event["first"]),
            (&"windows_overlap".into(), &both)
        );
        let manifest = world.manifest("window=2026-11-03_2026-11-05");
        assert_eq!(manifest.checks, published.checks);
        // Its own earlier file is no other one.
        let again = world.land(4, &IDS, first, &grid(&IDS, first, "y")).await;
        let seen = &super::quality::check(&again, "overlapping_windows").observed;
        assert_eq!(seen["first"], serde_json::json!(["2026-11-03_2026-11-05"]));
    }
}

/// One file a day or a month has each day once, whatever overlaps.
#[tokio::test]
async fn other_keys_have_nothing_that_overlaps() {
    for partition in [Partition::Date, Partition::Month] {
        let world = World::new(Format::Csv, partition).await;
        for (run, days) in [
            (1, window("2026-11-01", "2026-11-03")),
            (2, window("2026-11-02", "2026-11-04")),
        ] {
            let published = world.land(run, &IDS, days, &grid(&IDS, days, "x")).await;
            let named = |check: &crate::run::Check| check.name == "overlapping_windows";
            assert!(!published.checks.iter().any(named));
        }
        let mut days: Vec<_> = world
            .visible()
            .iter()
            .flat_map(|path| rows::decode(Format::Csv, &world.root().join(path)))
            .map(|row| (row.id, row.day))
            .collect();
        let all = days.len();
        days.sort_unstable();
        days.dedup();
        assert_eq!((days.len(), all), (8, 8));
    }
}
