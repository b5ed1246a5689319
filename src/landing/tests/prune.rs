//! Which raw files go, and which must stay although they are old.

use super::rows::grid;
use super::*;
use std::collections::BTreeSet;

const IDS: [i64; 2] = [1, 2];

async fn prune(world: &World, open: &[RunId], dry: bool, age: Duration) -> Pruned {
    let order = PruneOrder {
        open: open.iter().cloned().collect::<BTreeSet<_>>(),
        retention: Duration::from_secs(60),
        now: crate::clock::now() + age,
        dry,
    };
    world.landing.prune(order).await.expect("pruned")
}

fn raw(world: &World, run: u32) -> std::path::PathBuf {
    world.root().join("raw/owned").join(world.run(run).as_str())
}

#[tokio::test]
async fn old_raw_files_go_and_young_open_or_needed_ones_stay() {
    let old = Duration::from_secs(3_600);
    let days = window("2026-11-01", "2026-11-03");
    for format in FORMATS {
        let world = World::new(format, Partition::Date).await;
        world.land(1, &IDS, days, &grid(&IDS, days, "x")).await;
        let young = prune(&world, &[], false, Duration::ZERO).await;
        assert_eq!(young, Pruned::default());
        let open = prune(&world, &[world.run(1)], false, old).await;
        assert_eq!((open.removed.len(), open.kept.len()), (0, 1));
        assert!(open.kept[0].reason.contains("not ended"));
        // Of a damaged file the raw rows are the only ones left.
        let damaged = world.data("date=2026-11-02");
        let good = std::fs::read(&damaged).expect("the file");
        std::fs::remove_file(&damaged).expect("removed");
        let needed = prune(&world, &[], false, old).await;
        assert!(needed.removed.is_empty());
        assert!(
            needed.kept[0].reason.contains("date=2026-11-02"),
            "{needed:?}"
        );
        std::fs::write(&damaged, good).expect("mended");
        let dry = prune(&world, &[], true, old).await;
        assert_eq!(dry.removed.len(), 1);
        assert!(raw(&world, 1).exists());
        let done = prune(&world, &[], false, old).await;
        assert_eq!(done.removed, dry.removed);
        assert!(!raw(&world, 1).exists());
        assert!(verify(world.root(), None).expect("verified").is_clean());
        // A run for one property still keeps the others' rows.
        world
            .land(2, &IDS[..1], days, &grid(&IDS[..1], days, "y"))
            .await;
        assert_eq!(world.rows("date=2026-11-02").len(), 2);
    }
}

#[tokio::test]
async fn quarantined_files_go_with_their_raw_ones() {
    let mut world = World::new(Format::Csv, Partition::Date).await;
    world.checks.unique = vec!["id".to_owned()];
    let days = window("2026-11-01", "2026-11-01");
    let rows = grid(&IDS, days, "x");
    let published = world
        .land(1, &IDS, days, &[rows.clone(), rows].concat())
        .await;
    assert_eq!(published.verdict, Verdict::Quarantined);
    let pruned = prune(&world, &[], false, Duration::from_secs(3_600)).await;
    let paths: Vec<&str> = pruned.removed.iter().map(|run| run.path.as_str()).collect();
    let run = world.run(1);
    assert_eq!(
        paths,
        [
            format!("raw/owned/{run}"),
            format!("staging/quarantine/{run}")
        ]
    );
}

/// A publish whose raw file is gone says so at once, instead of trying again.
#[tokio::test]
async fn a_publish_without_its_raw_file_is_told() {
    let world = World::new(Format::Csv, Partition::Date).await;
    let days = window("2026-11-01", "2026-11-01");
    let part = world
        .deliver(1, 1, &IDS, days, &grid(&IDS, days, "x"))
        .await;
    prune(&world, &[], false, Duration::from_secs(3_600)).await;
    let order = world.order(1, &IDS, days, vec![part]);
    let fault = world.landing.publish(order).await.expect_err("gone");
    assert_eq!(fault.class, FaultClass::Gone);
    assert!(fault.message.contains("raw_retention"), "{fault}");
}

async fn lost(world: &World, order: &PublishOrder) -> Vec<PartNumber> {
    world.landing.lost(order.clone()).await.expect("looked")
}

/// A run whose first part landed and whose raw file had its time, and its second part, delivered late.
async fn retried(format: Format, partition: Partition, days: Window) -> (World, PublishOrder) {
    let world = World::new(format, partition).await;
    let first = world
        .deliver(1, 1, &IDS[..1], days, &grid(&IDS[..1], days, "x"))
        .await;
    let published = world.publish(1, &IDS, days, vec![first.clone()]).await;
    assert_eq!(published.verdict, Verdict::Incomplete);
    prune(&world, &[], false, Duration::from_secs(3_600)).await;
    assert!(!world.root().join(&first.artifact.path).exists());
    let second = world
        .deliver(1, 2, &IDS[1..], days, &grid(&IDS[1..], days, "y"))
        .await;
    let order = world.order(1, &IDS, days, vec![first, second]);
    (world, order)
}

