//! Checks that compare a run with what landed before it.

use super::quality::{check, day_one};
use super::rows::grid;
use super::*;
use crate::run::CheckStatus;

const IDS: [i64; 4] = [1, 2, 3, 4];

#[tokio::test]
async fn too_few_rows_against_the_median_fail_once_there_is_a_history() {
    let mut world = World::new(Format::Jsonl, Partition::Date).await;
    world.checks.min_rows_vs_median = Some(0.7);
    for (run, date) in (1..).zip(["2026-11-18", "2026-11-19", "2026-11-20"]) {
        let days = window(date, date);
        let published = world.land(run, &IDS, days, &grid(&IDS, days, "x")).await;
        let expected = match run {
            // Nothing was looked at, so nothing passed.
            1 => CheckStatus::Warn,
            _ => CheckStatus::Pass,
        };
        assert_eq!(check(&published, "min_rows_vs_median").status, expected);
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
        let schema = check(&published, "schema_change");
        assert_eq!(schema.status, status);
        let names = |key: &str| -> Vec<String> {
            let columns = schema.observed[key].as_array().expect("columns");
            columns
                .iter()
                .map(|column| column["name"].as_str().expect("a name").to_owned())
                .collect()
        };
        assert_eq!(names("added"), ["rent"]);
        assert_eq!(names("removed"), ["avg_rent", "note"]);
        let event = published
            .told
            .iter()
            .find(|event| event["event"] == "schema_changed");
        let event = event.expect("an event");
        assert_eq!(
            (&event["columns_before"], &event["columns_after"]),
            (&4.into(), &3.into())
        );
    }
}
