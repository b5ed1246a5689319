//! Which rows end up in which file.

use super::rows::{encode, grid};
use super::*;

const IDS: [i64; 6] = [1, 2, 3, 4, 5, 6];

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
    rows
}

#[tokio::test]
async fn one_part_of_one_file_is_the_vendors_bytes() {
    for format in FORMATS {
        for partition in [Partition::Date, Partition::Window] {
            let world = World::new(format, partition).await;
            let days = window("2026-11-22", "2026-11-22");
            let body = encode(format, &grid(&IDS, days, "x"));
            let part = world
                .deliver_bytes(1, 1, &IDS, days, body.clone())
                .await
                .expect("delivered");
            let published = world.publish(1, &IDS, days, vec![part.clone()]).await;
            assert_eq!(published.verdict, Verdict::Landed);
            let [file] = &published.files[..] else {
                panic!("one file")
            };
            assert_eq!(
                std::fs::read(world.root().join(&file.path)).expect("file"),
                body
            );
            assert_eq!((file.generation, &file.sha256), (1, &part.artifact.sha256));
            assert_eq!(world.visible(), std::slice::from_ref(&file.path));
            assert!(verify(world.root(), None).expect("verified").is_clean());
        }
    }
}

#[tokio::test]
async fn parts_are_merged_and_split_without_losing_or_changing_a_row() {
    let days = window("2026-11-29", "2026-12-02");
    for format in FORMATS {
        for (partition, files) in [
            (Partition::Window, 1),
            (Partition::Date, 4),
            (Partition::Month, 2),
        ] {
            let world = World::new(format, partition).await;
            let first = grid(&IDS[..3], days, "first");
            let second = grid(&IDS[3..], days, "second");
            let parts = vec![
                world.deliver(1, 1, &IDS[..3], days, &first).await,
                world.deliver(1, 2, &IDS[3..], days, &second).await,
            ];
            let published = world.publish(1, &IDS, days, parts).await;
            assert_eq!(published.verdict, Verdict::Landed, "{published:?}");
            assert_eq!(published.files.len(), files);
            assert_eq!(published.rows, 24);
            let slices = super::super::partition::slices(partition, days);
            let mut all = Vec::new();
            for slice in &slices {
                let rows = world.rows(&slice.key);
                assert!(rows.iter().all(|row| slice.window.contains(row.day)));
                assert_eq!(world.manifest(&slice.key).file.rows, rows.len() as u64);
                all.extend(rows);
            }
            assert_eq!(
                sorted(all),
                sorted([first, second].concat()),
                "{format:?} {partition:?}"
            );
            assert_eq!(world.changes().len(), files);
            assert!(verify(world.root(), None).expect("verified").is_clean());
        }
    }
}

#[tokio::test]
async fn a_run_for_some_properties_keeps_the_others_rows() {
    let days = window("2026-11-01", "2026-11-03");
    for format in FORMATS {
        for partition in [Partition::Window, Partition::Date, Partition::Month] {
            let world = World::new(format, partition).await;
            let old = grid(&IDS, days, "old");
            world.land(1, &IDS, days, &old).await;
            let some = [2, 5];
            let new = grid(&some, days, "new");
            let published = world.land(2, &some, days, &new).await;
            assert_eq!(published.verdict, Verdict::Landed);
            let stay = old.into_iter().filter(|row| !some.contains(&row.id));
            let expected = sorted(stay.chain(new).collect());
            let mut all = Vec::new();
            for slice in super::super::partition::slices(partition, days) {
                let manifest = world.manifest(&slice.key);
                assert_eq!(manifest.generation, 2);
                assert_eq!(manifest.properties.requested, 6);
                assert_eq!(manifest.properties.present, 6);
                let jobs: Vec<&str> = manifest
                    .jobs
                    .iter()
                    .map(|job| job.job_id.as_str())
                    .collect();
                assert_eq!(jobs, ["job-2-1", "job-1-1"]);
                all.extend(world.rows(&slice.key));
            }
            assert_eq!(sorted(all), expected, "{format:?} {partition:?}");
        }
    }
}

#[tokio::test]
async fn some_days_of_a_month_leave_its_other_days_alone() {
    for format in FORMATS {
        let world = World::new(format, Partition::Month).await;
        let month = window("2026-11-01", "2026-11-10");
        let old = grid(&IDS, month, "old");
        world.land(1, &IDS, month, &old).await;
        let days = window("2026-11-04", "2026-11-05");
        let new = grid(&IDS, days, "new");
        world.land(2, &IDS, days, &new).await;
        let stay = old.into_iter().filter(|row| !days.contains(row.day));
        assert_eq!(
            world.rows("month=2026-11-01"),
            sorted(stay.chain(new).collect())
        );
    }
}

