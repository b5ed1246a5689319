//! Of two deliveries of a cell the later one counts, in whatever order they are published.

use super::rows::grid;
use super::*;

const IDS: [i64; 3] = [1, 2, 3];
const PARTITIONS: [Partition; 3] = [Partition::Window, Partition::Date, Partition::Month];

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
    rows
}

fn all_rows(world: &World, days: Window) -> Vec<Row> {
    let slices = super::super::partition::slices(world.partition, days);
    sorted(
        slices
            .iter()
            .flat_map(|slice| world.rows(&slice.key))
            .collect(),
    )
}

#[tokio::test]
async fn a_retried_run_puts_no_older_rows_over_newer_ones() {
    let days = window("2026-11-01", "2026-11-03");
    for format in FORMATS {
        for partition in PARTITIONS {
            let world = World::new(format, partition).await;
            let old = grid(&[1, 2], days, "old");
            let mut first = vec![
                world.deliver(1, 1, &[1], days, &old[..3]).await,
                world.deliver(1, 2, &[2], days, &old[3..]).await,
            ];
            world.publish(1, &IDS, days, first.clone()).await;
            let new = grid(&IDS, days, "new");
            world.land(2, &IDS, days, &new).await;

            let latest = grid(&[3], days, "latest");
            let mut third = world.deliver(1, 3, &[3], days, &latest).await;
            third.delivered_at = delivered_at(3);
            first.push(third);
            let published = world.publish(1, &IDS, days, first.clone()).await;
            assert_eq!(published.verdict, Verdict::Landed, "{published:?}");
            assert_eq!(published.missing, []);
            let expected = sorted([grid(&[1, 2], days, "new"), latest].concat());
            assert_eq!(all_rows(&world, days), expected, "{format:?} {partition:?}");

            // The same again changes nothing.
            world.publish(1, &IDS, days, first).await;
            assert_eq!(all_rows(&world, days), expected, "{format:?} {partition:?}");
            assert!(verify(world.root(), None).expect("verified").is_clean());
        }
    }
}

#[tokio::test]
async fn newer_days_of_an_older_part_still_count() {
    for format in FORMATS {
        let world = World::new(format, Partition::Month).await;
        let month = window("2026-11-01", "2026-11-04");
        let late = world
            .deliver(1, 1, &IDS, month, &grid(&IDS, month, "old"))
            .await;
        let day = window("2026-11-02", "2026-11-02");
        world.land(2, &[2], day, &grid(&[2], day, "new")).await;
        world.publish(1, &IDS, month, vec![late]).await;
        let rows = world.rows("month=2026-11-01");
        assert_eq!(rows.len(), 12);
        for row in rows {
            let newer = row.id == 2 && day.contains(row.day);
            assert_eq!(row.note.starts_with("new"), newer, "{format:?} {row:?}");
        }
        let manifest = world.manifest("month=2026-11-01");
        let jobs: Vec<&str> = manifest
            .jobs
            .iter()
            .map(|job| job.job_id.as_str())
            .collect();
        assert_eq!(jobs, ["job-1-1", "job-2-1"]);
        assert_eq!(
            manifest.jobs[0].absent,
            [span(2, "2026-11-02", "2026-11-02")]
        );
        assert_eq!(manifest.jobs[1].absent, []);
    }
}

#[tokio::test]
async fn a_stamp_from_the_future_stops_no_later_delivery() {
    let world = World::new(Format::Csv, Partition::Date).await;
    let day = window("2026-11-01", "2026-11-01");
    let mut wrong = world
        .deliver(1, 1, &IDS, day, &grid(&IDS, day, "wrong clock"))
        .await;
    wrong.delivered_at = "2031-01-01T00:00:00Z".parse().expect("moment");
    world.publish(1, &IDS, day, vec![wrong]).await;
    let right = grid(&IDS, day, "right");
    world.land(2, &IDS, day, &right).await;
    assert_eq!(world.rows("date=2026-11-01"), sorted(right));
}