#[tokio::test]
async fn what_has_landed_stands_for_raw_files_that_had_their_time() {
    let days = window("2026-11-01", "2026-11-03");
    for format in FORMATS {
        for partition in [Partition::Window, Partition::Date, Partition::Month] {
            let (world, order) = retried(format, partition, days).await;
            assert_eq!(lost(&world, &order).await, [0; 0]);
            let published = world.landing.publish(order.clone()).await;
            let published = published.expect("published");
            assert_eq!(published.verdict, Verdict::Landed, "{published:?}");
            assert_eq!((published.rows, published.missing.len()), (6, 0));
            let slices = super::super::partition::slices(partition, days);
            let mut rows: Vec<Row> = slices
                .iter()
                .flat_map(|slice| world.rows(&slice.key))
                .collect();
            let mut expected = [grid(&IDS[..1], days, "x"), grid(&IDS[1..], days, "y")].concat();
            let order_of = |a: &Row, b: &Row| a.partial_cmp(b).expect("no NaN");
            rows.sort_by(order_of);
            expected.sort_by(order_of);
            assert_eq!(rows, expected, "{format:?} {partition:?}");
            assert!(verify(world.root(), None).expect("verified").is_clean());
            // A publish that is repeated, as after a crash, changes nothing.
            let manifests = |world: &World| -> Vec<Manifest> {
                slices
                    .iter()
                    .map(|slice| world.manifest(&slice.key))
                    .collect()
            };
            let before = manifests(&world);
            let again = world.landing.publish(order).await.expect("repeated");
            assert_eq!(
                (again.verdict, again.files),
                (published.verdict, published.files)
            );
            assert_eq!(manifests(&world), before);
        }
    }
}

/// The part that failed fails again: the others' files stay, and the run still has them.
#[tokio::test]
async fn a_retry_that_brings_nothing_leaves_what_stands() {
    let days = window("2026-11-01", "2026-11-02");
    let (world, mut order) = retried(Format::Parquet, Partition::Date, days).await;
    let before = world.manifest("date=2026-11-01");
    order.parts.truncate(1);
    let published = world.landing.publish(order).await.expect("published");
    assert_eq!(published.verdict, Verdict::Incomplete);
    assert_eq!((published.files.len(), published.rows), (2, 2));
    assert_eq!(published.missing, [span(2, "2026-11-01", "2026-11-02")]);
    assert_eq!(world.manifest("date=2026-11-01"), before);
}

#[tokio::test]
async fn parts_that_stand_nowhere_must_be_had_again() {
    let days = window("2026-11-01", "2026-11-02");
    // The landed file is gone too, or damaged.
    let (world, order) = retried(Format::Csv, Partition::Date, days).await;
    let path = world.data("date=2026-11-02");
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(lost(&world, &order).await, [1]);
    std::fs::write(&path, "id\n1\n").expect("written");
    assert_eq!(lost(&world, &order).await, [1]);
    let fault = world
        .landing
        .publish(order.clone())
        .await
        .expect_err("lost");
    assert_eq!(fault.class, FaultClass::Gone, "{fault}");
    // It never landed.
    let third = world
        .deliver(2, 1, &[3], days, &grid(&[3], days, "z"))
        .await;
    std::fs::remove_file(world.root().join(&third.artifact.path)).expect("removed");
    let order = world.order(2, &[3], days, vec![third]);
    assert_eq!(lost(&world, &order).await, [1]);
}

/// Without the property column the rows of two parts in one file are anybody's.
#[tokio::test]
async fn rows_that_cannot_be_told_apart_stand_for_nobody() {
    let world = World::new(Format::Csv, Partition::Date).await;
    let day = window("2026-11-22", "2026-11-22");
    let body = |rows: usize| format!("name,rent\n{}", "x,1\n".repeat(rows)).into_bytes();
    let first = world.deliver_bytes(1, 1, &IDS[..1], day, body(2)).await;
    let first = first.expect("delivered");
    world.publish(1, &IDS, day, vec![first.clone()]).await;
    prune(&world, &[], false, Duration::from_secs(3_600)).await;
    let second = world.deliver_bytes(1, 2, &IDS[1..], day, body(3)).await;
    let order = world.order(1, &IDS, day, vec![first, second.expect("delivered")]);
    assert_eq!(lost(&world, &order).await, [1]);
}

/// What cannot be read may say that a raw file is needed.
#[tokio::test]
async fn nothing_goes_while_the_manifests_cannot_be_listed() {
    let world = World::new(Format::Csv, Partition::Date).await;
    let days = window("2026-11-01", "2026-11-01");
    world.land(1, &IDS, days, &grid(&IDS, days, "x")).await;
    let (meta, aside) = (world.root().join("meta/owned"), world.root().join("aside"));
    std::fs::rename(&meta, &aside).expect("set aside");
    std::fs::write(&meta, "no folder").expect("written");
    let old = Duration::from_secs(3_600);
    let pruned = prune(&world, &[], false, old).await;
    assert!(pruned.removed.is_empty());
    assert!(pruned.kept[0].reason.contains("meta/owned"), "{pruned:?}");
    std::fs::remove_file(&meta).expect("removed");
    std::fs::rename(&aside, &meta).expect("put back");
    // Nor does what belongs to no schedule, of which no manifest could tell.
    let strange = world.root().join("raw/No Schedule/run");
    std::fs::create_dir_all(&strange).expect("made");
    std::fs::write(strange.join("part"), "x").expect("written");
    let dry = prune(&world, &[], true, old).await;
    assert_eq!((dry.removed.len(), dry.kept.len()), (1, 1), "{dry:?}");
    assert_eq!(dry.kept[0].path, "raw/No Schedule/run");
    assert_eq!(prune(&world, &[], false, old).await.removed.len(), 1);
}