#[tokio::test]
async fn a_property_that_came_without_rows_keeps_its_earlier_ones() {
    let world = World::new(Format::Csv, Partition::Date).await;
    let day = window("2026-11-22", "2026-11-22");
    world.land(1, &IDS, day, &grid(&IDS, day, "old")).await;
    let published = world.land(2, &IDS, day, &grid(&IDS[..5], day, "new")).await;
    assert_eq!(published.verdict, Verdict::Incomplete);
    assert_eq!(published.missing, []);
    let rows = world.rows("date=2026-11-22");
    assert_eq!(rows.len(), 6);
    assert!(rows[5].note.starts_with("old") && rows[0].note.starts_with("new"));
}

#[tokio::test]
async fn the_same_bytes_change_nothing_and_others_are_a_new_generation() {
    for format in FORMATS {
        let world = World::new(format, Partition::Date).await;
        let days = window("2026-11-21", "2026-11-22");
        world.land(1, &IDS, days, &grid(&IDS, days, "a")).await;
        let path = world.data("date=2026-11-22");
        let inode =
            |path: &Path| std::os::unix::fs::MetadataExt::ino(&path.metadata().expect("file"));
        let before = inode(&path);
        let again = world.land(2, &IDS, days, &grid(&IDS, days, "a")).await;
        assert!(again.files.iter().all(|file| file.generation == 1));
        assert_eq!(inode(&path), before);
        assert_eq!(world.changes().len(), 2);

        let restated = world.land(3, &IDS, days, &grid(&IDS, days, "b")).await;
        assert!(restated.files.iter().all(|file| file.generation == 2));
        assert_ne!(inode(&path), before);
        assert_eq!(world.changes().len(), 4);
        assert_eq!(world.manifest("date=2026-11-22").run, world.run(3));
    }
}

#[tokio::test]
async fn zero_rows_leave_no_data_file_and_never_remove_one() {
    for format in FORMATS {
        let world = World::new(format, Partition::Date).await;
        let days = window("2026-11-21", "2026-11-22");
        let published = world.land(1, &IDS, days, &[]).await;
        assert_eq!(published.verdict, Verdict::Incomplete);
        assert_eq!(published.empty.len(), IDS.len());
        assert!(published.missing.is_empty() && published.landed.is_empty());
        assert!(published.files.is_empty() && world.visible().is_empty());
        let manifest = world.manifest("date=2026-11-21");
        assert_eq!(
            (manifest.file.rows, manifest.file.path, manifest.generation),
            (0, None, 0)
        );
        assert_eq!(manifest.empty.len(), IDS.len());

        world.land(2, &IDS, days, &grid(&IDS, days, "x")).await;
        assert_eq!(world.manifest("date=2026-11-21").generation, 1);
        let rows = world.rows("date=2026-11-21");
        let published = world.land(3, &IDS, days, &[]).await;
        assert_eq!(published.verdict, Verdict::Incomplete);
        assert!(
            published
                .reason
                .expect("a reason")
                .contains("keeps its earlier file")
        );
        assert_eq!(world.rows("date=2026-11-21"), rows);
        assert!(verify(world.root(), None).expect("verified").is_clean());
    }
}

/// A table without rows as pyarrow 26 writes it: one row group of none, with pages or without.
#[tokio::test]
async fn a_row_group_without_rows_is_no_rows() {
    for rowless in [
        &include_bytes!("files/rowless_group.parquet")[..],
        &include_bytes!("files/rowless_group_without_pages.parquet")[..],
    ] {
        let days = window("2026-11-22", "2026-11-22");
        let world = World::new(Format::Parquet, Partition::Date).await;
        let part = world.deliver_bytes(1, 1, &IDS, days, rowless.to_vec());
        let part = part.await.expect("delivered");
        assert_eq!(part.artifact.rows, 0);
        let published = world.publish(1, &IDS, days, vec![part]).await;
        assert_eq!(published.empty.len(), IDS.len());
        assert!(world.visible().is_empty());

        let rows = grid(&IDS[..3], days, "x");
        let parts = vec![
            world.deliver(2, 1, &IDS[..3], days, &rows).await,
            world
                .deliver_bytes(2, 2, &IDS[3..], days, rowless.to_vec())
                .await
                .expect("delivered"),
        ];
        world.publish(2, &IDS, days, parts).await;
        assert_eq!(world.rows("date=2026-11-22"), sorted(rows));
    }
}

#[tokio::test]
async fn a_failed_part_leaves_its_cells_missing() {
    let world = World::new(Format::Parquet, Partition::Date).await;
    let days = window("2026-11-21", "2026-11-22");
    let part = world
        .deliver(1, 2, &IDS[3..], days, &grid(&IDS[3..], days, "x"))
        .await;
    let published = world.publish(1, &IDS, days, vec![part]).await;
    assert_eq!(published.verdict, Verdict::Incomplete);
    let lost = IDS[..3]
        .iter()
        .map(|id| span(*id, "2026-11-21", "2026-11-22"))
        .collect::<Vec<_>>();
    assert_eq!(published.missing, lost);
    let manifest = world.manifest("date=2026-11-22");
    assert_eq!(manifest.properties.missing, [1, 2, 3]);
    assert_eq!(
        (manifest.properties.requested, manifest.properties.present),
        (6, 3)
    );
}

#[tokio::test]
async fn nothing_delivered_is_nothing_published() {
    let world = World::new(Format::Csv, Partition::Date).await;
    let days = window("2026-11-21", "2026-11-22");
    let published = world.publish(1, &IDS, days, Vec::new()).await;
    assert_eq!(published.verdict, Verdict::Incomplete);
    assert_eq!(published.missing.len(), IDS.len());
    assert!(world.visible().is_empty());
}

#[tokio::test]
async fn merged_text_has_one_header_and_whole_lines() {
    let world = World::new(Format::Csv, Partition::Window).await;
    let days = window("2026-11-21", "2026-11-21");
    let one = b"\xef\xbb\xbfid,a\r\n1,1".to_vec();
    let parts = vec![
        world
            .deliver_bytes(1, 1, &[1], days, one)
            .await
            .expect("one"),
        world
            .deliver_bytes(1, 2, &[2], days, b"id,a\n2,\"x\ny\"\n".to_vec())
            .await
            .expect("two"),
        world
            .deliver_bytes(1, 3, &[3], days, b"id,a\n".to_vec())
            .await
            .expect("three"),
    ];
    world.publish(1, &[1, 2, 3], days, parts).await;
    let text = std::fs::read_to_string(world.data("window=2026-11-21_2026-11-21")).expect("file");
    assert_eq!(text, "id,a\r\n1,1\n2,\"x\ny\"\n");
}

#[tokio::test]
async fn more_days_than_open_files_are_split_in_passes() {
    let days = window("2026-09-01", "2026-11-30");
    for format in FORMATS {
        let world = World::new(format, Partition::Date).await;
        let rows = grid(&[1, 2], days, "x");
        let published = world.land(1, &[1, 2], days, &rows).await;
        assert_eq!(published.files.len(), 91);
        assert!(
            days.days()
                .all(|day| world.rows(&format!("date={day}")).len() == 2)
        );
    }
}

#[tokio::test]
async fn a_changed_format_replaces_the_file_of_the_old_one() {
    let mut world = World::new(Format::Csv, Partition::Date).await;
    let day = window("2026-11-22", "2026-11-22");
    world.land(1, &IDS, day, &grid(&IDS, day, "a")).await;
    world.format = Format::Parquet;
    let published = world.land(2, &IDS, day, &grid(&IDS, day, "b")).await;
    assert_eq!(published.files[0].generation, 2);
    assert_eq!(
        world.visible(),
        ["data/owned/date=2026-11-22/owned.parquet"]
    );
}

#[tokio::test]
async fn a_changed_key_lands_no_day_twice() {
    let mut world = World::new(Format::Csv, Partition::Date).await;
    let day = window("2026-11-22", "2026-11-22");
    world.land(1, &IDS, day, &grid(&IDS, day, "a")).await;
    world.partition = Partition::Month;
    let part = world.deliver(2, 1, &IDS, day, &grid(&IDS, day, "b")).await;
    let order = world.order(2, &IDS, day, vec![part]);
    let fault = world.landing.publish(order).await.expect_err("another key");
    assert_eq!(fault.class, FaultClass::Check);
    assert!(fault.message.contains("date=2026-11-22"), "{fault}");
    assert_eq!(world.visible(), ["data/owned/date=2026-11-22/owned.csv"]);
}
